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

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


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
    seen: list[web.BaseRequest] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return await handler(request)

    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{any:.*}", handle)
    runner = web.AppRunner(
        app, handler_cancellation=True, auto_decompress=False, shutdown_timeout=1, access_log=None
    )
    await runner.setup()
    try:
        await web.UnixSite(runner, str(path)).start()
        yield seen
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def raw(
    path: Path, talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
) -> AsyncIterator[None]:
    """A peer that is no proper HTTP server: `talk` has each connection, closed when it returns."""

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve_one, str(path))
    async with server:
        yield
