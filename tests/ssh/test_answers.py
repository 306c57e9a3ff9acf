"""ssh is asked again whenever it could answer otherwise, and only then."""

import os
import shlex
import shutil
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.errors import BadInput
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.ssh import answers
from jupyter_remote_tunnel.ssh.config import resolve

SETTINGS = EngineSettings()


class Ssh:
    """OpenSSH's ssh, which notes what it is asked, and its configuration."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config"
        self.config.touch()
        self._noted = folder / "asked"
        self._program = folder / "bin" / "ssh"
        self._program.parent.mkdir()
        self.replace("first")

    @property
    def folder(self) -> Path:
        return self._program.parent

    def replace(self, version: str) -> None:
        """Put another program in its place."""
        real = shutil.which("ssh", path=os.defpath) or "ssh"
        new = self._program.with_name("new")
        new.write_text(
            f"#!/bin/sh\n# {version}\n"
            f'for last; do :; done; echo "$last" >> {shlex.quote(str(self._noted))}\n'
            f'exec {real} "$@"\n'
        )
        new.chmod(0o700)
        new.replace(self._program)

    def write(self, text: str) -> None:
        self.config.write_text(text)

    def asked(self) -> list[str]:
        """For which hosts it was asked since the last look, leaving out its defaults."""
        hosts = self._noted.read_text().split() if self._noted.exists() else []
        self._noted.write_text("")
        return [host for host in hosts if host != "localhost"]

    async def port(self, host: str = "gpu01", **options: object) -> int:
        typed = SshOptions(config_file=str(self.config), **options)  # type: ignore[arg-type]
        return (await resolve(host, typed, SETTINGS))[-1].port


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ssh:
    made = Ssh(tmp_path)
    monkeypatch.setenv("PATH", f"{made.folder}:{os.environ['PATH']}")
    return made


async def test_it_is_asked_once_for_what_follows_from_its_files(ssh: Ssh) -> None:
    ssh.write("Host gpu01\n  Port 2201\n  ProxyJump gw\nMatch host gw user ann\n  Port 2202\n")
    for _ in range(3):
        assert await ssh.port() == 2201
        assert await ssh.port("gw", user="ann") == 2202
    assert ssh.asked() == ["gpu01", "gw", "gw"]  # the jump host is another user's


@pytest.mark.parametrize("where", ["the file", "an included file", "a new one that is included"])
async def test_a_file_that_changes(ssh: Ssh, tmp_path: Path, where: str) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "b").write_text("Host gpu01\n  Port 2201\n")
    ssh.write(f"Include {parts}/*\n")
    assert await ssh.port() == 2201
    assert ssh.asked() == ["gpu01"]
    if where == "the file":
        ssh.write(f"Host gpu01\n  Port 2202\nInclude {parts}/*\n")
    else:
        name = "b" if where == "an included file" else "a"
        (parts / name).write_text("Host gpu01\n  Port 2202\n")
    assert await ssh.port() == 2202
    assert await ssh.port() == 2202
    assert ssh.asked() == ["gpu01"]


async def test_another_question_has_another_answer(ssh: Ssh) -> None:
    ssh.write("Match user ann\n  Port 2201\nHost *\n  Port 2202\n")
    assert [await ssh.port(user="ann"), await ssh.port(user="bob")] == [2201, 2202]
    assert [await ssh.port(user="ann", port=7), await ssh.port(user="ann")] == [7, 2201]


async def test_another_ssh_is_asked(ssh: Ssh) -> None:
    await ssh.port()
    ssh.replace("second")
    await ssh.port()
    assert ssh.asked() == ["gpu01", "gpu01"]


async def test_what_a_program_says_is_asked_each_time(ssh: Ssh, tmp_path: Path) -> None:
    """As with a command that finds out whether this machine is at home."""
    home = tmp_path / "home"
    ssh.write(f'Match host gpu01 exec "test -e {home}"\n  Port 2201\n')
    assert await ssh.port() == 22
    home.touch()
    assert await ssh.port() == 2201
    home.unlink()
    assert await ssh.port() == 22
    assert ssh.asked() == ["gpu01"] * 3


@pytest.mark.parametrize("how", ["the file", "an option"])
async def test_names_that_are_looked_up_are_asked_each_time(ssh: Ssh, how: str) -> None:
    canonical = "CanonicalizeHostname always"
    ssh.write(f"{canonical}\nCanonicalDomains example.invalid\n" if how == "the file" else "")
    options = () if how == "the file" else ("=".join(canonical.split()),)
    for _ in range(2):
        await ssh.port("127.0.0.1", options=options)
    assert ssh.asked() == ["127.0.0.1"] * 2


async def test_what_it_cannot_read_is_not_answered_from_memory(ssh: Ssh) -> None:
    ssh.write("Host gpu01\n  Port 2201\n")
    assert await ssh.port() == 2201
    ssh.write("Host gpu01\n  Port 2201\nNoSuchKeyword yes\n")
    with pytest.raises(BadInput, match="cannot resolve gpu01"):
        await ssh.port()
    ssh.write("Host gpu01\n  Port 2201\n")
    assert await ssh.port() == 2201


async def test_files_that_others_can_write_are_left_to_ssh(ssh: Ssh, tmp_path: Path) -> None:
    """ssh refuses them, here as always."""
    part = tmp_path / "part"
    part.write_text("Host gpu01\n  Port 2201\n")
    ssh.write(f"Include {part}\n")
    assert await ssh.port() == 2201
    part.chmod(0o666)
    with pytest.raises(BadInput, match="cannot resolve gpu01"):
        await ssh.port()


async def test_the_oldest_answers_are_forgotten(ssh: Ssh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST", 2)
    for host in ("a", "b", "a", "c", "a", "b"):
        await ssh.port(host)
    assert ssh.asked() == ["a", "b", "c", "b"]
