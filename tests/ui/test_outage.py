"""A page that stays open while its Jupyter server, or a kernel, goes."""

import json
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.bokeh_app import BokehApp
from tests.support.jupyter import started_again
from tests.ui.lab import Lab, Scene, scene


def _is_asked(lab: Lab) -> None:
    """The dialog opens by the sidebar's button and by the palette."""
    lab.ask()
    lab.page.keyboard.press("Escape")
    expect(lab.dialog).to_be_hidden()
    lab.run_command("Add SSH Tunnel")
    expect(lab.dialog.get_by_label("A command of ssh")).to_be_focused()
    lab.page.keyboard.press("Escape")
    expect(lab.dialog).to_be_hidden()


@pytest.mark.timeout(300)  # JupyterLab takes its time to complain
@pytest.mark.long
@pytest.mark.parametrize("times", [1, 5])
def test_tunnels_are_added_whatever_the_server_went_through(
    page: Page, shared_app: BokehApp, times: int
) -> None:
    with scene(shared_app) as running, ExitStack() as servers:
        lab = Lab(page, running.server).open()
        server = running.server
        for _ in range(times):
            lab.fill(running.line, "plot")
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            # The form is there first; JupyterLab's own complaint waits behind it.
            lab.open_button.click()
            expect(lab.dialog.get_by_role("alert")).to_contain_text("does not answer")
            lab.dialog.get_by_role("button", name="Cancel").click()
            complaint = lab.dialog.filter(has_text="Server Connection Error")
            expect(complaint).to_be_visible(timeout=60_000)
            expect(lab.sidebar.get_by_role("alert")).to_contain_text("does not answer")
            server = servers.enter_context(started_again(server))
            complaint.get_by_role("button", name="Close").click()
            expect(lab.sidebar.get_by_role("alert")).to_be_hidden(timeout=60_000)
            _is_asked(lab)
            lab.add(running.line, "plot")
            lab.close("plot")
        # Of a server that has ended no tunnel is shown as open.
        lab.add(running.line, "plot")
        server.process.end()
        lab.expect_state("plot", "Unknown")
        expect(page.locator(".jp-RemoteTunnel-status")).to_contain_text("1 unknown")
        expect(page.locator('.jp-RemoteTunnel [data-state="open"]')).to_have_count(0)


@pytest.fixture
def broken_kernel(lab_scene: Scene) -> Iterator[str]:
    """The name of a kernel that cannot start."""
    folder = lab_scene.server.data_dir / "kernels" / "broken"
    folder.mkdir(parents=True)
    kernel = {"argv": ["/no/such/program"], "display_name": "Broken", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(kernel))
    yield "Broken"
    shutil.rmtree(folder)


@pytest.mark.long
def test_a_complaint_that_goes_with_its_console_takes_no_dialog_with_it(
    context: BrowserContext, lab_scene: Scene, broken_kernel: str
) -> None:
    # Not a page whose scripts may not fail: JupyterLab itself leaves rejections unhandled here.
    lab = Lab(context.new_page(), lab_scene.server).open()
    card = '.jp-LauncherCard[data-category="Console"]'
    lab.page.locator(card, has_text=broken_kernel).click()
    expect(lab.dialog).to_contain_text("Error Starting Kernel", timeout=60_000)
    # What follows is done behind the complaint, as a shortcut does it.
    lab.sidebar.get_by_role("button", name="Add SSH Tunnel").dispatch_event("click")
    lab.close_tab("Console")
    expect(lab.dialog.get_by_label("A command of ssh")).to_be_focused()
    lab.page.keyboard.press("Escape")
    expect(lab.dialog).to_be_hidden()
    _is_asked(lab)
