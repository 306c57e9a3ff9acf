"""Settings that keep a Jupyter from being published: shown as they would be, and written."""

import contextlib
import json
import re
import shutil
import signal
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.published import PUBLISH
from tests.server.test_protection import found, linked, of_all
from tests.support.http import anonymous, by_cookie, by_token
from tests.support.jupyter import Jupyter, jupyter, started_again

STRANGER = "http://stranger.invalid"
OTHER_SITES = "other sites"
GUESSED = {"IdentityProvider": {"token": "short"}}
ANY_ORIGIN = {"ServerApp": {"allow_origin": "*"}}


def own_file(server: Jupyter) -> Path:
    return server.folder / "config" / "jupyter_server_config.json"


def change_of(client: httpx.Client, name: str, **more: Any) -> dict[str, Any]:
    """The change that mends that check."""
    check = found(client, **more)[name]
    assert (check["verdict"], check["remedy"]) == ("failed", "setting")
    assert "jupyter tunnel" not in check["advice"], "it has a button in the browser"
    change: dict[str, Any] = check["change"]
    return change


def write(client: httpx.Client, change: dict[str, Any], **more: Any) -> httpx.Response:
    wanted = {"setting": change["setting"], "seen": change["seen"], **more}
    return client.post(f"{PUBLISH}/settings", json=wanted)


@contextlib.contextmanager
def ended(server: Jupyter) -> Iterator[Path]:
    """A server that has ended; its own file, to be altered."""
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait() == 0
    yield own_file(server)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("allow_origin", "*", ""),
        pytest.param("allow_origin_pat", "https?://.*", "", marks=pytest.mark.long),
        pytest.param("disable_check_xsrf", True, False, marks=pytest.mark.long),
    ],
)
def test_what_counts_at_once(name: str, before: Any, after: Any) -> None:
    with jupyter(traits={"ServerApp": {name: before}}) as server, by_cookie(server) as client:
        assert lets_strangers_in(client)
        change = change_of(client, OTHER_SITES)
        file = own_file(server)
        assert (change["setting"], change["file"]) == (f"ServerApp.{name}", str(file))
        assert change["lines"] == [
            f"- ServerApp.{name} = {json.dumps(before)}",
            f"+ ServerApp.{name} = {json.dumps(after)}",
        ]
        assert change["at_once"]
        config, text = json.loads(file.read_text()), file.read_text()
        found(client)
        assert file.read_text() == text  # to look writes nothing
        answer = write(client, change)
        assert (answer.status_code, answer.json()) == (200, {"change": change})
        config["ServerApp"][name] = after
        assert json.loads(file.read_text()) == config
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [one.name for one in file.parent.glob("*jupyter_server*")] == [file.name]
        server.process.wait_for_line(rf"ServerApp\.{name} was changed in {re.escape(str(file))}")

        assert found(client)[OTHER_SITES]["verdict"] == "ok"
        assert not lets_strangers_in(client)
        with ended(server), started_again(server, "server") as again, by_cookie(again) as client:
            assert found(client)[OTHER_SITES]["verdict"] == "ok"
            assert not lets_strangers_in(client)


def lets_strangers_in(client: httpx.Client) -> bool:
    """Whether a page of another site could read what Jupyter answers, or have it do something."""
    read = client.get("api/status", headers={"Origin": STRANGER})
    headers = dict(client.headers)  # as with a form, of which no browser tells where it stood
    del headers["x-xsrftoken"]
    cookies = dict(client.cookies)
    asked = httpx.post(f"{client.base_url}api/contents", headers=headers, cookies=cookies, json={})
    allowed = read.headers.get("Access-Control-Allow-Origin", "")
    return allowed in ("*", STRANGER) or asked.status_code == 201


