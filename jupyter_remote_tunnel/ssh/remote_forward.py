"""-R: the remote host listens, and every connection that it accepts comes as a channel and is
connected to a destination on this machine (or, without one, to where its SOCKS request says)."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncssh
from typing_extensions import override

from ..model.address import Address, TcpAddress, UnixAddress
from ..model.errors import Fatal, RemoteTunnelError
from ..model.forward import ForwardSpec, PrivateSocket, TcpBind
from ..model.settings import EngineSettings
from .base_forward import Forward
from .connection import Channel, Connection
from .descriptors import lowest_free
from .ends import LocalEnd
from .errors import destination_error
from .socks_ends import RemoteSocks
from .unix_socket import connected_unix
from .window import LEAST

_CANCEL_TIMEOUT = 5.0
_OTHER_LOOPBACK = "127.0.0.2"


class RemoteForward(Forward):
    """See `Forward`. It listens again on each connection that it is attached to."""

    def __init__(
        self, spec: ForwardSpec, settings: EngineSettings, on_change: Callable[[], None]
    ) -> None:
        super().__init__(spec, settings, on_change)
        self._listener: asyncssh.SSHListener | None = None
        self._port: int | None = None
        self._probing = False
        self._dials: set[asyncio.Task[None]] = set()

    @override
    async def listen(self) -> None:
        """Nothing to do on this side."""

    @override
    async def attach(self, connection: Connection) -> None:
        self._connection = connection
        try:
            await self._listen_on(connection)
        except RemoteTunnelError as error:
            self.last_error, self.failed_at = error, None
            self._on_change()
            raise
        self._succeeded()
        self._on_change()

    async def _listen_on(self, connection: Connection) -> None:
        bind = self.spec.bind
        if isinstance(bind, PrivateSocket):
            raise Fatal("A private socket is for -L only.", code="unsupported")
        if not isinstance(bind, TcpBind):
            self._listener = await connection.listen_unix(bind.path, self._accept)
            self.bound = bind.path
            return
        host = {None: "localhost", "*": ""}.get(bind.host, bind.host or "")
        self._listener = await connection.listen_tcp(host, self._port or bind.port, self._accept)
        self._port = self._listener.get_port()
        if host == "" and await self._only_loopback(connection, self._port):
            host = "localhost"
        self.bound = str(TcpAddress(host or "*", self._port))

    async def _only_loopback(self, connection: Connection, port: int) -> bool:
        """Whether sshd listens on loopback only, though all interfaces were asked for: GatewayPorts
        has it so, and sshd does not tell. The remote host is asked to connect to another address of
        its loopback: it is refused there.
        """
        self._probing = True
        opening = connection.open_channel(TcpAddress(_OTHER_LOOPBACK, port), asyncssh.SSHTCPSession)
        opening.add_done_callback(_abort)
        try:
            await asyncio.wait([opening], timeout=self._settings.connect_timeout)
        finally:
            self._probing = False
        error = opening.exception() if opening.done() else None
        return isinstance(error, asyncssh.ChannelOpenError) and "refused" in error.reason.lower()

    @override
    def detach(self, reason: RemoteTunnelError) -> None:
        self._listener = None
        super().detach(reason)
        for relay in list(self._relays):  # those that were still being connected here, too
            if relay.transport is None or not relay.transport.is_closing():
                relay.fail(reason)

    async def _accept(self, *originator: Any) -> Any:
        """The session for a channel that the remote host opens.

        :raises ChannelOpenError: there is none. Any other exception would end the connection.
        """
        if self._probing and originator and originator[0].startswith("127."):
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "only a probe")
        relay = self._new_relay()
        refusal = self._too_many(lowest_free())
        if refusal is not None or self._connection is None:
            relay.fail(refusal)
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, "too many streams")
        relay.flow = self._connection.flow
        relay.window = self._connection.new_window(LEAST)
        destination = self.spec.destination
        if destination is None:
            return RemoteSocks(relay, self._dial)
        refused: list[RemoteTunnelError] = []
        await asyncio.wait([self._dial(destination, lambda: relay.local, refused.append)])
        if refused:
            relay.fail(refused[0])
        if relay.over:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "connect failed")
        self._succeeded()
        return relay.remote

    def _dial(
        self,
        destination: Address,
        local_end: Callable[[], LocalEnd],
        refused: Callable[[RemoteTunnelError], None],
    ) -> "asyncio.Task[None]":
        """Connect to a destination on this machine, in a task that ends with the forward."""

        async def connect() -> None:
            try:
                async with asyncio.timeout(self._settings.connect_timeout):
                    await self._reach(destination, local_end)
            except (OSError, UnicodeError) as error:  # a name may be none that DNS can hold
                refused(destination_error(error, destination))

        task = asyncio.get_running_loop().create_task(connect(), name=f"connect to {destination}")
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)
        return task

    async def _reach(self, destination: Address, local_end: Callable[[], LocalEnd]) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(destination, UnixAddress):
            opened = await connected_unix(destination.path, self._settings.connect_timeout)
            await loop.create_unix_connection(local_end, sock=opened)
        else:
            await loop.create_connection(local_end, destination.host, destination.port)

    @override
    async def close(self) -> None:
        dials = list(self._dials)
        for task in dials:
            task.cancel()
        await asyncio.gather(*dials, return_exceptions=True)
        await super().close()

    @override
    async def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is None:
            return
        listener.close()
        try:
            async with asyncio.timeout(_CANCEL_TIMEOUT):
                await listener.wait_closed()
        except TimeoutError:
            pass  # the connection is about to be lost, and the listener with it


def _abort(opening: "asyncio.Task[Channel]") -> None:
    """Nothing goes through a probe's channel, whenever it comes."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().abort()
