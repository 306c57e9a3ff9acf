"""Without OpenSSH a configuration means what `ssh -G` says, or file and line are named."""

import shutil
from pathlib import Path

import psutil
import pytest

from jupyter_remote_tunnel.model.errors import BadInput
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.ssh import config_lines, openssh, without_openssh
from jupyter_remote_tunnel.ssh.config import resolve
from jupyter_remote_tunnel.ssh.config_lines import lines_of
from jupyter_remote_tunnel.ssh.keywords import Configuration
from jupyter_remote_tunnel.ssh.without_openssh import (
    Commands,
    configurations,
    evaluate,
)
from tests.ssh.configurations import CASES, Case


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """What the configurations name."""
    found = {"JRT_FOLDER": str(tmp_path), "JRT_AGENT": "/run/agent"}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


def cases(*, refused: bool) -> pytest.MarkDecorator:
    chosen = [case for case in CASES if (case.refused is not None) is refused]
    return pytest.mark.parametrize("case", chosen, ids=lambda case: case.name)


@cases(refused=False)
async def test_it_means_the_same(case: Case, tmp_path: Path, environment: dict[str, str]) -> None:
    options = SshOptions(config_file=str(case.write(tmp_path)))
    theirs, usual = await by_openssh(case.host, options, environment)
    lines = await lines_of(options.config_file)
    ours = evaluate(case.host, options, lines, usual, Commands(case.host).run)
    assert not (tmp_path / "never").exists()
    if theirs is None:
        assert case.newer
        assert ours["user"] == ["ann"]
    else:
        assert ours == without_ghosts(theirs)


@cases(refused=True)
async def test_or_file_and_line_are_named(
    case: Case, tmp_path: Path, environment: dict[str, str]
) -> None:
    options = SshOptions(config_file=str(case.write(tmp_path)))
    with pytest.raises(BadInput, match=f"^{tmp_path}/{case.refused}"):
        await configurations(case.host, options)


async def by_openssh(
    host: str, options: SshOptions, environment: dict[str, str]
) -> tuple[Configuration | None, Configuration]:
    """What OpenSSH says; None where it refuses. And what it says of no configuration."""
    ssh = shutil.which("ssh") or "ssh"
    none = SshOptions(config_file="none")
    everything = {"PATH": "/usr/bin:/bin", **environment}
    usual, _ = await openssh.configurations(ssh, none, host, everything, asks=False)
    try:
        theirs, _ = await openssh.configurations(ssh, options, host, everything, asks=False)
    except BadInput:
        return None, usual
    return theirs, usual


def without_ghosts(found: Configuration) -> Configuration:
    """For a LocalForward to a socket, ssh also prints a DynamicForward that nobody asked for."""
    to_sockets = [line.split(" /")[0] for line in found.get("localforward", ()) if " /" in line]
    real = [line for line in found.get("dynamicforward", ()) if line not in to_sockets]
    whole = {**found, "dynamicforward": real}
    return {keyword: values for keyword, values in whole.items() if values}


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's file, where there is no OpenSSH; the system's stands beside it, "system"."""
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(config_lines, "user_file", lambda: str(tmp_path / "config"))
    monkeypatch.setattr(config_lines, "SYSTEM_FILE", str(tmp_path / "system"))
    return tmp_path / "config"


async def test_the_users_file_counts_before_the_systems(own: Path) -> None:
    own.write_text("Host gpu01\n User ann\n ProxyJump gw\n")
    (own.parent / "system").write_text("Host *\n User bob\n Port 2200\n")
    route = await resolve("gpu01", SshOptions(), EngineSettings())
    assert [str(hop) for hop in route] == ["bob@gw:2200", "ann@gpu01:2200"]


async def test_what_is_typed_counts_before_the_files(own: Path) -> None:
    own.write_text("User ann\nPort 2200\nKexAlgorithms ecdh-sha2-nistp256\nCompression no\n")
    typed = SshOptions(port=22, compression=True, options=("User=carl", "ServerAliveInterval 1m"))
    (hop,) = await resolve("gpu01", typed, EngineSettings())
    assert str(hop) == "carl@gpu01:22"
    assert (hop.compression, hop.keepalive_interval) == (True, 60)
    assert hop.key_exchanges == ("ecdh-sha2-nistp256",)
    assert hop.ciphers is None


async def test_no_file_is_no_error_but_one_that_is_typed(own: Path) -> None:
    (hop,) = await resolve("gpu01", SshOptions(user="ann"), EngineSettings())
    assert str(hop) == "ann@gpu01:22"
    with pytest.raises(BadInput, match=f"{own} is not there"):
        await resolve("gpu01", SshOptions(config_file=str(own)), EngineSettings())


async def test_a_file_that_others_can_write(own: Path) -> None:
    own.write_text("User ann\n")
    own.chmod(0o666)
    with pytest.raises(BadInput, match=f"Others can write the ssh configuration {own}") as caught:
        await resolve("gpu01", SshOptions(), EngineSettings())
    assert caught.value.hint.endswith(f"chmod go-w {own}")
    (hop,) = await resolve("gpu01", SshOptions(config_file=str(own)), EngineSettings())
    assert hop.user == "ann"


async def test_files_that_include_one_another(own: Path) -> None:
    own.write_text(f"Include {own}\n")
    with pytest.raises(BadInput, match="config line 1: too many files"):
        await resolve("gpu01", SshOptions(), EngineSettings())


async def test_a_command_that_hangs_is_ended(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(without_openssh, "MATCH_TIMEOUT", 0.5)
    own.write_text(f'Match exec "echo $$ > {own.parent}/pid; exec /bin/sleep 1000"\n User ann\n')
    with pytest.raises(BadInput, match=r"more than 0\.5 s"):
        await resolve("gpu01", SshOptions(), EngineSettings())
    pid = int((own.parent / "pid").read_text())
    assert not psutil.pid_exists(pid)


async def test_a_typed_option_that_cannot_be_read(own: Path) -> None:
    with pytest.raises(BadInput, match="-o Port=many: “many” is not a port"):
        await resolve("gpu01", SshOptions(options=("Port=many",)), EngineSettings())
