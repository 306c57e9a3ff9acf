"""`jupyter tunnel doctor` and `%tunnel doctor`, and what the documentation shows of them."""

import getpass
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from jupyter_remote_tunnel.model.settings import EngineSettings
from tests.support.echo import serve
from tests.support.pam_sshd import pam_host
from tests.support.ports import unused_port
from tests.support.sshd import SshBed, Sshd
from tests.support.user import User

from .test_magic import Cell, notebook

__all__ = ["notebook"]  # a fixture

PAGE = Path(__file__).parents[1] / "docs" / "index.md"


def test_a_host_that_is_well(user: User, ssh_bed: SshBed, sshd: Sshd) -> None:
    shown = user.tunnel("doctor", "-F", ssh_bed.config_file, "gpu01").stdout.splitlines()
    assert shown[0] == "gpu01:"
    assert shown[-1] == "Nothing failed."
    verdicts = {line.split()[0] for line in shown[1:-1] if not line.startswith(" ")}
    assert verdicts <= {"ok", "note"}, "a busy machine is slow"


def test_one_object_for_programs(user: User, ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", server=["AllowTcpForwarding no"])
    words = ("doctor", "--json", "-F", ssh_bed.config_file, "gpu01")
    (line,) = user.tunnel(*words, status=1).stdout.splitlines()
    found = json.loads(line)
    assert (found["ok"], found["steps"][-1]["code"]) == (False, "forward_refused")


def test_bad_input(user: User) -> None:
    assert "usage: jupyter tunnel doctor" in user.tunnel("doctor", status=2).stderr
    assert "doctor [OPTIONS]" in user.tunnel("doctor", "--help").stdout


def test_a_line_of_open_says_where_it_leads(user: User, ssh_bed: SshBed, sshd: Sshd) -> None:
    ssh = ("-F", ssh_bed.config_file)
    with serve("echo") as echo, unused_port() as nowhere:
        shown = user.tunnel("doctor", *ssh, f"gpu01:{echo.port}").stdout
        assert f"gpu01 connects to localhost:{echo.port} for you." in shown
        line = f"ssh -NfL 5006:localhost:{nowhere} -F {ssh_bed.config_file} gpu01 &"
        shown = user.tunnel("doctor", line, status=1).stdout
    assert "FAILED  destination" in shown
    assert shown.endswith("steps failed: destination.\n")


def test_steps_are_shown_as_they_come(user: User) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        words = ("doctor", "-o", "ConnectTimeout=300", "-p", port, "ann@127.0.0.1")
        with user.start(*words) as process:
            process.wait_for_line(f"takes a connection to port {port}")
            silent.close()  # which hangs up on who waits
            process.wait()
    assert process.returncode == 1
    assert process.output.endswith("1 of 4 steps failed: key exchange.\n")


def test_nobody_at_the_terminal(user: User, ssh_bed: SshBed) -> None:
    pam_host(ssh_bed, "gpu01", "password")
    shown = user.tunnel("doctor", "-F", ssh_bed.config_file, "gpu01", status=1).stdout
    assert "FAILED  login" in shown
    assert "Nobody could be asked" in shown


@pytest.fixture
def engine(user: User, ssh_bed: SshBed, sshd: Sshd) -> Iterator[None]:
    with user.engine(EngineSettings(ssh_config=str(ssh_bed.config_file))):
        yield


@pytest.mark.usefixtures("engine")
def test_in_a_notebook(notebook: BlockingKernelClient) -> None:
    shown = Cell(notebook, "%tunnel doctor gpu01")
    assert shown.status == "ok", shown.stderr
    assert shown.text.splitlines()[0] == "gpu01:"
    assert shown.text.splitlines()[-1] == "Nothing failed."
    code = "found = %tunnel doctor --json gpu01\nprint(found['ok'], len(found['steps']))"
    assert Cell(notebook, code).stdout == "True 9\n"


def test_the_documentation_shows_what_it_prints(user: User, ssh_bed: SshBed) -> None:
    ssh_bed.host("gw", known=False)
    ssh_bed.host("gpu01", client=["ProxyJump gw"], server=["PermitOpen localhost:5006"])
    ssh_bed.write_config(
        "Host gw\n    HostName localhost\n    AddressFamily inet\nHost *\n    BatchMode no\n"
    )
    key = ssh_bed.hosts["gw"].known_hosts_line
    with ssh_bed.known_hosts.open("a") as file:
        file.write(key.replace("127.0.0.1", "localhost"))
    block = re.search(r"```\n\$ jupyter tunnel (doctor gpu01)\n(.*?)```", PAGE.read_text(), re.S)
    assert block is not None
    words = block[1].split()
    shown = user.tunnel(*words, "-F", ssh_bed.config_file, status=1).stdout
    assert _bare(block[2]) == _bare(shown)


def _bare(text: str) -> list[list[str]]:
    """The words of each line but for what differs from one run or machine to the next: times, and
    what is due to a busy machine, versions, addresses, names and paths.
    """
    names = (getpass.getuser(), "ann", "ms", "s")
    lines = [
        line.replace("note  ", "ok") for line in text.splitlines() if "→ That is sl" not in line
    ]
    return [
        [
            w
            for w in line.split()
            if not re.search(r"[\d/@…]|\w\.\w|localhost", w) and w not in names
        ]
        for line in lines
    ]
