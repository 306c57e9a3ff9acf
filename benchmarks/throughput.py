"""One stream at full speed: MB/s each way, and the processor time that a GB takes on either side.

Ours prefers aes128-gcm, so it is set beside an ssh that is told to use it too, and beside one that
uses what it likes. A download is timed from its request to its last byte, an upload from its first
byte to the peer's answer, which comes when all of it has come.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from benchmarks import client
from benchmarks.bench import Bench
from benchmarks.contenders import CIPHER, CIPHER_NAME, Engine, Forward, Peer, ours, peer, ssh
from benchmarks.figures import Row, Target, interleave_anew, ratio
from benchmarks.processes import cpu
from tests.support.sshd import SshBed, Sshd

_Move = Callable[[client.Address, int], float]

_TARGETS: dict[str, dict[str, Target]] = {
    "down": {CIPHER_NAME: ratio("≥", 0.75), "its default cipher": ratio("≥", 1.1)},
    "up": {CIPHER_NAME: ratio("≥", 0.75)},
}


class _Sample(NamedTuple):
    speed: float  # MB/s
    near: float  # s of processor time a GB
    far: float


def measure(bench: Bench) -> Iterator[Row]:
    """The rows of this group."""
    size = bench.size(1_000_000_000, 100_000_000)
    with contextlib.ExitStack() as stack:
        remote = stack.enter_context(peer())
        bed = stack.enter_context(SshBed())
        hosts = [bed.host(f"host{number}") for number in range(3)]
        for name, move in (("down", client.download), ("up", client.upload)):
            start = partial(_contenders, bed, hosts, remote, move, size)
            yield from _rows(name, interleave_anew(bench.rounds, start))
            direct = size / move(remote.work, size) / 1e6
            bench.note(f"one stream {name}, without a forward between: {direct:.0f} MB/s")


@contextlib.contextmanager
def _contenders(
    bed: SshBed, hosts: Sequence[Sshd], remote: Peer, move: _Move, size: int
) -> Iterator[Mapping[str, Callable[[], _Sample]]]:
    with (
        Engine(bed) as engine,
        ours(engine, hosts[0], remote) as mine,
        ssh(bed, hosts[1], remote, CIPHER) as same,
        ssh(bed, hosts[2], remote) as default,
    ):
        ways = {"ours": mine, CIPHER_NAME: same, "its default cipher": default}
        for way in ways.values():
            move(way.work, size // 10)
        yield {who: partial(_sample, move, way, size) for who, way in ways.items()}


def _sample(move: _Move, way: Forward, size: int) -> _Sample:
    near, far = way.near, way.far
    before = cpu(near), cpu(far)
    seconds = move(way.work, size)
    after = cpu(near), cpu(far)
    used = [(end - begin) / size * 1e9 for begin, end in zip(before, after, strict=True)]
    return _Sample(size / seconds / 1e6, *used)


def _rows(way: str, found: dict[str, list[_Sample]]) -> Iterator[Row]:
    mine = found.pop("ours")
    for beside, other in found.items():
        target = _TARGETS[way].get(beside)
        speeds = [one.speed for one in mine], [one.speed for one in other]
        yield Row(f"one stream {way}", "MB/s", *speeds, target, beside)
        near = [one.near for one in mine], [one.near for one in other]
        yield Row(f"processor time near, {way}", "s/GB", *near, beside=beside)
        far = [one.far for one in mine], [one.far for one in other]
        yield Row(f"processor time at sshd, {way}", "s/GB", *far, beside=beside)
