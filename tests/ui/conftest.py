"""A headless Chromium for the tests of this folder, and a fresh profile for each of them.

It ends with this folder, because its synchronous interface occupies the thread's event loop.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect

from tests.support.bokeh_app import BokehApp
from tests.support.chromium import chromium
from tests.ui.lab import Lab, Scene, scene

PUBLISHED_NAME = "jupyter.example.test"
"""A name that leads the browser to this machine."""
APPS = "apps.other.test"
"""All names below do, too."""

_ARGUMENTS = [
    f"--host-resolver-rules=MAP {PUBLISHED_NAME} 127.0.0.1, MAP *.{APPS} 127.0.0.1",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# A busy machine is no failure; nothing waits for as long as this if all is well.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with chromium(*_ARGUMENTS) as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A profile without cookies, which believes self-signed certificates and may use clipboards."""
    with profile(browser) as made:
        yield made


def profile(browser: Browser) -> BrowserContext:
    """Such a profile."""
    return browser.new_context(
        viewport={"width": 1280, "height": 800},
        color_scheme="null",  # else every frame is told to be light, whatever JupyterLab says
        ignore_https_errors=True,
        permissions=["clipboard-read", "clipboard-write"],
    )


@pytest.fixture
def page(context: BrowserContext, pictures: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """An empty page; no script in it may fail. If the test fails, a picture of it is kept."""
    with faultless(context) as opened, pictured(opened, pictures, request):
        yield opened


@contextlib.contextmanager
def faultless(context: BrowserContext) -> Iterator[Page]:
    """An empty page, in which no script may fail."""
    page = context.new_page()
    with no_faults(page):
        yield page


@contextlib.contextmanager
def no_faults(page: Page) -> Iterator[None]:
    """No script of the page may fail in the block."""
    errors: list[str] = []

    def keep(error: Error) -> None:
        # Notebook 7.6's own settings fail when it starts, without any extension as well. Bokeh's
        # client, in the frame of its application, may send before its websocket is open.
        others = ("/static/notebook/notebook_core", "/static/js/bokeh.min.js")
        if not any(other in (error.stack or "") for other in others):
            errors.append(f"{error.message}\n{error.stack}")

    page.on("pageerror", keep)
    yield
    page.remove_listener("pageerror", keep)
    assert not errors, errors


@contextlib.contextmanager
def pictured(page: Page, pictures: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep a picture of the page if the test fails."""
    failures = request.session.testsfailed
    yield
    if request.session.testsfailed > failures:
        page.screenshot(path=pictures / f"failed-{request.node.name[:60]}.png")


@pytest.fixture
def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where screenshots go: the folder of ``--pictures``, else one of the test's own."""
    folder = request.config.getoption("--pictures")
    return Path(folder) if folder else tmp_path


@pytest.fixture(scope="package")
def lab_scene(shared_app: BokehApp) -> Iterator[Scene]:
    """JupyterLab with a token, on 127.0.0.1."""
    with scene(shared_app) as running:
        yield running


@pytest.fixture(scope="package")
def kept_lab(browser: Browser, lab_scene: Scene) -> Iterator[Lab]:
    """A page of `lab_scene` for all tests of the folder: to load it takes longer than most."""
    with profile(browser) as context:
        page = context.new_page()
        with no_faults(page):
            lab = Lab(page, lab_scene.server).open()
        yield lab


@pytest.fixture
def lab(
    kept_lab: Lab, lab_scene: Scene, pictures: Path, request: pytest.FixtureRequest
) -> Iterator[Lab]:
    """`lab_scene` in the browser, logged in, the sidebar in front, no tunnels.

    Tests share the page, and leave it as they found it but for tunnels, applications, hosts of the
    bed, and other pages.
    """
    failures = request.session.testsfailed
    with lab_scene.bed.guests(), no_faults(kept_lab.page):
        with pictured(kept_lab.page, pictures, request):
            yield kept_lab
        for page in kept_lab.page.context.pages:
            if page != kept_lab.page:
                page.close()
        lab_scene.clear()
        if request.session.testsfailed > failures:
            kept_lab.reopen()
        kept_lab.close_applications()
        expect(kept_lab.dialog).to_be_hidden()
        expect(kept_lab.sidebar.locator(".jp-RemoteTunnel-tunnel")).to_have_count(0)


@pytest.fixture
def fresh_lab(page: Page, lab_scene: Scene) -> Iterator[Lab]:
    """The same in a page and a profile of the test's own."""
    yield Lab(page, lab_scene.server).open()
    lab_scene.clear()
