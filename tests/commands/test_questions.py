"""Questions at a real terminal: `jupyter tunnel` asks, hides what is secret, and can be left."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_remote_tunnel.commands.questions import lines_of
from jupyter_remote_tunnel.engine.messages import Who
from jupyter_remote_tunnel.engine.sync import SyncEngine
from jupyter_remote_tunnel.model.errors import NeedsUser
from jupyter_remote_tunnel.model.prompt import Answer, Field, Prompt, Question, ShownKey
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import TunnelRequest
from tests.support.asking_host import Curious
from tests.support.lying_host import lying
from tests.support.pam_sshd import PamSshd, pam_host
from tests.support.process import wait_until
from tests.support.sshd import SshBed, make_key
from tests.support.terminal import AtTerminal, at_terminal
from tests.support.threads import in_thread
from tests.support.user import User

ASK = ["StrictHostKeyChecking ask"]
OPEN = ("open", "-D", "0", "gpu01", "--name", "socks")


@pytest.fixture
def host(ssh_bed: SshBed) -> PamSshd:
    """Nobody knows its key; it takes a password and a code."""
    return pam_host(
        ssh_bed,
        "gpu01",
        "keyboard-interactive",
        asks=("password", "code"),
        known=False,
        client=ASK,
    )


@pytest.fixture
def engine(user: User, ssh_bed: SshBed) -> Iterator[SyncEngine]:
    """An engine of the user's, and a client to look at it."""
    settings = EngineSettings(ssh_config=str(ssh_bed.config_file), connect_timeout=60)
    with (
        user.engine(settings) as holder,
        closing(SyncEngine(holder.socket_path, "shell")) as client,
    ):
        yield client


def typing(user: User, *words: str | Path) -> AbstractContextManager[AtTerminal]:
    """The user types `jupyter tunnel` with these words."""
    argv = [sys.executable, "-m", "jupyter_remote_tunnel.cli", *words]
    return at_terminal(argv, env=user.environment, cwd=user.folder)


def answer_secret(terminal: AtTerminal, label: str, secret: str) -> None:
    terminal.read(label)
    assert not terminal.echoes
    terminal.type(secret)


def test_every_question_until_it_is_open(
    user: User, engine: SyncEngine, ssh_bed: SshBed, host: PamSshd
) -> None:
    with typing(user, *OPEN) as terminal:
        terminal.read(f"The host key of gpu01 (alice@127.0.0.1:{host.port}) is not known.")
        terminal.read("ED25519")
        terminal.read(host.fingerprint)
        terminal.read(str(ssh_bed.known_hosts))
        terminal.read("Accept it")
        terminal.type("perhaps")
        terminal.read("one of these words")
        terminal.read("Accept it")
        terminal.type("256 SHA256:ABCdef root@gpu01 (ED25519)")
        terminal.read("another key")
        terminal.read("Accept it")
        terminal.type("remember")
        terminal.read("gpu01 asks alice@127.0.0.1")
        answer_secret(terminal, "  | Password: ", "wrong-horse")
        terminal.read("again")
        answer_secret(terminal, "  | Password: ", host.password)
        answer_secret(terminal, "  | ", host.code)
        terminal.read("socks is open")
        assert terminal.wait() == 0
        for secret in ("wrong-horse", host.password, host.code):
            assert secret not in terminal.screen
        assert "Traceback" not in terminal.screen
    assert host.known_hosts_line in ssh_bed.known_hosts.read_text()
    assert [tunnel.state for tunnel in engine.list_tunnels()] == ["open"]


def test_the_fingerprint_of_a_key_is_a_yes(
    user: User, engine: SyncEngine, ssh_bed: SshBed, host: PamSshd
) -> None:
    with typing(user, *OPEN) as terminal:
        terminal.read("or its fingerprint)? ")
        terminal.type(f"256 {host.fingerprint} root@gpu01 (ED25519)")
        terminal.read("  | Password: ")
    assert ssh_bed.known_hosts.read_text() == ""


@pytest.mark.parametrize("how", ["no", "end"])
def test_a_key_that_is_not_accepted(
    user: User, engine: SyncEngine, ssh_bed: SshBed, host: PamSshd, how: str
) -> None:
    with typing(user, *OPEN, "--json") as terminal:
        terminal.read("Accept it")
        if how == "no":
            terminal.type("no")
        else:
            terminal.end_input()
        terminal.read("The login to gpu01 was cancelled.")
        assert terminal.wait() == 1
    assert engine.list_tunnels() == []
    assert ssh_bed.known_hosts.read_text() == ""
    assert host.attempts == []


