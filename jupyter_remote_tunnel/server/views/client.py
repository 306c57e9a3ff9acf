"""The HTTP client towards the applications, over TCP or Unix sockets. The one user of aiohttp.

Only what may be repeated uses a connection again: an application closes an idle one when it likes,
and whether it had read the request by then nobody knows. aiohttp repeats such a request by itself,
which a body that is gone would turn into half of one.

(It takes a quarter of a second to import: import this module when the first request is there.)
"""

import asyncio
import functools
import socket
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from typing import Any, Self

import aiohttp
from aiohttp.client_proto import ResponseHandler
from typing_extensions import override
from yarl import URL

from ...model.address import Address, UnixAddress
from . import neighbours, tls
from .headers import Header
from .relay import Body, Unanswered

# Seconds. Under the 5 s after which uvicorn and Node close an idle connection.
_IDLE_SECONDS = 2.0
_CONNECT_SECONDS = 30.0
_HEADER_BYTES = 64 * 1024
# Interim ones (1xx) and the final one, and bytes of all of their heads: more than any server sends.
_MAX_ANSWERS = 10
_MAX_HEADS = 1 << 20
# Bytes. The kernel would let a TCP buffer grow to megabytes, and what waits in them leaves the
# processor's cache before the engine reads it: an upload is a seventh faster with this one.
_SEND_BUFFER = 256 * 1024

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
# aiohttp would add these where the browser sent none.
_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_BROKEN = (aiohttp.ClientError, OSError)  # a TimeoutError is an OSError


class Answer:
    """A response whose headers are there; as a context manager it lets go of the connection.

    `headers` are as they came, hop by hop ones included, in Latin-1; so is `location`, the first.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.reason = response.reason or ""
        raw = response.raw_headers
        self.headers = [(name.decode("latin1"), value.decode("latin1")) for name, value in raw]
        places = (value for name, value in self.headers if name.lower() == "location")
        self.location = next(places, "")

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, as it comes and as it is encoded.

        :raises Unanswered: it broke off.
        """
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except _BROKEN as error:
            raise Unanswered(type(error).__name__) from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._response.release()  # closes the connection unless the body was read to its end
        await self._response.wait_for_close()


class Client:
    """For each address a pool of connections, which idle holds none."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[Address, bool], aiohttp.ClientSession] = {}

    async def request(
        self,
        address: Address,
        method: str,
        target: str,
        headers: Iterable[Header],
        body: Body | None = None,
        *,
        scheme: str = "http",
    ) -> Answer:
        """Send a request; `target` and `headers` as they are. Redirects are answers like others.

        :raises Unanswered: no answer came.
        """
        session = self._session(address, again=body is None and method in _REPEATABLE)
        url = _url(address, target, scheme)
        try:
            response = await session.request(
                method, url, headers=list(headers), data=body, allow_redirects=False
            )
        except _BROKEN as error:
            raise Unanswered(type(error).__name__) from error
        if response.status < HTTPStatus.OK:
            # Nobody asked for another protocol; what follows must not pass for a second response.
            response.close()
            raise Unanswered(f"status {response.status}")
        return Answer(response)

    def _session(self, address: Address, *, again: bool) -> aiohttp.ClientSession:
        session = self._sessions.get((address, again))
        if session is None:
            session = self._sessions[address, again] = aiohttp.ClientSession(
                connector=_connector(address, again=again),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
                skip_auto_headers=_AUTOMATIC,
                auto_decompress=False,
                max_line_size=_HEADER_BYTES,
                max_field_size=_HEADER_BYTES,
            )
        return session

    async def close(self) -> None:
        """Close all connections."""
        sessions = list(self._sessions.values())
        self._sessions.clear()
        for session in sessions:
            await session.close()


class _Answers(ResponseHandler):
    """The answers on one connection: so many for a request, with heads so long, and whoever sends
    more is cut off.

    aiohttp passes over interim answers without end, and over empty lines and spaces, and would do
    nothing else while they come.
    """

    _left = 0
    _waits = False
    _passed = 0

    @override
    def set_response_params(self, **params: Any) -> None:
        # A request is about to be sent.
        self._left, self._waits, self._passed = _MAX_ANSWERS, True, 0
        super().set_response_params(**params)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._waits:
            self._passed += len(data)
            if self._passed > _MAX_HEADS:
                self._cut("a head without end")

    @override
    def feed_data(self, data: Any, size: int = 0) -> None:
        """An answer has come."""
        self._left -= 1
        if self._left >= 0:
            self._waits = data[0].code < HTTPStatus.OK
            super().feed_data(data, size)
        else:
            self._cut("too many answers")

    def _cut(self, why: str) -> None:
        self._waits = False
        self.close()
        self.set_exception(aiohttp.ClientConnectionError(why))


class _Own(aiohttp.BaseConnector):
    """Connects to processes of our user alone."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        made: type[ResponseHandler] = _Answers
        self._factory = functools.partial(made, loop=self._loop)

    # What connectors differ in; a connection that is used again was looked at when it was new.
    @override
    async def _create_connection(self, *args: Any, **kwargs: Any) -> Any:
        protocol = await super()._create_connection(*args, **kwargs)
        neighbours.refuse(protocol.transport)
        assert protocol.transport is not None
        connection = protocol.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        return protocol


class _OwnTCP(_Own, aiohttp.TCPConnector):
    pass


class _Unix(aiohttp.UnixConnector):
    """Speaks TLS too, which aiohttp's own one leaves out."""

    @override
    async def _create_connection(self, req: Any, *args: Any, **kwargs: Any) -> Any:
        if not req.is_ssl():
            return await super()._create_connection(req, *args, **kwargs)
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, protocol = await self._loop.create_unix_connection(
                self._factory, self._path, ssl=tls.context(), server_hostname=tls.SERVER_NAME
            )
        return protocol


class _OwnUnix(_Own, _Unix):
    pass


def _connector(address: Address, *, again: bool) -> aiohttp.BaseConnector:
    # A browser opens only so many connections to a host; a limit of ours could only block.
    options: dict[str, Any] = {"limit": 0}
    options |= {"keepalive_timeout": _IDLE_SECONDS} if again else {"force_close": True}
    if isinstance(address, UnixAddress):
        return _OwnUnix(address.path, **options)
    return _OwnTCP(ssl=tls.context(), **options)


def _url(address: Address, target: str, scheme: str) -> URL:
    """`encoded`: the path reaches the application byte for byte, `%2F` and `..` included."""
    host = "localhost" if isinstance(address, UnixAddress) else str(address)
    return URL(f"{scheme}://{host}{target}", encoded=True)
