"""The origin view: what the application is told, and what the browser is told to keep."""

import asyncio
import json
from collections.abc import AsyncIterator
from html import escape
from pathlib import Path

import pytest
from aiohttp import web

from tests.views.backend import raw, serve
from tests.views.lab import Browser, Lab

FRAME = "SameSite=None; Secure; Partitioned"


@pytest.fixture
async def app_id(lab: Lab, socket_path: Path) -> AsyncIterator[str]:
    """An application that echoes."""
    async with serve(socket_path):
        yield lab.add(socket_path)


async def test_what_reaches_the_application(lab: Lab, browser: Browser, app_id: str) -> None:
    view = await browser.open(app_id)
    gate = next(iter(browser.cookies(view).items()))
    cookie = f"{gate[0]}={gate[1]}; own=1; _xsrf=2; username-localhost-8888=3; {gate[0]}=forged"
    cookie += "; remote-tunnel-1=4"
    sent = {
        "Cookie": cookie,
        "Origin": view.rstrip("/"),
        "Referer": f"{view}page?x=1",
        "Authorization": "Bearer own",
        "Sec-Fetch-Site": "same-origin",
        "X-Custom": "1",
        "X-XSRFToken": "2",
        "Connection": "keep-alive, X-Hop",
        "X-Hop": "1",
    }
    async with browser.http.post(f"{view}?token={lab.server.token}&a=1", headers=sent) as response:
        seen = json.loads(await response.read())
    headers = dict(seen["headers"])
    assert seen["path"] == "/?a=1"
    assert headers["Host"] == "localhost:5006"
    assert headers["Origin"] == "http://localhost:5006"
    assert headers["Referer"] == "http://localhost:5006/page?x=1"
    assert sorted(headers["Cookie"].split("; ")) == [
        "_xsrf=2",
        "own=1",
        "username-localhost-8888=3",
    ]
    assert headers["X-Xsrftoken"] == "2"  # as tornado spells it
    assert headers["Authorization"] == "Bearer own"
    assert headers["X-Custom"] == "1"
    assert not {"X-Hop", "Sec-Fetch-Site"} & set(headers)


async def test_nothing_of_jupyters_reaches_the_application(
    lab: Lab, browser: Browser, app_id: str
) -> None:
    view = await browser.open(app_id)
    sent = {
        "Authorization": f"token {lab.server.token}",
        "Referer": f"{lab.url}lab/tree/secret.ipynb",
    }
    async with browser.get(view, headers=sent) as response:
        headers = dict(json.loads(await response.read())["headers"])
    assert not {"Authorization", "Referer", "Cookie"} & set(headers)


COOKIES = [
    "plain=1",
    "both=1; Path=/x; HttpOnly; SameSite=Lax",
    "secure=1; Secure; SameSite=Strict",
    "_xsrf=1; Path=/",
    "username-localhost-8888=1",
    "wide=1; Domain=localhost",
    "gate=evil",
]


@pytest.mark.parametrize("framed", [False, True])
async def test_the_applications_cookies(
    lab: Lab, browser: Browser, socket_path: Path, framed: bool
) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        response = web.Response()
        for cookie in COOKIES:
            name = f"remote-tunnel-{lab.server.port}"
            response.headers.add("Set-Cookie", cookie.replace("gate", name))
        return response

    async with serve(socket_path, handler):
        view = await browser.open(lab.add(socket_path), framed=framed)
        async with browser.get(view) as response:
            got = response.headers.getall("Set-Cookie")
    if framed:
        assert got == [
            f"plain=1; {FRAME}",
            f"both=1; Path=/x; HttpOnly; {FRAME}",
            f"secure=1; {FRAME}",
            f"_xsrf=1; Path=/; {FRAME}",
            f"username-localhost-8888=1; {FRAME}",
        ]
    else:
        assert got == COOKIES[:5]


async def test_what_reaches_the_browser(lab: Lab, browser: Browser, socket_path: Path) -> None:
    sent = {
        "Service-Worker-Allowed": "/",
        "Clear-Site-Data": "*",
        "Strict-Transport-Security": "max-age=1",
        "Alt-Svc": 'h3=":443"',
        "NEL": "{}",
        "Report-To": "{}",
        "Reporting-Endpoints": 'x="/"',
        "Referrer-Policy": "unsafe-url",
        "Content-Security-Policy": "script-src 'self'",
        "X-Custom": "1",
    }

    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(headers=sent)

    async with serve(socket_path, handler):
        view = await browser.open(lab.add(socket_path))
        async with browser.get(view) as response:
            headers = response.headers
    assert not set(list(sent)[:7]) & set(headers)
    assert headers.getall("Referrer-Policy") == ["no-referrer"]
    assert headers.getall("Content-Security-Policy") == [
        "script-src 'self'",
        f"frame-ancestors 'self' {lab.url.rstrip('/')}",
    ]
    assert headers["X-Custom"] == "1"


async def test_a_redirect_to_elsewhere_is_a_page_that_goes_there(
    lab: Lab, browser: Browser, socket_path: Path
) -> None:
    elsewhere = 'http://sso.example/?a="b"&c'

    async def handler(_: web.Request) -> web.StreamResponse:
        headers = {"Location": elsewhere, "Set-Cookie": "state=1"}
        return web.Response(status=302, headers=headers)

    async with serve(socket_path, handler):
        view = await browser.open(lab.add(socket_path))
        async with browser.get(view, headers={"Sec-Fetch-Dest": "iframe"}) as response:
            assert (response.status, response.headers["Set-Cookie"]) == (200, "state=1")
            assert f'content="0; url={escape(elsewhere)}">' in await response.text()
        headers = {"Sec-Fetch-Dest": "iframe"}
        async with browser.http.head(view, headers=headers, allow_redirects=False) as response:
            assert response.status == 200
            assert "Location" not in response.headers
        # What scripts and forms ask for, they ask for in the application's name.
        for method, dest in (("GET", "empty"), ("POST", "document")):
            request = browser.http.request(
                method, view, headers={"Sec-Fetch-Dest": dest}, allow_redirects=False
            )
            async with request as response:
                assert (response.status, response.headers["Location"]) == (302, elsewhere)


async def test_a_redirect_goes_where_its_bytes_say(
    lab: Lab, browser: Browser, socket_path: Path
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://sso.example/"
        writer.write(head + b"\xff\xc3\xa9\r\n\r\n")
        await writer.drain()

    async with raw(socket_path, talk):
        view = await browser.open(lab.add(socket_path))
        async with browser.get(view, headers={"Sec-Fetch-Dest": "iframe"}) as response:
            assert response.status == 200
            assert 'content="0; url=http://sso.example/%FF%C3%A9">' in await response.text()


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        ("/next", "/next"),
        ("next", "next"),
        ("http://localhost:5006/a?b=http://localhost:5006/", "/a?b=http://localhost:5006/"),
        ("http://LOCALHOST:5006", "/"),
        ("//localhost:5006/a", "/a"),
        ("http://elsewhere.example/a", "http://elsewhere.example/a"),
    ],
)
async def test_redirects(
    lab: Lab, browser: Browser, socket_path: Path, sent: str, got: str
) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": sent})

    async with serve(socket_path, handler):
        view = await browser.open(lab.add(socket_path))
        async with browser.get(view) as response:
            assert response.headers["Location"] == got
