"""One publication: its outside server, its tunnel, and when it is shown.

open():        the outside server listens, shut → the tunnel → the way through the public name
               is tried → it is shown, until its time is over
tunnel lost:   shut at once; when the tunnel is open again all is checked again, and then shown
end():         nothing listens, nobody is connected
"""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.private import PrivateDirectory
from ..model.errors import RemoteTunnelError
from ..model.publication import Check, Publication, PublicationState, PublishRequest
from ..model.state import State
from ..model.status import TunnelStatus
from ..publish.exposure import exposed
from .gateway_leg import GatewayLeg, listens
from .looking import Looking, failed
from .outside import Door, Gate
from .probes import WELL_KNOWN
from .protection import protection_checks

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

    from ..engine.messages import Who
    from .engine import HeldEngine
    from .listening import Listener

Tell = Callable[[Check], None]

_AGAIN = 10.0
_SELDOM = 60.0
_DAY = timedelta(days=1)


class Published:
    """See the module. `changed` is called when its state did."""

    def __init__(
        self,
        request: PublishRequest,
        looked: Looking,
        server: "ServerApp",
        engine: "HeldEngine",
        until: datetime,
        changed: "Callable[[Published], None]",
    ) -> None:
        """:param looked: it has gone through its checks, and none failed."""
        self.id = secrets.token_hex(6)
        self.request = request
        self.until = until
        self.state: PublicationState = "opening"
        self.checks: list[Check] = []
        self.tunnel: TunnelStatus | None = None
        self._problem = ""
        self._since = datetime.now(UTC)
        self._server = server
        self._changed = changed
        proxied = request.way == "proxy"
        door = Door(request.authority, server.base_url, proxied=proxied, apps=looked.apps)
        self._gate = Gate(server.web_app, door)
        self._listener: Listener | None = None
        self._folder: PrivateDirectory | None = None
        self._local_socket: Path | None = None
        self._looked = looked
        self._leg = GatewayLeg(self.id, request, engine, looked.socket)
        self._moved = asyncio.Event()
        self._verifying: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
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
            url=self._gate.door.url,
            state=self.state,
            since=self._since.isoformat(timespec="seconds"),
            until=self.until.isoformat(timespec="seconds"),
            tunnel=None if self.tunnel is None else self.tunnel.id,
            checks=tuple(self.checks),
            visitors=self._gate.visitors,
            exposed=exposed(self.request, self._gate.door.url),
            problem=self._problem,
        )

    # The way up.

    async def open(self, person: "Who | None", tell: Tell) -> bool:
        """Open it, all or nothing: whether it is shown. `checks` says why not.

        :param person: who can be asked what the gateway wants to know.
        """
        try:
            async for check in self._steps(person):
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
        if self._looked.fetches:
            again = daily(self._renew)
            self._renewing = loop.create_task(again, name=f"certificate of {self.id}")
        if self.tunnel is None or listens(self.tunnel):
            self._show()
        else:  # it was lost in this moment
            self._shut("reconnecting", "")

    async def _steps(self, person: "Who | None") -> AsyncIterator[Check]:
        try:
            sockets = self._listen()
        except OSError as error:
            yield self._port_is_not_ours(error)
            return
        except RemoteTunnelError as error:
            yield failed("socket", error)
            return
        from .listening import Listener

        request, server = self.request, self._server
        self._listener = Listener(
            self._gate,
            self._looked.certificate,
            introduced=request.way != "direct",
            max_body_size=server.max_body_size,
            max_buffer_size=server.max_buffer_size,
        )
        self._listener.open(sockets)
        if request.way != "direct":
            bound = await self._open_leg(person)
            yield bound
            if bound.verdict == "failed":
                return
        async for check in self._way_in():
            yield check

    def _listen(self) -> list[socket.socket]:
        from tornado.netutil import bind_unix_socket

        from .listening import on_all_interfaces

        if self.request.way == "direct":
            return on_all_interfaces(self.request.public_port)
        # Not the engine's: one that is started anew removes what it finds there.
        self._folder = PrivateDirectory.make()
        self._local_socket = self._folder.path / "outside"
        return [bind_unix_socket(str(self._local_socket), mode=0o600)]

    def _port_is_not_ours(self, error: OSError) -> Check:
        port = self.request.public_port
        return Check(
            "port",
            "failed",
            f"This machine does not listen on port {port}: {error.strerror or error}.",
            advice="Choose another one with --port; those below 1024 are for root.",
        )

    async def _open_leg(self, person: "Who | None") -> Check:
        assert self._local_socket is not None
        try:
            self.tunnel = await self._leg.open(self._local_socket, person)
        except RemoteTunnelError as error:
            return failed("tunnel", error)
        return self._leg.where_bound(self.tunnel)

    async def _way_in(self) -> AsyncIterator[Check]:
        """Try the way through the public name; the gate is shut meanwhile to all others."""
        from ..publish.names import any_app
        from ..publish.probing import Way, check_apps, checks

        if self.tunnel is not None:
            misplaced = await self._leg.settle()
            if misplaced is not None:
                yield misplaced
                return
        door, verified = self._gate.door, not self.request.self_signed
        with self._gate.expecting() as nonce:
            url = f"{door.url}{WELL_KNOWN}{nonce.text}"
            way = Way(url, nonce.text, door.authority, verified=verified, proxied=door.proxied)
            is_in = True
            async for check in checks(way):
                is_in = is_in and check.verdict != "failed"
                yield check
            if door.apps is None or not is_in:
                return
            host = door.authority.replace(self.request.name, any_app(door.apps))
            url = f"https://{host}{door.base_url}{WELL_KNOWN}{nonce.text}"
            found = await check_apps(replace(way, url=url, host=host), door.apps)
            self._gate.shows_apps = found.verdict == "ok"
            yield found

    # What becomes of it.

    def hear(self, tunnel: TunnelStatus) -> None:
        """Its tunnel has another status."""
        before, self.tunnel = self.tunnel, tunnel
        if self.state in ("opening", "ended") or before is None or _sign(tunnel) == _sign(before):
            return
        error = tunnel.error or tunnel.forwards[0].error
        self._shut("reconnecting", "" if error is None else error.message)
        if listens(tunnel):
            loop = asyncio.get_running_loop()
            again = self._verify_again()
            self._verifying = loop.create_task(again, name=f"checks of {self.id} again")

    def forget(self) -> None:
        """Its tunnel was closed."""
        if self.state not in ("opening", "ended"):
            self._ending = self._start_ending("Its tunnel was closed.")

    def lose(self) -> None:
        """Nobody knows of its tunnel: the engine has ended."""
        if self.state not in ("opening", "ended") and self.request.way != "direct":
            self._shut("reconnecting", "The engine of the tunnels ended, and is started again.")
            if self.tunnel is not None:
                self.tunnel = replace(self.tunnel, state=State.RECONNECTING)

    def _show(self) -> None:
        self._gate.is_open = True
        self._become("shown")

    def _shut(self, state: PublicationState, problem: str) -> None:
        """Show nothing more, and let go of everybody."""
        self._gate.is_open = False
        if self._listener is not None:
            self._listener.cut()
        if self._verifying is not None:
            self._verifying.cancel()
        self._become(state, problem)

    def _become(self, state: PublicationState, problem: str = "") -> None:
        if (state, problem) != (self.state, self._problem):
            self.state, self._problem = state, problem
            self._since = datetime.now(UTC)
            self._changed(self)

    async def _verify_again(self) -> None:
        """After a lost connection: check until nothing fails, and show it."""
        pause = _AGAIN
        while not self._is_over:
            self._become("checking")
            found = await self._checks_again()
            self.checks = found
            wrong = [check.says for check in found if check.verdict == "failed"]
            if not wrong:
                self._show()
                return
            self._become("held_back", wrong[0])
            await asyncio.sleep(pause)
            pause = min(2 * pause, _SELDOM)

    async def _checks_again(self) -> list[Check]:
        if self._looked.fetches:
            await self._renew()
        found = [check async for check in protection_checks(self._server, self.request)]
        if all(check.verdict != "failed" for check in found):
            found += [check async for check in self._way_in()]
        return found

    async def _renew(self) -> None:
        """Bring the gateway's certificate here, if it is another one and can be used; it counts for
        the next connection."""
        with contextlib.suppress(RemoteTunnelError):
            await self._looked.fetch()

    def extend(self, until: datetime) -> None:
        """Have it end then."""
        self.until = until
        self._moved.set()
        self._changed(self)

    @property
    def _is_over(self) -> bool:
        return datetime.now(UTC) >= self.until

    async def _until_over(self) -> None:
        """End it when its time is over, by the clock: a laptop sleeps."""
        while not self._is_over:
            self._moved.clear()
            left = (self.until - datetime.now(UTC)) / timedelta(seconds=1)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), min(_SELDOM, left))
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
        if self._listener is not None:
            self._listener.close()
        own = (self._timer, self._verifying, self._renewing)
        tasks = [task for task in own if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self.tunnel is not None:
            with contextlib.suppress(RemoteTunnelError):
                await self._leg.close(self.tunnel)
        if self._folder is not None:
            self._folder.remove()


async def daily(
    work: Callable[[], Awaitable[None]], *, every: timedelta = _DAY, look: float = _SELDOM
) -> None:
    """Do it a day from now and then each day, by the clock: a laptop sleeps.

    :param look: seconds after which the clock is looked at.
    """
    after = datetime.now(UTC) + every
    while True:
        await asyncio.sleep(look)
        if datetime.now(UTC) >= after:
            await work()
            after = datetime.now(UTC) + every


def _sign(tunnel: TunnelStatus) -> object:
    """What differs when a tunnel was lost or opened again, however fast."""
    return tunnel.state, tunnel.since, listens(tunnel)
