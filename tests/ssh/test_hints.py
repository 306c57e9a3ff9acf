"""What an error proposes is tried: it leads where it says."""

import contextlib
import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.errors import Fatal
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.ssh.config import resolve
from jupyter_remote_tunnel.ssh.connection import Connection, open_connection
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


async def test_by_one_name_of_a_host_to_another(ssh_bed: SshBed) -> None:
    one = ssh_bed.host("one")
    ssh_bed.write_config(f"Host two\n    HostName {one.address}\n    Port {one.port}\n")
    assert ssh_bed.ssh("-J", "one", "two", "echo done").stdout == "done\n"
    options = SshOptions(jump="one", config_file=str(ssh_bed.config_file))
    async with connect(ssh_bed, "two", options) as connection:
        assert (await connection.exec(["echo", "done"])).stdout == b"done\n"
