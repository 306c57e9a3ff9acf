"""A headless Chromium for the tests of this folder, and a fresh profile for each of them.

The package's own browser is never downloaded: Playwright drives Debian's. It ends with this folder,
because its synchronous interface occupies the thread's event loop.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect, sync_playwright

from tests.support.process import program
from tests.ui.lab import Lab, Scene, scene

_ARGUMENTS = [
    "--no-sandbox",  # the tests may run as root
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
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=program("chromium"), headless=True, args=_ARGUMENTS
        )
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A profile without cookies, which believes self-signed certificates and may use clipboards."""
    with browser.new_context(
        viewport={"width": 1280, "height": 800},
        ignore_https_errors=True,
        permissions=["clipboard-read", "clipboard-write"],
    ) as profile:
        yield profile


@pytest.fixture
def page(context: BrowserContext, pictures: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """An empty page; no script in it may fail. If the test fails, a picture of it is kept."""
    opened = context.new_page()
    errors: list[str] = []

    def keep(error: Error) -> None:
        # Notebook 7.6's own settings fail when it starts, without any extension as well.
        if "/static/notebook/notebook_core" not in (error.stack or ""):
            errors.append(f"{error.message}\n{error.stack}")

    opened.on("pageerror", keep)
    failures = request.session.testsfailed
    yield opened
    if request.session.testsfailed > failures:
        opened.screenshot(path=pictures / f"failed-{request.node.name[:60]}.png")
    assert not errors, errors


@pytest.fixture
def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where screenshots go: the folder of ``--pictures``, else one of the test's own."""
    folder = request.config.getoption("--pictures")
    return Path(folder) if folder else tmp_path


@pytest.fixture(scope="module")
def lab_scene() -> Iterator[Scene]:
    """JupyterLab with a token, on 127.0.0.1."""
    with scene() as running:
        yield running


@pytest.fixture
def lab(page: Page, lab_scene: Scene) -> Iterator[Lab]:
    """`lab_scene` in the browser, logged in, the sidebar in front, no tunnels."""
    yield Lab(page, lab_scene.server).open()
    lab_scene.clear()
