"""Each small server does what its name says, on TCP and on Unix sockets; so does the relay."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support import echo
from tests.support.relay import Relay


@contextmanager
def _connected(server: echo.Server) -> Iterator[socket.socket]:
    family = socket.AF_UNIX if isinstance(server.address, str) else socket.AF_INET
    with socket.socket(family) as stream:
        stream.settimeout(10)
        stream.connect(server.address)
        yield stream


def _send_for_ever(stream: socket.socket) -> None:
    while True:
        stream.send(bytes(1 << 20))


def _rest(stream: socket.socket) -> bytes:
    data = b""
    while piece := stream.recv(65536):
        data += piece
    return data


@pytest.mark.parametrize("unix", [False, True])
def test_echo_and_counts(unix: bool) -> None:
    with echo.serve("echo", unix=unix) as server:
        with _connected(server) as stream:
            stream.sendall(b"ping")
            assert stream.recv(4) == b"ping"
            assert (server.accepted, server.received, server.live) == (1, 4, 1)
        server.wait_for(lambda server: server.live == 0)


def test_sink_source_reply_and_half_close() -> None:
    data = echo.pattern(300_000)
    with echo.serve("sink") as server, _connected(server) as stream:
        stream.sendall(data)
        stream.shutdown(socket.SHUT_WR)
        assert _rest(stream).decode() == echo.digest(data)
    with echo.serve("source", size=300_000) as server, _connected(server) as stream:
        assert _rest(stream) == data
    with echo.serve("reply") as server, _connected(server) as stream:
        stream.sendall(b"12345")
        stream.shutdown(socket.SHUT_WR)
        assert _rest(stream) == b"got 5 bytes"
    with echo.serve("half_close") as server, _connected(server) as stream:
        assert _rest(stream) == b"hello"
        stream.sendall(b"still read")
        server.wait_for(lambda server: server.received == 10)


def test_silent_never_reads_and_reset_resets() -> None:
    with echo.serve("silent") as server, _connected(server) as stream:
        stream.setblocking(False)
        with pytest.raises(BlockingIOError):
            _send_for_ever(stream)
    with echo.serve("reset") as server, _connected(server) as stream:
        stream.sendall(b"x")
        assert stream.recv(1) == b"x"
        with pytest.raises(ConnectionResetError):
            stream.recv(1)


def test_relay_carries_delays_freezes_cuts_and_refuses() -> None:
    with echo.serve("echo") as server, Relay("127.0.0.1", server.port) as wire:
        wire.delay = 0.05
        with socket.create_connection(("127.0.0.1", wire.port), timeout=10) as stream:
            start = time.monotonic()
            stream.sendall(b"ping")
            assert stream.recv(4) == b"ping"
            assert time.monotonic() - start >= 0.1
            wire.freeze()
            stream.sendall(b"held")
            stream.settimeout(0.3)
            with pytest.raises(TimeoutError):
                stream.recv(4)
            stream.settimeout(10)
            wire.thaw()
            assert stream.recv(4) == b"held"
            wire.cut()
            with pytest.raises(ConnectionResetError):
                stream.recv(1)
        wire.refuse()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", wire.port))
        wire.accept()
        with socket.create_connection(("127.0.0.1", wire.port), timeout=10) as stream:
            stream.sendall(b"back")
            assert stream.recv(4) == b"back"


def test_relay_passes_a_half_close_on() -> None:
    with (
        echo.serve("reply") as server,
        Relay("127.0.0.1", server.port) as wire,
        socket.create_connection(("127.0.0.1", wire.port), timeout=10) as stream,
    ):
        stream.sendall(b"123")
        stream.shutdown(socket.SHUT_WR)
        assert _rest(stream) == b"got 3 bytes"
