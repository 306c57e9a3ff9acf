"""The same first tunnel on the other servers that people run: password only, HTTPS, a base URL,
Notebook 7."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.bokeh_app import BokehApp, bokeh_app
from tests.support.ports import ReservedPort
from tests.ui.conftest import no_faults, pictured, profile
from tests.ui.lab import Lab, Scene, picture, scene, works

HTTPS = pytest.param({"https": True, "password": "correct horse"}, id="https")


@pytest.fixture(
    scope="module",
    params=[
        # One server for both, as each takes its time to start.
        pytest.param({"password": "correct horse", "base_url": "/user/ada/"}, id="password"),
        HTTPS,
        pytest.param({"base_url": "/user/ada/"}, id="base_url", marks=pytest.mark.long),
    ],
)
def other_scene(request: pytest.FixtureRequest, shared_app: BokehApp) -> Iterator[Scene]:
    """JupyterLab on another kind of server."""
    with scene(shared_app, **request.param) as running:
        yield running


@pytest.fixture(scope="module")
def other_lab(browser: Browser, other_scene: Scene) -> Iterator[Lab]:
    """A page of it, for all tests."""
    with profile(browser) as context:
        yield Lab(context.new_page(), other_scene.server).open()


@pytest.fixture
def lab(
    other_lab: Lab, other_scene: Scene, pictures: Path, request: pytest.FixtureRequest
) -> Iterator[Lab]:
    """The same, without tunnels."""
    with no_faults(other_lab.page), pictured(other_lab.page, pictures, request):
        yield other_lab
    other_scene.clear()
    other_lab.close_applications()


def test_a_tunnel_is_opened_used_and_closed(lab: Lab, other_scene: Scene) -> None:
    _first_tunnel(lab, other_scene)
    frame = lab.show_application("plot")
    if other_scene.server.certificate:
        expect(frame.get_by_role("heading")).to_contain_text("does not serve this path")
    else:
        expect(frame.locator(".bk-Figure canvas").first).to_be_visible(timeout=30_000)
    lab.close("plot")


@pytest.mark.parametrize("other_scene", [HTTPS], indirect=True)
def test_the_path_view_says_which_prefix_it_needs_and_works_with_it(lab: Lab) -> None:
    """There is no other view over HTTPS."""
    with ReservedPort() as port:
        with bokeh_app(port=port.number):
            lab.add(f"ssh -NL private:localhost:{port.number} gpu01", "plot")
            frame = lab.show_application("plot")
            expect(frame.get_by_role("heading")).to_contain_text("does not serve this path")
            wanted = frame.locator("pre").inner_text()
        prefix = wanted.rpartition(" ")[2]
        assert wanted == f"bokeh serve app.py --prefix {prefix}"
        with bokeh_app(port=port.number, prefix=prefix):
            lab.page.get_by_role("button", name="Reload this application").click()
            works(frame)
            where = frame.locator("html").evaluate("() => [location.pathname, self.origin]")
            assert where == [f"{prefix}/app", "null"]


def test_notebook_7_has_the_sidebar_and_opens_in_the_browser(
    page: Page, pictures: Path, shared_app: BokehApp
) -> None:
    with scene(shared_app, "notebook") as running:
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
        lab.sidebar.get_by_role("button", name="Diagnose the way to gpu01").click()
        report = page.get_by_role("region", name="Diagnosis of gpu01")
        expect(report.get_by_role("status")).to_contain_text("Nothing failed.")
        box = report.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) > 200
        picture(page, pictures, "diagnosis-notebook")
        page.get_by_role("tab", name="Running").click()
        expect(page.locator("#jp-running-sessions-tree")).to_contain_text("SSH tunnels")
        lab.close("plot")


def _first_tunnel(lab: Lab, scene: Scene) -> None:
    lab.add(f"ssh -NL 0:localhost:{scene.bokeh.port} gpu01", "plot")
    with urllib.request.urlopen(f"http://127.0.0.1:{lab.port('plot')}/app", timeout=20) as answer:
        assert b"remote plot" in answer.read()
