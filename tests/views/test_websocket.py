"""Websockets through a view: sizes, subprotocols, compression, pings, closes, back-pressure."""

import asyncio
from pathlib import Path

import aiohttp
import psutil
import pytest
from aiohttp import WSMsgType, web

from tests.views.backend import raw, serve
from tests.views.lab import Browser, Lab, many_turns
from tests.views.lab import lab as run_lab

MIB = 1 << 20


@pytest.fixture
async def view(lab: Lab, browser: Browser, socket_path: Path) -> str:
    """The origin view of an application on `socket_path`."""
    return await browser.open(lab.add(socket_path))


async def echo(request: web.Request) -> web.StreamResponse:
    """Send every message back; choose "second" of the subprotocols."""
    socket = web.WebSocketResponse(protocols=("second",), max_msg_size=0)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        else:
            await socket.send_bytes(message.data)
    return socket


async def test_text_and_bytes_both_ways(browser: Browser, view: str, socket_path: Path) -> None:
    async with serve(socket_path, echo) as seen, browser.http.ws_connect(view + "a%2Fb?x=1") as ws:
        await ws.send_str("grüße")
        assert await ws.receive_str() == "grüße"
        await ws.send_bytes(b"\0\1")
        assert await ws.receive_bytes() == b"\0\1"
    request = seen[0]
    assert isinstance(request, web.Request)
    assert request.raw_path == "/a%2Fb?x=1"


async def test_the_application_chooses_the_subprotocol(
    browser: Browser, view: str, socket_path: Path
) -> None:
    async with serve(socket_path, echo):
        async with browser.http.ws_connect(view, protocols=("first", "second")) as ws:
            assert ws.protocol == "second"
        async with browser.http.ws_connect(view, protocols=("other",)) as ws:
            assert ws.protocol is None


async def test_compression_is_agreed_between_the_ends(
    browser: Browser, view: str, socket_path: Path
) -> None:
    async with serve(socket_path, echo), browser.http.ws_connect(view, compress=15) as ws:
        assert ws.compress == 15
        await ws.send_str("x" * 100_000)
        assert await ws.receive_str() == "x" * 100_000


async def test_a_message_of_any_size(
    lab: Lab, browser: Browser, view: str, socket_path: Path
) -> None:
    message = bytes(200 * MIB)
    server = psutil.Process(lab.pid)
    before = server.memory_info().rss
    async with (
        serve(socket_path, echo),
        browser.http.ws_connect(view, max_msg_size=0) as ws,
    ):
        await ws.send_bytes(message)
        assert await ws.receive_bytes() == message
    assert server.memory_info().rss - before < 64 * MIB


async def test_the_close_code_of_the_application_arrives(
    browser: Browser, view: str, socket_path: Path
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.close(code=4321, message=b"enough")
        return socket

    async with serve(socket_path, handler), browser.http.ws_connect(view) as ws:
        message = await ws.receive()
        assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 4321, "enough")


async def test_the_close_code_of_the_browser_arrives(
    browser: Browser, view: str, socket_path: Path
) -> None:
    code: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        code.set_result(socket.close_code)
        return socket

    async with serve(socket_path, handler):
        async with browser.http.ws_connect(view) as ws:
            await ws.close(code=4000)
        assert await code == 4000


async def test_pings_arrive_both_ways(browser: Browser, view: str, socket_path: Path) -> None:
    pinged: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await socket.ping(b"from far")
        async for message in socket:
            if message.type is WSMsgType.PING:
                pinged.set_result(message.data)
        return socket

    async with serve(socket_path, handler), browser.http.ws_connect(view, autoping=False) as ws:
        assert (await ws.receive()).data == b"from far"
        await ws.ping(b"from near")
        assert await pinged == b"from near"


async def test_an_application_that_says_no(browser: Browser, view: str, socket_path: Path) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=403, text="not you", headers={"X-Why": "rules"})

    async with serve(socket_path, handler):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await browser.http.ws_connect(view)
    assert caught.value.status == 403
    assert caught.value.headers is not None
    assert caught.value.headers["X-Why"] == "rules"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 101 x\r\n" + b"a" * 100_000,
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
    ],
)
async def test_what_is_no_answer_gives_a_502(
    browser: Browser, view: str, socket_path: Path, answer: bytes
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async with raw(socket_path, talk):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await browser.http.ws_connect(view)
    assert caught.value.status == 502


async def test_an_application_that_dies_ends_the_websocket(
    browser: Browser, view: str, socket_path: Path
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("x")
        assert request.transport is not None
        request.transport.abort()
        return socket

    async with serve(socket_path, handler), browser.http.ws_connect(view) as ws:
        assert await ws.receive_str() == "x"
        assert (await ws.receive()).type is WSMsgType.CLOSED
        assert ws.close_code == 1006


async def test_a_browser_that_goes_away_ends_the_websocket(
    browser: Browser, view: str, socket_path: Path
) -> None:
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        try:
            await socket.receive()
        finally:
            ended.set()
        return socket

    async with serve(socket_path, handler):
        ws = await browser.http.ws_connect(view)
        ws._response.close()  # no closing handshake
        await ended.wait()


async def test_stopping_the_server_ends_it(socket_path: Path) -> None:
    with run_lab() as running:
        async with Browser(running) as browser, serve(socket_path, echo):
            view = await browser.open(running.add(socket_path))
            async with browser.http.ws_connect(view) as ws, asyncio.TaskGroup() as group:
                group.create_task(asyncio.to_thread(running.server.process.end))
                assert (await ws.receive()).type is WSMsgType.CLOSED
        assert running.server.process.returncode == 0
        assert "Task was destroyed" not in running.server.process.output


async def test_a_slow_browser_holds_the_application_back(
    browser: Browser, view: str, socket_path: Path
) -> None:
    sent = 0
    stopped = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        if request.method == "HEAD":
            return web.Response()
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        try:
            while True:
                await socket.send_bytes(bytes(MIB))
                sent += MIB
        finally:
            stopped.set()

    async with serve(socket_path, handler):
        ws = await browser.http.ws_connect(view, max_msg_size=0)
        await many_turns(browser, view)
        assert 0 < sent < 32 * MIB
        ws._response.close()
        await stopped.wait()
