"""Where asyncssh's and the system's exceptions become the errors of `model.errors`, once.

What can only be told by the one who held the key or asked the person is made there (`host_keys`,
`auth`).
"""

import errno
import socket

import asyncssh

from ..model.address import Address, UnixAddress
from ..model.errors import Fatal, RemoteTunnelError, Transient, from_dict
from ..model.errors import cause as cause
from ..model.text import plain
from .files import DEAD_DRIVE
from .hop import Hop

NOBODY_ASKED = "Nobody could be asked: open or restart the tunnel in the sidebar or in a terminal."
"""The hint where a person's answer would have helped."""

NO_HOST_KEY = "No matching host key algorithm"
"""What a KeyExchangeFailed begins with where the two sides know no type of host key in common."""

_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}


_OLD_KEY = (
    "HostKeyAlgorithms in your ssh configuration decides that. An old host, which has nothing"
    " better than ssh-rsa, is reached with “HostKeyAlgorithms +ssh-rsa”."
)


def reason_of(error: BaseException | None) -> str:
    """What the other side or asyncssh says of an error, without a full stop; of none, nothing."""
    said = error.reason if isinstance(error, asyncssh.Error) else str(error or "")
    return plain(said).rstrip(".")


def connect_error(error: Exception, hop: Hop, via: Hop | None) -> RemoteTunnelError:
    """Why no connection to `hop` came to be; `via` is the hop before it."""
    if isinstance(error, RemoteTunnelError):
        return error
    if isinstance(error, asyncssh.ChannelOpenError) and via is not None:
        return _gate_error(error, hop, via)
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return Fatal(
            f"{hop.place} and this side have no algorithm in common: {reason_of(error)}.",
            code="unsupported",
            hint=_OLD_KEY
            if error.reason.startswith(NO_HOST_KEY)
            else "Ciphers or MACs in your ssh configuration may be too few, or its sshd too old.",
            hop=hop.place,
        )
    if isinstance(error, asyncssh.ProtocolNotSupported):
        return Fatal(
            f"What answers at {hop.address} is not an SSH 2 server.",
            code="unsupported",
            hint="Is the port right?",
            hop=hop.place,
        )
    if isinstance(error, asyncssh.DisconnectError):
        return _disconnect_error(error, hop)
    if isinstance(error, OSError | UnicodeError):
        return _system_error(error, hop)
    return Fatal(f"Connecting to {hop.place} failed: {reason_of(error)}.", hop=hop.place)


def _system_error(error: OSError | UnicodeError, hop: Hop) -> RemoteTunnelError:
    # A UnicodeError: it is a name that DNS cannot hold.
    if isinstance(error, socket.gaierror | UnicodeError):
        name = hop.host if hop.host == hop.place else f"{hop.host} of {hop.place}"
        return Transient(
            f"The host name {name} could not be resolved.",
            code="host_unresolved",
            hint="Is it spelt right, and is this machine online (VPN)?",
            hop=hop.place,
        )
    if isinstance(error, TimeoutError):
        return timeout_error(hop, "connect to")
    if error.errno in _UNREACHABLE:
        return Transient(
            f"There is no route to {hop.place} at {hop.address}.",
            code="network_unreachable",
            hint="Is this machine online (VPN)?",
            hop=hop.place,
        )
    if isinstance(error, ConnectionRefusedError):
        return Transient(
            f"{hop.place} refused the connection to {hop.address}.",
            hint="Is sshd running there, and is the port right?",
            hop=hop.place,
        )
    return Transient(
        f"Connecting to {hop.place} at {hop.address} failed: {cause(error)}.", hop=hop.place
    )


def _gate_error(error: asyncssh.ChannelOpenError, hop: Hop, via: Hop) -> RemoteTunnelError:
    if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
        return Fatal(
            f"{via.place} does not let you connect on to {hop.address}.",
            code="forward_refused",
            hint=f"AllowTcpForwarding or PermitOpen in the sshd of {via.alias} decide that.",
            hop=via.place,
        )
    return Transient(
        f"{via.place} could not connect to {hop.place} at {hop.address}: {reason_of(error)}.",
        hint=f"Is {hop.alias} up, and can {via.alias} reach it?",
        hop=hop.place,
    )


