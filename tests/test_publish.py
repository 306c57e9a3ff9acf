"""`jupyter tunnel publish` and `%tunnel publish`, of a real Jupyter on a real gateway."""

import contextlib
import json
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from jupyter_server.auth.security import passwd_check

from jupyter_remote_tunnel.engine.messages import AskServer, Caller
from jupyter_remote_tunnel.engine.relay import Relay
from jupyter_remote_tunnel.model.errors import Fatal
from jupyter_remote_tunnel.model.settings import EngineSettings
from tests.server.published import NAME, Scene, publications, scene
from tests.support.http import by_token
from tests.support.jupyter import Jupyter, jupyter
from tests.support.process import PATIENCE
from tests.support.terminal import AtTerminal, at_terminal
from tests.support.user import User

__all__ = ["scene"]  # a fixture

PASSWORD = "a näw 'word' for $HOME"


@pytest.fixture
def person(scene: Scene) -> Iterator[User]:
    """Who sits at a terminal of the machine on which that Jupyter runs."""
    with User() as user:
        user.environment.update(scene.server.environment)
        yield user


@pytest.fixture
def api(scene: Scene) -> Iterator[httpx.Client]:
    with by_token(scene.server) as client:
        yield client
        for one in publications(client):
            client.delete(f"remote-tunnel/api/publish/{one['id']}")


def words(scene: Scene) -> list[str]:
    place = ["--name", NAME, "--port", str(scene.web.port), "--socket", str(scene.socket)]
    return ["publish", *place, "gw"]


def test_published_from_a_shell(scene: Scene, api: httpx.Client, person: User) -> None:
    checked = person.tunnel(*words(scene), "--check").stdout
    assert "ok      gateway" in checked
    assert "nothing was opened" in checked
    assert publications(api) == []
    shown = person.tunnel(*words(scene), "--for", "2h").stdout.splitlines()
    url = f"https://{NAME}:{scene.web.port}/"
    assert any(line.startswith("ok      websockets") for line in shown)
    assert any(line.startswith(f"Published: {url} until ") for line in shown)
    assert any("its root" in line for line in shown)
    listed = json.loads(person.tunnel("publish", "--list", "--json").stdout)["publications"]
    assert listed == publications(api)
    assert "shown" in person.tunnel("publish", "--list").stdout
    extended = person.tunnel("publish", "--extend", "--for", "9h", "--json").stdout
    until = json.loads(extended)["publication"]["until"]
    assert until > listed[0]["until"]
    shortened = person.tunnel("publish", "--extend", "--for", "8.5h").stdout
    assert ", which is earlier than before (until " in shortened
    assert "than before" not in person.tunnel("publish", "--extend", "--for", "9h").stdout
    too_long = person.tunnel("publish", "--extend", "--for", "40d", status=2).stderr
    assert "at most 31 days" in too_long
    until = publications(api)[0]["until"]
    extended = person.tunnel("publish", "--extend", "--json").stdout
    assert json.loads(extended)["publication"]["until"] == until, "the usual eight hours are less"
    assert "conflict" in person.tunnel(*words(scene), "--json", status=1).stdout
    assert "not published any more" in person.tunnel("publish", "--stop").stdout
    assert "Nothing is published." in person.tunnel("publish", "--list").stdout
    person.tunnel("publish", "--stop", NAME, status=1)


def test_a_check_that_fails(scene: Scene, api: httpx.Client, person: User) -> None:
    scene.web.use(without="client_max_body_size")
    try:
        said = person.tunnel(*words(scene), status=1).stdout
    finally:
        scene.web.use()
    assert "FAILED  uploads" in said
    assert "→ In nginx: client_max_body_size 0;" in said
    assert "Nothing is published: uploads failed." in said
    assert publications(api) == []


