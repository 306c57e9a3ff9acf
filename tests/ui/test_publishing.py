"""This Jupyter is published from JupyterLab, with a real sshd and a real nginx as the gateway."""

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.certificates import WebAuthority
from tests.support.jupyter import Jupyter, jupyter
from tests.support.nginx import Nginx, nginx
from tests.support.ports import ReservedPort
from tests.support.process import wait_until
from tests.support.sshd import SshBed
from tests.ui.conftest import PUBLISHED_NAME as NAME
from tests.ui.conftest import faultless, profile
from tests.ui.lab import SIDEBAR, Lab, complaints, picture

WEAK = "jupyter"
PASSWORD = "a long one, with a blank"
PATIENCE = 60_000


class Scene:
    """The gateway's nginx, the port of its loopback that this leads to, and the Jupyter."""

    def __init__(self, web: Nginx, port: int, server: Jupyter) -> None:
        self.web, self.port, self.server = web, port, server

    @property
    def url(self) -> str:
        """Where people find it."""
        return f"https://{NAME}:{self.web.port}/"


@pytest.fixture
def scene(ssh_bed: SshBed) -> Iterator[Scene]:
    ssh_bed.host("gw")
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(ReservedPort()).number
        web = stack.enter_context(nginx(NAME, upstream=f"127.0.0.1:{port}"))
        server = stack.enter_context(
            jupyter(
                "lab",
                password=WEAK,
                traits={"TunnelManager": {"ssh_config": str(ssh_bed.config_file)}},
                env={"SSL_CERT_FILE": str(web.certificate)},
                hosts={NAME: "127.0.0.1"},
            )
        )
        yield Scene(web, port, server)


def fill_in(lab: Lab, scene: Scene) -> Locator:
    """Open the dialog by its quiet entry and fill it in; it."""
    lab.sidebar.get_by_role("button", name="Publish this Jupyter…").click()
    gateway = lab.dialog.get_by_label("Gateway", exact=True)
    expect(gateway).to_be_focused()
    gateway.fill("gw")
    lab.dialog.get_by_label("Name that browsers use").fill(NAME)
    lab.dialog.get_by_text("More", exact=True).click()
    lab.dialog.get_by_label("Port in the URL").fill(str(scene.web.port))
    lab.dialog.get_by_label("Port on the gateway").fill(str(scene.port))
    return lab.dialog


def check(lab: Lab, name: str) -> Locator:
    """The line of that check."""
    named = lab.page.locator(".jp-RemoteTunnel-stepName", has_text=re.compile(f"^{name}$"))
    return lab.dialog.get_by_role("listitem").filter(has=named)


@contextlib.contextmanager
def outsider(browser: Browser, scene: Scene) -> Iterator[Page]:
    """JupyterLab of somebody who logs in from outside."""
    with profile(browser) as context, faultless(context) as page:
        page.goto(f"{scene.url}login?next=/lab%3Freset")
        page.get_by_role("textbox").first.fill(PASSWORD)
        page.get_by_role("button", name="Log in", exact=True).click()
        expect(page.locator(".jp-Launcher")).to_be_visible(timeout=PATIENCE)
        yield page


