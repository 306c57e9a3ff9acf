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
from tests.views.lab import Browser, Lab

MIB = 1 << 20
CHUNK = bytes(MIB)


@pytest.fixture
async def view(lab: Lab, browser: Browser, socket_path: Path) -> str:
    """The origin view of an application on `socket_path`."""
    return await browser.open(lab.add(socket_path))


async def size(response: aiohttp.ClientResponse) -> int:
    """Of the body that reached `echo`."""
    return int(json.loads(await response.read())["size"])


async def test_a_gigabyte_down_and_up_adds_little_memory(
    lab: Lab, browser: Browser, view: str, socket_path: Path
) -> None:
    server = psutil.Process(lab.pid)
    before = peak = server.memory_info().rss

    def look() -> None:
        nonlocal peak
        peak = max(peak, server.memory_info().rss)

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method == "PUT":
            return await echo(request)
        response = web.StreamResponse(headers={"Content-Length": str(1024 * MIB)})
        await response.prepare(request)
        for _ in range(1024):
            await response.write(CHUNK)
        return response

    async def body() -> AsyncIterator[bytes]:
        for _ in range(1024):
            yield CHUNK
            look()

    async with serve(socket_path, handler):
        received = 0
        async with browser.get(view) as response:
            async for chunk in response.content.iter_any():
                received += len(chunk)
                look()
        assert received == 1024 * MIB
        async with browser.http.put(view, data=body()) as response:
            assert await size(response) == 1024 * MIB
    assert peak - before < 64 * MIB


class Counter:
    """Bytes that went through some point."""

    def __init__(self) -> None:
        self.bytes = 0

    async def standstill(self) -> int:
        """Their number once it has stopped to grow."""
        last = -1
        while last != self.bytes:
            last = self.bytes
            await asyncio.sleep(0.5)
        return last


async def test_a_slow_reader_holds_the_application_back(
    browser: Browser, view: str, socket_path: Path
) -> None:
    sent = Counter()
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(CHUNK)
                sent.bytes += MIB
        finally:
            ended.set()

    async with serve(socket_path, handler):
        async with browser.get(view) as response:
            assert await sent.standstill() < 32 * MIB
            response.close()
        await ended.wait()


async def test_a_slow_application_holds_the_browser_back(
    browser: Browser, view: str, socket_path: Path
) -> None:
    sent = Counter()
    go = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        await go.wait()
        return await echo(request)

    async def body() -> AsyncIterator[bytes]:
        for _ in range(128):
            yield CHUNK
            sent.bytes += MIB

    async def post() -> int:
        async with browser.http.post(view, data=body()) as response:
            return await size(response)

    async with serve(socket_path, handler), asyncio.TaskGroup() as group:
        posted = group.create_task(post())
        assert await sent.standstill() < 32 * MIB
        go.set()
        assert await posted == 128 * MIB