def is_too_many_tries(error: Exception) -> bool:
    """Whether the host did not want to see what else there is to offer (MaxAuthTries)."""
    return (
        isinstance(error, asyncssh.DisconnectError)
        and "too many authentication failures" in error.reason.lower()
    )


def _disconnect_error(error: asyncssh.DisconnectError, hop: Hop) -> RemoteTunnelError:
    if is_too_many_tries(error):
        return Fatal(
            f"{hop.place} ended the login: too many keys were tried.",
            code="auth_failed",
            hint="Name the right key with -i and “IdentitiesOnly yes”.",
            hop=hop.place,
        )
    reason = reason_of(error) or "no reason given"
    return Transient(
        f"{hop.place} ended the connection during the login: {reason}.",
        hint="Its sshd may be busy or may refuse this machine: try ssh in a terminal.",
        hop=hop.place,
    )


def timeout_error(hop: Hop, doing: str) -> Transient:
    """It took longer than `hop.connect_timeout` to `doing` (“connect to”) the hop."""
    return Transient(
        f"It took more than {hop.connect_timeout:g} s to {doing} {hop.place} at {hop.address}.",
        code="connect_timeout",
        hint="Is the host up, and does a firewall drop the packets?",
        hop=hop.place,
    )


def lost_error(error: Exception | None, hop: Hop) -> Transient:
    """Why an open connection ended by itself."""
    reason = reason_of(error)
    why = f": {reason}" if reason else ""
    return Transient(
        f"The connection to {hop.place} was lost{why}.", code="connection_lost", hop=hop.place
    )


def again(error: RemoteTunnelError) -> RemoteTunnelError:
    """The same error to be raised once more: an exception gathers the frames of every `raise`."""
    return from_dict(error.as_dict())


def closed_error(hop: Hop) -> Fatal:
    """The connection was closed on this side."""
    return Fatal(f"The connection to {hop.place} was closed.", code="closed", hop=hop.place)


def channel_error(error: asyncssh.ChannelOpenError, destination: Address, hop: Hop) -> Fatal:
    """Why the remote host did not open a channel to a destination."""
    reason = reason_of(error)
    if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
        return Fatal(
            f"{hop.place} does not allow connections to {destination}.",
            code="forward_refused",
            hint="AllowTcpForwarding, PermitOpen or DisableForwarding in the sshd of "
            f"{hop.alias} decide that. It forwards nothing, either, for a password that has "
            f"expired: “ssh {hop.alias}” in a terminal would ask for a new one.",
            hop=hop.place,
        )
    if reason.lower() in ("", "open failed", "connect failed"):
        # OpenSSH says the same for a socket that is not there and for a forbidden one.
        return Fatal(
            f"{hop.place} could not connect to {destination}, and does not say why.",
            code="forward_refused",
            hint=f"Either nothing listens there, or the sshd of {hop.alias} forbids it "
            "(AllowStreamLocalForwarding, AllowTcpForwarding).",
            hop=hop.place,
        )
    return Fatal(
        f"{hop.place} could not connect to {destination}: {reason}.",
        code="forward_refused",
        hint=f"Is something listening on {destination}, as seen from {hop.alias}?",
        hop=hop.place,
    )


def destination_error(error: OSError | UnicodeError, destination: Address) -> Fatal:
    """Why this machine could not connect to the destination of a remote forward."""
    on_drive = isinstance(destination, UnixAddress) and isinstance(error, TimeoutError)
    return Fatal(
        f"This machine could not connect to {destination}: {cause(error)}.",
        code="forward_refused",
        hint=DEAD_DRIVE if on_drive else f"Is something listening on {destination} here?",
    )


def folder_error(path: str, seconds: float) -> Fatal:
    """The folder that a socket of ours is to be made in could not be looked at in time."""
    return Fatal(
        f"The socket {path} cannot be made: its folder did not answer within {seconds:g} s.",
        code="not_allowed",
        hint=DEAD_DRIVE,
    )
