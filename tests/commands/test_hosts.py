"""`jupyter tunnel hosts`, `%tunnel hosts`: aliases, and what ssh would use for a host."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_remote_tunnel.engine.client import EngineClient
from jupyter_remote_tunnel.engine.holder import Holder
from jupyter_remote_tunnel.model.errors import BadInput
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import SshOptions, TunnelRequest
from jupyter_remote_tunnel.ssh.openssh import parse_ssh_g
from tests.ssh.configurations import CASES, Case
from tests.support.process import program
from tests.support.sshd import SshBed, Sshd
from tests.support.user import User

KNOWN_HOSTS = ("globalknownhostsfile", "userknownhostsfile")


@pytest.fixture
def holder(user: User, ssh_bed: SshBed, sshd: Sshd) -> Iterator[Holder]:
    """Of an engine that knows the bed, and two aliases more."""
    sshd.client.append("LocalForward 5006 localhost:5006")
    ssh_bed.write_config("Host other\n    HostName other.example.org\n    Compression yes\n")
    with user.engine(EngineSettings(ssh_config=str(ssh_bed.config_file))) as held:
        yield held


def hosts(user: User) -> dict[str, Any]:
    found = json.loads(user.tunnel("hosts", "--json").stdout)
    assert found["problem"] is None
    return {host.pop("host"): host for host in found["hosts"]}


def test_aliases_are_listed_with_their_tunnels(user: User, holder: Holder, sshd: Sshd) -> None:
    """Before an engine runs, and by it."""
    before = hosts(user)
    assert holder.phase == "listening"
    assert list(before) == ["other", "gpu01"]
    assert before["gpu01"] == {
        "tunnels": [],
        "route": [],
        "alias": True,
        "host_name": "127.0.0.1",
        "user": sshd.user,
        "port": sshd.port,
        "offers": ["-L 5006:localhost:5006"],
    }
    user.tunnel("open", "-L", "0:localhost:1", "gpu01")
    user.tunnel("open", "-L", "0:localhost:1", "127.0.0.1", "-p", str(sshd.port))
    after = hosts(user)
    assert list(after) == ["other", "gpu01", "127.0.0.1"]
    assert after["gpu01"].pop("route") == [f"{sshd.user}@127.0.0.1:{sshd.port}"]
    assert len(after["gpu01"].pop("tunnels")) == 1
    assert after["gpu01"].items() <= before["gpu01"].items()
    assert (after["127.0.0.1"]["alias"], len(after["127.0.0.1"]["tunnels"])) == (False, 1)


def test_they_are_shown_with_what_they_offer(user: User, holder: Holder) -> None:
    lines = user.tunnel("hosts").stdout.splitlines()
    assert lines[-1] == ("gpu01 offers: jupyter tunnel open -L 5006:localhost:5006 gpu01")
    assert any(line.split() == ["other", "other.example.org", "0"] for line in lines)


def test_a_configuration_that_cannot_be_read_is_no_failure(
    user: User, holder: Holder, ssh_bed: SshBed
) -> None:
    ssh_bed.config_file.write_text('Host "gpu01\n')
    said = user.tunnel("hosts").stdout
    assert f"{ssh_bed.config_file} line 1: a quote is not closed." in said


def test_a_host_is_shown_as_ssh_resolves_it(user: User, holder: Holder, ssh_bed: SshBed) -> None:
    ssh_bed.write_config("Host *\n    AddKeysToAgent yes\n    ControlMaster auto\n")
    found = json.loads(user.tunnel("hosts", "gpu01", "-p", "99", "--json").stdout)
    ssh = printed(ssh_bed.config_file, "gpu01", "-p", "99")
    assert lines_of(found["options"]) == ssh
    assert found["not_honoured"] == ["batchmode yes", "addkeystoagent true"]
    assert found["offers"] == ["-L 5006:localhost:5006"]
    said = user.tunnel("hosts", "gpu01").stdout
    assert "Has no effect here: addkeystoagent true" in said
    assert "jupyter tunnel open -L 5006:localhost:5006 gpu01" in said


def test_a_host_is_resolved_where_nothing_runs(user: User, ssh_bed: SshBed, sshd: Sshd) -> None:
    words = ["-F", str(ssh_bed.config_file), "gpu01"]
    found = json.loads(user.tunnel("hosts", *words, "--json").stdout)
    assert lines_of(found["options"]) == printed(ssh_bed.config_file, "gpu01")


async def test_every_configuration_is_shown_as_ssh_prints_it(
    user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JRT_FOLDER", str(tmp_path))
    monkeypatch.setenv("JRT_AGENT", "/run/agent")
    with user.engine(EngineSettings()) as holder:
        engine = await EngineClient.connect(str(holder.socket_path), "shell")
        try:
            for case in CASES:
                await check(case, engine, tmp_path)
        finally:
            await engine.close()


async def check(case: Case, engine: EngineClient, folder: Path) -> None:
    file = case.write(folder)
    request = TunnelRequest(case.host, ssh=SshOptions(config_file=str(file)))
    try:
        ssh = await asyncio.to_thread(printed, file, case.host)
    except subprocess.CalledProcessError:
        with pytest.raises(BadInput) as caught:
            await engine.resolve_host(request)
        assert str(file.parent) in caught.value.message, case.name
        return
    found = await engine.resolve_host(request)
    assert lines_of(found["options"]) == ssh, case.name


def printed(file: Path, *words: str) -> dict[str, list[str]]:
    """What `ssh -G` prints, by keyword."""
    done = subprocess.run(
        [program("ssh"), "-F", file, "-G", *words],
        check=True,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    return {keyword: list(values) for keyword, values in parse_ssh_g(done.stdout).items()}


def lines_of(options: dict[str, Any]) -> dict[str, list[str]]:
    """The lines again of which `options` was made."""
    lines = {
        keyword: [values] if isinstance(values, str) else values
        for keyword, values in options.items()
    }
    return lines | {keyword: [" ".join(lines[keyword])] for keyword in KNOWN_HOSTS}