def test_from_the_dialog_to_its_end(
    page: Page, browser: Browser, scene: Scene, pictures: Path
) -> None:
    lab = Lab(page, scene.server).open()
    dialog = fill_in(lab, scene)
    publish = dialog.get_by_role("button", name="Publish")
    expect(publish).to_have_attribute("aria-disabled", "true")
    dialog.get_by_label("Name that browsers use").press("Enter")
    failed = check(lab, "password")
    expect(failed).to_contain_text("tried first", timeout=PATIENCE)
    expect(dialog.get_by_role("status").first).to_contain_text("1 of", timeout=PATIENCE)
    expect(publish).to_have_attribute("aria-disabled", "true")

    expect(failed).not_to_contain_text("jupyter tunnel")
    failed.get_by_role("button", name="Set a Password…").click()
    expect(failed).to_contain_text(str(scene.server.folder / "config"))
    expect(failed.get_by_label("New password")).to_be_focused()
    assert complaints(page, ".jp-Dialog-content") == []
    picture(page, pictures, "publish-password")
    failed.get_by_label("New password").fill(PASSWORD)
    failed.get_by_label("The same again").fill("another")
    failed.get_by_label("The same again").press("Enter")
    expect(failed.get_by_role("alert")).to_contain_text("differ")
    failed.get_by_label("The same again").fill(PASSWORD)
    failed.get_by_label("The same again").press("Enter")
    expect(dialog.get_by_role("status").first).to_contain_text("Nothing failed.", timeout=PATIENCE)
    expect(publish).to_have_attribute("aria-disabled", "false")
    picture(page, pictures, "publish-checked")
    dialog.get_by_label("Hours until it ends").fill("2")
    expect(dialog.get_by_role("status").first).to_contain_text("Nothing failed.")
    publish.click()
    expect(dialog).to_be_hidden(timeout=PATIENCE)

    statusbar = page.locator("#jp-main-statusbar")
    for place in (lab.sidebar, statusbar):
        badge = place.get_by_role("button", name=f"Published: {NAME}")
        expect(badge).to_contain_text("0 connected")
        expect(badge).to_contain_text("until")
    with outsider(browser, scene) as other:
        expect(lab.sidebar).to_contain_text("1 connected")
        there = Lab(other, scene.server)
        other.get_by_role("tab", name="SSH Tunnels").click()
        expect(there.sidebar).to_contain_text("from outside")
        stop = there.sidebar.get_by_role("button", name=f"Stop publishing {NAME}")
        expect(stop).to_be_visible()
        expect(there.sidebar.get_by_role("button", name="Extend")).to_have_count(0)
        expect(there.sidebar.get_by_role("button", name="Publish this")).to_have_count(0)
        picture(other, pictures, "published-outside")
        there.is_dark(True)

        statusbar.get_by_role("button", name=f"Published: {NAME}").click()
        expect(dialog).to_contain_text("127.0.0.1")
        expect(dialog).to_contain_text("its root")
        assert complaints(page, ".jp-Dialog-content") == []
        picture(page, pictures, "published-details")
        dialog.get_by_role("button", name="Close").click()
        lab.sidebar.get_by_role("button", name=f"Stop publishing {NAME}").click()
        for place in (there.sidebar, other.locator("#jp-main-statusbar")):
            expect(place).to_contain_text("This way in is closed or lost.")
            expect(place.get_by_role("button", name=f"Published: {NAME}")).to_have_count(0)
        expect(there.sidebar).not_to_contain_text("502")
        expect(stop).to_have_count(0)
        for part in (SIDEBAR, "#jp-main-statusbar .jp-RemoteTunnel-publishedStatus"):
            assert complaints(other, part) == []
        picture(other, pictures, "published-lost")
    for place in (lab.sidebar, statusbar):
        expect(place.get_by_role("button", name=f"Published: {NAME}")).to_have_count(0)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", scene.port)) != 0


@pytest.fixture
def careless(ssh_bed: SshBed) -> Iterator[Jupyter]:
    """A Jupyter of which any web site may ask anything."""
    wrong: dict[str, dict[str, Any]] = {
        "ServerApp": {"allow_origin": "*", "disable_check_xsrf": True},
        "TunnelManager": {"ssh_config": str(ssh_bed.config_file)},
    }
    ssh_bed.host("gw")
    with jupyter("lab", traits=wrong) as server:
        yield server


