"""Which forwards a host allows: tried on a connection, in a way that does nothing there.

What sshd answers, as tried with OpenSSH 9.2:

- To connect to a port where nothing listens: “Connection refused” where it is allowed, and
  “administratively prohibited” where AllowTcpForwarding, DisableForwarding or a restriction of the
  key forbid it. PermitOpen, which allows some destinations, looks the same as none allowed.
- To listen on a free port: a bare failure where it is forbidden, or another port is allowed
  (PermitListen).
- To connect to a socket: the same answer where there is none and where it is forbidden. So sshd is
  asked to listen on one first, in a new folder of its user, as it never removes it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import asyncssh

from ..model.address import Address, TcpAddress, UnixAddress
from ..model.diagnosis import Step, StepName
from ..model.errors import Fatal, RemoteTunnelError
from ..model.offer import MARK, Offer, offers_in
from ..model.text import plain
from .connection import Connection
from .offered import list_offers, offered_port, try_leg
from .public_bind import is_public
from .steps import Timer, done, failed
from .wire import abort_late_channel

_CLOSED = TcpAddress("127.0.0.1", 1)
"""Where nothing listens, on hardly any host."""

_CANCEL_TIMEOUT = 5.0
_LONGEST_FOLDER = 90  # characters: a socket's path is not longer than 104 bytes anywhere
_RESTRICTED = "or a restriction of your key in authorized_keys"


class Probes:
    """Tries what one host allows; each gives the step that it was."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._hop = connection.hop
        self._reached_some = False

    async def offers(self, destinations: Sequence[Address]) -> Mapping[Address, Offer]:
        """What is offered there in the place of these, as a tunnel would find it; nothing where the
        host does not tell.
        """
        ports = {to: port for to in destinations if (port := offered_port(to)) is not None}
        if not ports:
            return {}
        try:
            offers = offers_in(await list_offers(self._connection))
        except RemoteTunnelError:
            return {}
        return {to: offers[port] for to, port in ports.items() if port in offers}

    async def destination(self, destination: Address, offer: Offer | None = None) -> Step:
        """What one tunnel leads to: that is connected to, and let go of at once.

        :param offer: what is offered in its place, which is asked how it is.
        """
        if offer is not None:
            return await self._offered(destination, offer)
        name: StepName = "destination"
        timer, place = Timer(), self._hop.place
        try:
            refusal = await self._connect(destination)
        except RemoteTunnelError as error:
            return failed(name, place, error, timer)
        if refusal is not None:
            return failed(name, place, self._connection.explain(refusal, destination), timer)
        self._reached_some |= isinstance(destination, TcpAddress)
        return done(name, place, f"{self._hop.alias} connects to {destination} for you.", timer)

    async def _offered(self, destination: Address, offer: Offer) -> Step:
        name: StepName = "destination"
        timer, place = Timer(), self._hop.place
        ask_after, may_stay_away = self._hop.signs_of_life
        patience = ask_after * may_stay_away or self._hop.connect_timeout
        port = offered_port(destination) or 0
        leg = await try_leg(self._connection, port, offer, patience)
        to = f", which leads to {offer.destination} there" if offer.destination else ""
        way = (
            f"{destination} is what {offer.by or 'a machine'} offers as {port} on"
            f" {self._hop.alias}{to}, by way of {offer.address}."
        )
        if leg.error is not None:
            return failed(name, place, leg.error, timer, [way])
        self._reached_some |= isinstance(offer.address, TcpAddress)
        says = f"{way} It answers."
        if offer.beacon is None:
            # It was waited for its end: what passed is not how long it takes to answer.
            return Step(name, place, "ok", says, seconds=timer.seconds)
        return done(name, place, says, timer)

    async def tcp(self) -> Step:
        """-L and -D to a port."""
        name: StepName = "tcp_forward"
        timer, alias = Timer(), self._hop.alias
        try:
            refusal = await self._connect(_CLOSED)
        except RemoteTunnelError as error:
            return failed(name, self._hop.place, error, timer)
        if refusal is None or refusal.code == asyncssh.OPEN_CONNECT_FAILED:
            says = f"{alias} connects to TCP ports for you (-L, -D)."
            where = f"{_CLOSED}, where nothing listens"
            heard = [] if refusal is None else [_heard(where, refusal)]
            return done(name, self._hop.place, says, timer, heard)
        if self._reached_some:
            return Step(
                name,
                self._hop.place,
                "note",
                f"{alias} connects to some TCP ports only.",
                (_heard(_CLOSED, refusal),),
                "PermitOpen of its sshd, or “permitopen” of your key in authorized_keys there, says"
                " to which.",
                seconds=timer.seconds,
            )
        forbidden = Fatal(
            f"{alias} does not connect to {_CLOSED} for you, so -L and -D may not work.",
            code="forward_refused",
            hint="It may connect to some ports only (PermitOpen of its sshd): then a tunnel to one"
            " of these works. Else it forwards nothing: AllowTcpForwarding, DisableForwarding"
            f" {_RESTRICTED}. Ask who runs it.",
        )
        return failed(name, self._hop.place, forbidden, timer, [_heard(_CLOSED, refusal)])

    async def sockets(self) -> Step:
        """-L to a Unix socket, and -R from one."""
        name: StepName = "socket_forward"
        timer, alias, place = Timer(), self._hop.alias, self._hop.place
        async with contextlib.AsyncExitStack() as stack:
            try:
                folder = await stack.enter_async_context(self._folder())
            except RemoteTunnelError as error:
                says = f"{alias} could not be asked for a folder to make a socket in."
                return _not_tried(name, place, says, error.message, timer)
            socket = UnixAddress(f"{folder}/probe")
            try:
                listener = await self._connection.listen_unix(socket.path, _refuse)
            except RemoteTunnelError as error:
                return failed(name, place, _no_sockets(error, alias), timer, [error.message])
            stack.push_async_callback(_cancel, listener)
            try:
                refusal = await self._connect(socket)
            except RemoteTunnelError as error:
                return failed(name, place, error, timer)
        if refusal is None:
            says = f"{alias} connects to Unix sockets for you, and listens on them."
            return done(name, place, says, timer)
        forbidden = Fatal(
            f"{alias} listens on Unix sockets for you (-R), and does not connect to them (-L).",
            code="forward_refused",
            hint="AllowStreamLocalForwarding, AllowTcpForwarding or PermitOpen in its sshd decide"
            " that. Ask who runs it.",
        )
        return failed(name, place, forbidden, timer, [_heard(socket, refusal)])

    async def remote(self) -> Step:
        """-R from a free port of the remote loopback."""
        name: StepName = "remote_forward"
        timer, alias, place = Timer(), self._hop.alias, self._hop.place
        try:
            async with self._listening("localhost") as port:
                public = await is_public(self._connection, port, self._hop.connect_timeout)
        except RemoteTunnelError as error:
            return failed(name, place, _no_remote(error, alias), timer, [error.message])
        if public:
            return Step(
                name,
                place,
                "note",
                f"{alias} listens for you (-R), on all interfaces though only its loopback was"
                " asked for.",
                advice="Whoever reaches the host reaches what a -R leads to: GatewayPorts is “yes”"
                " in its sshd. Use -R only for what everybody may see.",
                seconds=timer.seconds,
            )
        return done(name, place, f"{alias} listens on its loopback for you (-R).", timer)

    async def gateway_ports(self) -> Step:
        """-R from a free port of all interfaces."""
        name: StepName = "gateway_ports"
        timer, alias, place = Timer(), self._hop.alias, self._hop.place
        try:
            async with self._listening("") as port:
                public = await is_public(self._connection, port, self._hop.connect_timeout)
        except RemoteTunnelError as error:
            return failed(name, place, _no_remote(error, alias), timer, [error.message])
        if public:
            return done(name, place, f"{alias} listens on all interfaces for you (-R *:…).", timer)
        if public is None:
            says = f"{alias} listens for you, and does not let us find out on which interfaces."
            return _not_tried(name, place, says, "It does not connect to its own ports.", timer)
        forbidden = Fatal(
            f"{alias} listens on its loopback only, though all interfaces were asked for.",
            code="forward_refused",
            hint="GatewayPorts is “no” in its sshd: ask who runs it, or have something there lead"
            " on to the port.",
        )
        return failed(name, place, forbidden, timer)

    async def _connect(self, destination: Address) -> asyncssh.ChannelOpenError | None:
        """Open a stream, and let go of it at once: None, or why it was not opened.

        :raises RemoteTunnelError: there is no answer, or no connection any more.
        """
        opening = self._connection.open_channel(destination, asyncssh.SSHTCPSession)
        opening.add_done_callback(abort_late_channel)
        await asyncio.wait([opening], timeout=self._hop.connect_timeout)
        if not opening.done():
            raise self._connection.not_opened(destination)
        error = opening.exception()
        if error is None:
            return None
        if isinstance(error, asyncssh.ChannelOpenError) and not self._connection.lost.done():
            return error
        raise self._connection.explain(error, destination)

    @contextlib.asynccontextmanager
    async def _listening(self, host: str) -> AsyncIterator[int]:
        """The port on which the host listens for us while the block lasts. Nobody is let in.

        :raises RemoteTunnelError: it does not.
        """
        listener = await self._connection.listen_tcp(host, 0, _refuse)
        try:
            yield listener.get_port()
        finally:
            await _cancel(listener)

    @contextlib.asynccontextmanager
    async def _folder(self) -> AsyncIterator[str]:
        """A folder there that only the user may look into, while the block lasts.

        :raises RemoteTunnelError: none could be made.
        """
        # Shells greet before they do anything.
        made = await self._run(f'folder=$(mktemp -d) && echo "{MARK} $folder"')
        words = [line.partition(" ") for line in made.splitlines()]
        folder = next((path for mark, _, path in words if mark == MARK), "")
        if not folder.startswith("/") or len(folder) > _LONGEST_FOLDER or plain(folder) != folder:
            raise Fatal(f"{self._hop.place} makes no folder by “mktemp -d”.", hop=self._hop.place)
        try:
            yield folder
        finally:
            with contextlib.suppress(RemoteTunnelError):
                await self._run('rm -f -- "$1/probe"; rmdir -- "$1"', folder)

    async def _run(self, script: str, *arguments: str) -> str:
        """What a script prints there.

        :raises RemoteTunnelError: it was not run, or not to its end in time.
        """
        try:
            async with asyncio.timeout(self._hop.connect_timeout):
                found = await self._connection.exec(["sh", "-c", script, "sh", *arguments])
        except TimeoutError:
            raise Fatal(f"{self._hop.place} ran no command in time.") from None
        return found.stdout.decode(errors="replace")


