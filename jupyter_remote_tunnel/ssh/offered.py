"""What is offered on a gateway, as its near side sees it: found by a command, tried by a channel.

No byte is sent to the application. A machine that offers something with this package also holds a
beacon, which says of itself how it is; so a machine that has gone is told from an application that
says nothing, though sshd may hold its socket for hours. Of a `ssh -R` by hand only that is known:
whether somebody listens, and whether a stream that is opened ends at once.

What is offered on a port is up only while it is known that we listen there, as any user of the host
could do so in our place: from a beacon in our own folder, or from the table of the host's sockets.
"""

import asyncio
import shlex
from dataclasses import dataclass, field

import asyncssh
from typing_extensions import override

from ..model.address import Address, TcpAddress, UnixAddress
from ..model.errors import Fatal, RemoteTunnelError, Transient
from ..model.listeners import LOOPBACK, Holders, listing_of
from ..model.offer import FOLDER, MARK, Offer, Word
from ..model.status import FarState
from .connection import Connection
from .wire import abort_late_channel

# One line without “!”, for login shells of the family of csh. Some set XDG_RUNTIME_DIR to a folder
# in which everybody can offer something.
_LISTING = (
    'for d in "${XDG_RUNTIME_DIR:-$HOME}" "$HOME"; do'
    ' test -O "$d" || test "$d" = "$HOME" || continue;'
    ' d="$d/' + FOLDER + '"; test -e "$d" && { test -O "$d" || continue; };'
    f' printf "{MARK} folder %s\\n" "$d";'
    f' for f in "$d"/*.sock; do test -S "$f" && printf "{MARK} socket %s\\n" "$f"; done;'
    f' for f in "$d"/*.json; do test -f "$f" && printf "{MARK} offer %s %s\\n" "$f"'
    ' "$(head -c 2000 "$f")"; done; done 2>/dev/null; true'
)

LISTING = shlex.join(["sh", "-c", _LISTING])
"""The command that lists them, as `offers_in` reads it."""

_LONGEST_WORD = 4096
_UNANSWERED = 100
"""Streams that a host does not answer after which it is asked for no other."""

_MOMENT = 1.0
"""Seconds after which a stream that was opened and has not ended is taken for one that lasts."""


def offered_port(destination: Address | None) -> int | None:
    """The port of the remote host that it is, if an offer may stand for it.

    `127.0.0.1:5006` is that port and nothing else.
    """
    if isinstance(destination, TcpAddress) and destination.host == "localhost":
        return destination.port
    return None


async def list_offers(connection: Connection) -> str:
    """What is offered on the host of that connection, for `offers_in`.

    :raises RemoteTunnelError: it cannot be asked.
    """
    done = await connection.run(LISTING, "list what is offered")
    return done.stdout.decode(errors="replace")


@dataclass(frozen=True)
class Leg:
    """How the far leg of an offer is, why it is not up, and which offer its beacon said it was (""
    where none did).
    """

    state: FarState
    error: RemoteTunnelError | None = None
    name: str = field(default="", compare=False)


async def try_leg(connection: Connection, port: int, offer: Offer, patience: float) -> Leg:
    """How the far leg of an offer is, which was made as that port.

    :param patience: seconds; without an answer of the beacon until then the leg is down.
    """
    if connection.unanswered >= _UNANSWERED:
        return Leg("unknown", connection.not_opened(offer.address))
    if isinstance(offer.address, TcpAddress) and not offer.stands:
        return Leg("down", gone(connection, port, offer))  # by now it may be anybody's port
    try:
        if offer.beacon is None:
            leg = _judge_stream(offer, await hear(connection, offer.address, patience, _MOMENT))
        else:
            said = await hear(connection, offer.beacon, patience, patience)
            leg = _judge_word(connection, port, offer, said, patience)
        return await _if_ours(connection, port, offer, leg)
    except Transient as error:
        return Leg("unknown", error)
    except asyncssh.ChannelOpenError as error:
        if connection.lost.done():
            return Leg("unknown", connection.explain(error, offer.address))
        return Leg("down", away(connection, port, offer, error))


def _judge_word(
    connection: Connection, port: int, offer: Offer, said: bytes | None, patience: float
) -> Leg:
    word = None if said is None else word_of(said)
    if word is None:
        return Leg("down", _silent(connection, port, offer, patience))
    if isinstance(offer.address, TcpAddress) and word.offer != offer.name:
        return Leg("unknown", _another(connection, port), word.offer)
    if word.problem:
        return Leg("no_application", _no_application(offer, word.problem), word.offer)
    return Leg("up", name=word.offer)


async def _if_ours(connection: Connection, port: int, offer: Offer, leg: Leg) -> Leg:
    """That leg, if nobody else can have said so.

    :raises Transient: the host does not answer.
    """
    if not isinstance(offer.address, TcpAddress) or isinstance(offer.beacon, UnixAddress):
        return leg
    ours = await are_ours(connection, *filter(None, (offer.address, offer.beacon)))
    if ours is None:
        return Leg("down", _untold(connection, port, offer))
    return leg if ours else Leg("down", _taken(connection, port, offer))


async def are_ours(connection: Connection, *addresses: Address) -> bool | None:
    """Whether we listen on all these ports of the host at 127.0.0.1, and nobody else; None where it
    has no table of its sockets to look at (it is no Linux), or runs no command for us.

    :raises Transient: it does not answer, or the connection was lost.
    """
    ports = [address.port for address in addresses if isinstance(address, TcpAddress)]
    try:
        found = await connection.run(listing_of(*ports), "look at its sockets")
    except Fatal:
        return None
    holders = Holders.parse(found.stdout.decode(errors="replace"))
    if holders is None:
        return None
    return all(holders.we_have(LOOPBACK[0], port) for port in ports)


