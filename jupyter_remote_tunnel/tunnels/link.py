"""The link: one supervised SSH connection to one resolved hop, shared by all tunnels whose route
ends there.

A link's key is its route. The link to the hop before is leased for as long as the link has users,
so a route is a chain of links, and two routes through one jump host share that part. A link without
users closes.

`connect()` is one attempt, shared by all who ask while it runs; what the host asks in it is asked
of those among them who can be asked, once. Who wants more calls `keep_trying()`: it retries with
back-off until the connection is there or an error says that no retry helps, and asks nobody. Users
hear of it through `LinkUser`.
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ..model.errors import RemoteTunnelError, Transient
from ..model.settings import EngineSettings
from ..ssh.connecting import Memory, open_connection
from ..ssh.connection import Connection
from ..ssh.hop import Hop
from ..ssh.identity_files import Keyring
from ..ssh.window import ByteBudget
from .backoff import backoff
from .listing import Listing
from .prompts import Audience, Inquiry, NobodyThere, Prompts, needs_person
from .tasks import Tasks

log = logging.getLogger(__name__)

Route = tuple[Hop, ...]

_LASTING = 5.0
"""Seconds after which a connection counts as a success, if it also lasts twice as long as was
waited for it. Else the waits go on to grow: a host that lets in and hangs up is not called every
second.
"""


class LinkUser(Protocol):
    """What a link tells who uses it. None of these may block or raise."""

    id: str
    """By which a person who is asked knows what for."""

    def link_asks(self) -> None:
        """A person is asked before there is a connection. It may be told again."""

    def link_answered(self) -> None:
        """No person is waited for any more."""

    def link_up(self, connection: Connection) -> None:
        """The connection is there (again)."""

    def link_lost(self, error: RemoteTunnelError) -> None:
        """The connection went away; it is tried again, at `Link.next_try`."""

    def link_retries(self, error: RemoteTunnelError) -> None:
        """Another try failed, and another follows, at `Link.next_try`."""

    def link_failed(self, error: RemoteTunnelError) -> None:
        """No further try follows."""


class _Attempt:
    """One try to connect, and who can be asked in it.

    `asked_nobody` is whether it could have gone further if anybody had been there.
    """

    def __init__(self, audience: Audience) -> None:
        self.audience = audience
        self.inquiry: Inquiry | None = None
        self.asked_nobody = False
        self.task: asyncio.Task[Connection]


@dataclass(frozen=True)
class Shared:
    """What the links of a pool share."""

    settings: EngineSettings
    prompts: Prompts
    budget: ByteBudget
    keyring: Keyring


class Link:
    """One supervised connection. Made and ended by a `LinkPool`."""

    def __init__(self, route: Route, parent: "Link | None", shared: Shared) -> None:
        self.route = route
        self.parent = parent
        self.connection: Connection | None = None
        self.rtt: float | None = None
        self.next_try: datetime | None = None
        self._shared = shared
        self._settings = shared.settings
        self._memory = Memory(shared.keyring)
        self.listing = Listing(self._settings.session_exec == "auto")
        self._users: list[LinkUser] = []
        self._carried: list[Link] = []  # that wait for this one
        self._tasks = Tasks()
        self._attempt: _Attempt | None = None
        self._retry: asyncio.Task[None] | None = None
        self._try_now = asyncio.Event()
        self._waits: Iterator[float] | None = None
        self._wait = 0.0

    @property
    def hop(self) -> Hop:
        return self.route[-1]

    def subscribe(self, user: LinkUser) -> None:
        """Tell `user` what happens from now on."""
        self._users.append(user)

    def unsubscribe(self, user: LinkUser) -> None:
        """Tell `user` nothing more."""
        if user in self._users:
            self._users.remove(user)

    async def connect(
        self, audience: Audience | None = None, *, afresh: bool = False
    ) -> Connection:
        """The connection: the one that is there, or a new one. One attempt, shared by all who wait.

        :param audience: who can be asked, now or while it runs; None is nobody.
        :param afresh: a new attempt forgets the host keys that were accepted for once.
        :raises RemoteTunnelError: the attempt failed.
        """
        if self.connection is not None:
            return self.connection
        if audience is None:
            audience = self._shared.prompts.audience()
        attempt = self._join(audience, afresh)
        try:
            # Shielded: a user that gives up must not end the attempt of the others.
            return await asyncio.shield(attempt.task)
        except RemoteTunnelError as error:
            in_vain = attempt.asked_nobody and needs_person(error)
            if not (in_vain and self._shared.prompts.there(audience)):
                raise
        # Begun by nobody, as in the background, and joined by somebody who can be asked.
        return await self.connect(audience, afresh=afresh)

    def _join(self, audience: Audience, afresh: bool) -> _Attempt:
        """The attempt that runs, or a new one."""
        if self._attempt is None:
            if afresh:
                self._memory = Memory(self._shared.keyring)
            self._attempt = attempt = _Attempt(self._shared.prompts.audience())
            attempt.audience.include(audience)
            attempt.task = self._tasks.spawn(self._connect(attempt, afresh), f"connect {self.hop}")
            # The failure reaches those who wait; a link whose last user left has nobody to tell.
            attempt.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        else:
            attempt = self._attempt
            attempt.audience.include(audience)
            if self.asking:
                self._tell_asking(True)
        self._try_now.set()
        return attempt

    async def _connect(self, attempt: _Attempt, afresh: bool) -> Connection:
        try:
            via = None
            if self.parent is not None:
                via = await self.parent.carry(self, attempt.audience, afresh=afresh)
            connection = await self._open(via, attempt)
        except NobodyThere:
            attempt.asked_nobody = True
            raise
        finally:
            self._attempt = None
        self.connection = connection
        self.listing.begin(connection, self._tasks)
        self._tasks.start(self._watch(connection), f"watch {self.hop}")
        for user in tuple(self._users):
            user.link_up(connection)
        return connection

    async def carry(self, link: "Link", audience: Audience, *, afresh: bool) -> Connection:
        """`connect` for a link whose connection this one is to carry."""
        self._carried.append(link)
        try:
            return await self.connect(audience, afresh=afresh)
        finally:
            self._carried.remove(link)

    async def _open(self, via: Connection | None, attempt: _Attempt) -> Connection:
        prompts = self._shared.prompts
        inquiry = Inquiry(prompts, attempt.audience, self._waiting_ids, self._tell_asking)
        attempt.asked_nobody = not prompts.there(attempt.audience)
        attempt.inquiry = None if attempt.asked_nobody else inquiry
        return await inquiry.run(
            open_connection(
                self.hop,
                via=via,
                budget=self._shared.budget,
                asker=attempt.inquiry,
                memory=self._memory,
                max_prompts=self._settings.max_prompts,
            )
        )

    @property
    def waiting(self) -> list[LinkUser]:
        """Who waits for this connection, or for one that it will carry."""
        return [*self._users, *(user for link in self._carried for user in link.waiting)]

    @property
    def asking(self) -> bool:
        """Whether it, or a hop before, waits for a person."""
        if self._attempt is None:
            return False
        here = self._attempt.inquiry is not None and self._attempt.inquiry.waits
        return here or (self.parent is not None and self.parent.asks_for(self))

    def asks_for(self, link: "Link") -> bool:
        """Whether a person is waited for before this can carry another link."""
        return link in self._carried and self.asking

    def _waiting_ids(self) -> tuple[str, ...]:
        return tuple(user.id for user in self.waiting)

    def _tell_asking(self, asks: bool) -> None:
        for user in self.waiting:
            if asks:
                user.link_asks()
            else:
                user.link_answered()

    async def _watch(self, connection: Connection) -> None:
        """Wait for the end of the connection and tell. Meanwhile, what nobody has to wait for."""
        self._tasks.start(self._measure(connection), f"round trip {self.hop}")
        began = time.monotonic()
        # Shielded: a link that closes waits no longer; the connection has yet to say its reason.
        error = await asyncio.shield(connection.lost)
        if time.monotonic() - began > max(_LASTING, 2 * self._wait):
            self._waits = None
        self.connection = None
        self.rtt = None
        if not self._users:
            return
        log.info("%s: %s", self.hop, error)
        self.keep_trying()
        for user in tuple(self._users):
            user.link_lost(error)

    async def _measure(self, connection: Connection) -> None:
        try:
            self.rtt = await connection.rtt()
        except RemoteTunnelError as error:
            log.debug("%s: the round trip is not known: %s", self.hop, error)

    def keep_trying(self) -> None:
        """Try in the background until the connection is there or no try can help."""
        if self._retry is None and self.connection is None:
            if self._waits is None:
                self._waits = backoff(self._settings.backoff_first, self._settings.backoff_max)
            retry = self._keep_trying(self._waits, self._plan(self._waits))
            self._retry = self._tasks.spawn(retry, f"retry {self.hop}")

    def _plan(self, waits: Iterator[float]) -> float:
        """Seconds until the next try, which users can read off from now on."""
        self._wait = next(waits)
        self.next_try = datetime.now(UTC) + timedelta(seconds=self._wait)
        return self._wait

    async def _keep_trying(self, waits: Iterator[float], wait: float) -> None:
        refused = 0
        try:
            while True:
                await self._pause(wait)
                error = await self._try()
                if error is None:
                    if self.connection is not None:
                        return
                    wait = self._plan(waits)  # it was lost again in the same moment
                    continue
                refused += not isinstance(error, Transient)
                if not self._may_pass(error, refused):
                    self._waits = None
                    self._tell_failed(error)
                    return
                wait = self._plan(waits)
                for user in tuple(self._users):
                    user.link_retries(error)
        finally:
            self._retry = self.next_try = None

    async def _try(self) -> RemoteTunnelError | None:
        try:
            await self.connect()
        except RemoteTunnelError as error:
            return error
        return None

    def _may_pass(self, error: RemoteTunnelError, refused: int) -> bool:
        """A server that refuses a key after a reboot may take it soon; a host key never mends
        itself.
        """
        if isinstance(error, Transient):
            return True
        return error.code == "auth_failed" and refused < self._settings.refused_attempts

    async def _pause(self, seconds: float) -> None:
        """Wait; cut short when somebody calls `connect()`."""
        self._try_now.clear()
        try:
            await asyncio.wait_for(self._try_now.wait(), seconds)
        except TimeoutError:
            return
        finally:
            self.next_try = None

    def _tell_failed(self, error: RemoteTunnelError) -> None:
        for user in tuple(self._users):
            user.link_failed(error)

    async def close(self) -> None:
        """End the connection, and every try for one."""
        self._users.clear()
        await self._tasks.close()
        if self.connection is not None:
            connection, self.connection = self.connection, None
            await connection.close()


class Lease:
    """The right to use a link, given back by `release()`."""

    def __init__(self, pool: "LinkPool", link: Link) -> None:
        self.link = link
        self._pool = pool
        self._held = True

    async def release(self) -> None:
        """Give it back, once; the last one closes the link."""
        if self._held:
            self._held = False
            await self._pool.give_back(self.link)


class LinkPool:
    """All links, by their route, with how many hold each."""

    def __init__(self, settings: EngineSettings, prompts: Prompts) -> None:
        self._shared = Shared(settings, prompts, ByteBudget(settings.byte_budget), Keyring())
        self._links: dict[Route, Link] = {}
        self._holders: dict[Route, int] = {}

    @property
    def keyring(self) -> Keyring:
        """The keys that a person has unlocked for all links."""
        return self._shared.keyring

    def lease(self, route: Route) -> Lease:
        """The link at the end of `route`, made if there is none. It is not connected by this."""
        link = self._links.get(route)
        if link is None:
            parent = self.lease(route[:-1]).link if len(route) > 1 else None
            link = self._links[route] = Link(route, parent, self._shared)
            self._holders[route] = 0
        self._holders[route] += 1
        return Lease(self, link)

    async def give_back(self, link: Link) -> None:
        """One holder less. A link that nobody holds closes, and gives back the link to its jump
        host.
        """
        if self._links.get(link.route) is not link:
            return  # the pool was closed
        self._holders[link.route] -= 1
        if self._holders[link.route]:
            return
        del self._links[link.route], self._holders[link.route]
        async with AsyncExitStack() as stack:
            if link.parent is not None:
                stack.push_async_callback(self.give_back, link.parent)
            stack.push_async_callback(link.close)

    async def close(self) -> None:
        """Close every link that is still held, the ends of routes first."""
        for route in sorted(self._links, key=len, reverse=True):
            await self._links[route].close()
        self._links.clear()
        self._holders.clear()

    @property
    def size(self) -> int:
        """How many links there are."""
        return len(self._links)
