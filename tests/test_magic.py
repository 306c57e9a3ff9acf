"""`%tunnel` in a real kernel, and in an environment that has IPython and nothing else of ours."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from jupyter_remote_tunnel.model.settings import EngineSettings
from tests.support.bare_env import bare_environment
from tests.support.bokeh_app import BokehApp
from tests.support.kernel import client, ipykernel
from tests.support.ports import unused_port
from tests.support.process import PATIENCE
from tests.support.sshd import SshBed, Sshd
from tests.support.user import User


@pytest.fixture
def engine(user: User, ssh_bed: SshBed, sshd: Sshd) -> Iterator[None]:
    """An engine of the user that knows `gpu01`, as that of a Jupyter server would."""
    with user.engine(EngineSettings(ssh_config=str(ssh_bed.config_file))):
        yield


class Cell:
    """What running a cell gave."""

    def __init__(self, notebook: BlockingKernelClient, code: str) -> None:
        self.stdout, self.stderr, self.html = "", "", ""
        self.text = ""
        self.traceback: list[str] = []
        reply = notebook.execute_interactive(code, timeout=PATIENCE, output_hook=self._hear)
        self.status = reply["content"]["status"]

    def _hear(self, message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream":
            setattr(self, content["name"], getattr(self, content["name"]) + content["text"])
        elif "data" in content:
            self.text += content["data"].get("text/plain", "")
            self.html += content["data"].get("text/html", "")
        elif message["msg_type"] == "error":
            self.traceback = content["traceback"]


@pytest.fixture
def notebook(user: User) -> Iterator[BlockingKernelClient]:
    """A kernel of the same user, with the magic loaded."""
    with ipykernel(env=user.environment) as kernel, client(kernel.connection_file) as found:
        assert Cell(found, "%load_ext jupyter_remote_tunnel").status == "ok"
        yield found


@pytest.mark.usefixtures("engine")
def test_a_tunnel_from_open_to_close(notebook: BlockingKernelClient, shared_app: BokehApp) -> None:
    opened = Cell(notebook, f"%tunnel open -L 0:{shared_app.destination} gpu01 --name plot&co")
    assert opened.status == "ok", opened.stderr
    assert "-L 0:" in opened.text, "it repeats what was understood"
    listed = Cell(notebook, "%tunnel list")
    assert "plot&co" in listed.text
    assert "plot&amp;co" in listed.html
    fetched = Cell(
        notebook,
        "from urllib.request import urlopen\n"
        "url = %tunnel url plot&co\n"
        "print('remote plot' in urlopen(url + '/app').read().decode())",
    )
    assert fetched.stdout == "True\n", fetched.stderr
    assert Cell(notebook, "%tunnel restart plot&co").status == "ok"
    assert Cell(notebook, "data = %tunnel list --json\nprint(len(data['tunnels']))").stdout == "1\n"
    assert Cell(notebook, "%tunnel close plot&co").text == "plot&co is closed."


@pytest.mark.usefixtures("engine")
def test_a_kernel_from_a_notebook(notebook: BlockingKernelClient, user: User) -> None:
    with ipykernel() as remote:
        connected = Cell(notebook, f"%tunnel kernels connect gpu01 {remote.connection_file}")
        assert "jupyter console --existing kernel-jrt-" in connected.text, connected.stderr
        (local,) = user.runtime_dir.glob("kernel-jrt-*.json")
        attached = Cell(
            notebook,
            "from jupyter_client import BlockingKernelClient\n"
            f"client = BlockingKernelClient(connection_file={str(local)!r})\n"
            "client.load_connection_file()\n"
            "client.start_channels()\n"
            f"client.wait_for_ready(timeout={PATIENCE / 2})\n"
            f"client.execute_interactive('import os; print(os.getpid())', timeout={PATIENCE / 2})\n"
            "client.stop_channels()",
        )
        assert attached.stdout == f"{remote.process.pid}\n", attached.traceback


ERRORS = {
    "close nope": "nope",
    "open -L 5006:localhost:70000 gpu01": "out of range",
    "open gpu01:5006; rm -rf x": "“;”",
    "frobnicate": "frobnicate",
    "demo": "terminal",
    "open --foreground gpu01:5006": "foreground",
    "open -F /tmp/config gpu01:5006": "-F",
    "gpu01:5006": "%tunnel open gpu01:5006",
    "kernels connect gpu01": "usage: %tunnel kernels connect [OPTIONS]",
    "apps open -D 1080 gpu01": "usage: %tunnel apps open [OPTIONS]",
    "open http://localhost:5006/app": "user@host:5006",
}


@pytest.mark.usefixtures("engine")
def test_an_error_is_a_sentence_and_stops_the_cell(notebook: BlockingKernelClient) -> None:
    for line, complaint in ERRORS.items():
        cell = Cell(notebook, f"%tunnel {line}\nprint('not reached')")
        assert cell.status == "error", line
        assert complaint in cell.stderr
        assert "Traceback" not in cell.stderr
        assert cell.stdout == ""


@pytest.mark.usefixtures("engine")
def test_a_pasted_line_behind_the_magic(
    notebook: BlockingKernelClient, shared_app: BokehApp
) -> None:
    pasted = f"me@laptop:~$ ssh –NL “0:{shared_app.destination}” gpu01 >/dev/null 2>&1 &"
    opened = Cell(notebook, f"%tunnel open {pasted}")
    assert opened.status == "ok", opened.stderr
    assert f"-L 0:{shared_app.destination}" in opened.text


@pytest.mark.usefixtures("engine")
def test_the_context_manager_explains_an_error_in_few_lines(
    notebook: BlockingKernelClient, user: User
) -> None:
    Cell(notebook, "from jupyter_remote_tunnel import tunnel")
    with unused_port() as nobody:
        options = f"-p {nobody} -o ConnectTimeout=5 -l ann"
        cell = Cell(notebook, f"with tunnel('-L 0:localhost:1 {options} 127.0.0.1'): pass")
        assert cell.status == "error"
        message, hint = cell.traceback
        assert message == f"127.0.0.1 refused the connection to 127.0.0.1:{nobody}."
        assert hint.startswith("Is sshd running there")
    wrong = Cell(notebook, "tunnel('-L 5006:localhost:70000 gpu01')")
    assert wrong.traceback[1:3] == ["-L 5006:localhost:70000", "                  ^^^^^"]
    caught = Cell(notebook, "try: tunnel('nonsense')\nexcept Exception as e: print(type(e).mro())")
    assert "RemoteTunnelError" in caught.stdout, "a program can still catch it"


def test_help(notebook: BlockingKernelClient) -> None:
    for line in ("", "--help", "open --help"):
        cell = Cell(notebook, f"%tunnel {line}")
        assert cell.stdout.startswith("usage: %tunnel")
        assert cell.status == "ok"


def run_bare(python: Path, user: User, code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [python, "-m", "IPython", "--no-banner", "--colors=nocolor", "-c", code],
        env=user.environment,
        cwd=user.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.fixture
def bare_python() -> Iterator[Path]:
    with bare_environment("ipython") as python:
        (packages,) = python.parents[1].glob("lib/python*/site-packages")
        assert not {"jupyter_core", "asyncssh", "rich"} & {path.name for path in packages.iterdir()}
        yield python


@pytest.mark.usefixtures("engine")
def test_the_standard_library_and_ipython_are_enough(
    user: User, bare_python: Path, shared_app: BokehApp
) -> None:
    code = f"""\
