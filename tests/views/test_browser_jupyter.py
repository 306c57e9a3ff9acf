"""A real Jupyter as the remote application: a person logs in, runs a cell and uses a terminal.

In `make test` a person does that in JupyterLab: `tests/ui/test_jupyters.py`.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from tests.support.jupyter import Jupyter, jupyter
from tests.support.process import wait_until
from tests.views.lab import Lab
from tests.views.pages import show

PASSWORD = "of the remote host"


@pytest.fixture
def remote() -> Iterator[Jupyter]:
    """JupyterLab with a password, as somebody runs it on a remote host."""
    with jupyter("lab", password=PASSWORD, extension=False) as server:
        yield server


def jupyters_cookies(page: Page, lab: Lab) -> dict[str, str]:
    return {str(c.get("name")): str(c.get("value")) for c in page.context.cookies(lab.url)}


def shown(host: Page, url: str, app_id: str, where: str) -> FrameLocator | Page:
    """The first page of the application, in a frame or in a tab of the browser."""
    if where == "frame":
        frame = show(host, app_id, "origin", "#password_input")
        return host.frame_locator(f"iframe[name={frame.name}]")
    tab = host.context.new_page()
    tab.goto(f"{url}remote-tunnel/open/{app_id}")
    return tab


@pytest.mark.parametrize("where", ["frame", pytest.param("tab", marks=pytest.mark.long)])
def test_a_person_works_in_a_remote_jupyter(
    lab: Lab, host: Page, remote: Jupyter, where: str
) -> None:
    app_id = lab.add(f"127.0.0.1:{remote.port}", destination=f"localhost:{remote.port}")
    before = jupyters_cookies(host, lab)
    there = shown(host, lab.url, app_id, where)
    keyboard = there.keyboard if isinstance(there, Page) else host.keyboard

    there.locator("#password_input").fill(PASSWORD)
    there.get_by_role("button", name="Log in").click()
    cards = there.locator(".jp-LauncherCard")
    cards.filter(has_text="ipykernel").first.click(timeout=60_000)
    expect(there.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
    cell = there.locator(".jp-Notebook .cm-content").first
    cell.click()
    keyboard.type("print(6 * 7)")
    expect(cell).to_have_text("print(6 * 7)")
    keyboard.press("Shift+Enter")
    output = there.locator(".jp-OutputArea-output").get_by_text("42", exact=True)
    expect(output).to_be_visible(timeout=60_000)

    for item in ("File", "New", "Terminal"):
        menu = ".lm-MenuBar-itemLabel" if item == "File" else ".lm-Menu-itemLabel"
        there.locator(menu).get_by_text(item, exact=True).click()
    there.locator(".jp-Terminal .xterm").click()
    made = remote.root_dir / f"made in a {where}"
    keyboard.type(f"touch '{made}'\n")
    wait_until(made.exists, "what the terminal was told")

    assert jupyters_cookies(host, lab) == before
    assert host.evaluate("() => fetch('/api/status').then(answer => answer.status)") == 200
