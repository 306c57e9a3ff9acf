"""What hosts ask, in dialogs: each question of real hosts, from a click to the open tunnel."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from playwright.sync_api import Locator, expect

from tests.support.asking_host import Curious, Pushing, Renewing
from tests.support.http import by_cookie
from tests.support.jupyter import Jupyter
from tests.support.lying_host import Liar, lying
from tests.support.pam_sshd import PUSH, PamSshd, pam_host
from tests.support.sk_agent import SkAgent, sk_agent
from tests.support.sshd import SshBed, Sshd, make_key
from tests.support.threads import in_thread
from tests.ui.conftest import faultless
from tests.ui.lab import Lab, Scene, complaints, picture

ASK = ["BatchMode no", "StrictHostKeyChecking ask"]
SECRET = "open sesame"
KEYBOARD = "keyboard-interactive"
ADD = "Add an SSH Tunnel"

L = TypeVar("L", bound=Liar)


@dataclass(frozen=True)
class Asking:
    """A Jupyter, and hosts of its bed that ask: a stranger, and one that wants a password."""

    bed: SshBed
    server: Jupyter
    stranger: Sshd
    password: PamSshd


@pytest.fixture(scope="module")
def scene(lab_scene: Scene) -> Iterator[Asking]:
    bed = lab_scene.bed
    with bed.guests():
        stranger = bed.host("stranger", known=False, client=ASK)
        password = pam_host(bed, "password", "password")
        yield Asking(bed, lab_scene.server, stranger, password)


def begin(lab: Lab, alias: str) -> None:
    """Open a tunnel of the host's name by the dialog that adds one."""
    lab.fill(f"ssh -ND 0 {alias}", alias)
    lab.open_button.click()


def shown(lab: Lab, title: str) -> Locator:
    """The dialog of that title, once it is the one that is shown."""
    expect(lab.dialog).to_have_accessible_name(title)
    return lab.dialog


def answer(asked: Locator, texts: Mapping[str, str]) -> None:
    """Type each text into the field of that label, and press Enter in the last."""
    for label, text in texts.items():
        asked.get_by_label(label, exact=True).fill(text)
    asked.locator(".jp-Dialog-body input").last.press("Enter")


def press(asked: Locator, button: str) -> None:
    asked.get_by_role("button", name=button, exact=True).click()


def is_open(lab: Lab, name: str) -> None:
    """Wait until it is, and no dialog is left."""
    lab.expect_state(name, "Open")
    expect(lab.dialog).to_be_hidden()


# A host key


@pytest.mark.parametrize(
    ("button", "is_written"), [("Accept Once", False), ("Accept and Remember", True)]
)
def test_a_host_key_that_nobody_knows_is_accepted(
    lab: Lab, scene: Asking, button: str, is_written: bool
) -> None:
    stranger, known_hosts = scene.stranger, scene.bed.known_hosts
    before = known_hosts.read_text()
    begin(lab, "stranger")
    asked = shown(lab, "Unknown Host Key of stranger")
    for fact in (
        stranger.fingerprint,
        "ED25519",
        f"{stranger.user}@127.0.0.1:{stranger.port}",
        f"writes it to {known_hosts}, under the name [127.0.0.1]:{stranger.port},",
        "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
    ):
        expect(asked).to_contain_text(fact)
    lab.expect_state("stranger", "Waiting for you")
    asked.get_by_text(stranger.fingerprint).click()
    assert lab.page.evaluate("getSelection().toString()") == stranger.fingerprint
    press(asked, button)
    is_open(lab, "stranger")
    written = known_hosts.read_text().removeprefix(before)
    assert written == (stranger.known_hosts_line if is_written else "")


