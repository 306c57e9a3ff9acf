"""Who has been let in, to which application, through which login.

A *ticket* stands in a URL once, for 30 seconds, and becomes a *session*: the value of a cookie on
the host name of an application (origin view). A *capability* stands in the URL of the path view and
is the same for the same login and application. All three are grants of one login: revoking them
also ends what is going through them at that moment.

A *detour* is no grant: it keeps the place where a browser wanted to go while it fetches a ticket.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

TICKET_SECONDS = 30.0
# As long as Jupyter's own login cookie.
GRANT_SECONDS = 30 * 86400.0
# Of one kind, for one application. A program that sends Jupyter's token and keeps no cookie is
# another login each time, and none of these logs out.
_MAX_GRANTS = 1000
# No login is needed for one, and each holds a URL of up to 64 KiB.
_MAX_DETOURS = 100


@dataclass(eq=False)
class Grant:
    """One way in.

    :param login: the login that it belongs to, see `logins`.
    :param app_id: the application that it opens.
    :param lab: the origin of the JupyterLab that asked, e.g. "http://localhost:8888".
    :param host: the host name where it counts (origin view), else "".
    :param framed: whether its pages stand in a frame of that JupyterLab.
    :param ends: when it expires, in the seconds of the store's clock.
    :param address: of the browser that used it last.
    """

    login: str
    app_id: str
    lab: str
    host: str = ""
    framed: bool = False
    ends: float = 0.0
    address: str = ""
    live: set[asyncio.Task[None]] = field(default_factory=set, repr=False)

    def opens_like(self, other: "Grant") -> bool:
        """Whether both open the same to the same login."""
        mine = (self.login, self.app_id, self.lab, self.host, self.framed)
        return mine == (other.login, other.app_id, other.lab, other.host, other.framed)

    def carry(self, task: asyncio.Task[None]) -> None:
        """`task` serves a request of this grant: it is cancelled when the grant is revoked."""
        self.live.add(task)
        task.add_done_callback(self.live.discard)

    def end(self) -> None:
        for task in self.live:
            task.cancel()


class Grants:
    """All grants of this server; they live in memory and end with it.

    :param clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tickets: dict[str, Grant] = {}
        self._sessions: dict[str, Grant] = {}
        self._capabilities: dict[str, Grant] = {}
        self._detours: dict[str, tuple[str, float]] = {}

    def ticket(self, grant: Grant) -> str:
        """A new ticket for `grant`."""
        return self._add(self._tickets, grant, TICKET_SECONDS)

    def enter(self, ticket: str, host: str, held: Iterable[str], *, framed: bool) -> str | None:
        """Use up a ticket on a host: a session's cookie value, None if it is no good.

        A session like it that the browser holds already, one of the values `held`, goes on.
        """
        grant = self._tickets.pop(ticket, None)
        if grant is None or grant.host != host or grant.ends <= self._clock():
            return None
        entered = replace(grant, framed=framed, live=set())
        for value in held:
            old = self._find(self._sessions, value)
            if old is not None and old.opens_like(entered):
                return value
        return self._add(self._sessions, entered, GRANT_SECONDS)

    def session(self, values: Iterable[str], host: str) -> Grant | None:
        """The session of one of these cookie values, if it counts on that host."""
        for value in values:
            grant = self._find(self._sessions, value)
            if grant is not None and grant.host == host:
                return grant
        return None

    def framed_at(self, host: str, address: str | None = None) -> Grant | None:
        """The session on a host, its pages in a frame, that was used last.

        :param address: from where it was; None is from anywhere.
        """
        for grant in reversed(self._sessions.values()):
            fits = grant.framed and grant.host == host and address in (None, grant.address)
            if fits and grant.ends > self._clock():
                return grant
        return None

    def detour(self, uri: str) -> str:
        """Keep `uri`, a path with its query, as long as a ticket counts; what `way_back` takes."""
        if len(self._detours) == _MAX_DETOURS:
            del self._detours[next(iter(self._detours))]
        value = secrets.token_hex(16)
        self._detours[value] = uri, self._clock() + TICKET_SECONDS
        return value

    def way_back(self, detour: str) -> str | None:
        """The place of a detour, once; None if there is none, or it was too long ago."""
        uri, ends = self._detours.pop(detour, ("", 0.0))
        return uri if ends > self._clock() else None

    def capability(self, login: str, app_id: str, lab: str) -> str:
        """The capability of this login for this application, 128 bits in hex; made if need be."""
        for value, grant in self._capabilities.items():
            if (grant.login, grant.app_id) == (login, app_id) and grant.ends > self._clock():
                return value
        return self._add(self._capabilities, Grant(login, app_id, lab), GRANT_SECONDS)

    def capable(self, capability: str) -> Grant | None:
        """The grant of a capability, if it is good."""
        return self._find(self._capabilities, capability)

    def revoke_login(self, login: str) -> None:
        """A person logged out: everything of that login ends."""
        self._revoke(lambda grant: grant.login == login)

    def revoke_app(self, app_id: str) -> None:
        """A tunnel was closed: everything that leads to its application ends."""
        self._revoke(lambda grant: grant.app_id == app_id)

    async def close(self) -> None:
        """End everything and wait until it has ended."""
        stores = (self._sessions, self._capabilities)
        live = [task for store in stores for grant in store.values() for task in grant.live]
        self._revoke(lambda _: True)
        await asyncio.gather(*live, return_exceptions=True)

    def _add(self, store: dict[str, Grant], grant: Grant, seconds: float) -> str:
        self._revoke(lambda old: old.ends <= self._clock())
        like = [value for value, old in store.items() if old.app_id == grant.app_id]
        if len(like) == _MAX_GRANTS:
            store.pop(like[0]).end()
        value = secrets.token_hex(16)
        grant.ends = self._clock() + seconds
        store[value] = grant
        return value

    def _find(self, store: dict[str, Grant], value: str) -> Grant | None:
        grant = store.get(value)
        if grant is None or grant.ends <= self._clock():
            return None
        store[value] = store.pop(value)  # in the order of their last use
        return grant

    def _revoke(self, which: Callable[[Grant], bool]) -> None:
        for store in (self._tickets, self._sessions, self._capabilities):
            for value in [value for value, grant in store.items() if which(grant)]:
                store.pop(value).end()
