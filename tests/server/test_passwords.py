"""A password that is set here, where Jupyter's configuration has had one by whatever name."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from jupyter_server.auth.security import passwd

from tests.server.published import PUBLISH
from tests.server.test_changes import ended
from tests.support.http import by_token
from tests.support.jupyter import Jupyter, jupyter, started_again

OLD, NEW = "the old password", "a näw 'word' for $HOME"
_BY_ITS_CLASS = "PasswordIdentityProvider.hashed_password"


def enters(server: Jupyter, password: str) -> bool:
    """Whether a browser is let in by it."""
    with httpx.Client(base_url=server.url, trust_env=False) as browser:
        browser.get("login")
        form = {"password": password, "_xsrf": browser.cookies["_xsrf"]}
        return browser.post("login", data=form).status_code == 302


def in_own_file(file: Path, setting: str, hashed: str) -> None:
    name, _, trait = setting.partition(".")
    config = json.loads(file.read_text())
    config.setdefault(name, {})[trait] = hashed
    file.write_text(json.dumps(config))


def in_python(file: Path, setting: str, hashed: str) -> None:
    file.with_suffix(".py").write_text(f"c.{setting} = {hashed!r}\n")


def in_both(file: Path, setting: str, hashed: str) -> None:
    in_own_file(file, setting, hashed)
    in_python(file, setting, hashed)


def of_notebook(file: Path, setting: str, hashed: str) -> None:
    in_python(file.with_name("jupyter_notebook_config.json"), setting, hashed)


@pytest.mark.parametrize(
    ("kind", "put", "setting"),
    [
        ("server", in_own_file, "ServerApp.password"),
        *(
            pytest.param(*case, marks=pytest.mark.long)
            for case in (
                ("server", in_python, _BY_ITS_CLASS),
                ("notebook", of_notebook, "NotebookApp.password"),
                ("server", in_python, "ServerApp.password"),
                ("server", in_both, "ServerApp.password"),
                ("server", in_own_file, _BY_ITS_CLASS),
                ("server", in_python, "IdentityProvider.hashed_password"),
                ("notebook", in_own_file, "NotebookApp.password"),
            )
        ),
    ],
)
def test_the_new_one_counts_after_a_restart(
    kind: str, put: Callable[[Path, str, str], None], setting: str
) -> None:
    hashed: str = passwd(OLD)  # type: ignore[no-untyped-call]
    with jupyter(kind) as server:
        with ended(server) as file:
            put(file, setting, hashed)
            python = {one: one.read_text() for one in file.parent.glob("*.py")}
        with started_again(server, kind) as again, by_token(again) as client:
            assert enters(again, OLD)
            answer = client.post(f"{PUBLISH}/password", json={"password": NEW})
            assert (answer.status_code, answer.json()) == (200, {"file": str(file)})
            assert (enters(again, OLD), enters(again, NEW)) == (False, True)
            with ended(again):
                pass
        assert hashed not in file.read_text()
        assert {one: one.read_text() for one in file.parent.glob("*.py")} == python
        with started_again(server, kind) as again:
            assert (enters(again, OLD), enters(again, NEW)) == (False, True)


@pytest.mark.long
def test_where_another_would_count_it_is_not_set() -> None:
    """By the command line, and by a folder that goes before one's own; nor is it at once."""
    hashed: str = passwd(OLD)  # type: ignore[no-untyped-call]
    with jupyter() as server:
        with ended(server) as file:
            theirs = file.parent / "everybodys" / file.name
            theirs.parent.mkdir()
            theirs.write_text(json.dumps({"ServerApp": {"password": hashed}}))
            other = file.with_name("other.json")
            other.write_text(file.read_text())
        before = file.read_text()
        path = {"JUPYTER_CONFIG_PATH": str(theirs.parent)}
        given = f"--PasswordIdentityProvider.hashed_password={hashed}"
        for more, env, said in (
            ([given], {}, "the one of the command line."),
            ([], path, f"the one of {theirs}."),
            ([f"--config={other}"], {}, f"the one of --config {other}."),
        ):
            with (
                started_again(server, "server", *more, env=env) as again,
                by_token(again) as client,
            ):
                answer = client.post(f"{PUBLISH}/password", json={"password": NEW})
                assert (answer.status_code, answer.json()["code"]) == (409, "conflict"), said
                assert said in answer.json()["message"]
                assert not enters(again, NEW)
                with ended(again):
                    pass
        assert file.read_text() == before
