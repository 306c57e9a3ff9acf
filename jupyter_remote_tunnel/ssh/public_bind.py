"""What sshd made of a port that it was asked to listen on for us.

GatewayPorts decides it, whatever was asked for, and sshd does not tell. So the host is looked at:
its table of listening sockets, where it has one that a command can read, or else by having sshd
connect to another address of its loopback, which is refused where it listens on 127.0.0.1 only.
"""

import asyncio
from ipaddress import ip_address

import asyncssh

from ..model.address import TcpAddress
from ..model.errors import RemoteTunnelError
from ..model.forward import TcpBind
from ..model.offer import MARK
from .connection import Connection
from .wire import abort_late_channel

_PATIENCE = 5.0
"""Seconds for a command: whoever waits for the tunnel waits for it, too."""

_OTHER_LOOPBACK = "127.0.0.2"
_LISTENING = f"echo {MARK}; grep -h ':%04X [0-9A-F]*:0000 0A ' /proc/net/tcp /proc/net/tcp6"
# Words of 32 bits in the byte order of the machine.
_LOOPBACK = ("0100007F", "7F000001", f"{'0' * 24}01000000", f"{'0' * 31}1")


async def bound_on(connection: Connection, port: int) -> str | None:
    """Where the remote host listens on that port: "*", "localhost" or an address; None where it has
    no table of its sockets to look at (it is no Linux), or runs no command for us.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            found = await connection.run(_LISTENING % port, "look at its sockets")
    except (RemoteTunnelError, TimeoutError):
        return None
    words = [line.split() for line in found.stdout.decode(errors="replace").splitlines()]
    addresses = {line[1].partition(":")[0] for line in words if len(line) > 3 and line[3] == "0A"}
    if any(set(address) == {"0"} for address in addresses):
        return "*"
    if addresses & {*_LOOPBACK}:
        return "localhost"
    return next(map(_dotted, addresses), None)


def _dotted(address: str) -> str:
    """An address of Linux's table, where the machine is little-endian, as nearly all are."""
    try:
        words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
        return str(ip_address(b"".join(words)))
    except ValueError:
        return "an address of its own"


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
