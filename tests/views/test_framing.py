"""Messages that two programs could read in two ways: one of them would be led astray."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.views.backend import raw
from tests.views.lab import Browser, Lab


@pytest.fixture
async def view(lab: Lab, browser: Browser, socket_path: Path) -> str:
    """The origin view of an application on `socket_path`."""
    return await browser.open(lab.add(socket_path))


@pytest.fixture
async def seen(socket_path: Path) -> AsyncIterator[list[bytes]]:
    """All heads of requests that reach the application, which answers each and hangs up."""
    heads: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()

    async with raw(socket_path, talk):
        yield heads


async def sent(browser: Browser, view: str, request: str) -> bytes:
    """All that comes back for `request`, where HOST stands for the view's own and its cookie."""
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies(view).items())
    request = request.replace("HOST", f"Host: {URL(view).authority}\r\nCookie: {cookies}")
    reader, writer = await asyncio.open_connection("127.0.0.1", browser.lab.server.port)
    writer.write(request.encode("latin1"))
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


REQUESTS = {
    "two lengths": "POST / HTTP/1.1\r\nHOST\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "length and chunks": "POST / HTTP/1.1\r\nHOST\r\nContent-Length: 3\r\n"
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding unknown": "POST / HTTP/1.1\r\nHOST\r\nTransfer-Encoding: gzip\r\n\r\n",
    "a length with a sign": "POST / HTTP/1.1\r\nHOST\r\nContent-Length: +1\r\n\r\nx",
    "a folded header": "GET / HTTP/1.1\r\nHOST\r\nX-A: 1\r\n X-B: 2\r\n\r\n",
    "a return alone": "GET / HTTP/1.1\r\nHOST\r\nX-A: 1\rX-B: 2\r\n\r\n",
    "a zero byte": "GET / HTTP/1.1\r\nHOST\r\nX-A: 1\x002\r\n\r\n",
    "a space in the name": "GET / HTTP/1.1\r\nHOST\r\nX-A : 1\r\n\r\n",
    "a space in the target": "GET /a b HTTP/1.1\r\nHOST\r\n\r\n",
    "two hosts": "GET / HTTP/1.1\r\nHOST\r\nHost: localhost\r\n\r\n",
    "a target with a host": "GET http://localhost/ HTTP/1.1\r\nHOST\r\nConnection: close\r\n\r\n",
    "all of the server": "OPTIONS * HTTP/1.1\r\nHOST\r\nConnection: close\r\n\r\n",
    "a connection": "CONNECT localhost:22 HTTP/1.1\r\nHOST\r\nConnection: close\r\n\r\n",
    "its own request back": "TRACE / HTTP/1.1\r\nHOST\r\nConnection: close\r\n\r\n",
    "a huge header": f"GET / HTTP/1.1\r\nHOST\r\nX-A: {'a' * 100_000}\r\n\r\n",
}


@pytest.mark.parametrize("what", REQUESTS)
async def test_such_a_request_does_not_reach_the_application(
    browser: Browser, view: str, seen: list[bytes], what: str
) -> None:
    answer = await sent(browser, view, REQUESTS[what])
    assert b" 200 " not in answer.partition(b"\r\n")[0]
    assert seen == []


async def test_no_other_protocol_is_agreed_upon(
    browser: Browser, view: str, seen: list[bytes]
) -> None:
    asked = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMA"}
    async with browser.get(view, headers=asked) as response:
        assert (response.status, await response.read()) == (200, b"ok")
    assert b"upgrade" not in seen[0].lower()
    assert b"http2" not in seen[0].lower()


ANSWERS = {
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "a return alone": b"HTTP/1.1 200 OK\r\nX-A: 1\rSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n",
    "a zero byte": b"HTTP/1.1 200 OK\r\nX-A: 1\x002\r\nContent-Length: 0\r\n\r\n",
    "a huge header": b"HTTP/1.1 200 OK\r\nX-A: "
    + 100_000 * b"a"
    + b"\r\nContent-Length: 0\r\n\r\n",
    "no end of headers": b"HTTP/1.1 200 OK\r\n" + 100_000 * b"X-A: 1\r\n" + b"\r\n",
}


@pytest.mark.parametrize("what", ANSWERS)
async def test_such_an_answer_does_not_reach_the_browser(
    browser: Browser, view: str, socket_path: Path, what: str
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWERS[what])
        await writer.drain()

    async with raw(socket_path, talk), browser.get(view) as response:
        assert response.status == 502


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "200 OK"])
async def test_what_follows_an_answer_is_no_answer(
    browser: Browser, view: str, socket_path: Path, status: str
) -> None:
    """Nor is it kept for the next request on the same connection to the application."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode() + evil)
        await writer.drain()
        await reader.read()

    async with raw(socket_path, talk):
        for _ in range(2):
            async with browser.get(view) as response:
                assert response.status == int(status[:3])
                assert await response.read() == b""


async def test_an_answer_that_has_no_body_has_no_length(
    browser: Browser, view: str, socket_path: Path
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nX-A: 1\r\n\r\n")
        await writer.drain()

    async with raw(socket_path, talk), browser.get(view) as response:
        assert (response.status, response.headers["X-A"]) == (204, "1")
        assert "Content-Length" not in response.headers
        assert await response.read() == b""


async def test_a_handshake_has_no_length(browser: Browser, view: str, socket_path: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 5\r\n\r\n")
        await writer.drain()

    upgrade = "GET / HTTP/1.1\r\nHOST\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    async with raw(socket_path, talk):
        head = await sent(browser, view, upgrade)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"content-length" not in head.lower()


async def test_headers_of_a_handshake_end_where_they_end(
    browser: Browser, view: str, socket_path: Path
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nX-A: 1\rSet-Cookie: a=1\r\n\r\n")
        await writer.drain()

    async with raw(socket_path, talk):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await browser.http.ws_connect(view)
    assert caught.value.status == 502


async def test_a_part_of_a_file_passes(browser: Browser, view: str, socket_path: Path) -> None:
    heads = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(
            b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-3/10\r\n"
            b"Content-Length: 2\r\n\r\n23"
        )
        await writer.drain()

    async with (
        raw(socket_path, talk),
        browser.get(view, headers={"Range": "bytes=2-3", "If-Range": '"x"'}) as response,
    ):
        assert (response.status, response.headers["Content-Range"]) == (206, "bytes 2-3/10")
        assert await response.read() == b"23"
    assert b"Range: bytes=2-3" in heads[0]
    assert b'If-Range: "x"' in heads[0]


INTERIM = {
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n",
    "hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
}
FINAL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("kind", INTERIM)
async def test_a_few_interim_answers_are_passed_over(
    browser: Browser, view: str, socket_path: Path, kind: str
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(9 * INTERIM[kind] + FINAL)

    async with raw(socket_path, talk):
        for _ in range(3):
            async with browser.get(view) as response:
                assert await response.read() == b"ok"


@pytest.mark.parametrize("kind", INTERIM)
async def test_who_sends_them_without_end_is_cut_off(
    browser: Browser, view: str, socket_path: Path, kind: str
) -> None:
    cut_off = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(100 * INTERIM[kind])
                await writer.drain()
        cut_off.set()

    async with raw(socket_path, talk):
        async with browser.get(view) as response:
            assert response.status == 502
        await cut_off.wait()
