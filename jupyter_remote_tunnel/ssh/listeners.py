"""Listening sockets on this machine, bound by ssh's rules and made so that nobody else can use or
replace them.

TCP: an absent bind address (or "localhost") is 127.0.0.1 and, where there is IPv6, ::1 on the same
port. All addresses are bound or none: a stranger on one of them would be given what is meant for
us. Unix: 0600 from the first moment, a live socket is never replaced, a dead one is.
"""

import asyncio
import contextlib
import errno
import ipaddress
import os
import secrets
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from ..model.address import TcpAddress, UnixAddress
from ..model.errors import BadInput, Fatal
from ..model.forward import TcpBind
from ..port_holder import port_holder
from .files import Files

BACKLOG = 256
"""Connections that may wait to be accepted."""

AT_A_TIME = 4
"""Connections that are accepted in one turn of the loop. Few, as each takes a descriptor for some
turns also where it is refused."""

_LOOPBACK = ("127.0.0.1", "::1")
_ALL = ("0.0.0.0", "::")  # noqa: S104
_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_PORT_TRIES = 50
_REMOVED_WITHIN = 2.0


@dataclass(frozen=True)
class Listeners:
    """Listening sockets, the address to show for them, and whether other machines can reach them.
    `file` is the device and inode of a Unix socket's file."""

    sockets: tuple[socket.socket, ...]
    address: TcpAddress | UnixAddress
    public: bool = False
    file: tuple[int, int] | None = None

    async def close(self) -> None:
        """Close them, and remove a Unix socket's file unless another one has taken its place. On a
        drive that does not answer it stays."""
        for listening in self.sockets:
            listening.close()
        if self.file is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REMOVED_WITHIN):
                    await Files().look_at(str(self.address), self._remove)

    def _remove(self, path: str) -> None:
        if self.file == _identity(path):
            with contextlib.suppress(OSError):
                Path(path).unlink()


async def bind_tcp(bind: TcpBind, *, pick: bool, allow_public: bool) -> Listeners:
    """Listen on a TCP port.

    :param pick: take any free port when the wanted one is busy.
    :raises Fatal: port_in_use (the message names the holder where that can be known), not_allowed.
    :raises BadInput: the bind address is none of this machine's.
    """
    addresses = await _addresses(bind)
    public = not all(
        ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in addresses
    )
    if public and not allow_public:
        raise Fatal(
            f"Listening on {bind} would let other machines connect.",
            code="not_allowed",
            hint="Leave the bind address out, or set c.TunnelManager.allow_public_bind = True.",
        )
    try:
        sockets = _bind_all(addresses, bind.port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise _bind_error(error, bind) from error
        if not pick:
            raise await _busy(bind) from error
        sockets = _bind_all(addresses, 0)
    host, port = sockets[0].getsockname()[:2]
    return Listeners(sockets, TcpAddress(host, port), public)


async def _addresses(bind: TcpBind) -> tuple[str, ...]:
    if bind.host is None or bind.host == "localhost":
        return _LOOPBACK
    if bind.host in ("", "*"):
        return _ALL
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(bind.host, bind.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise BadInput(f"The bind address {bind.host} is not known: {error.strerror}.") from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def _bind_all(addresses: tuple[str, ...], port: int) -> tuple[socket.socket, ...]:
    """Listen on every address, on one port. Of the well-known pairs, an address of a family that
    this machine does not have is left out."""
    for attempt in range(_PORT_TRIES):
        with contextlib.ExitStack() as undo:
            bound: list[socket.socket] = []
            taken = port
            try:
                for address in addresses:
                    listening = _bind(address, taken, optional=addresses in (_LOOPBACK, _ALL))
                    if listening is not None:
                        undo.callback(listening.close)
                        bound.append(listening)
                        taken = listening.getsockname()[1]
            except OSError as error:
                # A free port of IPv4 may be busy in IPv6: try another one.
                if port == 0 and error.errno == errno.EADDRINUSE and attempt < _PORT_TRIES - 1:
                    continue
                raise
            if not bound:
                raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
            undo.pop_all()
            return tuple(bound)
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _bind(address: str, port: int, *, optional: bool) -> socket.socket | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        # With the protocol named, asyncio turns Nagle's delay off for what is accepted.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError:
        if optional:
            return None
        raise
    try:
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((address, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        if optional and error.errno in _NO_SUCH_ADDRESS:
            return None
        raise
    return listening


def _bind_error(error: OSError, bind: TcpBind) -> Fatal | BadInput:
    if error.errno in (errno.EACCES, errno.EPERM):
        return Fatal(
            f"This user may not listen on port {bind.port}.",
            code="not_allowed",
            hint="Choose a port above 1023.",
        )
    if error.errno in _NO_SUCH_ADDRESS:
        return BadInput(f"{bind.host} is not an address of this machine.")
    return Fatal(f"Listening on {bind} failed: {error.strerror}.", code="not_allowed")


async def _busy(bind: TcpBind) -> Fatal:
    holder = await asyncio.to_thread(port_holder, bind.port)
    by = f" by {holder}" if holder else ""
    return Fatal(
        f"Port {bind.port} of this machine is in use{by}.",
        code="port_in_use",
        hint="Choose another port, or 0 for any free one; or give --on-conflict pick (in a"
        ' configuration: "on_conflict": "pick"), which takes a free one when that is busy.',
    )


def bind_unix(path: str) -> Listeners:
    """Listen on a Unix socket, 0600.

    :raises Fatal: port_in_use, a process listens there; conflict, another kind of file is there;
        not_allowed, the directory does not take it.
    """
    _remove_dead(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.setblocking(False)
    # The mask and not a later chmod: between both, others could connect.
    mask = os.umask(0o177)
    try:
        listening.bind(path)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise _live(path) from error
        raise Fatal(
            f"The socket {path} cannot be made: {error.strerror}.",
            code="not_allowed",
            hint="Does its directory exist, and is it yours?",
        ) from error
    finally:
        os.umask(mask)
    listening.listen(BACKLOG)
    return Listeners((listening,), UnixAddress(path), file=_identity(path))


def bind_private(directory: Path, name: str | None) -> Listeners:
    """Listen on a socket of ours in a private directory."""
    return bind_unix(str(directory / (name or secrets.token_hex(6))))


def _live(path: str) -> Fatal:
    return Fatal(
        f"Another process listens on the socket {path}.",
        code="port_in_use",
        hint="Choose another path.",
    )


def _remove_dead(path: str) -> None:
    """Remove a socket that nobody listens on any more; refuse to replace anything else."""
    try:
        found = Path(path).lstat()
    except OSError:
        return  # nothing there, or `bind` tells
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.getuid():
        raise Fatal(
            f"There is a file {path} already, and it is not a socket of yours.",
            code="conflict",
            hint="Choose another path.",
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        code = probe.connect_ex(path)
    if code != errno.ECONNREFUSED:
        raise _live(path)
    with contextlib.suppress(FileNotFoundError):
        Path(path).unlink()


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
