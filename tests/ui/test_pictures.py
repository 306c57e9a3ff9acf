"""What a newcomer sees: the demo in the browser, also as the picture of the README.

`make pictures` runs this with ``--pictures docs/images``.
"""

import sys
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.support.process import child
from tests.support.user import User
from tests.ui.lab import SIDEBAR, picture


def test_the_demo_in_the_browser(page: Page, user: User, pictures: Path) -> None:
    command = [sys.executable, "-m", "jupyter_remote_tunnel.cli", "demo"]
    with child(command, env=user.environment, cwd=user.folder) as demo:
        page.goto(demo.wait_for_line(r"^\s+(http://localhost:\S+)")[1])
        row = page.locator(SIDEBAR).locator(".jp-RemoteTunnel-tunnel", has_text="remote plot")
        expect(row.locator(".jp-RemoteTunnel-state")).to_have_text("Open", timeout=60_000)
        page.get_by_role("textbox").filter(has_text="%tunnel list").click()
        page.keyboard.press("Shift+Enter")
        expect(page.locator(".jp-OutputArea-output").first).to_contain_text("demo-host")

        row.get_by_role("button", name="Open remote plot in a tab").click()
        frame = page.frame_locator('iframe[title="remote plot"]')
        expect(frame.locator(".bk-Figure canvas").first).to_be_visible(timeout=30_000)
        _drag_to_the_right(page, "remote plot")
        expect(page.get_by_text("Remote machines in this Jupyter")).to_be_visible()
        picture(page, pictures, "lab")
        demo.terminate()
        assert demo.wait() == 0


def _drag_to_the_right(page: Page, tab: str) -> None:
    """Put a tab beside the others, as a mouse does."""
    start = page.get_by_role("main").get_by_role("tab", name=tab).bounding_box()
    area = page.locator("#jp-main-dock-panel").bounding_box()
    assert start is not None
    assert area is not None
    page.mouse.move(start["x"] + 30, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2, steps=5)
    page.mouse.move(area["x"] + area["width"] - 20, area["y"] + area["height"] / 2, steps=5)
    page.mouse.up()
