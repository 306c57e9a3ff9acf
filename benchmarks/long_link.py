"""One stream over a link with 100 ms round trip, steady: what comes after the first seconds.

The link is `benchmarks.delay`; the figure of an upload is from its first byte to the peer's answer.
The jump host stands at the far end of the link, and the remote host beside it.
"""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import client, delay
from benchmarks.bench import Bench
from benchmarks.contenders import Engine, Forward, ours, peer, ssh
from benchmarks.figures import Row, interleave, ratio
from tests.support.sshd import SshBed

_ROUND_TRIP = 0.1
_ENOUGH = 400  # MB/s of the link itself


def measure(bench: Bench) -> Iterator[Row]:
    """The rows of this group."""
    skip, seconds = bench.seconds(2.0, 0.5), bench.seconds(4.0, 0.5)
    with contextlib.ExitStack() as stack:
        remote = stack.enter_context(peer())
        bed = stack.enter_context(SshBed())
        far, gate = bed.host("far"), bed.host("gate")
        ports = (far.port, gate.port, remote.work[1])
        slow, slow_gate, plain = stack.enter_context(delay.link(_ROUND_TRIP, *ports))
        bed.write_config(
            delay.alias(bed, "slow", far, slow)
            + delay.alias(bed, "slow-gate", gate, slow_gate)
            + delay.alias(bed, "behind", far, far.port)
            + " ProxyJump slow-gate\n"
        )
        _check(bench, plain, skip, seconds)
        engine = stack.enter_context(Engine(bed))
        direct, behind = (
            {
                "ours": stack.enter_context(ours(engine, far, remote, host=host)),
                "ssh": stack.enter_context(ssh(bed, far, remote, host=host)),
            }
            for host in ("slow", "behind")
        )

        def down(way: Forward) -> float:
            return client.steady_download(way.work, skip, seconds) / 1e6

        def up(way: Forward) -> float:
            size = bench.size(64_000_000, 4_000_000)
            return size / client.upload(way.work, size) / 1e6

        name = f"{_ROUND_TRIP * 1e3:.0f} ms round trip"
        found = _interleave(bench.rounds, direct, down)
        yield Row(f"down, {name}", "MB/s", found["ours"], found["ssh"], ratio("≥", 3.5))
        found = _interleave(bench.rounds, behind, down)
        target = ratio("≥", 3)
        yield Row(f"down, {name}, by one jump host", "MB/s", found["ours"], found["ssh"], target)
        found = _interleave(bench.rounds, direct, up)
        yield Row(f"up, {name}", "MB/s", found["ours"], found["ssh"])


def _interleave(
    rounds: int, ways: dict[str, Forward], figure: Callable[[Forward], float]
) -> dict[str, list[float]]:
    return interleave(rounds, {who: partial(figure, way) for who, way in ways.items()})


def _check(bench: Bench, port: int, skip: float, seconds: float) -> None:
    """What the link itself can carry is told with the figures."""
    speed = client.steady_download(("127.0.0.1", port), skip, seconds) / 1e6
    verdict = "enough" if speed >= _ENOUGH else "TOO SLOW: the figures may be the link's own"
    bench.note(
        f"one plain TCP stream over the link of {_ROUND_TRIP * 1e3:.0f} ms: {speed:.0f} MB/s"
        f" (at least {_ENOUGH} wanted: {verdict})"
    )
