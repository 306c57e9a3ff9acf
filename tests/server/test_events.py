"""News of tunnels on Jupyter's event bus, over the websocket that JupyterLab listens on."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from jupyter_remote_tunnel.server.events import SCHEMA
from tests.server.conftest import PREFIX, open_tunnel
from tests.support.jupyter import Jupyter
from tests.support.sshd import SshBed

Next = Callable[[], Awaitable[dict[str, Any]]]


@pytest.fixture
async def next_event(server: Jupyter, api: httpx.Client) -> AsyncIterator[Next]:
    """The next event of ours; it has to come within a second."""
    url = f"ws{server.url.removeprefix('http')}api/events/subscribe"
    async with connect(
        url, additional_headers={"Authorization": f"token {server.token}"}, proxy=None
    ) as socket:

        async def event() -> dict[str, Any]:
            while True:
                found: dict[str, Any] = json.loads(await socket.recv())
                if found.pop("schema_id") == SCHEMA:
                    return {k: v for k, v in found.items() if not k.startswith("__")}

        yield event


async def _until(next_event: Next, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """The events up to `wanted`, which has to come within a second."""
    seen = []
    async with asyncio.timeout(1):
        while wanted not in seen:
            seen.append(await next_event())
    return seen


async def test_events_tell_the_state_and_nothing_else(next_event: Next, api: httpx.Client) -> None:
    opened = await asyncio.to_thread(open_tunnel, api, command="-D 0 gpu01")
    seen = await _until(next_event, {"tunnel_id": opened["id"], "state": "open"})
    assert {tuple(event) for event in seen} == {("tunnel_id", "state")}
    assert {event["tunnel_id"] for event in seen} == {opened["id"]}

    await asyncio.to_thread(api.delete, PREFIX + f"tunnels/{opened['id']}")
    await _until(next_event, {"tunnel_id": opened["id"], "state": "removed"})


async def test_a_lost_connection_is_news_within_a_second(
    next_event: Next, api: httpx.Client, bed: SshBed
) -> None:
    host = bed.host("flaky")
    opened = await asyncio.to_thread(open_tunnel, api, command="-D 0 flaky")
    await _until(next_event, {"tunnel_id": opened["id"], "state": "open"})
    host.kill()
    killed = time.monotonic()
    await _until(next_event, {"tunnel_id": opened["id"], "state": "reconnecting"})
    assert time.monotonic() - killed < 1


async def test_what_another_program_opens_is_news_too(
    next_event: Next, api: httpx.Client, server: Jupyter
) -> None:
    """A shell starts the engine: the server hears of it as of its own."""
    argv = ["jupyter-tunnel", "open", "-D", "0", "gpu01", "--json"]
    shell = await asyncio.create_subprocess_exec(
        *argv, env=server.environment, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await shell.communicate()
    opened = json.loads(printed)
    await _until(next_event, {"tunnel_id": opened["id"], "state": "open"})
    answer = await asyncio.to_thread(api.get, PREFIX + f"tunnels/{opened['id']}")
    assert answer.status_code == 200