@pytest.mark.long
def test_a_setting_is_changed_when_it_was_shown(
    page: Page, careless: Jupyter, pictures: Path
) -> None:
    file = careless.folder / "config" / "jupyter_server_config.json"
    before = file.read_text()
    lab = Lab(page, careless).open()
    dialog, keyboard = lab.dialog, page.keyboard
    failed = check(lab, "other sites")
    change = failed.get_by_label("Change of ServerApp.disable_check_xsrf")
    for theme in ("dark", "light"):
        lab.is_dark(theme == "dark")
        lab.sidebar.get_by_role("button", name="Publish this Jupyter…").click()
        dialog.get_by_label("Name that browsers use").fill("jupyter.invalid")
        dialog.get_by_label("Gateway", exact=True).fill("gw")
        keyboard.press("Enter")
        expect(failed).to_contain_text("disable_check_xsrf", timeout=PATIENCE)
        expect(dialog.get_by_role("status").first).to_contain_text("failed", timeout=PATIENCE)
        failed.get_by_role("button", name="Change…").focus()
        keyboard.press("Enter")
        expect(change).to_be_focused()
        expect(change).to_contain_text("- ServerApp.disable_check_xsrf = true")
        expect(change).to_contain_text("+ ServerApp.disable_check_xsrf = false")
        expect(failed).to_contain_text(str(file))
        expect(failed).to_contain_text("It counts as soon as it is written.")
        keyboard.press("Enter")  # writes nothing
        expect(change).to_be_focused()
        assert complaints(page, ".jp-Dialog-content") == []
        failed.scroll_into_view_if_needed()
        picture(page, pictures, f"publish-change-{theme}")
        keyboard.press("Tab")
        keyboard.press("Tab")
        expect(failed.get_by_role("button", name="Back")).to_be_focused()
        keyboard.press("Enter")
        expect(failed.get_by_role("button", name="Change…")).to_be_focused()
        expect(failed).not_to_contain_text("jupyter tunnel")
        if theme == "dark":
            keyboard.press("Escape")
            expect(dialog).to_be_hidden()
    assert file.read_text() == before

    failed.get_by_role("button", name="Change…").click()
    file.write_text(before.replace('"port_retries": 0', '"port_retries": 1'))
    failed.get_by_role("button", name="Write").click()
    expect(failed.get_by_role("alert")).to_contain_text("is not as it was shown")
    dialog.get_by_role("button", name="Check").click()
    failed.get_by_role("button", name="Change…").click(timeout=PATIENCE)
    failed.get_by_role("button", name="Write").click()
    expect(failed).not_to_contain_text("disable_check_xsrf", timeout=PATIENCE)
    expect(failed).to_contain_text("allow_origin = '*'", timeout=PATIENCE)
    written = json.loads(file.read_text())["ServerApp"]
    assert (written["disable_check_xsrf"], written["port_retries"]) == (False, 1)
    failed.get_by_role("button", name="Change…").click(timeout=PATIENCE)
    failed.get_by_role("button", name="Write").click()
    passed = "Pages of other sites cannot act for users who are logged in."
    expect(failed).to_contain_text(passed, timeout=PATIENCE)
    expect(failed.get_by_role("button")).to_have_count(0)


@pytest.mark.long
def test_what_a_field_lacks_is_said_there(page: Page, careless: Jupyter, pictures: Path) -> None:
    lab = Lab(page, careless).open()
    dialog = lab.dialog
    fill = "button => getComputedStyle(button).backgroundColor"
    for theme in ("dark", "light"):
        lab.is_dark(theme == "dark")
        lab.sidebar.get_by_role("button", name="Publish this Jupyter…").click()
        dialog.get_by_label("Name that browsers use").fill("jupyter.invalid")
        dialog.get_by_label("Gateway", exact=True).fill("gw")
        check_button = dialog.get_by_role("button", name="Check")
        expect(check_button).to_be_enabled()
        dialog.get_by_label("Hours until it ends").fill("0")
        expect(dialog.get_by_text("More than 0, at most 744 hours")).to_be_visible()
        expect(check_button).to_be_disabled()
        publish = dialog.get_by_role("button", name="Publish")
        assert complaints(page, ".jp-Dialog-content") == []
        picture(page, pictures, f"publish-lacks-{theme}")
        assert [one.evaluate(fill) for one in (check_button, publish)] == 2 * ["rgba(0, 0, 0, 0)"]
        dialog.get_by_label("Hours until it ends").fill("0.5")
        expect(dialog.get_by_text("More than 0, at most 744 hours")).to_have_count(0)
        expect(check_button).to_be_enabled()
        assert check_button.evaluate(fill) != "rgba(0, 0, 0, 0)"
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()


