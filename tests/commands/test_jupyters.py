"""`jupyter tunnel jupyter`: remote Jupyter servers from a shell, with and without one here."""

import contextlib
import json
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets import Origin
from websockets.sync.client import connect

from jupyter_remote_tunnel.apps.jupyters import own_address
from jupyter_remote_tunnel.commands.grammar import parse
from jupyter_remote_tunnel.commands.jupyters import wanted
from jupyter_remote_tunnel.model.errors import BadInput
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import SshOptions, TunnelRequest
from tests.support.http import by_token
from tests.support.jupyter import Jupyter, jupyter
from tests.support.jupyter_there import There, jupyter_there
from tests.support.netns import namespaces
from tests.support.ports import ReservedPort
from tests.support.process import PATIENCE, wait_until
from tests.support.sshd import SshBed
from tests.support.user import User

# A browser that goes where it is sent, by way of the file that it is shown.
_BROWSER = """
import pathlib, re, sys, urllib.parse, urllib.request, html
shown, seen = sys.argv[2], pathlib.Path(sys.argv[1])
path = pathlib.Path(urllib.request.url2pathname(shown.removeprefix("file://")))
entry = html.unescape(re.search('url=([^"]*)', path.read_text())[1])
jar = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(),
                                  urllib.request.ProxyHandler({}))
landed = jar.open(entry)
again = jar.open(urllib.parse.urljoin(landed.url, "api/contents"))
draft = seen.with_suffix(".draft")
draft.write_text("\\n".join([shown, oct(path.stat().st_mode), landed.url, str(again.status)]))
draft.rename(seen)
"""


@pytest.fixture(autouse=True)
def engine(user: User) -> Iterator[None]:
    """The user's, for all commands of a test; each would start one of its own."""
    with user.engine(EngineSettings()):
        yield


@pytest.fixture
def runtime(ssh_bed: SshBed, tmp_path: Path) -> Path:
    """The runtime directory of `gpu01`."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    ssh_bed.host("gpu01", env={"JUPYTER_RUNTIME_DIR": folder})
    return folder


@pytest.fixture
def remote(runtime: Path) -> Iterator[Jupyter]:
    """A Jupyter of `gpu01`."""
    with there(runtime) as server:
        yield server


def there(runtime: Path, **knobs: Any) -> Any:
    return jupyter(extension=False, env={"JUPYTER_RUNTIME_DIR": str(runtime)}, **knobs)


def address_of_gpu01(bed: SshBed) -> str | None:
    """Where its Jupyter servers are found here, for a user who types `-F`."""
    ssh = SshOptions(config_file=str(bed.config_file))
    return own_address(TunnelRequest(host="gpu01", ssh=ssh))


@pytest.fixture
def browser(user: User) -> Path:
    """The file into which the user's browser writes what it has seen."""
    program, seen = user.folder / "browser.py", user.folder / "seen"
    program.write_text(_BROWSER)
    user.environment["BROWSER"] = f"{sys.executable} {program} {seen} %s"
    return seen


@pytest.fixture
def no_browser(user: User) -> None:
    user.environment["BROWSER"] = "false"


def test_a_list_without_secrets(user: User, ssh_bed: SshBed, remote: Jupyter) -> None:
    words = ["jupyter", "-F", str(ssh_bed.config_file), "gpu01", "--list"]
    data = json.loads(user.tunnel(*words, "--json").stdout)
    [server] = data["jupyters"]
    assert server["destination"] == f"127.0.0.1:{remote.port}"
    assert server["url"] == remote.url
    shown = user.tunnel(*words).stdout
    assert str(remote.root_dir) in shown
    assert remote.token not in json.dumps(data) + shown


def test_none_and_several(user: User, ssh_bed: SshBed, runtime: Path) -> None:
    words = ["jupyter", "-F", str(ssh_bed.config_file), "gpu01"]
    assert "No Jupyter server of yours on gpu01" in user.tunnel(*words, "--list").stdout
    assert "No Jupyter server of yours runs" in user.tunnel(*words, status=1).stderr
    with there(runtime) as first, there(runtime) as second:
        said = user.tunnel(*words, status=2).stderr
        assert f"{first.port} ({first.root_dir})" in said
        assert f"{second.port} ({second.root_dir})" in said
        assert "jupyter gpu01:PORT" in user.tunnel(*words, "--list").stdout
        for chosen in (["--port", str(first.port)], [f"gpu01:{first.port}"]):
            line = [*words[:-1], *(["gpu01"] if len(chosen) > 1 else []), *chosen]
            told = json.loads(user.tunnel(*line, "--no-browser", "--json").stdout)
            assert told["server"]["root_dir"] == str(first.root_dir)


