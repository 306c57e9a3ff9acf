"""A remote application: a real HTTP server (aiohttp) on a Unix socket; the handler is the test's.

::

    async with serve(socket_path, handler) as seen: ...

`seen` holds the requests that came, in order. `echo` answers with what it was sent.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from aiohttp import web

from tests.support.threads import in_thread
from tests.support.web_server import Handler, stop_accepting, tcp_socket, unix_socket, web_server


async def echo(request: web.Request) -> web.StreamResponse:
    """JSON: method, path as it stood in the request line, headers, and the size of the body."""
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
    headers = [[name, value] for name, value in request.headers.items()]
    return web.json_response(
        {"method": request.method, "path": request.raw_path, "headers": headers, "size": size}
    )


@contextlib.asynccontextmanager
async def serve(path: Path, handler: Handler = echo) -> AsyncIterator[list[web.BaseRequest]]:
    """Run it on the socket `path`. Handlers are cancelled when their client goes away."""
    path.unlink(missing_ok=True)
    seen: list[web.BaseRequest] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return await handler(request)

    async with web_server(unix_socket(path), handle):
        yield seen


@contextlib.asynccontextmanager
async def serve_on_port(host: str, handler: Handler = echo) -> AsyncIterator[int]:
    """The same on a TCP port of `host`, which is yielded."""
    listening = tcp_socket(host)
    async with web_server(listening, handler):
        yield listening.getsockname()[1]


def serve_in_thread(
    path: Path, handler: Handler
) -> contextlib.AbstractContextManager[list[web.BaseRequest]]:
    """The same for tests that are not asynchronous, such as those with Playwright."""
    return in_thread(serve(path, handler))


@contextlib.asynccontextmanager
async def raw(
    path: Path, talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
) -> AsyncIterator[None]:
    """A peer that is no proper HTTP server: `talk` has each connection, closed when it returns.

    What is still going on at the end is cut off.
    """
    writers: list[asyncio.StreamWriter] = []

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await talk(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            writers.remove(writer)

    path.unlink(missing_ok=True)
    listening = unix_socket(path)
    async with await asyncio.start_unix_server(serve_one, sock=listening):
        yield
        await stop_accepting(listening)
    for writer in [*writers]:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
