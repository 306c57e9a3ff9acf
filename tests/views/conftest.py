"""Fixtures for the views: one Jupyter for all, a fresh browser profile for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

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
