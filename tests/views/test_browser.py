"""What only a browser can show: a real Chromium with a page of ours that frames an application.

The page is one of Jupyter's own (any that is not found), so the frame stands where JupyterLab's do.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.sync_api import Browser, BrowserContext, Frame, Page, expect, sync_playwright

from tests.support.process import program
from tests.views.backend import serve_in_thread
from tests.views.lab import Lab

# As JupyterLab's frames are (the origin view needs its own origin; the path view's CSP takes it).
SANDBOX = "allow-scripts allow-same-origin allow-forms allow-popups allow-modals allow-downloads"
PAGE = "<!doctype html><title>app</title><h1>application</h1>"

VIEWS = ["origin", "path"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        path = program("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def profile(chromium: Browser) -> Iterator[BrowserContext]:
    """A profile without cookies."""
    with chromium.new_context() as context:
        yield context


@pytest.fixture
def host(profile: BrowserContext, lab: Lab) -> Page:
    """A page of Jupyter's, logged in."""
    page = profile.new_page()
    page.goto(f"{lab.url}login?next=/nothing")
    page.get_by_role("textbox").first.fill(lab.server.token)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url("**/nothing")
    return page


def show(host: Page, app_id: str, view: str) -> Frame:
    """Frame an application as Lab does."""
    name = f"f{app_id}"
    host.evaluate(
        """([name, src, sandbox]) => {
            const frame = document.createElement("iframe");
            Object.assign(frame, {name, src, sandbox});
            document.body.append(frame);
        }""",
        [name, f"/remote-tunnel/open/{app_id}?view={view}", SANDBOX],
    )
    expect(host.frame_locator(f"iframe[name={name}]").locator("h1")).to_be_visible()
    frame = host.frame(name)
    assert frame is not None
    return frame


async def application(request: web.Request) -> web.StreamResponse:
    """A page; a count of visits in a cookie; an echo of requests and of websocket messages."""
    name = request.path.rpartition("/")[2]
    match name:
        case "ws":
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            async for message in ws:
                await ws.send_str(message.data)
            return ws
        case "count":
            visits = int(request.cookies.get("visits", 0)) + 1
            response = web.json_response(visits)
            response.headers["Set-Cookie"] = f"visits={visits}; Path=/; HttpOnly"
            return response
        case "echo":
            headers = dict(request.headers)
            return web.json_response({"body": await request.text(), "headers": headers})
        case "module.js":
            return web.Response(text="export const loaded = 1", content_type="text/javascript")
        case "worker.js":
            return web.Response(text="self.x = 1", content_type="text/javascript")
    return web.Response(text=PAGE, content_type="text/html")


def fetched(frame: Frame, path: str, **options: Any) -> Any:
    """The JSON that the page gets from its own server."""
    return frame.evaluate(
        "([path, options]) => fetch(path, options).then(answer => answer.json())", [path, options]
    )


def asks_websocket(frame: Frame) -> str:
    """What comes back through a websocket of the page."""
    return str(
        frame.evaluate(
            """() => new Promise((done, failed) => {
                const ws = new WebSocket(new URL("ws", location.href.replace("http", "ws")));
                ws.onopen = () => ws.send("hello");
                ws.onmessage = event => done(event.data);
                ws.onerror = () => failed("no websocket");
            })"""
        )
    )


@pytest.mark.parametrize("view", VIEWS)
def test_the_page_talks_to_its_own_server(
    lab: Lab, host: Page, socket_path: Path, view: str
) -> None:
    with serve_in_thread(socket_path, application):
        frame = show(host, lab.add(socket_path), view)
        asked = fetched(frame, "echo", method="PUT", body="x", headers={"X-Custom": "1"})
        assert asked["body"] == "x"
        assert asked["headers"]["X-Custom"] == "1"
        assert asked["headers"]["Origin"] == "http://localhost:5006"
        assert asks_websocket(frame) == "hello"
        assert frame.evaluate("() => import('./module.js').then(module => module.loaded)") == 1
        assert not {"Cookie", "Authorization", "Referer"} & set(asked["headers"])


def test_by_path_the_page_has_no_origin(lab: Lab, host: Page, socket_path: Path) -> None:
    with serve_in_thread(socket_path, application):
        frame = show(host, lab.add(socket_path), "path")
        assert frame.evaluate("() => self.origin") == "null"
        for taken in ("document.cookie", "localStorage", "top.document"):
            assert frame.evaluate(f"() => {{ try {{ {taken}; return 0 }} catch {{ return 1 }} }}")


def test_the_applications_cookies_work_in_the_frame(
    lab: Lab, host: Page, profile: BrowserContext, socket_path: Path
) -> None:
    with serve_in_thread(socket_path, application) as seen:
        app_id = lab.add(socket_path)
        frame = show(host, app_id, "origin")
        assert [fetched(frame, "count") for _ in range(3)] == [1, 2, 3]
        frame.evaluate("() => { document.cookie = 'own=1; SameSite=None; Secure; Partitioned' }")
        assert frame.evaluate("() => document.cookie") == "own=1"
        assert sorted(fetched(frame, "echo")["headers"]["Cookie"].split("; ")) == [
            "own=1",
            "visits=3",
        ]
        # In a tab the jar is another one, and cookies are as the application made them.
        tab = profile.new_page()
        tab.goto(f"{lab.url}remote-tunnel/open/{app_id}")
        assert fetched(tab.main_frame, "/count") == 1
        assert all("remote-tunnel" not in request.headers.get("Cookie", "") for request in seen)


