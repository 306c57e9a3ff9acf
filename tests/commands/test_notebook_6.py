"""Notebook 6, which people still have on remote hosts, with an environment of its own there: found,
opened, started, and its password set.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from websockets import Origin
from websockets.sync.client import connect

from jupyter_remote_tunnel.model.settings import EngineSettings
from tests.commands.test_jupyter_password import PASSWORD, asked
from tests.commands.test_jupyters import browser as browser
from tests.server.conftest import manager
from tests.server.test_jupyters import entered, opened
from tests.support.http import by_token
from tests.support.jupyter import jupyter
from tests.support.jupyter_there import There, jupyter_there
from tests.support.ports import ReservedPort
from tests.support.process import PATIENCE, child, environment, program, wait_until
from tests.support.sshd import SshBed
from tests.support.user import User

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with Notebook 6."""
    folder = tmp_path_factory.mktemp("notebook-6")
    pip = {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
    env = environment({"HOME": str(folder), **pip})
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], env=env, check=True)
    tools = folder / "venv" / "bin"
    subprocess.run([tools / "pip", "install", "--quiet", "notebook<7"], env=env, check=True)
    said = subprocess.run([tools / "jupyter-notebook", "--version"], env=env, capture_output=True)
    assert said.stdout.startswith(b"6.")
    return tools


@pytest.fixture
def there(ssh_bed: SshBed, short_dir: Path, tools: Path) -> Iterator[There]:
    """`gpu01` with that, on which nothing runs yet."""
    with jupyter_there(ssh_bed, short_dir, tools=tools) as there:
        yield there


@pytest.fixture
def person(user: User) -> Iterator[User]:
    """With one engine for all commands."""
    with user.engine(EngineSettings()):
        yield user


@contextmanager
def notebook(bed: SshBed, there: There, *words: str) -> Iterator[int]:
    """`jupyter notebook`, typed there over SSH; its port."""
    with ReservedPort() as port:
        typed = ["jupyter", "notebook", "--no-browser", "--allow-root", *words]
        typed += ["--port", str(port.number), "--notebook-dir", str(there.folder)]
        ssh = [program("ssh"), "-F", str(bed.config_file), "gpu01", f"exec {shlex.join(typed)}"]
        with child(ssh) as process:
            process.wait_for_line("is running at:")
            wait_until(lambda: [path for path in files(there) if path.read_text()], "its file")
            yield port.number
    wait_until(lambda: not files(there), "its end")


def files(there: There) -> list[Path]:
    """Of the servers that run there."""
    return list(there.runtime.glob("nbserver-*.json"))


def command(bed: SshBed, *words: str) -> list[str]:
    return ["jupyter", "-F", str(bed.config_file), "gpu01", *words]


def test_it_is_found_and_the_browser_is_logged_in(
    person: User, ssh_bed: SshBed, there: There, browser: Path
) -> None:
    with notebook(ssh_bed, there, "--NotebookApp.base_url=/hub/x/") as port:
        [file] = files(there)
        token = json.loads(file.read_text())["token"]
        listed = person.tunnel(*command(ssh_bed, "--list", "--json")).stdout
        [server] = json.loads(listed)["jupyters"]
        assert server["url"] == f"http://127.0.0.1:{port}/hub/x/"
        assert (server["protection"], server["root_dir"]) == ("token", str(there.folder))

        said = person.tunnel(*command(ssh_bed)).stdout
        wait_until(browser.exists, "the browser")
        _, _, landed, status = browser.read_text().splitlines()
        assert status == "200", "what only who has logged in may see"
        assert re.fullmatch(rf"http://[\d.]+:{port}/hub/x/tree\??", landed)
        assert token not in listed + said + landed

        said = person.tunnel(*command(ssh_bed, "--no-browser")).stdout
        assert "`jupyter notebook list`" in said, "which prints its token there"

        url = landed.partition("tree")[0]
        login = {"Authorization": f"token {token}"}
        with httpx.Client(base_url=url, headers=login, trust_env=False, timeout=60) as client:
            kernel = client.post("api/kernels").json()["id"]
            with connect(
                f"ws{url.removeprefix('http')}api/kernels/{kernel}/channels",
                origin=Origin(url.removesuffix("/hub/x/")),
                additional_headers=login,
                proxy=None,
            ) as channels:
                assert json.loads(channels.recv(timeout=PATIENCE))["channel"] == "iopub"
        person.tunnel(*command(ssh_bed, "--stop"))


