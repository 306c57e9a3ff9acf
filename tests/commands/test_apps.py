"""`apps open` and `apps list`, in a shell and in a cell beside a real Jupyter server."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.bokeh_app import BokehApp
from tests.support.http import by_token
from tests.support.jupyter import Jupyter, jupyter
from tests.support.kernel import client, ipykernel
from tests.support.process import PATIENCE
from tests.support.sshd import SshBed, Sshd
from tests.support.user import User

API = "remote-tunnel/api/"


@pytest.fixture
def server(ssh_bed: SshBed, sshd: Sshd) -> Iterator[Jupyter]:
    """It knows `gpu01`."""
    with jupyter(traits={"TunnelManager": {"ssh_config": str(ssh_bed.config_file)}}) as running:
        yield running


@pytest.fixture
def api(server: Jupyter) -> Iterator[httpx.Client]:
    with by_token(server) as client:
        yield client


def shell(server: Jupyter, *words: str) -> str:
    """What `jupyter tunnel` prints for the same user."""
    return subprocess.run(
        ["jupyter", "tunnel", *words],
        env=server.environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=PATIENCE,
    ).stdout


def listed(server: Jupyter) -> list[dict[str, Any]]:
    apps: list[dict[str, Any]] = json.loads(shell(server, "apps", "list", "--json"))["apps"]
    return apps


def test_a_shell_opens_what_the_browser_sees(
    server: Jupyter, api: httpx.Client, shared_app: BokehApp
) -> None:
    words = ["--name", "plot", "-L", f"0:{shared_app.destination}", "gpu01"]
    said = shell(server, "apps", "open", *words)
    assert "plot is open" in said
    [app] = listed(server)
    [seen] = api.get(API + "apps").json()["apps"]
    assert app["url"].endswith(seen["url"]), "the shell has no page to be relative to"
    assert {**app, "url": seen["url"]} == seen
    assert app["url"] in said
    assert app["url"] in shell(server, "apps", "list")
    assert "was open already" in shell(server, "apps", "open", *words)
    page = api.get(seen["url"], params={"view": "path"}, follow_redirects=True)
    assert "--prefix" in page.text, "Bokeh was reached, and needs one for this view"
    [tunnel] = api.get(API + "tunnels").json()["tunnels"]
    assert (tunnel["kind"], tunnel["forwards"][0]["asked"][:7]) == ("application", "private")


def test_a_cell_opens_the_same(server: Jupyter, shared_app: BokehApp) -> None:
    code = f"""
        %load_ext jupyter_remote_tunnel
        %tunnel apps open -L 0:{shared_app.destination} gpu01
        [app] = get_ipython().run_line_magic("tunnel", "apps list --json")["apps"]
        print(app["url"])
    """
    printed: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    with ipykernel(env=server.environment) as kernel, client(kernel.connection_file) as notebook:
        reply = notebook.execute_interactive(
            "\n".join(map(str.strip, code.splitlines())), timeout=PATIENCE, output_hook=hear
        )
    assert reply["content"]["status"] == "ok", reply["content"]
    [app] = listed(server)
    assert app["url"] in "".join(printed)


def test_looking_starts_no_engine(server: Jupyter) -> None:
    assert listed(server) == []
    assert "No applications" in shell(server, "apps", "list")
    [announcement] = server.runtime_dir.glob("remote-tunnel-*.json")
    assert json.loads(announcement.read_text())["engine_pid"] is None


def test_without_a_jupyter_server_nobody_shows_them(
    user: User, ssh_bed: SshBed, sshd: Sshd
) -> None:
    for _ in range(2):
        complaint = user.tunnel("apps", "open", "gpu01:5006", status=1).stderr
        assert "by a Jupyter server, and none is running" in complaint
        assert "Start JupyterLab" in complaint
        user.tunnel("open", "-F", ssh_bed.config_file, "-D", "0", "gpu01")  # in the background
