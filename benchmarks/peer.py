"""What stands at the remote end of every forward: fast, with blocking sockets.

``python -m benchmarks.peer`` prints two ports of 127.0.0.1 and serves until it is ended.

The first serves a request for each connection: a letter and a number of 8 bytes, big-endian,

``D`` n   sends n bytes; ends
``U`` n   reads n bytes, then answers one byte; ends
``E`` n   answers each message of n bytes, once it is complete, by the same; until the end

or an HTTP request: ``GET /n`` answers n bytes, ``POST`` reads the body (of the
length that it says), then answers 204.

The second answers one byte to what a connection says first, and closes it.
"""

import contextlib
import os
import re
import select
import socket
import threading

BLOCK = 1 << 20
_PAYLOAD = memoryview(os.urandom(BLOCK))


def header(letter: bytes, number: int) -> bytes:
    """The nine bytes of a request."""
    return letter + number.to_bytes(8)


def receive(connection: socket.socket, buffer: memoryview) -> None:
    """Fill `buffer`.

    :raises ConnectionError: the other side has ended before.
    """
    while buffer:
        got = connection.recv_into(buffer)
        if not got:
            raise ConnectionError("the stream ended too early")
        buffer = buffer[got:]


def discard(connection: socket.socket, count: int) -> None:
    """Read `count` bytes.

    :raises ConnectionError: the other side has ended before.
    """
    buffer = memoryview(bytearray(min(count, BLOCK)))
    while count:
        got = connection.recv_into(buffer[: min(count, BLOCK)])
        if not got:
            raise ConnectionError(f"the stream ended, {count} bytes too early")
        count -= got


def send(connection: socket.socket, count: int) -> None:
    """Send `count` bytes that mean nothing."""
    while count:
        size = min(count, BLOCK)
        connection.sendall(_PAYLOAD[:size])
        count -= size


def _echo(connection: socket.socket, size: int) -> None:
    message = memoryview(bytearray(size))
    while True:
        receive(connection, message)
        connection.sendall(message)


def _http(connection: socket.socket, head: bytes) -> None:
    while b"\r\n\r\n" not in head:
        head += connection.recv(BLOCK)
    head, _, body = head.partition(b"\r\n\r\n")
    answer = b"HTTP/1.1 %s\r\nConnection: close\r\n%s\r\n"
    if head.startswith(b"GET "):
        count = int(head.split()[1].lstrip(b"/"))
        length = b"Content-Type: application/octet-stream\r\nContent-Length: %d\r\n" % count
        connection.sendall(answer % (b"200 OK", length))
        send(connection, count)
        return
    stated = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    if stated is None:
        connection.sendall(answer % (b"411 Length Required", b""))
        return
    discard(connection, int(stated[1]) - len(body))
    connection.sendall(answer % (b"204 No Content", b""))


def _serve(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = bytearray(9)
        receive(connection, memoryview(request))
        letter, number = bytes(request[:1]), int.from_bytes(request[1:])
        if letter == b"D":
            send(connection, number)
        elif letter == b"U":
            discard(connection, number)
            connection.sendall(b".")
        elif letter == b"E":
            _echo(connection, number)
        else:
            _http(connection, bytes(request))


def _give_bytes(listener: socket.socket) -> None:
    """By hand on epoll: a thread for each would be what is measured."""
    waiting: dict[int, socket.socket] = {}
    poll = select.epoll()
    poll.register(listener.fileno(), select.EPOLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == listener.fileno():
                connection, _ = listener.accept()
                waiting[connection.fileno()] = connection
                poll.register(connection.fileno(), select.EPOLLIN)
                continue
            with waiting.pop(descriptor) as connection, contextlib.suppress(OSError):
                connection.recv(16)
                connection.sendall(b".")


def _accept(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection,), daemon=True).start()


def _main() -> None:
    work, byte = (socket.create_server(("127.0.0.1", 0), backlog=1024) for _ in range(2))
    threading.Thread(target=_give_bytes, args=(byte,), daemon=True).start()
    print(f"peer on {work.getsockname()[1]} {byte.getsockname()[1]}", flush=True)
    _accept(work)


if __name__ == "__main__":
    _main()