from urllib.request import urlopen
%load_ext jupyter_remote_tunnel
%tunnel open -L 0:{shared_app.destination} gpu01 --name bokeh
url = %tunnel url bokeh
print('remote plot' in urlopen(url + '/app').read().decode())
%tunnel list
%tunnel close bokeh
import jupyter_remote_tunnel
with jupyter_remote_tunnel.tunnel("-L 0:{shared_app.destination} gpu01") as found:
    print('remote plot' in urlopen(found.url + '/app').read().decode())
"""
    done = run_bare(bare_python, user, code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("True\n") == 2
    assert "bokeh is closed." in done.stdout


def test_what_needs_more_says_so(user: User, bare_python: Path) -> None:
    done = run_bare(bare_python, user, "%load_ext jupyter_remote_tunnel\n%tunnel cert")
    said = done.stdout + done.stderr
    assert "need a package that is not installed here: cryptography" in said
    assert "Traceback" not in said


def test_where_no_engine_can_be_started_it_says_so(user: User, bare_python: Path) -> None:
    done = run_bare(bare_python, user, "%load_ext jupyter_remote_tunnel\n%tunnel open gpu01:5006")
    assert done.returncode != 0
    assert "asyncssh" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("engine")
def test_hosts_are_listed_and_resolved(notebook: BlockingKernelClient) -> None:
    listed = Cell(notebook, "%tunnel hosts")
    assert '<td style="text-align: left">gpu01</td>' in listed.html
    code = "options = %tunnel hosts gpu01 --json\nprint(options['options']['hostname'])"
    resolved = Cell(notebook, code)
    assert resolved.stdout == "127.0.0.1\n", resolved.stderr
    refused = Cell(notebook, "%tunnel hosts -o ProxyCommand=true gpu01")
    assert "could start programs on this machine" in refused.stderr
