"""Accepting what comes from outside, with or without TLS, and letting go of all of it at once.

What comes through a tunnel comes from the engine, which says first who connected on the gateway, in
a line of the PROXY protocol. That line is read once, before anything else: what looks like one
behind it is the visitor's, and is neither TLS nor HTTP. Without it nobody is let in.

Where TLS ends here, the first byte tells who speaks it; who does not is sent to the https URL. The
certificate's files are looked at for each connection, so those that were renewed count at once.
"""

import asyncio
import errno
import functools
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, cast
from weakref import WeakKeyDictionary

from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream, SSLIOStream
from tornado.netutil import add_accept_handler, ssl_options_to_context
from tornado.routing import Router
from tornado.web import Application
from typing_extensions import override

from ..model.proxy_protocol import LONGEST_HEADER, read_proxy_header
from ..model.publication import Check
from .outside import Gate, Refused, moved, visitor_of
from .passing import Passing
from .views.gate import UNKNOWN_ADDRESS

MAX_STREAMS = 500
"""Connections at a time: descriptors are shared with the user who sits here. One more takes the
place of a stranger's."""

MAX_STREAMS_OF_ONE = 100
"""Those of one address (of a network, of IPv6), where no web server in front counts them."""

_HANDSHAKE = b"\x16"
# Seconds for what is said first, and for the head of a request.
_FIRST_BYTE = 10.0
_HEAD = 75.0
# Characters of a header that holds a number: a host's name has 253, and a port.
_LONGEST_VALUE = 300


