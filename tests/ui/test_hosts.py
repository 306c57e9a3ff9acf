"""The hosts of the ssh configuration in the sidebar, what they offer, and the way to one of them,
step by step, with real sshds.
"""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.support.echo import serve
from tests.support.pam_sshd import PamSshd, pam_host
from tests.support.ports import ReservedPort, unused_port
from tests.support.sshd import Sshd, make_key
from tests.ui.lab import SIDEBAR, Lab, Scene, complaints, picture

REPORT = ".jp-RemoteTunnel-diagnosis"
NODES = "".join(f"Host node{number:02}\n    User ann\n" for number in range(12))


@dataclass(frozen=True)
class Hosts:
    """The hosts of the bed beside gpu01: one that offers forwards, one that has got another key,
    one where nobody listens, and one that wants a password."""

    offering: Sshd
    offers: tuple[str, str]
    changed: Sshd
    dead: Sshd
    password: PamSshd


@pytest.fixture(scope="module")
def hosts(lab_scene: Scene) -> Iterator[Hosts]:
    bed = lab_scene.bed
    with bed.guests(), ReservedPort() as port, ReservedPort() as proxy, serve("echo") as echo:
        lines = [
            f"LocalForward {port.number} localhost:{echo.port}",
            f"DynamicForward {proxy.number}",
        ]
        offering = bed.host("offering", client=lines)
        changed = bed.host("changed", known=False)
        other = make_key(changed.folder / "other").with_suffix(".pub").read_text().split()
        with bed.known_hosts.open("a") as file:
            file.write(f"[127.0.0.1]:{changed.port} {other[0]} {other[1]}\n")
        dead = bed.host("dead", start=False)
        password = pam_host(bed, "password", "password")
        offers = (f"-L {port.number}:localhost:{echo.port}", f"-D {proxy.number}")
        yield Hosts(offering, offers, changed, dead, password)


@pytest.fixture
def lab(hosts: Hosts, lab: Lab) -> Iterator[Lab]:
    """JupyterLab, the sidebar in front with the hosts, no tunnels and no diagnoses."""
    lab.refresh()
    expect(_alias(lab, "password")).to_be_visible()
    yield lab
    tabs = lab.page.get_by_role("main").get_by_role("tab", name="Diagnosis of")
    for _ in range(tabs.count()):
        tabs.first.locator(".lm-TabBar-tabCloseIcon").click()
    expect(tabs).to_have_count(0)


def _alias(lab: Lab, name: str) -> Locator:
    """The line of a host without tunnels."""
    named = lab.page.locator(".jp-RemoteTunnel-aliasName", has_text=re.compile(f"^{name}$"))
    return lab.sidebar.locator(".jp-RemoteTunnel-alias").filter(has=named)


def _diagnose(lab: Lab, host: str) -> Locator:
    """Have a host diagnosed; what is shown."""
    lab.sidebar.get_by_role("button", name=f"Diagnose the way to {host}", exact=True).click()
    return _report(lab, host)


def _report(lab: Lab, host: str) -> Locator:
    return lab.page.get_by_role("region", name=f"Diagnosis of {host}", exact=True)


def _ends(report: Locator, how: str) -> None:
    expect(report.get_by_role("status")).to_contain_text(how)


def _step(report: Locator, name: str) -> Locator:
    """The last step of that name."""
    named = report.page.locator(".jp-RemoteTunnel-stepName", has_text=re.compile(f"^{name}$"))
    return report.get_by_role("listitem").filter(has=named).last


# The list


def test_hosts_stand_below_the_tunnels_and_a_tunnel_is_added_to_one(
    lab: Lab, lab_scene: Scene, hosts: Hosts
) -> None:
    offering = hosts.offering
    expect(_alias(lab, "offering")).to_contain_text(f"{offering.user}@127.0.0.1:{offering.port}")
    section = lab.sidebar.get_by_role("button", name="SSH configuration 5 hosts")
    section.click()
    expect(_alias(lab, "gpu01")).to_be_hidden()
    lab.refresh()
    expect(_alias(lab, "gpu01")).to_be_hidden()
    section.click()
    lab.sidebar.get_by_role("button", name="Add a tunnel to gpu01").click()
    host = lab.field("host")
    expect(host).to_have_value("gpu01")
    offered = host.evaluate("input => [...input.list.options].map(option => option.value)")
    assert offered == ["gpu01", "offering", "changed", "dead", "password"]
    expect(lab.field("far")).to_be_focused()
    lab.field("far").fill(str(lab_scene.bokeh.port))
    lab.dialog.get_by_label("Name").fill("plot")
    lab.open_button.click()
    lab.expect_state("plot", "Open")
    expect(_alias(lab, "gpu01")).to_be_hidden()
    lab.close("plot")
    expect(_alias(lab, "gpu01")).to_be_visible()


