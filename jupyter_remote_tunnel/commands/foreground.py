"""`open --foreground`: one tunnel, held by this process and gone with it."""

import asyncio
from collections.abc import Callable
from typing import Self

from ..engine.client import LOST, EngineClient, Event
from ..engine.holder import Holder
from ..model.errors import Fatal
from ..model.settings import EngineSettings
from ..model.state import State
from ..model.status import TunnelStatus
from .actions import opened, wanted
from .answers import Answer
from .grammar import Parsed


async def hold(parsed: Parsed, show: Callable[[Answer], None]) -> None:
    """Open the tunnel, show it once it is open, and hold it until this is cancelled.

    It ends by itself where somebody else closes the tunnel. Either way nothing is left.

    :raises RemoteTunnelError: it was not opened, or failed later; its cancellation before it was
        open is passed on.
    """
    spec = wanted(parsed)
    async with Holder(EngineSettings(), kind="foreground") as holder, _Watch(holder) as watch:
        tunnel, created = await watch.client.open_tunnel(spec.request())
        show(opened(spec, tunnel, created=created))
        try:
            await watch.until_over(tunnel.id)
        except asyncio.CancelledError:
            return  # told to end: what a foreground is for


class _Watch:
    """A client of the holder's engine that hears what becomes of a tunnel, also after an engine
    died and another took its place."""

    client: EngineClient

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self._news: asyncio.Queue[Event] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        await self._connect()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.client.close()

    async def _connect(self) -> None:
        self.client = await EngineClient.connect(self._holder.socket_path, "shell")
        self.client.subscribe(self._news.put_nowait)

    async def until_over(self, tunnel_id: str) -> None:
        """Return when the tunnel is closed.

        :raises RemoteTunnelError: it failed, or no engine is left to hold it.
        """
        while True:
            event = await self._news.get()
            if event == LOST:
                await self.client.close()
                await self._connect()
            elif event.name == "removed" and event.data["tunnel"] == tunnel_id:
                return
            elif event.name == "tunnel" and event.data["id"] == tunnel_id:
                _refuse_failure(TunnelStatus.from_dict(event.data))


def _refuse_failure(status: TunnelStatus) -> None:
    if status.state == State.FAILED:
        raise (status.error.as_exception() if status.error else Fatal(f"{status.name} has failed."))