class Certificate:
    """The files of a certificate and its key, as they are now."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.files = (certificate, key)
        self._known: tuple[object, ssl.SSLContext] | None = None

    def context(self) -> ssl.SSLContext:
        """What a connection is served with. Files that do not fit together, as in the midst of
        their renewal, do not count yet.

        :raises OSError: they cannot be read, or are not what they should be (`ssl.SSLError`), and
            never were.
        """
        try:
            signs = [path.stat() for path in self.files]
            version = [(sign.st_ino, sign.st_mtime_ns, sign.st_size) for sign in signs]
            if self._known is None or self._known[0] != version:
                certfile, keyfile = map(str, self.files)
                options = {"certfile": certfile, "keyfile": keyfile}
                self._known = (version, ssl_options_to_context(options, server_side=True))
        except OSError:
            if self._known is None:
                raise
        return self._known[1]


class Listener:
    """Serves what a gate lets through, on sockets that listen.

    :param certificate: where TLS ends here.
    :param introduced: whether each connection begins with a line that says whose it is.
    :param limits: `max_body_size` and `max_buffer_size` of Jupyter's own server.
    """

    def __init__(
        self,
        gate: Gate,
        certificate: Certificate | None = None,
        *,
        introduced: bool = False,
        **limits: int | None,
    ) -> None:
        self._gate = gate
        self._certificate = certificate
        self._introduced = introduced
        self._visitors: WeakKeyDictionary[IOStream, str] = WeakKeyDictionary()
        self._server = _Server(
            _Introduced(gate, self._visitors) if introduced else gate,
            protocol="https",
            idle_connection_timeout=_HEAD,
            no_keep_alive=False,
            **limits,
        )
        self._without_tls = _Server(_Elsewhere(gate.door.url), idle_connection_timeout=_HEAD)
        self._sockets: list[socket.socket] = []
        self._stops: list[Callable[[], None]] = []
        # Whose each is, or "" where that is not to be counted.
        self._unknown: dict[socket.socket, tuple[asyncio.TimerHandle, str]] = {}
        self._streams: dict[IOStream, str] = {}

    def open(self, sockets: Sequence[socket.socket]) -> None:
        """Serve these, which are ours from now on."""
        for listening in sockets:
            listening.setblocking(False)
            self._sockets.append(listening)
            self._stops.append(add_accept_handler(listening, self._accept))

    @property
    def count(self) -> int:
        """How many connections there are."""
        self._forget_closed()
        return len(self._streams) + len(self._unknown)

    def _count_of(self, visitor: str) -> int:
        self._forget_closed()
        waiting = (whose for _, whose in self._unknown.values())
        return sum(whose == visitor for whose in (*self._streams.values(), *waiting))

    def _forget_closed(self) -> None:
        open_ones = self._streams.items()
        self._streams = {stream: whose for stream, whose in open_ones if not stream.closed()}

    def cut(self) -> None:
        """End every connection now, websockets too."""
        for connection in list(self._unknown):
            self._forget(connection)
            connection.close()
        streams, self._streams = self._streams, {}
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
        # All that becomes of it goes on in this context.
        self._gate.log.begun().run(self._take, connection, address)

    def _take(self, connection: socket.socket, address: Any) -> None:
        connection.setblocking(False)
        if self.count >= MAX_STREAMS and not self._make_room():
            connection.close()
        elif self._introduced:
            self._when_heard(connection, self._meet)
        else:
            self._admit(connection, address)

    def _make_room(self) -> bool:
        """End the oldest connection of a stranger, of the one who has the most of them; False if
        everybody has logged in."""
        strangers: dict[str, list[IOStream | socket.socket]] = {}
        waiting = [(connection, whose) for connection, (_, whose) in self._unknown.items()]
        held: list[tuple[IOStream | socket.socket, str]] = [*self._streams.items(), *waiting]
        for connection, whose in held:
            visit = self._gate.visit_on(connection)
            if visit is None or not visit.is_known:
                asked = visitor_of(visit.address) if visit is not None else ""
                strangers.setdefault(whose or asked, []).append(connection)
        if not strangers:
            return False
        oldest = max(strangers.values(), key=len)[0]
        if isinstance(oldest, IOStream):
            del self._streams[oldest]
            oldest.close()
        else:
            self._drop(oldest)
        return True

    def _admit(self, connection: socket.socket, address: Any) -> None:
        """It is known whose this is, or need not be said."""
        if self._certificate is None:
            self._serve(self._server, IOStream(connection), address)
            return
        visitor = visitor_of(address[0]) if address else ""
        if visitor and self._count_of(visitor) >= MAX_STREAMS_OF_ONE:
            connection.close()
            return
        hear = functools.partial(self._hear, self._certificate, address, visitor)
        self._when_heard(connection, hear, visitor)

    def _when_heard(
        self,
        connection: socket.socket,
        take: Callable[[socket.socket, bytes], None],
        visitor: str = "",
    ) -> None:
        """Have `take` called with what has come, which stays to be read; b"" is the end."""

        def heard() -> None:
            try:
                first = connection.recv(LONGEST_HEADER, socket.MSG_PEEK)
            except BlockingIOError:
                return
            except OSError:
                first = b""
            self._forget(connection)
            try:
                take(connection, first)
            except OSError:  # it has gone
                connection.close()

        loop = asyncio.get_running_loop()
        timer = loop.call_later(_FIRST_BYTE, self._drop, connection)
        self._unknown[connection] = (timer, visitor)
        loop.add_reader(connection, heard)

    def _meet(self, connection: socket.socket, first: bytes) -> None:
        """The line that says whose it is has come: the engine sends it at once."""
        try:
            length, found = read_proxy_header(first)
        except ValueError:
            connection.close()
            return
        connection.recv(length)
        self._admit(connection, found)

    def _hear(
        self,
        certificate: Certificate,
        address: Any,
        visitor: str,
        connection: socket.socket,
        first: bytes,
    ) -> None:
        """The first byte is there."""
        if not first:
            connection.close()
        elif first.startswith(_HANDSHAKE):
            wrapped = certificate.context().wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
            self._serve(self._server, SSLIOStream(wrapped), address, visitor)
        else:
            self._serve(self._without_tls, IOStream(connection), address, visitor)

    def _serve(self, server: HTTPServer, stream: IOStream, address: Any, visitor: str = "") -> None:
        self._streams[stream] = visitor
        if self._introduced:
            self._visitors[stream] = address[0] if address else UNKNOWN_ADDRESS
        server.handle_stream(stream, address)

    def _drop(self, connection: socket.socket) -> None:
        self._forget(connection)
        connection.close()

    def _forget(self, connection: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(connection)
        timer, _ = self._unknown.pop(connection)
        timer.cancel()


class _Server(HTTPServer):
    """One that answers 400 to a port or a length of more digits than Python takes for a number:
    tornado would cut it off, and log a traceback.
    """

    @override
    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        return _Checked(super().start_request(server_conn, request_conn))


class _Checked(Passing):
    @override
    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        for name in ("Host", "Content-Length"):
            if len(headers.get(name, "")) > _LONGEST_VALUE:
                raise HTTPInputError(f"{name} is too long.")
        return super().headers_received(start_line, headers)


class _Introduced(Router):
    """A gate that is told whose each request is: by the socket it could not be known."""

    def __init__(self, gate: Gate, visitors: WeakKeyDictionary[IOStream, str]) -> None:
        self._gate = gate
        self._visitors = visitors

    @override
    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        request.remote_ip = self._visitors[cast("HTTP1Connection", request.connection).stream]
        return self._gate.find_handler(request, **kwargs)


class _Elsewhere(Router):
    """Sends everybody to the https URL."""

    def __init__(self, url: str) -> None:
        self._porch = Application(log_function=lambda _: None)
        self._made = {"refusal": moved(url)}

    @override
    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        return self._porch.get_handler_delegate(request, Refused, self._made)


async def why_not_here(port: int, error: OSError) -> Check:
    """What to tell of a port of this machine on which we cannot listen."""
    from ..port_holder import port_holder

    why = f"{error.strerror or error}."
    if error.errno == errno.EADDRINUSE:
        holder = await asyncio.to_thread(port_holder, port)
        why = f"it is in use{f' by {holder}' if holder else ''}."
    return Check(
        "port",
        "failed",
        f"This machine does not listen on port {port}: {why}",
        advice="Choose another one with --port; those below 1024 are for root.",
    )


async def check_port_here(port: int) -> Check | None:
    """Whether we could not listen on that port of this machine now; None where we could."""
    try:
        sockets = on_all_interfaces(port)
    except OSError as error:
        return await why_not_here(port, error)
    for listening in sockets:
        listening.close()
    return None


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
