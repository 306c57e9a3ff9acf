"""One Jupyter of another host, shown by the web server of this machine.

open():        the forward listens at a socket of our own → the way through the public name is tried
               with a server of ours at the socket that the site names → the forward takes its place
tunnel lost:   the site's socket goes at once; when the tunnel is open again all is checked again
another one:   the same where that Jupyter's process has ended or is another one, as its host tells;
               every stream is cut, as it may lead to whoever took the port; where nobody named one,
               what was started in its place may listen elsewhere: the forward leads there then
end():         no socket is left
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

import aiohttp
from typing_extensions import override

from ..apps.jupyter_files import FoundJupyter
from ..apps.jupyter_password import PasswordHash, read_hashes
from ..apps.jupyters import Found, find, has_ended, open_jupyter
from ..engine.messages import Who
from ..model.address import UnixAddress
from ..model.errors import Fatal, RemoteTunnelError, cause
from ..model.forward import ForwardKind, ForwardSpec
from ..model.publication import Check, PublicationState, PullRequest, Visitor
from ..model.spec import TunnelRequest
from ..model.state import State
from ..model.status import TunnelStatus
from ..model.text import plain
from ..publish.exposure import exposed_by_pull
from ..publish.probing import Way, cause_of, checks
from .lifetime import Lifetime, cancelled, listens, to_the_end
from .looking import Engine, failed
from .looking_here import LookingHere
from .outside import Door
from .probes import WELL_KNOWN
from .pulled_jupyter import PulledJupyter, same_or_next
from .pulled_socket import Place, answering

_SECONDS = 20.0
_LOOK = 30.0
"""Seconds after which it is seen whether the socket is still ours."""
_SOON = 5.0
"""Seconds between two looks at that Jupyter, however often there is doubt."""

_GIVEN_UP = (State.FAILED, State.WAITING_FOR_USER)


class Pulled(Lifetime):
    """See the module.

    `tunnel_id` is of the tunnel that there is, or is about to be; "" if there is none.

    :param asked: as checked and understood.
    :param engine: that holds its tunnel, and whose streams do not wait for a connection.
    """

    def __init__(
        self,
        asked: PullRequest,
        engine: Engine,
        until: datetime | None,
        changed: "Callable[[Pulled], None]",
    ) -> None:
        super().__init__(asked.publish, until, changed)
        self._named = asked.destination
        self._engine = engine
        self._host = TunnelRequest(host=asked.publish.gateway, ssh=asked.publish.ssh)
        self.tunnel_id = ""
        self._called = plain(asked.publish.gateway)
        self._found: FoundJupyter | None = None
        self._beside = frozenset[int]()  # pids of what ran there when it was last seen
        self._checked = 0.0
        self._private: TunnelStatus | None = None
        self._place: Place | None = None
        self._watching: asyncio.Task[None] | None = None
        self._living: asyncio.Task[None] | None = None
        self._doubt = asyncio.Event()
        self._is_letting_go = False

    @property
    @override
    def url(self) -> str:
        return f"https://{self.request.authority}{self._base_url}"

    @property
    def _base_url(self) -> str:
        if self._found is None:
            return f"{self.request.prefix.rstrip('/')}/"
        return self._found.base_url

    @property
    @override
    def visitors(self) -> tuple[Visitor, ...]:
        streams = 0 if self.tunnel is None else self.tunnel.forwards[0].streams.open
        since = self._since.isoformat(timespec="milliseconds")
        return (Visitor("", streams, since),) if streams else ()

    @property
    @override
    def exposed(self) -> tuple[str, ...]:
        which = "" if self._found is None else self._found.server.destination
        return exposed_by_pull(self.request, self.url, which)

    # What is looked at before anything listens.

    async def look(self) -> AsyncIterator[Check]:
        """What is found, one after the other. It leaves a private forward open; see `end`."""
        try:
            async for check in self._workstation():
                yield check
        except RemoteTunnelError as error:
            yield failed("workstation", error)
        if self._found is None and not self.request.prefix:
            says = "Which site it needs is known when it is known below which path that Jupyter is."
            yield Check("site", "note", says, advice="Or say so: --prefix /jupyter")
            return
        looking = LookingHere(self.request, self._base_url, self._engine)
        async for check in looking.checks():
            yield check
        if looking.socket and self._place is None:
            self._place = Place(Path(looking.socket), self.id[:6])

    async def _workstation(self) -> AsyncIterator[Check]:
        client = await self._engine.client()
        there = await find(client, self._host)
        yield Check("workstation", "ok", f"{self._called} lets us in.")
        try:
            found = self._choose(there)
        except RemoteTunnelError as error:
            yield failed("jupyter", error)
            return
        if found.secure:
            yield self._speaks_tls()
            return
        # Its token is read again whenever it is needed.
        self._found = replace(found, token="")
        async for check in self._jupyter(found, await self._open_private(found)):
            yield check

    async def _open_private(self, found: FoundJupyter) -> str:
        """A tunnel to it that only we can use: the path of its socket.

        :raises RemoteTunnelError: it does not open.
        """
        client = await self._engine.client()
        name = f"looking at {self._called}"[:100]
        self._private, _ = await open_jupyter(client, self._host, found, name=name)
        return self._private.forwards[0].bound or ""

    def _choose(self, there: Found) -> FoundJupyter:
        """:raises RemoteTunnelError: it is none of these, or which one is not known."""
        if self._named is None and self._found is not None:
            found = same_or_next(there, self._found, self._beside, self._called)
        else:
            # One that is started without --keep ends with a tunnel, and this is not its only one.
            start = f"jupyter tunnel jupyter {self._called} --start --keep"
            found = there.choose(self._named, if_none=f"Start one there: {start}")
        self._beside = frozenset(one.pid for one in there.servers) - {found.server.pid}
        return found

    def _speaks_tls(self) -> Check:
        return Check(
            "jupyter",
            "failed",
            f"The Jupyter on {self._called} speaks https, and the site here speaks http to it.",
            advice="Start it without a certificate: between the two machines SSH carries it.",
        )

    async def _jupyter(self, found: FoundJupyter, socket: str) -> AsyncIterator[Check]:
        hashes: tuple[PasswordHash, ...] = ()
        with contextlib.suppress(RemoteTunnelError):  # they are not known then
            client = await self._engine.client()
            hashes = await read_hashes(client, self.tunnel or self._host, found.server.pid)
        there = PulledJupyter(found, socket, self.request, self._called, hashes)
        async for check in there.checks():
            yield check

    async def installation(self) -> dict[str, object]:
        """The site of the web server here, and what installs it: as `Looking.installation`.

        :raises RemoteTunnelError: no such Jupyter is found, or there is no web server.
        """
        if not self.request.prefix:
            there = await find(await self._engine.client(), self._host)
            self._found = replace(self._choose(there), token="")
        return await LookingHere(self.request, self._base_url, self._engine).installation()

    # The way up.

    @override
    async def _steps(self, person: Who | None) -> AsyncIterator[Check]:
        assert self._place is not None
        assert self._found is not None
        if taken := await self._place.taken():
            yield taken
            return
        try:
            await self._open(self._found, person)
        except RemoteTunnelError as error:
            yield failed("tunnel", error)
            return
        await self._close_private()
        yield Check("tunnel", "ok", f"{self._place.site} leads to {self._called}.")
        async for check in self._way_in():
            yield check

    async def _open(self, found: FoundJupyter, person: Who | None = None) -> None:
        """Open a tunnel from the site's socket to that one.

        :raises RemoteTunnelError: it is not open.
        """
        assert self._place is not None
        forward = ForwardSpec(
            ForwardKind.LOCAL, UnixAddress(str(self._place.hidden)), found.address
        )
        wanted = TunnelRequest(
            host=self._host.host,
            forwards=(str(forward),),
            name=plain(f"published as {self.request.authority}", 100),
            kind="publish",
            ssh=self._host.ssh,
            keeper=found.keeper,
            id=secrets.token_hex(6),
        )
        client = await self._engine.client()
        self.tunnel_id = wanted.id or ""
        self.tunnel = (await client.open_tunnel(wanted, person=person))[0]

    async def _close_private(self) -> None:
        if self._private is not None:
            private, self._private = self._private, None
            with contextlib.suppress(RemoteTunnelError):
                await (await self._engine.client()).close_tunnel(private.id)

    async def _way_in(self) -> AsyncIterator[Check]:
        """Try the way through the public name: to a server of ours, and then to that Jupyter. It is
        shown from then on."""
        assert self._place is not None
        door = Door(self.request.authority, self._base_url, proxied=True)
        is_ours = True
        try:
            with answering(door, self._place) as gate, gate.expecting() as nonce:
                url = f"{door.url}{WELL_KNOWN}{nonce.text}"
                verified = not self.request.self_signed
                way = Way(url, nonce.text, door.authority, verified=verified, proxied=True)
                async for check in checks(way):
                    is_ours = is_ours and check.verdict != "failed"
                    yield check
            if is_ours:
                self._place.show()
                yield await self._shown(way)
        except OSError as error:
            says = f"{self._place.site} cannot be made: {cause(error)}."
            yield Check("socket", "failed", says, advice="Is there room, and is its folder yours?")

    async def _shown(self, way: Way) -> Check:
        """Whether that Jupyter answers by the name."""
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        reason = ""
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"{self.url}api", ssl=way.ssl, allow_redirects=False) as answer,
            ):
                if answer.status != HTTPStatus.OK:
                    reason = f"it answers {answer.status}"
        except (aiohttp.ClientError, OSError) as error:
            reason = cause_of(error)
        if reason:
            says = f"The Jupyter on {self._called} does not answer by its name: {reason}."
            advice = f"Its log on {self._called} says more."
            return Check("answer", "failed", says, advice=advice)
        return Check("answer", "ok", f"{self.url} is answered by the Jupyter on {self._called}.")

    # What becomes of it.

    @override
    def hear(self, tunnel: TunnelStatus) -> None:
        if self._is_letting_go:  # which is no loss
            self.tunnel = tunnel
            return
        before = self.tunnel
        super().hear(tunnel)
        if before is None or self.state in ("opening", "ended"):
            return
        if tunnel.forwards[0].error != before.forwards[0].error:
            self._doubt.set()  # a stream was refused there
        if tunnel.state in _GIVEN_UP and before.state not in _GIVEN_UP:
            self._start_verifying()  # which opens it again

    @override
    def _show(self) -> None:
        assert self._place is not None
        with contextlib.suppress(OSError):  # which `_watch` sees
            self._place.show()
        loop = asyncio.get_running_loop()
        self._watching = loop.create_task(self._watch(), name=f"look at {self.id}")
        self._living = loop.create_task(self._until_it_ends(), name=f"life of {self.id}")
        self._become("shown")

    @override
    def _shut(self, state: PublicationState, problem: str) -> None:
        if self._place is not None:
            self._place.hide()
        for task in (self._watching, self._living, self._verifying):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        self._become(state, problem)

    def _check_anew(self, why: str) -> None:
        self._shut("checking", why)
        self._start_verifying()  # which lets go of everybody first

    async def _watch(self) -> None:
        """See whether it is still the same Jupyter, and the site's socket still ours."""
        assert self._place is not None
        while not (problem := await self._changed_there()):
            # Refused streams are doubts, and to look is some work for its host.
            await asyncio.sleep(_SOON)
            while self._place.is_shown and not self._doubt.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._doubt.wait(), _LOOK)
            self._doubt.clear()
        self._check_anew(problem)

    async def _until_it_ends(self) -> None:
        """Shut it as soon as its process has ended: its port is anybody's then. Doubt that it is
        the same Jupyter where that is not known."""
        assert self._found is not None
        loop = asyncio.get_running_loop()
        ended: bool | None = False
        while not ended:
            begin = loop.time()
            try:
                client = await self._engine.client()
                ended = await has_ended(client, self.tunnel_id, self._found.server.pid)
            except RemoteTunnelError:
                ended = None
            if not ended:  # that number may be of no process at all, and is not asked for at once
                await asyncio.sleep(max(0.0, begin + _SOON - loop.time()))
            if ended is None:
                self._doubt.set()
        self._check_anew(f"The Jupyter on {self._called} has ended.")

    async def _changed_there(self) -> str:
        """Why all has to be checked again; "" if nothing has changed."""
        assert self._place is not None
        if not self._place.is_shown:
            return f"Something else has taken the place of {self._place.site}."
        try:
            found = await self._find_again()
        except RemoteTunnelError as error:
            return error.message
        if _process(found) != (self._found and _process(self._found)):
            return (
                f"The Jupyter on {self._called} was started again, at {found.server.destination}."
            )
        return ""

    async def _find_again(self) -> FoundJupyter:
        """:raises RemoteTunnelError: it does not run any more."""
        assert self.tunnel is not None
        client = await self._engine.client()
        return self._choose(await find(client, self.tunnel))

    @override
    async def _checks_again(self) -> list[Check]:
        assert self._place is not None
        loop = asyncio.get_running_loop()
        try:
            await self._let_go()
            # Its host may say again and again that it has ended.
            await asyncio.sleep(max(0.0, self._checked + _SOON - loop.time()))
            self._checked = loop.time()
            found = await self._find_again()
        except RemoteTunnelError as error:
            # What to do is not known elsewhere.
            said = failed("jupyter", error)
            return [replace(said, says=f"{said.says} {said.advice}".rstrip(), advice="")]
        assert self._found is not None
        if found.base_url != self._base_url or found.secure:
            says = (
                f"Its pages lie at {plain(found.server.url, 200)} now, not below {self._base_url}."
            )
            return [
                Check("address", "failed", says, advice="Start it as it was, or publish it anew.")
            ]
        if (found.address, found.keeper) != (self._found.address, self._found.keeper):
            try:
                await self._lead_to(found)
            except RemoteTunnelError as error:
                return [failed("tunnel", error)]
        self._found = replace(found, token="")
        seen = [check async for check in self._jupyter(found, str(self._place.hidden))]
        looking = LookingHere(self.request, self._base_url, self._engine)
        seen += [check async for check in looking.checks()]
        if all(check.verdict != "failed" for check in seen):
            if taken := await self._place.taken():
                return [*seen, taken]
            # It may be shown already when something ends them that nobody had thought of.
            seen += [check async for check in to_the_end(self._way_in())]
        if self._place.is_shown and any(check.verdict == "failed" for check in seen):
            self._place.hide()
            with contextlib.suppress(RemoteTunnelError):  # which the next checks find
                await self._let_go()
        return seen

    async def _let_go(self) -> None:
        """Cut every stream, those that nobody has accepted yet too, and listen anew: the forward is
        opened again, and its tunnel where the engine does not try that any more.

        :raises RemoteTunnelError: it is not open.
        """
        assert self._found is not None
        client = await self._engine.client()
        self._is_letting_go = True
        try:
            self.tunnel = await client.restart_tunnel(self.tunnel_id)
        except Fatal as error:
            if error.code != "not_found":
                raise
            await self._open(self._found)  # as `_lead_to` could not
        finally:
            self._is_letting_go = False
        assert self.tunnel is not None
        if not listens(self.tunnel):
            raise Fatal(f"The connection to {self._called} is lost.", code="connection_lost")

    async def _lead_to(self, found: FoundJupyter) -> None:
        """Have a tunnel to that one take the place of ours, over the same connection.

        :raises RemoteTunnelError: it is not open.
        """
        client = await self._engine.client()
        await self._open_private(found)  # a connection that no tunnel needs would be closed
        self._is_letting_go = True
        before, self.tunnel_id = self.tunnel_id, ""
        try:
            await client.close_tunnel(before)
            await self._open(found)
        finally:
            self._is_letting_go = False
            await self._close_private()

    # The way down.

    @override
    async def _take_down(self) -> None:
        await cancelled(self._watching, self._living)
        await self._close_private()
        if self.tunnel is not None:
            with contextlib.suppress(RemoteTunnelError):
                await (await self._engine.client()).close_tunnel(self.tunnel_id)
        if self._place is not None:
            self._place.hidden.unlink(missing_ok=True)  # where it was hidden from the engine


def _process(found: FoundJupyter) -> tuple[int, str, str | None]:
    return found.server.pid, found.base_url, found.keeper
