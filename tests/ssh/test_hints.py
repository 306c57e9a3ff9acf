"""What an error proposes is tried: it leads where it says."""

import asyncio
import contextlib
import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.errors import BadInput, Fatal, NeedsUser
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.ssh.config import resolve
from jupyter_remote_tunnel.ssh.connecting import open_connection
from jupyter_remote_tunnel.ssh.connection import Connection
from tests.ssh.support import connect
from tests.support.process import environment
from tests.support.sshd import SshBed


async def unknown_key(host: str, options: SshOptions, settings: EngineSettings) -> Fatal:
    """The error about the first hop of a route whose key is unknown."""
    with pytest.raises(Fatal) as caught:
        await walk(host, options, settings)
    assert caught.value.code == "host_key_unknown"
    return caught.value


async def walk(host: str, options: SshOptions, settings: EngineSettings) -> None:
    """Connect to one hop over the other, and hang up."""
    async with contextlib.AsyncExitStack() as stack:
        via: Connection | None = None
        for hop in await resolve(host, options, settings):
            via = await open_connection(hop, via=via)
            stack.push_async_callback(via.close)


def accept(hint: str, folder: Path) -> str:
    """Run the command that the hint names, answer yes to its question, and give the question."""
    asked = folder / "question"
    answer = folder / "answer"
    answer.write_text(f'#!/bin/sh\nprintf "%s" "$1" >{asked}\necho yes\n')
    answer.chmod(0o700)
    named = re.search("“(.*)”", hint)
    assert named is not None
    ssh, *words = shlex.split(named[1])
    subprocess.run(
        # The bed's own configuration lets ssh ask nothing.
        [ssh, "-o", "BatchMode=no", *words, "true"],
        env=environment({"SSH_ASKPASS": str(answer), "SSH_ASKPASS_REQUIRE": "force"}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=True,
    )
    return asked.read_text()


def copy_key(hint: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run the command that the hint names, up to what would need the password."""
    program, *words = shlex.split(hint.rpartition(": ")[2])
    (folder / ".ssh").mkdir(mode=0o700)  # where it has its temporary files
    return subprocess.run(
        [program, "-n", *words],
        env=environment({"HOME": str(folder)}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("unknown", "client", "jump"),
    [
        ("gpu01", [], None),
        ("gpu01", ["ProxyJump gw"], None),
        ("gw", ["ProxyJump gw"], None),
        ("gpu01", [], "gw"),
        ("gpu01", [], "other,gw"),
        ("gw", [], "other,gw"),
        ("other", [], "other,gw"),
    ],
)
@pytest.mark.parametrize("typed", [True, False], ids=["typed", "by alias"])
async def test_the_command_for_an_unknown_key_reaches_that_host(
    ssh_bed: SshBed, unknown: str, client: list[str], jump: str | None, *, typed: bool
) -> None:
    hosts = {
        alias: ssh_bed.host(alias, known=alias != unknown, client=client * (alias == "gpu01"))
        for alias in ("gpu01", "gw", "other")
    }
    gpu01 = hosts["gpu01"]
    settings = EngineSettings(ssh_config=str(ssh_bed.config_file))
    options = SshOptions(jump=jump)
    if typed:
        settings = EngineSettings()
        options = replace(
            options,
            user=gpu01.user,
            port=gpu01.port,
            config_file=str(ssh_bed.config_file),
            options=("HostName=127.0.0.1", "StrictHostKeyChecking=yes"),
        )
    error = await unknown_key("gpu01", options, settings)
    assert (error.hop or "").startswith(unknown)
    question = accept(error.hint, ssh_bed.folder)
    assert hosts[unknown].fingerprint in question
    by_alias = SshOptions(jump=jump, config_file=str(ssh_bed.config_file))
    async with connect(ssh_bed, "gpu01", by_alias):
        pass  # it is known now


@pytest.mark.parametrize("jump", [None, "gw"])
async def test_the_command_that_copies_a_key_reaches_the_host(
    ssh_bed: SshBed, jump: str | None
) -> None:
    asking = ["PasswordAuthentication yes", "PermitRootLogin yes"]
    ssh_bed.host("gw")
    gpu01 = ssh_bed.host("gpu01", server=asking)
    ssh_bed.write_config(f"Host box\n    HostName {gpu01.address}\n")
    gpu01.authorized_keys.write_text("")
    options = SshOptions(
        user=gpu01.user,
        port=gpu01.port,
        jump=jump,
        identities=(str(ssh_bed.user_key), str(ssh_bed.user_key)),
        config_file=str(ssh_bed.config_file),
        options=("ConnectTimeout=20",),
        address_family="inet",
        compression=True,
        ciphers="aes256-ctr",
    )
    with pytest.raises(NeedsUser) as caught:
        await walk("box", options, EngineSettings())
    done = copy_key(caught.value.hint, ssh_bed.folder)
    assert "1 key(s) remain to be installed" in done.stderr
    assert ssh_bed.user_key.with_suffix(".pub").read_text() in done.stdout


async def test_by_one_name_of_a_host_to_another(ssh_bed: SshBed) -> None:
    one = ssh_bed.host("one")
    ssh_bed.write_config(f"Host two\n    HostName {one.address}\n    Port {one.port}\n")
    assert ssh_bed.ssh("-J", "one", "two", "echo done").stdout == "done\n"
    options = SshOptions(jump="one", config_file=str(ssh_bed.config_file))
    async with connect(ssh_bed, "two", options) as connection:
        assert (await connection.exec(["echo", "done"])).stdout == b"done\n"


async def test_what_ssh_does_not_take_can_be_tried(ssh_bed: SshBed) -> None:
    options = SshOptions(user="ann", options=("Bogus=1",), config_file=str(ssh_bed.config_file))
    with pytest.raises(BadInput) as caught:
        await resolve("gpu01", options, EngineSettings())
    command = caught.value.hint.removeprefix("Try: ")
    tried = await asyncio.create_subprocess_shell(command, stderr=asyncio.subprocess.PIPE)
    said = (await tried.communicate())[1].decode()
    assert said.strip() in caught.value.message
    assert "bogus" in said
