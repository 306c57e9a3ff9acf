"""Fixtures for the views: one Jupyter for all, a fresh browser profile for each test.

`browser` is a client that behaves as one; `chromium`, `profile` and `host` are a real one.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import playwright.sync_api
import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.support.process import program
from tests.views.lab import Browser, Lab
from tests.views.lab import lab as run_lab


@pytest.fixture(scope="package")
def lab() -> Iterator[Lab]:
    """A Jupyter Server with a token, on localhost, with the views alone."""
    with run_lab() as running:
        yield running


@pytest.fixture
async def browser(lab: Lab) -> AsyncIterator[Browser]:
    """A browser that has logged in."""
    async with Browser(lab) as profile:
        yield profile


@pytest.fixture
def socket_path(short_dir: Path) -> Path:
    """Where an application may listen."""
    return short_dir / "app.sock"


@pytest.fixture(scope="module")
def chromium() -> Iterator[playwright.sync_api.Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        path = program("chromium")
        # The last of these switches counts. Playwright's own turns the partitioning of storage off,
        # and in a frame of another site there would be none; people have it on.
        args = ["--no-sandbox", "--disable-features=Translate"]
        browser = playwright.chromium.launch(executable_path=path, args=args)
        yield browser
        browser.close()


@pytest.fixture
def profile(chromium: playwright.sync_api.Browser) -> Iterator[BrowserContext]:
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
