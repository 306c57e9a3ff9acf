"""Restarts that meet one another, or a close."""

import asyncio

import pytest

from jupyter_remote_tunnel.model.errors import Fatal
from jupyter_remote_tunnel.model.state import State
from tests.ssh.support import ask
from tests.support.echo import serve
from tests.support.process import wait_until
from tests.support.sshd import Sshd

from .conftest import Rig


@pytest.mark.usefixtures("sshd")
async def test_two_restarts_at_once_are_one(rig: Rig) -> None:
    """As of a button that is pressed twice."""
    with serve("echo") as echo:
        tunnel = await rig.open(f"-L 0:localhost:{echo.port} gpu01")
        bound = tunnel.bound
        await asyncio.gather(*(rig.manager.restart(tunnel.id) for _ in range(3)))
        assert (tunnel.state, tunnel.bound) == (State.OPEN, bound)
        assert await ask(bound[0], b"hello") == b"hello"


async def test_a_close_while_it_is_torn_down_to_be_opened_again(rig: Rig, sshd: Sshd) -> None:
    tunnel = await rig.open("-L 0:localhost:1 gpu01")
    (bound,) = tunnel.bound
    restarting = asyncio.get_running_loop().create_task(rig.manager.restart(tunnel.id), name="one")
    await asyncio.sleep(0)  # it has begun, and waits for the end of what was open
    assert tunnel.status().state == "connecting"
    await rig.manager.close(tunnel.id)
    with pytest.raises(Fatal, match="was closed while it was being opened"):
        await restarting
    assert tunnel.status().state == "closed"
    assert rig.manager.tunnels == []
    host, _, port = (bound or "").rpartition(":")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, int(port))
    await asyncio.to_thread(wait_until, lambda: not sshd.connections, "the end of the connection")
