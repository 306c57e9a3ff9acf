"""What every publication has: a state and why, a time after which it ends, and its end.

It is shut when its tunnel is lost. When that is open again all is checked, and then it is shown.
"""

import asyncio
import contextlib
import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Self

from ..model.diagnosis import Verdict
from ..model.errors import RemoteTunnelError
from ..model.publication import Check, Publication, PublicationState, PublishRequest, Visitor
from ..model.state import State
from ..model.status import TunnelStatus
from ..model.text import plain
from .looking import failed

if TYPE_CHECKING:
    from ..engine.messages import Who

Tell = Callable[[Check], None]

SELDOM = 60.0
"""Seconds after which something is looked at again that has changed seldom."""

_AGAIN = 10.0
_LOGGED = "The log says where that was."


class Lifetime(ABC):
    """See the module. A subclass says what it is to show nothing more, and to end.

    :param until: when it ends by itself; None is never.
    :param changed: called when its state did.
    """

    def __init__(
        self, request: PublishRequest, until: datetime | None, changed: Callable[[Self], None]
    ) -> None:
        self.id = secrets.token_hex(6)
        self.request = request
        self.until = until
        self.state: PublicationState = "opening"
        self.checks: list[Check] = []
        self.tunnel: TunnelStatus | None = None
        self._problem = ""
        self._since = datetime.now(UTC)
        self._tell: Callable[[], None] = partial(changed, self)
        self._moved = asyncio.Event()
        self._verifying: asyncio.Task[None] | None = None
        self._timer: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def status(self) -> Publication:
        """The snapshot."""
        return Publication(
            id=self.id,
            way=self.request.way,
            host=self.request.gateway,
            name=self.request.name,
            url=self.url,
            state=self.state,
            since=self._since.isoformat(timespec="milliseconds"),
            until=self.until.isoformat(timespec="seconds") if self.until else "",
            tunnel=None if self.tunnel is None else self.tunnel.id,
            checks=tuple(self.checks),
            visitors=self.visitors,
            exposed=self.exposed,
            problem=self._problem,
        )

    @property
    @abstractmethod
    def url(self) -> str:
        """What browsers open."""

    @property
    @abstractmethod
    def visitors(self) -> tuple[Visitor, ...]:
        """Who is connected now."""

    @property
    @abstractmethod
    def exposed(self) -> tuple[str, ...]:
        """What the outside can reach: sentences."""

    @abstractmethod
    def _steps(self, person: "Who | None") -> AsyncIterator[Check]:
        """Open it, step by step."""

    @abstractmethod
    def _shut(self, state: PublicationState, problem: str) -> None:
        """Show nothing more, and let go of everybody."""

    @abstractmethod
    def _show(self) -> None:
        """Show it."""

    @abstractmethod
    async def _checks_again(self) -> list[Check]:
        """What is found after a lost connection."""

    @abstractmethod
    async def _take_down(self) -> None:
        """Leave nothing of it. It shows nothing any more."""

    # The way up.

    async def open(self, person: "Who | None", tell: Tell) -> bool:
        """Open it, all or nothing: whether it is shown. `checks` says why not.

        :param person: who can be asked what its host wants to know.
        :param tell: called with each check when it is over.
        """
        try:
            async for check in to_the_end(self._steps(person)):
                self.checks.append(check)
                tell(check)
            if all(check.verdict != "failed" for check in self.checks):
                self._opened()
        finally:
            if self.state == "opening":
                await self.end()
        return self.state != "ended"

    def _opened(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.create_task(self._until_over(), name=f"time of {self.id}")
        if self.tunnel is None or listens(self.tunnel):
            self._show()
        else:  # it was lost in this moment
            self._shut("reconnecting", "")

    def _become(self, state: PublicationState, problem: str = "") -> None:
        if (state, problem) != (self.state, self._problem):
            self.state, self._problem = state, problem
            self._since = datetime.now(UTC)
            self._tell()

    # What becomes of its tunnel.

    def hear(self, tunnel: TunnelStatus) -> None:
        """Its tunnel has another status."""
        before, self.tunnel = self.tunnel, tunnel
        if self.state in ("opening", "ended") or before is None or _sign(tunnel) == _sign(before):
            return
        error = tunnel.error or tunnel.forwards[0].error
        self._shut("reconnecting", "" if error is None else error.message)
        if listens(tunnel):
            self._start_verifying()

    def lose(self) -> None:
        """Nobody knows of its tunnel: the engine has ended."""
        if self.state not in ("opening", "ended") and self.tunnel is not None:
            self._shut("reconnecting", "The engine of the tunnels ended, and is started again.")
            self.tunnel = replace(self.tunnel, state=State.RECONNECTING)

    def forget(self) -> None:
        """Its tunnel was closed."""
        if self.state not in ("opening", "ended"):
            self._ending = self._start_ending("Its tunnel was closed.")

    def _start_verifying(self) -> None:
        loop = asyncio.get_running_loop()
        again = self._verify_again()
        self._verifying = loop.create_task(again, name=f"checks of {self.id} again")

    def _stop_verifying(self) -> None:
        if self._verifying is not None:
            self._verifying.cancel()

    async def _verify_again(self) -> None:
        """Check until nothing fails, and show it."""
        pause = _AGAIN
        while not self._is_over:
            self._become("checking")
            found = await self._all_again()
            self.checks = found
            wrong = [check.says for check in found if check.verdict == "failed"]
            if not wrong:
                self._show()
                return
            self._become("held_back", wrong[0])
            await asyncio.sleep(pause)
            pause = min(2 * pause, SELDOM)

    async def _all_again(self) -> list[Check]:
        """The checks; a failed one in their place, if something ended them that nobody had thought
        of: it would not be shown ever again, and nobody would be told why."""
        try:
            return await self._checks_again()
        except Exception as error:  # noqa: BLE001 (what others answer can be anything)
            return [_no_end(error, f"They are made again by themselves. {_LOGGED}")]

    # Its time.

    def extend(self, until: datetime, *, sooner: bool) -> None:
        """Have it end then.

        :param sooner: also if that is sooner than it would.
        """
        if sooner:
            self.until = until
        elif self.until is not None:
            self.until = max(until, self.until)
        self._moved.set()
        self._tell()

    @property
    def _is_over(self) -> bool:
        return self.until is not None and datetime.now(UTC) >= self.until

    async def _until_over(self) -> None:
        """End it when its time is over, by the clock: a laptop sleeps."""
        while not self._is_over:
            self._moved.clear()
            wait = SELDOM
            if self.until is not None:
                wait = min(wait, (self.until - datetime.now(UTC)) / timedelta(seconds=1))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), wait)
        self._ending = self._start_ending("Its time is over.")

    # The way down.

    async def end(self) -> None:
        """End it, and return when nothing of it is left. May be called again."""
        self._ending = self._start_ending()
        await asyncio.shield(self._ending)

    def _start_ending(self, why: str = "") -> "asyncio.Task[None]":
        if self._ending is not None:
            return self._ending
        loop = asyncio.get_running_loop()
        return loop.create_task(self._end(why), name=f"end of {self.id}")

    async def _end(self, why: str) -> None:
        self._shut("ended", why)
        await cancelled(self._timer, self._verifying)
        await self._take_down()


