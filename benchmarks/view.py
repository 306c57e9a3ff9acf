"""What an application's origin view carries: a GET and a POST of many bytes, in MB/s.

A Jupyter server shows the peer, which speaks HTTP, as an application; the same requests go through
the same tunnel's own port (the raw forward), and through ``ssh -L``.
"""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import client
from benchmarks.bench import Bench
from benchmarks.contenders import CIPHER, CIPHER_NAME, peer, ssh
from benchmarks.figures import Row, interleave, ratio
from benchmarks.server import server
from tests.support.sshd import SshBed

_Move = Callable[..., float]


def measure(bench: Bench) -> Iterator[Row]:
    """The rows of this group."""
    size = bench.size(500_000_000, 20_000_000)
    with contextlib.ExitStack() as stack:
        remote = stack.enter_context(peer())
        bed = stack.enter_context(SshBed())
        hosts = bed.host("host0"), bed.host("host1")
        jupyter = stack.enter_context(server(bed))
        app_id, raw = jupyter.open("host0", remote)
        page = jupyter.enter(app_id)
        theirs = stack.enter_context(ssh(bed, hosts[1], remote, CIPHER))
        for name, move in (("down", client.http_download), ("up", client.http_upload)):

            def speed(address: client.Address, *headers: str, move: _Move = move) -> float:
                return size / move(address, size, *headers) / 1e6

            contenders = {
                "view": partial(speed, jupyter.address, *page),
                "raw": partial(speed, raw),
                "ssh": partial(speed, theirs.work),
            }
            for warm_up in contenders.values():
                warm_up()  # the first request of a server loads its HTTP client
            found = interleave(bench.rounds, contenders)
            what = f"through the origin view, {name}"
            target = ratio("≥", 0.6)
            yield Row(what, "MB/s", found["view"], found["raw"], target, "our raw forward")
            yield Row(what, "MB/s", found["view"], found["ssh"], beside=CIPHER_NAME)
