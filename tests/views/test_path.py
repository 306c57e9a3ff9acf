"""The path view: the sandbox on every answer, the capability, the prefix that must be known."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from jupyter_remote_tunnel.server.views.path import policy
from tests.views.backend import raw, serve
from tests.views.lab import Browser, Lab, lab

SANDBOX = "sandbox allow-scripts allow-forms allow-downloads allow-popups; frame-ancestors 'self'"
NOWHERE = f"remote-tunnel/app/{32 * '0'}/"


@pytest.fixture
async def app_id(lab: Lab, socket_path: Path) -> AsyncIterator[str]:
    """An application that echoes, also under any prefix."""
    async with serve(socket_path):
        yield lab.add(socket_path)


@pytest.fixture
async def view(browser: Browser, app_id: str) -> str:
    """Its path view."""
    return await browser.open(app_id, "path")


async def status(browser: Browser, url: str, **headers: str) -> int:
    async with browser.get(url, headers=headers) as response:
        return response.status


async def test_the_whole_path_reaches_the_application(browser: Browser, view: str) -> None:
    url = URL(f"{view}a%2Fb?x=1", encoded=True)
    async with browser.http.get(url) as response:
        assert json.loads(await response.read())["path"] == url.raw_path_qs


@pytest.mark.parametrize("base_url", [pytest.param("/", marks=pytest.mark.long), "/a.b/c/"])
async def test_it_lies_under_the_base_url(socket_path: Path, base_url: str) -> None:
    with lab(base_url=base_url) as running:
        async with serve(socket_path), Browser(running) as browser:
            view = await browser.open(running.add(socket_path), "path")
            assert URL(view).path.startswith(f"{base_url}remote-tunnel/app/")
            async with browser.get(view) as response:
                assert json.loads(await response.read())["path"] == URL(view).raw_path


async def test_every_answer_is_sandboxed(
    lab: Lab, browser: Browser, view: str, app_id: str
) -> None:
    async def policies(url: str, method: str = "GET", **headers: str) -> list[str]:
        request = browser.http.request(method, url, headers=headers, allow_redirects=False)
        async with request as response:
            return list(response.headers.getall("Content-Security-Policy"))

    assert await policies(view) == [SANDBOX]
    assert SANDBOX in await policies(lab.url + NOWHERE)
    assert SANDBOX in await policies(view, Origin="http://evil.example", method="POST")
    assert SANDBOX in await policies(view, method="PROPFIND")
    assert SANDBOX in await policies(view, Host="evil.example")
    preflight = {"Origin": "null", "Access-Control-Request-Method": "PUT"}
    assert SANDBOX in await policies(view, "OPTIONS", **preflight)
    lab.change(app_id, state="reconnecting")
    assert SANDBOX in await policies(view, Accept="text/html")


@pytest.mark.parametrize(
    ("configured", "ancestors"),
    [
        (
            "frame-ancestors 'self' https://portal.example; report-uri /x",
            "'self' https://portal.example",
        ),
        ("default-src *", None),
    ],
)
def test_who_may_frame_lab_may_frame_it(configured: str, ancestors: str | None) -> None:
    expected = SANDBOX.partition(";")[0] + (f"; frame-ancestors {ancestors}" if ancestors else "")
    assert policy({"headers": {"Content-Security-Policy": configured}}) == expected


async def test_the_capability_is_the_same_for_a_login_and_of_one_login(
    lab: Lab, browser: Browser, app_id: str, view: str
) -> None:
    assert await browser.open(app_id, "path") == view
    assert await browser.open(lab.add("/tmp/x", destination="localhost:1"), "origin") != view
    async with Browser(lab) as other:
        assert await other.open(app_id, "path") != view
    assert len(URL(view).parts[3]) == 32


async def test_it_needs_nothing_but_the_capability(lab: Lab, browser: Browser, view: str) -> None:
    browser.http.cookie_jar.clear()
    assert await status(browser, view) == 200
    assert await status(browser, lab.url + NOWHERE) == 404


async def test_log_out_ends_it(browser: Browser, view: str) -> None:
    await browser.logout()
    assert await status(browser, view) == 404


async def test_closing_the_tunnel_ends_it(
    lab: Lab, browser: Browser, app_id: str, view: str
) -> None:
    lab.remove(app_id)
    assert await status(browser, view) == 404


async def test_a_foreign_host_name_is_refused(browser: Browser, view: str) -> None:
    assert await status(browser, view, Host="evil.example") == 403


GATE = [
    ("GET", {"Sec-Fetch-Site": "cross-site"}, True),
    ("POST", {"Origin": "null", "Sec-Fetch-Site": "cross-site"}, True),
    ("POST", {}, True),
    ("POST", {"Origin": "http://evil.example"}, False),
    ("DELETE", {"Origin": "http://a.localhost"}, False),
    ("GET", {"Service-Worker": "script"}, False),
    ("GET", {"Sec-Fetch-Dest": "serviceworker"}, False),
]


@pytest.mark.parametrize(("method", "headers", "passes"), GATE)
async def test_the_gate(
    browser: Browser, view: str, method: str, headers: dict[str, str], passes: bool
) -> None:
    async with browser.http.request(method, view, headers=headers) as response:
        assert response.status == (200 if passes else 403)


@pytest.mark.parametrize(("origin", "code"), [("null", 101), ("http://evil.example", 403)])
async def test_the_gate_of_websockets(
    lab: Lab, browser: Browser, socket_path: Path, origin: str, code: int
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade") is None:
            return web.Response()
        assert request.headers["Origin"] == "http://localhost:5006"
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.close()
        return ws

    async with serve(socket_path, handler):
        view = await browser.open(lab.add(socket_path), "path")
        for url, expected in ((view, code), (lab.url + NOWHERE, 404)):
            try:
                async with browser.http.ws_connect(url, origin=origin):
                    got = 101
            except aiohttp.WSServerHandshakeError as error:
                got = error.status
            assert got == expected


async def test_nothing_of_jupyters_reaches_the_application(
    lab: Lab, browser: Browser, view: str
) -> None:
    sent = {
        "Authorization": "Bearer of-a-hub",
        "Origin": "null",
        "Referer": f"{lab.url}lab/tree/secret.ipynb",
        "X-Forwarded-Host": "hub.example.org",
        "X-Forwarded-For": "192.0.2.1",
    }
    url = f"{view}?token={lab.server.token}&a=1"
    async with browser.get(url, headers=sent) as response:  # with the login cookie
        seen = json.loads(await response.read())
    assert dict(seen["headers"]).keys() == {
        "Host",
        "Origin",
        "Accept",
        "Accept-Encoding",
        "User-Agent",
    }
    assert seen["path"] == f"{URL(view).path}?a=1"


async def test_nothing_for_jupyters_origin_reaches_the_browser(
    lab: Lab, browser: Browser, socket_path: Path
) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(
            headers={
                "Set-Cookie": "plain=1",
                "WWW-Authenticate": 'Basic realm="Jupyter password"',
                "Access-Control-Allow-Origin": "*",
                "Cross-Origin-Opener-Policy": "same-origin",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Service-Worker-Allowed": "/",
                "X-Own": "1",
                "Content-Security-Policy": "script-src 'self'",
            }
        )

    async with serve(socket_path, handler):
        view = await browser.open(lab.add(socket_path), "path")
        async with browser.get(view) as response:
            headers = response.headers
    dropped = "Set-Cookie WWW-Authenticate Service-Worker-Allowed Cross-Origin-Opener-Policy"
    assert not set(dropped.split()) & set(headers)
    assert "Cross-Origin-Resource-Policy" not in headers
    assert "X-Own" in headers["Access-Control-Expose-Headers"]
    assert headers.getall("Access-Control-Allow-Origin") == ["null"]
    assert headers.getall("Content-Security-Policy") == ["script-src 'self'", SANDBOX]


async def test_the_page_may_ask_its_own_application_what_it_likes(
    browser: Browser, view: str
) -> None:
    """To an opaque origin its own server is another site, and the browser asks first."""
    asked = {
        "Origin": "null",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "x-custom",
    }
    async with browser.http.options(view, headers=asked) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Methods"] == "PUT"
        assert response.headers["Access-Control-Allow-Headers"] == "x-custom"
        assert response.headers["Access-Control-Allow-Origin"] == "null"


WITHOUT_PREFIX: dict[str, Callable[[], Exception]] = {
    "not found": web.HTTPNotFound,
    "login page": lambda: web.HTTPFound("/login"),
    "own address": lambda: web.HTTPFound("http://localhost:5006/app"),
}


@pytest.mark.parametrize("kind", WITHOUT_PREFIX)
async def test_an_application_that_does_not_know_its_prefix(
    lab: Lab, browser: Browser, socket_path: Path, kind: str
) -> None:
    knows = True

    async def handler(_: web.Request) -> web.StreamResponse:
        if knows:
            return web.Response(text="fine")
        raise WITHOUT_PREFIX[kind]()

    async with serve(socket_path, handler):
        app_id = lab.add(socket_path)
        view = await browser.open(app_id, "path")
        knows = False
        prefix = URL(view).path.rstrip("/")
        async with browser.get(f"{lab.url}remote-tunnel/open/{app_id}?view=path") as response:
            text = await response.text()
            assert response.status == 404
            assert f"--prefix {prefix}" in text
            assert 'href="?view=origin"' in text
            assert "as http://localhost" not in text
        framed = {"Sec-Fetch-Dest": "iframe"}
        without_link = [(f"{lab.url}remote-tunnel/open/{app_id}?view=path", framed), (view, framed)]
        for address, headers in [*without_link, (view, {"Accept": "text/html"})]:
            async with browser.get(address, headers=headers) as response:
                assert response.status == 404
                text = await response.text()
                assert f"--prefix {prefix}" in text
                assert "href" not in text
                assert "as http://localhost" in text
        async with browser.get(f"{view}deeper") as response:
            assert "--prefix" not in await response.text()


async def test_an_application_that_does_not_say_whether_it_does(
    lab: Lab, browser: Browser, socket_path: Path
) -> None:
    """It is shown after a few seconds, and may say it then."""
    ended = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()
        ended.set()

    async with raw(socket_path, talk):
        view = await browser.open(lab.add(socket_path), "path")
        assert URL(view).path.startswith("/remote-tunnel/app/")
        await ended.wait()


async def test_nobody_waits_for_it_once_the_browser_went_away(
    lab: Lab, browser: Browser, socket_path: Path
) -> None:
    asked, ended = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        ended.set()

    async with raw(socket_path, talk):
        opens = loop.create_task(browser.open(lab.add(socket_path), "path"), name="open")
        await asked.wait()
        opens.cancel()
        since = loop.time()
        await ended.wait()
        assert loop.time() - since < 4  # and not the 5 seconds that it has


async def test_over_https(socket_path: Path) -> None:
    """There it is the only view."""
    with lab(https=True) as running:
        trusted = aiohttp.TCPConnector(ssl=False)
        token = {"Authorization": f"token {running.server.token}"}
        async with serve(socket_path), aiohttp.ClientSession(connector=trusted) as http:
            url = f"{running.server.url}remote-tunnel/open/{running.add(socket_path)}"
            async with http.get(url, headers=token) as response:
                path = json.loads(await response.read())["path"]
            assert path.startswith("/remote-tunnel/app/")
            async with http.get(f"{url}?view=origin", headers=token) as response:
                assert response.status == 409
                assert "as http://localhost" in await response.text()