@pytest.mark.long
def test_the_site_names_the_certificate_that_is_there(
    page: Page, careless: Jupyter, pictures: Path, tmp_path: Path
) -> None:
    pair = WebAuthority(tmp_path / "authority").issue("jupyter.invalid")
    lab = Lab(page, careless).open()
    dialog, site = lab.dialog, check(lab, "site")
    own, key = "File of the gateway’s own certificate", "File of its key, on the gateway"
    for theme in ("dark", "light"):
        lab.is_dark(theme == "dark")
        lab.sidebar.get_by_role("button", name="Publish this Jupyter…").click()
        dialog.get_by_label("Name that browsers use").fill("jupyter.invalid")
        dialog.get_by_label("Gateway", exact=True).fill("gw")
        if theme == "dark":
            dialog.get_by_text("More", exact=True).click()
            dialog.get_by_label(own).fill(str(pair.chain))
        expect(dialog.get_by_text("Give both files, or neither.")).to_be_visible()
        assert complaints(page, ".jp-Dialog-content") == []
        picture(page, pictures, f"publish-certificate-{theme}")
        if theme == "dark":
            page.keyboard.press("Escape")
            expect(dialog).to_be_hidden()
    dialog.get_by_label(key).fill(str(pair.key))
    expect(dialog.get_by_text("Give both files, or neither.")).to_have_count(0)
    dialog.get_by_role("button", name="Check").click()
    expect(site).to_contain_text("This has to be typed there", timeout=PATIENCE)
    expect(dialog.get_by_role("status").first).to_contain_text("failed", timeout=PATIENCE)
    typed = site.get_by_label("What “site” needs", exact=True).inner_text()
    (left,) = re.findall(r" cat (\S+) \|", typed)
    text = Path(left).read_text()
    assert f"ssl_certificate {pair.chain};" in text
    assert f"ssl_certificate_key {pair.key};" in text


@pytest.mark.long
def test_a_public_port_takes_the_certificate_that_the_gateway_renews(
    page: Page, ssh_bed: SshBed, pictures: Path
) -> None:
    ssh_bed.host("gw")
    allowed = {"allow_public_publish": True, "ssh_config": str(ssh_bed.config_file)}
    with jupyter("lab", password=PASSWORD, traits={"TunnelManager": allowed}) as server:
        lab = Lab(page, server).open()
        dialog, found = lab.dialog, check(lab, "certificate")
        button = dialog.get_by_role("button", name="Check")
        files = [
            dialog.get_by_label(f"File of {which}, on Jupyter’s machine")
            for which in ("the certificate", "its key")
        ]
        lab.sidebar.get_by_role("button", name="Publish this Jupyter…").click()
        dialog.get_by_label("Name that browsers use").fill("jupyter.invalid")
        way = dialog.get_by_label("Where browsers come in")
        way.select_option("direct")
        expect(button).to_be_disabled()
        way.select_option("bind")
        dialog.get_by_label("Gateway", exact=True).fill("gw")
        expect(button).to_be_enabled()
        files[0].fill("/c.pem")
        expect(dialog.get_by_text("Give both files, or neither.")).to_be_visible()
        expect(button).to_be_disabled()
        assert complaints(page, ".jp-Dialog-content") == []
        files[0].fill("")
        picture(page, pictures, "publish-bind")
        button.click()
        expect(found).to_contain_text("gw has no certificate of", timeout=PATIENCE)
        expect(dialog.get_by_role("status").first).to_contain_text("failed", timeout=PATIENCE)