def test_the_site_of_ones_own_is_not_shown(scene: Scene, person: User) -> None:
    said = person.tunnel(*words(scene), "--site", status=2).stderr
    assert "--socket" in said


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ([], "--direct"),
        (["gw"], "--name"),
        (["gw", "--name", "a b"], "host"),
        (["gw", "--name", "https://j.example.org/lab"], "alone, and nothing else of the URL"),
        (["gw", "--name", "https://j.example.org/lab"], "\nFor example: j.example.org\n"),
        (["--direct", "--name", "j", "--keyfile", "/x.pem"], "--certfile"),
        (["gw", "--list"], "--list stands alone."),
        (["--list", "--for", "2h"], "--list stands alone."),
        (["--extend", "--for", "2h", NAME], "publish --extend NAME --for 2h"),
        (["--stop", "--check"], "publish --stop NAME"),
        (["--pull", "ws", "--name", "j", "--fix"], "--check prints"),
        (["--list", "--stop"], "Give one of"),
        (["gw", "--name", "j", "--fix"], "--fix stands alone, at most with --prefix."),
        (["gw", "--name", "j", "--for", "soon"], "no time"),
        (["gw:80", "--name", "j"], "port"),
        (["gw", "--name", "j", "--site", "apache"], "no web server"),
        (["gw", "--name", "j", "--certfile", "/x.pem"], "--keyfile"),
        (["gw", "--name", "192.0.2.7", "--site"], "Take a name, or --certfile and --keyfile."),
        (["gw", "--name", "192.0.2.7.", "--check"], "no certificate for an address"),
        (["--pull", "ws", "--name", "192.0.2.7"], "no certificate for an address"),
    ],
)
def test_bad_input(person: User, more: list[str], why: str) -> None:
    assert why in person.tunnel("publish", *more, status=2).stderr


def test_permission_comes_before_files(person: User) -> None:
    """Nobody makes a certificate for what is not allowed."""
    said = person.tunnel("publish", "--direct", "--name", "j", status=1).stdout
    assert "FAILED  permission" in said
    assert "Nothing is published: permission failed." in said


def test_without_a_jupyter_server(user: User) -> None:
    says_nothing_is_published(user)
    with user.engine(EngineSettings()):
        says_nothing_is_published(user)


def says_nothing_is_published(user: User) -> None:
    """Where no Jupyter server runs."""
    assert user.tunnel("publish", "--list").stdout == "Nothing is published.\n"
    assert json.loads(user.tunnel("publish", "--list", "--json").stdout) == {"publications": []}
    for words in (["--stop"], ["--stop", NAME], ["--extend"]):
        assert "Nothing is published." in user.tunnel("publish", *words, status=1).stderr
    said = user.tunnel("publish", "--name", NAME, "gw", status=1).stderr
    assert "No Jupyter runs here." in said
    assert "on the gateway: jupyter tunnel publish --pull HOST" in said
    said = user.tunnel("publish", "--fix", status=1).stderr
    assert "No Jupyter runs here." in said
    assert "--pull" not in said


async def test_an_engine_without_a_server() -> None:
    asked = AskServer("1", "publish.list")
    with pytest.raises(Fatal, match="No Jupyter server holds this engine"):
        await Relay([], patience=0.1).methods["server.ask"](asked, Caller("shell", 1))


def test_a_gateways_question_is_asked_in_the_terminal(
    scene: Scene, api: httpx.Client, person: User
) -> None:
    with scene.bed.guests():
        scene.bed.host("unknown", known=False, client=["StrictHostKeyChecking ask"])
        argv = [sys.executable, "-m", "jupyter_remote_tunnel.cli", *words(scene)[:-1], "unknown"]
        with at_terminal(argv, env=person.environment, cwd=person.folder) as terminal:
            terminal.read("Accept it")
            terminal.type("yes")
            terminal.read("Published:")
            assert terminal.wait() == 0
        (one,) = publications(api)
        assert one["host"] == "unknown"
        person.tunnel("publish", "--stop")


