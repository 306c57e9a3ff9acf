"""-L and -D: the listener is on this machine, and every connection that it accepts becomes a
channel."""

import asyncio
import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from typing_extensions import override

from .. import peer_uid
from ..model.address import Address, TcpAddress, UnixAddress
from ..model.errors import Fatal, RemoteTunnelError, Transient
from ..model.forward import ForwardSpec, PrivateSocket, TcpBind
from ..model.offer import Offer
from ..model.settings import EngineSettings
from ..model.spec import OnConflict
from ..model.status import FarState
from .base_forward import Forward
from .connection import Connection
from .ends import LocalEnd
from .errors import folder_error
from .files import Files, exists
from .listeners import AT_A_TIME, BACKLOG, Listeners, bind_private, bind_tcp, bind_unix
from .offered import away, gone, offered_port
from .pump import Relay
from .socks_ends import LocalSocks

log = logging.getLogger(__name__)


class LocalForward(Forward):
    """See `Forward`. The listener outlives connections: streams that come while there is none
    wait.

    `offer` is what is offered on the remote host as the port of its destination: from when that is
    known, streams lead there, and never again to whoever else may listen on that port.
    """

    offer: Offer | None = None
    _is_decided = True

    def __init__(
        self,
        spec: ForwardSpec,
        settings: EngineSettings,
        on_change: Callable[[], None],
        private_dir: Path,
        on_conflict: OnConflict,
    ) -> None:
        super().__init__(spec, settings, on_change)
        self._private_dir = private_dir
        self._pick = on_conflict == "pick"
        self._listeners: Listeners | None = None
        self._servers: list[asyncio.Server] = []
        self._waiting: dict[Relay, tuple[asyncio.TimerHandle, Address]] = {}
        self._down: RemoteTunnelError | None = None
        self._met_at_leg: RemoteTunnelError | None = None

    @override
    async def listen(self) -> None:
        try:
            self._listeners = await self._bind()
        except RemoteTunnelError as error:
            self.last_error = error
            raise
        self._servers = [await self._serve(opened) for opened in self._listeners.sockets]
        self.bound = str(self._listeners.address)
        self._succeeded()
        self._on_change()

    async def _bind(self) -> Listeners:
        bind = self.spec.bind
        if isinstance(bind, PrivateSocket):
            return bind_private(self._private_dir, bind.name)
        if isinstance(bind, UnixAddress):
            return await self._bind_unix(bind.path)
        assert isinstance(bind, TcpBind)
        self._require_look_up()
        return await bind_tcp(bind, pick=self._pick, allow_public=self._settings.allow_public_bind)

    async def _bind_unix(self, path: str) -> Listeners:
        seconds = self._settings.connect_timeout
        try:
            async with asyncio.timeout(seconds):
                # To make a socket on a drive that is gone would hold up the loop.
                await Files().look_at(path, exists)
        except TimeoutError:
            raise folder_error(path, seconds) from None
        return bind_unix(path)

    def _require_look_up(self) -> None:
        """Where a TCP port could be kept to its user, it is, or it is not opened."""
        if self._settings.allow_other_users or not peer_uid.SUPPORTED:
            log.warning("Other users of this machine can connect to %s.", self.spec)
            return
        try:
            peer_uid.check()
        except OSError as error:
            raise Fatal(
                "Other users of this machine could not be kept from this port: the kernel does not "
                f"tell whose a connection is ({error.strerror}).",
                code="unsupported",
                hint="Forward a private socket (-L private:…), or set "
                "c.TunnelManager.allow_other_users = True.",
            ) from error

    async def _serve(self, opened: Any) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        create = (
            loop.create_server if isinstance(self.spec.bind, TcpBind) else loop.create_unix_server
        )
        server = await create(self._accept, sock=opened, backlog=AT_A_TIME)
        opened.listen(BACKLOG)  # asyncio takes one number for what waits and what it accepts
        return server

    def _accept(self) -> "_Accepted":
        return _Accepted(self._new_relay(), self._admit)

    def _admit(self, relay: Relay, transport: asyncio.Transport) -> None:
        """A connection was accepted; nothing was read from it. Reset it, or let it in."""
        descriptor = transport.get_extra_info("socket").fileno()
        refusal = self._too_many(descriptor) or self._stranger(transport)
        if refusal is not None:
            relay.fail(refusal)
        elif self.spec.destination is None:
            LocalSocks(relay, transport, partial(self._let_in, relay, transport))
        else:
            self._let_in(relay, transport, self.spec.destination)

    def _stranger(self, transport: asyncio.Transport) -> RemoteTunnelError | None:
        """Why the process at the other end may not use this forward, None if it may."""
        listeners = self._listeners
        if listeners is None or listeners.file is not None or self._settings.allow_other_users:
            return None
        if not peer_uid.SUPPORTED:
            return None
        peer = transport.get_extra_info("peername")
        try:
            uid = peer_uid.peer_uid(transport.get_extra_info("sockname"), peer)
        except (OSError, ValueError, TypeError):
            uid = None
        if uid == os.getuid() or (uid is None and listeners.public):
            return None
        who = "A process that cannot be identified" if uid is None else f"Another user (uid {uid})"
        return Fatal(
            f"{who} connected to {self.bound} and was refused.",
            code="not_allowed",
            hint="See c.TunnelManager.allow_other_users.",
        )

    def _let_in(self, relay: Relay, transport: asyncio.Transport, destination: Address) -> None:
        if self._connection is not None and not self._must_wait:
            if self.offer is not None:
                # Another user of the host may listen on the port by now.
                if self._port_leg == "down":
                    relay.fail(self._why_down(self._connection, self.offer))
                    return
                destination = self.offer.address
            self._connect(relay, self._connection, destination, _originator(transport))
            return
        seconds = self._settings.stream_wait
        timer = asyncio.get_running_loop().call_later(seconds, self._give_up, relay)
        self._waiting[relay] = (timer, destination)

    @property
    def _must_wait(self) -> bool:
        """Whether it is not known yet where streams lead."""
        return self._connection is None or not self._is_decided or self._port_leg == "unknown"

    @property
    def _port_leg(self) -> FarState | None:
        """How the far leg is of an offer that is a port of the host; None where there is none."""
        if self.offer is None or not isinstance(self.offer.address, TcpAddress):
            return None
        return "unknown" if self.far is None else self.far.state

    def _why_down(self, connection: Connection, offer: Offer) -> RemoteTunnelError:
        if self.far is None or self.far.error is None:
            self._met_at_leg = gone(connection, self.offered_port or 0, offer)
        else:
            self._met_at_leg = self.far.error.as_exception()
        return self._met_at_leg

    @property
    def offered_port(self) -> int | None:
        """See `offered.offered_port`."""
        return offered_port(self.spec.destination)

    @override
    def _explain(
        self, connection: Connection, error: BaseException | None, destination: Address
    ) -> RemoteTunnelError:
        if self.offer is None or self.offered_port is None or connection.lost.done():
            return super()._explain(connection, error, destination)
        self._met_at_leg = away(connection, self.offered_port, self.offer, error)
        return self._met_at_leg

    def leg_is_down(self, error: RemoteTunnelError) -> None:
        """Why it is, as is known by now: the last stream failed by the same, if it was the leg."""
        if self.last_error is not None and self.last_error is self._met_at_leg:
            self.last_error = self._met_at_leg = error

    def _give_up(self, relay: Relay) -> None:
        self._waiting.pop(relay, None)
        down, seconds = self._down, f"{self._settings.stream_wait:g} s"
        if self._connection is not None and self.offer is not None:
            who = self.offer.by or "the machine that offers it"
            message = f"A stream waited {seconds} for {who}, which has not answered yet."
            hint = "Its leg is being tried: this tunnel says when it is up, or why it is not."
            relay.fail(Transient(message, code="connection_lost", hint=hint))
            return
        relay.fail(
            Transient(
                f"A stream waited {seconds} for the connection. "
                f"{down.message if down else 'It was never there.'}",
                code="connection_lost",
                hint=down.hint if down else "",
                hop=down.hop if down else None,
            )
        )

    @override
    def _ended(self, relay: Relay) -> None:
        timer, _ = self._waiting.pop(relay, (None, None))
        if timer is not None:
            timer.cancel()
        super()._ended(relay)

    @override
    async def attach(self, connection: Connection) -> None:
        self._connection = connection
        self._let_all_in()

    def decide(self, is_decided: bool) -> None:
        """Whether it is known if an `offer` stands for the port; until then, streams wait. For one
        that is itself a port they wait until its `far` leg is known.
        """
        self._is_decided = is_decided
        if is_decided and self._connection is not None:
            self._let_all_in()

    def _let_all_in(self) -> None:
        if self._must_wait:
            return  # and the time of each goes on
        waiting, self._waiting = self._waiting, {}
        for relay, (timer, destination) in waiting.items():
            timer.cancel()
            if relay.transport is not None:
                self._let_in(relay, relay.transport, destination)

    @override
    def detach(self, reason: RemoteTunnelError) -> None:
        self._down = reason
        super().detach(reason)

    @override
    async def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._listeners is not None:
            await self._listeners.close()


class _Accepted(LocalEnd):
    """The local end of a stream whose connection was accepted, not made."""

    def __init__(self, relay: Relay, admit: Callable[[Relay, asyncio.Transport], None]) -> None:
        super().__init__(relay)
        self._admit = admit

    @override
    def connection_made(self, transport: Any) -> None:
        self._relay.local_made(transport)
        self._admit(self._relay, transport)


def _originator(transport: asyncio.Transport) -> tuple[str, int]:
    """Who connected, as the channel tells the remote host; a Unix socket has nobody to tell of."""
    peer = transport.get_extra_info("peername")
    return (peer[0], peer[1]) if isinstance(peer, tuple) else ("127.0.0.1", 0)
