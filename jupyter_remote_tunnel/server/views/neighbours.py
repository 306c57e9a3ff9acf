"""Other users of this machine, who must not get what is meant for an application.

When an engine dies, the ports of its forwards are free for a moment, and whoever listens there
first would be sent the user's requests and answer in the application's name; and in a folder that
others may write, a socket can be put in place of the user's. So of every new connection the owner
of the other end is looked up, before a byte is sent. Where the kernel cannot be asked about TCP (it
is not Linux), such connections are taken as they are.
"""

import asyncio
import os
import socket

from ... import peer_uid
from ...engine.peer import same_user
from .relay import Unanswered


def refuse(transport: asyncio.BaseTransport | None) -> None:
    """Return if a process of our own user is at the other end; cut the connection if not.

    :param transport: a connection that we made; None if it has ended already.
    :raises Unanswered: it is another user's, or nobody can tell whose.
    """
    if not isinstance(transport, asyncio.Transport):
        raise Unanswered("closed at once")
    sock = transport.get_extra_info("socket")
    if not (same_user(sock) if sock.family == socket.AF_UNIX else _reaches_us(sock)):
        transport.abort()
        raise Unanswered("not a process of this user")


def _reaches_us(sock: socket.socket) -> bool:
    """Whether a TCP connection leads to a process of ours, as far as the kernel tells."""
    if not peer_uid.SUPPORTED:
        return True
    try:
        return peer_uid.listener_uid(sock.getsockname(), sock.getpeername()) == os.geteuid()
    except OSError:  # it has ended, or look-ups do not work here
        return False


def is_ours(ours: socket.socket) -> bool:
    """Whether a process of our own user made this TCP connection to us, if the kernel can tell."""
    if not peer_uid.SUPPORTED:
        return True
    try:
        return peer_uid.peer_uid(ours.getsockname(), ours.getpeername()) == os.geteuid()
    except OSError:
        return False
