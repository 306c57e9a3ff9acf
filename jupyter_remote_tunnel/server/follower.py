"""The server as a client of its engine: the last status of every tunnel, and news of them.

Between two engines the tunnels that are known are shown as reconnecting.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.client import EngineClient, Event
from ..model.errors import RemoteTunnelError, Transient
from ..model.state import State
from ..model.status import TunnelStatus
from .events import EventBus
from .statuses import Statuses
from .views.upstream import Upstream

if TYPE_CHECKING:
    import logging

    from jupyter_events import EventLogger

# Seconds until a client that was refused tries again.
_AGAIN = 1.0


class Follower:
    """Listens to one engine after another. `client` is the connection, or None between two."""

    def __init__(
        self,
        socket_path: Path,
        events: "EventLogger",
        log: "logging.Logger",
        connected: Callable[[], None],
    ) -> None:
        """:param connected: called when there is a new `client`."""
        self.client: EngineClient | None = None
        self._socket_path = socket_path
        self._log = log
        self._connected = connected
        self._statuses = Statuses()
        self._bus = EventBus(events)

    def upstream(self, app_id: str) -> Upstream | None:
        """The application of that id, as last heard of."""
        return self._statuses.upstream(app_id)

    async def refresh(self) -> None:
        """Ask the engine for all statuses now. What cannot be asked stays as it is."""
        if self.client is not None:
            with contextlib.suppress(RemoteTunnelError):
                self._bus.tell(self._statuses.replace(await self.client.list_tunnels()))

    def give_up(self, reason: RemoteTunnelError) -> None:
        """No engine comes any more."""
        self._bus.tell(self._statuses.interrupt(State.FAILED, reason))

    async def run(self) -> None:
        """Connect to the engine that runs, and listen until it ends."""
        try:
            client = await EngineClient.connect(self._socket_path, "server")
        except RemoteTunnelError as error:
            self._log.warning("%s %s", error.message, error.hint)
            await asyncio.sleep(_AGAIN)
            return
        try:
            await self._listen(client)
        except RemoteTunnelError:
            pass  # it ended before it told the list: the next one tells
        finally:
            self.client = None
            await client.close()

    async def close(self) -> None:
        """End what this has under way."""
        await self._bus.close()

    async def _listen(self, client: EngineClient) -> None:
        """Keep the statuses as the engine tells them, until the connection is lost."""
        with _subscription(client, self._hear):
            self._bus.tell(self._statuses.replace(await client.list_tunnels()))
            self.client = client
            self._connected()
            await client.lost.wait()
        self._bus.tell(self._statuses.interrupt(State.RECONNECTING, _interrupted()))

    def _hear(self, event: Event) -> None:
        self._bus.tell(self._statuses.hear(event))
        if event.name == "tunnel" and event.data["source"] == "config":
            self._log_declared(TunnelStatus.from_dict(event.data))

    def _log_declared(self, tunnel: TunnelStatus) -> None:
        """Nobody waits for a declared tunnel: what keeps it from opening stands in the log."""
        if tunnel.state == State.FAILED and tunnel.error is not None:
            error = tunnel.error
            self._log.error(
                "The declared tunnel %s failed: %s %s", tunnel.name, error.message, error.hint
            )


@contextlib.contextmanager
def _subscription(client: EngineClient, callback: Callable[[Event], Any]) -> Iterator[None]:
    end = client.subscribe(callback)
    try:
        yield
    finally:
        end()


def _interrupted() -> Transient:
    return Transient(
        "The engine of the tunnels ended, and is started again.",
        code="engine_died",
        hint="The tunnels come back by themselves.",
    )