def test_an_enter_accepts_no_host_key(lab: Lab, scene: Asking) -> None:
    before = scene.bed.known_hosts.read_text()
    begin(lab, "stranger")
    asked = shown(lab, "Unknown Host Key of stranger")
    expect(asked.get_by_role("button", name="Cancel")).to_be_focused()
    lab.page.keyboard.press("Enter")
    shown(lab, ADD)  # as it was left
    expect(lab.dialog.get_by_role("alert")).to_contain_text("The login to stranger was cancelled.")
    expect(lab.dialog.get_by_label("A command of ssh")).to_have_value("ssh -ND 0 stranger")
    press(lab.dialog, "Cancel")
    expect(lab.row("stranger")).to_be_hidden()
    assert scene.bed.known_hosts.read_text() == before


def test_a_host_key_that_has_changed_is_no_question(
    lab: Lab, scene: Asking, tmp_path: Path
) -> None:
    known_hosts, stranger = scene.bed.known_hosts, scene.stranger
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text().split()
    line = f"[127.0.0.1]:{stranger.port} {other[0]} {other[1]}\n"
    known_hosts.write_text(known_hosts.read_text() + line)
    number = known_hosts.read_text().count("\n")
    begin(lab, "stranger")
    alert = lab.dialog.get_by_role("alert")
    expect(alert).to_contain_text("has changed")
    expect(alert).to_contain_text(f"{known_hosts} line {number} ")
    expect(lab.dialog.locator(".jp-Dialog-button")).to_have_text(["Cancel", "Open"])
    press(lab.dialog, "Cancel")


# Secrets


def test_a_password_is_wrong_and_then_right(lab: Lab, scene: Asking) -> None:
    host = scene.password
    begin(lab, "password")
    asked = shown(lab, "Password for password")
    field = asked.get_by_label("Password", exact=True)
    expect(field).to_be_focused()
    expect(field).to_have_attribute("type", "password")
    expect(field).to_have_accessible_description(
        f"password asks for the password of alice@127.0.0.1:{host.port}."
    )
    expect(asked).to_contain_text("For the SSH tunnel password.")
    expect(asked.get_by_role("button", name="Log In")).to_be_disabled()
    lab.page.keyboard.type("wrong-horse")
    lab.page.keyboard.press("Enter")
    expect(asked.get_by_role("alert")).to_contain_text("not the right password")
    expect(field).to_be_focused()
    expect(field).to_have_value("")
    answer(asked, {"Password": host.password})
    is_open(lab, "password")
    for secret in ("wrong-horse", host.password):
        assert secret not in lab.page.content()


@pytest.mark.parametrize("keep", [pytest.param(False, marks=pytest.mark.long), True])
def test_a_passphrase_opens_its_key_for_longer_if_one_says_so(
    lab: Lab, scene: Asking, keep: bool
) -> None:
    alias = f"key-{keep}"
    key = _with_passphrase(scene, alias)
    begin(lab, alias)
    asked = shown(lab, "Passphrase of a Key")
    expect(asked).to_contain_text(f"{alias} takes the key {key},")
    answer(asked, {"Passphrase": "wrong"})
    expect(asked.get_by_role("alert")).to_contain_text("did not open the key")
    remember = asked.get_by_label("Keep the key open until this Jupyter server ends")
    expect(remember).not_to_be_checked()
    remember.set_checked(keep)
    answer(asked, {"Passphrase": SECRET})
    is_open(lab, alias)
    lab.close(alias)
    begin(lab, alias)
    if not keep:
        answer(shown(lab, "Passphrase of a Key"), {"Passphrase": SECRET})
    is_open(lab, alias)


def test_an_expired_password_is_changed_question_by_question(lab: Lab, scene: Asking) -> None:
    host = pam_host(scene.bed, "expired", KEYBOARD, expired=True)
    begin(lab, "expired")
    asked = shown(lab, "Login to expired")
    answer(asked, {"Password:": host.password})
    expect(asked).to_contain_text("You are required to change your password")
    answer(asked, {"Current password:": host.password})
    answer(asked, {"New password:": "quite-new-1"})
    answer(asked, {"Retype new password:": "quite-new-1"})
    is_open(lab, "expired")
    assert host.accepts("quite-new-1")