def test_a_token_that_can_be_guessed() -> None:
    with jupyter(traits=GUESSED) as server, by_token(replace(server, token="short")) as client:
        change = change_of(client, "token")
        assert change["lines"] == ["- IdentityProvider.token = …"]
        assert not change["at_once"]
        assert "short" not in json.dumps(change)
        assert write(client, change).status_code == 200
        assert json.loads(own_file(server).read_text())["IdentityProvider"] == {}
        check = found(client)["token"]
        assert (check["verdict"], check["change"]) == ("failed", None)
        assert "right by now: start Jupyter again" in check["advice"]
        with ended(server), started_again(server, "server") as again:
            (running,) = again.runtime_dir.glob("jpserver-*.json")
            token = json.loads(running.read_text())["token"]
            with by_token(replace(again, token=token)) as client:
                assert found(client)["token"]["verdict"] == "ok"


@pytest.mark.long
def test_a_token_by_its_old_name() -> None:
    with jupyter(password="correct horse battery") as server:
        with ended(server) as file:
            config = json.loads(file.read_text())
            config["ServerApp"]["token"] = config["IdentityProvider"]["token"] = "short"
            file.write_text(json.dumps(config))
        with started_again(server, "server") as again, by_cookie(again) as client:
            change = change_of(client, "token")
            assert change["lines"] == [
                "- ServerApp.token = …",
                "- IdentityProvider.token = …",
            ]
            assert write(client, change).status_code == 200
            assert found(client)["token"]["change"] is None
        assert "short" not in own_file(server).read_text()


@pytest.mark.parametrize("is_there", [True, pytest.param(False, marks=pytest.mark.long)])
def test_a_prefix_that_is_not_the_base_url(is_there: bool) -> None:
    with jupyter() as server, by_token(server) as client:
        file = own_file(server)
        config = json.loads(file.read_text())
        if not is_there:
            del config["ServerApp"]["base_url"]
            file.write_text(json.dumps(config))
        change = change_of(client, "address", prefix="/jupyter")
        gone = ['- ServerApp.base_url = "/"'] if is_there else []
        assert change["lines"] == [*gone, '+ ServerApp.base_url = "/jupyter/"']
        assert write(client, change, prefix="/lab").status_code == 409
        assert write(client, change).status_code == 400
        assert write(client, change, prefix="/jupyter").status_code == 200
        config["ServerApp"]["base_url"] = "/jupyter/"
        assert json.loads(file.read_text()) == config
        advice = found(client, prefix="/jupyter")["address"]["advice"]
        assert "start Jupyter again" in advice
        with ended(server), started_again(server, "server") as again:
            there = replace(again, base_url="/jupyter/")
            with by_token(there) as client:
                assert found(client, prefix="/jupyter")["address"]["verdict"] == "ok"


def test_what_was_shown_is_what_is_written() -> None:
    with jupyter(traits=ANY_ORIGIN) as server, by_token(server) as client:
        change = change_of(client, OTHER_SITES)
        file = own_file(server)
        config = json.loads(file.read_text())
        config["ServerApp"]["quit_button"] = False
        file.write_text(json.dumps(config))
        for seen in (change["seen"], "", "ä"):
            answer = write(client, {**change, "seen": seen})
            assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert json.loads(file.read_text()) == config
        assert write(client, change_of(client, OTHER_SITES)).status_code == 200
        assert json.loads(file.read_text())["ServerApp"]["quit_button"] is False
        answer = write(client, change)  # which has been made
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    "setting",
    [
        "TunnelManager.allow_public_publish",
        "TunnelManager.allowed_hosts",
        "ServerApp.root_dir",
        "PasswordIdentityProvider.hashed_password",
        "ServerApp.base_url",
        "",
    ],
)
def test_no_other_setting_is_written(server: Jupyter, api: httpx.Client, setting: str) -> None:
    before = own_file(server).read_text()
    answer = write(api, {"setting": setting, "seen": "x"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_input")
    assert own_file(server).read_text() == before


def test_nobody_without_login_or_xsrf_token(server: Jupyter) -> None:
    wanted = {"setting": "ServerApp.allow_origin", "seen": "x"}
    with anonymous(server) as nobody:
        assert nobody.post(f"{PUBLISH}/settings", json=wanted).status_code == 403
    with by_cookie(server) as client:
        assert client.post(f"{PUBLISH}/settings", json=wanted).status_code == 409
        del client.headers["X-XSRFToken"]
        assert client.post(f"{PUBLISH}/settings", json=wanted).status_code == 403


def broken(file: Path) -> None:
    file.write_text(file.read_text()[:-1])


def doubled(file: Path) -> None:
    file.write_text(file.read_text()[:-1] + ', "ServerApp": {"allow_origin": "*"}}')


def without_sections(file: Path) -> None:
    file.write_text('{"ServerApp": "*"}')


def listed(file: Path) -> None:
    file.write_text("[]")


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (broken, "it is no JSON"),
        (doubled, "it says something twice"),
        (without_sections, "ServerApp in it is no section"),
        (listed, "it holds no configuration"),
        (linked, "it is a link to kept.json"),
        (of_all, "can be written by others"),
        (folder, "Is a directory"),
    ],
)
def test_a_file_that_is_not_touched(any_origin: Jupyter, spoil: Any, reason: str) -> None:
    file = own_file(any_origin)
    with by_token(any_origin) as client, kept(file):
        change = change_of(client, OTHER_SITES)
        spoil(file)
        before = None if file.is_dir() else (file.read_text(), file.lstat().st_mtime_ns)
        check = found(client)[OTHER_SITES]
        assert (check["verdict"], check["remedy"], check["change"]) == ("failed", "", None)
        assert str(file) in check["advice"]
        assert reason in check["advice"]
        answer = write(client, change)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert before is None or (file.read_text(), file.lstat().st_mtime_ns) == before
        assert found(client)[OTHER_SITES]["verdict"] == "failed"


