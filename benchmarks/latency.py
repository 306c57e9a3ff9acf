"""The round trip of a message through an open stream: the median of each round.

64 KB are set beside a plain ``ssh -N -L``, where sshd holds back the end of a message (it leaves
Nagle's algorithm on until the connection runs a session), and beside an ssh that runs one.
"""

import contextlib
import statistics
from collections.abc import Iterator
from functools import partial

from benchmarks import client
from benchmarks.bench import Bench
from benchmarks.contenders import Engine, Forward, ours, peer, ssh
from benchmarks.figures import Row, interleave, ratio
from tests.support.sshd import SshBed

_MESSAGE = 64 * 1024


def measure(bench: Bench) -> Iterator[Row]:
    """The rows of this group."""
    with contextlib.ExitStack() as stack:
        remote = stack.enter_context(peer())
        bed = stack.enter_context(SshBed())
        hosts = [bed.host(f"host{number}") for number in range(3)]
        engine = stack.enter_context(Engine(bed))
        ways = {
            "ours": stack.enter_context(ours(engine, hosts[0], remote)),
            "plain": stack.enter_context(ssh(bed, hosts[1], remote)),
            "session": stack.enter_context(ssh(bed, hosts[2], remote, session=True)),
        }
        count = bench.size(100, 10)
        found = _interleave(bench.rounds, ways, _MESSAGE, count)
        mine = found["ours"]
        yield Row("64 KB and back", "ms", mine, found["plain"], ratio("≤", 0.02))
        yield Row(
            "64 KB and back", "ms", mine, found["session"], ratio("≤", 2), "with a session running"
        )
        found = _interleave(bench.rounds, ways, 1, bench.size(5000, 200))
        micro = {who: [value * 1e3 for value in values] for who, values in found.items()}
        yield Row("1 byte and back", "µs", micro["ours"], micro["plain"], ratio("≤", 1.3))


def _interleave(
    rounds: int, ways: dict[str, Forward], size: int, count: int
) -> dict[str, list[float]]:
    """Medians in milliseconds."""
    return interleave(
        rounds, {who: partial(_median, way, size, count) for who, way in ways.items()}
    )


def _median(way: Forward, size: int, count: int) -> float:
    return statistics.median(client.echo(way.work, size, count=count)) * 1e3
