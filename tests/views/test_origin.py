"""The origin view: who gets in, how, until when, and on which machine."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.support.other_uid import squatter
from tests.views.backend import serve
from tests.views.lab import Browser, Lab, lab

FRAME = "SameSite=None; Secure; Partitioned"


async def status(browser: Browser, url: str, **headers: str) -> int:
    async with browser.get(url, headers=headers) as response:
        return response.status


@pytest.fixture
async def app_id(lab: Lab, socket_path: Path) -> AsyncIterator[str]:
    """An application that echoes."""
    async with serve(socket_path):
        yield lab.add(socket_path)


async def ticket(browser: Browser, app_id: str) -> str:
    """The URL to which `open/<id>` redirects."""
    async with browser.get(f"{browser.lab.url}remote-tunnel/open/{app_id}") as response:
        assert response.status == 303
        return response.headers["Location"]


async def test_the_name_is_stable_and_says_nothing(lab: Lab, browser: Browser) -> None:
    first, again, other = (
        lab.add("/x", host_key="SHA256:one"),
        lab.add("/y", host_key="SHA256:one", name="another"),
        lab.add("/x", host_key="SHA256:two"),
    )
    names = [URL(await ticket(browser, app)).host or "" for app in (first, again, other)]
    assert names[0] == names[1] != names[2]
    assert all(len(name) == len("a" + 20 * "x" + ".localhost") for name in names)
    key = lab.server.data_dir / "remote-tunnel" / "label.key"
    assert key.stat().st_mode & 0o777 == 0o600


async def test_a_ticket_opens_once(browser: Browser, app_id: str) -> None:
    url = await ticket(browser, app_id)
    assert await status(browser, url) == 303
    browser.http.cookie_jar.clear()
    assert await status(browser, url) == 404


async def test_a_ticket_counts_on_its_own_name_only(
    lab: Lab, browser: Browser, app_id: str
) -> None:
    url = URL(await ticket(browser, app_id))
    other = URL(await ticket(browser, lab.add("/x")))
    assert other.host is not None
    assert await status(browser, str(url.with_host(other.host))) == 404
    assert await status(browser, str(url)) == 404  # and it is used up


@pytest.mark.parametrize(
    ("dest", "attributes"),
    [("document", "SameSite=Lax"), ("iframe", FRAME), ("", "SameSite=Lax")],
)
async def test_the_cookie(browser: Browser, app_id: str, dest: str, attributes: str) -> None:
    headers = {"Sec-Fetch-Dest": dest} if dest else {}
    async with browser.get(await ticket(browser, app_id), headers=headers) as response:
        (cookie,) = response.headers.getall("Set-Cookie")
        value, _, rest = cookie.partition("; ")
        assert rest == f"Path=/; HttpOnly; {attributes}"
        assert len(value.partition("=")[2]) == 32
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Location"] == "/"


async def test_opening_it_again_does_not_end_what_is_open(
    browser: Browser, app_id: str, lab: Lab
) -> None:
    view = await browser.open(app_id)
    before = browser.cookies(view)
    assert await browser.open(app_id) == view
    assert browser.cookies(view) == before


async def test_without_the_cookie_every_name_has_one_answer(
    lab: Lab, browser: Browser, app_id: str
) -> None:
    view = await browser.open(app_id)
    browser.http.cookie_jar.clear()
    unknown = str(URL(view).with_host("a" + 20 * "z" + ".localhost"))
    answers = set()
    for base in (view, unknown):
        for path in ("", "lab", "api/status", "login?next=%2F", ".remote-tunnel/" + 32 * "0"):
            async with browser.get(base + path) as response:
                headers = tuple(response.headers.items())
                answers.add((response.status, headers, await response.read()))
    ((code, _, _),) = answers
    assert code == 404


async def test_an_answer_of_ours_keeps_the_connection_but_where_a_body_follows(
    lab: Lab, browser: Browser, app_id: str
) -> None:
    """Who asks again on a connection that was closed without a word would see it reset."""
    host = URL(await browser.open(app_id)).authority
    browser.http.cookie_jar.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", lab.server.port)
    for _ in range(3):
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        (length,) = re.findall(rb"Content-Length: (\d+)", head)
        assert head.startswith(b"HTTP/1.1 404 ")
        assert b"Connection:" not in head
        await reader.readexactly(int(length))
    writer.write(f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9999\r\n\r\n".encode())
    head, _, _ = (await reader.read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 ")
    assert b"Connection: close" in head
    writer.close()


OWN_LINK = {
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}


async def test_what_a_framed_page_opens_in_a_tab_fetches_a_ticket(
    lab: Lab, browser: Browser, app_id: str
) -> None:
    """The frame's cookie is not sent with it. What else browsers do: `test_browser_popups`."""
    view = await browser.open(app_id, framed=True)
    browser.http.cookie_jar.clear_domain(URL(view).host or "")
    async with browser.get(f"{view}/evil.example/?x=1", headers=OWN_LINK) as response:
        assert response.status == 303
        there = response.headers["Location"]
    assert there.startswith(f"{lab.url}remote-tunnel/open/{app_id}?view=origin&detour=")
    assert "evil" not in there  # Jupyter's log shall not tell what an application has in its URLs
    for goes, severed in (("/.//evil.example/?x=1", False), ("/", True)):  # it counts once
        async with browser.get(there) as response:
            assert ("Cross-Origin-Opener-Policy" in response.headers) == severed
            ticket = response.headers["Location"]
        assert ticket.startswith(f"{view}.remote-tunnel/")
        async with browser.get(ticket) as response:
            assert response.headers["Location"] == goes