def test_a_jupyter_here_tells_it_the_token(ssh_bed: SshBed, there: There) -> None:
    traits = {"TunnelManager": manager(ssh_bed)}
    with (
        notebook(ssh_bed, there) as port,
        jupyter(traits=traits) as here,
        by_token(here) as api,
    ):
        app = opened(api)
        assert app["destination"] == f"127.0.0.1:{port}"
        view, start = entered(api, here, app)
        with closing(view):
            assert view.get(f"{start}tree").status_code == 200
            made = view.post(f"{start}api/contents", json={"type": "file", "ext": ".txt"})
            assert made.status_code == 201, "no XSRF cookie is asked for"
        subprocess.run(
            ["jupyter", "tunnel", *command(ssh_bed, "--stop")],
            env=here.environment,
            check=True,
            timeout=PATIENCE,
        )


def lets_in(port: int, password: str) -> bool:
    """Whether it does who types that."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/", trust_env=False, timeout=60) as browser:
        browser.get("login")
        typed = {"password": password, "_xsrf": browser.cookies["_xsrf"]}
        browser.post("login", data=typed)
        return browser.get("api/contents").status_code == 200


@pytest.mark.parametrize("before", ["none", "json", "py"])
def test_its_password_is_set(person: User, ssh_bed: SshBed, there: There, before: str) -> None:
    """Its tool hashes and writes it by the old name, over what stands there."""
    old = "sha1:0123456789ab:" + 40 * "0"
    file = there.config / "jupyter_notebook_config.json"
    if before == "json":
        file.write_text(json.dumps({"NotebookApp": {"password": old, "open_browser": False}}))
    elif before == "py":
        file.with_suffix(".py").write_text(f"c.NotebookApp.password = {old!r}\n")
    said = asked(person, ssh_bed, PASSWORD, PASSWORD).screen
    assert "`jupyter notebook password`" in said
    assert PASSWORD not in said
    assert ("jupyter_notebook_config.py there sets another one" in said) == (before == "py"), said
    set_now = json.loads(file.read_text())["NotebookApp"]
    assert set_now["password"].startswith("argon2:")
    assert set_now.get("open_browser") == (False if before == "json" else None)
    with notebook(ssh_bed, there) as port:
        listed = person.tunnel(*command(ssh_bed, "--list", "--json")).stdout
        [server] = json.loads(listed)["jupyters"]
        assert (server["destination"], server["protection"]) == (f"127.0.0.1:{port}", "password")
        assert "asks for its password" in person.tunnel(*command(ssh_bed, "--no-browser")).stdout
        assert (lets_in(port, PASSWORD), lets_in(port, "another one")) == (True, False)
        person.tunnel(*command(ssh_bed, "--stop"))


def test_one_is_started_and_ended(person: User, ssh_bed: SshBed, there: There) -> None:
    said = person.tunnel(*command(ssh_bed, "--start", "--no-browser")).stdout
    assert "a new Jupyter at" in said
    assert "It ends with the last of its tunnels" in said
    [server] = json.loads(person.tunnel(*command(ssh_bed, "--list", "--json")).stdout)["jupyters"]
    assert server["protection"] == "token"
    assert server["destination"].startswith(str(there.runtime)), "it takes no port"
    assert "has ended." in person.tunnel(*command(ssh_bed, "--stop")).stdout
    wait_until(lambda: not (there.is_left or files(there)), "its end")
