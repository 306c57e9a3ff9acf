"""What only a browser can show: a real Chromium with a page of ours that frames an application.

The page is one of Jupyter's own (any that is not found), so the frame stands where JupyterLab's do.
"""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from tests.support.process import wait_until
from tests.views.backend import serve_in_thread
from tests.views.lab import Lab
from tests.views.pages import application, asks_websocket, fetched, show

VIEWS = ["origin", "path"]


def waits_quietly(page: Page) -> None:
    """A waiting page has asked again whether it can go, and the browser finds no fault in it."""
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("warning", "error"):
            said.append(message.text)

    _looks(page)  # that the page itself came with status 503 has been said by now
    page.on("console", hear)
    _looks(page)
    page.remove_listener("console", hear)
    assert said == []


def _looks(page: Page) -> None:
    with page.expect_response(lambda answer: answer.request.method == "HEAD") as answer:
        pass
    assert answer.value.status == 202


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


@pytest.mark.parametrize("view", ["origin", pytest.param("path", marks=pytest.mark.long)])
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
        waits_quietly(host)
        lab.change(app_id, state="open")
        expect(inside.get_by_role("heading", name="application")).to_be_visible(timeout=20_000)


@pytest.mark.parametrize("view", [pytest.param("origin", marks=pytest.mark.long), "path"])
def test_so_does_the_page_before_the_first_view(
    lab: Lab, host: Page, socket_path: Path, view: str
) -> None:
    with serve_in_thread(socket_path, application):
        app_id = lab.add(None, state="connecting")
        show(host, app_id, view)
        inside = host.frame_locator(f"iframe[name=f{app_id}]")
        expect(inside.get_by_text("Connecting to user@gpu01")).to_be_visible()
        waits_quietly(host)
        lab.change(app_id, state="open", bound=str(socket_path))
        expect(inside.get_by_role("heading", name="application")).to_be_visible(timeout=20_000)


_IMPATIENT = """
const real = setTimeout;
window.pauses = [];
window.setTimeout = (call, pause) => { pauses.push(pause); return real(call, 0); };
"""


@pytest.mark.parametrize("view", VIEWS)
def test_it_asks_less_and_less_often(lab: Lab, host: Page, view: str) -> None:
    host.add_init_script(_IMPATIENT)
    frame = show(host, lab.add(None, state="reconnecting"), view)
    # The frame may come into view a moment after its page does: that begins anew.
    last = "pauses.slice(pauses.lastIndexOf(1000))"
    frame.wait_for_function(f"() => {last}.length > 7")
    seconds = [pause / 1000 for pause in frame.evaluate(f"() => {last}.slice(0, 7)")]
    assert seconds == [1, 2, 4, 8, 16, 30, 30]


_HIDE_FRAME = "hidden => { document.querySelector('iframe').style.display = hidden ? 'none' : '' }"
_HIDE_PAGE = """hidden => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.mark.parametrize(
    ("tab_of", "view"),
    [
        ("JupyterLab", "origin"),
        ("the browser", "path"),
        pytest.param("JupyterLab", "path", marks=pytest.mark.long),
        pytest.param("the browser", "origin", marks=pytest.mark.long),
    ],
)
def test_it_asks_nothing_while_nobody_sees_it_and_at_once_when_somebody_does(
    lab: Lab, host: Page, view: str, tab_of: str
) -> None:
    host.add_init_script(_IMPATIENT)
    frame = show(host, lab.add(None, state="reconnecting"), view)
    looks: list[str] = []
    host.on("request", lambda request: looks.append(request.method))

    def rests() -> bool:
        before = len(looks)
        host.wait_for_timeout(500)  # it asks dozens of times in that, if it does not rest
        return len(looks) == before

    def hide(hidden: bool) -> None:
        if tab_of == "JupyterLab":
            host.evaluate(_HIDE_FRAME, hidden)
        else:
            frame.evaluate(_HIDE_PAGE, hidden)

    assert not rests()
    hide(True)
    wait_until(rests, "the page's rest")
    frame.evaluate("() => { pauses.length = 0 }")
    with host.expect_request(lambda request: request.method == "HEAD"):
        hide(False)
    frame.wait_for_function("() => pauses.length > 0")
    assert frame.evaluate("() => pauses[0]") == 1000


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