def asked(person: User, *answers: str, beside: Sequence[str] = ()) -> AtTerminal:
    argv = [sys.executable, "-m", "jupyter_remote_tunnel.cli", "publish", "--set-password", *beside]
    with at_terminal(argv, env=person.environment, cwd=person.folder) as terminal:
        for label, answer in zip(("New password", "The same again"), answers, strict=False):
            terminal.read(label)
            assert not terminal.echoes
            terminal.type(answer)
        terminal.wait()
    return terminal


def test_a_password_is_typed_unseen(scene: Scene, person: User) -> None:
    file = scene.server.folder / "config" / "jupyter_server_config.json"
    assert "differ" in asked(person, "one thing and", "another").screen
    assert "tried first" in asked(person, "jupyter123").screen
    said = asked(person, PASSWORD, PASSWORD).screen
    assert said.index(str(file)) < said.index("New password")
    assert PASSWORD not in said
    text = json.loads(file.read_text())["IdentityProvider"]["hashed_password"]
    assert passwd_check(text, PASSWORD)  # type: ignore[no-untyped-call]
    assert PASSWORD not in scene.server.process.output


def test_ctrl_c_is_told_that_no_password_was_set(scene: Scene, person: User) -> None:
    argv = [sys.executable, "-m", "jupyter_remote_tunnel.cli", "publish", "--set-password"]
    with at_terminal(argv, env=person.environment, cwd=person.folder) as terminal:
        terminal.read("New password")
        terminal.type(PASSWORD)
        terminal.read("The same again")
        terminal.interrupt()
        assert terminal.wait() == 1
        terminal.read("No password was typed: it is as it was.")


def test_a_password_that_is_the_name_before_any_check() -> None:
    """The name is given with it, or Jupyter's configuration has it."""
    known = {"ServerApp": {"local_hostnames": ["localhost", "harbour.example.net"]}}
    with jupyter(traits=known) as server, User() as user:
        user.environment.update(server.environment)
        for word, beside in (
            ("harbour.example.net1", ()),
            ("lighthouse1", ("--name", "lighthouse.example.net")),
        ):
            assert "tried first" in asked(user, word, word, beside=beside).screen
        assert "The password is set" in asked(user, "lighthouse1", "lighthouse1").screen
        said = user.tunnel("publish", "--set-password", "--port", "1", status=2).stderr
        assert "--set-password stands alone, at most with --name." in said


@pytest.fixture
def careless() -> Iterator[tuple[Jupyter, User]]:
    """A Jupyter of which any web site may ask anything, and who sits at its machine."""
    wrong = {"ServerApp": {"allow_origin": "*", "disable_check_xsrf": True}}
    with jupyter(traits=wrong) as server, User() as user:
        user.environment.update(server.environment)
        yield server, user


def fix(user: User, *more: str) -> contextlib.AbstractContextManager[AtTerminal]:
    argv = [sys.executable, "-m", "jupyter_remote_tunnel.cli", "publish", "--fix", *more]
    return at_terminal(argv, env=user.environment, cwd=user.folder)


def server_config(server: Jupyter) -> dict[str, Any]:
    file = server.folder / "config" / "jupyter_server_config.json"
    found: dict[str, Any] = json.loads(file.read_text())["ServerApp"]
    return found


