"""The holder of an engine: it listens for it, starts it when somebody comes, and starts it again.

The holder (a Jupyter server, a background process, `open --foreground`, a kernel) makes the private
directory, binds the control socket and announces it. That is cheap and loads nothing; the engine's
process is started at the first connection, or by `start()`, and inherits the socket. So the socket
outlives every engine: whoever connects while one starts waits in the queue of the socket, and the
next engine finds the same directory for its private sockets.

When an engine ends by itself or is silent, the holder says so and starts another with the same
wanted set (same ids, same ports): at once if there are tunnels, else at the next connection. After
`DEATHS` within `DEATHS_WITHIN` seconds it gives up: the socket and the announcement are taken away.
"""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..model.errors import Fatal, RemoteTunnelError
from ..model.settings import EngineSettings
from .announce import Announcement, Kind
from .private import PrivateDirectory
from .saved import SavedSet, Saver
from .start import CONTROL_SOCKET, StartLine

if TYPE_CHECKING:
    from .client import Event
    from .process import EngineProcess

log = logging.getLogger(__name__)

DEATHS = 3
DEATHS_WITHIN = 60.0

# Seconds for the last news of an engine that is about to be ended.
_LAST_NEWS_LIMIT = 1.0

# Clients that can wait while an engine starts.
_BACKLOG = 128


class Phase(StrEnum):
    """What a holder is doing."""

    NEW = "new"
    LISTENING = "listening"  # no engine runs; the first client starts it
    STARTING = "starting"
    RUNNING = "running"
    GIVEN_UP = "given_up"
    CLOSED = "closed"


@dataclass(frozen=True)
class News:
    """The phase, after a change of it; or, with `error`, something a person should hear of.

    `error` has the code `engine_died` (it is started again), `engine_unavailable` (given up),
    `conflict` (another holder has the saved set) or `internal` (the saved set was not read, or not
    written).
    """

    phase: Phase
    error: RemoteTunnelError | None = None


