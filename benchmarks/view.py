"""What an application's origin view carries: a GET and a POST of many bytes, in MB/s.

A Jupyter server shows the peer, which speaks HTTP, as an application; the same requests go through
the same tunnel's own port (the raw forward), and through ``ssh -L``.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from benchmarks import client
from benchmarks.bench import Bench
from benchmarks.contenders import CIPHER, CIPHER_NAME, Peer, peer, ssh
from benchmarks.figures import Row, interleave_anew, ratio
from benchmarks.server import server
from tests.support.sshd import SshBed, Sshd


def measure(bench: Bench) -> Iterator[Row]:
    """The rows of this group."""
    size = bench.size(500_000_000, 20_000_000)
    with contextlib.ExitStack() as stack:
        remote = stack.enter_context(peer())
        bed = stack.enter_context(SshBed())
        hosts = bed.host("host0"), bed.host("host1")
        for name, move in (("down", client.http_download), ("up", client.http_upload)):
            start = partial(_contenders, bed, hosts, remote, partial(_speed, move, size))
            found = interleave_anew(bench.rounds, start)
            what = f"through the origin view, {name}"
            target = ratio("≥", 0.6)
            yield Row(what, "MB/s", found["view"], found["raw"], target, "our raw forward")
            yield Row(what, "MB/s", found["view"], found["ssh"], beside=CIPHER_NAME)


def _speed(move: Callable[..., float], size: int, address: client.Address, *headers: str) -> float:
    return size / move(address, size, *headers) / 1e6


@contextlib.contextmanager
def _contenders(
    bed: SshBed, hosts: Sequence[Sshd], remote: Peer, speed: Callable[..., float]
) -> Iterator[Mapping[str, Callable[[], float]]]:
    with server(bed) as jupyter, ssh(bed, hosts[1], remote, CIPHER) as theirs:
        app_id, raw = jupyter.open(hosts[0].alias, remote)
        contenders = {
            "view": partial(speed, jupyter.address, *jupyter.enter(app_id)),
            "raw": partial(speed, raw),
            "ssh": partial(speed, theirs.work),
        }
        for warm_up in contenders.values():
            warm_up()  # the first request of a server loads its HTTP client
        yield contenders
