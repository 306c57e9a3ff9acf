"""The process that shows a Jupyter of another host by the web server of this machine, where no
Jupyter server has to run: it holds an engine of its own, and is asked by way of that (`asked`).

    python -m jupyter_remote_tunnel.server.pulling

reads one line of settings and answers with one line of JSON when it listens: {"announcement": path}
or {"error": {…}}. Standard input stays open for as long as somebody waits for what it was started
for. When that has gone, the process goes on while it shows something, and ends with that; with
"foreground" it ends at once. So its forward never outlives who watches over it.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..engine.background import LINGER, answer, leave
from ..engine.client import EngineClient, Event
from ..engine.holder import Holder, News, Phase
from ..model.errors import Fatal, RemoteTunnelError
from ..model.publication import Check, Publication, PublishReport, PullRequest, check_hours
from ..model.settings import EngineSettings
from ..model.status import TunnelStatus
from ..model.text import plain
from .asked import QUESTIONS, Asked, Line, Named, Nothing
from .lifetime import Tell, cancelled, to_the_end
from .looking import understood
from .pulled import Pulled

if TYPE_CHECKING:
    from ..engine.messages import Who

HOURS = 8.0
"""How long something is shown, where nobody says, as with a Jupyter server (`publish_hours`)."""

log = logging.getLogger(__name__)

_AGAIN = 1.0
_PATIENCE = 30.0
_LAST_ANSWER = 5.0
_COUNTED = 2.0

# A stream that comes without a connection must not wait: what is there next was not checked yet.
_NO_WAIT = 0.0


class OwnEngine:
    """The connection to the engine of this process, and to the one after it. Hears for `pulling`
    what becomes of its tunnels. Implements `looking.Engine`.
    """

    def __init__(self, holder: Holder, pulling: "Pulling", asked: Asked) -> None:
        self._holder = holder
        self._pulling = pulling
        self._asked = asked
        self._client: EngineClient | None = None
        self._connected = asyncio.Event()

    async def client(self) -> EngineClient:
        """A connection.

        :raises Fatal: there is none.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._connected.wait()
        except TimeoutError:
            raise Fatal(
                "The engine of the tunnels does not answer.", code="engine_unavailable"
            ) from None
        assert self._client is not None
        return self._client

    async def run(self) -> None:
        """Be connected, to one engine after another."""
        while True:
            try:
                async with self._connection() as client:
                    await client.lost.wait()
            except RemoteTunnelError as error:
                log.warning("%s %s", error.message, error.hint)
                await asyncio.sleep(_AGAIN)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[EngineClient]:
        path = self._holder.socket_path
        # Two, as whoever answers is no shell: what was typed for ssh would not count.
        client = await EngineClient.connect(path, "shell", on_event=self._hear)
        try:
            for tunnel in await client.list_tunnels():
                self._pulling.hear(tunnel)
            desk = await self._answering()
            try:
                self._client = client
                self._connected.set()
                yield client
            finally:
                self._connected.clear()
                self._pulling.lose()
                await desk.close()
        finally:
            await client.close()

    async def _answering(self) -> EngineClient:
        """A connection on which is answered what others ask."""
        early: list[Event] = []
        known: list[EngineClient] = []

        def hear(event: Event) -> None:
            # A question may come together with the engine's welcome.
            if known:
                self._asked.hear(known[0], event)
            else:
                early.append(event)

        known.append(await EngineClient.connect(self._holder.socket_path, "server", on_event=hear))
        for event in early:
            self._asked.hear(known[0], event)
        return known[0]

    def _hear(self, event: Event) -> None:
        if event.name == "tunnel":
            self._pulling.hear(TunnelStatus.from_dict(event.data))
        elif event.name == "removed":
            self._pulling.forget(event.data["tunnel"])


