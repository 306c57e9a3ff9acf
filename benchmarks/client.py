"""What stands at the near end: it asks `benchmarks.peer` through a forward, and holds the clock.

Sizes in bytes, times in seconds; an address is (host, port). ``python -m benchmarks.client PORT
BYTES`` downloads again and again until it is ended, for what is measured meanwhile.
"""

import contextlib
import select
import socket
import sys
import time
from collections.abc import Callable

from benchmarks.peer import BLOCK, discard, header, receive, send

Address = tuple[str, int]

_PATIENCE = 120.0


def connect(address: Address) -> socket.socket:
    """A connection without Nagle's delay."""
    connection = socket.create_connection(address, timeout=_PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def timed(action: Callable[[], object]) -> float:
    """How long it takes."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def download(address: Address, size: int) -> float:
    """Seconds from the request to the last byte."""
    with connect(address) as connection:
        begin = time.perf_counter()
        connection.sendall(header(b"D", size))
        discard(connection, size)
        return time.perf_counter() - begin


def upload(address: Address, size: int) -> float:
    """Seconds from the first byte to the answer, which comes when all have come."""
    with connect(address) as connection:
        begin = time.perf_counter()
        connection.sendall(header(b"U", size))
        send(connection, size)
        discard(connection, 1)
        return time.perf_counter() - begin


def steady_download(address: Address, skip: float, seconds: float) -> float:
    """Bytes a second, for `seconds`, after the first `skip` ones."""
    with connect(address) as connection:
        connection.sendall(header(b"D", 1 << 50))
        buffer = memoryview(bytearray(BLOCK))

        def receive_for(limit: float) -> float:
            begin, count = time.perf_counter(), 0
            while (passed := time.perf_counter() - begin) < limit:
                got = connection.recv_into(buffer)
                if not got:
                    raise ConnectionError("the stream ended too early")
                count += got
            return count / passed

        receive_for(skip)
        return receive_for(seconds)


def echo(address: Address, size: int, *, count: int = 0, seconds: float = 0.0) -> list[float]:
    """Seconds that each message of `size` bytes takes to come back: `count` of them, or for as long
    as `seconds`."""
    message = memoryview(bytearray(size))
    with connect(address) as connection:
        connection.sendall(header(b"E", size))

        def once() -> None:
            connection.sendall(message)
            receive(connection, message)

        once()  # the stream is there now, to its far end
        found: list[float] = []
        end = time.perf_counter() + seconds
        while len(found) < count or time.perf_counter() < end:
            found.append(timed(once))
        return found


def first_byte(address: Address) -> None:
    """Connect to the peer's second port, say a byte and wait for its own."""
    with connect(address) as connection:
        connection.sendall(b"?")
        discard(connection, 1)


def connections(address: Address, total: int, at_once: int) -> float:
    """New connections a second to the peer's second port, `at_once` of them under way.

    Each says a byte, gets one and is closed. By hand on epoll: the client must not be what is
    measured.
    """
    opened = done = 0
    live: dict[int, socket.socket] = {}
    with contextlib.closing(select.epoll()) as poll:

        def begin() -> None:
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(address)
            live[connection.fileno()] = connection
            poll.register(connection.fileno(), select.EPOLLOUT)

        start = time.perf_counter()
        while done < total:
            while opened < total and len(live) < at_once:
                begin()
                opened += 1
            ready = poll.poll(_PATIENCE)
            if not ready:
                raise ConnectionError(f"{len(live)} connections got nothing")
            for descriptor, event in ready:
                if event == select.EPOLLOUT:
                    live[descriptor].send(b"?")
                    poll.modify(descriptor, select.EPOLLIN)
                    continue
                connection = live.pop(descriptor)
                if connection.recv(16) != b".":
                    raise ConnectionError("a connection ended without its byte")
                connection.close()
                done += 1
        return total / (time.perf_counter() - start)


def http_download(address: Address, size: int, *headers: str) -> float:
    """Seconds for ``GET /size``; `headers` replace Host."""
    return _http(address, f"GET /{size}", headers, 0, size)


def http_upload(address: Address, size: int, *headers: str) -> float:
    """Seconds for a POST of so many bytes."""
    return _http(address, "POST /", (*headers, f"Content-Length: {size}"), size, 0)


def _http(address: Address, line: str, headers: tuple[str, ...], up: int, down: int) -> float:
    named = headers if any(text.startswith("Host:") for text in headers) else ("Host: x", *headers)
    request = "\r\n".join([f"{line} HTTP/1.1", "Connection: close", *named, "", ""])
    with connect(address) as connection:
        begin = time.perf_counter()
        connection.sendall(request.encode())
        send(connection, up)
        answer = b""
        while b"\r\n\r\n" not in answer:
            if not (more := connection.recv(BLOCK)):
                raise ConnectionError(f"no answer: {answer[:200]!r}")
            answer += more
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.split()[1].startswith(b"2"):
            raise ConnectionError(f"refused: {head[:200]!r}")
        discard(connection, down - len(body))
        return time.perf_counter() - begin


def _main(port: int, size: int) -> None:
    with connect(("127.0.0.1", port)):
        print("downloading", flush=True)
    while True:
        download(("127.0.0.1", port), size)


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]))
