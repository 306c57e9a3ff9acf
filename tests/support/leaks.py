"""What is left behind: processes, listening sockets, files.

`tests.support.process` marks every peer's environment; what a peer starts inherits the mark, so
`marked_processes` finds also what has left the process tree (a daemon, an orphan)::

    with no_new_processes():
        ...
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.support.process import MARK, MARK_VALUE, PATIENCE, descendants, still_running


def marked_processes(value: str = MARK_VALUE) -> list[psutil.Process]:
    """All living processes of this machine that carry this test run's mark, or another `value`."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == value and process.pid != os.getpid():
                found.append(process)
    return found


def listening(pid: int, *, family: bool = True) -> list[str]:
    """Listening sockets of `pid` (and, with `family`, of its descendants), sorted.

    TCP as ``127.0.0.1:5006`` or ``[::1]:5006``, Unix as a path (abstract ones as ``@name``).
    """
    processes = [psutil.Process(pid), *(descendants(pid) if family else [])]
    found: set[str] = set()
    for process in processes:
        with contextlib.suppress(psutil.Error):
            for connection in process.net_connections(kind="tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    host, port = connection.laddr
                    found.add(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
            found |= _listening_unix(process.pid)
    return sorted(found)


def _listening_unix(pid: int) -> set[str]:
    """psutil does not say which Unix sockets listen; /proc/PID/net/unix does (flag 0x10000)."""
    with contextlib.suppress(OSError):
        inodes = set()
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(fd.readlink())
                if target.startswith("socket:["):
                    inodes.add(target[len("socket:[") : -1])
        found = set()
        for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]:
            fields = line.split(maxsplit=7)
            if int(fields[3], 16) & 0x10000 and fields[6] in inodes:
                found.add(fields[7] if len(fields) > 7 else "@")
        return found
    return set()


def files_below(folder: Path) -> list[str]:
    """All names below `folder` (files, sockets, links, folders), relative and sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def assert_gone(processes: list[psutil.Process], patience: float = PATIENCE) -> None:
    """Wait until all `processes` have ended; fail with their command lines if one has not."""
    alive = still_running(processes, patience)
    assert not alive, "still running: " + "; ".join(map(_describe, alive))


def _describe(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return f"{process.pid} {' '.join(process.cmdline())}"
    return str(process.pid)


@contextlib.contextmanager
def no_new_processes(patience: float = 10.0) -> Iterator[None]:
    """At the block's end nothing marked runs that did not run before, nor any new descendant."""
    before = {*marked_processes(), *descendants(os.getpid())}
    yield
    after = {*marked_processes(), *descendants(os.getpid())}
    assert_gone(list(after - before), patience)
