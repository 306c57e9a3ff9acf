"""What has to be true of this Jupyter before it is published, and setting its password."""

import json
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_server.auth.security import passwd, passwd_check

from tests.server.published import PUBLISH
from tests.support.http import by_cookie, by_token
from tests.support.jupyter import hashed, jupyter
from tests.support.process import PATIENCE

PASSWORD = "a näw 'word' for $HOME"
REQUEST = {
    "way": "direct",
    "name": "jupyter.example.test",
    "certificate": "/nowhere.pem",
    "key": "/nowhere.key",
}
# The first that fails; the others are not about this server.
AFTER = ("permission", "certificate")


def found(client: httpx.Client, **more: Any) -> dict[str, dict[str, Any]]:
    """The checks about the server itself, by name."""
    answer = client.post(f"{PUBLISH}/check", json={**REQUEST, **more}, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    checks = answer.json()["checks"]
    return {check["name"]: check for check in checks if check["name"] not in AFTER}


def by_hash(text: str) -> Mapping[str, Any]:
    return {"PasswordIdentityProvider": {"hashed_password": text}}


def by_sha1(password: str) -> Mapping[str, Any]:
    return by_hash(passwd(password, "sha1"))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("traits", "name", "says"),
    [
        (
            # Whom it does not know it gives no XSRF token for.
            {"IdentityProvider": {"token": ""}, "ServerApp": {"disable_check_xsrf": True}},
            "password",
            "lets everybody in",
        ),
        ({"IdentityProvider": {"token": "short"}}, "token", "5 characters"),
        ({"IdentityProvider": {"token": "a" * 48}}, "token", "1 of them"),
        (by_sha1(PASSWORD), "password", "sha1"),
        (by_hash(hashed("jupyter")), "password", "tried first"),
        ({"ServerApp": {"allow_origin": "*"}}, "other sites", "allow_origin"),
        ({"ServerApp": {"allow_origin_pat": "https?://.*"}}, "other sites", "allow_origin_pat"),
        ({"ServerApp": {"disable_check_xsrf": True}}, "other sites", "disable_check_xsrf"),
    ],
)
def test_what_fails(traits: Mapping[str, Any], name: str, says: str) -> None:
    with jupyter(traits=traits) as server:
        token = traits.get("IdentityProvider", {}).get("token", server.token)
        headers = {"Authorization": f"token {token}"} if token else {}
        with httpx.Client(base_url=server.url, headers=headers, trust_env=False) as client:
            checks = found(client)
    failed = [check for check in checks.values() if check["verdict"] == "failed"]
    also = ["other sites"] if len(traits) > 1 else []
    assert [check["name"] for check in failed] == [name, *also]
    assert says in failed[0]["says"]
    assert "jupyter tunnel" not in failed[0]["advice"], "it has a button in the browser"
    assert failed[0]["remedy"] == ("password" if name == "password" else "setting")


@pytest.mark.parametrize(
    "word",
    [
        "Password",
        *(
            pytest.param(word, marks=pytest.mark.long)
            for word in ("welcome", "111111", "iloveyou", "jupyterhub", "a")
        ),
        "7",
    ],
)
def test_a_password_that_is_tried_first(word: str) -> None:
    with jupyter(password=word) as server, by_cookie(server) as client:
        check = found(client)["password"]
    assert (check["verdict"], check["remedy"]) == ("failed", "password")
    assert "tried first" in check["says"]


def test_an_empty_password_is_tried_first() -> None:
    """Its hash is one like others."""
    with jupyter(traits=by_hash(hashed(""))) as server, by_token(server) as client:
        assert found(client)["password"]["verdict"] == "failed"


def test_what_is_right() -> None:
    with jupyter(password=PASSWORD, base_url="/user/ann/") as server, by_cookie(server) as client:
        checks = found(client)
        assert {check["verdict"] for check in checks.values()} == {"ok"}
        assert list(checks) == ["password", "other sites", "address"]
        assert checks["address"]["says"].endswith("jupyter.example.test:8443/user/ann/")
        assert found(client, prefix="/user/ann")["address"]["verdict"] == "ok"
        other = found(client, prefix="/jupyter")["address"]
        assert other["verdict"] == "failed"
        assert other["typed"] == ["c.ServerApp.base_url = '/jupyter/'"]