class Holder:
    """Holds one engine. `async with holder:` is `open` and `close`.

    `phase` is what it is doing.
    """

    def __init__(
        self,
        settings: EngineSettings,
        *,
        kind: Kind,
        root_dir: str = "",
        url: str = "",
        saved: SavedSet | None = None,
        restore: bool = False,
        on_news: Callable[[News], None] | None = None,
        on_use: Callable[[bool], None] | None = None,
        log: int | None = None,
        ping_every: float = 2.0,
        silent_after: float = 10.0,
    ) -> None:
        """Nothing is made before `open`.

        :param root_dir: of the Jupyter server, for the announcement; so is `url` (without token).
        :param saved: where the wanted set is kept; None keeps it in memory only.
        :param restore: open what the saved set holds.
        :param on_news: called on the loop.
        :param on_use: called on the loop with whether the engine has tunnels or clients, after a
            change of that.
        :param log: a descriptor for the engine's log; None is our standard error.
        :param ping_every: seconds between pings.
        :param silent_after: seconds without an answer after which an engine is ended.
        """
        self.settings = settings
        self.phase = Phase.NEW
        self._wanted: dict[str, dict[str, Any]] = {}
        self._kind: Kind = kind
        self._root_dir = root_dir
        self._url = url
        self._saver = Saver(saved, self._tell) if saved is not None else None
        self._restore = restore
        self._on_news = on_news
        self._on_use = on_use
        self._in_use = False
        self._clients = 0
        self._process: EngineProcess | None = None
        self._log = log
        self._ping_every = ping_every
        self._silent_after = silent_after
        self._pid = os.getpid()
        self._undo = contextlib.ExitStack()
        self._needed = asyncio.Event()
        self._changed = asyncio.Event()
        self._given_up: RemoteTunnelError | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def wanted(self) -> list[dict[str, Any]]:
        """The wanted set as plain JSON (`messages.WantedTunnel`)."""
        return list(self._wanted.values())

    @property
    def socket_path(self) -> Path:
        """The control socket: for `EngineClient.connect`. Known after `open`."""
        return self.private_dir / CONTROL_SOCKET

    @property
    def announcement(self) -> Announcement:
        """What is announced; its `path` is for `JUPYTER_REMOTE_TUNNEL`. Known after `open`."""
        return self._announcement

    async def open(self) -> None:
        """Listen and announce, in a few milliseconds; start the engine if there are saved tunnels.

        :raises Fatal: `engine_unavailable`, a folder cannot be written; `unsupported`, on Windows.
        """
        with contextlib.ExitStack() as stack:
            try:
                self._appear(stack)
            except OSError as error:
                raise Fatal(
                    f"The engine of the tunnels cannot be announced: {error}.",
                    code="engine_unavailable",
                    hint="Tunnels need a runtime directory of Jupyter that can be written.",
                ) from None
            self._undo = stack.pop_all()
        if self._saver is not None:
            self._wanted = _by_id(self._saver.open(restore=self._restore))
            if self._wanted:
                self._announce(None)
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._supervise(), name="holder of the engine")

    def _appear(self, undo: contextlib.ExitStack) -> None:
        directory = PrivateDirectory.make()
        undo.callback(directory.remove)
        self.private_dir = directory.path
        self._listener = undo.enter_context(_listen(self.socket_path))
        self._announcement = Announcement(
            socket=str(self.socket_path),
            holder_pid=os.getpid(),
            kind=self._kind,
            root_dir=self._root_dir,
            url=self._url,
            ssh_config=self.settings.ssh_config,
        )
        self._announcement.write()
        undo.callback(self._announcement.remove)

    async def start(self) -> None:
        """Start the engine now, and return when it runs.

        :raises RemoteTunnelError: it was given up, or this holder is closed.
        """
        self._needed.set()
        while self.phase not in (Phase.RUNNING, Phase.GIVEN_UP, Phase.CLOSED):
            await self._changed.wait()
        if self.phase is not Phase.RUNNING:
            raise self._given_up or Fatal("The holder is closed.", code="engine_unavailable")

    async def withdraw(self) -> bool:
        """Take the announcement away before an end, so that nobody comes any more who finds it.

        :returns: whether nobody uses the engine. If somebody came before, or it is just being
            started for them, it is announced again: what they open would be lost.
        """
        self._announcement.remove()
        await self._catch_up()
        is_needed = self._in_use or self.phase is Phase.STARTING
        if is_needed:
            with contextlib.suppress(OSError):
                self._announcement.write()
        return not is_needed

    async def close(self) -> None:
        """End the engine with all tunnels; take away the socket, the directory, the announcement.

        The saved set stays as it is. May be called again, and on a holder that was not opened.
        """
        await self._catch_up()
        task, self._task = self._task, None
        try:
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
            if self._saver is not None:
                await self._saver.close()
        finally:
            self._undo.close()
            self._change(Phase.CLOSED)

    async def _catch_up(self) -> None:
        """Hear what the engine has told until now: a tunnel that was just closed is not saved."""
        if self._process is not None:
            with contextlib.suppress(RemoteTunnelError, TimeoutError):
                async with asyncio.timeout(_LAST_NEWS_LIMIT):
                    await self._process.client.ping()

    def abandon(self) -> None:
        """Take away the socket, the directory and the announcement when this process ends without
        `close`, as at an exit that nobody awaits (`atexit`). The engine ends by its life line.
        """
        if self._pid == os.getpid():  # not in a fork of ours
            self._undo.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # The life of engines.

    async def _supervise(self) -> None:
        try:
            await self._keep_running()
        except Exception as error:
            log.exception("The holder of the engine failed")
            self._give_up(Fatal(f"{type(error).__name__} in its holder."))

    async def _keep_running(self) -> None:
        """Start engine after engine, until too many have ended."""
        deaths: deque[float] = deque(maxlen=DEATHS)
        if self._wanted:
            self._needed.set()
        reason: RemoteTunnelError | None = None
        while True:
            await self._until_needed(reason)
            reason = await self._one_engine()
            deaths.append(time.monotonic())
            if len(deaths) == DEATHS and deaths[-1] - deaths[0] <= DEATHS_WITHIN:
                self._give_up(
                    Fatal(
                        f"It ended {DEATHS} times within {DEATHS_WITHIN:g} s. The last time:"
                        f" {reason.message}"
                    )
                )
                return

    async def _until_needed(self, reason: RemoteTunnelError | None) -> None:
        """Wait for a client, if there are no tunnels that need an engine anyway.

        :param reason: why the engine before ended, to be said with what comes next.
        """
        if not self._needed.is_set() and not self._wanted:
            self._change(Phase.LISTENING, reason)
            reason = None
            loop = asyncio.get_running_loop()
            loop.add_reader(self._listener, self._needed.set)
            try:
                await self._needed.wait()
            finally:
                loop.remove_reader(self._listener)
        self._needed.clear()
        self._change(Phase.STARTING, reason)

    async def _one_engine(self) -> RemoteTunnelError:
        """Start an engine and stay with it until it ends; the reason of its end."""
        from .process import EngineProcess  # with all of the client: a holder's start is cheap

        line = StartLine(
            settings=self.settings,
            holder_pid=os.getpid(),
            private_dir=str(self.private_dir),
            announcement=str(self._announcement.path),
            restore=self.wanted,
        )
        try:
            process = await EngineProcess.start(
                self._listener, self.socket_path, line, log=self._log, on_event=self._hear
            )
        except RemoteTunnelError as error:
            return error
        self._process = process
        try:
            self._announce(process.pid)
            self._change(Phase.RUNNING)
            return await process.watch(self._ping_every, self._silent_after)
        finally:
            self._process = None
            await process.end()
            self._announce(None)
            self._clients = 0
            self._tell_use()

    def _hear(self, event: "Event") -> None:
        if self._task is None:
            return
        if event.name == "clients":
            self._clients = event.data["count"]
        # A new engine says first what it has: most often what it was given.
        elif event.name == "wanted" and event.data["tunnels"] != self.wanted:
            self._wanted = _by_id(event.data["tunnels"])
            self._save()
        elif event.name == "wanted_change":
            tunnel_id, entry = event.data["tunnel"], event.data["entry"]
            if entry is None:
                self._wanted.pop(tunnel_id, None)
            else:
                self._wanted[tunnel_id] = entry
            self._save()
        self._tell_use()

    def _save(self) -> None:
        if self._saver is not None:
            self._saver.put(self.wanted)

    def _tell_use(self) -> None:
        in_use = bool(self._wanted) or self._clients > 0
        if in_use != self._in_use and self._on_use is not None:
            self._on_use(in_use)
        self._in_use = in_use

    def _give_up(self, reason: RemoteTunnelError) -> None:
        self._given_up = Fatal(
            f"The engine of the tunnels is not started again. {reason.message}",
            code="engine_unavailable",
            hint="The log says more. Restart the Jupyter server when the cause is mended.",
        )
        self._undo.close()
        self._change(Phase.GIVEN_UP, self._given_up)

    def _announce(self, engine_pid: int | None) -> None:
        """Say in the announcement, if it still stands, which process it is, or that it comes.

        That it does not say so harms nobody.
        """
        self._announcement = replace(
            self._announcement,
            engine_pid=engine_pid,
            restored=engine_pid is None and bool(self._wanted),
        )
        if self._announcement.path.exists():
            with contextlib.suppress(OSError):
                self._announcement.write()

    def _change(self, phase: Phase, error: RemoteTunnelError | None = None) -> None:
        self.phase = phase
        self._changed.set()
        self._changed = asyncio.Event()
        self._tell(error)

    def _tell(self, error: RemoteTunnelError | None) -> None:
        if self._on_news is not None:
            self._on_news(News(self.phase, error))


def _by_id(wanted: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {entry["id"]: entry for entry in wanted}


def _listen(path: Path) -> socket.socket:
    """A listening Unix socket at `path`, for its owner only."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
