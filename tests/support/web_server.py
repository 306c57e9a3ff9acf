"""A real HTTP server (aiohttp) on a socket that listens, and which leaves no connection behind."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def web_server(listening: socket.socket, handler: Handler) -> AsyncIterator[None]:
    """Answer all requests by `handler`, which is cancelled when its client goes away."""
    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{any:.*}", handler)
    runner = web.AppRunner(
        app, handler_cancellation=True, auto_decompress=False, shutdown_timeout=1, access_log=None
    )
    await runner.setup()
    assert runner.server is not None
    try:
        await web.SockSite(runner, listening).start()
        yield
    finally:
        await stop_accepting(listening)
        transports = [connection.transport for connection in runner.server.connections]
        await runner.cleanup()
        for transport in transports:
            if transport is not None:
                transport.abort()  # with what nobody has read


async def stop_accepting(listening: socket.socket) -> None:
    """Call this before a server of asyncio on this socket is closed, so that nothing is left.

    Clients may come at any time: a browser wants an icon. And asyncio never closes a connection
    that it had just accepted when its server closed; so those get their turn before.
    """
    asyncio.get_running_loop().remove_reader(listening)
    await asyncio.sleep(0)


def unix_socket(path: Path) -> socket.socket:
    """A Unix socket that listens at `path`."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    return listening


def tcp_socket(host: str) -> socket.socket:
    """A TCP socket that listens on a free port of `host`, an IP address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, 0), family=family)
