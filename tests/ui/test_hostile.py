"""An application that turns on the Jupyter that shows it: in each view it gets nothing.

`tests.support.hostile_app` tries it from inside. Here we look at what it reports, at what was sent
to its server, and at whether anything of Jupyter's has changed. (A port has no view to test: it is
a byte stream, whose page the browser would give Jupyter's cookies. So nothing leads there.)
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, FrameLocator, Page, expect

from tests.support.hostile_app import HostileApp, hostile_app
from tests.support.http import by_token
from tests.ui.lab import Lab, Scene

_SECRET = "a name that nobody else may learn.txt"


@pytest.fixture
def hostile(lab: Lab, lab_scene: Scene) -> Iterator[HostileApp]:
    """A hostile application that `lab` shows."""
    with hostile_on(lab_scene, *_urls(lab_scene)) as app:
        open_tunnel(lab_scene, f"ssh -NL private:localhost:{app.port} gpu01", "hostile")
        yield app


@contextlib.contextmanager
def hostile_on(scene: Scene, *targets: str) -> Iterator[HostileApp]:
    """A hostile application on the host, which attacks Jupyter at these addresses, and a tunnel
    that it may attack."""
    victim = open_tunnel(scene, f"ssh -NL 0:localhost:{scene.bokeh.port} gpu01", "victim")
    with hostile_app() as app:
        app.targets = list(targets)
        app.victim = str(victim["id"])
        (scene.server.root_dir / _SECRET).write_text("secret")
        yield app


def open_tunnel(scene: Scene, command: str, name: str) -> dict[str, Any]:
    """Open a tunnel; its status."""
    with by_token(scene.server) as http:
        wanted = {"command": command, "name": name}
        answer = http.post("remote-tunnel/api/tunnels", json=wanted).raise_for_status()
    opened: dict[str, Any] = answer.json()["tunnel"]
    return opened


def state_of(scene: Scene) -> dict[str, object]:
    """What an attack would change."""
    with by_token(scene.server) as http:
        tunnels = http.get("remote-tunnel/api/tunnels").json()["tunnels"]
        return {
            "files": sorted(item["name"] for item in http.get("api/contents").json()["content"]),
            "kernels": http.get("api/kernels").json(),
            "sessions": http.get("api/sessions").json(),
            "terminals": http.get("api/terminals").json(),
            "tunnels": [(tunnel["id"], tunnel["state"]) for tunnel in tunnels],
        }


def _urls(scene: Scene) -> list[str]:
    return [scene.server.url_on(host) for host in ("127.0.0.1", "localhost")]


def jupyters_cookies(context: BrowserContext, urls: Sequence[str]) -> dict[str, str]:
    """By domain and name."""
    return {f"{c['domain']} {c['name']}": c["value"] for c in context.cookies(urls)}


def attacked(view: FrameLocator | Page) -> None:
    """Have the application try all it can."""
    view.get_by_role("button", name="attack").click(no_wait_after=True)
    expect(view.locator("#progress")).to_have_text("done", timeout=60_000)


@pytest.mark.parametrize("where", ["frame", pytest.param("tab", marks=pytest.mark.long)])
@pytest.mark.parametrize("view", ["origin", "path"])
def test_it_gets_nothing(
    lab: Lab, lab_scene: Scene, hostile: HostileApp, view: str, where: str
) -> None:
    context = lab.page.context
    before = state_of(lab_scene)
    cookies = jupyters_cookies(context, _urls(lab_scene))
    lab.page.evaluate("window.isStillHere = true")
    address = f"{lab.url}remote-tunnel/open/{_id_of(lab, 'hostile')}?view={view}"

    if where == "tab":
        with context.expect_page() as opened:
            lab.page.evaluate("url => void window.open(url, '_blank')", address)
        attacked(opened.value)
        opened.value.close()
    else:
        frame = lab.show_application("hostile")
        if view == "path":
            # As the tab would be where there is no origin view: the same frame, another sandbox.
            _show_by_path(lab.page, address)
        attacked(frame)

    gains = hostile.gains()
    if view == "origin":
        # A worker for its own origin is its own affair: it never hears of Jupyter's.
        assert not [got for name, got in gains.items() if name.startswith("service worker")]
    assert gains == {}
    assert lab.page.evaluate("window.isStillHere") is True
    expect(lab.sidebar).to_be_visible()
    assert state_of(lab_scene) == before
    assert jupyters_cookies(context, _urls(lab_scene)) == cookies
    has_seen_no_secret(hostile, lab_scene, cookies)
    framed = [f for f in lab.page.frames if f.parent_frame and re.search(r"/lab\b", f.url)]
    assert framed == []
    # Still logged in, and no worker stands between the browser and Jupyter.
    assert lab.page.evaluate("url => fetch(url).then(r => r.status)", f"{lab.url}api/status") == 200
    workers = "navigator.serviceWorker.getRegistrations().then(found => found.length)"
    assert lab.page.evaluate(workers) == 0


def _id_of(lab: Lab, name: str) -> str:
    return str(lab.row(name).get_attribute("data-tunnel"))


def _show_by_path(page: Page, address: str) -> None:
    page.locator('iframe[title="hostile"]').evaluate(
        """(frame, address) => new Promise(loaded => {
            frame.addEventListener('load', loaded, { once: true });
            frame.sandbox = 'allow-scripts allow-forms allow-popups allow-downloads';
            frame.src = address;
        }).then(() => null)""",
        address,
    )


def has_seen_no_secret(hostile: HostileApp, scene: Scene, cookies: dict[str, str]) -> None:
    """What its server was sent."""
    assert hostile.requests
    secrets = [scene.server.token, *(value for value in cookies.values() if value)]
    for path, headers in hostile.requests:
        for secret in secrets:
            assert secret not in path
            assert secret not in str(headers)
    assert hostile.headers_seen("authorization") == []
    assert hostile.headers_seen("x-xsrftoken") == []
    sent = "; ".join(hostile.headers_seen("cookie")).split("; ")
    # What it is sent under the names of Jupyter's it has set for its own host.
    assert not [one for one in sent if "username-" in one and not one.endswith("=evil")]


def test_a_port_would_give_it_jupyters_cookies(page: Page, lab_scene: Scene) -> None:
    """What the views are for, and that the attacks above are no empty ones.

    It is sent the login cookie and replaces it by its own. Even so it cannot act in Jupyter, which
    checks where a request comes from.
    """
    Lab(page, lab_scene.server).log_in("api/me")
    page.wait_for_url("**/api/me")
    try:
        with hostile_on(lab_scene, *_urls(lab_scene)) as hostile:
            port = open_tunnel(lab_scene, f"ssh -NL 0:localhost:{hostile.port} gpu01", "port")
            before = state_of(lab_scene)
            cookies = jupyters_cookies(page.context, _urls(lab_scene))
            unsafe = page.context.new_page()
            unsafe.goto(f"http://{port['forwards'][0]['bound']}/")
            attacked(unsafe)
            unsafe.close()
            login = next(value for name, value in cookies.items() if "username-" in name)
            assert login in str(hostile.headers_seen("cookie"))
            assert jupyters_cookies(page.context, _urls(lab_scene)) != cookies
            assert state_of(lab_scene) == before
    finally:
        lab_scene.clear()


def test_nothing_leads_to_a_port_with_jupyters_cookies(lab: Lab, lab_scene: Scene) -> None:
    """The row of a TCP forward opens a view, and its address is text, not a link."""
    row = lab.add(f"ssh -NL 0:localhost:{lab_scene.bokeh.port} gpu01", "plot")
    expect(row.get_by_role("link")).to_have_count(0)
    with lab.page.context.expect_page() as opened:
        row.get_by_role("button", name="Open plot in the browser").click()
    opened.value.wait_for_load_state()
    assert f":{lab.port('plot')}/" not in opened.value.url
    opened.value.close()
