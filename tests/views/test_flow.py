"""HTTP through a view: bodies of any size in little memory, at the pace of the slower side."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest
from aiohttp import web

from tests.views.backend import echo, serve
from tests.views.lab import Browser, Lab, many_turns

MIB = 1 << 20
CHUNK = bytes(MIB)
# What fits into the buffers on the way, of the kernel and of both ends, is far less.
LIMIT = 32 * MIB


@pytest.fixture
async def view(lab: Lab, browser: Browser, socket_path: Path) -> str:
    """The origin view of an application on `socket_path`."""
    return await browser.open(lab.add(socket_path))


async def size_of(response: aiohttp.ClientResponse) -> int:
    """Of the body that reached `echo`."""
    return int(json.loads(await response.read())["size"])


@pytest.mark.parametrize("size", [256, pytest.param(1024, marks=pytest.mark.long)])
async def test_a_large_body_down_and_up_adds_little_memory(
    lab: Lab, browser: Browser, view: str, socket_path: Path, size: int
) -> None:
    """MiB each way."""
    server = psutil.Process(lab.pid)
    before = peak = server.memory_info().rss

    def look() -> None:
        nonlocal peak
        peak = max(peak, server.memory_info().rss)

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method == "PUT":
            return await echo(request)
        response = web.StreamResponse(headers={"Content-Length": str(size * MIB)})
        await response.prepare(request)
        for _ in range(size):
            await response.write(CHUNK)
        return response

    async def body() -> AsyncIterator[bytes]:
        for _ in range(size):
            yield CHUNK
            look()

    async with serve(socket_path, handler):
        received = 0
        async with browser.get(view) as response:
            async for chunk in response.content.iter_any():
                received += len(chunk)
                look()
        assert received == size * MIB
        async with browser.http.put(view, data=body()) as response:
            assert await size_of(response) == size * MIB
    assert peak - before < 64 * MIB


class Stalled:
    """An application that fills or takes one body without end, and answers all other requests."""

    def __init__(self) -> None:
        self.began, self.ended, self.go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.sent = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        match request.method:
            case "POST":
                self.began.set()
                await self.go_on.wait()
                return await echo(request)
            case "GET":
                return await self._flood(request)
        return web.Response()

    async def _flood(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(CHUNK)
                self.sent += MIB
        finally:
            self.ended.set()


async def test_a_slow_reader_holds_the_application_back(
    browser: Browser, view: str, socket_path: Path
) -> None:
    app = Stalled()
    async with serve(socket_path, app.answer):
        async with browser.get(view) as response:
            await many_turns(browser, view)
            assert 0 < app.sent < LIMIT
            response.close()
        await app.ended.wait()


async def test_a_slow_application_holds_the_browser_back(
    browser: Browser, view: str, socket_path: Path
) -> None:
    app = Stalled()
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(128):
            yield CHUNK
            sent += MIB

    async def post() -> int:
        async with browser.http.post(view, data=body()) as response:
            return await size_of(response)

    async with serve(socket_path, app.answer), asyncio.TaskGroup() as group:
        posted = group.create_task(post())
        await app.began.wait()
        await many_turns(browser, view)
        assert 0 < sent < LIMIT
        app.go_on.set()
        assert await posted == 128 * MIB
