"""HTTP through a view: what reaches the application, what comes back, and what if it breaks off."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from aiohttp import web
from yarl import URL

from tests.views.backend import echo, raw, serve
from tests.views.lab import Browser, Lab

ENOUGH = 64 << 20
"""Bytes that count as without end."""


async def answer(response: aiohttp.ClientResponse) -> Any:
    """The JSON of `echo`."""
    return json.loads(await response.read())


@pytest.fixture
async def view(lab: Lab, browser: Browser, socket_path: Path) -> str:
    """The origin view of an application on `socket_path`."""
    return await browser.open(lab.add(socket_path))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_method_path_and_body_arrive_as_sent(
    browser: Browser, view: str, socket_path: Path, method: str
) -> None:
    path = "/a%2Fb/..%2e//x;y=(1)?q=%20+&&r=%C3%A9&token=own"
    url = URL(view[:-1] + path, encoded=True)
    async with (
        serve(socket_path),
        browser.http.request(method, url, data=b"12345") as response,
    ):
        seen = await answer(response)
    assert (seen["method"], seen["path"], seen["size"]) == (method, path, 5)


async def test_a_body_without_length_stays_without(
    browser: Browser, view: str, socket_path: Path
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    async with serve(socket_path) as seen, browser.http.post(view, data=body()) as response:
        assert (await answer(response))["size"] == 6
    assert seen[0].headers["Transfer-Encoding"] == "chunked"


async def test_nothing_is_added_to_what_the_browser_sends(
    browser: Browser, view: str, socket_path: Path
) -> None:
    headers = {"X-Own": "ümlaut", "Accept": "text/x"}
    skip = ["User-Agent", "Accept-Encoding"]
    async with (
        serve(socket_path),
        browser.get(view, headers=headers, skip_auto_headers=skip) as response,
    ):
        seen = dict((await answer(response))["headers"])
    assert seen == {"Host": "localhost:5006", **headers}


async def test_head_has_headers_and_no_body(browser: Browser, view: str, socket_path: Path) -> None:
    async with (
        serve(socket_path),
        browser.http.head(view, allow_redirects=False) as response,
    ):
        assert response.status == 200
        assert int(response.headers["Content-Length"]) > 0
        assert await response.read() == b""


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_that_have_no_body(
    browser: Browser, view: str, socket_path: Path, status: int
) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"ETag": '"x"'})

    async with serve(socket_path, handler), browser.get(view) as response:
        assert (response.status, response.headers["ETag"]) == (status, '"x"')
        assert await response.read() == b""


async def test_reason_and_repeated_headers_pass(
    browser: Browser, view: str, socket_path: Path
) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        response = web.Response(status=418, reason="Short and stout")
        response.headers.extend([("Link", "<a>"), ("Link", "<b>"), ("X-Latin", "ü")])
        return response

    async with serve(socket_path, handler), browser.get(view) as response:
        assert (response.status, response.reason) == (418, "Short and stout")
        assert response.headers.getall("Link") == ["<a>", "<b>"]
        assert response.headers["X-Latin"] == "ü"


async def test_compressed_stays_compressed(browser: Browser, view: str, socket_path: Path) -> None:
    packed = gzip.compress(b"x" * 10_000)

    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    async with serve(socket_path, handler), browser.get(view) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert await response.read() == packed


async def test_events_flow_one_by_one(browser: Browser, view: str, socket_path: Path) -> None:
    heard = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(3):
            await response.write(f"data: {number}\n\n".encode())
            await heard.wait()
            heard.clear()
        return response

    async with serve(socket_path, handler), browser.get(view) as response:
        for number in range(3):  # the next is sent only when this one was read
            assert await response.content.readany() == f"data: {number}\n\n".encode()
            heard.set()


async def test_an_answer_may_come_before_the_body_has_ended(
    browser: Browser, view: str, socket_path: Path
) -> None:
    answered = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"early")
        assert await request.content.read() == b"onetwo"
        await response.write(b"late")
        return response

    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        await answered.wait()
        yield b"two"

    async with serve(socket_path, handler), browser.http.post(view, data=body()) as response:
        assert await response.content.readany() == b"early"
        answered.set()
        assert await response.read() == b"late"


async def test_expect_100_continue(browser: Browser, view: str, socket_path: Path) -> None:
    async with (
        serve(socket_path) as seen,
        browser.http.post(view, data=b"12345", expect100=True) as response,
    ):
        assert (await answer(response))["size"] == 5
    assert "Expect" not in seen[0].headers


async def test_a_refused_upload_is_answered_at_once(
    browser: Browser, view: str, socket_path: Path
) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=413, text="too much", headers={"Connection": "close"})

    stop = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        await stop.wait()  # never: the answer must not wait for the end
        yield b""

    async with serve(socket_path, handler), browser.http.post(view, data=body()) as response:
        assert response.status == 413
        assert await response.read() == b"too much"


async def test_a_browser_that_goes_away_ends_the_request(
    browser: Browser, view: str, socket_path: Path
) -> None:
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return response

    async with serve(socket_path, handler):
        async with browser.get(view) as response:
            assert await response.content.readany() == b"x"
            response.close()
        await ended.wait()


async def test_a_broken_upload_does_not_look_like_a_whole_one(
    browser: Browser, view: str, socket_path: Path
) -> None:
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    got_some = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            async for _ in request.content.iter_any():
                got_some.set()
            outcome.set_result("complete")
        except BaseException as error:
            outcome.set_result(type(error).__name__)
            raise
        return web.Response()

    async def body() -> AsyncIterator[bytes]:
        yield b"some"
        await got_some.wait()
        raise ConnectionResetError

    async with serve(socket_path, handler):
        with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
            async with browser.http.post(view, data=body()):
                pass
        assert await outcome != "complete"


PARTS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
}


@pytest.mark.parametrize("framing", PARTS)
async def test_a_part_is_never_taken_for_the_whole(
    browser: Browser, view: str, socket_path: Path, framing: str
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(PARTS[framing])
        await writer.drain()

    async with raw(socket_path, talk), browser.get(view) as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_nor_by_a_client_of_http_1_0(
    lab: Lab, browser: Browser, view: str, socket_path: Path
) -> None:
    """There the end of the connection is the end of the body, so it has to be a reset."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(PARTS["chunked"])
        await writer.drain()

    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies(view).items())
    head = f"GET / HTTP/1.0\r\nHost: {URL(view).authority}\r\nCookie: {cookies}\r\n\r\n"
    async with raw(socket_path, talk):
        reader, writer = await asyncio.open_connection("127.0.0.1", lab.server.port)
        writer.write(head.encode())
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    ],
)
async def test_what_is_no_answer_gives_a_502(
    browser: Browser, view: str, socket_path: Path, answer: bytes
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async with raw(socket_path, talk), browser.get(view) as response:
        assert response.status == 502
        assert "Nothing answers at localhost:5006 on user@gpu01" in await response.text()


# How a head begins, and what it goes on with.
ENDLESS = {
    "status": (b"HTTP/1.1 200 ", b"a" * 1000),
    "name": (b"HTTP/1.1 200 OK\r\nX", b"-a" * 500),
    "value": (b"HTTP/1.1 200 OK\r\nX: ", b"a" * 1000),
    "spaces": (b"HTTP/1.1 200 OK\r\nX:", b" " * 1000),
    "folded": (b"HTTP/1.1 200 OK\r\nX: a\r\n", b" a\r\n" * 250),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n" * 200),
    "long headers": (b"HTTP/1.1 200 OK\r\n", b"X: %s\r\n" % (b"a" * 60_000)),
    "interim answers": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
    "empty lines": (b"", b"\r\n" * 500),
}


@pytest.mark.parametrize("kind", ENDLESS)
async def test_a_head_without_end_gives_a_502(
    lab: Lab, browser: Browser, view: str, socket_path: Path, kind: str
) -> None:
    """At once, and hardly anything of it is kept: for a page, and for a websocket."""
    begin, more = ENDLESS[kind]
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(begin)
            while sent < ENOUGH:
                writer.write(more)
                await writer.drain()
                sent += len(more)

    jupyter = psutil.Process(lab.pid)
    before = jupyter.memory_info().rss
    async with asyncio.timeout(10), raw(socket_path, talk):
        async with browser.get(view) as response:
            assert response.status == 502
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await browser.http.ws_connect(view)
        assert caught.value.status == 502
    assert sent < ENOUGH
    assert jupyter.memory_info().rss - before < 8 << 20


async def test_a_request_that_changes_something_is_sent_once(
    browser: Browser, view: str, socket_path: Path
) -> None:
    """An application that hangs up on an idle connection must not make us repeat a POST."""
    requests: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        requests.append(head.split(b" ")[0])
        if requests == [b"GET"]:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            await reader.read(1)  # stays open until the next request arrives, and hangs up on it

    async with raw(socket_path, talk):
        async with browser.get(view) as response:
            assert response.status == 200
        async with browser.http.post(view, data=b"pay") as response:
            assert response.status == 502
    assert requests == [b"GET", b"POST"]


async def test_many_at_once(browser: Browser, view: str, socket_path: Path) -> None:
    together = asyncio.Barrier(50)

    async def handler(request: web.Request) -> web.StreamResponse:
        await together.wait()
        return await echo(request)

    async def one(number: int) -> str:
        async with browser.get(f"{view}{number}") as response:
            return str((await answer(response))["path"])

    async with serve(socket_path, handler):
        assert await asyncio.gather(*map(one, range(50))) == [f"/{n}" for n in range(50)]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_over_tcp_too(lab: Lab, browser: Browser, host: str) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=request.path)

    server = web.ServerRunner(web.Server(handler))
    await server.setup()
    try:
        site = web.TCPSite(server, host, 0)
        await site.start()
        port = server.addresses[0][1]
        bound = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        view = await browser.open(lab.add(bound))
        async with browser.get(view + "page") as response:
            assert await response.text() == "/page"
    finally:
        await server.cleanup()
