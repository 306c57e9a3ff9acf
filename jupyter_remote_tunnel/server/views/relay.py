"""One request sent to an application, one response sent back: both streamed, neither kept.

tornado stands towards the browser, aiohttp's client towards the application. `Body` hands the
request's chunks from one to the other, one at a time; `copy` does it for the response and waits for
the browser after each chunk. So whoever is slower sets the pace, and a gigabyte passes through
memory that does not grow with it.

`Relay` keeps the connections. Only what may be repeated uses one again: an application closes an
idle connection when it likes, and whether it had read the request by then nobody knows. aiohttp
repeats such a request by itself, which a body that is gone would turn into half of one.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from typing import Any

import aiohttp
from tornado.web import RequestHandler
from yarl import URL

from ...model.address import Address, UnixAddress
from .headers import Header

# Seconds. Under the 5 s after which uvicorn and Node close an idle connection.
_IDLE_SECONDS = 2.0
_CONNECT_SECONDS = 30.0
_HEADER_BYTES = 64 * 1024

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
# aiohttp would add these where the browser sent none.
_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Unanswered(Exception):
    """The application gave no HTTP answer: nothing listens there, or it hung up."""


class Body:
    """The body of one request on its way from tornado to aiohttp; holds one chunk at most."""

    def __init__(self) -> None:
        self._chunk = b""
        self._ready = asyncio.Event()
        self._taken = asyncio.Event()
        self._ended = self._unwanted = False

    async def put(self, chunk: bytes) -> None:
        """Hand on a chunk, and return when it has been sent (or nobody wants it any more)."""
        if self._unwanted:
            return
        self._chunk = chunk
        self._taken.clear()
        self._ready.set()
        await self._taken.wait()

    def end(self) -> None:
        """That was all."""
        self._ended = True
        self._ready.set()

    def refuse(self) -> None:
        """Nothing of it is wanted any more; what still comes is thrown away."""
        self._unwanted = True
        self._taken.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await self._ready.wait()
            self._ready.clear()
            if self._ended:
                return
            yield self._chunk
            self._taken.set()


class Relay:
    """The client towards all applications: for each address a pool, which idle holds nothing."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[Address, bool], aiohttp.ClientSession] = {}

    async def request(
        self,
        address: Address,
        method: str,
        target: str,
        headers: Iterable[Header],
        body: Body | None = None,
    ) -> aiohttp.ClientResponse:
        """Send a request and return when the response's headers are there.

        `target` is sent as it is. The response is a context manager; its body is raw
        (Content-Encoding untouched), redirects are answers like others.

        :raises Unanswered: no answer came.
        """
        session = self._session(address, again=body is None and method in _REPEATABLE)
        try:
            response = await session.request(
                method,
                _url(address, target),
                headers=list(headers),
                data=body,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise Unanswered(type(error).__name__) from error
        if response.status < HTTPStatus.OK:
            # Nobody asked for another protocol; what follows must not pass for a second response.
            response.close()
            raise Unanswered(f"status {response.status}")
        return response

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


async def copy(response: aiohttp.ClientResponse, handler: RequestHandler) -> None:
    """The body of a response, sent on as it comes; the handler's headers are sent first.

    :raises Unanswered: it broke off. What was sent is only a part, so the browser's connection must
        be cut.
    """
    await handler.flush()
    try:
        async for chunk in response.content.iter_any():
            handler.write(chunk)
            await handler.flush()
    except (aiohttp.ClientError, OSError) as error:
        raise Unanswered(type(error).__name__) from error


def _connector(address: Address, *, again: bool) -> aiohttp.BaseConnector:
    # A browser opens only so many connections to a host; a limit of ours could only block.
    options: dict[str, Any] = {"limit": 0}
    options |= {"keepalive_timeout": _IDLE_SECONDS} if again else {"force_close": True}
    if isinstance(address, UnixAddress):
        return aiohttp.UnixConnector(address.path, **options)
    return aiohttp.TCPConnector(**options)


def _url(address: Address, target: str) -> URL:
    """`encoded`: the path reaches the application byte for byte, `%2F` and `..` included."""
    host = "localhost" if isinstance(address, UnixAddress) else str(address)
    return URL(f"http://{host}{target}", encoded=True)
