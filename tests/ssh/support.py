"""What the tests of `ssh/` share: connecting to a bed's hosts, opening forwards, plain clients."""

import asyncio
import contextlib
import shutil
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from jupyter_remote_tunnel.model.address import TcpAddress, UnixAddress, parse_address
from jupyter_remote_tunnel.model.errors import RemoteTunnelError
from jupyter_remote_tunnel.model.forward import ForwardSpec
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import OnConflict, SshOptions
from jupyter_remote_tunnel.model.text import plain
from jupyter_remote_tunnel.ssh.config import resolve
from jupyter_remote_tunnel.ssh.connecting import open_connection
from jupyter_remote_tunnel.ssh.connection import Connection
from jupyter_remote_tunnel.ssh.forward import Forward, make_forward
from jupyter_remote_tunnel.ssh.hop import Hop
from tests.support.echo import reset_at_close
from tests.support.lying_host import Liar, lying
from tests.support.sshd import SshBed

PATIENCE = 30.0
"""Seconds until something counts as never."""

MANY = 64 << 20
"""Bytes that no buffer on the way can hold."""


async def route_to(bed: SshBed, alias: str, options: SshOptions | None = None) -> tuple[Hop, ...]:
    """The route to a host of the bed, by the bed's configuration."""
    options = options or SshOptions(config_file=str(bed.config_file))
    return await resolve(alias, options, EngineSettings(ssh_config=str(bed.config_file)))


@contextlib.asynccontextmanager
async def connect(
    bed: SshBed, alias: str, options: SshOptions | None = None
) -> AsyncIterator[Connection]:
    """The connection to the last hop of a host's route, all hops opened one over the other."""
    async with contextlib.AsyncExitStack() as stack:
        via: Connection | None = None
        for hop in await route_to(bed, alias, options):
            via = await open_connection(hop, via=via)
            stack.push_async_callback(via.close)
        assert via is not None
        yield via


class Forwarding:
    """Opens forwards over one connection; all are closed at the end."""

    def __init__(self, connection: Connection | None, settings: EngineSettings) -> None:
        self.connection = connection
        self.settings = settings
        self.folder = Path(tempfile.mkdtemp(prefix="jrt-"))
        self.changes = asyncio.Event()
        self._forwards: list[Forward] = []

    def make(
        self, spec: str, *, on_conflict: OnConflict = "fail", proxy_protocol: bool = False
    ) -> Forward:
        """A forward that is not open yet."""
        forward = make_forward(
            ForwardSpec.parse(spec),
            self.settings,
            private_dir=self.folder,
            on_conflict=on_conflict,
            proxy_protocol=proxy_protocol,
            on_change=self.changes.set,
        )
        self._forwards.append(forward)
        return forward

    async def open(
        self, spec: str, *, on_conflict: OnConflict = "fail", proxy_protocol: bool = False
    ) -> Forward:
        """A forward that listens, attached to the connection if there is one."""
        forward = self.make(spec, on_conflict=on_conflict, proxy_protocol=proxy_protocol)
        await forward.listen()
        if self.connection is not None:
            await forward.attach(self.connection)
        return forward

    async def until(self, ask: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Wait until `ask()` is true; asked again whenever a forward reports a change."""
        async with asyncio.timeout(patience):
            while not ask():
                self.changes.clear()
                await self.changes.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for forward in self._forwards:
            await forward.close()
        shutil.rmtree(self.folder)


@contextlib.asynccontextmanager
async def forwarding_to(
    bed: SshBed, alias: str, options: SshOptions | None = None
) -> AsyncIterator[Forwarding]:
    """`Forwarding` over a connection of its own to a host of the bed."""
    async with (
        connect(bed, alias, options) as connection,
        Forwarding(connection, EngineSettings()) as forwarding,
    ):
        yield forwarding


@contextlib.asynccontextmanager
async def tunnelled(bed: SshBed, liar: Liar, patience: float) -> AsyncIterator[Forwarding]:
    """Forwards over a connection to a liar, which is waited for that many seconds."""
    sshd = bed.host("gpu01", start=False)
    async with lying(sshd, liar), connect(bed, "gpu01") as connection:
        connection.hop = replace(connection.hop, connect_timeout=patience)
        settings = EngineSettings(connect_timeout=patience)
        async with Forwarding(connection, settings) as forwarding:
            yield forwarding


def connection_of(forwarding: Forwarding) -> Connection:
    """What its forwards use."""
    assert forwarding.connection is not None
    return forwarding.connection


def assert_shown_plainly(error: RemoteTunnelError) -> None:
    """What gpu01 said stands in its error: no control character, no line of its own, not long."""
    assert error.message == plain(error.message, 400)
    assert error.hop == "gpu01"


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def dial(bound: str | None) -> Stream:
    """Connect to where a forward listens."""
    assert bound is not None
    address = parse_address(bound)
    if isinstance(address, UnixAddress):
        return await asyncio.open_unix_connection(address.path)
    return await asyncio.open_connection(address.host, address.port)


@contextlib.asynccontextmanager
async def dialled(bound: str | None) -> AsyncIterator[Stream]:
    """`dial`, and the connection closed at the end, whatever became of it; what was not sent then
    is not.
    """
    reader, writer = await dial(bound)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def ask(bound: str | None, question: bytes) -> bytes:
    """Send a question and its end, and return all of the answer."""
    async with asyncio.timeout(PATIENCE), dialled(bound) as (reader, writer):
        writer.write(question)
        writer.write_eof()
        return await reader.read()


def hit_and_run(bound: str | None, early: bytes = b"", *, rst: bool = True) -> None:
    """Connect, perhaps send something, and leave, all before anybody can have reacted."""
    address = parse_address(bound or "")
    assert isinstance(address, TcpAddress)
    client = socket.create_connection((address.host, address.port))
    client.sendall(early)
    if rst:
        reset_at_close(client)
    client.close()


def descriptors() -> int:
    """How many file descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def open_channels(connection: Connection) -> int:
    """How many channels the connection holds, as asyncssh counts them."""
    return len(connection._ssh._channels)


async def stands_still(count: Callable[[], int], connection: Connection) -> int:
    """Wait until a count of bytes does not grow any more while others are served; how many they
    are then.

    A system's buffers fill bit by bit: it stands still when it has not changed over a whole series
    of round trips. What is counted is finite, so this ends, whether or not anything holds it back.
    """
    same, last = 0, -1
    while same < 50:
        await connection.rtt()
        now = count()
        same = same + 1 if now == last else 0
        last = now
    return last


async def no_channels(connection: Connection) -> None:
    """Wait until the connection holds no channel."""
    async with asyncio.timeout(PATIENCE):
        while open_channels(connection):
            await connection.rtt()


def looks() -> list[str]:
    """The threads that look at files for the code under test."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("look at")]


def task_names() -> set[str]:
    """Names of the tasks that run, without the test's own."""
    mine = asyncio.current_task()
    return {task.get_name() for task in asyncio.all_tasks() if task is not mine}
