"""The demo from its start to its end, which leaves nothing; also where its start fails half-way."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from jupyter_remote_tunnel.demo.host import DemoHost
from jupyter_remote_tunnel.demo.lab import environment
from tests.support.bare_env import bare_environment
from tests.support.leaks import no_new_processes
from tests.support.ports import unused_port
from tests.support.process import Child, child, program
from tests.support.user import User


@pytest.fixture
def nothing_left_of_it(user: User) -> Iterator[None]:
    """The demo leaves no process and, of all that it wrote, no file."""
    before = _files(user.folder)
    with no_new_processes():
        yield
    assert _files(user.folder) == before


def _files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def start(user: User, *words: str, env: dict[str, str] | None = None) -> Any:
    command = [sys.executable, "-m", "jupyter_remote_tunnel.cli", "demo", *words]
    return child(command, env={**user.environment, **(env or {})}, cwd=user.folder)


def url_of(demo: Child) -> str:
    return demo.wait_for_line(r"^\s+(http://localhost:\S+)")[1]


@pytest.mark.usefixtures("nothing_left_of_it")
def test_check_takes_less_than_thirty_seconds(user: User) -> None:
    with start(user, "--check") as demo:
        assert demo.wait() == 0
        lines = demo.output.splitlines()
    assert any("first patch" in line for line in lines)
    assert float(lines[-1].split()[0]) < 30


@pytest.mark.usefixtures("nothing_left_of_it")
@pytest.mark.long
def test_openssh_is_not_needed(user: User, tmp_path: Path) -> None:
    for name in ("cat", "env", "sh", "tail", "uname"):
        (tmp_path / name).symlink_to(program(name))
    path = f"{Path(sys.executable).parent}:{tmp_path}"
    with start(user, "--check", env={"PATH": path}) as demo:
        assert demo.wait() == 0, demo.output


@pytest.mark.usefixtures("nothing_left_of_it")
@pytest.mark.parametrize(
    "number",
    # SIGTERM ends it while it starts as well, and every other command that lasts.
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)],
)
def test_it_shows_a_tunnel_and_an_application_until_it_is_told_to_end(
    user: User, number: int
) -> None:
    with start(user) as demo:
        url = urllib.parse.urlsplit(url_of(demo))
        (token,) = urllib.parse.parse_qs(url.query)["token"]

        def ask(path: str) -> Any:
            address = f"http://{url.netloc}/remote-tunnel/api/{path}"
            request = urllib.request.Request(address, headers={"Authorization": f"token {token}"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)

        tunnels = {tunnel["name"]: tunnel for tunnel in ask("tunnels")["tunnels"]}
        assert {tunnel["state"] for tunnel in tunnels.values()} == {"open"}
        assert {tunnel["kind"] for tunnel in tunnels.values()} == {"application", "forward"}
        assert "remote plot" in {app["name"] for app in ask("apps")["apps"]}
        demo.send_signal(number)
        assert demo.wait() == 0


@pytest.mark.usefixtures("nothing_left_of_it")
@pytest.mark.long
async def test_a_shell_knows_its_tunnels(user: User) -> None:
    """The one of its JupyterLab, and any other by the line that it prints."""
    with start(user, env={"HISTFILE": os.devnull}) as demo:
        url = urllib.parse.urlsplit(url_of(demo))
        (token,) = urllib.parse.parse_qs(url.query)["token"]
        line = demo.wait_for_line(r"^\s+(JUPYTER_RUNTIME_DIR=.* tunnel list)$")[1]
        shown = await asyncio.to_thread(subprocess.check_output, ["/bin/sh", "-c", line], text=True)
        assert "port to the plot" in shown
        base, login = f"http://{url.netloc}", {"Authorization": f"token {token}"}
        async with aiohttp.ClientSession(base, headers=login) as session:
            async with session.post("/api/terminals") as answer:
                name = (await answer.json())["name"]
            async with session.ws_connect(f"/terminals/websocket/{name}") as terminal:
                await terminal.send_json(["stdin", "jupyter tunnel list\r"])
                shown = ""
                while "port to the plot" not in shown:
                    kind, *texts = await terminal.receive_json(timeout=30)
                    shown += texts[0] if kind == "stdout" else ""
                    assert "not found" not in shown
        demo.send_signal(signal.SIGTERM)
        assert demo.wait() == 0


@pytest.mark.usefixtures("nothing_left_of_it")
def test_its_notebook_runs(user: User) -> None:
    with start(user) as demo:
        url_of(demo)
        (folder,) = (user.folder / "tmp").iterdir()
        lab = folder / "lab"
        (notebook,) = (lab / "notebooks").glob("*.ipynb")
        announcement = next((lab / "runtime").glob("remote-tunnel-*.json"))
        subprocess.run(
            ["jupyter", "execute", "--inplace", notebook],
            env={
                **environment(lab, user.environment),
                "JUPYTER_REMOTE_TUNNEL": str(announcement),  # as a kernel of that server has it
            },
            check=True,
        )
        cells = json.loads(notebook.read_text())["cells"]
        shown = json.dumps([cell.get("outputs") for cell in cells])
        for expected in ("demo-host", "Remote signal", "kernel-jrt-"):
            assert expected in shown
        demo.send_signal(signal.SIGTERM)
        assert demo.wait() == 0


def test_what_it_needs_comes_with_the_clone(user: User) -> None:
    with bare_environment("asyncssh", "psutil") as python:
        command = [str(python), "-m", "jupyter_remote_tunnel.cli", "demo"]
        done = subprocess.run(command, env=user.environment, capture_output=True, text=True)
    assert done.returncode == 1
    needs, how = done.stderr.splitlines()
    assert needs == "The demo needs bokeh, ipykernel, jupyterlab."
    assert how.endswith("pip install '.[demo]'")


@pytest.mark.usefixtures("nothing_left_of_it")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ended_while_it_starts(user: User, number: int) -> None:
    with start(user) as demo:
        demo.wait_for_line("SSH host")
        demo.send_signal(number)
        assert demo.wait() == 1
        assert demo.output.endswith(" s  Ended. No process, socket or file is left.\n")


@pytest.mark.usefixtures("nothing_left_of_it")
def test_a_part_that_does_not_start_is_named(user: User, tmp_path: Path) -> None:
    (tmp_path / "jupyterlab.py").write_text("raise SystemExit('broken on purpose')")
    with start(user, env={"PYTHONPATH": str(tmp_path)}) as demo:
        assert demo.wait() == 1
        assert "JupyterLab ended before it was ready" in demo.output
        assert "broken on purpose" in demo.output
        assert "Traceback" not in demo.output


def test_only_the_key_of_the_run_is_accepted(user: User) -> None:
    with start(user) as demo:
        port = demo.wait_for_line(r"127\.0\.0\.1:(\d+)")[1]
        words = ["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"]
        words += ["-o", f"UserKnownHostsFile={os.devnull}", "-p", port, "demo@127.0.0.1", "true"]
        done = subprocess.run(["ssh", *words], capture_output=True, text=True)
        assert "Permission denied" in done.stderr
        demo.send_signal(signal.SIGTERM)
        demo.wait()


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("127.0.0.1", "Connection refused"),
        ("localhost", "Connection refused"),
        ("nowhere.invalid", "Name or service not known"),
    ],
)
async def test_its_host_refuses_in_the_words_of_sshd(
    tmp_path: Path, host: str, reason: str
) -> None:
    async with DemoHost(tmp_path / "ssh", {}) as demo_host:
        with unused_port() as port:
            words = ["ssh", "-F", str(demo_host.ssh_config), "-W", f"{host}:{port}", "demo-host"]
            asked = await asyncio.create_subprocess_exec(
                *words, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
            )
            said = (await asked.communicate())[1].decode()
    assert f"open failed: connect failed: {reason}\r\n" in said