async def status_of_raw(browser: Browser, url: str, **headers: str) -> tuple[int, str]:
    """What is answered to a path as it stands, and where to it leads."""
    async with browser.http.get(
        URL(url, encoded=True), headers=headers, allow_redirects=False
    ) as response:
        return response.status, response.headers.get("Location", "")


@pytest.mark.parametrize("path", ["\\evil.example/", "\\/evil.example", "\\\\evil.example", "a\\b"])
async def test_no_way_in_leads_to_another_host(browser: Browser, app_id: str, path: str) -> None:
    """Browsers take a backslash for a slash; none sends one in a path."""
    view = await browser.open(app_id, framed=True)
    browser.http.cookie_jar.clear_domain(URL(view).host or "")
    assert await status_of_raw(browser, view + path, **OWN_LINK) == (404, "")
    url = await ticket(browser, app_id)
    assert await status_of_raw(browser, url + path) == (404, "")
    told = "?path=C:\\x"
    assert await status_of_raw(browser, url + told) == (303, f"/{told}")
    browser.http.cookie_jar.clear_domain(URL(view).host or "")
    status, there = await status_of_raw(browser, view + told, **OWN_LINK)
    assert (status, "detour=" in there) == (303, True)


@pytest.mark.parametrize(
    "other",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Dest": "iframe"},
    ],
)
async def test_what_others_open_there_does_not(
    browser: Browser, app_id: str, other: dict[str, str]
) -> None:
    view = await browser.open(app_id, framed=True)
    browser.http.cookie_jar.clear_domain(URL(view).host or "")
    assert await status(browser, view, **{**OWN_LINK, **other}) == 404


async def test_it_does_not_once_no_frame_is_let_in(lab: Lab, browser: Browser, app_id: str) -> None:
    view = await browser.open(app_id)  # in a tab, which has a cookie
    host = URL(view).host or ""
    browser.http.cookie_jar.clear_domain(host)
    assert await status(browser, view, **OWN_LINK) == 404
    await browser.open(app_id, framed=True)
    browser.http.cookie_jar.clear_domain(host)
    assert await status(browser, view, **OWN_LINK) == 303
    async with browser.http.post(view, headers=OWN_LINK, allow_redirects=False) as response:
        assert response.status == 404
    await browser.logout()
    assert await status(browser, view, **OWN_LINK) == 404
    await browser.login()
    await browser.open(app_id, framed=True)
    browser.http.cookie_jar.clear_domain(host)
    lab.remove(app_id)
    assert await status(browser, view, **OWN_LINK) == 404


async def test_a_login_of_jupyter_opens_nothing_there(
    lab: Lab, browser: Browser, app_id: str
) -> None:
    view = await browser.open(app_id)
    sent = browser.cookies(lab.url)
    browser.http.cookie_jar.clear()
    login = {"Cookie": "; ".join(f"{name}={value}" for name, value in sent.items())}
    token = {"Authorization": f"token {lab.server.token}"}
    for path in ("", "api/status", f"api/status?token={lab.server.token}", "lab"):
        assert await status(browser, view + path, **login) == 404
        assert await status(browser, view + path, **token) == 404


async def test_jupyter_does_not_answer_under_the_name(
    lab: Lab, browser: Browser, app_id: str
) -> None:
    view = await browser.open(app_id)
    for path in ("api/status", "lab", "login", "remote-tunnel/open/x", "static/favicon.ico"):
        async with browser.get(view + path) as response:
            assert json.loads(await response.read())["path"] == f"/{path}"


async def test_foreign_names_stay_refused(lab: Lab, browser: Browser) -> None:
    for host in ("evil.example", "x.localhost", "aaaa.localhost", f"a{20 * 'b'}.localhost.example"):
        there = lab.server.url + "api/status"
        async with browser.get(there, headers={"Host": f"{host}:{lab.server.port}"}) as response:
            assert response.status == 403


async def test_log_out_ends_it(lab: Lab, browser: Browser, app_id: str) -> None:
    async with Browser(lab) as other:
        kept = await other.open(app_id)
        view = await browser.open(app_id)
        unused = await ticket(browser, app_id)
        assert await status(browser, view) == 200
        await browser.logout()
        assert await status(browser, view) == 404
        assert await status(browser, unused) == 404
        assert await status(other, kept) == 200  # another login


