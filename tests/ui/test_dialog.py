"""The dialog that adds a tunnel: what was typed stays until the tunnel is open."""

import re
import socket

import pytest
from playwright.sync_api import expect

from tests.support.http import by_token
from tests.support.ports import ReservedPort
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


@pytest.mark.parametrize("gap", [" ", " \\\n  "])
def test_what_is_pasted_with_its_line_ends_is_one_line_and_opens(
    lab: Lab, lab_scene: Scene, gap: str
) -> None:
    line = lab_scene.line
    command = lab.ask()
    pasted = line.replace(" ", gap) + "\n"
    lab.page.evaluate("text => navigator.clipboard.writeText(text)", pasted)
    lab.page.keyboard.press("Control+V")
    expect(command).to_have_value(line)
    expect(lab.open_button).to_be_enabled()
    lab.page.keyboard.press("Enter")
    expect(lab.dialog).to_be_hidden()
    assert _states(lab_scene) == {f"gpu01:{lab_scene.bokeh.port}": "open"}


@pytest.mark.parametrize(
    ("parts", "field", "marked"),
    [
        ({"far": "99999"}, "far", "99999"),
        ({"far": "db"}, "far", "db"),
        ({"far": "db:x"}, "far", "x"),
        ({"far": "http://localhost:5006/app"}, "far", "http://localhost:5006/app"),
        ({"what": "local", "far": "db"}, "far", "db"),
        ({"what": "local", "far": "80", "near": "x"}, "near", "x"),
        ({"what": "local", "far": "80", "near": "70000"}, "near", "70000"),
        ({"what": "dynamic", "near": "1080:x:80"}, "near", "x"),
        ({"far": "80", "host": "gpu 01"}, "host", " "),
        ({"far": "80", "host": "gpu01:22"}, "host", ":22"),
        ({"far": "80", "host": "me@no.such.host.invalid"}, "host", "me@no.such.host.invalid"),
        ({"far": "80", "jump": "-x"}, "jump", "-x"),
        ({"far": "80", "ssh_port": "70000"}, "ssh_port", "70000"),
    ],
)
def test_the_wrong_field_is_marked_and_named(
    lab: Lab, parts: dict[str, str], field: str, marked: str
) -> None:
    lab.ask()
    lab.fill_in(**{"host": "gpu01", **parts})
    lab.open_button.click()
    wrong = lab.field(field)
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(wrong).to_be_focused()
    message = lab.dialog.get_by_role("alert")
    expect(message).not_to_contain_text(re.compile(r"(^|\s)-[DLRJp]\b|bind_address"))
    expect(wrong).to_have_accessible_description(
        re.compile(re.escape(message.locator("p").first.inner_text()))
    )
    expect(lab.dialog.locator("mark")).to_have_text(marked)
    wrong.fill("1")
    expect(message).to_be_hidden()
    expect(wrong).to_have_attribute("aria-invalid", "false")
    lab.dialog.get_by_role("button", name="Cancel").click()


def test_a_port_that_is_left_out_is_that_of_the_far_end(lab: Lab) -> None:
    lab.ask()
    lab.fill_in(what="local", host="gpu01")
    expect(lab.field("near")).to_have_attribute("placeholder", "5006")
    with ReservedPort() as port:
        lab.field("far").fill(f"localhost:{port.number}")
        expect(lab.field("near")).to_have_attribute("placeholder", str(port.number))
        lab.dialog.get_by_label("Name").fill("same")
        lab.open_button.click()
        lab.expect_state("same", "Open")
        assert lab.port("same") == port.number


def test_a_busy_port_marks_its_field(lab: Lab, lab_scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        lab.ask()
        lab.fill_in(what="local", host="gpu01", far=str(lab_scene.bokeh.port), near=port)
        lab.open_button.click()
        expect(lab.field("near")).to_be_focused()
        expect(lab.field("near")).to_have_attribute("aria-invalid", "true")
        lab.dialog.get_by_label("What to open").select_option("remote")
        expect(lab.dialog.get_by_role("alert")).to_be_hidden()
    lab.dialog.get_by_role("button", name="Cancel").click()


def test_a_name_that_is_taken_marks_its_field(lab: Lab, lab_scene: Scene) -> None:
    lab.add(lab_scene.line, "plot")
    lab.fill("ssh -L 0:localhost:80 gpu01", "plot")
    lab.open_button.click()
    name = lab.dialog.get_by_label("Name")
    expect(name).to_be_focused()
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(lab.dialog.get_by_role("alert")).not_to_contain_text("--name")
    name.fill("other")
    lab.open_button.click()
    lab.expect_state("other", "Open")


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
    expect(lab.row("nobody@gpu01:80")).to_have_attribute("data-state", "failed")
    command.fill("ssh -L 0:localhost:80 stranger.invalid")
    lab.open_button.click()
    expect(lab.dialog.get_by_role("alert")).to_contain_text("stranger.invalid")
    command.fill(lab_scene.line)
    lab.open_button.click()
    expect(lab.dialog).to_be_hidden()
    assert _states(lab_scene) == {f"gpu01:{lab_scene.bokeh.port}": "open"}


def test_who_cancels_after_a_failure_leaves_nothing_and_takes_nothing_else(
    lab: Lab, lab_scene: Scene
) -> None:
    lab.add(lab_scene.line, "plot")
    with by_token(lab_scene.server) as http:
        wanted = {"command": "ssh -L 0:localhost:80 nobody@gpu01", "name": "of another page"}
        assert http.post("remote-tunnel/api/tunnels", json=wanted).is_error
    lab.expect_state("of another page", "Failed")
    lab.fill("ssh -L 0:localhost:81 nobody@gpu01", "later")
    lab.open_button.click()
    expect(lab.dialog.get_by_role("alert")).to_be_visible()
    expect(lab.row("later")).to_have_attribute("data-state", "failed")
    lab.dialog.get_by_role("button", name="Cancel").click()
    expect(lab.row("later")).to_be_hidden()
    assert _states(lab_scene) == {"plot": "open", "of another page": "failed"}


def test_a_busy_port_is_mended_by_a_tick(lab: Lab, lab_scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        lab.fill(f"ssh -NL {port}:localhost:{lab_scene.bokeh.port} gpu01", "plot")
        lab.open_button.click()
        expect(lab.dialog.get_by_role("alert")).to_contain_text(str(port))
        expect(lab.dialog.get_by_role("alert")).to_contain_text("tick “If the local port is taken")
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
    lab.field("host").fill("gpu01")
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
    lab.fill_in(host="gpu01", far=str(lab_scene.bokeh.port))
    lab.dialog.get_by_label("Name").fill("plot")
    lab.open_button.click()
    lab.expect_state("plot", "Open")
    expect(lab.row("plot")).to_contain_text("inside Jupyter")
    lab.row("plot").get_by_role("button", name="Copy the link of plot").click()
    expect(lab.page.get_by_text("Copied: http")).to_be_visible()
    link = lab.page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(rf"{re.escape(lab.url)}remote-tunnel/open/[0-9a-f]{{12}}", link)