def test_a_setting_is_changed_after_a_yes(careless: tuple[Jupyter, User]) -> None:
    server, user = careless
    file = server.folder / "config" / "jupyter_server_config.json"
    before = file.read_text()
    with fix(user) as terminal:
        terminal.read("disable_check_xsrf, c.ServerApp.allow_origin = '*'")
        terminal.read(str(file))
        terminal.read("- ServerApp.disable_check_xsrf = true")
        terminal.read("+ ServerApp.disable_check_xsrf = false")
        terminal.read("Write that? [y/N] ")
        assert file.read_text() == before
        terminal.type("y")
        terminal.read("Written. It counts from now on.")
        terminal.read('- ServerApp.allow_origin = "*"')
        terminal.read("Write that? [y/N] ")
        terminal.type("")
        terminal.read("Nothing was written.")
        terminal.read("FAILED  other sites")
        assert terminal.wait() == 1
    assert server_config(server)["disable_check_xsrf"] is False
    assert server_config(server)["allow_origin"] == "*"
    with fix(user) as terminal:
        terminal.read("Write that? [y/N] ")
        terminal.type("yes")
        terminal.read("No setting of this Jupyter is wrong.")
        assert terminal.wait() == 0
    assert server_config(server)["allow_origin"] == ""
    with fix(user, "--prefix", "/jupyter") as terminal:
        terminal.read('+ ServerApp.base_url = "/jupyter/"')
        terminal.read("Write that? [y/N] ")
        terminal.type("y")
        terminal.read("Written. It counts when Jupyter is started again.")
        terminal.read("FAILED  address")
        terminal.read("start Jupyter again")
        assert terminal.wait() == 1


def test_what_to_type_stands_below_what_fails() -> None:
    """In the browser there is a button for it."""
    wrong = {"ServerApp": {"disable_check_xsrf": True}}
    files = ["--certfile", "/none", "--keyfile", "/none"]
    with jupyter(password="jupyter", traits=wrong) as server, User() as user:
        user.environment.update(server.environment)
        line = ["publish", "--check", "--direct", "--name", NAME, *files]
        said = user.tunnel(*line, status=1).stdout
    assert "→ Set a password: jupyter tunnel publish --set-password\n" in said
    assert "→ jupyter tunnel publish --fix shows what mends it, and writes it after a yes." in said


def test_a_change_is_shown_where_nobody_can_be_asked(careless: tuple[Jupyter, User]) -> None:
    server, user = careless
    before = server_config(server)
    said = user.tunnel("publish", "--fix", status=1).stdout
    assert "+ ServerApp.disable_check_xsrf = false" in said
    with_prefix = user.tunnel("publish", "--fix", "--prefix", "/jupyter", status=1).stdout
    assert "→ jupyter tunnel publish --fix --prefix /jupyter shows what mends it" in with_prefix
    assert "a yes. Or leave the prefix out." in with_prefix
    found = json.loads(user.tunnel("publish", "--fix", "--json", status=1).stdout)
    assert found["changed"] == []
    assert found["checks"][0]["change"]["setting"] == "ServerApp.disable_check_xsrf"
    assert server_config(server) == before
    assert "a path" in user.tunnel("publish", "--fix", "--prefix", "x", status=2).stderr


def test_a_password_typed_in_a_cell_stays_nowhere(
    scene: Scene, person: User, tmp_path: Path
) -> None:
    line = "%tunnel publish --set-password"
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=person.environment, cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        client.execute_interactive("%load_ext jupyter_remote_tunnel", timeout=PATIENCE)
        shown = typed_in_a_cell(client, line)
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    assert "The password is set" in json.dumps(shown)
    (history,) = Path(person.environment["IPYTHONDIR"]).rglob("history.sqlite")
    with contextlib.closing(sqlite3.connect(history)) as database:
        kept = "\n".join(database.iterdump())
    assert line in kept
    for place in (json.dumps(shown, ensure_ascii=False), kept):
        assert PASSWORD not in place


def typed_in_a_cell(client: BlockingKernelClient, line: str) -> list[dict[str, Any]]:
    """All that a notebook would keep of a cell in which the password is typed."""
    shown: list[dict[str, Any]] = []

    def type_it(message: dict[str, Any]) -> None:
        assert message["content"]["password"]
        client.input(PASSWORD)

    reply = client.execute_interactive(
        line,
        store_history=True,
        allow_stdin=True,
        stdin_hook=type_it,
        output_hook=lambda message: shown.append(message["content"]),
        timeout=PATIENCE,
    )
    assert reply["content"]["status"] == "ok", shown
    return shown
