"""The dialog that adds a tunnel: what was typed stays until the tunnel is open."""

import re
import socket

import pytest
from playwright.sync_api import expect

from tests.support.http import by_token
from tests.ui.lab import Lab, Scene


def _states(scene: Scene) -> dict[str, str]:
    """The state of each tunnel, by name."""
    with by_token(scene.server) as http:
        tunnels = http.get("remote-tunnel/api/tunnels").json()["tunnels"]
    return {tunnel["name"]: tunnel["state"] for tunnel in tunnels}


def test_the_wrong_part_of_a_line_is_marked_and_selected(lab: Lab, lab_scene: Scene) -> None:
    wrong = "ssh -NfL 5006:localhost:99999 -J somebody@gateway.example.org gpu01"
    command = lab.fill(wrong, "plot")
    lab.open_button.click()
    expect(lab.dialog.get_by_role("alert")).to_contain_text("99999")
    expect(command).to_have_value(wrong)
    expect(command).to_have_attribute("aria-invalid", "true")
    expect(command).to_have_accessible_description(re.compile(f"out of range.*{wrong}", re.DOTALL))
    expect(lab.dialog.locator("mark")).to_have_text("99999")
    expect(command).to_be_focused()
    assert lab.page.evaluate("getSelection().toString()") == "99999"
    lab.page.keyboard.type(str(lab_scene.bokeh.port))  # in its place
    expect(lab.dialog.locator("mark")).to_be_hidden()
    expect(command).to_have_value(wrong.replace("99999", str(lab_scene.bokeh.port)))
    command.fill(lab_scene.line)
    lab.page.keyboard.press("Enter")
    lab.expect_state("plot", "Open")
    expect(lab.dialog).to_be_hidden()


def test_what_only_a_shell_can_do_is_refused(lab: Lab) -> None:
    lab.fill("ssh -L 5006:localhost:5006 gpu01; rm -rf /", "plot")
    lab.open_button.click()
    expect(lab.dialog.get_by_role("alert")).to_contain_text(";")
    expect(lab.dialog.locator("mark")).to_have_text(";")
    lab.dialog.get_by_role("button", name="Cancel").click()


def test_the_wrong_field_is_marked(lab: Lab) -> None:
    lab.ask()
    lab.dialog.get_by_label("Fill in the parts").check()
    lab.dialog.get_by_role("textbox", name="Remote host", exact=True).fill("gpu01")
    port = lab.dialog.get_by_role("textbox", name="Port on the remote host")
    port.fill("99999")
    lab.open_button.click()
    expect(port).to_have_attribute("aria-invalid", "true")
    expect(port).to_be_focused()
    lab.dialog.get_by_role("button", name="Cancel").click()


def test_a_key_that_gets_known_is_no_reason_to_type_again(lab: Lab, lab_scene: Scene) -> None:
    stranger = lab_scene.bed.host("stranger", known=False)
    line = f"ssh -NL 0:localhost:{lab_scene.bokeh.port} stranger"
    command = lab.fill(line, "plot")
    lab.open_button.click()
    expect(lab.dialog.get_by_role("alert")).to_contain_text(stranger.fingerprint)
    expect(command).to_have_value(line)
    lab_scene.bed.know(stranger)
    lab.open_button.click()
    expect(lab.dialog).to_be_hidden()
    lab.expect_state("plot", "Open")
    assert _states(lab_scene) == {"plot": "open"}


def test_a_host_that_is_corrected_leaves_no_failed_row(lab: Lab, lab_scene: Scene) -> None:
    command = lab.fill("ssh -L 0:localhost:80 nobody@gpu01", "")
    lab.open_button.click()
    expect(lab.dialog.get_by_role("alert")).to_contain_text("nobody")
    expect(lab.row("gpu01:80")).to_have_attribute("data-state", "failed")
    command.fill("ssh -L 0:localhost:80 stranger.invalid")
    lab.open_button.click()
    expect(lab.dialog.get_by_role("alert")).to_contain_text("stranger.invalid")
    command.fill(lab_scene.line)
    lab.open_button.click()
    expect(lab.dialog).to_be_hidden()
    assert _states(lab_scene) == {f"gpu01:{lab_scene.bokeh.port}": "open"}