async def to_the_end(checks: AsyncIterator[Check]) -> AsyncIterator[Check]:
    """Those checks; a failed one behind them, if something ended them that nobody had thought of:
    who asked would not be told why it is not shown."""
    try:
        async for check in checks:
            yield check
    except Exception as error:  # noqa: BLE001 (what others answer can be anything)
        yield _no_end(error)


def _no_end(error: Exception, advice: str = _LOGGED) -> Check:
    return unexpected("checks", "failed", "The checks came to no end", error, advice)


def unexpected(
    name: str, verdict: Verdict, says: str, error: Exception, advice: str = _LOGGED
) -> Check:
    """An error that nobody had thought of as what was found; it is logged.

    :param says: what came of it, without a full stop.
    """
    if isinstance(error, RemoteTunnelError):  # which has words for people
        known = failed(name, error)
        return replace(known, verdict=verdict, says=f"{says}. {known.says}")
    says = f"{says}: something was not expected."
    loop = asyncio.get_running_loop()
    loop.call_exception_handler({"message": says, "exception": error})
    detail = plain(f"{type(error).__name__}: {error}", 300)
    return Check(name, verdict, says, advice=advice, details=(detail,))


async def cancelled(*tasks: "asyncio.Task[None] | None") -> None:
    """Cancel those that there are, and wait until they have ended."""
    there = [task for task in tasks if task is not None]
    for task in there:
        task.cancel()
    if there:
        await asyncio.wait(there)


def listens(tunnel: TunnelStatus) -> bool:
    """Whether its first forward listens for us now, and has its connection."""
    forward = tunnel.forwards[0]
    has_failed = forward.error is not None and forward.error_at is None
    return tunnel.state == State.OPEN and forward.bound is not None and not has_failed


def _sign(tunnel: TunnelStatus) -> object:
    """What differs when a tunnel was lost or opened again, however fast."""
    return tunnel.state, tunnel.since, listens(tunnel)
