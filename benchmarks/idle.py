"""Wake-ups a minute of an engine with ten tunnels and nothing to do, its holder's pings included.

A wake-up is a voluntary context switch of one of its threads. ssh has ten ``-L`` and the same
keepalive, 15 s. Both are watched at the same time: they do nothing that could disturb the other.
"""

import contextlib
import time
from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.contenders import Engine, ssh_with_idle_forwards
from benchmarks.figures import Row
from benchmarks.processes import family, wake_ups
from tests.support.sshd import SshBed

_TUNNELS = 10


def measure(bench: Bench) -> Iterator[Row]:
    """The row of this group."""
    seconds = bench.seconds(30.0, 3.0)
    with contextlib.ExitStack() as stack:
        bed = stack.enter_context(SshBed())
        bed.host("ours")
        bed.host("ssh")
        engine = stack.enter_context(Engine(bed))
        engine.open_idle("ours", range(1, _TUNNELS + 1))
        keepalive = "-oServerAliveInterval=15"
        pid = stack.enter_context(ssh_with_idle_forwards(bed, "ssh", _TUNNELS, keepalive))
        watched = {"ours": family(engine.pid), "ssh": family(pid)}
        time.sleep(seconds / 10)  # what follows an opening is over
        found: dict[str, list[float]] = {who: [] for who in watched}
        for _ in range(bench.rounds):
            before = {who: wake_ups(processes) for who, processes in watched.items()}
            time.sleep(seconds)
            for who, processes in watched.items():
                found[who].append((wake_ups(processes) - before[who]) / seconds * 60)
        yield Row(f"wake-ups, {_TUNNELS} idle tunnels", "/min", found["ours"], found["ssh"])
