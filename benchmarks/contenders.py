"""What forwards: OpenSSH's client, and an engine of ours; each with an sshd of its own behind it.

::

    with peer() as remote, SshBed() as bed, Engine(bed) as engine:
        with ssh(bed, bed.host("a"), remote) as theirs, ours(engine, bed.host("b"), remote) as mine:
            client.download(theirs.work, 10**9)
            client.download(mine.work, 10**9)
"""

import contextlib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from benchmarks.client import Address
from benchmarks.processes import family
from jupyter_remote_tunnel.engine.holder import Holder
from jupyter_remote_tunnel.engine.sync import LoopThread, SyncEngine
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import TunnelRequest
from jupyter_remote_tunnel.model.status import TunnelStatus
from tests.support.ports import ReservedPort
from tests.support.process import PeerError, child, program, wait_until
from tests.support.sshd import SshBed, Sshd

#: The cipher that our engine prefers, for an ssh that is to use the same; and how it is shown.
CIPHER = "-caes128-gcm@openssh.com"
CIPHER_NAME = "aes128-gcm"

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Peer:
    """A running `benchmarks.peer`: its two ports."""

    work: Address
    byte: Address


@dataclass(frozen=True)
class Forward:
    """A way to the peer: the near ends for its two ports, and what forwards on either side."""

    work: Address
    byte: Address
    pid: int
    sshd: Sshd

    @property
    def near(self) -> list[psutil.Process]:
        """The processes on this side."""
        return family(self.pid)

    @property
    def far(self) -> list[psutil.Process]:
        """sshd's own for the connection."""
        return self.sshd.connections


@contextlib.contextmanager
def peer() -> Iterator[Peer]:
    """Start a peer."""
    with child([sys.executable, "-m", "benchmarks.peer"]) as process:
        found = process.wait_for_line(r"peer on (\d+) (\d+)")
        yield Peer((LOOPBACK, int(found[1])), (LOOPBACK, int(found[2])))


@contextlib.contextmanager
def ssh(
    bed: SshBed, sshd: Sshd, remote: Peer, *options: str, host: str = "", session: bool = False
) -> Iterator[Forward]:
    """``ssh -N -L`` with `options`; with `session`, it runs a command there meanwhile.

    :param host: the alias to connect to, where that is not `sshd`'s own.
    """
    with ReservedPort() as work, ReservedPort() as byte:
        forwards = [
            f"-L{port.number}:{LOOPBACK}:{there[1]}"
            for port, there in ((work, remote.work), (byte, remote.byte))
        ]
        alias = host or sshd.alias
        near = (LOOPBACK, work.number), (LOOPBACK, byte.number)
        ready = listener(near[1])
        with ssh_client(bed, alias, *forwards, *options, ready=ready, session=session) as pid:
            yield Forward(*near, pid, sshd)


@contextlib.contextmanager
def ssh_client(
    bed: SshBed, host: str, *options: str, ready: Callable[[], bool], session: bool = False
) -> Iterator[int]:
    """An OpenSSH client without a terminal, from when it is `ready`; its process id."""
    argv = [program("ssh"), "-F", str(bed.config_file), "-o", "ExitOnForwardFailure=yes", *options]
    argv += [host, "cat"] if session else ["-N", host]
    # `cat` runs for as long as our end of its input is open.
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: process.poll() is not None or ready(), "ssh")
        if process.returncode is not None:
            raise PeerError(f"ssh ended with {process.returncode}: {' '.join(argv)[:500]}")
        yield process.pid
    finally:
        process.terminate()
        process.communicate()


def listener(address: Address) -> Callable[[], bool]:
    """Whether something listens there, as a question to ask again."""

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(address) == 0

    return listens


@contextlib.contextmanager
def ssh_with_idle_forwards(bed: SshBed, host: str, count: int, *options: str) -> Iterator[int]:
    """``ssh -N`` with so many ``-L``, on Unix sockets; its process id."""
    with tempfile.TemporaryDirectory() as folder:
        forwards = [f"-L{folder}/{port}:{LOOPBACK}:{port}" for port in range(1, count + 1)]
        ready = Path(folder, str(count)).exists  # the last one
        with ssh_client(bed, host, *options, *forwards, ready=ready) as pid:
            yield pid


class Engine:
    """A warm engine, held by this process as a Jupyter server would hold it."""

    def __init__(self, bed: SshBed) -> None:
        self._settings = EngineSettings(ssh_config=str(bed.config_file))

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            thread = LoopThread("holder")
            stack.callback(thread.close)
            self._holder = Holder(self._settings, kind="background")
            thread.run(self._holder.open())
            stack.callback(lambda: thread.run(self._holder.close()))
            thread.run(self._holder.start())
            self._client = SyncEngine(self._holder.socket_path, "shell")
            stack.callback(self._client.close)
            self._undo = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    @property
    def pid(self) -> int:
        """Of its process."""
        pid = self._holder.announcement.engine_pid
        assert pid is not None, "it runs while this is entered"
        return pid

    def open_idle(self, host: str, numbers: Iterable[int]) -> None:
        """Open a tunnel for each, with that number for a destination: equal ones would be one."""
        for number in numbers:
            self.open(host, [f"-L 0:{LOOPBACK}:{number}"])

    def open(self, host: str, forwards: Sequence[str]) -> TunnelStatus:
        """Open a tunnel; return when it is open."""
        request = TunnelRequest(host=host, forwards=tuple(forwards))
        tunnel, created = self._client.open_tunnel(request)
        if not created:
            raise PeerError(f"there is a tunnel {tunnel.name} already")
        return tunnel

    def close(self, tunnel: TunnelStatus) -> None:
        """Close a tunnel."""
        self._client.close_tunnel(tunnel.id)


def bound(tunnel: TunnelStatus, number: int = 0) -> Address:
    """Where the `number`-th forward of `tunnel` listens."""
    host, _, port = str(tunnel.forwards[number].bound).rpartition(":")
    return host, int(port)


@contextlib.contextmanager
def ours(engine: Engine, sshd: Sshd, remote: Peer, *, host: str = "") -> Iterator[Forward]:
    """A tunnel of `engine`, closed in the end; `host` as for `ssh`."""
    ends = [f"-L 0:{LOOPBACK}:{there[1]}" for there in (remote.work, remote.byte)]
    tunnel = engine.open(host or sshd.alias, ends)
    try:
        yield Forward(bound(tunnel), bound(tunnel, 1), engine.pid, sshd)
    finally:
        engine.close(tunnel)
