"""The same first tunnel on the other servers that people run: password only, HTTPS, a base URL,
Notebook 7."""

import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.ui.lab import Lab, Scene, scene


@pytest.fixture(
    scope="module",
    params=[
        pytest.param({"password": "correct horse"}, id="password"),
        pytest.param({"https": True, "password": "correct horse"}, id="https"),
        pytest.param({"base_url": "/user/ada/"}, id="base_url"),
    ],
)
def other_scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """JupyterLab on another kind of server."""
    with scene(**request.param) as running:
        yield running


def test_a_tunnel_is_opened_used_and_closed(page: Page, other_scene: Scene) -> None:
    lab = Lab(page, other_scene.server).open()
    _first_tunnel(lab, other_scene)
    frame = lab.show_application("plot")
    if other_scene.server.certificate:
        expect(frame.get_by_role("heading")).to_contain_text("does not serve this path")
    else:
        expect(frame.locator(".bk-Figure canvas").first).to_be_visible(timeout=30_000)
    lab.close("plot")
    other_scene.clear()


def test_notebook_7_has_the_sidebar_and_opens_in_the_browser(page: Page) -> None:
    with scene("notebook") as running:
        lab = Lab(page, running.server)
        lab.log_in("tree")
        expect(page.get_by_role("tab", name="Files")).to_be_visible(timeout=60_000)
        lab.run_command("Show SSH Tunnels")
        expect(lab.sidebar).to_be_visible()
        _first_tunnel(lab, running)
        with page.context.expect_page() as opened:
            lab.row("plot").get_by_role("button", name="Open plot in the browser").click()
        expect(opened.value.locator(".bk-Figure canvas").first).to_be_visible(timeout=30_000)
        opened.value.close()
        page.get_by_role("tab", name="Running").click()
        expect(page.locator("#jp-running-sessions-tree")).to_contain_text("SSH tunnels")
        lab.close("plot")


def _first_tunnel(lab: Lab, scene: Scene) -> None:
    lab.add(f"ssh -NL 0:localhost:{scene.bokeh.port} gpu01", "plot")
    with urllib.request.urlopen(f"http://127.0.0.1:{lab.port('plot')}/app", timeout=20) as answer:
        assert b"remote plot" in answer.read()