def test_the_browser_is_logged_in_and_no_file_stays(
    user: User, ssh_bed: SshBed, remote: Jupyter, browser: Path
) -> None:
    words = ["jupyter", "-F", str(ssh_bed.config_file), "gpu01"]
    said = user.tunnel(*words).stdout
    wait_until(browser.exists, "the browser")
    shown, mode, landed, status = browser.read_text().splitlines()
    address = address_of_gpu01(ssh_bed)
    assert stat.S_IMODE(int(mode, 8)) == 0o600
    assert landed == f"http://{address}:{remote.port}/", "the address that stays has no token"
    assert status == "200"
    assert landed in said
    assert remote.token not in said + shown
    assert list(user.runtime_dir.glob("*-open.html")) == []
    kept = [path for path in user.folder.rglob("*") if path.is_file()]
    assert not any(remote.token.encode() in path.read_bytes() for path in kept)


def test_it_is_used_at_another_port_and_without_a_browser_it_is_said_where_the_token_is(
    user: User, ssh_bed: SshBed, remote: Jupyter
) -> None:
    with ReservedPort() as near:
        words = ["-F", str(ssh_bed.config_file), "gpu01", "--local-port", str(near.number)]
        said = user.tunnel("jupyter", *words, "--no-browser").stdout
        assert f":{near.number}/" in said
        assert "On gpu01, `jupyter server list` prints the token" in said
        assert remote.token not in said
        url = re.findall(r"http://\S+/", said)[0]
        login = {"Authorization": f"token {remote.token}"}
        with httpx.Client(base_url=url, headers=login, trust_env=False, timeout=60) as client:
            kernel = client.post("api/kernels").json()["id"]
            with connect(
                f"ws{url.removeprefix('http')}api/kernels/{kernel}/channels",
                origin=Origin(url.rstrip("/")),  # as of a page that a browser has from there
                additional_headers=login,
                proxy=None,
            ) as channels:
                assert json.loads(channels.recv(timeout=PATIENCE))["channel"] == "iopub"
            client.delete(f"api/kernels/{kernel}")


def test_no_browser_there(user: User, ssh_bed: SshBed, remote: Jupyter, no_browser: None) -> None:
    said = user.tunnel("jupyter", "-F", ssh_bed.config_file, "gpu01").stdout
    assert "On gpu01, `jupyter server list` prints the token" in said
    assert list(user.runtime_dir.glob("*-open.html")) == []


def test_in_the_foreground(user: User, ssh_bed: SshBed, remote: Jupyter) -> None:
    words = ["jupyter", "--foreground", "--no-browser", "-F", str(ssh_bed.config_file), "gpu01"]
    with user.start(*words) as process:
        url = process.wait_for_line(r"^  (http://\S+)$")[1]
        assert httpx.get(f"{url}api", trust_env=False).json()["version"]
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_a_port_that_is_taken(user: User, ssh_bed: SshBed, remote: Jupyter) -> None:
    words = ["jupyter", "--no-browser", "-F", str(ssh_bed.config_file), "gpu01"]
    own = address_of_gpu01(ssh_bed)
    with socket.create_server((own or "127.0.0.1", remote.port)):
        said = user.tunnel(*words).stdout
        assert f"Port {remote.port} was taken" in said
        user.tunnel("close", "--all")
        complaint = user.tunnel(*words, "--local-port", str(remote.port), status=1).stderr
    assert str(remote.port) in complaint
    assert "leave --local-port out" in complaint
    assert "--on-conflict" not in complaint, "which is of `open`"


