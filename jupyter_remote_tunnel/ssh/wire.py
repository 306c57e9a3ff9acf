"""What carries the bytes of one SSH connection: a TCP socket, a ProxyCommand, or a channel of the
connection to the hop before.

asyncssh takes a `tunnel` that opens the transport for it: `Direct`, `Command` and `Through` are
such. All put a `Wire` between the transport and asyncssh's connection; what passes it is the
business of the connection's `Flow`.
"""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import asyncssh
import psutil
from typing_extensions import override

from ..model.address import TcpAddress
from ..model.errors import BadInput
from .client import OwnConnection
from .expand import user_shell
from .flow import Flow
from .hop import Hop
from .watching import Watcher

if TYPE_CHECKING:
    from .connection import Connection

WIRE_BUFFER = 1 << 20
"""Bytes that may wait in a connection's transport before its streams wait, too."""

HOP_WINDOW = 64 << 20
"""The receive window of the channel that carries the connection to the next hop. What comes in is
taken at once, so it holds no memory, and it caps that connection at HOP_WINDOW / 2 per round
trip."""

_MUCH = 128 << 10  # bytes read at once of a connection at full speed
_TURN = 0.002  # seconds

_FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
_SECONDS_PER_ADDRESS = 5.0

Make = Callable[[], asyncssh.SSHClientConnection]
Dialled = tuple[Any, asyncssh.SSHClientConnection]


class Wire(asyncssh.SSHTCPSession[bytes], asyncio.Protocol):
    """Stands between a transport and asyncssh's connection. It is an asyncio protocol above a
    socket, and a session above a channel.
    """

    def __init__(self, make: Make, flow: Flow, hop: Hop) -> None:
        self.connection = make()
        OwnConnection.adopt(self.connection, hop, flow)
        self._flow = flow
        self._gave_way = 0.0
        flow.on_deaf = self._give_up

    @override
    def connection_made(self, transport: Any) -> None:
        transport.set_write_buffer_limits(high=WIRE_BUFFER)
        self._flow.transport = transport
        self.connection.connection_made(Outlet(transport, self._flow))

    @override
    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        self._flow.cork()
        self.connection.data_received(data)
        self._flow.uncork()
        if len(data) >= _MUCH:
            self._give_way()

    def _give_way(self) -> None:
        """While there is always more to read, the loop never sleeps, and what waits for its
        processor, like the Jupyter server, would get it at the kernel's next tick only. More often,
        others that never sleep would take most of it.
        """
        now = time.monotonic()
        if now - self._gave_way > _TURN:
            os.sched_yield()
            self._gave_way = time.monotonic()

    @override
    def eof_received(self) -> bool:
        self._flow.ended = True
        self._end(None)
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._flow.ended = True
        self._end(exc)

    def _end(self, exc: Exception | None) -> None:
        """Tell asyncssh of the end. It drops what it has received and not handled yet, which in a
        login may be why the host has ended it: so let it finish that. No person is waited for.
        """
        handling = self.connection._tasks  # noqa: SLF001
        if handling and not (self._flow.logged_in or self._flow.asking):
            next(iter(handling)).add_done_callback(lambda _: self._end(exc))
            return
        self.connection.connection_lost(exc)

    def _give_up(self) -> None:
        """The host does not take what it is answered; asyncssh is in the middle of an answer."""
        deaf = asyncssh.ConnectionLost("it asks and asks, and takes no answer")
        asyncio.get_running_loop().call_soon(self._end, deaf)

    @override
    def pause_writing(self) -> None:
        self._flow.change(full=True)

    @override
    def resume_writing(self) -> None:
        self._flow.change(full=False)


class Outlet(asyncio.Transport):
    """What asyncssh takes for the transport: all it uses of one is here."""

    def __init__(self, transport: Any, flow: Flow) -> None:
        super().__init__()
        self._transport = transport
        self._flow = flow

    @override
    def write(self, data: Any) -> None:
        self._flow.write(data)

    @override
    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self._flow.write(*list_of_data)

    @override
    def abort(self) -> None:
        self._flow.flush()
        self._flow.ended = True
        self._transport.abort()

    @override
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)


class Dialler:
    """asyncssh's `tunnel`. It ends with the connection: `close` it then."""

    def __init__(self, hop: Hop, flow: Flow, watcher: Watcher) -> None:
        self._hop = hop
        self._flow = flow
        self._watcher = watcher

    async def create_connection(self, make: Make, host: str, port: int) -> Dialled:
        """Open the transport; asyncssh calls it."""
        raise NotImplementedError

    async def close(self) -> None:
        """Let go of what the transport needed."""


