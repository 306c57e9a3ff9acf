"""What a person does in a JupyterLab that stands in a page, or in a frame of one."""

import filecmp
from pathlib import Path

from playwright.sync_api import FrameLocator, Page, expect

from tests.support.process import wait_until


def runs_a_cell(page: Page, there: Page | FrameLocator) -> None:
    """A kernel of the host answers, over a websocket."""
    cards = there.locator(".jp-LauncherCard")
    cards.filter(has_text="ipykernel").first.click(timeout=60_000)
    expect(there.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
    cell = there.locator(".jp-Notebook .cm-content").first
    cell.click()
    page.keyboard.type("print(6 * 7)")
    expect(cell).to_have_text("print(6 * 7)")
    page.keyboard.press("Shift+Enter")
    output = there.locator(".jp-OutputArea-output").get_by_text("42", exact=True)
    expect(output).to_be_visible(timeout=60_000)


def uses_a_terminal(page: Page, there: Page | FrameLocator, made: Path) -> None:
    """A shell of the host does what is typed, over another websocket: it makes a file."""
    for item in ("File", "New", "Terminal"):
        menu = ".lm-MenuBar-itemLabel" if item == "File" else ".lm-Menu-itemLabel"
        there.locator(menu).get_by_text(item, exact=True).click()
    there.locator(".jp-Terminal .xterm").click()
    page.keyboard.type(f"touch '{made}'\n")
    wait_until(made.exists, "what the terminal was told")


def uploads(page: Page, file: Path, root_dir: Path, seconds: float) -> None:
    """A file of this machine comes whole to the folder of the notebooks, within that time."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload Files").click()
    chooser.value.set_files(file)
    page.get_by_role("dialog").get_by_role("button", name="Upload").click()  # as it is large
    browser = page.context.new_cdp_session(page)
    size, come, tidied = file.stat().st_size, root_dir / file.name, 0

    def is_whole() -> bool:
        nonlocal tidied
        there = come.stat().st_size if come.exists() else 0
        if there - tidied > _KEPT:
            # Left alone, Chromium keeps what was sent until it has no room for more, and fails.
            browser.send("HeapProfiler.collectGarbage")
            tidied = there
        return there == size

    wait_until(is_whole, "the upload", seconds)
    assert filecmp.cmp(file, come, shallow=False)


_KEPT = 100 << 20  # bytes
