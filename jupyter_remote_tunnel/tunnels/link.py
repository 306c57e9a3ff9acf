"""The link: one supervised SSH connection to one resolved hop, shared by all tunnels whose route
ends there.
 A link's key is its route. The link to the hop before is leased for as long as the link has users,
so a route is a chain of links, and two routes through one jump host share that part. A link without
users closes.
 `connect()` is one attempt, shared by all who ask while it runs. Who wants more calls
`keep_trying()`: it retries with back-off until the connection is there or an error says that no
retry helps. Users hear of it through `LinkUser`.
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ..model.errors import Fatal, RemoteTunnelError, Transient
from ..model.settings import EngineSettings
from ..ssh.connection import Connection, open_connection
from ..ssh.hop import Hop
from ..ssh.window import ByteBudget
from .backoff import backoff
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

    def link_up(self, connection: Connection) -> None:
        """The connection is there (again)."""

    def link_lost(self, error: RemoteTunnelError) -> None:
        """The connection went away; it is tried again, at `Link.next_try`."""

    def link_retries(self, error: RemoteTunnelError) -> None:
        """Another try failed, and another follows, at `Link.next_try`."""

    def link_failed(self, error: RemoteTunnelError) -> None:
        """No further try follows."""


class Link:
    """One supervised connection. Made and ended by a `LinkPool`."""

    def __init__(
        self, route: Route, parent: "Link | None", settings: EngineSettings, budget: ByteBudget
    ) -> None:
        self.route = route
        self.parent = parent
        self.connection: Connection | None = None
        self.rtt: float | None = None
        self.next_try: datetime | None = None
        self._settings = settings
        self._budget = budget
        self._runs_commands = settings.session_exec == "auto"
        self._users: list[LinkUser] = []
        self._tasks = Tasks()
        self._attempt: asyncio.Task[Connection] | None = None
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

    async def connect(self) -> Connection:
        """The connection: the one that is there, or a new one. One attempt, shared by all who wait.

        :raises RemoteTunnelError: the attempt failed.
        """
        if self.connection is not None:
            return self.connection
        if self._attempt is None:
            self._attempt = self._tasks.spawn(self._connect(), f"connect {self.hop}")
            # The failure reaches those who wait; a link whose last user left has nobody to tell.
            self._attempt.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._try_now.set()
        # Shielded: a user that gives up must not end the attempt of the others.
        return await asyncio.shield(self._attempt)

    async def _connect(self) -> Connection:
        try:
            via = None if self.parent is None else await self.parent.connect()
            connection = await open_connection(self.hop, via=via, budget=self._budget)
        finally:
            self._attempt = None
        self.connection = connection
        self._tasks.start(self._watch(connection), f"watch {self.hop}")
        for user in tuple(self._users):
            user.link_up(connection)
        return connection

    async def _watch(self, connection: Connection) -> None:
        """Wait for the end of the connection and tell. Meanwhile, what nobody has to wait for."""
        self._tasks.start(self._measure(connection), f"round trip {self.hop}")
        if self._runs_commands:
            self._tasks.start(self._hurry(connection), f"session {self.hop}")
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

    async def _hurry(self, connection: Connection) -> None:
        """A host that answers a command with something else is not asked for one again."""
        try:
            self._runs_commands = await connection.hurry()
        except RemoteTunnelError as error:
            self._runs_commands = not isinstance(error, Fatal)
            log.debug("%s: no session: %s", self.hop, error)

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

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._budget = ByteBudget(settings.byte_budget)
        self._links: dict[Route, Link] = {}
        self._holders: dict[Route, int] = {}

    def lease(self, route: Route) -> Lease:
        """The link at the end of `route`, made if there is none. It is not connected by this."""
        link = self._links.get(route)
        if link is None:
            parent = self.lease(route[:-1]).link if len(route) > 1 else None
            link = self._links[route] = Link(route, parent, self._settings, self._budget)
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
