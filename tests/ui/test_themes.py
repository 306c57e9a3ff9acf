"""Sidebar, dialog, an application and our own page in the light and the dark theme, as pictures.

Pictures are for people; the test says only that all there is to see is in them.
"""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.ports import unused_port
from tests.ui.lab import Lab, Scene, picture


@pytest.mark.parametrize("theme", [pytest.param("light", marks=pytest.mark.long), "dark"])
def test_everything_is_shown(lab: Lab, lab_scene: Scene, pictures: Path, theme: str) -> None:
    lab.is_dark(theme == "dark")
    lab.add(f"ssh -NL 0:localhost:{lab_scene.bokeh.port} gpu01", "plot")
    with unused_port() as nowhere:
        lab.add(f"ssh -NL private:localhost:{nowhere} gpu01", "nothing there")
        page_of_ours = lab.show_application("nothing there")
        expect(page_of_ours.get_by_role("heading")).to_contain_text("Nothing answers")
        # As JupyterLab is, whatever the browser is.
        ink = "rgb(255, 255, 255)" if theme == "dark" else "rgb(0, 0, 0)"
        expect(page_of_ours.locator("body")).to_have_css("color", ink)
        picture(lab.page, pictures, f"page-{theme}")
    application = lab.show_application("plot")
    expect(application.locator(".bk-Figure canvas").first).to_be_visible()
    picture(lab.page, pictures, f"application-{theme}")
    lab.fill("ssh -NfL 5006:localhost:5006 ada@gpu01", "")
    picture(lab.page, pictures, f"dialog-{theme}")
    lab.dialog.get_by_label("Fill in the parts").check()
    picture(lab.page, pictures, f"fields-{theme}")
    lab.field("host").fill("nobody@gpu01")
    lab.dialog.get_by_role("textbox", name="Port on the remote host").fill("99999")
    lab.open_button.click()
    expect(lab.dialog.locator("mark")).to_have_text("99999")
    picture(lab.page, pictures, f"wrong-{theme}")
    lab.dialog.get_by_role("textbox", name="Port on the remote host").fill("80")
    lab.open_button.click()
    expect(lab.dialog.get_by_role("alert")).to_contain_text("nobody")
    lab.dialog.get_by_role("button", name="Cancel").click()
    heading = lab.sidebar.get_by_role("heading").filter(has_text=re.compile("^gpu01"))
    heading.get_by_role("button").click()
    expect(lab.row("plot")).to_be_hidden()
    picture(lab.page, pictures, f"sidebar-{theme}")
    heading.get_by_role("button").click()
    lab.is_dark(False)
