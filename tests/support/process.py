"""A child process as a peer: ready when it says so, ended with everything it started.

``Child`` runs one command in a session of its own with its output read by a thread, so that a test
waits for a line ("listening on …") and not for a time. Every child carries ``MARK`` in its
environment; `tests.support.leaks` finds by it what has left the process tree.
"""

import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import psutil

_T = TypeVar("_T")

#: Name of the environment variable that marks all processes started by this test run.
MARK = "JRT_TEST_MARK"
#: Its value; another one in each xdist worker.
MARK_VALUE = uuid.uuid4().hex

#: Seconds until a peer counts as broken. Generous: the machine may be busy, no test waits for it.
PATIENCE = 60.0
_LONGEST_PAUSE = 0.1
BY_COMMAND = 0.5
"""The pause between two questions, where each starts a command of ours."""


class PeerError(AssertionError):
    """A peer is missing on this machine or did not come up; the message holds its output."""


def program(name: str) -> str:
    """The path of `name`, also where sbin is not on the PATH; `PeerError` if it is not there."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
    found = shutil.which(name, path=path)
    if found is None:
        raise PeerError(f"{name} is needed by the tests and is not installed")
    return found


def only(folder: Path, *names: str) -> str:
    """A PATH on which there are these programs alone: a new folder with links, in `folder`."""
    links = folder / "path"
    links.mkdir()
    for name in names:
        (links / name).symlink_to(program(name))
    return str(links)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without Jupyter's, ssh-agent's and pytest's own, marked.

    Nor with that of an activated virtual environment, whose packages IPython takes into any other.
    """
    unwanted = ("JUPYTER", "JPY_", "IPYTHON", "SSH_", "PYTEST_", "XDG_", "VIRTUAL_ENV")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
    return {**kept, MARK: MARK_VALUE, **(extra or {})}


def wait_until(
    ask: Callable[[], _T], what: str, patience: float = PATIENCE, pause: float = 0.01
) -> _T:
    """Ask again until the answer is true and return it: for a state that sends no event.

    :param pause: seconds between two questions at first: the longer it takes, the less often it is
        asked, as to answer may be work.
    """
    end = time.monotonic() + patience
    while not (answer := ask()):
        if time.monotonic() > end:
            raise PeerError(f"waited {patience:.0f} s in vain for {what}")
        time.sleep(pause)  # nothing tells
        pause = min(pause * 1.1, max(pause, _LONGEST_PAUSE))
    return answer


def answers(path: Path) -> bool:
    """Whether somebody listens at a Unix socket: its file is there a moment earlier."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0


class Child:
    """One running command. `patience` is in seconds; the kernel kills it if this process dies.

    (The kernel means the *thread* that started it: start peers from the main thread.)
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.argv = [str(word) for word in argv]
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(
            [program("setpriv"), "--pdeathsig", "KILL", "--", *self.argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment() if env is None else env,
            cwd=cwd,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(
            target=self._read, name=f"output of {self.argv[0]}", daemon=True
        )
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def output(self) -> str:
        """Everything it has printed so far, both streams."""
        with self._news:
            return "".join(self._lines)

    @property
    def returncode(self) -> int | None:
        """Exit status, or None while it runs."""
        return self._process.poll()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                with self._news:
                    self._lines.append(line)
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_for_line(self, pattern: str, patience: float = PATIENCE) -> re.Match[str]:
        """The first match of `pattern` in a line of the output, past or to come."""
        seen = 0

        def found() -> re.Match[str] | bool | None:
            nonlocal seen
            while seen < len(self._lines):
                match = re.search(pattern, self._lines[seen])
                seen += 1
                if match:
                    return match
            return self._ended

        with self._news:
            result = self._news.wait_for(found, patience)
        if isinstance(result, re.Match):
            return result
        why = "ended" if result else f"said nothing like it for {patience:.0f} s"
        raise PeerError(f"{self.argv[0]} {why}; wanted {pattern!r}:\n{self.output}")

    def wait(self, patience: float = PATIENCE, *, output: bool = True) -> int:
        """Wait for its end and return the exit status; `output`: also until all output is read.

        (What it has started may hold its output open after its end.)
        """
        status = self._process.wait(patience)
        if output:
            self._reader.join(patience)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal to the process alone, not to its descendants."""
        self._process.send_signal(number)

    def end(self, patience: float = 10.0) -> None:
        """SIGTERM, then SIGKILL for what is left of it and its descendants after `patience` s."""
        family = descendants(self.pid)
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self._finish(family)

    def kill(self) -> None:
        """SIGKILL to the process and all its descendants, as when the machine loses power."""
        self.send_signal(signal.SIGSTOP)  # it starts nothing more while we look
        self._finish(descendants(self.pid))

    def _finish(self, family: Sequence[psutil.Process]) -> None:
        family = [*family, *descendants(self.pid)]
        self._process.kill()
        kill_all(family)
        self._process.wait(PATIENCE)
        self._reader.join(5)  # longer only if something that left the tree holds the output


def engines_below(pid: int) -> list[psutil.Process]:
    """The engines among the descendants of a process, those that are just starting included."""
    return [process for process in descendants(pid) if _is_engine(process)]


def _is_engine(process: psutil.Process) -> bool:
    try:
        return "jupyter_remote_tunnel.engine" in process.cmdline()
    except psutil.Error:
        return False  # it has ended


def descendants(pid: int) -> list[psutil.Process]:
    """All living descendants of `pid`, not itself; empty if there is no such process."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill_all(processes: Sequence[psutil.Process]) -> None:
    """SIGKILL to each, and wait until they are gone."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    if alive := still_running(processes, PATIENCE):
        raise PeerError(f"could not be killed: {alive}")


def still_running(processes: Sequence[psutil.Process], patience: float) -> list[psutil.Process]:
    """Wait until all `processes` have ended; those that have not within `patience` seconds.

    An orphan has ended though it is still to be reaped: it holds nothing any more, and some
    machines' init takes seconds to come for it.
    """
    end = time.monotonic() + patience
    return [one for one in processes if not _ends(one, end - time.monotonic())]


def _ends(process: psutil.Process, patience: float) -> bool:
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        if not process.is_running():
            return True  # another one has its number by now
        # The kernel tells when the last thread has let go of what was open.
        end = select.poll()
        end.register(handle, select.POLLIN)
        return bool(end.poll(max(0, patience) * 1000))
    finally:
        os.close(handle)


@contextlib.contextmanager
def child(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[Child]:
    """A `Child` that is ended with all its descendants when the block ends."""
    process = Child(argv, env=env, cwd=cwd)
    try:
        yield process
    finally:
        process.end()
