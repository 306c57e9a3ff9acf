"""Whose process is at the other end of a Unix socket."""

import os
import socket
import struct
import sys

from ..model.errors import Fatal

_LOCAL_PEERCRED = 1  # <sys/un.h> of macOS; Python has no name for it
_XUCRED = struct.Struct("=IIh2x16I")  # version, uid, number of groups, groups


def peer_uid(sock: socket.socket) -> int:
    """The uid of the process that connected `sock`, or that listens where it connected.

    :raises OSError: the platform cannot tell, or the peer has gone.
    """
    if sys.platform == "linux":
        credentials = struct.Struct("=iII")  # pid, uid, gid
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
        uid = credentials.unpack(raw)[1]
    elif sys.platform == "darwin":
        raw = sock.getsockopt(0, _LOCAL_PEERCRED, _XUCRED.size)
        uid = _XUCRED.unpack(raw)[1]
    else:
        raise OSError(f"the peer of a Unix socket is not known on {sys.platform}")
    return int(uid)


def same_user(sock: socket.socket) -> bool:
    """Whether the peer runs as this user; False where that cannot be known."""
    try:
        return peer_uid(sock) == os.geteuid()
    except OSError:
        return False


def require_unix() -> None:
    """Say it where the engine cannot run.

    :raises Fatal: `unsupported`, on Windows.
    """
    if sys.platform == "win32":
        raise Fatal(
            "Tunnels need Unix sockets and signals, which Windows does not have.",
            code="unsupported",
            hint="Run Jupyter in WSL.",
        )