def test_a_host_that_wants_a_new_password(lab: Lab, scene: Asking) -> None:
    with _liar(scene, "renewing", Renewing()) as host:
        begin(lab, "renewing")
        answer(shown(lab, "Password for renewing"), {"Password": "old"})
        asked = shown(lab, "New Password for renewing")
        expect(asked.get_by_role("figure")).to_contain_text("renewing says:")
        expect(asked.get_by_role("figure")).to_contain_text("Take another.")
        for again in ("never", "newer"):
            for label, text in (
                ("Old password", "old"),
                ("New password", "newer"),
                ("New password again", again),
            ):
                expect(asked.get_by_label(label, exact=True)).to_be_focused()
                lab.page.keyboard.type(text)
                lab.page.keyboard.press("Enter")  # to the next one
            if again == "never":
                expect(asked.get_by_role("alert")).to_contain_text("not the same")
        is_open(lab, "renewing")
        assert host.changed == "old → newer"


# What hosts word themselves


def test_a_host_key_a_password_and_a_code(lab: Lab, scene: Asking) -> None:
    host = pam_host(scene.bed, "both", KEYBOARD, asks=("password", "code"), known=False, client=ASK)
    begin(lab, "both")
    press(shown(lab, "Unknown Host Key of both"), "Accept Once")
    asked = shown(lab, "Login to both")
    answer(asked, {"Password:": "wrong"})
    expect(asked.get_by_role("alert")).to_contain_text("try 2")
    answer(asked, {"Password:": host.password})
    code = asked.get_by_label("Password required for alice.")
    expect(code).to_have_attribute("autocomplete", "one-time-code")
    expect(asked.get_by_role("alert")).to_be_hidden()  # the password was right
    answer(asked, {"Password required for alice.": host.code})
    is_open(lab, "both")


def test_several_fields_and_what_is_said_stays_in_its_frame(lab: Lab, scene: Asking) -> None:
    html = "<b>Jupyter</b> needs your password.\n" + "Line\n" * 100
    with _liar(scene, "curious", Curious((html, "", FIELDS))) as host:
        begin(lab, "curious")
        asked = shown(lab, "Login to curious")
        said, wanted = asked.get_by_role("figure").all()
        expect(said).to_contain_text("curious says:")
        expect(said).to_contain_text("<b>Jupyter</b> needs your password.")
        box = said.bounding_box()
        assert box is not None
        assert box["height"] < 250
        expect(wanted).to_contain_text(re.compile("^curious asks .*@127.0.0.1:"))
        expect(asked.get_by_label("User:")).to_have_attribute("type", "text")
        expect(asked.get_by_label("User:")).to_be_focused()
        expect(asked.get_by_label("Code:")).to_have_attribute("type", "password")
        answer(asked, {"User:": "ada", "Code:": "123"})
        is_open(lab, "curious")
        assert host.answers == [["ada", "123"]]


def test_a_push_to_a_phone_needs_no_answer_here(lab: Lab, scene: Asking) -> None:
    with _liar(scene, "push", Pushing(PUSH)) as host:
        begin(lab, "push")
        asked = shown(lab, "Login to push")
        expect(asked.get_by_role("figure")).to_contain_text(PUSH)
        expect(asked.locator(".jp-Dialog-button")).to_have_text(["Cancel"])
        host.tap()
        is_open(lab, "push")


def test_a_security_key_is_touched(lab: Lab, scene: Asking) -> None:
    with _security_key(scene, "touch") as touch:
        begin(lab, "touch")
        expect(shown(lab, "Touch Your Security Key")).to_contain_text("to log in to touch as")
        lab.page.keyboard.press("Enter")
        touch()
        is_open(lab, "touch")


# Who is asked, where, and for how long


