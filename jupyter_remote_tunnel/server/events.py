"""News of tunnels on Jupyter's event bus, as `tunnel_event.yaml` describes them."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..engine.wire import Latest
from .statuses import Change

if TYPE_CHECKING:
    from jupyter_events import EventLogger

SCHEMA = "https://schema.jupyter.org/jupyter_remote_tunnel/tunnel/v1"


class EventBus:
    """Emits changes in their order, the newest of each tunnel, with pauses for other work: a
    thousand tunnels can change at once.
    """

    def __init__(self, logger: "EventLogger") -> None:
        self._logger = logger
        self._news: Latest[Change] = Latest()
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._emit(), name="events of tunnels")

    def tell(self, changes: Iterable[Change]) -> None:
        """Emit `changes` soon."""
        for tunnel_id, state in changes:
            self._news.put(tunnel_id, (tunnel_id, state))

    async def close(self) -> None:
        """End. What was not emitted yet stays unsaid."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _emit(self) -> None:
        while True:
            tunnel_id, state = await self._news.get()
            self._logger.emit(schema_id=SCHEMA, data={"tunnel_id": tunnel_id, "state": state})
            await asyncio.sleep(0)
