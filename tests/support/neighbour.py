"""Another user of the same host, who listens on a port that is somebody else's affair.

::

    with neighbour("127.0.0.1", 8888):     # listens there, on this machine

They wait for the port if they do not get it at once, and answer every request with `ANSWER`.
"""

import contextlib
from collections.abc import Iterator

from tests.support.other_uid import as_other_user, other_users_python
from tests.support.process import child

ANSWER = "this is the neighbour"

_LISTENING = f"""
import socket, sys, time
host, port = sys.argv[1], int(sys.argv[2])
print("waits", flush=True)
while True:
    taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen()
        break
    except OSError:
        taken.close()
        time.sleep(0.002)  # nothing tells that a port is free
print("has", port, flush=True)
said = b"{ANSWER}"
while True:
    stream, _ = taken.accept()
    stream.recv(65536)
    stream.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(said), said))
    stream.close()
"""


def listening(host: str, port: int) -> list[str]:
    """The command line of one who listens there."""
    return other_users_python(_LISTENING, host, str(port))


@contextlib.contextmanager
def neighbour(host: str, port: int) -> Iterator[None]:
    """They have that port of this machine."""
    with child(as_other_user(listening(host, port))) as running:
        running.wait_for_line(f"has {port}")
        yield
