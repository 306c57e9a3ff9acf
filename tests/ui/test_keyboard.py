"""The sidebar without a mouse."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.http import by_token
from tests.ui.lab import SIDEBAR, Lab, Scene


def test_everything_works_with_the_keyboard(fresh_lab: Lab, lab_scene: Scene) -> None:
    lab = fresh_lab  # in which Tab leads to the first button of a toolbar, not to the last used
    keyboard = lab.page.keyboard
    _tab_to(lab.page, "Add SSH Tunnel")
    keyboard.press("Enter")
    expect(lab.dialog.get_by_label("A command of ssh")).to_be_focused()
    keyboard.type(lab_scene.line)
    keyboard.press("Tab")
    keyboard.type("plot")
    keyboard.press("Enter")
    lab.expect_state("plot", "Open")
    _tab_to(lab.page, "Restart plot")
    with lab.page.expect_response(re.compile(r"/restart\b")):
        keyboard.press("Enter")
    lab.expect_state("plot", "Open")
    _tab_to(lab.page, "Copy the address")
    keyboard.press("Enter")
    expect(lab.page.get_by_text("Copied: ")).to_be_visible()
    _tab_to(lab.page, "Close plot")
    keyboard.press("Enter")
    expect(lab.row("plot")).to_be_hidden()


def _tab_to(page: Page, name: str) -> None:
    """Press Tab, from the sidebar's start, until a button of that name has the focus."""
    page.locator(SIDEBAR).focus()
    for _ in range(30):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "() => { const at = document.activeElement;"
            " return at.getAttribute('aria-label') ?? at.title ?? ''; }"
        )
        if name in focused:
            return
    raise AssertionError(f"Tab does not lead to {name}")


@pytest.mark.long
def test_who_asks_for_the_sidebar_in_a_notebook_goes_on_in_the_sidebar(
    lab: Lab, lab_scene: Scene
) -> None:
    notebook = lab.page.locator('.jp-LauncherCard[data-category="Notebook"]')
    notebook.filter(has_text="ipykernel").click()
    # A notebook moves the focus until its kernel is there.
    idle = lab.page.get_by_role("button", name=re.compile("Idle$"))
    expect(idle).to_be_visible(timeout=60_000)
    cell = lab.page.locator(".jp-Notebook .jp-Cell .cm-content")
    for is_hidden in (False, True):
        if is_hidden:
            lab.page.get_by_role("tab", name="SSH Tunnels").click()
            expect(lab.sidebar).to_be_hidden()
        cell.click()
        expect(cell).to_be_focused()
        lab.run_command("Show SSH Tunnels")
        expect(lab.sidebar).to_be_focused()
    lab.close_tab("Untitled.ipynb")
    lab.dialog.get_by_role("button", name="Discard changes").click()
    expect(notebook.first).to_be_visible()
    with by_token(lab_scene.server) as http:
        for session in http.get("api/sessions").raise_for_status().json():
            http.delete(f"api/sessions/{session['id']}").raise_for_status()
