"""The round trip of a message through an open stream: the median of each round.

64 KB are set beside a plain ``ssh -N -L``, where sshd holds back the end of a message (it leaves
Nagle's algorithm on until the connection runs a session), and beside an ssh that runs one.
"""

import contextlib
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from benchmarks import client
from benchmarks.bench import Bench
from benchmarks.contenders import Engine, Forward, Peer, ours, peer, ssh
from benchmarks.figures import Row, interleave_anew, ratio
from tests.support.sshd import SshBed, Sshd

_MESSAGE = 64 * 1024


def measure(bench: Bench) -> Iterator[Row]:
    """The rows of this group."""
    with contextlib.ExitStack() as stack:
        remote = stack.enter_context(peer())
        bed = stack.enter_context(SshBed())
        hosts = [bed.host(f"host{number}") for number in range(3)]
        start = partial(_contenders, bed, hosts, remote)
        found = interleave_anew(bench.rounds, partial(start, _MESSAGE, bench.size(100, 10)))
        mine = found["ours"]
        yield Row("64 KB and back", "ms", mine, found["plain"], ratio("≤", 0.02))
        yield Row(
            "64 KB and back", "ms", mine, found["session"], ratio("≤", 2), "with a session running"
        )
        found = interleave_anew(bench.rounds, partial(start, 1, bench.size(5000, 200)))
        micro = {who: [value * 1e3 for value in values] for who, values in found.items()}
        yield Row("1 byte and back", "µs", micro["ours"], micro["plain"], ratio("≤", 1.3))


@contextlib.contextmanager
def _contenders(
    bed: SshBed, hosts: Sequence[Sshd], remote: Peer, size: int, count: int
) -> Iterator[Mapping[str, Callable[[], float]]]:
    with (
        Engine(bed) as engine,
        ours(engine, hosts[0], remote) as mine,
        ssh(bed, hosts[1], remote) as plain,
        ssh(bed, hosts[2], remote, session=True) as session,
    ):
        ways = {"ours": mine, "plain": plain, "session": session}
        yield {who: partial(_median, way, size, count) for who, way in ways.items()}


def _median(way: Forward, size: int, count: int) -> float:
    """Milliseconds."""
    return statistics.median(client.echo(way.work, size, count=count)) * 1e3
