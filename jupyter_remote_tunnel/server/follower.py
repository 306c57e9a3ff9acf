"""The server as a client of its engine: the last status of every tunnel, and news of them.

Between two engines the tunnels that are known are shown as reconnecting.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from weakref import WeakValueDictionary

from ..engine.client import EngineClient, Event
from ..model.errors import RemoteTunnelError, Transient
from ..model.state import State
from ..model.status import TunnelStatus
from .events import EventBus
from .statuses import REMOVED, Change, Statuses
from .views.upstream import Upstream

if TYPE_CHECKING:
    import logging

    from jupyter_events import EventLogger

    from ..apps.jupyter_files import FoundJupyter
    from ..engine.messages import Who

# Seconds until a client that was refused tries again.
_AGAIN = 1.0

# Seconds for which it is known what leads into a Jupyter server: it has just been found when its
# first page is asked for.
_KNOWN = 10.0


class Listener(Protocol):
    """Who hears of the tunnels as the engine tells it, and of what its other clients ask."""

    def tunnel(self, status: TunnelStatus) -> None:
        """A tunnel has this status; told again whenever there is a new engine."""

    def removed(self, tunnel_id: str) -> None:
        """A tunnel left the list."""

    def lost(self) -> None:
        """The engine has ended."""

    def asked(self, client: EngineClient, event: Event) -> None:
        """The engine's event `asked` or `ask_ended`, and the connection that takes the answer."""


class Follower:
    """Listens to one engine after another. `client` is the connection, or None between two."""

    def __init__(
        self,
        socket_path: Path,
        events: "EventLogger",
        log: "logging.Logger",
        connected: Callable[[], None],
        listener: Listener,
    ) -> None:
        """:param connected: called when there is a new `client`."""
        self.client: EngineClient | None = None
        self._socket_path = socket_path
        self._log = log
        self._connected = connected
        self._listener = listener
        self._statuses = Statuses()
        self._entering: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._bus = EventBus(events)

    def upstream(self, app_id: str) -> Upstream | None:
        """The application of that id, as last heard of."""
        return self._statuses.upstream(app_id)

    def let_in(self, tunnel_id: str, jupyter: "FoundJupyter") -> None:
        """Know what leads into the Jupyter server of a tunnel."""
        self._statuses.let_in(tunnel_id, jupyter)

    async def enter(self, app_id: str, person: "Who") -> None:
        """Ask the host of a tunnel what leads into its Jupyter server, if nobody else just did.

        :raises RemoteTunnelError: it does not run any more, or its host cannot be asked.
        """
        from ..apps.jupyters import enter

        tunnel = self._statuses.tunnel_of(app_id)
        if tunnel is None:
            return
        came = time.monotonic() - _KNOWN
        lock = self._entering.setdefault(tunnel.id, asyncio.Lock())
        async with lock:
            if self.client is not None and self._statuses.lets_in_since(tunnel.id) < came:
                self.let_in(tunnel.id, await enter(self.client, tunnel, person=person))

    def doubt(self, app_id: str) -> None:
        """What leads into that Jupyter server is to be asked again."""
        self._statuses.doubt(app_id)

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
        early: list[Event] = []
        known: list[EngineClient] = []

        def hear(event: Event) -> None:
            # A question may come together with the engine's welcome.
            if known:
                self._hear(known[0], event)
            else:
                early.append(event)

        try:
            client = await EngineClient.connect(self._socket_path, "server", on_event=hear)
        except RemoteTunnelError as error:
            self._log.warning("%s %s", error.message, error.hint)
            await asyncio.sleep(_AGAIN)
            return
        known.append(client)
        for event in early:
            self._hear(client, event)
        try:
            await self._listen(client)
        except RemoteTunnelError as error:
            # Mostly it has ended before it told the list: the next one tells.
            if not client.lost.is_set():
                self._log.warning("%s %s", error.message, error.hint)
                await asyncio.sleep(_AGAIN)
        finally:
            self.client = None
            await client.close()

    async def close(self) -> None:
        """End what this has under way."""
        await self._bus.close()

    async def _listen(self, client: EngineClient) -> None:
        """Keep the statuses as the engine tells them, until the connection is lost."""
        tunnels = await client.list_tunnels()
        self._bus.tell(self._statuses.replace(tunnels))
        for tunnel in tunnels:
            self._listener.tunnel(tunnel)
        self.client = client
        self._connected()
        await client.lost.wait()
        self._listener.lost()
        self._bus.tell(self._statuses.interrupt(State.RECONNECTING, _interrupted()))

    def _hear(self, client: EngineClient, event: Event) -> None:
        self._bus.tell([*self._statuses.hear(event), *_of_prompt(event)])
        if event.name == "tunnel":
            tunnel = TunnelStatus.from_dict(event.data)
            self._listener.tunnel(tunnel)
            if tunnel.source == "config":
                self._log_declared(tunnel)
        elif event.name == "removed":
            self._listener.removed(event.data["tunnel"])
        elif event.name in ("asked", "ask_ended"):
            self._listener.asked(client, event)

    def _log_declared(self, tunnel: TunnelStatus) -> None:
        """Nobody waits for a declared tunnel: what keeps it from opening stands in the log."""
        if tunnel.state == State.FAILED and tunnel.error is not None:
            error = tunnel.error
            self._log.error(
                "The declared tunnel %s failed: %s %s", tunnel.name, error.message, error.hint
            )


def _of_prompt(event: Event) -> list[Change]:
    """What is told of a question: no more than that there is one, or that it is gone."""
    if event.name == "prompt":
        return [(event.data["prompt"]["id"], State.WAITING_FOR_USER)]
    if event.name == "prompt_closed":
        return [(event.data["prompt"], REMOVED)]
    return []


def _interrupted() -> Transient:
    return Transient(
        "The engine of the tunnels ended, and is started again.",
        code="engine_died",
        hint="The tunnels come back by themselves.",
    )
