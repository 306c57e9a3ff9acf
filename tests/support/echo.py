"""Small servers on TCP or Unix sockets, each the other end of one property of a stream.

``echo``        sends back what it gets; ends when the peer has ended
``sink``        reads to the end, then answers the SHA-256 (hex) of what it got
``source``      sends `size` bytes of `pattern`, whatever it gets, and ends
``half_close``  says "hello" and ends its own direction at once, then reads on; see `received`
``reply``       reads to the end, only then answers "got N bytes"
``silent``      sends `size` bytes, if any, and its end, and never reads: back-pressure
``reset``       reads one piece, answers it, then resets the connection

They run in threads, so they serve tests with and without an event loop::

    with serve("echo") as server:
        socket.create_connection(server.address)
"""

import contextlib
import hashlib
import shutil
import socket
import struct
import tempfile
import threading
from asyncio.trsock import TransportSocket
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from tests.support.ports import ReservedPort

_PIECE = 64 * 1024


@cache
def pattern(size: int) -> bytes:
    """`size` bytes that repeat only after 1 MiB + 7, so that a lost or doubled piece shows."""
    block = b"".join(hashlib.sha256(n.to_bytes(8)).digest() for n in range(2**15)) + b"pattern"
    return (block * (size // len(block) + 1))[:size]


def digest(data: bytes) -> str:
    """SHA-256 in hex, as ``sink`` answers it."""
    return hashlib.sha256(data).hexdigest()


class Server:
    """A listening server; `address` is what `socket.connect` takes: (host, port) or a path.

    `accepted` counts connections so far, `received` bytes so far, `live` open connections.
    """

    def __init__(self, listener: socket.socket, handle: "Handler") -> None:
        self._listener = listener
        self._handle = handle
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._news = threading.Condition()
        self._closing = threading.Event()
        self.accepted = 0
        self.received = 0
        name = listener.getsockname()
        self.address: tuple[str, int] | str = name if isinstance(name, str) else name[:2]
        self._accepter = threading.Thread(target=self._accept, name=f"accept on {self.address}")
        self._accepter.start()

    @property
    def port(self) -> int:
        """The TCP port."""
        assert not isinstance(self.address, str), "a Unix socket has no port"
        return self.address[1]

    @property
    def path(self) -> str:
        """The Unix socket's path."""
        assert isinstance(self.address, str), "a TCP socket has no path"
        return self.address

    @property
    def live(self) -> int:
        """How many connections are open now."""
        with self._news:
            return len(self._connections)

    def wait_for(self, ask: Callable[["Server"], bool], patience: float = 30.0) -> None:
        """Block until `ask(self)` is true; asked again whenever a count changes."""
        with self._news:
            if not self._news.wait_for(lambda: ask(self), patience):
                raise AssertionError(
                    f"in vain: {self.accepted=} {self.received=} live={len(self._connections)}"
                )

    def count(self, data: bytes) -> bytes:
        """Add to `received`; for the handlers."""
        with self._news:
            self.received += len(data)
            self._news.notify_all()
        return data

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._news:
                self.accepted += 1
                self._connections.add(connection)
                self._news.notify_all()
            thread = threading.Thread(target=self._serve, args=(connection,), name="serve")
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._handle(self, connection)
        with self._news:
            self._connections.discard(connection)
            self._news.notify_all()

    def wait_closing(self) -> None:
        """Block until the server closes; for handlers that do nothing."""
        self._closing.wait()

    def close(self) -> None:
        """End the listener, every connection and every thread."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepter.join()
        self._listener.close()
        with self._news:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()


Handler = Callable[[Server, socket.socket], None]


def _echo(server: Server, connection: socket.socket) -> None:
    while data := server.count(connection.recv(_PIECE)):
        connection.sendall(data)


def _sink(server: Server, connection: socket.socket) -> None:
    sha = hashlib.sha256()
    while data := server.count(connection.recv(_PIECE)):
        sha.update(data)
    connection.sendall(sha.hexdigest().encode())


def _half_close(server: Server, connection: socket.socket) -> None:
    connection.sendall(b"hello")
    connection.shutdown(socket.SHUT_WR)
    while server.count(connection.recv(_PIECE)):
        pass


def _reply(server: Server, connection: socket.socket) -> None:
    size = 0
    while data := server.count(connection.recv(_PIECE)):
        size += len(data)
    connection.sendall(f"got {size} bytes".encode())


def _silent(size: int) -> Handler:
    def send(server: Server, connection: socket.socket) -> None:
        if size:
            connection.sendall(pattern(size))
            connection.shutdown(socket.SHUT_WR)
        server.wait_closing()

    return send


def _reset(server: Server, connection: socket.socket) -> None:
    connection.sendall(server.count(connection.recv(_PIECE)))
    reset(connection)


def reset(connection: socket.socket) -> None:
    """Close `connection` with RST instead of FIN."""
    reset_at_close(connection)
    connection.close()


def reset_at_close(connection: socket.socket | TransportSocket) -> None:
    """When `connection` is closed, its peer is sent RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _source(size: int) -> Handler:
    def send(server: Server, connection: socket.socket) -> None:
        connection.sendall(pattern(size))

    return send


_SIZED: dict[str, Callable[[int], Handler]] = {"source": _source, "silent": _silent}
_HANDLERS: dict[str, Handler] = {
    "echo": _echo,
    "sink": _sink,
    "half_close": _half_close,
    "reply": _reply,
    "reset": _reset,
}


@contextlib.contextmanager
def serve(
    behaviour: str, *, unix: bool = False, host: str = "127.0.0.1", port: int = 0, size: int = 0
) -> Iterator[Server]:
    """A `Server` with one of the module's behaviours; `size` in bytes is for ``source``
    and ``silent``.

    A port that the kernel chose would be taken on one loopback address only, and another test's
    listener could have the same number on the other, where a client of "localhost" may ask first.
    """
    handle = _SIZED[behaviour](size) if behaviour in _SIZED else _HANDLERS[behaviour]
    with contextlib.ExitStack() as stack:
        if unix:
            folder = Path(tempfile.mkdtemp(prefix="jrt-echo-"))
            stack.callback(shutil.rmtree, folder)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(str(folder / "socket"))
            listener.listen(128)
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            port = port or stack.enter_context(ReservedPort()).number
            listener = socket.create_server((host, port), family=family, backlog=128)
        server = Server(listener, handle)
        stack.callback(server.close)
        yield server
