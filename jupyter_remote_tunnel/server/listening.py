"""Accepting what comes from outside, with or without TLS, and letting go of all of it at once.

Where TLS ends here, the first byte tells who speaks it; who does not is sent to the https URL. The
certificate's files are looked at for each connection, so those that were renewed count at once.
"""

import asyncio
import errno
import functools
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.iostream import IOStream, SSLIOStream
from tornado.netutil import add_accept_handler, ssl_options_to_context
from tornado.routing import Router
from tornado.web import Application
from typing_extensions import override

from .outside import Gate, Refused, moved

MAX_STREAMS = 500
"""Connections at a time: descriptors are shared with who sits here."""

_HANDSHAKE = b"\x16"
# Seconds for the first byte, and for the head of a request.
_FIRST_BYTE = 10.0
_HEAD = 75.0


class Certificate:
    """The files of a certificate and its key, as they are now."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._known: tuple[object, ssl.SSLContext] | None = None

    def context(self) -> ssl.SSLContext:
        """What a connection is served with. Files that do not fit together, as in the midst of
        their renewal, do not count yet.

        :raises OSError: they cannot be read, or are not what they should be (`ssl.SSLError`), and
            never were.
        """
        try:
            signs = [path.stat() for path in self._files]
            version = [(sign.st_ino, sign.st_mtime_ns, sign.st_size) for sign in signs]
            if self._known is None or self._known[0] != version:
                certfile, keyfile = map(str, self._files)
                options = {"certfile": certfile, "keyfile": keyfile}
                self._known = (version, ssl_options_to_context(options, server_side=True))
        except OSError:
            if self._known is None:
                raise
        return self._known[1]


class Listener:
    """Serves what a gate lets through, on sockets that listen.

    :param certificate: where TLS ends here.
    :param limits: `max_body_size` and `max_buffer_size` of Jupyter's own server.
    """

    def __init__(
        self, gate: Gate, certificate: Certificate | None = None, **limits: int | None
    ) -> None:
        self._certificate = certificate
        self._server = HTTPServer(
            gate, protocol="https", idle_connection_timeout=_HEAD, no_keep_alive=False, **limits
        )
        self._without_tls = HTTPServer(_Elsewhere(gate.door.url), idle_connection_timeout=_HEAD)
        self._sockets: list[socket.socket] = []
        self._stops: list[Callable[[], None]] = []
        self._unknown: dict[socket.socket, asyncio.TimerHandle] = {}
        self._streams: set[IOStream] = set()

    def open(self, sockets: Sequence[socket.socket]) -> None:
        """Serve these, which are ours from now on."""
        for listening in sockets:
            listening.setblocking(False)
            self._sockets.append(listening)
            self._stops.append(add_accept_handler(listening, self._accept))

    @property
    def count(self) -> int:
        """How many connections there are."""
        self._streams = {stream for stream in self._streams if not stream.closed()}
        return len(self._streams) + len(self._unknown)

    def cut(self) -> None:
        """End every connection now, websockets too."""
        for connection in list(self._unknown):
            self._forget(connection)
            connection.close()
        streams, self._streams = self._streams, set()
        for stream in streams:
            stream.close()

    def close(self) -> None:
        """Listen no more, and end every connection."""
        for stop in self._stops:
            stop()
        for listening in self._sockets:
            listening.close()
        self._stops.clear()
        self._sockets.clear()
        self.cut()

    def _accept(self, connection: socket.socket, address: Any) -> None:
        connection.setblocking(False)
        if self.count >= MAX_STREAMS:
            connection.close()
        elif self._certificate is None:
            self._serve(self._server, IOStream(connection), address)
        else:
            loop = asyncio.get_running_loop()
            self._unknown[connection] = loop.call_later(_FIRST_BYTE, self._drop, connection)
            heard = functools.partial(self._hear, connection, address, self._certificate)
            loop.add_reader(connection, heard)

    def _hear(self, connection: socket.socket, address: Any, certificate: Certificate) -> None:
        """The first byte is there."""
        try:
            first = connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            first = b""
        self._forget(connection)
        try:
            if not first:
                connection.close()
            elif first == _HANDSHAKE:
                wrapped = certificate.context().wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
                self._serve(self._server, SSLIOStream(wrapped), address)
            else:
                self._serve(self._without_tls, IOStream(connection), address)
        except OSError:  # it has gone
            connection.close()

    def _serve(self, server: HTTPServer, stream: IOStream, address: Any) -> None:
        self._streams.add(stream)
        server.handle_stream(stream, address)

    def _drop(self, connection: socket.socket) -> None:
        self._forget(connection)
        connection.close()

    def _forget(self, connection: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(connection)
        self._unknown.pop(connection).cancel()


class _Elsewhere(Router):
    """Sends everybody to the https URL."""

    def __init__(self, url: str) -> None:
        self._porch = Application(log_function=lambda _: None)
        self._made = {"refusal": moved(url)}

    @override
    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        return self._porch.get_handler_delegate(request, Refused, self._made)


def on_all_interfaces(port: int) -> list[socket.socket]:
    """Sockets that listen on that port of every interface.

    :raises OSError: it is taken, or not ours to take.
    """
    listening = [socket.create_server(("", port))]
    if socket.has_ipv6:
        try:
            own = listening[0].getsockname()[1]
            listening.append(socket.create_server(("", own), family=socket.AF_INET6))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                listening[0].close()
                raise
            # It is a machine without.
    return listening