@pytest.fixture(scope="module")
def any_origin() -> Iterator[Jupyter]:
    """One that any site may call, by its own file."""
    with jupyter(traits=ANY_ORIGIN) as server:
        yield server


@contextlib.contextmanager
def kept(file: Path) -> Iterator[None]:
    """Whatever becomes of it in the block, it is there as before at the end."""
    aside = file.with_name("aside")
    shutil.copy2(file, aside)
    yield
    if file.is_dir():
        file.rmdir()
    aside.replace(file)


def test_a_setting_of_a_python_file() -> None:
    with jupyter() as server:
        with ended(server) as file:
            own = file.with_suffix(".py")
            own.write_text("# mine\n\nc.ServerApp.allow_origin = '*'\n")
        with started_again(server, "server") as again, by_token(again) as client:
            check = found(client)[OTHER_SITES]
        assert (check["verdict"], check["remedy"], check["change"]) == ("failed", "", None)
        assert f"It is set by {own}, line 3: change it there" in check["advice"]


def test_a_setting_of_the_machine_and_of_the_command_line() -> None:
    with jupyter(traits=ANY_ORIGIN) as server:
        with ended(server) as file:
            everybodys = file.with_name("everybodys")
            everybodys.mkdir()
            theirs = everybodys / "jupyter_server_config.json"
            theirs.write_text('{"ServerApp": {"allow_origin": "*"}}')
        path = {"JUPYTER_CONFIG_PATH": str(everybodys)}
        given = "--ServerApp.allow_origin=*"
        with started_again(server, "server", given, env=path) as again, by_token(again) as client:
            check = found(client)[OTHER_SITES]
        assert (check["verdict"], check["change"]) == ("failed", None)
        assert f"It is set by the command line and {theirs}: change it there" in check["advice"]


def test_a_token_of_the_environment() -> None:
    with jupyter(traits=GUESSED, env={"JUPYTER_TOKEN": "other"}) as server:
        with by_token(replace(server, token="short")) as client:
            check = found(client)["token"]
        assert (check["verdict"], check["remedy"], check["change"]) == ("failed", "", None)
        assert "It is set by $JUPYTER_TOKEN" in check["advice"]


def test_another_file_in_place_of_the_own_one() -> None:
    with jupyter() as server:
        with ended(server) as file:
            other = file.rename(file.with_name("other.json"))
            config = json.loads(other.read_text())
            del config["ServerApp"]["base_url"]
            other.write_text(json.dumps(config))
        given = f"--config={other}"
        with started_again(server, "server", given) as again, by_token(again) as client:
            check = found(client, prefix="/jupyter")["address"]
        assert (check["verdict"], check["change"]) == ("failed", None)
        assert str(other) in check["advice"]
        assert not file.exists()
