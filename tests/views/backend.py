"""A remote application: a real HTTP server (aiohttp) on a Unix socket; the handler is the test's.

::

    async with serve(socket_path, handler) as seen: ...

`seen` holds the requests that came, in order. `echo` answers with what it was sent.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

_T = TypeVar("_T")
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
    async with _runner(handler) as (runner, seen):
        await web.UnixSite(runner, str(path)).start()
        yield seen


@contextlib.asynccontextmanager
async def serve_on_port(host: str, handler: Handler = echo) -> AsyncIterator[int]:
    """The same on a TCP port of `host`, which is yielded."""
    async with _runner(handler) as (runner, _):
        await web.TCPSite(runner, host, 0).start()
        yield runner.addresses[0][1]


@contextlib.asynccontextmanager
async def _runner(handler: Handler) -> AsyncIterator[tuple[web.AppRunner, list[web.BaseRequest]]]:
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
        yield runner, seen
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def serve_in_thread(path: Path, handler: Handler) -> Iterator[list[web.BaseRequest]]:
    """The same for tests that are not asynchronous, such as those with Playwright."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="application")
    thread.start()
    stack = contextlib.AsyncExitStack()

    def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    try:
        yield run(stack.enter_async_context(serve(path, handler)))
    finally:
        run(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


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
