"""Other users of this machine, who must not get what is meant for an application.

When an engine dies, the ports of its forwards are free for a moment, and whoever listens there
first would be sent the user's requests and answer in the application's name. So of every new TCP
connection the owner of the other end is looked up, before a byte is sent. Where the kernel cannot
be asked (it is not Linux), connections are taken as they are. Unix sockets need none of this: they
lie where only their user can put something.
"""

import asyncio
import os

from ... import peer_uid
from .relay import Unanswered


def refuse(transport: asyncio.BaseTransport | None) -> None:
    """Return if a process of our own user is at the other end; cut the connection if not.

    :param transport: a TCP connection that we made; None if it has ended already.
    :raises Unanswered: it is another user's, or nobody can tell whose.
    """
    if not peer_uid.SUPPORTED:
        return
    if not isinstance(transport, asyncio.Transport):
        raise Unanswered("closed at once")
    try:
        sock = transport.get_extra_info("socket")
        uid = peer_uid.listener_uid(sock.getsockname(), sock.getpeername())
    except OSError:  # it has ended, or look-ups do not work here
        uid = None
    if uid != os.geteuid():
        transport.abort()
        raise Unanswered("not a process of this user")