def test_a_tunnel_that_waits_asks_when_it_is_restarted(
    lab: Lab, scene: Asking, pictures: Path
) -> None:
    host = scene.password
    begin(lab, "password")
    answer(shown(lab, "Password for password"), {"Password": host.password})
    is_open(lab, "password")
    host.drop_connections()
    lab.expect_state("password", "Waiting for you")
    again = lab.row("password").get_by_role("button", name="Log in to reconnect password")
    notice = lab.page.locator(".Toastify__toast", has_text="password has to ask you something")
    picture(lab.page, pictures, "notice")
    notice.get_by_role("button", name="Log in…").click()
    expect(shown(lab, "Password for password").get_by_label("Password", exact=True)).to_be_focused()
    expect(notice).to_be_hidden()
    lab.page.keyboard.press("Escape")
    expect(lab.row("password").get_by_role("alert")).to_contain_text("was cancelled")
    lab.expect_state("password", "Waiting for you")
    expect(lab.dialog).to_be_hidden()
    expect(notice).to_be_hidden()
    picture(lab.page, pictures, "waiting")
    again.click()
    answer(shown(lab, "Password for password"), {"Password": host.password})
    is_open(lab, "password")


def test_every_tab_asks_also_after_a_reload_until_one_has_answered(lab: Lab, scene: Asking) -> None:
    with faultless(lab.page.context) as page:
        other = Lab(page, scene.server)
        page.goto(f"{other.url}lab/workspaces/other?reset")
        expect(page.locator(".jp-Launcher")).to_be_visible(timeout=60_000)
        begin(lab, "password")
        shown(lab, "Password for password")
        shown(other, "Password for password")
        page.reload()
        shown(other, "Password for password")
        answer(shown(lab, "Password for password"), {"Password": scene.password.password})
        expect(other.dialog).to_be_hidden()
        is_open(lab, "password")
        page.close()


def test_who_else_is_asked_stands_in_the_row(lab: Lab, scene: Asking) -> None:
    with _other_login(scene) as (http, opening):
        name = http.get("api/me").json()["identity"]["display_name"]
        lab.expect_state("theirs", f"Waiting for {name}")
        expect(lab.dialog).to_be_hidden()
        # Who wants to answer as well restarts it.
        lab.row("theirs").get_by_role("button", name="Restart theirs").click()
        answer(shown(lab, "Password for password"), {"Password": scene.password.password})
        is_open(lab, "theirs")
        assert opening.result().status_code == 201


def test_a_host_that_goes_away_takes_its_question_along(lab: Lab, scene: Asking) -> None:
    host = pam_host(scene.bed, "leaving", "password")
    begin(lab, "leaving")
    asked = shown(lab, "Password for leaving")
    field = asked.get_by_label("Password")
    field.fill("hors")
    host.kill()
    # It does not go from under who types.
    expect(asked.get_by_role("alert")).to_have_text("leaving waits for this answer no more.")
    expect(field).to_be_focused()
    expect(field).to_have_value("")
    press(asked, "Cancel")
    alert = shown(lab, ADD).get_by_role("alert")
    expect(alert).to_contain_text("leaving ended the login before it was answered.")
    press(lab.dialog, "Cancel")


# Pictures, for people; the test says only that all there is to see is in them.


@pytest.mark.long
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_dialog_is_shown(lab: Lab, scene: Asking, pictures: Path, theme: str) -> None:
    welcome = ("", "Welcome to the cluster.\nMaintenance on Sunday.", FIELDS)
    hosts = [f"{name}-{theme}" for name in ("curious", "renewing", "push", "touch", "key")]
    curious, renewing, push, touch, key = hosts
    _with_passphrase(scene, key)
    lab.is_dark(theme == "dark")
    show = partial(_show, lab, pictures)
    with (
        _liar(scene, curious, Curious(welcome)),
        _liar(scene, renewing, Renewing()),
        _liar(scene, push, Pushing(PUSH)),
        _security_key(scene, touch),
    ):
        press(show(f"host-key-{theme}", "stranger", "Unknown Host Key of stranger"), "Cancel")
        asked = show(f"password-{theme}", "password", "Password for password")
        answer(asked, {"Password": "wrong"})
        expect(asked.get_by_role("alert")).to_be_visible()
        picture(lab.page, pictures, f"wrong-password-{theme}")
        press(asked, "Cancel")
        press(show(f"passphrase-{theme}", key, "Passphrase of a Key"), "Cancel")
        press(show(f"keyboard-{theme}", curious, f"Login to {curious}"), "Cancel")
        press(show(f"push-{theme}", push, f"Login to {push}"), "Cancel")
        press(show(f"touch-{theme}", touch, "Touch Your Security Key"), "Cancel")
        lab.page.evaluate(_OPEN, {"host": renewing, "forwards": ["-D 0"]})
        answer(shown(lab, f"Password for {renewing}"), {"Password": "old"})
        press(_pictured(lab, pictures, f"new-{theme}", f"New Password for {renewing}"), "Cancel")
    lab.is_dark(False)


