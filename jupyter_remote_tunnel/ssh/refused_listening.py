"""Why a remote host does not listen for us: sshd does not say, so it is found out by
connecting, and by looking whose the port is.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import asyncssh

from ..model.address import Address, TcpAddress, UnixAddress
from ..model.errors import Fatal
from ..model.forward import TcpBind
from ..model.listeners import LOOPBACK, STALE, Listener, named
from .connection import Connection, ListenRefused
from .public_bind import holders_of
from .wire import abort_late_channel

_ROOTS_PORTS = 1024
_TRIED_AGAIN = "It is tried again until then."


@dataclass(frozen=True)
class Refusal:
    """Why it does not listen, and whether that is because something has the address already."""

    error: Fatal
    in_use: bool


async def why_not(
    connection: Connection,
    asked: Address,
    refused: ListenRefused,
    *,
    was_ours: bool,
    look: bool = True,
) -> Refusal:
    """What to tell of an address on which the remote host does not listen for us.

    :param was_ours: whether a connection of ours that was lost had it.
    :param look: whether a command may be run there.
    """
    found = await _connect(connection, asked)
    in_use = found is None
    if in_use:
        others = await _others(connection, asked) if look else ()
        message, hint = _used(connection, asked, others, was_ours=was_ours)
    else:
        message, hint = refused.message, _forbidden(connection, asked, found)
    error = Fatal(message, code=refused.code, hint=hint, hop=refused.hop)
    return Refusal(error, in_use)


async def _connect(connection: Connection, asked: Address) -> BaseException | None:
    """Open a stream there, and let go of it at once: None, or why it was not opened."""
    if isinstance(asked, TcpAddress) and asked.host not in map(str, LOOPBACK):
        asked = TcpAddress("localhost", asked.port)
    opening = connection.open_channel(asked, asyncssh.SSHTCPSession)
    opening.add_done_callback(abort_late_channel)
    await asyncio.wait([opening], timeout=connection.hop.connect_timeout)
    return opening.exception() if opening.done() else connection.not_opened(asked)


async def _others(connection: Connection, asked: Address) -> tuple[Listener, ...]:
    """The other users there who have that port."""
    if not isinstance(asked, TcpAddress):
        return ()
    holders = await holders_of(connection, asked.port)
    return () if holders is None else holders.beside(TcpBind(asked.host, asked.port))


def _used(
    connection: Connection, asked: Address, others: Sequence[Listener], *, was_ours: bool
) -> tuple[str, str]:
    place, what = connection.hop.place, _what(asked)
    if others:
        message = (
            f"{place} does not listen on {what} for us: another user ({named(others)}) has it."
        )
        then = f" {_TRIED_AGAIN} Or choose" if was_ours else " Choose"
        hint = (
            f"What comes there reaches them, until they let go of it.{then} another port; a Unix"
            " socket cannot be taken so."
        )
        return message, hint
    if was_ours:
        message = f"{place} does not listen on {what} for us: our lost connection has it."
        return message, f"{STALE} {_TRIED_AGAIN}"
    message = f"{place} does not listen on {what} for us: something there has it already."
    if _is_roots(connection, asked):
        return message, f"And {_for_root(connection)}"
    hint = (
        f"It is in use by a program there, or by a connection that was lost. {STALE} Try again"
        " then, or choose another one."
    )
    return message, hint


def _is_roots(connection: Connection, asked: Address) -> bool:
    """Whether it is a port on which we may not listen there."""
    is_low = isinstance(asked, TcpAddress) and 0 < asked.port < _ROOTS_PORTS
    return is_low and connection.hop.user != "root"


def _for_root(connection: Connection) -> str:
    return (
        f"ports below {_ROOTS_PORTS} are for root there, and you log in as {connection.hop.user}:"
        f" choose one from {_ROOTS_PORTS} on."
    )


def _what(asked: Address) -> str:
    return asked.path if isinstance(asked, UnixAddress) else f"port {asked.port}"


def _forbidden(connection: Connection, asked: Address, found: BaseException | None) -> str:
    sshd = f"the sshd of {connection.hop.alias}"
    if isinstance(asked, UnixAddress):
        return (
            "Its folder may be missing, or a file may have that name (StreamLocalBindUnlink), or"
            f" {sshd} forbids it (AllowStreamLocalForwarding, AllowTcpForwarding,"
            " DisableForwarding)."
        )
    prohibited = asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
    if isinstance(found, asyncssh.ChannelOpenError) and found.code == prohibited:
        return (
            f"AllowTcpForwarding or DisableForwarding in {sshd}, or a restriction of your key in"
            " authorized_keys, forbid it. Ask who runs it."
        )
    if _is_roots(connection, asked):
        said = _for_root(connection)
        return f"{said[0].upper()}{said[1:]} PermitListen in {sshd} may forbid it, too."
    spelling = " (“localhost” is not “127.0.0.1” to it)" if asked.host == "127.0.0.1" else ""
    return (
        f"Nothing has that port: PermitListen in {sshd} allows other ports{spelling}, or"
        " AllowTcpForwarding is “local” there. Ask who runs it."
    )
