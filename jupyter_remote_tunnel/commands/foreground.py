"""`--foreground`: one tunnel, held by this process and gone with it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Self

from ..engine.client import LOST, EngineClient, Event
from ..engine.holder import Holder
from ..engine.messages import Who
from ..model.errors import Fatal, RemoteTunnelError
from ..model.settings import EngineSettings
from ..model.state import State
from ..model.status import TunnelStatus, not_open
from ..model.text import plain
from .actions import FAR_WITHIN, opened, wanted
from .answers import Answer
from .grammar import Parsed
from .jupyters import open_here
from .offers import with_silence
from .questions import Desk, Face

# Opens a tunnel: its status, and how that is answered.
Opening = Callable[[EngineClient, Who | None], Awaitable[tuple[TunnelStatus, Answer]]]


def opening(parsed: Parsed) -> Opening:
    """What is to be opened.

    :raises BadInput: it cannot be understood.
    """
    if parsed.command == "jupyter":
        return lambda client, person: open_here(client, parsed, person)
    spec = wanted(parsed)

    async def open_tunnel(client: EngineClient, person: Who | None) -> tuple[TunnelStatus, Answer]:
        tunnel, created = await client.open_tunnel(
            spec.request(), person=person, far_within=FAR_WITHIN
        )
        answer = opened(spec, tunnel, created=created)
        return tunnel, await with_silence(spec, answer) if spec.kind == "offer" else answer

    return open_tunnel


async def hold(
    parsed: Parsed,
    show: Callable[[Answer], None],
    tell: Callable[[str], None],
    face: Face | None = None,
) -> None:
    """Open the tunnel, show it once it is open, and hold it until this is cancelled.

    It ends by itself where somebody else closes the tunnel. Either way nothing is left.

    :param tell: called with what a person should read later.
    :param face: where they can be asked before it is open; None where nobody can.

    :raises RemoteTunnelError: it was not opened, or failed later; its cancellation before it was
        open is passed on.
    """
    how = opening(parsed)
    async with (
        Holder(EngineSettings(), kind="foreground") as holder,
        _Watch(holder, tell) as watch,
    ):
        tunnel, answer = await watch.open(how, face)
        show(answer)
        try:
            await watch.until_over(tunnel.id)
        except asyncio.CancelledError:
            # Told to end: what a foreground is for. A server that ends with the tunnel, too.
            await watch.close(tunnel)


class _Watch:
    """A client of the holder's engine that hears what becomes of a tunnel, also after an engine
    died and another took its place."""

    client: EngineClient

    def __init__(self, holder: Holder, tell: Callable[[str], None]) -> None:
        self._holder = holder
        self._tell = tell
        self._news: asyncio.Queue[Event] = asyncio.Queue()
        self._is_lost = False  # as far as has been told

    async def __aenter__(self) -> Self:
        await self._connect()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.client.close()

    async def _connect(self) -> None:
        self.client = await EngineClient.connect(self._holder.socket_path, "shell")
        self.client.subscribe(self._news.put_nowait)

    async def open(self, how: Opening, face: Face | None) -> tuple[TunnelStatus, Answer]:
        """Open a tunnel, and ask what its hosts want to know meanwhile."""
        if face is None:
            return await how(self.client, None)
        desk = Desk(self.client, face)
        try:
            return await how(self.client, Who())
        finally:
            await desk.close()

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
                self._judge(TunnelStatus.from_dict(event.data))

    async def close(self, tunnel: TunnelStatus) -> None:
        """Close a tunnel for good, where that makes a difference on its host."""
        if tunnel.ends_server:
            with contextlib.suppress(RemoteTunnelError):
                await self.client.close_tunnel(tunnel.id)

    def _judge(self, status: TunnelStatus) -> None:
        _refuse_failure(status)
        # With an error nobody is asked: somebody has to restart it first.
        if status.state == State.WAITING_FOR_USER and status.error is not None:
            again = f"In another terminal: jupyter tunnel restart {status.id}"
            self._tell(f"{not_open(status).message}\n{again}")
        elif status.state == State.RECONNECTING and status.error is not None and not self._is_lost:
            self._is_lost = True
            self._tell(f"{not_open(status).message} It is tried again by itself.")
        elif status.state == State.OPEN and self._is_lost:
            self._is_lost = False
            self._tell(f"{plain(status.name)} is open again.")


def _refuse_failure(status: TunnelStatus) -> None:
    if status.state == State.FAILED:
        raise (status.error.as_exception() if status.error else Fatal(f"{status.name} has failed."))
