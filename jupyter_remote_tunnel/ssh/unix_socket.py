"""Connecting to a Unix socket of this machine without holding up the loop.

Its path may lie on a network drive that is gone: connect(2) then waits for the path, however the
socket is set. So it is called in the thread of `files` that looks at that path.
"""

import socket
import struct

from .files import Files


async def connected_unix(path: str, seconds: float) -> socket.socket:
    """A socket connected to `path`.

    :param seconds: how long to wait where as many connections wait there as its owner lets. For a
        drive that does not answer there is no limit: cancel this, and the socket is closed when it
        comes.
    :raises OSError: nobody listens there.
    """

    def connect(path: str) -> socket.socket:
        return _connected(path, seconds)

    return await Files().look_at(path, connect, drop=socket.socket.close)


def _connected(path: str, seconds: float) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        whole = int(seconds)
        limit = struct.pack("ll", whole, int((seconds - whole) * 1e6))
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        opened.connect(path)
    except BaseException:
        opened.close()
        raise
    return opened
