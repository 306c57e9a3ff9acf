"""What settings of the server change in the sidebar. One server has them all."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.bokeh_app import BokehApp
from tests.ui.conftest import no_faults, pictured, profile
from tests.ui.lab import SIDEBAR, Lab, Scene, complaints, scene

SETTINGS = {
    "tunnels": ["--name declared -L 0:localhost:80 gpu01"],
    "backoff_first": 600.0,
    "backoff_max": 600.0,
    "prompt_timeout": 6.0,  # so long is a question there to be seen, however slow the machine
}


@pytest.fixture(scope="module")
def other_scene(shared_app: BokehApp) -> Iterator[Scene]:
    """JupyterLab with those settings."""
    with scene(shared_app, settings=SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def other_lab(browser: Browser, other_scene: Scene) -> Iterator[Lab]:
    """A page of it, for all tests."""
    with profile(browser) as context:
        yield Lab(context.new_page(), other_scene.server).open()


@pytest.fixture
def lab(other_lab: Lab, pictures: Path, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The same, with no tunnel but the declared one."""
    with no_faults(other_lab.page), pictured(other_lab.page, pictures, request):
        yield other_lab
        expect(other_lab.sidebar.locator(".jp-RemoteTunnel-tunnel")).to_have_count(1)


def test_a_declared_tunnel_is_marked(lab: Lab, other_scene: Scene) -> None:
    lab.expect_state("declared", "Open")
    expect(lab.row("declared").get_by_text("configured", exact=True)).to_be_visible()
    row = lab.add(other_scene.line, "typed")
    expect(row.get_by_text("configured", exact=True)).to_be_hidden()
    row.get_by_role("button", name="Close typed").click()


def test_a_reconnecting_row_says_when_it_tries_again_and_need_not_wait(
    lab: Lab, other_scene: Scene
) -> None:
    row = lab.add(other_scene.line, "plot")
    other_scene.sshd.kill()
    lab.expect_state("plot", "Reconnecting…")
    expect(row).to_contain_text(re.compile(r"Next try at \d.*:\d\d"))
    assert complaints(lab.page, SIDEBAR) == []
    now = row.get_by_role("button", name="Try now to reconnect plot")
    with lab.page.expect_response(re.compile(r"/restart\b")):
        now.press("Enter")
    # Still nobody there.
    expect(row).to_contain_text("Next try at")
    expect(lab.dialog).to_be_hidden()
    other_scene.sshd.start()
    now.press("Enter")
    lab.expect_state("plot", "Open")
    expect(row).to_be_focused()
    expect(row).not_to_contain_text("Next try at")
    lab.expect_state("declared", "Open")  # on the same connection
    row.get_by_role("button", name="Close plot").click()


def test_a_question_that_nobody_answers_goes(lab: Lab, other_scene: Scene) -> None:
    ask = ["BatchMode no", "StrictHostKeyChecking ask"]
    with other_scene.bed.guests():
        other_scene.bed.host("stranger", known=False, client=ask)
        lab.fill("ssh -ND 0 stranger", "stranger")
        lab.open_button.click()
        expect(lab.dialog).to_have_accessible_name("Unknown Host Key of stranger")
        expect(lab.dialog).to_have_accessible_name("Add an SSH Tunnel")
        alert = lab.dialog.get_by_role("alert")
        expect(alert).to_contain_text("Nobody answered stranger within 6 s.")
        expect(lab.row("stranger")).to_have_attribute("data-state", "failed")
        lab.dialog.get_by_role("button", name="Cancel").click()
        expect(lab.row("stranger")).to_be_hidden()
