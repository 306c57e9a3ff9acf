"""-R offer/PORT: a remote forward that others find on the gateway, and that says how it is.

It listens on a Unix socket in a folder of the user's own there (0700), which is made, like the
files in it (`model.offer`), by commands. What an earlier connection left is taken away, as sshd
never removes a socket; but not what another machine offers as the same port, which its beacon
tells; one on a port only if that is ours, as another user could have taken it. Where sshd allows no
sockets, or runs no commands, or a port was asked for, it is one of both loopback addresses, each
asked for by itself: of a name that is two, sshd would take one and not tell.
"""

import asyncio
import contextlib
import getpass
import logging
import secrets
import shlex
import socket
from collections.abc import Callable
from typing import Any

import asyncssh
from typing_extensions import override

from ..model.address import Address, TcpAddress, UnixAddress
from ..model.errors import Fatal, RemoteTunnelError, Transient
from ..model.forward import ForwardSpec, OfferedPort, TcpBind
from ..model.offer import (
    FOLDER,
    LONGEST_FOLDER,
    LOOPBACK_HOST,
    MARK,
    Descriptor,
    Offer,
    Word,
    folders_in,
    offered_beacon,
    offered_socket,
    offers_in,
    said_of_port,
)
from ..model.settings import EngineSettings
from ..model.spec import OnConflict
from .connection import Connection, ListenRefused
from .errors import cause
from .exec import ExecResult
from .offered import are_ours, hear, word_of
from .refused_listening import why_not
from .remote_forward import RemoteForward
from .unix_socket import connected_unix

# One line each, without “!”, for login shells of the family of csh. $1 is the port.
_PREPARE = (
    'umask 077; d="${XDG_RUNTIME_DIR:-$HOME}"; { test -d "$d" && test -O "$d"; } || d="$HOME";'
    f' d="$d/{FOLDER}"; mkdir -p "$d" && chmod 700 "$d" && test -O "$d" &&'
    f' printf "{MARK} folder %s\\n" "$d"; f="$d/$1";'
    f' test -S "$f.sock" && printf "{MARK} socket %s\\n" "$f.sock";'
    f' test -f "$f.json" && printf "{MARK} offer %s %s\\n" "$f.json"'
    ' "$(head -c 2000 "$f.json")"; true'
)
# $2 is the folder, and $3 the name of our offer.
_CLEAR = 'rm -f "$2/$1.sock" "$2/$1.beacon" "$2/$1.json"'
_ANNOUNCE = (
    'umask 077; chmod 600 "$2/$1.sock" "$2/$1.beacon" 2>/dev/null;'
    ' cat > "$2/.$1.new" && mv -f "$2/.$1.new" "$2/$1.json"'
)
_WITHDRAW = f'grep -q "$3" "$2/$1.json" && {{ {_CLEAR}; }}; true'

log = logging.getLogger(__name__)

_BEACON_PATIENCE = 3.0
"""Seconds in which the beacon of another machine would have answered."""

_WITHDRAW_PATIENCE = 5.0
"""Seconds in which a gateway that is there has removed our files."""

_APPLICATION_PATIENCE = 2.0
"""Seconds in which an application on this machine takes a connection."""

AT_ONCE = 16
"""Streams that a beacon answers at a time: on a port, any user of the gateway can come."""

_KEPT = 1.0
"""Seconds for which it is taken as known how the application is."""