def test_who_cancels_after_a_failure_finds_it_in_the_list(lab: Lab, lab_scene: Scene) -> None:
    lab.fill("ssh -L 0:localhost:80 nobody@gpu01", "later")
    lab.open_button.click()
    expect(lab.dialog.get_by_role("alert")).to_be_visible()
    lab.dialog.get_by_role("button", name="Cancel").click()
    lab.expect_state("later", "Failed")
    assert _states(lab_scene) == {"later": "failed"}


def test_a_busy_port_is_mended_by_a_tick(lab: Lab, lab_scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        lab.fill(f"ssh -NL {port}:localhost:{lab_scene.bokeh.port} gpu01", "plot")
        lab.open_button.click()
        expect(lab.dialog.get_by_role("alert")).to_contain_text(str(port))
        lab.dialog.get_by_label("If the local port is taken").check()
        lab.open_button.click()
        lab.expect_state("plot", "Open")
        assert lab.port("plot") != port


@pytest.mark.parametrize("way", ["Cancel", "Escape"])
def test_an_opening_that_takes_long_is_given_up(lab: Lab, lab_scene: Scene, way: str) -> None:
    with lab_scene.sshd.paused():
        lab.fill(lab_scene.line, "plot")
        lab.open_button.click()
        expect(lab.dialog.get_by_role("status")).to_contain_text("Opening")
        expect(lab.open_button).to_be_disabled()
        lab.expect_state("plot", "Connecting…")
        if way == "Cancel":
            lab.dialog.get_by_role("button", name="Cancel").click()
        else:
            lab.page.keyboard.press("Escape")
        expect(lab.dialog).to_be_hidden()
        expect(lab.row("plot")).to_be_hidden()
    assert _states(lab_scene) == {}


def test_there_is_nothing_to_open_until_all_is_filled_in(lab: Lab) -> None:
    command = lab.ask()
    expect(lab.open_button).to_be_disabled()
    lab.page.keyboard.press("Enter")
    command.fill("gpu01:80")
    expect(lab.open_button).to_be_enabled()
    lab.dialog.get_by_label("Fill in the parts").check()
    expect(lab.open_button).to_be_disabled()
    lab.dialog.get_by_role("textbox", name="Remote host", exact=True).fill("gpu01")
    expect(lab.open_button).to_be_disabled()
    lab.dialog.get_by_label("What to open").select_option("dynamic")
    expect(lab.open_button).to_be_disabled()
    lab.dialog.get_by_role("textbox", name="Port on this machine").fill("0")
    expect(lab.open_button).to_be_enabled()
    lab.dialog.get_by_role("textbox", name="Port of ssh").press_sequentially("2x2")
    expect(lab.dialog.get_by_role("textbox", name="Port of ssh")).to_have_value("22")
    lab.dialog.get_by_role("button", name="Cancel").click()


def test_the_fields_open_an_application_without_a_port(lab: Lab, lab_scene: Scene) -> None:
    lab.ask()
    lab.dialog.get_by_label("Fill in the parts").check()
    lab.dialog.get_by_role("textbox", name="Remote host", exact=True).fill("gpu01")
    lab.dialog.get_by_role("textbox", name="Port on the remote host").fill(
        str(lab_scene.bokeh.port)
    )
    lab.dialog.get_by_label("Name").fill("plot")
    lab.open_button.click()
    lab.expect_state("plot", "Open")
    expect(lab.row("plot")).to_contain_text("inside Jupyter")
    lab.row("plot").get_by_role("button", name="Copy the link of plot").click()
    expect(lab.page.get_by_text("Copied: ")).to_be_visible()
    link = lab.page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(rf"{re.escape(lab.url)}remote-tunnel/open/[0-9a-f]{{12}}", link)
