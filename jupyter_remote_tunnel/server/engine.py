"""The engine that this Jupyter server holds.

Its process starts when somebody needs it: a request of the browser that opens something, a declared
or saved tunnel, or a shell or kernel that connects to the control socket by itself. So `follower`
follows the holder's news: whenever an engine runs, it connects and listens.

What only an engine needs is imported when the first one runs, as every Jupyter server's start pays
for what is imported here.
"""

import asyncio
import atexit
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from ..model.errors import Fatal, RemoteTunnelError

if TYPE_CHECKING:
    import logging

    from jupyter_events import EventLogger

    from ..apps.jupyter_files import FoundJupyter
    from ..engine.client import EngineClient
    from ..engine.holder import Holder, News
    from ..engine.messages import WantedTunnel, Who
    from ..model.settings import EngineSettings
    from .follower import Follower, Listener
    from .views.upstream import Upstream

# Seconds until an engine that runs has answered this server.
_PATIENCE = 30.0


class HeldEngine:
    """An engine, its client, and what is known of its tunnels. Implements `views.Upstreams`."""

    def __init__(
        self,
        make_holder: "Callable[[Callable[[News], None]], Holder]",
        events: "EventLogger",
        log: "logging.Logger",
        listener: "Listener",
    ) -> None:
        """:param make_holder: called by `open` with what is to hear news; gives a new holder.
        :param events: where the event schema is registered.
        :param listener: hears what the engine tells.
        """
        self._make_holder = make_holder
        self._events = events
        self._log = log
        self._listener = listener
        self._holder: Holder | None = None
        self._broken: RemoteTunnelError | None = None
        self._follower: Follower | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen for clients, and announce it.

        :raises Fatal: `engine_unavailable`, a setting is wrong or a folder cannot be written;
            `unsupported`, on Windows.
        """
        try:
            holder = self._make_holder(self._hear_news)
            # Without a terminal, Ctrl-C ends Jupyter with no stop hook.
            atexit.register(holder.abandon)
            await holder.open()
        except RemoteTunnelError as error:
            self._broken = error
            self._signal()
            raise
        self._holder = holder
        self._signal()
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._follow(holder), name="client of the engine")

    async def close(self) -> None:
        """End the engine with all its tunnels. May be called again, and if it was not opened."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if self._holder is not None:
            await self._holder.close()
            atexit.unregister(self._holder.abandon)

    @property
    def announcement_file(self) -> str:
        """By which programs find this engine: for `JUPYTER_REMOTE_TUNNEL`. Known after `open`."""
        assert self._holder is not None
        return str(self._holder.announcement.path)

    @property
    def asleep(self) -> bool:
        """Whether no engine runs and none is needed: there are no tunnels then."""
        if self._holder is None:
            return self._broken is None
        return self._holder.phase == "listening"

    async def client(self) -> "EngineClient":
        """A connection to the engine, which is started if it does not run.

        :raises RemoteTunnelError: `engine_unavailable`, or why it could not even be announced.
        """
        holder = await self._held()
        if holder.phase != "running":
            await holder.start()
        try:
            async with asyncio.timeout(_PATIENCE):
                while self._follower is None or self._follower.client is None:
                    await self._changed.wait()
        except TimeoutError:
            raise Fatal(
                "The engine of the tunnels runs, and does not answer this server.",
                code="engine_unavailable",
                hint="The log of the Jupyter server says why.",
            ) from None
        return self._follower.client

    async def settings(self) -> "EngineSettings":
        """What the engine is told when it starts.

        :raises Fatal: `engine_unavailable`, it could not even be announced.
        """
        return (await self._held()).settings

    async def _held(self) -> "Holder":
        while self._holder is None:
            if self._broken is not None:
                raise self._broken
            await self._changed.wait()
        return self._holder

    async def restore(self, wanted: "Sequence[WantedTunnel]") -> None:
        """Open `wanted` in the background; what cannot be reached now is tried until it can.

        :raises RemoteTunnelError: the engine does not start, or there are too many.
        """
        client = await self.client()
        entries = [{**asdict(entry), "request": entry.request.as_dict()} for entry in wanted]
        await client.call("holder.restore", {"tunnels": entries})

    # What the views ask (`views.Upstreams`).

    def get(self, app_id: str) -> "Upstream | None":
        """The application as last heard of."""
        return None if self._follower is None else self._follower.upstream(app_id)

    async def refresh(self, app_id: str) -> "Upstream | None":
        """The application as the engine knows it now."""
        if self._follower is not None:
            await self._follower.refresh()
        return self.get(app_id)

    async def enter(self, app_id: str, person: "Who") -> "Upstream | None":
        """The application with what leads into its Jupyter server."""
        if self._follower is not None:
            await self._follower.enter(app_id, person)
        return self.get(app_id)

    def doubt(self, app_id: str) -> None:
        """What leads into its Jupyter server is to be asked again."""
        if self._follower is not None:
            self._follower.doubt(app_id)

    def let_in(self, tunnel_id: str, jupyter: "FoundJupyter") -> None:
        """Know what leads into the Jupyter server of a tunnel that was just opened."""
        if self._follower is not None:
            self._follower.let_in(tunnel_id, jupyter)

    # Following the holder.

    def _hear_news(self, news: "News") -> None:
        self._signal()
        if news.error is None:
            return
        given_up = news.phase == "given_up"
        log = self._log.error if given_up else self._log.warning
        log("%s %s", news.error.message, news.error.hint)
        if given_up and self._follower is not None:
            self._follower.give_up(news.error)

    def _signal(self) -> None:
        """Wake everyone who waits for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _follow(self, holder: "Holder") -> None:
        while holder.phase != "running":
            await self._changed.wait()
        from .follower import Follower

        self._follower = Follower(
            holder.socket_path, self._events, self._log, self._signal, self._listener
        )
        try:
            while True:
                await self._follower.run()
                while holder.phase != "running":
                    await self._changed.wait()
        finally:
            await self._follower.close()
