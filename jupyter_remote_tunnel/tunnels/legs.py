"""The far legs of a tunnel: what machines behind a firewall offer on its host as the ports that its
forwards lead to, and whether they are there.

`localhost:5006` as the destination of a forward is what is offered as 5006 on the host, if anything
is, and else that port of its loopback. Once an offer is known streams go to it alone, as another
user of the host could listen on the port. Each offer is tried every keepalive interval (or sooner,
when a stream failed), so that its state is right within the keepalive time.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ..model.offer import Offer
from ..model.status import ErrorStatus, FarLeg
from ..ssh.connection import Connection
from ..ssh.forward import Forward, LocalForward
from ..ssh.offered import Leg, try_leg
from .link import Link
from .snapshot import iso
from .tasks import Tasks

_INTERVAL = 15.0
"""Seconds between two tries where the connection has no keepalive."""

_SOON = 1.0
"""Seconds between two tries where a stream fails through a leg that was believed to be up: that is
news. What is known to be down is asked for more seldom, however many streams try.
"""

_LOOKS, _LOOK_EVERY = 2, 4
"""So many first tries that find a leg down, and of later ones one of so many, also look whether it
is offered elsewhere now, or no more.
"""

_LISTED_WITHIN = 2.0
"""Seconds for which the streams of a new tunnel wait to know what is offered on its host. They wait
and not who opens it: some hosts take long to run a command.
"""

_PATIENT_TRIES, _SELDOM = 20, 4
"""After so many tries that found a leg down, its next ones come so many times more seldom: a stale
sshd keeps each of them.
"""


_SILENT = 3.0
"""Seconds after which those that are tried do not wait for one another any more."""


def legs_of(
    forwards: Sequence[Forward], tasks: Tasks, changed: Callable[[], None]
) -> "Legs | None":
    """Those of these forwards, None where none of them leads to what could be offered."""
    offered = [
        forward
        for forward in forwards
        if isinstance(forward, LocalForward) and forward.offered_port is not None
    ]
    return Legs(offered, tasks, changed) if offered else None


class Legs:
    """See the module. `follow` begins with each connection, and `lost` ends it.

    :param forwards: each leads to what could be offered.
    :param changed: called when the `far` of a forward has changed.
    """

    def __init__(
        self, forwards: Sequence[LocalForward], tasks: Tasks, changed: Callable[[], None]
    ) -> None:
        self._forwards = forwards
        self._tasks = tasks
        self._changed = changed
        self._following: asyncio.Task[None] | None = None
        self._known = asyncio.Event()
        self._stirred, self._doubted = asyncio.Event(), asyncio.Event()
        self._failures: list[datetime | None] = [None] * len(forwards)
        self._tries_down = dict.fromkeys(self._forwards, 0)
        self._rests = dict.fromkeys(self._forwards, 0)
        self._trying: dict[LocalForward, asyncio.Task[bool]] = {}
        self._decide(False)

    def follow(self, link: Link, connection: Connection) -> None:
        """Find what is offered, and watch it until the connection is lost."""
        self.lost()
        name = f"far legs on {connection.hop}"
        self._following = self._tasks.begin(self._follow(link, connection), name)

    async def known(self, seconds: float) -> None:
        """Wait until it is known what is offered and how it is, but not for longer."""
        await _within(seconds, self._known)

    def lost(self) -> None:
        """Without the connection nothing is known of what is behind it."""
        if self._following is not None:
            self._following.cancel()
            self._following = None
        for trying in self._trying.values():
            trying.cancel()
        self._trying.clear()
        for forward in self._forwards:
            self._put(forward, Leg("unknown"))

    def stir(self) -> None:
        """A stream may have failed: the reason is looked for."""
        before, self._failures = self._failures, [f.failed_at for f in self._forwards]
        for forward, last, now in zip(self._forwards, before, self._failures, strict=True):
            if now != last:
                self._stirred.set()
                if now is not None and forward.far is not None and forward.far.state == "up":
                    self._doubted.set()

    async def _follow(self, link: Link, connection: Connection) -> None:
        ask_after, may_stay_away = connection.hop.signs_of_life
        interval = ask_after or _INTERVAL
        patience = interval * may_stay_away
        timer = asyncio.get_running_loop().call_later(_LISTED_WITHIN, self._decide, True)
        try:
            self._take(await link.listing.offers())
        finally:
            timer.cancel()
            self._decide(True)
        # What is being made has its socket before its description.
        is_missed = any(f.offer is not None and not f.offer.name for f in self._forwards)
        tried = self._forwards
        while True:
            is_missed |= await self._try_all(tried, connection, patience)
            if is_missed or any(f.offer is None and f.failed_at for f in self._forwards):
                is_missed = False
                offers = await link.listing.look_again()
                if offers is not None and self._take(offers, are_all=True):
                    await self._try_all(self._forwards, connection, patience)
            if not self._trying:
                self._known.set()
            await self._pause(interval)
            tried = self._forwards if self._stirred.is_set() else self._due()

    def _decide(self, is_decided: bool) -> None:
        """Whether it is known by now to where streams lead."""
        for forward in self._forwards:
            forward.decide(is_decided)

    def _take(self, offers: Mapping[int, Offer], *, are_all: bool = False) -> bool:
        """What was found to be offered, and whether that is news. `are_all`: nothing else is."""
        is_news = False
        for forward in self._forwards:
            offer = offers.get(forward.offered_port or 0)
            if offer is None and are_all and forward.offer is not None:
                offer = replace(forward.offer, stands=False)
            if offer is not None and offer != forward.offer:
                forward.offer = offer
                forward.far = _far(offer, forward.far)
                self._tries_down[forward] = 0
                is_news = True
                self._changed()
        return is_news

    def _due(self) -> list[LocalForward]:
        """Those that do not rest this time."""
        due = [forward for forward, rests in self._rests.items() if not rests]
        for forward, rests in self._rests.items():
            self._rests[forward] = max(0, rests - 1)
        return due

    async def _try_all(
        self, forwards: Sequence[LocalForward], connection: Connection, patience: float
    ) -> bool:
        """Whether to look what is offered now. One that is silent for long is left to be tried, and
        the others are tried meanwhile.
        """
        for forward in forwards:
            if forward not in self._trying:
                trying = self._try(forward, connection, patience)
                self._trying[forward] = self._tasks.begin(trying, f"try far leg {forward.spec}")
        if self._trying:
            await asyncio.wait(self._trying.values(), timeout=min(patience, _SILENT))
        tried = [forward for forward, trying in self._trying.items() if trying.done()]
        found = [self._trying.pop(forward).result() for forward in tried]
        return any(found)

    async def _try(self, forward: LocalForward, connection: Connection, patience: float) -> bool:
        """Whether it is another offer than was found, or may be offered elsewhere."""
        offer, port = forward.offer, forward.offered_port
        if offer is None or port is None:
            return False
        leg = await try_leg(connection, port, offer, patience)
        if forward.offer != offer:  # another one was found meanwhile
            return False
        self._put(forward, leg)
        forward.decide(True)
        tries = self._tries_down[forward] + 1 if leg.state in ("down", "unknown") else 0
        self._tries_down[forward] = tries
        self._rests[forward] = _SELDOM - 1 if tries >= _PATIENT_TRIES else 0
        is_another = leg.name not in ("", offer.name)
        return is_another or 0 < tries <= _LOOKS or tries % _LOOK_EVERY == 1

    def _put(self, forward: LocalForward, leg: Leg) -> None:
        far = forward.far
        if far is None:
            return
        error = None if leg.error is None else ErrorStatus.of(leg.error)
        if leg.error is not None:
            forward.leg_is_down(leg.error)
        since = far.since if leg.state == far.state else iso(datetime.now(UTC))
        now = replace(far, state=leg.state, since=since, error=error)
        if now != far:
            forward.far = now
            self._changed()

    async def _pause(self, interval: float) -> None:
        """Wait for the next try; where nothing is offered, until a stream has failed."""
        offered = any(forward.offer is not None for forward in self._forwards)
        self._stirred.clear()
        self._doubted.clear()
        often = interval / 5  # streams can fail a hundred times a second
        soon = min(_SOON, often)
        await asyncio.sleep(soon)
        await _within(often - soon, self._doubted)
        await _within(interval - often if offered else None, self._stirred)


async def _within(seconds: float | None, event: asyncio.Event) -> None:
    """Wait for it, but not for longer."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _far(offer: Offer, before: FarLeg | None) -> FarLeg:
    """An offer as the status shows it, in the state of the one before until it is tried."""
    at = str(offer.address)
    if before is not None:
        return replace(before, at=at, by=offer.by, destination=offer.destination)
    return FarLeg(at, offer.by, offer.destination, "unknown", iso(datetime.now(UTC)))
