"""One publication: its outside server, its tunnel, and when it is shown.

open():        the outside server listens, shut → the tunnel → the way through the public name
               is tried → it is shown, until its time is over
tunnel lost:   shut at once; when the tunnel is open again all is checked again, and then shown,
               unless another machine has been published by that name meanwhile
socket gone:   where another has taken its place on the gateway: as if the tunnel were lost
end():         nothing listens, nobody is connected
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from ..engine.private import PrivateDirectory
from ..model.errors import RemoteTunnelError
from ..model.publication import Check, PublicationState, PublishRequest, Visitor
from ..model.text import plain
from ..publish.exposure import exposed
from .gateway_leg import GatewayLeg
from .lifetime import SELDOM, Lifetime, cancelled, unexpected
from .looking import RENEWAL, Looking, failed
from .outside import Door, Gate
from .probes import WELL_KNOWN

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

    from ..engine.messages import Who
    from .engine import HeldEngine
    from .listening import Listener

_DAY = timedelta(days=1)
_LOOK = 30.0
"""Seconds after which it is seen whether the socket on the gateway is still ours."""
_NO_SOCKETS = (  # its folder was looked at
    "Whether it makes a socket there is decided by AllowStreamLocalForwarding, AllowTcpForwarding"
    " and DisableForwarding in its sshd_config, and by restrictions of your key in authorized_keys."
    " Ask who runs it; where sockets alone are forbidden, take a port of its loopback with"
    " --tcp PORT."
)


class Published(Lifetime):
    """See the module. `changed` is called when its state did."""

    def __init__(
        self,
        request: PublishRequest,
        looked: Looking,
        server: "ServerApp",
        engine: "HeldEngine",
        until: datetime,
        changed: "Callable[[Published], None]",
        look: Callable[[], AsyncIterator[Check]],
    ) -> None:
        """:param looked: it has gone through its checks, and none failed.
        :param look: the checks before anything opens, one after the other.
        """
        super().__init__(request, until, changed)
        self._server = server
        proxied = request.way == "proxy"
        door = Door(request.authority, server.base_url, proxied=proxied, apps=looked.apps)
        self._gate = Gate(server.web_app, door)
        self._listener: Listener | None = None
        self._folder: PrivateDirectory | None = None
        self._local_socket: Path | None = None
        self._looked = looked
        self._look = look
        self._leg = GatewayLeg(self.id, request, engine, looked.socket)
        self._renewing: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    @override
    def url(self) -> str:
        return self._gate.door.url

    @property
    @override
    def visitors(self) -> tuple[Visitor, ...]:
        return self._gate.visitors

    @property
    @override
    def exposed(self) -> tuple[str, ...]:
        return exposed(self.request, self.url)

    # The way up.

    @override
    def _opened(self) -> None:
        self._looked.listens = True
        loop = asyncio.get_running_loop()
        if self._looked.socket:
            self._watching = loop.create_task(self._watch(), name=f"look at {self.id}")
        if self._looked.fetches:
            again = daily(self._renew)
            self._renewing = loop.create_task(again, name=f"certificate of {self.id}")
        super()._opened()

    @override
    async def _steps(self, person: "Who | None") -> AsyncIterator[Check]:
        try:
            sockets = self._listen()
        except OSError as error:
            from .listening import why_not_here

            yield await why_not_here(self.request.public_port, error)
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
            refused = await self._open_leg(person)
            if refused is not None:
                yield refused
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

    async def _open_leg(self, person: "Who | None") -> Check | None:
        """Open the tunnel; why it is not open."""
        assert self._local_socket is not None
        try:
            self.tunnel = await self._leg.open(self._local_socket, person)
        except RemoteTunnelError as error:
            found = failed("tunnel", error)
            makes_none = error.code == "forward_refused" and self._looked.socket
            return replace(found, advice=_NO_SOCKETS) if makes_none else found
        return None

    async def _way_in(self) -> AsyncIterator[Check]:
        """Try the way through the public name; the gate is shut meanwhile to all others."""
        from ..publish.names import any_app
        from ..publish.probing import Way, check_apps, checks

        if self.tunnel is not None:
            bound = await self._leg.where_bound(self.tunnel)
            yield bound
            if bound.verdict == "failed":
                return
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
            way = replace(way, url=url, host=host)
            found, self._gate.shows_apps = await check_apps(way, door.apps)
            yield found

    # What becomes of it.

    @override
    def _show(self) -> None:
        self._gate.is_open = True
        self._become("shown")

    @override
    def _shut(self, state: PublicationState, problem: str) -> None:
        self._gate.is_open = False
        if self._listener is not None:
            self._listener.cut()
        self._stop_verifying()
        self._become(state, problem)

    @override
    async def _checks_again(self) -> list[Check]:
        found = [check async for check in self._look()]
        for more in (self._taken_meanwhile, self._way_in):
            if all(check.verdict != "failed" for check in found):
                found += [check async for check in more()]
        return found

    async def _taken_meanwhile(self) -> AsyncIterator[Check]:
        """Whether another Jupyter has the name. Where ours has its place it would be this one."""
        if await self._leg.is_displaced():
            async for check in self._looked.taken():
                yield check

    async def _watch(self) -> None:
        """See whether the site still leads to our socket; have a new one made where it is gone, and
        all checked again."""
        settled = ("shown", "held_back")
        while True:
            await asyncio.sleep(_LOOK)
            if self.state in settled and await self._leg.is_gone() and self.state in settled:
                socket = plain(self._looked.socket, 200)
                self._shut("checking", f"Something else has taken the place of {socket}.")
                try:
                    await self._leg.anew()
                except RemoteTunnelError as error:
                    if self.state == "checking":  # else its status has told more
                        self._become("held_back", error.message)

    async def _renew(self) -> None:
        """Bring the gateway's certificate here, if it is another one and can be used; it counts for
        the next connection. What is found takes the place of what was; the next day it is tried
        again, whatever it was that came in between."""
        try:
            found = await self._looked.renewed()
        except Exception as error:  # noqa: BLE001 (nobody would ask for it ever again)
            says = "The gateway's certificate was not brought here again"
            found = [unexpected(RENEWAL, "note", says, error)]
        for check in found:
            if check.name == RENEWAL:
                self._server.log.warning("%s: %s", self.request.authority, check.says)
        names = {check.name for check in found} | {RENEWAL}
        self.checks = [*(check for check in self.checks if check.name not in names), *found]
        self._tell()

    # The way down.

    @override
    async def _take_down(self) -> None:
        if self._listener is not None:
            self._listener.close()
        await cancelled(self._renewing, self._watching)
        if self.tunnel is not None:
            with contextlib.suppress(RemoteTunnelError):
                await self._leg.close(self.tunnel)
        if self._folder is not None:
            self._folder.remove()


async def daily(
    work: Callable[[], Awaitable[None]], *, every: timedelta = _DAY, look: float = SELDOM
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
