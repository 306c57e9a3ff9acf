"""A page that stays open while its Jupyter server, or a kernel, goes."""

import json
import signal

from playwright.sync_api import BrowserContext, Page, expect

from tests.support.jupyter import started_again
from tests.ui.lab import Lab, scene


def _is_asked(lab: Lab) -> None:
    """The dialog opens by the sidebar's button and by the palette."""
    lab.ask()
    lab.page.keyboard.press("Escape")
    expect(lab.dialog).to_be_hidden()
    lab.run_command("Add SSH Tunnel")
    expect(lab.dialog.get_by_label("A command of ssh")).to_be_focused()
    lab.page.keyboard.press("Escape")
    expect(lab.dialog).to_be_hidden()


def test_tunnels_are_added_whatever_the_server_went_through(page: Page) -> None:
    with scene() as running:
        lab = Lab(page, running.server).open()
        server = running.server
        for _ in range(3):
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
            with started_again(server) as server:
                complaint.get_by_role("button", name="Close").click()
                expect(lab.sidebar.get_by_role("alert")).to_be_hidden(timeout=60_000)
                _is_asked(lab)
                lab.add(running.line, "plot")
                lab.close("plot")


def test_a_complaint_that_goes_with_its_console_takes_no_dialog_with_it(
    context: BrowserContext,
) -> None:
    with scene() as running:
        broken = running.server.data_dir / "kernels" / "broken" / "kernel.json"
        broken.parent.mkdir(parents=True)
        kernel = {"argv": ["/no/such/program"], "display_name": "Broken", "language": "python"}
        broken.write_text(json.dumps(kernel))
        # Not the fixture `page`: JupyterLab itself leaves rejections unhandled here.
        lab = Lab(context.new_page(), running.server).open()
        card = '.jp-LauncherCard[data-category="Console"]'
        lab.page.locator(card, has_text="Broken").click()
        expect(lab.dialog).to_contain_text("Error Starting Kernel", timeout=60_000)
        # What follows is done behind the complaint, as a shortcut does it.
        lab.sidebar.get_by_role("button", name="Add SSH Tunnel").dispatch_event("click")
        _close_tab(lab.page, "Console")
        expect(lab.dialog.get_by_label("A command of ssh")).to_be_focused()
        lab.page.keyboard.press("Escape")
        expect(lab.dialog).to_be_hidden()
        _is_asked(lab)


def _close_tab(page: Page, name: str) -> None:
    icon = page.get_by_role("main").get_by_role("tab", name=name).locator(".lm-TabBar-tabCloseIcon")
    box = icon.bounding_box()
    assert box is not None
    place = {"button": 0, "clientX": box["x"] + 4, "clientY": box["y"] + 4}
    icon.dispatch_event("pointerdown", place)
    icon.dispatch_event("pointerup", place)
