"""`open/<id>`: behind the login, and its pages for what cannot be shown."""

from pathlib import Path

import pytest

from jupyter_remote_tunnel.server.views.gate import LOOK
from tests.views.backend import serve
from tests.views.lab import Browser, Lab
from tests.views.lab import lab as run_lab

ERROR = {
    "code": "connect_failed",
    "message": "gpu01 <refused> the connection",
    "hint": "Is it up?",
    "hop": None,
}


def url(lab: Lab, app_id: str, query: str = "") -> str:
    return f"{lab.url}remote-tunnel/open/{app_id}{query}"


async def test_without_a_login_it_goes_to_the_login_page(lab: Lab) -> None:
    browser = Browser(lab)
    async with browser.get(url(lab, lab.add("/x"))) as response:
        assert response.status == 302
        assert response.headers["Location"].startswith("/login?next=%2Fremote-tunnel%2Fopen")
    await browser.http.close()


async def test_it_severs_the_new_page_from_lab(browser: Browser) -> None:
    async with browser.get(url(browser.lab, browser.lab.add("/x"))) as response:
        assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert response.headers["Cache-Control"] == "no-store"


async def test_an_unknown_one(browser: Browser) -> None:
    async with browser.get(url(browser.lab, "0123456789ab")) as response:
        assert response.status == 404
        text = await response.text()
    assert "There is no such application" in text
    assert "Open one again" in text
    assert "0123456789ab" not in text  # means nothing to a person


@pytest.mark.parametrize(
    ("host", "offered"),
    [("localhost", True), ("127.0.0.1", True), ("[::1]", False), ("127.0.0.2", False)],
)
async def test_an_origin_of_its_own_by_labs_host_name(
    browser: Browser, host: str, offered: bool
) -> None:
    port = browser.lab.server.port
    headers = {"Host": f"{host}:{port}", "Authorization": f"token {browser.lab.server.token}"}
    there = url(browser.lab, browser.lab.add("/x"), "?view=origin")
    async with browser.get(there, headers=headers) as response:
        assert response.status == (303 if offered else 409)


async def test_an_unknown_view(browser: Browser) -> None:
    async with browser.get(url(browser.lab, browser.lab.add("/x"), "?view=magic")) as response:
        assert response.status == 400


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("connecting", "Connecting to user@gpu01"),
        ("reconnecting", "was lost; it is being restored"),
        ("waiting_for_user", "waits for an answer from you"),
        ("failed", "has failed"),
        ("closing", "is not open"),
    ],
)
async def test_a_tunnel_that_is_down(browser: Browser, state: str, words: str) -> None:
    app_id = browser.lab.add(None, state=state, error=ERROR, name="plots\u202e<i>")
    async with browser.get(url(browser.lab, app_id)) as response:
        assert response.status == 503
        text = await response.text()
        policy = response.headers.getall("Content-Security-Policy")[-1]
    assert words in text
    assert "gpu01 &lt;refused&gt; the connection" in text
    assert "Is it up?" in text
    assert "plots &lt;i&gt;" in text
    assert policy.startswith("default-src 'none'; style-src 'nonce-")


async def test_a_view_of_a_tunnel_that_went_down(browser: Browser, socket_path: Path) -> None:
    app_id = browser.lab.add(socket_path)
    async with serve(socket_path):
        view = await browser.open(app_id)
        browser.lab.change(app_id, state="reconnecting", error=ERROR)
        async with browser.get(view, headers={"Accept": "text/html"}) as response:
            assert response.status == 503
            assert "&lt;refused&gt;" in await response.text()
        async with browser.http.head(view, headers={"Accept": "text/html"}) as response:
            assert response.status == 503
        # A script's request waits in the engine; a program that is refused gets plain words.
        async with browser.get(view) as response:
            assert response.status == 200
        browser.lab.change(app_id, state="failed", bound=None)
        async with browser.get(view) as response:
            assert response.status == 503
            assert response.headers["Content-Type"].startswith("text/plain")
            assert "gpu01 <refused> the connection" in await response.text()


async def look(browser: Browser, url: str) -> int:
    """What a waiting page at `url` is answered."""
    async with browser.http.head(url, headers={"Accept": LOOK}, allow_redirects=False) as response:
        assert response.headers["Cache-Control"] == "no-store"
        return response.status


@pytest.mark.parametrize("view", ["origin", "path"])
async def test_a_waiting_page_is_told_without_an_error_that_it_can_go(
    browser: Browser, socket_path: Path, view: str
) -> None:
    app_id = browser.lab.add(socket_path)
    there = await browser.open(app_id, view)
    assert await look(browser, there) == 202  # nothing listens
    async with serve(socket_path) as seen:
        for state in ("reconnecting", "connecting"):
            browser.lab.change(app_id, state=state)
            assert await look(browser, there) == 202
        assert not seen
        browser.lab.change(app_id, state="open")
        assert await look(browser, there) == 204
    browser.lab.remove(app_id)
    assert await look(browser, there) == 404  # as for whoever asks


async def test_so_is_the_page_before_the_first_view(browser: Browser, socket_path: Path) -> None:
    app_id = browser.lab.add(None, state="connecting")
    there = url(browser.lab, app_id)
    assert await look(browser, there) == 202
    browser.lab.change(app_id, state="open", bound=str(socket_path))
    assert await look(browser, there) == 204


async def test_whoever_waits_for_a_sandboxed_page_waits_there(browser: Browser) -> None:
    """With the capability: to a page in a sandboxed frame Jupyter's cookies are not sent."""
    app_id = browser.lab.add(None, state="connecting")
    view = await browser.open(app_id, "path")
    async with browser.get(view, headers={"Accept": "text/html"}) as response:
        assert response.status == 503
        assert "Connecting to user@gpu01" in await response.text()


async def test_a_refused_destination(browser: Browser, socket_path: Path) -> None:
    refused = {**ERROR, "code": "forward_refused", "message": "localhost:5006 on gpu01 refused"}
    app_id = browser.lab.add(socket_path)
    view = await browser.open(app_id)
    browser.lab.change(app_id, error=refused)
    async with browser.get(view, headers={"Accept": "text/html"}) as response:
        assert response.status == 502
        text = await response.text()
    assert "Nothing answers at localhost:5006 on user@gpu01" in text
    assert "localhost:5006 on gpu01 refused" in text
    async with browser.get(await browser.open(app_id, "path")) as response:
        assert response.status == 502


async def test_who_may_not_open_tunnels_may_not_see_through_them(socket_path: Path) -> None:
    """An authorizer that says no."""
    with run_lab(authorizer_class="tests.views.extension.ReadOnly") as running:
        app_id = running.add(socket_path)
        async with Browser(running) as browser, browser.get(url(running, app_id)) as response:
            assert response.status == 403
