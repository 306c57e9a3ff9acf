"""`jupyter tunnel demo --check`: what a browser would do with the application, without one.

Fetches the page through the tunnel's port, opens Bokeh's websocket as the page's script does, pulls
the document and waits for the first patch that the server sends of its own accord. Then reaches
the kernel through a tunnel of its own.
"""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any, Protocol

import aiohttp

from ..commands.actions import url_of
from ..commands.typed import host_request
from ..engine.client import EngineClient
from ..kernels import connect
from ..model.errors import Fatal
from ..model.status import TunnelStatus
from . import lab

_SECONDS = 15.0
_PULL = {"msgid": "1", "msgtype": "PULL-DOC-REQ"}


class Running(Protocol):
    """What `check_scene` looks at: a `scene.Scene`."""

    @property
    def socket(self) -> str: ...

    @property
    def words(self) -> tuple[str, ...]: ...

    @property
    def tunnels(self) -> dict[str, TunnelStatus]: ...


async def check_scene(scene: Running, report: Callable[[str], None]) -> None:
    """Try the demo and report each step.

    :raises Fatal: a step gave something else than it should, or took more than 15 s.
    """
    url = f"{url_of(scene.tunnels[lab.PORT])}/plot"
    try:
        async with asyncio.timeout(_SECONDS), aiohttp.ClientSession() as session:
            await _check_application(session, url, report)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Fatal(f"{url} does not answer as it should: {error or 'too late'}.") from None
    await _check_kernel(scene, report)


async def _check_application(
    session: aiohttp.ClientSession, url: str, report: Callable[[str], None]
) -> None:
    async with session.get(url) as response:
        response.raise_for_status()
        page = await response.text()
    report(f"Fetched {url} through the tunnel: {len(page)} characters")
    token = re.search(r'"token":"([^"]+)"', page)
    if token is None:
        raise Fatal(f"{url} is not the page of a Bokeh application.")
    async with session.ws_connect(f"{url}/ws", protocols=("bokeh", token[1])) as socket:
        messages = _Messages(socket)
        await messages.until("ACK")
        report("Opened its websocket")
        await messages.send(_PULL)
        document = await messages.until("PULL-DOC-REPLY")
        report(f"Pulled the document “{document['doc']['title']}”")
        patch = await messages.until("PATCH-DOC")
        report(f"Received a first patch of it: {patch['events'][0]['kind']}")


class _Messages:
    """Bokeh's messages: a header, metadata and the content as texts, then perhaps buffers, each a
    text and its bytes."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, header: dict[str, str]) -> None:
        for part in (header, {}, {}):
            await self._socket.send_str(json.dumps(part))

    async def until(self, kind: str) -> Any:
        """The content of the next message of that kind."""
        while True:
            header = json.loads(await self._socket.receive_str())
            await self._socket.receive_str()
            content = json.loads(await self._socket.receive_str())
            for _ in range(header.get("num_buffers", 0)):
                await self._socket.receive_str()
                await self._socket.receive_bytes()
            if header["msgtype"] == kind:
                return content


async def _check_kernel(scene: Running, report: Callable[[str], None]) -> None:
    client = await EngineClient.connect(scene.socket, "shell")
    try:
        kernel = await connect(client, host_request(scene.words), lab.KERNEL_FILE)
        report("The kernel on the host answers on its five channels")
        await client.close_tunnel(kernel.tunnel.id)
    finally:
        await client.close()
