"""Fixtures for the views: one Jupyter for all, a fresh browser profile for each test.

`browser` is a client that behaves as one; `chromium`, `profile` and `host` are a real one.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import playwright.sync_api
import pytest
from playwright.sync_api import BrowserContext, Page, StorageState

from tests.support.chromium import chromium as run_chromium
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
    with run_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def login(chromium: playwright.sync_api.Browser, lab: Lab) -> StorageState:
    """What a profile keeps of a login to Jupyter: the form is sent without a page for it."""
    with chromium.new_context() as context:
        url = f"{lab.url}login?next=/nothing"
        context.request.get(url)
        (xsrf,) = (c.get("value", "") for c in context.cookies(url) if c.get("name") == "_xsrf")
        form: dict[str, str | float | bool] = {"password": lab.server.token, "_xsrf": xsrf}
        answer = context.request.post(url, form=form)
        assert answer.url == f"{lab.url}nothing", answer.status_text
        return context.storage_state()


@pytest.fixture
def profile(chromium: playwright.sync_api.Browser, login: StorageState) -> Iterator[BrowserContext]:
    """A profile with no cookies but those of a login."""
    with chromium.new_context(storage_state=login) as context:
        yield context


@pytest.fixture
def host(profile: BrowserContext, lab: Lab) -> Page:
    """A page of Jupyter's, logged in."""
    page = profile.new_page()
    page.goto(f"{lab.url}nothing")
    return page