class Pulling:
    """What is shown by this process: one Jupyter at most. Asked as `Publishing` is.

    :param engine: known before it is asked.
    """

    engine: OwnEngine

    def __init__(self) -> None:
        self._shown: Pulled | None = None
        self._ended = asyncio.Event()

    async def count(self) -> None:
        """Know how many streams there are: the engine tells of none that comes or goes."""
        one = self._shown
        if one is None or one.tunnel is None:
            return
        with contextlib.suppress(RemoteTunnelError, TimeoutError):
            async with asyncio.timeout(_COUNTED):
                client = await self.engine.client()
                self.hear(await client.get_tunnel(one.tunnel_id))

    def list(self) -> list[Publication]:
        """What is shown now, with the streams that there were at the last `count`."""
        return [] if self._shown is None else [self._shown.status]

    async def check(self, asked: PullRequest, _: "Who | None", tell: Tell) -> PublishReport:
        """Look at everything that can be seen before something is shown.

        :raises BadInput: it is asked for what cannot be.
        """
        one = self._make(asked)
        try:
            return await _looked(one, tell)
        finally:
            await one.end()

    async def publish(self, asked: PullRequest, _: "Who | None", tell: Tell) -> PublishReport:
        """Show it, if no check fails. If the one who asks goes away, it is as if nobody had asked.

        :raises BadInput: it is asked for what cannot be.
        """
        if self._shown is not None:
            raise Fatal("This process shows a Jupyter already.", code="conflict")
        one = self._shown = self._make(asked)
        try:
            report = await _looked(one, tell)
            if report.ok:
                is_open = await one.open(None, tell)
                status = one.status if is_open else None
                report = PublishReport(is_open, tuple(one.checks), status)
            return report
        finally:
            if one.state == "opening":
                await one.end()

    async def installation(self, asked: PullRequest, _: "Who | None") -> dict[str, Any]:
        """The site of the web server, and what installs it.

        :raises RemoteTunnelError: there is no such Jupyter, or no web server.
        """
        one = self._make(asked)
        try:
            return await one.installation()
        finally:
            await one.end()

    async def stop(self, name: str) -> Publication:
        """End it.

        :raises Fatal: `not_found`, another one is meant.
        """
        one = self._get(name)
        await one.end()
        return one.status

    def extend(self, name: str, hours: float | None) -> Publication:
        """Have it end so many hours from now; None is as long as usual, and never sooner than it
        would.

        :raises Fatal: `not_found`, another one is meant.
        :raises BadInput: that is too long.
        """
        one = self._get(name)
        one.extend(_until(HOURS if hours is None else hours), sooner=hours is not None)
        return one.status

    # What the engine tells.

    def hear(self, tunnel: TunnelStatus) -> None:
        """A tunnel has this status."""
        if self._shown is not None and self._shown.tunnel_id == tunnel.id:
            self._shown.hear(tunnel)

    def forget(self, tunnel_id: str) -> None:
        """A tunnel was closed."""
        if self._shown is not None and self._shown.tunnel_id == tunnel_id:
            self._shown.forget()

    def lose(self) -> None:
        """The engine has ended."""
        if self._shown is not None:
            self._shown.lose()

    # What the process asks.

    async def until_an_end(self) -> None:
        """Return when what is shown, now or as the next, has ended."""
        await self._ended.wait()

    async def until_over(self) -> None:
        """Return when nothing is shown any more."""
        while self._shown is not None:
            await self._ended.wait()

    async def close(self) -> None:
        """Show nothing more."""
        if self._shown is not None:
            await self._shown.end()

    # Inside.

    def _make(self, asked: PullRequest) -> Pulled:
        """:raises BadInput: it is asked for what cannot be."""
        asked.check()
        asked = replace(asked, publish=understood(asked.publish))
        hours = asked.publish.hours
        endless = asked.endless and hours is None
        until = None if endless else _until(HOURS if hours is None else hours)
        return Pulled(asked, self.engine, until, self._changed)

    def _get(self, name: str) -> Pulled:
        one = self._shown
        if one is None or name.lower() not in (one.id, one.request.name):
            raise Fatal(f"Nothing is published as {plain(name, 100)}.", code="not_found")
        return one

    def _changed(self, one: Pulled) -> None:
        status = one.status
        if status.tunnel is not None:
            problem = f". {status.problem}" if status.problem else ""
            log.warning("%s: %s%s", status.url, status.state.replace("_", " "), problem)
        if one is self._shown and one.state == "ended":
            self._shown = None
            self._ended.set()
            self._ended = asyncio.Event()


