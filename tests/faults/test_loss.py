"""Connections that go: at once, again and again, or without a word."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from jupyter_remote_tunnel.model.status import TunnelStatus
from tests.faults.conftest import QUICK, Engine, StartEngine, all_are, some_are
from tests.ssh.support import ask, dialled
from tests.support.echo import Server, serve
from tests.support.netns import Namespace, namespaces
from tests.support.process import wait_until
from tests.support.sshd import SshBed, Sshd

SETTINGS = replace(QUICK, connect_timeout=3)
NOTICED_WITHIN = SETTINGS.keepalive_interval * SETTINGS.keepalive_count
SLACK = 4.0  # seconds of a busy machine; tests/ssh/test_connection.py allows less than an interval


@pytest.mark.parametrize("times", [3, pytest.param(100, marks=pytest.mark.long)])
async def test_an_sshd_that_is_killed_and_comes_back(
    engine: Engine, sshd: Sshd, times: int
) -> None:
    """The same ports serve each time, and nothing is kept of the connections that were lost."""
    with serve("echo") as echo:
        tunnel = await engine.open(f"-L 0:127.0.0.1:{echo.port}", "-D 0", "-R 0:127.0.0.1:1")
        bound = [forward.bound for forward in tunnel.forwards]
        assert await ask(bound[0], b"hello") == b"hello"
        before, memory = engine.process.num_fds(), engine.process.memory_info().rss
        for number in range(times):
            sshd.kill()
            await engine.until(all_are("reconnecting"))
            sshd.start()
            # What sshd was starting when it was killed may hold the remote port a moment longer.
            (tunnel,) = await engine.until(lambda found: all_are("open")(found) and are_well(found))
            assert [forward.bound for forward in tunnel.forwards] == bound
            question = str(number).encode()
            assert await ask(bound[0], question) == question
        await asyncio.to_thread(
            wait_until, lambda: engine.process.num_fds() <= before, "descriptors of the engine"
        )
        assert engine.process.memory_info().rss - memory < 4 << 20


def are_well(tunnels: list[TunnelStatus]) -> bool:
    """Whether every forward listens, and no stream has failed."""
    return all(forward.error is None for tunnel in tunnels for forward in tunnel.forwards)


@pytest.fixture
def far() -> Iterator[list[Namespace]]:
    """Two hosts in a row: one joined to us, and one behind it."""
    with namespaces(2) as made:
        yield made


@pytest.fixture
def echo(far: list[Namespace]) -> Iterator[Server]:
    """At our end of the first cable, so that both hosts reach it where their cables are."""
    with serve("echo", host=far[0].near_address) as server:
        yield server


@pytest.mark.parametrize("silent", [True, False], ids=["the far end", "our end"])
async def test_a_line_that_goes_down(
    start_engine: StartEngine, ssh_bed: SshBed, far: list[Namespace], echo: Server, silent: bool
) -> None:
    """It is noticed in time; a stream that comes meanwhile is served when the line is back."""
    ssh_bed.host("far", namespace=far[0])
    async with start_engine(SETTINGS) as engine:
        tunnel = await engine.open(f"-L 0:{far[0].near_address}:{echo.port}", host="far")
        bound = tunnel.forwards[0].bound
        async with dialled(bound) as (reader, writer):
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            down, up = (
                (far[0].link_down, far[0].link_up)
                if silent
                else (far[0].our_link_down, far[0].our_link_up)
            )
            down()
            went = time.monotonic()
            (tunnel,) = await engine.until(all_are("reconnecting"))
            assert time.monotonic() - went < NOTICED_WITHIN + SLACK
            assert tunnel.error is not None
            assert (tunnel.error.code, tunnel.error.hop) == ("connection_lost", "far")
            with pytest.raises(ConnectionResetError):
                await reader.read()
        waiting = asyncio.get_running_loop().create_task(ask(bound, b"again"), name="waits")
        # Streams are no events; tries to connect are.
        await engine.until(lambda tunnels: tunnels[0].forwards[0].streams.open == 1)
        up()
        (tunnel,) = await engine.until(all_are("open"))
        assert tunnel.error is None
        assert tunnel.forwards[0].bound == bound
        assert await waiting == b"again"


async def test_a_line_behind_a_jump_host_that_goes_down(
    start_engine: StartEngine, ssh_bed: SshBed, far: list[Namespace]
) -> None:
    """Only what went over that line is lost, and it is the hop at its end that is named."""
    gateway = ssh_bed.host("gateway", namespace=far[0])
    ssh_bed.host("inner", namespace=far[1], client=["ProxyJump gateway"])
    async with start_engine(SETTINGS) as engine:
        near = await engine.open("-L 0:localhost:1", host="gateway")
        await engine.open("-L 0:localhost:2", host="inner")
        logins = gateway.log.count("Accepted publickey")
        far[1].link_down()
        tunnels = await engine.until(some_are("reconnecting"))
        assert {tunnel.host: tunnel.state for tunnel in tunnels} == {
            "gateway": "open",
            "inner": "reconnecting",
        }
        error = tunnels[1].error
        assert error is not None
        assert "inner" in (error.hop or "")
        far[1].link_up()
        tunnels = await engine.until(all_are("open"))
        assert tunnels[0].since == near.since
        assert gateway.log.count("Accepted publickey") == logins