async def _refuse(*_originator: Any) -> Any:
    """Nobody gets through a probe."""
    raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "only a probe")


async def _cancel(listener: asyncssh.SSHListener) -> None:
    listener.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CANCEL_TIMEOUT):
            await listener.wait_closed()


def _heard(destination: Address | str, refusal: asyncssh.ChannelOpenError) -> str:
    return f"Tried with {destination}: it says “{plain(refusal.reason)}”."


def _not_tried(name: StepName, place: str, says: str, why: str, timer: Timer) -> Step:
    return Step(name, place, "note", says, (why,), seconds=timer.seconds)


def _refused(error: RemoteTunnelError, message: str, hint: str) -> RemoteTunnelError:
    """A refusal in the doctor's words; what else can happen stays as it is."""
    if error.code != "forward_refused":
        return error
    return Fatal(message, code=error.code, hint=hint)


def _no_sockets(error: RemoteTunnelError, alias: str) -> RemoteTunnelError:
    return _refused(
        error,
        f"{alias} does not listen on Unix sockets for you (-R). Whether it connects to them (-L)"
        " cannot be told.",
        "AllowStreamLocalForwarding, AllowTcpForwarding or DisableForwarding in its sshd decide"
        f" that, {_RESTRICTED}. Ask who runs it, or use ports.",
    )


def _no_remote(error: RemoteTunnelError, alias: str) -> RemoteTunnelError:
    return _refused(
        error,
        f"{alias} does not listen on a free port for you, so -R may not work.",
        "It may listen on some ports only (PermitListen of its sshd): then -R with one of these"
        f" works. Else AllowTcpForwarding, DisableForwarding {_RESTRICTED} forbid it. Ask who runs"
        " it.",
    )