def test_many_hosts_are_filtered_and_a_new_one_comes_with_refresh(
    lab: Lab, lab_scene: Scene
) -> None:
    search = lab.sidebar.get_by_role("searchbox", name="Filter the hosts")
    expect(search).to_be_hidden()
    lab_scene.bed.write_config(NODES)
    lab.refresh()
    search.fill("ANN 1")
    aliases = lab.sidebar.locator(".jp-RemoteTunnel-aliasName")
    expect(aliases).to_have_text(["node01", "node10", "node11"])
    search.fill("nobody")
    expect(lab.sidebar.get_by_text("None of them is called so.")).to_be_visible()
    search.fill("")
    lab_scene.bed.write_config()
    lab.page.get_by_role("tab", name="SSH Tunnels").click()
    expect(lab.sidebar).to_be_hidden()
    lab.page.get_by_role("tab", name="SSH Tunnels").click()
    expect(aliases).to_have_count(5)


def test_what_a_host_offers_is_opened_by_a_click(lab: Lab, hosts: Hosts, pictures: Path) -> None:
    forward, proxy = hosts.offers
    line = _alias(lab, "offering").get_by_role("button", name="2 forwards")
    line.press("Enter")
    button = lab.sidebar.get_by_role("button", name=f"Open {forward} of offering")
    picture(lab.page, pictures, "hosts-offers")
    button.press("Enter")
    row = lab.sidebar.locator(".jp-RemoteTunnel-tunnel")
    expect(row.locator(".jp-RemoteTunnel-state")).to_have_text("Open")
    expect(row).to_be_focused()
    offers = lab.sidebar.get_by_role("list", name="What offering offers").get_by_role("listitem")
    expect(offers).to_have_text([f"{forward}Open", f"{proxy}Open"])
    expect(offers.get_by_role("button")).to_have_count(1)
    port = int(forward.split()[1].partition(":")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as stream:
        stream.sendall(b"x")
        assert stream.recv(1) == b"x"


def test_an_offer_whose_port_is_taken_says_so(lab: Lab, hosts: Hosts) -> None:
    forward, _ = hosts.offers
    _alias(lab, "offering").get_by_role("button", name="2 forwards").click()
    port = int(forward.split()[1].partition(":")[0])
    with socket.create_server(("127.0.0.1", port)):
        lab.sidebar.get_by_role("button", name=f"Open {forward} of offering").click()
        expect(lab.dialog.get_by_role("alert")).to_contain_text(f"{port}")
        lab.dialog.get_by_role("button", name="Dismiss").click()
    expect(lab.sidebar.get_by_text("No tunnels yet.")).to_be_visible()


# The way to a host


def test_a_healthy_host_step_by_step_and_as_text(lab: Lab, lab_scene: Scene) -> None:
    sshd = lab_scene.sshd
    report = _diagnose(lab, "gpu01")
    _ends(report, "Nothing failed.")
    expect(report).to_be_focused()
    expect(report.get_by_role("heading", level=3)).to_have_text(["gpu01"])
    expect(_step(report, "host key").locator(".jp-RemoteTunnel-verdict")).to_have_text("ok")
    expect(_step(report, "host key")).to_contain_text(sshd.fingerprint)
    expect(_step(report, "login")).to_contain_text(f"{sshd.user} is let in")
    expect(_step(report, "login").locator(".jp-RemoteTunnel-seconds")).to_have_text(
        re.compile(r"^\d+(\.\d)?\s(ms|s)$")
    )
    assert complaints(lab.page, REPORT) == []
    report.get_by_role("button", name="Copy").click()
    expect(lab.page.get_by_text("Copied: the way to gpu01")).to_be_visible()
    copied = lab.page.evaluate("navigator.clipboard.readText()")
    assert re.search(r"^ok      host key +\d+ ms  It is the ED25519 key SHA256:", copied, re.M)
    assert copied.endswith("\nNothing failed.\n")
    report.get_by_label("Also try a public bind").check()
    report.get_by_role("button", name="Again").press("Enter")
    expect(_step(report, "public bind")).to_be_visible()
    expect(report.get_by_role("button", name="Again")).to_be_focused()


def test_a_failed_row_leads_to_the_key_that_has_changed(
    lab: Lab, lab_scene: Scene, hosts: Hosts
) -> None:
    lab.page.evaluate(_OPEN, {"host": "changed", "forwards": ["-D 0"], "name": "changed"})
    lab.expect_state("changed", "Failed")
    lab.row("changed").get_by_role("button", name="Diagnose the way of changed").click()
    report = _report(lab, "changed")
    _ends(report, "1 of 5 steps failed: host key.")
    key = _step(report, "host key")
    expect(key).to_contain_text("FAILED")
    expect(key).to_contain_text(re.compile(f"{re.escape(str(lab_scene.bed.known_hosts))} line \\d"))


def test_the_dialog_leads_to_why_it_failed_and_leaves_the_row(lab: Lab, pictures: Path) -> None:
    lab.fill("ssh -ND 0 changed", "changed")
    lab.open_button.click()
    link = lab.dialog.get_by_role("button", name="Diagnose…")
    expect(link).to_be_visible()
    assert complaints(lab.page, ".jp-Dialog-body") == []
    picture(lab.page, pictures, "dialog-diagnose")
    link.press("Enter")
    _ends(_report(lab, "changed"), "1 of 5 steps failed: host key.")
    expect(lab.dialog).to_be_hidden()
    lab.expect_state("changed", "Failed")


def test_the_palette_asks_which_host_and_nobody_listens_there(
    lab: Lab, hosts: Hosts, pictures: Path
) -> None:
    lab.run_command("Diagnose an SSH Host")
    field = lab.dialog.get_by_label("Remote host")
    expect(field).to_be_focused()
    expect(lab.dialog.get_by_role("button", name="Diagnose")).to_be_disabled()
    assert complaints(lab.page, ".jp-Dialog-body") == []
    picture(lab.page, pictures, "diagnose-which")
    lab.page.keyboard.type("dead")
    lab.page.keyboard.press("Enter")
    report = _report(lab, "dead")
    _ends(report, "1 of 3 steps failed: connection.")
    expect(_step(report, "connection")).to_contain_text(str(hosts.dead.port))


def test_a_host_asks_on_the_way_and_the_answer_is_shown_nowhere(
    lab: Lab, hosts: Hosts, pictures: Path
) -> None:
    host = hosts.password
    report = _diagnose(lab, "password")
    expect(lab.dialog).to_have_accessible_name("Password for password")
    expect(lab.page.locator(f"{REPORT} .jp-RemoteTunnel-stepName").last).to_have_text("host key")
    picture(lab.page, pictures, "diagnosis-asks")
    lab.page.keyboard.press("Escape")
    _ends(report, "1 of 6 steps failed: login.")
    report.get_by_role("button", name="Again").click()
    expect(lab.dialog).to_have_accessible_name("Password for password")
    lab.dialog.get_by_label("Password").fill(host.password)
    lab.page.keyboard.press("Enter")
    expect(_step(report, "login")).to_contain_text("alice is let in")
    assert host.password not in lab.page.content()


def test_a_row_leads_to_why_nothing_answers_there(lab: Lab, lab_scene: Scene) -> None:
    with unused_port() as nowhere:
        lab.add(f"ssh -NL 0:localhost:{nowhere} gpu01", "nothing")
        with (
            pytest.raises(ConnectionResetError),
            socket.create_connection(("127.0.0.1", lab.port("nothing")), timeout=10) as stream,
        ):
            stream.recv(1)
        lab.row("nothing").get_by_role("button", name="Diagnose the way of nothing").click()
        report = _report(lab, "gpu01")
        _ends(report, "1 of 10 steps failed: destination.")
        expect(_step(report, "destination")).to_contain_text(f"localhost:{nowhere}")


def test_a_walk_is_cancelled(lab: Lab, lab_scene: Scene) -> None:
    with lab_scene.sshd.paused():
        report = _diagnose(lab, "gpu01")
        _ends(report, "Looking…")
        # What was found until then stays; there is nothing of it before the first steps have come.
        expect(_step(report, "connection")).to_be_visible()
        report.get_by_role("button", name="Cancel").click()
        _ends(report, "You have cancelled it.")
        expect(_step(report, "connection")).to_be_visible()
    report.get_by_role("button", name="Again").click()
    _ends(report, "Nothing failed.")


FAR = """\
Host far
    HostName workstation-of-ada.department.example.org
    Port 34567
    User ada
    LocalForward 127.0.0.1:15006 /run/user/64900/jupyter-of-ada/application.sock
"""
# How many lines the text of each takes.
_LINES = """elements => elements.map(element => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const tops = [...range.getClientRects()].map(({ top }) => Math.round(top));
    return [element.textContent, new Set(tops).size];
})"""


@pytest.mark.long
def test_addresses_stay_in_one_piece(
    lab: Lab, lab_scene: Scene, short_dir: Path, pictures: Path
) -> None:
    """A port is not divided between two lines; what has no room is cut, and told by its title."""
    lab_scene.bed.write_config(FAR)
    lab.refresh()
    socket_here = short_dir / "socket-of-an-application-with-a-long-name"
    lab.page.evaluate(
        _OPEN,
        {"host": "gpu01", "forwards": [f"-L {socket_here}:localhost:5006", "-D 0"], "name": "here"},
    )
    lab.expect_state("here", "Open")
    _alias(lab, "far").get_by_role("button", name="1 forward").click()
    offer = lab.sidebar.get_by_role("list", name="What far offers").locator("code")
    for dark in (False, True):
        lab.is_dark(dark)
        picture(lab.page, pictures, f"addresses-{'dark' if dark else 'light'}")
    lab.is_dark(False)
    pieces = lab.sidebar.locator(
        ".jp-RemoteTunnel-way, .jp-RemoteTunnel-offer code, .jp-RemoteTunnel-piece"
    )
    lines = dict(pieces.evaluate_all(_LINES))
    assert set(lines.values()) - {0} == {1}, lines  # 0 is hidden
    assert str(socket_here) in lines
    assert "ada@workstation-of-ada.department.example.org:34567" in lines
    expect(offer).to_have_attribute("title", offer.inner_text())
    assert complaints(lab.page, SIDEBAR) == []
    lab.close("here")
    lab_scene.bed.write_config()


# Pictures, for people; the test says only that all there is to see is in them.


@pytest.mark.long
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_of_it_in_both_themes(
    lab: Lab, lab_scene: Scene, hosts: Hosts, pictures: Path, theme: str
) -> None:
    lab.is_dark(theme == "dark")
    lab_scene.bed.write_config(NODES)
    lab.refresh()
    expect(_alias(lab, "node01")).to_be_visible()  # above the others, which move by that
    lab.page.evaluate(_OPEN, {"host": "changed", "forwards": ["-D 0"], "name": "changed"})
    lab.page.evaluate(_OPEN, {"host": "gpu01", "forwards": ["-D 0"], "name": "proxy"})
    lab.expect_state("changed", "Failed")
    lab.expect_state("proxy", "Open")
    # Its round trip comes last, and moves what stands below, from under a pointer as well.
    expect(lab.row("proxy")).to_contain_text(re.compile(r"\d\sms"))
    offered = _alias(lab, "offering").get_by_role("button", name="2 forwards")
    offered.press("Enter")
    expect(offered).to_have_attribute("aria-expanded", "true")
    assert complaints(lab.page, SIDEBAR) == []
    offers = lab.sidebar.get_by_role("list", name="What offering offers")
    offers.get_by_role("button").first.click()
    expect(lab.sidebar.locator(".jp-RemoteTunnel-tunnel").last).to_be_focused()
    lab.expect_state(f"offering:{hosts.offers[0].rpartition(':')[2]}", "Open")
    offers.scroll_into_view_if_needed()
    picture(lab.page, pictures, f"hosts-{theme}")
    lab.row("changed").get_by_role("button", name="Diagnose the way of changed").click()
    failed = _report(lab, "changed")
    _ends(failed, "failed")
    assert complaints(lab.page, REPORT) == []
    picture(lab.page, pictures, f"diagnosis-failed-{theme}")
    report = _diagnose(lab, "gpu01")
    _ends(report, "Nothing failed.")
    picture(lab.page, pictures, f"diagnosis-{theme}")
    lab.sidebar.get_by_role("button", name="Add a tunnel to node01").click()
    expect(lab.field("host")).to_have_value("node01")
    picture(lab.page, pictures, f"hosts-dialog-{theme}")
    lab.dialog.get_by_role("button", name="Cancel").click()
    lab_scene.bed.write_config()
    lab.is_dark(False)


# Begin to open a tunnel, as this login, without the dialog for that.
_OPEN = """body => {
    const xsrf = /_xsrf=([^;]*)/.exec(document.cookie)[1];
    void fetch("/remote-tunnel/api/tunnels", {
        method: "POST", headers: {"X-XSRFToken": xsrf}, body: JSON.stringify(body)
    });
}"""
