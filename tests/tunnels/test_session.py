"""The command that a link runs in the background, so that sshd answers small messages at once."""

import asyncio
from dataclasses import replace
from pathlib import Path

from jupyter_remote_tunnel.ssh.connection import Connection
from tests.support.process import wait_until
from tests.support.sshd import SshBed, Sshd

from .conftest import QUICK, Rig

_RAN = "Starting session: command"


async def run_one(rig: Rig) -> None:
    """A command of a user's: what the link runs by itself was asked for before it."""

    async def run(connection: Connection) -> None:
        await connection.exec(["true"])

    await rig.manager.on_host(rig.spec("-D 0 gpu01"), run, from_shell=True)


async def logged(sshd: Sshd, commands: int) -> None:
    """sshd has run so many commands, and no more; its log comes a moment later."""
    await asyncio.to_thread(wait_until, lambda: sshd.log.count(_RAN) >= commands, "sshd's log")
    assert sshd.log.count(_RAN) == commands


async def test_a_connection_runs_one(rig: Rig, sshd: Sshd) -> None:
    for port in (1, 2):
        await rig.open(f"-L 0:127.0.0.1:{port} gpu01")
    await logged(sshd, 1)
    await run_one(rig)
    await logged(sshd, 2)


async def test_a_later_tunnel_to_what_may_be_offered_runs_one_more(rig: Rig, sshd: Sshd) -> None:
    for port in (1, 2):
        tunnel = await rig.open(f"-L 0:localhost:{port} gpu01")
        await tunnel.far_known(30)
        await logged(sshd, port)


async def test_none_where_it_is_not_wanted(ssh_bed: SshBed, sshd: Sshd, short_dir: Path) -> None:
    rig = Rig(ssh_bed, short_dir, replace(QUICK, session_exec="never"))
    await rig.open("-L 0:localhost:1 gpu01")
    await run_one(rig)
    await logged(sshd, 1)
    await rig.manager.close_all()


async def test_a_host_that_runs_something_else_is_asked_once(
    rig: Rig, ssh_bed: SshBed, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    sshd = ssh_bed.host("gpu01", server=[f"ForceCommand echo forced | tee -a {ran}"])
    tunnel = await rig.open("-L 0:localhost:1 gpu01")
    [link] = rig.manager.pool._links.values()
    async with asyncio.timeout(30):
        while link.listing.runs_commands:
            assert link.connection is not None
            await link.connection.rtt()
    sshd.drop_connections()
    await rig.recorder.until(
        lambda: (
            [state.value for state in rig.recorder.states(tunnel)][-2:] == ["reconnecting", "open"]
        )
    )
    await run_one(rig)
    assert ran.read_text().count("forced") == 2
