"""Many tunnels for a long time, with a loss a minute: nothing grows, and nothing gets stuck.

`JRT_SOAK_SECONDS` sets how long, in seconds; an hour is the default.
"""

import asyncio
import os
import random
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import pytest

from jupyter_remote_tunnel.model.status import TunnelStatus
from tests.faults.conftest import QUICK, Engine, StartEngine, all_are, some_are
from tests.ssh.support import PATIENCE, ask
from tests.support.echo import digest, pattern, serve
from tests.support.process import wait_until
from tests.support.sshd import SshBed, Sshd

SECONDS = float(os.environ.get("JRT_SOAK_SECONDS", "3600"))
TUNNELS = 200
HOSTS = 4
BETWEEN_LOSSES = min(60.0, SECONDS / 5)
MiB = 1 << 20


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 900)
async def test_nothing_grows_and_nothing_gets_stuck(
    start_engine: StartEngine, ssh_bed: SshBed, sshd: Sshd
) -> None:
    hosts = [sshd, *(ssh_bed.host(f"gpu{number:02}") for number in range(2, HOSTS + 1))]
    async with start_engine(replace(QUICK, backoff_max=2)) as engine:
        with serve("sink") as sink:
            for number in range(TUNNELS):
                host = hosts[number % HOSTS].alias
                spec = f"-L 0:127.0.0.1:{sink.port}"
                await engine.open(spec, f"-L private:localhost:{number + 1}", host=host)
            bound = [tunnel.forwards[0].bound for tunnel in await engine.client.list_tunnels()]
            memory, descriptors = [], []
            end = asyncio.get_running_loop().time() + SECONDS
            while asyncio.get_running_loop().time() < end:
                await use_for(BETWEEN_LOSSES, bound)
                await lose(engine, random.choice(hosts))
                await all_answer(bound)
                await asyncio.to_thread(wait_until, lambda: not sink.live, "the streams' end")
                await asyncio.gather(
                    *(engine.idle(t.id) for t in await engine.client.list_tunnels())
                )
                memory.append(engine.process.memory_info().rss)
                descriptors.append(engine.process.num_fds())
            tunnels = await engine.client.list_tunnels()
    assert [tunnel.forwards[0].bound for tunnel in tunnels] == bound
    assert [tunnel.forwards[0].error for tunnel in tunnels if tunnel.forwards[0].error] == []
    assert descriptors[-1] <= descriptors[0], descriptors
    assert grown(memory) < 8 * MiB, memory
    assert [item.error for item in engine.news if item.error] == []


async def use_for(seconds: float, bound: Sequence[str | None]) -> None:
    """Use tunnels, one after the other, for so long."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        data = pattern(random.choice([1, 1000, MiB]))
        assert (await ask(random.choice(bound), data)).decode() == digest(data)
        await asyncio.sleep(0.1)  # a person's pace


async def all_answer(bound: Sequence[str | None]) -> None:
    """Use all of them at once."""
    async with asyncio.timeout(2 * PATIENCE):
        answers = await asyncio.gather(*(ask(each, b"hello") for each in bound))
    assert {answer.decode() for answer in answers} == {digest(b"hello")}


async def lose(engine: Engine, host: Sshd) -> None:
    """Take a host's connection away in one of several ways, and wait until all is back."""
    way = random.choice(["killed", "dropped", "silent"])
    before = {tunnel.since for tunnel in await engine.client.list_tunnels() if on(tunnel, host)}
    if way == "killed":
        await asyncio.to_thread(host.kill)
        await engine.until(some_are("reconnecting"))
        host.start()
    elif way == "dropped":
        host.drop_connections()
    else:
        with host.paused():
            await engine.until(some_are("reconnecting"))
    await engine.until(
        lambda tunnels: (
            all_are("open")(tunnels)
            and all(tunnel.since not in before for tunnel in tunnels if on(tunnel, host))
        )
    )


def on(tunnel: TunnelStatus, host: Sshd) -> bool:
    return tunnel.host == host.alias


def grown(sizes: Sequence[int]) -> float:
    """By how much the last quarter is above the first, but for the very first, which warms up."""
    quarter = max(1, len(sizes) // 4)
    return median(sizes[-quarter:]) - median(sizes[1 : 1 + quarter])
