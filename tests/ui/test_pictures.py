"""What a newcomer sees: the demo in the browser, also as the picture of the README.

`make pictures` runs this with ``--pictures docs/images``.
"""

import signal
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.process import child
from tests.support.user import User
from tests.ui.lab import SIDEBAR, picture


@pytest.mark.long
def test_the_demo_in_the_browser(page: Page, user: User, pictures: Path) -> None:
    command = [sys.executable, "-m", "jupyter_remote_tunnel.cli", "demo"]
    with child(command, env=user.environment, cwd=user.folder) as demo:
        page.set_viewport_size({"width": 1440, "height": 800})
        page.goto(demo.wait_for_line(r"^\s+(http://localhost:\S+)")[1])
        row = page.locator(SIDEBAR).locator(".jp-RemoteTunnel-tunnel", has_text="remote plot")
        expect(row.locator(".jp-RemoteTunnel-state")).to_have_text("Open", timeout=60_000)
        expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
        expect(page.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)
        page.get_by_role("textbox").filter(has_text="%tunnel list").click()
        page.keyboard.press("Shift+Enter")
        output = page.locator(".jp-OutputArea-output").first
        expect(output).to_contain_text("demo-host", timeout=30_000)

        row.get_by_role("button", name="Open remote plot in a tab").click()
        frame = page.frame_locator('iframe[title="remote plot"]')
        expect(frame.locator(".bk-Figure canvas").first).to_be_visible(timeout=30_000)
        _drag_to_the_right(page, "remote plot")
        expect(page.get_by_role("heading", name="Remote machines in this Jupyter")).to_be_visible()
        _wait_for_points(page)
        page.get_by_role("button", name="Refresh SSH Tunnels").click()
        expect(row.locator(".jp-RemoteTunnel-traffic")).to_contain_text("MB")
        picture(page, pictures, "lab")
        demo.send_signal(signal.SIGINT)
        assert demo.wait() == 0


def _wait_for_points(page: Page) -> None:
    """Until the remote application has drawn something worth a look, patch by patch."""
    frame = next(frame for frame in page.frames if frame.url.endswith("/plot"))
    frame.wait_for_function(
        "() => [...Bokeh.documents[0].all_models].some("
        "  model => model.type === 'ColumnDataSource' && model.get_length() > 40)"
    )


def _drag_to_the_right(page: Page, tab: str) -> None:
    """Put a tab beside the others, as a mouse does."""
    start = page.get_by_role("main").get_by_role("tab", name=tab).bounding_box()
    area = page.locator("#jp-main-dock-panel").bounding_box()
    assert start is not None
    assert area is not None
    middle = area["y"] + area["height"] / 2
    page.mouse.move(start["x"] + 30, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] / 2, middle, steps=10)
    page.mouse.move(area["x"] + area["width"] * 0.9, middle, steps=10)
    page.mouse.up()