def test_ctrl_c_cancels_the_attempt(
    user: User, engine: SyncEngine, ssh_bed: SshBed, host: PamSshd
) -> None:
    ssh_bed.know(host)
    with typing(user, *OPEN) as terminal:
        terminal.read("  | Password: ")
        terminal.interrupt()
        assert terminal.wait() == 1
        assert "Traceback" not in terminal.screen
    wait_until(lambda: engine.list_tunnels() == [], "the end of the attempt")
    assert host.failures == 0


def test_a_terminal_that_is_left_shows_again_what_is_typed(
    user: User, engine: SyncEngine, ssh_bed: SshBed, host: PamSshd
) -> None:
    """As a shell would find it that the command was typed in."""
    ssh_bed.know(host)
    command = f"{sys.executable} -m jupyter_remote_tunnel.cli {' '.join(OPEN)}; read line"
    script = f"trap : INT; {command}; echo heard $line"
    with at_terminal(["bash", "-c", script], env=user.environment, cwd=user.folder) as terminal:
        terminal.read("  | Password: ")
        assert not terminal.echoes
        terminal.interrupt()
        wait_until(lambda: terminal.echoes, "the usual terminal")
        terminal.type("fine")
        terminal.read("heard fine")


def test_half_a_password_is_not_read_by_the_shell(
    user: User, engine: SyncEngine, ssh_bed: SshBed
) -> None:
    """When the host hangs up while it is typed."""
    sshd = ssh_bed.host("gpu01", start=False)
    host = Curious(("", "", [("Password:", False)]))
    command = f"{sys.executable} -m jupyter_remote_tunnel.cli {' '.join(OPEN)}; read line"
    script = f'{command}; echo "heard $line"'
    with (
        in_thread(lying(sshd, host)),
        at_terminal(["bash", "-c", script], env=user.environment, cwd=user.folder) as terminal,
    ):
        terminal.read("  | Password: ")
        assert not terminal.echoes
        terminal.begin("correct-horse")
        host.connection._loop.call_soon_threadsafe(host.connection.abort)
        wait_until(lambda: terminal.echoes, "the usual terminal")
        terminal.type(" and fine")
        terminal.read("heard and fine")
        assert "horse" not in terminal.screen


def test_without_a_terminal_it_says_what_to_do(
    user: User, engine: SyncEngine, ssh_bed: SshBed, host: PamSshd
) -> None:
    said = user.tunnel(*OPEN, status=1).stderr
    assert "The host key of gpu01 is not known" in said
    assert "in the sidebar or in a terminal" in said
    ssh_bed.know(host)
    said = json.loads(user.tunnel(*OPEN, "--json", status=1).stdout)
    assert said["error"]["code"] == "needs_user"
    assert "in the sidebar or in a terminal" in said["error"]["hint"]


def test_restart_asks_too(user: User, engine: SyncEngine, ssh_bed: SshBed, host: PamSshd) -> None:
    ssh_bed.know(host)
    for number, words in enumerate((OPEN, ("restart", "socks"))):
        with typing(user, *words) as terminal:
            answer_secret(terminal, "  | Password: ", host.password)
            answer_secret(terminal, "  | ", host.code)
            assert terminal.wait() == 0, terminal.screen
        if number == 0:
            host.drop_connections()
            wait_until(lambda: engine.list_tunnels()[0].state == "waiting_for_user", "its loss")
    assert engine.list_tunnels()[0].state == "open"


def test_a_foreground_asks_and_tells_when_it_waits(
    user: User, ssh_bed: SshBed, host: PamSshd
) -> None:
    ssh_bed.know(host)
    words = ("open", "--foreground", "-F", ssh_bed.config_file, "-D", "0", "gpu01")
    with typing(user, *words) as terminal:
        answer_secret(terminal, "  | Password: ", host.password)
        answer_secret(terminal, "  | ", host.code)
        terminal.read("is open")
        host.drop_connections()
        terminal.read("is waiting for user")
        terminal.read("jupyter tunnel restart ")
        terminal.read("\r\n")
        tunnel = terminal.screen.split("jupyter tunnel restart ")[-1].split()[0]
        with typing(user, "restart", tunnel) as other:
            answer_secret(other, "  | Password: ", host.password)
            answer_secret(other, "  | ", host.code)
            assert other.wait() == 0, other.screen
        terminal.interrupt()
        assert terminal.wait() == 0