def test_a_jupyter_here_shows_it(user: User, ssh_bed: SshBed, remote: Jupyter) -> None:
    traits = {"TunnelManager": {"ssh_config": str(ssh_bed.config_file)}}
    with jupyter(traits=traits) as here, by_token(here) as api, ReservedPort() as near:

        def told(*words: str) -> str:
            return subprocess.run(
                ["jupyter", "tunnel", "jupyter", "gpu01", *words],
                env={**here.environment, "SSH_AUTH_SOCK": str(user.folder / "agent")},
                capture_output=True,
                text=True,
                check=True,
                timeout=PATIENCE,
            ).stdout

        wish = {"host": "gpu01", "local_port": near.number}
        at_port = api.post("remote-tunnel/api/jupyters", json=wish).json()
        # A shell finds what JupyterLab has opened at a port, and would send a browser there.
        again = told("--local-port", str(near.number), "--no-browser")
        assert "was open already" in again
        assert at_port["address"] in again
        assert api.delete(f"remote-tunnel/api/tunnels/{at_port['tunnel']}").status_code == 200
        said = told()
        [tunnel] = api.get("remote-tunnel/api/tunnels").json()["tunnels"]
        assert (tunnel["kind"], tunnel["forwards"][0]["asked"]) == ("jupyter", "private")
        assert f"{here.url}remote-tunnel/open/{tunnel['id']}" in said
        assert remote.token not in said


@pytest.fixture
def nothing_runs(ssh_bed: SshBed, short_dir: Path) -> Iterator[There]:
    with jupyter_there(ssh_bed, short_dir) as there:
        yield there


def test_one_is_started_and_ends_with_its_tunnel_or_stays(
    user: User, ssh_bed: SshBed, nothing_runs: There
) -> None:
    nothing_runs.lose_jupyter()
    words = ["jupyter", "-F", str(ssh_bed.config_file), "gpu01"]
    assert "jupyter tunnel jupyter gpu01 --start" in user.tunnel(*words, status=1).stderr
    assert "a prelude" in user.tunnel(*words, "--start", status=1).stderr

    start = [
        *words,
        "--start",
        "--no-browser",
        "--prelude",
        f"PATH={nothing_runs.folder}/tools:$PATH",
    ]
    with user.start(*start, "--foreground") as process:
        process.wait_for_line("It ends with the last of its tunnels")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    wait_until(lambda: not nothing_runs.is_left, "its end")

    said = user.tunnel(*start, "--keep", "--name", "far").stdout
    assert "a new Jupyter at" in said
    assert "It stays there when this is closed" in said
    assert user.tunnel("close", "far").stdout == "far is closed.\n"
    user.tunnel(*words, "--no-browser", "--name", "again")
    said = user.tunnel(*words, "--stop").stdout
    assert "has ended." in said
    assert "again is closed." in said
    wait_until(lambda: not nothing_runs.is_left, "its end")


def test_the_tunnel_to_another_host_that_is_called_the_same_stays(
    user: User, ssh_bed: SshBed, tmp_path: Path
) -> None:
    """Two hosts are `localhost` behind their jump hosts, and have a Jupyter at the same port."""
    with contextlib.ExitStack() as stack:
        number = stack.enter_context(ReservedPort()).number
        lines: list[list[str]] = []
        for name, network in zip(("one", "two"), stack.enter_context(namespaces(2)), strict=True):
            runtime = tmp_path / name
            runtime.mkdir()
            sshd = ssh_bed.host(
                name,
                namespace=network,
                server=["ListenAddress 127.0.0.1"],
                env={"JUPYTER_RUNTIME_DIR": runtime},
                client=["ProxyJump one"] if lines else [],
            )
            stack.callback(sshd.kill)
            with ssh_bed.known_hosts.open("a") as known:
                known.write(sshd.known_hosts_line.replace(sshd.address, "localhost"))
            stack.enter_context(there(runtime, namespace=network, port=number))
            host = ["-J", name, "-p", str(sshd.port), "localhost"]
            lines.append(["jupyter", "-F", str(ssh_bed.config_file), *host])
            user.tunnel(*lines[-1], "--no-browser", "--name", name)
        first, _ = lines
        assert user.tunnel(*first, "--stop").stdout.splitlines()[1:] == ["one is closed."]
        assert [tunnel.name for tunnel in user.tunnels()] == ["two"]


@pytest.mark.parametrize(
    "line",
    ["", "-R 1:localhost:2 gpu01", "-D 1 gpu01", "gpu01:1 --port 2", "-L 1:b:2 gpu01:3",
     "gpu01 --name -x", "gpu01 --list --foreground", "gpu01 --start --stop", "gpu01:1 --start",
     "gpu01 --stop --foreground", "gpu01 --keep", "gpu01 --prelude true", "gpu01 --stop --tcp",
     "gpu01 --local-port 65536"],
)  # fmt: skip
def test_what_is_no_jupyter(line: str) -> None:
    with pytest.raises(BadInput):
        wanted(parse(["jupyter", *line.split()], "jupyter tunnel"))