async def test_log_out_cuts_what_is_under_way(
    lab: Lab, browser: Browser, socket_path: Path
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/ws":
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            await ws.send_str("x")
            await ws.receive()
            return ws
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        await asyncio.Event().wait()
        return response

    async with serve(socket_path, handler):
        view = await browser.open(lab.add(socket_path))
        async with browser.http.ws_connect(view + "ws") as ws, browser.get(view) as response:
            assert await ws.receive_str() == "x"
            assert await response.content.readany() == b"x"
            await browser.logout()
            assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSED
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()


@pytest.mark.parametrize("how", ["removed", "closed"])
async def test_closing_the_tunnel_ends_it(
    lab: Lab, browser: Browser, app_id: str, how: str, socket_path: Path
) -> None:
    view = await browser.open(app_id)
    if how == "removed":
        lab.remove(app_id)
    else:
        lab.change(app_id, state="closed", bound=None)
    assert await status(browser, view) == 404
    if how == "closed":
        lab.change(app_id, state="open", bound=str(socket_path))
        assert await status(browser, view) == 404


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "X-Real-IP", "Via"]
)
async def test_behind_a_proxy_it_is_refused(
    lab: Lab, browser: Browser, app_id: str, header: str
) -> None:
    view = await browser.open(app_id)
    assert await status(browser, view, **{header: "127.0.0.1"}) == 404
    url = f"{lab.url}remote-tunnel/open/{app_id}"
    async with browser.get(url, headers={header: "127.0.0.1"}) as response:
        assert response.headers["Location"].startswith("/remote-tunnel/app/")


async def test_another_machine_is_refused(socket_path: Path) -> None:
    """A peer that is not on the loopback, though it knows name and cookie."""
    outside = _address()
    with lab(ip="0.0.0.0", allow_remote_access=True) as running:
        async with serve(socket_path), Browser(running) as browser:
            view = URL(await browser.open(running.add(socket_path)))
            assert await status(browser, str(view)) == 200
            cookies = "; ".join(f"{k}={v}" for k, v in browser.cookies(str(view)).items())
            headers = {"Host": view.authority, "Cookie": cookies}
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"http://{outside}:{running.server.port}/", headers=headers) as response,
            ):
                assert response.status == 404


def _address() -> str:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return str(probe.getsockname()[0])


GATE = [
    ("GET", {}, True),
    ("GET", {"Sec-Fetch-Site": "same-origin"}, True),
    ("GET", {"Sec-Fetch-Site": "none"}, True),
    (
        "GET",
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
        True,
    ),
    ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, False),
    ("POST", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, False),
    ("POST", {"Sec-Fetch-Site": "same-origin", "Origin": "null"}, True),
    ("POST", {"Sec-Fetch-Site": "same-site", "Origin": "http://b.localhost"}, False),
    ("POST", {"Origin": "http://evil.example"}, False),
    ("POST", {"Origin": "null"}, False),
    ("POST", {"Origin": "own"}, True),
    ("POST", {}, True),
    ("DELETE", {"Origin": "http://localhost"}, False),
    ("GET", {"Service-Worker": "script", "Sec-Fetch-Site": "same-origin"}, False),
]


@pytest.mark.parametrize(("method", "headers", "passes"), GATE)
async def test_the_gate(
    browser: Browser, app_id: str, method: str, headers: dict[str, str], passes: bool
) -> None:
    view = await browser.open(app_id)
    if headers.get("Origin") == "own":
        headers = {"Origin": view.rstrip("/")}
    async with browser.http.request(method, view, headers=headers) as response:
        assert response.status == (200 if passes else 403)


@pytest.mark.parametrize(
    ("origin", "passes"), [("own", True), ("http://localhost", False), ("null", False)]
)
async def test_the_gate_of_websockets(
    lab: Lab, browser: Browser, socket_path: Path, origin: str, passes: bool
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.headers["Origin"] == "http://localhost:5006"
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.close()
        return ws

    async with serve(socket_path, handler):
        view = await browser.open(lab.add(socket_path))
        own = view.rstrip("/")
        if passes:
            async with browser.http.ws_connect(view, origin=own if origin == "own" else origin):
                pass
        else:
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await browser.http.ws_connect(view, origin=origin)
            assert caught.value.status == 403


async def test_the_probe(lab: Lab, browser: Browser) -> None:
    url = f"http://probe-x7.localhost:{lab.server.port}/"
    own = lab.url.rstrip("/")
    async with browser.get(url, headers={"Origin": own}) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == own
    async with browser.get(url, headers={"Origin": "http://evil.example"}) as response:
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_neighbour_on_the_other_loopback_address_means_none(socket_path: Path) -> None:
    with lab() as running, squatter("::1", running.server.port):
        async with serve(socket_path), Browser(running) as browser:
            app_id = running.add(socket_path)
            url = f"{running.url}remote-tunnel/open/{app_id}"
            async with browser.get(url) as response:
                assert response.headers["Location"].startswith("/remote-tunnel/app/")
            async with browser.get(f"{url}?view=origin") as response:
                assert response.status == 409


async def test_the_other_loopback_address_is_taken(lab: Lab, browser: Browser) -> None:
    await ticket(browser, lab.add("/x"))
    with socket.socket(socket.AF_INET6) as probe:
        probe.connect(("::1", lab.server.port))
