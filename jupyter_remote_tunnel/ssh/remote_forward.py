"""-R: the remote host listens, and every connection that it accepts comes as a channel and is
connected to a destination on this machine (or, without one, to where its SOCKS request says).

A destination that takes the PROXY protocol is told first who connected. That is the remote host's
word: it may say what it likes, and what is no address is not passed on.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import asyncssh
from typing_extensions import override

from ..model.address import Address, TcpAddress, UnixAddress
from ..model.errors import Fatal, RemoteTunnelError
from ..model.forward import ForwardSpec, TcpBind
from ..model.listeners import Listener
from ..model.proxy_protocol import proxy_header
from ..model.settings import EngineSettings
from ..model.spec import OnConflict
from .base_forward import Forward
from .connection import Connection, ListenRefused
from .descriptors import lowest_free
from .ends import LocalEnd
from .errors import destination_error
from .public_bind import bound_by, holders_of, is_public, remark, remark_on
from .refused_listening import Refusal, why_not
from .socks_ends import RemoteSocks
from .unix_socket import connected_unix
from .window import LEAST

_CANCEL_TIMEOUT = 5.0


class RemoteForward(Forward):
    """See `Forward`. It listens again on each connection that it is attached to."""

    _PICKING = "With --on-conflict pick, another one is taken there when it is busy."

    def __init__(
        self,
        spec: ForwardSpec,
        settings: EngineSettings,
        on_change: Callable[[], None],
        on_conflict: OnConflict,
        proxy_protocol: bool = False,
    ) -> None:
        super().__init__(spec, settings, on_change)
        self._pick = on_conflict == "pick"
        self._proxy_protocol = proxy_protocol
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
        if isinstance(bind, TcpBind):
            await self._listen_tcp(connection, bind)
        elif isinstance(bind, UnixAddress):
            await self._listen_unix(connection, bind)
        else:
            raise Fatal("A private socket is for -L only.", code="unsupported")

    async def _listen_unix(self, connection: Connection, bind: UnixAddress) -> None:
        before = self.bound
        try:
            self._listener = await connection.listen_unix(bind.path, self._accept)
        except ListenRefused as refused:
            why = await why_not(connection, bind, refused, was_ours=before is not None)
            raise why.error from None
        self.bound = bind.path

    def _refused(self, why: Refusal, *, asked_again: bool) -> Fatal:
        """That error, with what has another port taken, where that can be typed: not for one that
        is published.
        """
        error = why.error
        if not why.in_use or asked_again or self._proxy_protocol:
            return error
        hint = f"{error.hint} {self._PICKING}"
        return Fatal(error.message, code=error.code, hint=hint, hop=error.hop)

    async def _listen_tcp(self, connection: Connection, bind: TcpBind) -> None:
        host = {None: "localhost", "*": ""}.get(bind.host, bind.host or "")
        port = self._port or bind.port
        try:
            self._listener = await connection.listen_tcp(host, port, self._accept)
        except ListenRefused as refused:
            asked, had = TcpAddress(host, port), self._port is not None
            why = await why_not(connection, asked, refused, was_ours=had, look=self._looks)
            if not (why.in_use and self._pick):
                raise self._refused(why, asked_again=had) from None
            self._listener = await connection.listen_tcp(host, 0, self._accept)
        self._port = self._listener.get_port()
        found, others = await self._where_bound(connection, bind, self._port)
        alias = connection.hop.alias
        said = (remark(bind, found, alias), remark_on(others, alias))
        self.note = " ".join(filter(None, said)) or None
        if found == "localhost" and bind.loopback:
            found = host  # by the name that was typed
        self.bound = str(TcpAddress(found or host or "*", self._port))

    @property
    def _looks(self) -> bool:
        """Whether commands may be run there for our own ends."""
        return self._settings.session_exec == "auto"

    async def _where_bound(
        self, connection: Connection, bind: TcpBind, port: int
    ) -> tuple[str | None, tuple[Listener, ...]]:
        """Where sshd really listens, None where that is not to be found out; and which others
        listen beside it.
        """
        holders = await holders_of(connection, port) if self._looks else None
        if holders is not None:
            return bound_by(holders), holders.beside(replace(bind, port=port))
        if not bind.public:
            return None, ()
        public = await self._is_public(connection, port)
        return None if public is None else "*" if public else "localhost", ()

    async def _is_public(self, connection: Connection, port: int) -> bool | None:
        self._probing = True
        try:
            return await is_public(connection, port, self._settings.connect_timeout)
        finally:
            self._probing = False

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
        first = self._header(*originator) if self._proxy_protocol else b""
        await asyncio.wait([self._dial(destination, lambda: relay.local, refused.append, first)])
        if refused:
            relay.fail(refused[0])
        if relay.over:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "connect failed")
        return relay.remote

    def _header(self, host: str = "", port: int = 0) -> bytes:
        """What the destination is told of an originator; nothing is known of one that came by a
        Unix socket.
        """
        return proxy_header(host, port, self._port or 0)

    def _dial(
        self,
        destination: Address,
        local_end: Callable[[], LocalEnd],
        refused: Callable[[RemoteTunnelError], None],
        first: bytes = b"",
    ) -> "asyncio.Task[None]":
        """Connect to a destination on this machine, in a task that ends with the forward.

        :param first: is written to it before anything that comes through the channel.
        """

        async def connect() -> None:
            try:
                async with asyncio.timeout(self._settings.connect_timeout):
                    transport = await self._reach(destination, local_end)
                    if first:  # a SOCKS client can have ended by now
                        transport.write(first)
                self._succeeded()
            except (OSError, UnicodeError) as error:  # a name may be none that DNS can hold
                refused(destination_error(error, destination))

        task = asyncio.get_running_loop().create_task(connect(), name=f"connect to {destination}")
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)
        return task

    async def _reach(
        self, destination: Address, local_end: Callable[[], LocalEnd]
    ) -> asyncio.Transport:
        loop = asyncio.get_running_loop()
        if isinstance(destination, UnixAddress):
            opened = await connected_unix(destination.path, self._settings.connect_timeout)
            transport, _ = await loop.create_unix_connection(local_end, sock=opened)
        else:
            host, port = destination.host, destination.port
            transport, _ = await loop.create_connection(local_end, host, port)
        return transport

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