class OfferingForward(RemoteForward):
    """See `Forward`."""

    _PICKING = "With --pick, any free one is taken there: it is found by this number all the same."

    def __init__(
        self,
        spec: ForwardSpec,
        settings: EngineSettings,
        on_change: Callable[[], None],
        on_conflict: OnConflict,
        proxy_protocol: bool = False,
    ) -> None:
        super().__init__(spec, settings, on_change, on_conflict, proxy_protocol)
        assert isinstance(spec.bind, OfferedPort)
        self._offered, self._tcp = spec.bind.port, spec.bind.tcp
        self._name = secrets.token_hex(8)
        self._folder: str | None = None
        self._beacon: asyncssh.SSHListener | None = None
        self._other_half: asyncssh.SSHListener | None = None
        self._telling: set[_Speaker] = set()
        self._asking = asyncio.Lock()
        self._found, self._found_until = "", 0.0

    @override
    async def _listen_on(self, connection: Connection) -> None:
        try:
            await self._offer_on(connection)
        except Transient as error:
            if connection.lost.done():
                raise
            # A command that took too long: the connection is there, and this is tried again on it.
            raise Fatal(
                error.message, code="forward_refused", hint=error.hint, hop=error.hop
            ) from None

    async def _offer_on(self, connection: Connection) -> None:
        self._folder, offer, why = await self._prepare(connection)
        if self._folder is None:
            await self._listen_on_port(connection, why)
            return
        if offer is not None:
            await self._take_over(connection, self._folder, offer)
        if self._tcp:
            await self._listen_on_port(connection)
            return
        path = offered_socket(self._folder, self._offered)
        try:
            self._listener = await connection.listen_unix(path, self._accept)
        except ListenRefused:
            why = "its sshd makes no Unix socket for us (AllowStreamLocalForwarding)"
            await self._listen_on_port(connection, why)
            return
        self._beacon = await connection.listen_unix(
            offered_beacon(self._folder, self._offered), self._tell
        )
        self.bound, self.note, self._port = path, None, None
        await self._announce(connection, None)

    async def _prepare(self, connection: Connection) -> tuple[str | None, Offer | None, str]:
        """The folder on the gateway, what stands for that port there, and why there is no folder.

        :raises Transient: the connection was lost.
        """
        alias = connection.hop.alias
        if self._settings.session_exec != "auto":
            return None, None, "no command may be run there (session_exec)"
        try:
            done = await self._run(connection, _PREPARE)
        except Fatal:
            return None, None, f"{alias} runs no command for us"
        said = done.stdout.decode(errors="replace")
        folder = next(iter(folders_in(said)), None)
        if folder is None:
            return None, None, f"{alias} makes no folder for it"
        if len(folder.encode()) > LONGEST_FOLDER:
            return None, None, f"the path of {folder} is too long for a socket"
        return folder, offers_in(said).get(self._offered), ""

    async def _run(self, connection: Connection, script: str, stdin: bytes = b"") -> ExecResult:
        words = ["sh", "-c", script, "sh", str(self._offered), self._folder or "", self._name]
        return await connection.run(shlex.join(words), "run a command", stdin)

    async def _take_over(self, connection: Connection, folder: str, offer: Offer) -> None:
        """Take away what a lost connection has left.

        :raises Fatal: we offer that port from elsewhere, or the host does not tell who does.
        """
        ours: bool | None = not await self._is_left_over(connection, folder, offer)
        if ours and isinstance(offer.beacon, TcpAddress):
            ours = await are_ours(connection, offer.beacon)
        if ours is False:
            await self._run(connection, _CLEAR)
            return
        untold = (
            f" If none does, remove {folder}/{self._offered}.* there: whose the port is on which it"
            " is said to be offered, it does not tell."
        )
        raise Fatal(
            f"{self._offered} is offered on {connection.hop.place} already, from another"
            " machine, or by another tunnel or ssh of this one.",
            code="forward_refused",
            hint=f"End that one, or offer this as another port.{'' if ours else untold}",
            hop=connection.hop.place,
        )

    async def _is_left_over(self, connection: Connection, folder: str, offer: Offer) -> bool:
        beacon = offer.beacon or UnixAddress(offered_beacon(folder, self._offered))
        patience = _BEACON_PATIENCE
        try:
            said = await hear(connection, beacon, patience, patience)
        except asyncssh.ChannelOpenError:
            # Without a beacon it is a `ssh -R` by hand, if anybody listens at all. Who has a port
            # is told by the attempt to listen on it: it may be anybody.
            is_port = isinstance(offer.address, TcpAddress)
            return is_port or not await _opens(connection, offer.address)
        word = None if said is None else word_of(said)
        return word is None or word.offer == self._name

    async def _listen_on_port(self, connection: Connection, why: str = "") -> None:
        """In place of a socket, as that was asked for or because of `why`."""
        try:
            await self._listen_on_loopback(connection)
        except Fatal as error:
            await super()._stop_listening()
            if self._tcp:
                raise
            hint = f"It would be a socket there, but {why}. {error.hint}"
            raise Fatal(error.message, code=error.code, hint=hint, hop=error.hop) from None
        self.note = self._said_of_port(connection.hop.alias, why)
        if self._folder is not None:
            await self._light(connection, self._folder)
            await self._announce(connection, self._port)

    def _said_of_port(self, alias: str, why: str) -> str:
        shared = said_of_port(alias, "this")
        if not self._tcp:
            return f"{shared}: {why}."
        blind = why and f"Those who open it do not see how this side is: {why}."
        said = ("" if self._listens_everywhere else f"{shared}.", self.note, blind)
        return " ".join(filter(None, said))

    @property
    def _listens_everywhere(self) -> bool:
        """Whether its port was found to be one of all interfaces."""
        return (self.bound or "").startswith("*")

    async def _light(self, connection: Connection, folder: str) -> None:
        """Hold the beacon of a port; on a port only where that is not public."""
        try:
            path = offered_beacon(folder, self._offered)
            self._beacon = await connection.listen_unix(path, self._tell)
        except ListenRefused:
            if not self._listens_everywhere:
                with contextlib.suppress(Fatal):
                    self._beacon = await connection.listen_tcp(LOOPBACK_HOST, 0, self._tell)

    async def _listen_on_loopback(self, connection: Connection) -> None:
        """At 127.0.0.1, and at ::1 as well: who asks for `localhost` may come there first.

        :raises Fatal: not at the former; or somebody else at the latter, or it would be public, and
            a port was not asked for.
        """
        await self._listen_tcp(connection, TcpBind(LOOPBACK_HOST, self._offered))
        place = connection.hop.place
        if self._listens_everywhere:
            if self._tcp:
                return
            raise Fatal(
                f"{place} would listen on all of its interfaces (GatewayPorts is “yes”).",
                code="forward_refused",
                hint="Ask who runs it; or offer it with --tcp if everybody may reach it.",
                hop=place,
            )
        asked = TcpAddress("::1", self._port or self._offered)
        try:
            self._other_half = await connection.listen_tcp(asked.host, asked.port, self._accept)
        except ListenRefused as refused:
            why = await why_not(connection, asked, refused, was_ours=False, look=self._looks)
            if why.in_use and self._tcp:
                says = f"Clients that ask for ::1 do not come here: {why.error.message}"
                self.note = self.note or says
            elif why.in_use:
                error = why.error
                hint = f"{error.hint} With GatewayPorts “yes” in its sshd, that is we ourselves."
                raise Fatal(error.message, code=error.code, hint=hint, hop=error.hop) from None
            # It has no IPv6, or may listen on the other address only: nobody is in between.

    async def _announce(self, connection: Connection, port: int | None) -> None:
        """Write down who offers it, and on which port in place of a socket."""
        beacon_port = None if self._beacon is None else self._beacon.get_port() or None
        described = Descriptor(
            offer=self._name,
            by=_this_machine(),
            destination=str(self.spec.destination),
            port=port,
            beacon_port=beacon_port,
            beacon_socket=self._beacon is not None and beacon_port is None,
        )
        try:
            await self._run(connection, _ANNOUNCE, described.encode())
        except RemoteTunnelError as error:
            log.warning("%s is offered, but not described there: %s", self.spec, error)

    # The beacon.

    async def _tell(self, *_originator: Any) -> Any:
        """The session of the one that asks how it is.

        :raises ChannelOpenError: too many do.
        """
        if len(self._telling) >= AT_ONCE:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_RESOURCE_SHORTAGE, "too many ask how it is"
            )
        speaker = _Speaker(self._telling.discard)
        self._telling.add(speaker)
        speaker.said = Word(self._name, await self._problem()).encode()
        return speaker

    async def _problem(self) -> str:
        """Why the application does not answer; "" where it does. It is asked once for all who come
        within a second.
        """
        loop = asyncio.get_running_loop()
        async with self._asking:
            if loop.time() >= self._found_until:
                self._found = await self._ask_application()
                self._found_until = loop.time() + _KEPT
            return self._found

    async def _ask_application(self) -> str:
        assert self.spec.destination is not None
        try:
            async with asyncio.timeout(_APPLICATION_PATIENCE):
                await _touch(self.spec.destination)
        except (OSError, UnicodeError) as error:
            return f"{cause(error)}."
        return ""

    # The way down.

    @override
    def detach(self, reason: RemoteTunnelError) -> None:
        self._beacon = self._other_half = None
        self._telling.clear()
        super().detach(reason)

    @override
    async def _stop_listening(self) -> None:
        listens, connection = self._listener is not None, self._connection
        for listener in (self._beacon, self._other_half):
            if listener is not None:
                listener.close()
        self._beacon = self._other_half = None
        await super()._stop_listening()
        if listens and connection is not None and self._folder is not None:
            # What stays is seen to be left over.
            with contextlib.suppress(RemoteTunnelError, TimeoutError):
                async with asyncio.timeout(_WITHDRAW_PATIENCE):
                    await self._run(connection, _WITHDRAW)


def _this_machine() -> str:
    """ "ann@workstation", as others are told of it."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a user without a name
        return socket.gethostname()


async def _opens(connection: Connection, address: Address) -> bool:
    """Whether anybody listens there."""
    try:
        await hear(connection, address, connection.hop.connect_timeout, 0)
    except asyncssh.ChannelOpenError:
        return False
    return True


async def _touch(destination: Address) -> None:
    """Connect, and hang up.

    :raises OSError: nobody listens there.
    """
    if isinstance(destination, UnixAddress):
        (await connected_unix(destination.path, _APPLICATION_PATIENCE)).close()
        return
    _, writer = await asyncio.open_connection(destination.host, destination.port)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


class _Speaker(asyncssh.SSHTCPSession[bytes]):
    """Says one thing and ends; `over` is called then."""

    said = b""

    def __init__(self, over: "Callable[[_Speaker], None]") -> None:
        self._over = over

    @override
    def connection_made(self, chan: Any) -> None:
        self._channel = chan

    @override
    def session_started(self) -> None:
        self._channel.write(self.said)
        self._channel.write_eof()
        self._channel.close()  # who stays is no channel any more

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._over(self)
