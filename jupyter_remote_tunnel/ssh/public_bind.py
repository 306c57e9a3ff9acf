"""What sshd made of a port that it was asked to listen on for us.

GatewayPorts decides it, whatever was asked for, and sshd does not tell; nor that it got only one of
the two addresses of `localhost`, as somebody else has the other. So the host is looked at: its
table of listening sockets, where it has one that a command can read, or else by having sshd connect
to another address of its loopback, which is refused where it listens on 127.0.0.1 only.
"""

import asyncio
from collections.abc import Sequence

import asyncssh

from ..model.address import TcpAddress
from ..model.errors import RemoteTunnelError
from ..model.forward import TcpBind
from ..model.listeners import LOOPBACK, Holders, Listener, listing_of, named
from .connection import Connection
from .wire import abort_late_channel

_PATIENCE = 5.0
"""Seconds for a command: whoever waits for the tunnel waits for it, too."""

_OTHER_LOOPBACK = "127.0.0.2"


async def holders_of(connection: Connection, port: int) -> Holders | None:
    """Who listens on that port of the remote host; None where it has no table of its sockets to
    look at (it is no Linux), or runs no command for us.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            found = await connection.run(listing_of(port), "look at its sockets")
    except (RemoteTunnelError, TimeoutError):
        return None
    return Holders.parse(found.stdout.decode(errors="replace"))


def bound_by(holders: Holders) -> str | None:
    """Where we listen: "*", "localhost" or an address; None where we do not."""
    ips = [one.ip for one in holders.ours]
    if any(ip.is_unspecified for ip in ips):
        return "*"
    halves = [ip for ip in LOOPBACK if ip in ips]
    if halves and not any(one.ip in LOOPBACK for one in holders.others):
        return "localhost"
    return next(map(str, [*halves, *ips]), None)


def remark(bind: TcpBind, bound: str | None, alias: str) -> str | None:
    """What a person should know of a port that was asked for and where it was found to listen; None
    where it is private, as it was asked to be.
    """
    if bind.public:
        if bound is None:
            return f"Whether {alias} listens on all of its interfaces could not be found out."
        if bound == "*":
            return f"{alias} was looked at: it listens on all of its interfaces, as asked."
        return (
            f"{alias} was looked at: it listens on {_named(bound)} only, though all interfaces were"
            " asked for. GatewayPorts is “no” in its sshd: “clientspecified” would allow it."
        )
    if bound == "*":
        return (
            f"{alias} was looked at: it listens on all of its interfaces, though that was not asked"
            " for. GatewayPorts is “yes” in its sshd: whoever reaches it reaches this forward."
        )
    if bound == "localhost" and not bind.loopback:
        return (
            f"{alias} was looked at: it listens on its loopback only, and not on {bind.host}."
            " GatewayPorts is “no” in its sshd: “clientspecified” would allow it."
        )
    return None


def remark_on(others: Sequence[Listener], alias: str) -> str | None:
    """What a person should know of others who listen on the same port."""
    if not others:
        return None
    return (
        f"Another user of {alias} listens on the same port ({named(others)}): what comes there"
        " reaches them, and not this forward."
    )


def _named(bound: str) -> str:
    return "its loopback" if bound == "localhost" else bound


async def is_public(connection: Connection, port: int, timeout: float) -> bool | None:
    """Whether the remote host listens on all of its interfaces, or on loopback only; None where
    that is not to be found out, by having it connect to another address of its loopback.

    :param timeout: seconds.
    """
    opening = connection.open_channel(TcpAddress(_OTHER_LOOPBACK, port), asyncssh.SSHTCPSession)
    # Nothing goes through it, whenever it comes.
    opening.add_done_callback(abort_late_channel)
    await asyncio.wait([opening], timeout=timeout)
    if not opening.done():
        return None
    error = opening.exception()
    if error is None:
        return True
    refused = isinstance(error, asyncssh.ChannelOpenError) and "refused" in error.reason.lower()
    return False if refused else None