def test_a_sibling_application_cannot_use_the_session(
    lab: Lab, host: Page, short_dir: Path
) -> None:
    """Both stand in one Lab, so a request of one to the other carries the cookie; the gate sees."""
    with (
        serve_in_thread(short_dir / "a", application) as seen,
        serve_in_thread(short_dir / "b", application),
    ):
        victim = show(host, lab.add(short_dir / "a"), "origin")
        hostile = show(host, lab.add(short_dir / "b"), "origin")
        before = len(seen)
        for options in ({}, {"method": "POST"}):
            hostile.evaluate(
                """([url, options]) => fetch(url, {mode: "no-cors", credentials: "include",
                                                   ...options})""",
                [victim.url + "count", options],
            )
        refused = hostile.evaluate(
            """url => new Promise(done => {
                const ws = new WebSocket(url.replace("http", "ws") + "ws");
                ws.onopen = () => done(false);
                ws.onerror = () => done(true);
            })""",
            victim.url,
        )
        assert refused
        assert len(seen) == before


@pytest.mark.parametrize("view", VIEWS)
def test_no_service_worker(lab: Lab, host: Page, socket_path: Path, view: str) -> None:
    with serve_in_thread(socket_path, application) as seen:
        frame = show(host, lab.add(socket_path), view)
        failed = frame.evaluate(
            """async () => {
                try { await navigator.serviceWorker.register("worker.js"); return "" }
                catch (error) { return String(error) }
            }"""
        )
        assert failed
        assert not any(request.path.endswith("worker.js") for request in seen)


@pytest.mark.parametrize("view", VIEWS)
def test_a_page_that_is_down_comes_back_by_itself(
    lab: Lab, host: Page, socket_path: Path, view: str
) -> None:
    with serve_in_thread(socket_path, application):
        app_id = lab.add(socket_path)
        frame = show(host, app_id, view)
        lab.change(app_id, state="reconnecting")
        frame.evaluate("() => location.reload()")
        inside = host.frame_locator(f"iframe[name=f{app_id}]")
        expect(inside.get_by_text("This page reloads by itself")).to_be_visible()
        lab.change(app_id, state="open")
        expect(inside.get_by_role("heading", name="application")).to_be_visible()


def test_so_does_the_page_before_the_first_view(lab: Lab, host: Page, socket_path: Path) -> None:
    with serve_in_thread(socket_path, application):
        app_id = lab.add(None, state="connecting")
        show(host, app_id, "origin")
        inside = host.frame_locator(f"iframe[name=f{app_id}]")
        expect(inside.get_by_text("Connecting to user@gpu01")).to_be_visible()
        lab.change(app_id, state="open", bound=str(socket_path))
        expect(inside.get_by_role("heading", name="application")).to_be_visible()


@pytest.mark.parametrize("view", VIEWS)
def test_a_new_tab_cannot_reach_labs_window(
    lab: Lab, host: Page, socket_path: Path, view: str
) -> None:
    with serve_in_thread(socket_path, application):
        url = f"/remote-tunnel/open/{lab.add(socket_path)}?view={view}"
        with host.context.expect_page() as opened:
            host.evaluate("url => { window.open(url) }", url)
        tab = opened.value
        expect(tab.get_by_role("heading", name="application")).to_be_visible()
        assert tab.evaluate("() => window.opener") is None


def test_another_site_cannot_frame_it(lab: Lab, host: Page, short_dir: Path) -> None:
    with (
        serve_in_thread(short_dir / "a", application),
        serve_in_thread(short_dir / "b", application),
    ):
        framed = show(host, lab.add(short_dir / "a"), "origin")
        tab = host.context.new_page()
        tab.goto(f"{lab.url}remote-tunnel/open/{lab.add(short_dir / 'b')}")
        tab.evaluate(
            """url => { const frame = document.createElement("iframe");
                        frame.name = "inner"; frame.src = url; document.body.append(frame) }""",
            framed.url,
        )
        inner = tab.frame_locator("iframe[name=inner]")
        expect(inner.get_by_role("heading", name="application")).to_have_count(0)


@pytest.mark.parametrize("view", VIEWS)
def test_jupyter_is_out_of_reach(lab: Lab, host: Page, socket_path: Path, view: str) -> None:
    with serve_in_thread(socket_path, application) as seen:
        frame = show(host, lab.add(socket_path), view)
        for base in (lab.url, lab.server.url):
            for path in ("api/status", "remote-tunnel/open/x", "lab"):
                failed = frame.evaluate(
                    "url => fetch(url, {credentials: 'include'}).then(() => '', String)",
                    base + path,
                )
                assert failed
        cookies = host.context.cookies(lab.url)
        assert any(cookie["name"].startswith("username-") for cookie in cookies)
        sent = str([list(request.headers.items()) for request in seen])
        assert not [cookie for cookie in cookies if cookie["value"] in sent]
