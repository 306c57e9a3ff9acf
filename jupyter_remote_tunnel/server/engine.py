"""The engine that this Jupyter server holds, and what is known of its tunnels.

The engine's process starts when somebody needs it: a request of the browser that opens something, a
declared or saved tunnel, or a shell or kernel that connects to the control socket by itself. So the
client here follows the holder's news: whenever an engine runs, it connects and listens. Between two
engines the tunnels that are known are shown as reconnecting.
"""

import asyncio
import atexit
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..engine.client import CONNECT_TIMEOUT, EngineClient, Event
from ..engine.holder import Holder, News, Phase
from ..engine.messages import WantedTunnel
from ..model.errors import Fatal, RemoteTunnelError, Transient
from ..model.state import State
from ..model.status import TunnelStatus
from .statuses import Change, Statuses
from .views.upstream import Upstream

if TYPE_CHECKING:
    import logging

# Seconds until a client that was refused tries again.
_AGAIN = 1.0


class HeldEngine:
    """An engine, its client and the last known statuses. Implements `views.Upstreams`."""

    def __init__(
        self,
        make_holder: Callable[[Callable[[News], None]], Holder],
        tell: Callable[[list[Change]], None],
        log: "logging.Logger",
    ) -> None:
        """:param make_holder: called by `open` with what is to hear news; gives a new holder.
        :param tell: called on the loop with what has changed.
        """
        self._make_holder = make_holder
        self._holder: Holder | None = None
        self._tell = tell
        self._log = log
        self._statuses = Statuses()
        self._client: EngineClient | None = None
        self._broken: RemoteTunnelError | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen for clients, and announce it.

        :raises Fatal: `engine_unavailable`, a folder cannot be written; `unsupported`, on Windows.
        """
        holder = self._make_holder(self._hear_news)
        try:
            await holder.open()
        except RemoteTunnelError as error:
            self._broken = error
            raise
        finally:
            self._holder = holder
            self._signal()
        # Without a terminal, Ctrl-C ends Jupyter with no stop hook.
        atexit.register(holder.abandon)
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
            return True
        return self._broken is None and self._holder.phase in (Phase.NEW, Phase.LISTENING)

    async def client(self) -> EngineClient:
        """A connection to the engine, which is started if it does not run.

        :raises RemoteTunnelError: `engine_unavailable`, or why it could not even be announced.
        """
        while self._holder is None:
            await self._changed.wait()
        if self._broken is not None:
            raise self._broken
        if self._holder.phase is not Phase.RUNNING:
            await self._holder.start()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                while self._client is None:
                    await self._changed.wait()
        except TimeoutError:
            raise Fatal(
                "The engine of the tunnels runs, and does not answer this server.",
                code="engine_unavailable",
                hint="The log of the Jupyter server says why.",
            ) from None
        return self._client

    async def restore(self, wanted: Sequence[WantedTunnel]) -> None:
        """Open `wanted` in the background; what cannot be reached now is tried until it can.

        :raises RemoteTunnelError: the engine does not start, or there are too many.
        """
        client = await self.client()
        entries = [{**asdict(entry), "request": entry.request.as_dict()} for entry in wanted]
        await client.call("holder.restore", {"tunnels": entries})

    # What the views ask (`views.Upstreams`).

    def get(self, app_id: str) -> Upstream | None:
        """The application as last heard of."""
        return self._statuses.upstream(app_id)

    async def refresh(self, app_id: str) -> Upstream | None:
        """The application as the engine knows it now."""
        if self._client is not None:
            with contextlib.suppress(RemoteTunnelError):
                tunnels = await self._client.list_tunnels()
                self._tell(self._statuses.replace(tunnels))
        return self.get(app_id)

    # Following the holder.

    def _hear_news(self, news: News) -> None:
        self._signal()
        if news.error is None:
            return
        log = self._log.error if news.phase is Phase.GIVEN_UP else self._log.warning
        log("%s %s", news.error.message, news.error.hint)
        if news.phase is Phase.GIVEN_UP:
            self._tell(self._statuses.interrupt(State.FAILED, news.error))

    def _signal(self) -> None:
        """Wake everyone who waits for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _follow(self, holder: Holder) -> None:
        while True:
            while holder.phase is not Phase.RUNNING:
                await self._changed.wait()
            try:
                client = await EngineClient.connect(holder.socket_path, "server")
            except RemoteTunnelError as error:
                self._log.warning("%s %s", error.message, error.hint)
                await asyncio.sleep(_AGAIN)
                continue
            try:
                await self._listen(client)
            except RemoteTunnelError:
                pass  # it ended, or the list did not come: on with the next
            finally:
                self._client = None
                await client.close()

    async def _listen(self, client: EngineClient) -> None:
        """Keep the statuses as the engine tells them, until the connection is lost."""
        with _subscription(client, self._hear):
            self._tell(self._statuses.replace(await client.list_tunnels()))
            self._client = client
            self._signal()
            await client.lost.wait()
        self._tell(self._statuses.interrupt(State.RECONNECTING, _interrupted()))

    def _hear(self, event: Event) -> None:
        self._tell(self._statuses.hear(event))
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