@pytest.mark.long
def test_without_a_mouse_in_light_and_dark(page: Page, scene: Scene, pictures: Path) -> None:
    scene.web.use(without="client_max_body_size")
    lab = Lab(page, scene.server).open()
    dialog = fill_in(lab, scene)
    dialog.get_by_label("Hours until it ends").fill("1")
    keyboard = page.keyboard
    keyboard.press("Enter")
    remedy = dialog.get_by_role("button", name="Set a Password…")
    expect(remedy).to_be_visible(timeout=PATIENCE)
    remedy.focus()
    keyboard.press("Enter")
    keyboard.type(PASSWORD)
    keyboard.press("Tab")
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    publish = dialog.get_by_role("button", name="Publish")
    expect(publish).to_have_attribute("aria-disabled", "false", timeout=PATIENCE)
    publish.focus()
    keyboard.press("Enter")
    uploads = check(lab, "uploads")
    expect(uploads).to_contain_text("client_max_body_size", timeout=PATIENCE)
    expect(dialog.get_by_role("status").first).to_contain_text("uploads", timeout=PATIENCE)
    expect(publish).to_have_attribute("aria-disabled", "true")
    picture(page, pictures, "publish-failed")
    scene.web.use()
    dialog.get_by_role("button", name="Check").focus()
    keyboard.press("Enter")
    expect(publish).to_have_attribute("aria-disabled", "false", timeout=PATIENCE)
    publish.focus()
    keyboard.press("Enter")
    expect(dialog).to_be_hidden(timeout=PATIENCE)
    badge = lab.sidebar.get_by_role("button", name=f"Published: {NAME}")
    for theme in ("dark", "light"):
        lab.is_dark(theme == "dark")
        expect(badge).to_be_visible()
        for place in (SIDEBAR, "#jp-main-statusbar .jp-RemoteTunnel-publishedStatus"):
            assert complaints(page, place) == []
        badge.focus()
        keyboard.press("Enter")
        expect(dialog).to_contain_text("Exposed")
        assert complaints(page, ".jp-Dialog-content") == []
        picture(page, pictures, f"published-{theme}")
        keyboard.press("Escape")
        expect(dialog).to_be_hidden()
    first = badge.inner_text()
    lab.sidebar.get_by_role("button", name=f"Extend {NAME}").focus()
    keyboard.press("Enter")
    expect(page.get_by_text(f"{NAME} is published until")).to_be_visible()
    expect(badge).not_to_have_text(first)
    lab.run_command("Stop Publishing This Jupyter")
    expect(badge).to_have_count(0)


@pytest.mark.long
def test_a_password_typed_in_a_cell_is_in_no_notebook_that_is_saved(page: Page) -> None:
    source = ["%load_ext jupyter_remote_tunnel\n", "%tunnel publish --set-password"]
    cell = {"cell_type": "code", "id": "one", "metadata": {}, "outputs": [], "source": source}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    about = {"metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    with jupyter("lab", password=WEAK) as server:
        notebook = server.root_dir / "typed.ipynb"
        notebook.write_text(json.dumps({"cells": [{**cell, "execution_count": None}], **about}))
        Lab(page, server).log_in("lab/tree/typed.ipynb")
        expect(page.get_by_text("| Idle")).to_be_visible(timeout=PATIENCE)
        page.locator(".jp-Notebook .cm-content").first.click()
        page.keyboard.press("Shift+Enter")
        for prompt in ("New password", "The same again"):
            asked = page.locator(".jp-Stdin").filter(has_text=prompt).locator("input")
            asked.fill(PASSWORD, timeout=PATIENCE)
            asked.press("Enter")
        output = page.locator(".jp-OutputArea-output")
        expect(output.get_by_text("The password is set")).to_be_visible(timeout=PATIENCE)
        page.locator(".jp-Notebook .cm-content").first.click()
        page.keyboard.press("Control+s")
        wait_until(lambda: "The password is set" in notebook.read_text(), "the saved notebook")
        assert [path for path in files_below(server.folder) if holds(path, PASSWORD)] == []


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def holds(path: Path, text: str) -> bool:
    """Of what a server writes, a draft may just be gone."""
    try:
        return text.encode() in path.read_bytes()
    except FileNotFoundError:
        return False