def _judge_stream(offer: Offer, said: bytes | None) -> Leg:
    """A stream that lasts, or on which something was said, leads to an application."""
    if said == b"":
        return Leg("no_application", _no_application(offer, "a stream to it ended at once."))
    return Leg("up")


async def hear(
    connection: Connection, address: Address, patience: float, quiet: float
) -> bytes | None:
    """All that is said on a stream to `address`, to which we say nothing; None where it has not
    ended after `quiet` seconds.

    :raises ChannelOpenError: it was not opened.
    :raises Transient: the host has not said within `patience` seconds whether it opens it.
    """
    heard = _Heard()
    opening = connection.open_channel(address, lambda: heard)
    try:
        await asyncio.wait([opening], timeout=patience)
        if not opening.done():
            raise connection.not_opened(address)
        opening.result()
        async with asyncio.timeout(quiet):
            await heard.ended.wait()
    except TimeoutError:
        return None
    finally:
        # Also one that comes when nobody waits for it any more.
        opening.add_done_callback(abort_late_channel)
    return bytes(heard.data)


def word_of(said: bytes) -> Word | None:
    """What a beacon has said; None where that is no word of one."""
    try:
        return Word.decode(said.decode(errors="replace"))
    except ValueError:
        return None


class _Heard(asyncssh.SSHTCPSession[bytes]):
    """The session of a stream on which somebody else speaks, briefly."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = asyncio.Event()

    @override
    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        self.data += data
        if len(self.data) > _LONGEST_WORD:
            self.ended.set()

    @override
    def eof_received(self) -> bool:
        self.ended.set()
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


def away(
    connection: Connection, port: int, offer: Offer, error: BaseException | None
) -> RemoteTunnelError:
    """Why a stream to what is offered as that port was not opened."""
    prohibited = asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
    if not isinstance(error, asyncssh.ChannelOpenError) or error.code == prohibited:
        return connection.explain(error, offer.address)
    return gone(connection, port, offer)


def gone(connection: Connection, port: int, offer: Offer) -> RemoteTunnelError:
    """That nobody is there who offers it as that port."""
    alias = connection.hop.alias
    if not offer.stands:
        return _down(
            connection,
            f"Nothing is offered as {port} on {alias} any more: {_who(offer)} has ended it.",
            "It is found when it is offered again. If it never will be, close this tunnel: one that"
            f" is opened anew leads to port {port} of {alias} itself, on which any user of {alias}"
            " can listen.",
        )
    return _down(
        connection,
        f"Nothing is offered as {port} on {alias} at the moment: {_who(offer)} is away.",
        "It comes back by itself when that machine does. If it never will, remove what stands for"
        f" it on {alias}, {_files(port, offer)}, and close this tunnel: one that is opened anew"
        f" leads to port {port} of {alias} itself, on which any user of {alias} can listen. Where"
        f" the sshd of {alias} connects to no sockets (AllowStreamLocalForwarding), it looks the"
        " same.",
    )


def _silent(connection: Connection, port: int, offer: Offer, patience: float) -> RemoteTunnelError:
    alias = connection.hop.alias
    return _down(
        connection,
        f"{_who(offer)}, which offers {port} on {alias}, has not answered for {patience:g} s.",
        f"It may have lost its network, and the sshd of {alias} not noticed yet"
        " (ClientAliveInterval). It comes back by itself when that machine does.",
    )


def _another(connection: Connection, port: int) -> RemoteTunnelError:
    return Transient(
        f"Another offer is in its place as {port} on {connection.hop.alias}.",
        code="forward_refused",
        hint="It is being looked for.",
        hop=connection.hop.place,
    )


def _taken(connection: Connection, port: int, offer: Offer) -> RemoteTunnelError:
    alias = connection.hop.alias
    return _down(
        connection,
        f"Nothing is offered as {port} on {alias} at the moment: another user of {alias} listens"
        f" in place of {_who(offer)}.",
        f"No stream goes there. Offer it as another port, or ask who runs {alias} to allow sockets"
        " (AllowStreamLocalForwarding), which nobody else can take.",
    )


def _untold(connection: Connection, port: int, offer: Offer) -> RemoteTunnelError:
    alias = connection.hop.alias
    return _down(
        connection,
        f"Whether {_who(offer)} listens on {offer.address}, or another user of {alias} in its"
        f" place, {alias} does not tell.",
        f"It has no table of its sockets that we can read (it is no Linux), so no stream goes there"
        f" by the name {port}. With 127.0.0.1 as the destination, in place of localhost, they go to"
        " whoever listens.",
    )


def _down(connection: Connection, message: str, hint: str) -> RemoteTunnelError:
    return Fatal(message, code="forward_refused", hint=hint, hop=connection.hop.place)


def _no_application(offer: Offer, problem: str) -> RemoteTunnelError:
    where = offer.destination or "what it leads to"
    return Fatal(
        f"{_who(offer)} is there, and {where} does not answer it: {problem}",
        code="forward_refused",
        hint="Does the application run on that machine?",
    )


def _who(offer: Offer) -> str:
    return offer.by or "the machine that offers it"


def _files(port: int, offer: Offer) -> str:
    """What stands for it on the gateway, as a pattern of a shell."""
    if isinstance(offer.address, UnixAddress):
        return f"{shlex.quote(offer.address.path.removesuffix('sock'))}*"
    return f"{FOLDER}/{port}.*"