class Direct(Dialler):
    """A TCP connection of our own."""

    @override
    async def create_connection(self, make: Make, host: str, port: int) -> Dialled:
        loop = asyncio.get_running_loop()
        opened = await self._connect(loop, host, port)
        transport, wire = await loop.create_connection(
            lambda: Wire(make, self._flow, self._hop), sock=opened
        )
        return transport, wire.connection

    async def _connect(
        self, loop: asyncio.AbstractEventLoop, host: str, port: int
    ) -> socket.socket:
        """Try the host's addresses in turn; the first error that is about the host wins."""
        family = _FAMILIES[self._hop.address_family]
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        self._watcher.resolved([str(address[0]) for _, _, _, _, address in found])
        errors: list[OSError] = []
        for index, (kind, _, _, _, address) in enumerate(found):
            last = index == len(found) - 1
            try:
                async with asyncio.timeout(None if last else _SECONDS_PER_ADDRESS):
                    return await self._connect_to(loop, kind, address)
            except OSError as error:  # TimeoutError is one
                errors.append(error)
                self._watcher.not_reached(str(address[0]), error)
        raise next((error for error in errors if isinstance(error, ConnectionError)), errors[0])

    async def _connect_to(
        self, loop: asyncio.AbstractEventLoop, family: int, address: tuple[Any, ...]
    ) -> socket.socket:
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            self._mark(opened, family)
            source = await self._source(loop, family)
            if source is not None:
                opened.bind(source)
            await loop.sock_connect(opened, address)
        except BaseException:
            opened.close()
            raise
        return opened

    def _mark(self, opened: socket.socket, family: int) -> None:
        """Have its packets carry the type of service that the configuration names."""
        if self._hop.type_of_service is None:
            return
        # A system that does not let us does not matter, as with ssh.
        with contextlib.suppress(OSError):
            if family == socket.AF_INET6:
                opened.setsockopt(
                    socket.IPPROTO_IPV6, socket.IPV6_TCLASS, self._hop.type_of_service
                )
            else:
                opened.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, self._hop.type_of_service)

    async def _source(self, loop: asyncio.AbstractEventLoop, family: int) -> Any:
        """The local address to connect from, if the configuration names one or an interface."""
        if self._hop.bind_address is not None:
            found = await loop.getaddrinfo(
                self._hop.bind_address, 0, family=family, type=socket.SOCK_STREAM
            )
            return found[0][4]
        if self._hop.bind_interface is None:
            return None
        for entry in psutil.net_if_addrs().get(self._hop.bind_interface, []):
            if entry.family == family:
                return (entry.address, 0)
        raise BadInput(
            f"The interface {self._hop.bind_interface} has no address to reach "
            f"{self._hop.place} from.",
            hop=self._hop.place,
        )


class Through(Dialler):
    """A channel of the connection to the hop before."""

    def __init__(self, hop: Hop, flow: Flow, watcher: Watcher, via: "Connection") -> None:
        super().__init__(hop, flow, watcher)
        self._via = via

    @override
    async def create_connection(self, make: Make, host: str, port: int) -> Dialled:
        wires: list[Wire] = []

        def session() -> Wire:
            wires.append(Wire(make, self._flow, self._hop))
            return wires[0]

        opening = self._via.open_channel(TcpAddress(host, port), session, window=HOP_WINDOW)
        try:
            channel = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # asyncssh forgets a channel whose opening is cancelled: let it open, and close it then.
            opening.add_done_callback(abort_late_channel)
            raise
        return channel, wires[0].connection


class Command(Dialler):
    """The user's ProxyCommand, run by their shell as ssh does; its standard input and output are
    one socket."""

    _process: asyncio.subprocess.Process | None = None

    @override
    async def create_connection(self, make: Make, host: str, port: int) -> Dialled:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        try:
            self._process = await asyncio.create_subprocess_exec(
                user_shell(),
                "-c",
                f"exec {self._hop.proxy_command}",
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._watcher.errors,
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        transport, wire = await loop.create_unix_connection(
            lambda: Wire(make, self._flow, self._hop), sock=ours
        )
        return transport, wire.connection

    @override
    async def close(self) -> None:
        if self._process is None:
            return
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


def abort_late_channel(opening: "asyncio.Future[Any]") -> None:
    """Close a channel that nobody waits for any more."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().abort()
