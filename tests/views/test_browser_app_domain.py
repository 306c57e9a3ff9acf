"""The origin view below a domain in DNS, in a real browser that comes by https: what passes between
Jupyter and an application, and between two applications."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import playwright.sync_api
import pytest
from playwright.sync_api import BrowserContext, Frame, Page

from jupyter_remote_tunnel.model.app_domain import AppDomain
from tests.support.chromium import chromium as run_chromium
from tests.support.nginx import nginx
from tests.views.backend import serve_in_thread
from tests.views.lab import lab
from tests.views.pages import application, asks_websocket, fetched, show
from tests.views.test_app_domain import APPS, DOMAIN, NAME, Public
from tests.views.test_browser_cookies import in_place
from tests.views.test_browser_popups import opens

# Of one owner, as browsers see it: its parent is no public suffix.
SIBLING = "x.apps.example.test"


@pytest.fixture(scope="module")
def chromium() -> Iterator[playwright.sync_api.Browser]:
    """One whose DNS leads all names below `test` here."""
    with run_chromium("--host-resolver-rules=MAP *.test 127.0.0.1") as browser:
        yield browser


@pytest.fixture(scope="module")
def public() -> Iterator[Public]:
    names = ["localhost", NAME]
    with (
        lab(app_domain=DOMAIN, trust_xheaders=True, local_hostnames=names) as running,
        nginx(NAME, f"*.{APPS}", upstream=f"127.0.0.1:{running.server.port}") as web,
    ):
        yield Public(running, web)


@pytest.fixture
def profile(chromium: playwright.sync_api.Browser, public: Public) -> Iterator[BrowserContext]:
    """A profile that has logged in by Jupyter's public name."""
    with chromium.new_context(ignore_https_errors=True) as context:
        page = context.new_page()
        page.goto(f"{public.url}login?next=/nothing")
        page.get_by_role("textbox").first.fill(public.lab.server.token)
        page.get_by_role("button", name="Log in", exact=True).click()
        page.wait_for_url("**/nothing")
        yield context


@pytest.fixture
def host(profile: BrowserContext, public: Public) -> Page:
    """A page of Jupyter's."""
    page = profile.new_page()
    page.goto(f"{public.url}nothing")
    assert page.evaluate("() => fetch('/api/status').then(answer => answer.status)") == 200
    return page


def jupyters(profile: BrowserContext, public: Public) -> dict[str, str]:
    return {c["name"]: c["value"] for c in profile.cookies(public.url)}


def sets(page: Page | Frame, cookies: list[str]) -> None:
    # Chromium sets one behind the back of those who ask the browser; not of those who ask the page.
    script = "texts => { for (const text of texts) document.cookie = text; return document.cookie }"
    page.evaluate(script, cookies)


def test_the_page_talks_to_its_own_server(public: Public, host: Page, socket_path: Path) -> None:
    with serve_in_thread(socket_path, application) as seen:
        frame = show(host, public.lab.add(socket_path), "origin")
        assert asks_websocket(frame) == "hello"
        assert [fetched(frame, "count") for _ in range(3)] == [1, 2, 3]
        # By which a browser that tells no more is known to load them for this page.
        assert fetched(frame, "echo")["headers"]["Referer"] == "http://localhost:5006/"
        tab = opens(frame, "link noopener noreferrer")
        tab.get_by_role("heading", name="application").wait_for()
        assert tab.url == f"{frame.url}deep/er?x=1&y=%20#there"
        assert all("remote-tunnel" not in request.headers.get("Cookie", "") for request in seen)


@pytest.mark.parametrize("where", ["frame", "tab"])
def test_no_cookie_passes_between_jupyter_and_an_application(
    public: Public, host: Page, profile: BrowserContext, socket_path: Path, where: str
) -> None:
    with serve_in_thread(socket_path, application) as seen:
        sets(host, ["wide=from-jupyter; Domain=example.test", "own=from-jupyter"])
        before = jupyters(profile, public)
        assert {"_xsrf", "wide", "own"} < before.keys()
        frame = in_place(where, host, public.lab.add(socket_path))
        domains = [NAME, "example.test", "test", "other.test", APPS]
        kinds = ["", "; SameSite=None; Secure", "; SameSite=None; Secure; Partitioned"]
        tossed = [f"{one}=evil; Path=/; Domain={domain}" for one in before for domain in domains]
        sets(frame, [text + kind for text in tossed for kind in kinds])
        assert jupyters(profile, public) == before
        assert host.evaluate("() => fetch('/api/status').then(answer => answer.status)") == 200
        sent = str([list(request.headers.items()) for request in seen])
        assert not [value for value in before.values() if value in sent]


def test_applications_can_give_one_another_cookies_but_none_of_ours(
    public: Public, host: Page, profile: BrowserContext, short_dir: Path
) -> None:
    """Which is why a cookie that lets in is for its very host, and what the documentation says."""
    with (
        serve_in_thread(short_dir / "a", application) as seen,
        serve_in_thread(short_dir / "b", application),
    ):
        victim = show(host, public.lab.add(short_dir / "a"), "origin")
        hostile = show(host, public.lab.add(short_dir / "b"), "origin")
        ours = f"__Host-remote-tunnel-{public.web.port}"
        end = f"Path=/; Domain={APPS}; SameSite=None; Secure; Partitioned"
        sets(hostile, [f"tossed=1; {end}", f"{ours}=evil; {end}"])
        assert fetched(victim, "echo")["headers"]["Cookie"] == "tossed=1"
        held = [c for c in profile.cookies(victim.url) if c["name"] == ours]
        assert held
        assert all(c["value"] != "evil" for c in held)
        # It is refused as any other site is.
        before = len(seen)
        hostile.evaluate(
            "url => fetch(url, {mode: 'no-cors', credentials: 'include', method: 'POST'})",
            victim.url + "count",
        )
        assert len(seen) == before


@pytest.mark.parametrize(
    ("page", "domain", "name"),
    [
        (SIBLING, "example.test", NAME),
        (SIBLING, "apps.example.test", "jupyter.apps.example.test"),
        (SIBLING, "apps.example.test", "apps.example.test"),
        (f"x.{APPS}", "test", NAME),
        (f"x.{APPS}", "example.test", NAME),
        ("x.apps.co.uk", "co.uk", "jupyter.co.uk"),
        ("x.apps.github.io", "github.io", "jupyter.github.io"),
    ],
)
def test_browsers_give_cookies_to_whom_we_think(
    chromium: playwright.sync_api.Browser, page: str, domain: str, name: str
) -> None:
    """`AppDomain.is_apart` against the browser's own list; the one says what is refused."""
    suffixes = ["co.uk", "github.io"]
    apps = AppDomain.parse(f"{{id}}.{page.partition('.')[2]}", suffixes)
    with chromium.new_context() as context:
        opened = context.new_page()
        with contextlib.ExitStack() as stack:
            stack.callback(opened.unroute_all)
            opened.route("**", lambda route: route.fulfill(body="<!doctype html>"))
            opened.goto(f"https://{page}/")
            sets(opened, [f"tossed=1; Domain={domain}; Secure"])
            sent = context.cookies(f"https://{name}/")
    assert bool(sent) == (not apps.is_apart(name))
