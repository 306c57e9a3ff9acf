"""A websocket passed through: after the handshake, the bytes of one connection and the other.

The application answers the browser's own handshake before we accept anything, and then both talk
to each other directly. So subprotocol and compression are what those two agree on, messages may be
of any size and in any number of frames, pings and close codes arrive as they were sent, and nothing
is kept but a few buffers.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPInputError, parse_response_start_line
from tornado.iostream import IOStream, StreamClosedError

from ...model.address import Address, UnixAddress
from . import neighbours, tls
from .headers import Header
from .relay import Unanswered

_CHUNK = 64 * 1024
_UPGRADE: tuple[Header, ...] = (("Connection", "Upgrade"), ("Upgrade", "websocket"))


@dataclass(frozen=True)
class Handshake:
    """What the application answered; it accepted if `status` is 101."""

    status: int
    reason: str
    headers: HTTPHeaders
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@contextlib.asynccontextmanager
async def handshake(
    address: Address, target: str, headers: Iterable[Header], *, scheme: str = "http"
) -> AsyncIterator[Handshake]:
    """Ask the application for a websocket; the connection is closed when the block ends.

    :param headers: of the browser's request, without those of the hop.
    :raises Unanswered: nothing of ours listens there, or the answer is no HTTP.
    """
    try:
        reader, writer = await _connect(address, scheme)
    except OSError as error:
        raise Unanswered(type(error).__name__) from error
    try:
        writer.write(head(f"GET {target} HTTP/1.1", [*headers, *_UPGRADE]))
        yield await _answer(reader, writer)
    finally:
        writer.close()


def head(start_line: str, headers: Iterable[Header]) -> bytes:
    """The head of an HTTP/1.1 message."""
    lines = [start_line, *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode()


async def join(browser: IOStream, remote: Handshake, headers: Iterable[Header]) -> bool:
    """Accept with `headers`, pass bytes both ways until either side closes, close the browser's.

    :returns: whether it was the remote side.
    """
    browser.set_nodelay(True)
    try:
        await browser.write(head("HTTP/1.1 101 Switching Protocols", [*headers, *_UPGRADE]))
        async with asyncio.TaskGroup() as group:
            ways = [
                group.create_task(_from_browser(browser, remote.writer), name="websocket out"),
                group.create_task(_from_remote(remote.reader, browser), name="websocket in"),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            by_remote = ways[1].done()
            for way in ways:
                way.cancel()
        return by_remote
    finally:
        browser.close()


async def _from_browser(browser: IOStream, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(StreamClosedError, OSError):
        while True:
            writer.write(await browser.read_bytes(_CHUNK, partial=True))
            await writer.drain()
            # While there is always more, nothing above has to wait; but others want their turn.
            await asyncio.sleep(0)


async def _from_remote(reader: asyncio.StreamReader, browser: IOStream) -> None:
    with contextlib.suppress(StreamClosedError, OSError):
        while chunk := await reader.read(_CHUNK):
            await browser.write(chunk)


async def _connect(
    address: Address, scheme: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    options: dict[str, Any] = {"limit": _CHUNK}
    if scheme == "https":
        options |= {"ssl": tls.context(), "server_hostname": tls.SERVER_NAME}
    if isinstance(address, UnixAddress):
        opening = asyncio.open_unix_connection(address.path, **options)
    else:
        opening = asyncio.open_connection(address.host, address.port, **options)
    reader, writer = await opening
    neighbours.refuse(writer.transport)
    return reader, writer


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Handshake:
    try:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
        first, _, rest = text.partition("\r\n")
        start = parse_response_start_line(first)
        headers = HTTPHeaders.parse(rest)
    except (EOFError, asyncio.LimitOverrunError, HTTPInputError, OSError) as error:
        raise Unanswered(type(error).__name__) from error
    if start.code < HTTPStatus.OK and start.code != HTTPStatus.SWITCHING_PROTOCOLS:
        raise Unanswered(f"status {start.code}")  # no final answer, and nobody asked for these
    return Handshake(start.code, start.reason, headers, reader, writer)