def test_what_is_said() -> None:
    traits = {"ServerApp": {"allow_origin": "https://lab.example.org", "ip": "0.0.0.0"}}
    with jupyter(traits=traits) as server, by_token(server) as client:
        checks = found(client)
    notes = [name for name, check in checks.items() if check["verdict"] == "note"]
    assert notes == ["other sites", "own port"]


def test_the_name_that_it_was_looked_for_by_is_no_password() -> None:
    """The next check would refuse that."""
    with jupyter() as server, by_token(server) as client:
        found(client)
        answer = client.post(f"{PUBLISH}/password", json={"password": REQUEST["name"]})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_input")
        assert "tried first" in answer.json()["message"]


def test_a_password_counts_at_once_and_later() -> None:
    with jupyter() as server, by_token(server) as client:
        file = server.folder / "config" / "jupyter_server_config.json"
        assert client.get(PUBLISH).json()["password_file"] == str(file)
        for weak in ("", "short", "aaaaaaaaaaaa", "password1234!", "a\nlong password"):
            answer = client.post(f"{PUBLISH}/password", json={"password": weak})
            assert (answer.status_code, answer.json()["code"]) == (400, "bad_input"), weak
        before = json.loads(file.read_text())
        answer = client.post(f"{PUBLISH}/password", json={"password": PASSWORD})
        assert (answer.status_code, answer.json()) == (200, {"file": str(file)})
        after = json.loads(file.read_text())
        text = after["IdentityProvider"].pop("hashed_password")
        assert text.startswith("argon2:")
        assert passwd_check(text, PASSWORD)  # type: ignore[no-untyped-call]
        assert after == before
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with httpx.Client(base_url=server.url, trust_env=False) as browser:
            browser.get("login")
            form = {"password": PASSWORD, "_xsrf": browser.cookies["_xsrf"]}
            assert browser.post("login", data=form).status_code == 302
        assert PASSWORD not in server.process.output


@pytest.mark.long  # with Jupyter's own hash, all of the others take their time
def test_a_password_that_was_set_is_not_tried_first() -> None:
    with jupyter() as server, by_token(server) as client:
        assert client.post(f"{PUBLISH}/password", json={"password": PASSWORD}).status_code == 200
        assert found(client)["password"]["verdict"] == "ok"


def test_a_password_in_place_of_another() -> None:
    with jupyter(password="first of all") as server, by_cookie(server) as client:
        file = server.folder / "config" / "jupyter_server_config.json"
        assert client.post(f"{PUBLISH}/password", json={"password": PASSWORD}).status_code == 200
        written = json.loads(file.read_text())
        for section in ("IdentityProvider", "PasswordIdentityProvider"):
            text = written[section]["hashed_password"]
            assert passwd_check(text, PASSWORD)  # type: ignore[no-untyped-call]


def test_a_configuration_that_cannot_be_written() -> None:
    with jupyter() as server, by_token(server) as client:
        file = server.folder / "config" / "jupyter_server_config.json"
        file.write_text("{broken")
        answer = client.post(f"{PUBLISH}/password", json={"password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
        assert file.read_text() == "{broken"
        assert "password" not in found(client)


def linked(file: Path) -> None:
    file.rename(file.with_name("kept.json"))
    file.symlink_to("kept.json")


def of_all(file: Path) -> None:
    file.chmod(0o666)


@pytest.mark.parametrize(
    ("spoil", "reason"), [(linked, "it is a link to kept.json"), (of_all, "written by others")]
)
def test_a_file_that_is_anybodys_gets_no_password(
    spoil: Callable[[Path], None], reason: str
) -> None:
    """Nor does what it is a link to."""
    with jupyter() as server, by_token(server) as client:
        file = server.folder / "config" / "jupyter_server_config.json"
        spoil(file)
        before = file.read_text()
        answer = client.post(f"{PUBLISH}/password", json={"password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), answer.text
        assert reason in answer.json()["message"]
        assert file.read_text() == before
        assert "password" not in found(client)
