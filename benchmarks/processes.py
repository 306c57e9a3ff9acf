"""What processes use: processor time, memory, wake-ups.

Memory is the resident set size, as `ps` and `top` show it: shared libraries count in full, so it is
what a process takes at most, and it does not depend on what else runs.
"""

import contextlib
import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from subprocess import run
from typing import Any

import psutil

from tests.support.process import PeerError, program

MIB = 1 << 20


def family(pid: int) -> list[psutil.Process]:
    """The process and all that it has started."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def cpu(processes: Iterable[psutil.Process]) -> float:
    """Seconds of processor time until now, user and system; 0.01 s is the least that shows.

    Of those that live: sshd's processes for a command that has ended are gone.
    """
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def memory(processes: Iterable[psutil.Process]) -> float:
    """Resident set size in MiB."""
    return sum(process.memory_info().rss for process in processes) / MIB


def wake_ups(processes: Iterable[psutil.Process]) -> int:
    """How often their threads have waited for something until now."""
    tasks = [Path(f"/proc/{process.pid}/task") for process in processes]
    return sum(_voluntary(status) for task in tasks for status in task.glob("*/status"))


def _voluntary(status: Path) -> int:
    for line in status.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "voluntary_ctxt_switches":
            return int(value)
    return 0


def machine() -> dict[str, Any]:
    """What the figures depend on: versions, processors, and how busy they were when it began."""
    names = ("jupyter-remote-tunnel", "asyncssh", "cryptography", "jupyter_server", "tornado")
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "openssh": _openssh(),
        **{name: version(name) for name in names},
        "cpus": len(os.sched_getaffinity(0)),
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def _openssh() -> str:
    """As `ssh -V` says it, on its standard error."""
    try:
        argv = [program("ssh"), "-V"]
    except PeerError:
        return "none"
    return run(argv, capture_output=True, text=True, check=True).stderr.strip()