def test_a_question_that_is_answered_elsewhere_goes_away(
    user: User, engine: SyncEngine, ssh_bed: SshBed, host: PamSshd
) -> None:
    ssh_bed.know(host)
    request = TunnelRequest(host="gpu01", forwards=("-D 0",))
    with ThreadPoolExecutor() as threads, typing(user, *OPEN) as terminal:
        terminal.read("  | Password: ")
        joining = threads.submit(engine.open_tunnel, replace(request, name="socks"), person=Who())
        (prompt,) = wait_until(engine.list_prompts, "the same question")
        engine.answer_prompt(prompt.id, Answer((host.password,)))
        terminal.read("\r\n")
        terminal.read("  | ")  # the next one
        (prompt,) = wait_until(engine.list_prompts, "the code")
        engine.cancel_prompt(prompt.id)
        terminal.read("was cancelled")
        assert terminal.wait() == 1
        with pytest.raises(NeedsUser):
            joining.result()


@pytest.mark.parametrize(("keep", "asked_again"), [("yes", False), ("", True)])
def test_a_passphrase_opens_a_key_for_longer_if_one_says_so(
    user: User, engine: SyncEngine, ssh_bed: SshBed, keep: str, asked_again: bool
) -> None:
    key = make_key(ssh_bed.folder / "locked", passphrase="open sesame")
    for alias in ("a", "b"):
        sshd = ssh_bed.host(alias, client=[f"IdentityFile {key}", "BatchMode no"])
        sshd.authorized_keys.write_text(key.with_suffix(".pub").read_text())
    with typing(user, "open", "-D", "0", "a") as terminal:
        terminal.read(f"a takes the key {key}.")
        for passphrase in ("wrong", "open sesame"):
            answer_secret(terminal, "Passphrase: ", passphrase)
            terminal.read("Keep this key open")
            terminal.type(keep)
            if passphrase == "wrong":
                terminal.read("That did not open it.")
        assert terminal.wait() == 0, terminal.screen
    with typing(user, "open", "-D", "0", "b") as terminal:
        if asked_again:
            answer_secret(terminal, "Passphrase: ", "open sesame")
            terminal.read("Keep this key open")
            terminal.type("no")
        assert terminal.wait() == 0, terminal.screen


def prompt_of(question: Question) -> Prompt:
    return Prompt("0123456789ab", "gw (hop 1 of 2)", "me@gw:22", (), "", question)


KEY = ShownKey("ED25519", "SHA256:abc", "[gw]:2222", None)


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        (Question("host_key", host_key=KEY), "gw (hop 1 of 2) (me@gw:22)"),
        (Question("password", fields=(Field("Password"),)), "gw (hop 1 of 2) asks for the"),
        (Question("password", fields=(Field("Password"),), tries=2), "not the right one"),
        (Question("passphrase", path="/k/id", tries=2), "did not open"),
        (Question("new_password"), "gw (hop 1 of 2) wants another password for me@gw:22"),
        (Question("new_password", tries=2), "not the same"),
        (Question("notice"), "Touch your security key, for gw (hop 1 of 2)."),
        (Question("keyboard_interactive", tries=2), "gw (hop 1 of 2) asks me@gw:22 again:"),
    ],
)
def test_each_question_names_its_hop(question: Question, wanted: str) -> None:
    said = replace(question, says="Accept it (yes)?\nThe host key of bank is not known.")
    lines = lines_of(prompt_of(said), 80)
    assert any(wanted in line for line in lines_of(prompt_of(question), 80)), lines
    for line in lines:
        assert "bank" not in line or line.startswith("  | "), "a host's words cannot pose as ours"
    assert lines_of(prompt_of(Question("notice", says="Tap.")), 80) == [
        "gw (hop 1 of 2) says:",
        "  | Tap.",
    ]


def test_a_certificate_that_does_not_count_is_told() -> None:
    why = "Its certificate is not valid: it has expired."
    question = Question("host_key", host_key=replace(KEY, certificate=why))
    assert why in lines_of(prompt_of(question), 80)


def test_a_hosts_words_stay_behind_their_bar() -> None:
    """However wide the terminal takes them, and however little is seen of them."""
    says = ["\u2800" * 76 + "The host key of bank is known.", "宽" * 100, "x" * 200]
    _, *lines = lines_of(prompt_of(Question("notice", says="\n".join(says))), 40)
    assert lines[0] == "  | The host key of bank is known."
    assert "".join(line.removeprefix("  | ") for line in lines[1:]) == says[1] + says[2]
    for line in lines:
        assert line.startswith("  | ")
        assert sum(2 if char == "宽" else 1 for char in line) < 40