def _show(lab: Lab, pictures: Path, name: str, alias: str, title: str) -> Locator:
    """The dialog of what a host asks, of which there is a picture and nothing to complain."""
    lab.page.evaluate(_OPEN, {"host": alias, "forwards": ["-D 0"]})
    return _pictured(lab, pictures, name, title)


def _pictured(lab: Lab, pictures: Path, name: str, title: str) -> Locator:
    asked = shown(lab, title)
    expect(asked.locator(".jp-RemoteTunnel-fields")).to_be_visible()
    assert complaints(lab.page, ".jp-Dialog-body") == []
    picture(lab.page, pictures, f"question-{name}")
    return asked


# Begin to open a tunnel, as this login, without the dialog for that.
_OPEN = """body => {
    const xsrf = /_xsrf=([^;]*)/.exec(document.cookie)[1];
    void fetch("/remote-tunnel/api/tunnels", {
        method: "POST", headers: {"X-XSRFToken": xsrf}, body: JSON.stringify(body)
    });
}"""


# Hosts

FIELDS = [("User: ", True), ("Code: ", False)]


@contextlib.contextmanager
def _liar(scene: Asking, alias: str, liar: L) -> Iterator[L]:
    """A host of that name, which asks as it likes."""
    sshd = scene.bed.host(alias, start=False, client=["BatchMode no"])
    with in_thread(lying(sshd, liar)) as host:
        yield host


def _with_passphrase(scene: Asking, alias: str) -> Path:
    """The key for a new host of that name; SECRET opens it."""
    key = make_key(scene.bed.folder / f"id_{alias}", passphrase=SECRET)
    host = scene.bed.host(alias, client=[f"IdentityFile {key}", "BatchMode no"])
    host.authorized_keys.write_text(key.with_suffix(".pub").read_text())
    return key


@contextlib.contextmanager
def _security_key(scene: Asking, alias: str) -> Iterator[Callable[[], object]]:
    """A host of that name that takes a security key; gives what touches that."""
    socket = scene.bed.folder / f"{alias}.sock"

    @contextlib.asynccontextmanager
    async def serve() -> AsyncIterator[tuple[SkAgent, asyncio.AbstractEventLoop]]:
        async with sk_agent(socket) as agent:
            yield agent, asyncio.get_running_loop()

    client = ["IdentitiesOnly no", f"IdentityAgent {socket}", "BatchMode no"]
    host = scene.bed.host(alias, client=client)
    with in_thread(serve()) as (agent, loop):
        host.authorized_keys.write_text(agent.public_key)
        yield lambda: loop.call_soon_threadsafe(agent.touched.set)


@contextlib.contextmanager
def _other_login(scene: Asking) -> Iterator[tuple[httpx.Client, "Future[httpx.Response]"]]:
    """Another login, which begins to open a tunnel that is called "theirs"."""
    wanted = {"host": "password", "forwards": ["-D 0"], "name": "theirs"}
    with by_cookie(scene.server) as http, ThreadPoolExecutor() as threads:
        yield http, threads.submit(http.post, "remote-tunnel/api/tunnels", json=wanted)