def _until(hours: float) -> datetime:
    check_hours(hours)
    return datetime.now(UTC) + timedelta(hours=hours)


async def _looked(one: Pulled, tell: Tell) -> PublishReport:
    async for check in to_the_end(one.look()):
        one.checks.append(check)
        tell(check)
    return PublishReport(_passed(one.checks), tuple(one.checks))


def _passed(checks: "list[Check]") -> bool:
    return all(check.verdict != "failed" for check in checks)


async def _list(pulling: Pulling, asked: Nothing, line: Line) -> dict[str, Any]:
    await pulling.count()
    return await QUESTIONS["publish.list"][1](pulling, asked, line)


_QUESTIONS = {
    **{name: (PullRequest, QUESTIONS[name][1]) for name in ("publish", "publish.check")},
    "publish.site": (PullRequest, QUESTIONS["publish.site"][1]),
    "publish.list": (Nothing, _list),
    "publish.stop": (Named, QUESTIONS["publish.stop"][1]),
    "publish.extend": (Named, QUESTIONS["publish.extend"][1]),
}


class _Process:
    def __init__(self, *, foreground: bool) -> None:
        self._foreground = foreground
        self._over = asyncio.Event()
        self._gave_up = False

    async def run(self) -> bool:
        """Run to the end; whether the engine was given up."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._over.set)
        settings = EngineSettings(stream_wait=_NO_WAIT)
        holder = Holder(settings, kind="publication", on_news=self._hear)
        pulling = Pulling()
        asked = Asked(lambda: pulling, log, _QUESTIONS)
        pulling.engine = OwnEngine(holder, pulling, asked)
        try:
            await holder.open()
        except RemoteTunnelError as error:
            answer({"error": error.as_dict()})
            return False
        tasks = [
            loop.create_task(pulling.engine.run(), name="client of the engine"),
            loop.create_task(self._end_after(pulling), name="end"),
        ]
        try:
            answer({"announcement": str(holder.announcement.path)})
            await self._over.wait()
            await self._last_answer(asked)
        finally:
            await asked.close()
            await pulling.close()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await holder.close()
        return self._gave_up

    async def _end_after(self, pulling: Pulling) -> None:
        """End this process when nobody waits for it and nothing is shown; in the foreground when
        nobody waits for it, or what it has shown has ended."""
        if self._foreground:
            loop = asyncio.get_running_loop()
            ends = (loop.create_task(one) for one in (_until_left(), pulling.until_an_end()))
            _, waits = await asyncio.wait([*ends], return_when=asyncio.FIRST_COMPLETED)
            await cancelled(*waits)
        else:
            await _until_left()
            await pulling.until_over()
        self._over.set()

    @staticmethod
    async def _last_answer(asked: Asked) -> None:
        """Who asked for the end is told of it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_ANSWER):
                if await asked.finish():
                    await asyncio.sleep(LINGER)

    def _hear(self, news: News) -> None:
        if news.error is not None:
            log.error("%s", news.error)
        if news.phase is Phase.GIVEN_UP:
            self._gave_up = True
            self._over.set()


async def _until_left() -> None:
    """Return when the shell that has started this process has gone on."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass


def main() -> None:
    """The process. Its status is not 0 if its engine was given up."""
    # Not by a reader with a buffer, which could take more than the line.
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(sys.stdin.fileno(), 1)
        if not byte:
            return
        line += byte
    foreground = bool(json.loads(line).get("foreground"))
    written = None if foreground else leave()
    logging.basicConfig(format="%(asctime)s %(message)s")
    gave_up = asyncio.run(_Process(foreground=foreground).run())
    if written is not None and not gave_up:
        written.unlink(missing_ok=True)
    sys.exit(int(gave_up))


if __name__ == "__main__":
    main()
