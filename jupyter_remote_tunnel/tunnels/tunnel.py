"""The tunnel: one live thing in the list. It owns its listeners and its lease of a link, and it has
a state.

    open():     resolve the route → bind the listeners → connect the link → attach the forwards
    link lost:  detach the forwards, whose listeners stay; the link retries; attach again
    close():    whatever runs is ended, and nothing of it is left

Every change of state goes through the table in `model.state`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..model.errors import Fatal, RemoteTunnelError, Transient
from ..model.settings import EngineSettings
from ..model.spec import TunnelSpec
from ..model.state import Event, State, next_state
from ..model.status import ErrorStatus, Source, TunnelStatus
from ..ssh.config import resolve
from ..ssh.connection import Connection
from ..ssh.forward import Forward
from ..ssh.hop import Hop
from .backoff import backoff
from .holding import Hold
from .legs import Legs, legs_of
from .link import Lease, LinkPool
from .making import has_moved, made_forwards
from .prompts import Person, Prompts, needs_person
from .snapshot import forward_statuses, iso
from .tasks import Tasks

log = logging.getLogger(__name__)

_ENDED = (State.CLOSING, State.CLOSED)


@dataclass(frozen=True)
class Surroundings:
    """What every tunnel of a manager shares."""

    settings: EngineSettings
    pool: LinkPool
    prompts: Prompts
    private_dir: Path
    changed: "Callable[[Tunnel], None]"
    check: "Callable[[Tunnel, Sequence[Hop]], None]"


class Tunnel:
    """One tunnel. `id` is 12 hexadecimal digits and stays the same for its whole life.

    :param bound: where its forwards were bound in an earlier life: asked for again by number.
    :param opened: whether it was open in an earlier life, as in this one it will be after `open`.
    """

    def __init__(
        self,
        tunnel_id: str,
        spec: TunnelSpec,
        source: Source,
        around: Surroundings,
        bound: tuple[str | None, ...] = (),
        opened: bool = False,
    ) -> None:
        self.id = tunnel_id
        self.spec = spec
        self.source = source
        self.state = State.CLOSED
        self.since = iso(datetime.now(UTC))
        self.error: RemoteTunnelError | None = None
        self._around = around
        self.opened = opened
        self._bound = bound
        self._forwards: list[Forward] = []
        self._lease: Lease | None = None
        self._opening: asyncio.Task[None] | None = None
        self._audience = around.prompts.audience()
        self._connection: Connection | None = None
        self._host_key: str | None = None
        self.route: tuple[str, ...] = ()
        self._given_up = False
        self._reached_out = False
        self._tasks = Tasks()
        self._legs: Legs | None = None
        self._hold = Hold(tunnel_id, around.settings.jupyter_grace, self._tasks)
        self._told: object = None

    # What a user asks for.

    async def open(
        self, person: Person | None = None, *, persist: bool = False, after: float = 0.0
    ) -> None:
        """Open it, all or nothing: when this returns, every forward is there.

        :param person: who can be asked for what its hosts want to know.
        :param persist: what may pass is retried in the background, as for a tunnel that was open
        before, and a local port that is taken is waited for; what needs a person waits for one to
        restart it.
        :param after: seconds to wait with the connection; the listeners are there at once.
        :raises RemoteTunnelError: it failed, or waits for a port; the tunnel keeps the error and
        nothing is left open, but for the listeners of one that waits for a person.
        """
        if self._given_up:
            raise self._closed_meanwhile()
        self._go(Event.OPEN)
        await self._run(person, self._open(persist, after, afresh=False))

    async def restart(self, person: Person | None = None) -> None:
        """Open its forwards again, on the ports that they had; the link only if it is not open.

        What was open, or was being tried in the background, goes on being tried. What is being
        opened is waited for, and its questions are asked of `person` too.

        :raises RemoteTunnelError: it failed, as in `open`.
        """
        if self._is_opening and self._opening is not None:
            if person is not None:
                self._audience.add(person)
            await self._opened(self._opening)
            return
        persist = self.state in (State.OPEN, State.RECONNECTING, State.WAITING_FOR_USER)
        self._go(Event.RESTART)
        self._bound = self.bound
        await self._run(person, self._open_again(persist, afresh=person is not None))

    async def close(self, drain: float = 0.0, *, for_good: bool = False) -> None:
        """Close it: at once, or when its streams have ended but at most after `drain` seconds. It
        is not opened any more, where that is still to come.

        :param for_good: what it keeps alive on its host is let go of, and not only left.
        """
        self._given_up = True
        if self.state in _ENDED:
            return
        self._go(Event.CLOSE)
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if drain > 0 and self._forwards:
            await asyncio.gather(*(forward.drain(drain) for forward in self._forwards))
        if for_good:
            await self._hold.let_go()
        await self._tear_down()
        self._remove_connection_file()
        self._go(Event.CLOSED)

    async def far_known(self, seconds: float) -> None:
        """Wait until it is known what is offered on its host, but not for longer."""
        if self._legs is not None and self.state is State.OPEN:
            await self._legs.known(seconds)

    def refuse(self, error: RemoteTunnelError) -> None:
        """Fail without a try: it is not allowed (any more)."""
        if self._given_up:
            return
        self._go(Event.OPEN)
        self.error = error
        self._go(Event.FAIL)

    @property
    def reached_out(self) -> bool:
        """Whether it came so far as to connect to its host."""
        return self._reached_out

    # The way up.

    @property
    def _is_opening(self) -> bool:
        return self._opening is not None and not self._opening.done()

    async def _run(self, person: Person | None, work: Coroutine[Any, Any, None]) -> None:
        """An opening in a task of its own, so that `close()` can end it whoever waits for it."""
        self._audience = self._around.prompts.audience(person)
        opening = self._tasks.spawn(work, f"open {self.spec.name}")
        self._opening = opening
        opening.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            await self._opened(opening)
        finally:
            if self._opening is opening and opening.done():
                self._opening = None

    async def _opened(self, opening: asyncio.Task[None]) -> None:
        """Wait for the end of an opening.

        :raises RemoteTunnelError: it failed, or the tunnel was closed meanwhile.
        """
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            if not opening.cancelled():
                raise  # the caller was cancelled; the tunnel goes on
            raise self._closed_meanwhile() from None

    def _closed_meanwhile(self) -> Fatal:
        return Fatal(
            f"The tunnel {self.spec.name} was closed while it was being opened.", code="closed"
        )

    async def _open_again(self, persist: bool, afresh: bool) -> None:
        # Held for the while, so that a link that is up stays up.
        held = None if self._lease is None else self._around.pool.lease(self._lease.link.route)
        try:
            await self._tear_down()
            await self._open(persist, 0.0, afresh)
        finally:
            if held is not None:
                await held.release()

    async def _open(self, persist: bool, after: float, afresh: bool) -> None:
        """:param afresh: host keys that were accepted for once are asked about again."""
        try:
            route = await resolve(self.spec.host, self.spec.ssh, self._around.settings)
            self._around.check(self, route)
            self.route = tuple(map(str, route))
            await self._listen()
            self._lease = self._around.pool.lease(route)
            link = self._lease.link
            link.subscribe(self)
            await asyncio.sleep(after)
            self._reached_out = True
            connection = await link.connect(self._audience, afresh=afresh)
            await self._attach(connection, whole=afresh or not persist)
        except Transient as error:
            if persist and self._lease is not None:
                self._lease.link.keep_trying()
                self._fall_back(error)
                return
            await self._fail(error)
            raise
        except RemoteTunnelError as error:
            if persist and self._lease is not None and needs_person(error):
                self._wait_for_user(error)
            elif persist and error.code == "port_in_use":
                await self._tear_down()
                self._fall_back(error)
                self._tasks.start(self._wait_for_port(), f"wait for a port of {self.spec.name}")
            else:
                await self._fail(error)
            raise
        except asyncio.CancelledError:
            await self._tear_down()
            raise
        self.opened = True
        self._go(Event.OPENED)

    async def _listen(self) -> None:
        around, told = self._around, self._forward_changed
        for forward in made_forwards(
            self.id, self.spec, self._bound, around.settings, around.private_dir, told
        ):
            self._forwards.append(forward)
            await forward.listen()
        offered = () if self.spec.kind == "kernel" else self._forwards
        self._legs = legs_of(offered, self._tasks, self._tell)

    async def _wait_for_port(self) -> None:
        """Open it when what has a local port in its place has ended."""
        log.warning("%s waits for its port: %s", self.spec.name, self.error)
        settings = self._around.settings
        for wait in backoff(settings.backoff_first, settings.backoff_max):
            await asyncio.sleep(wait)
            if await self._finds_room():
                break
        with contextlib.suppress(RemoteTunnelError):  # the tunnel shows it
            await self.restart()

    async def _finds_room(self) -> bool:
        """Whether all its ports are free, or something else is wrong with them."""
        try:
            await self._listen()
        except RemoteTunnelError as error:
            return error.code != "port_in_use"
        else:
            return True
        finally:
            await self._stop_listening()

    async def _stop_listening(self) -> None:
        """Close its forwards, newest first."""
        for forward in reversed(self._forwards):
            await forward.close()
        self._forwards.clear()

    async def _attach(self, connection: Connection, *, whole: bool = False) -> None:
        """Give the forwards their connection.

        Where it is to be `whole`, as a person opens it, one that fails fails all. Else it is open
        with what works, and the rest is tried again: a stale sshd may still hold its port.
        """
        self._connection = connection
        self._host_key = connection.host_key
        failed = []
        for forward in self._forwards:
            try:
                await forward.attach(connection)
            except Fatal:
                if whole:
                    raise
                failed.append(forward)
        if connection.lost.done():
            raise connection.lost.result()
        if self._lease is not None and self._legs is not None:
            self._legs.follow(self._lease.link, connection)
        self._hold.begin(connection, self.spec.keeper)
        if failed:
            self._tasks.start(self._attach_again(failed, connection), f"retry {self.spec.name}")

    def adopt(self, keeper: str) -> None:
        """Hold that from now on: another server may have its destination."""
        if keeper != self.spec.keeper:
            self.spec = replace(self.spec, keeper=keeper)
            self._hold.begin(self._connection, keeper)
            self._around.changed(self)

    async def _attach_again(self, forwards: list[Forward], connection: Connection) -> None:
        settings = self._around.settings
        for wait in backoff(settings.backoff_first, settings.backoff_max):
            await asyncio.sleep(wait)
            if self._connection is not connection:
                return
            forwards = [forward for forward in forwards if not await _attached(forward, connection)]
            self._tell()
            if not forwards:
                return

    # What the link tells (LinkUser).

    def link_asks(self) -> None:
        if self.state is State.CONNECTING:
            self._go(Event.ASK)

    def link_answered(self) -> None:
        if self.state is State.WAITING_FOR_USER and self._is_opening:
            self._go(Event.ANSWERED)

    def link_up(self, connection: Connection) -> None:
        if self.state is State.WAITING_FOR_USER and not self._is_opening:
            # Somebody has answered for another tunnel.
            self._go(Event.ANSWERED)
            self._go(Event.LOSE)
        if self.state is State.RECONNECTING:
            self._tasks.start(self._come_back(connection), f"attach {self.spec.name}")

    async def _come_back(self, connection: Connection) -> None:
        try:
            await self._attach(connection)
        except RemoteTunnelError as error:
            # Lost again in the meantime: the link tells, and tries.
            log.info("%s: %s", self.spec.name, error)
            return
        if self.state is State.RECONNECTING and self._connection is connection:
            self._go(Event.OPENED)

    def link_lost(self, error: RemoteTunnelError) -> None:
        if self.state in (State.OPEN, State.RECONNECTING):
            self._fall_back(error)

    def link_retries(self, error: RemoteTunnelError) -> None:
        if self.state is State.RECONNECTING:
            self.error = error
            self._tell()

    def link_failed(self, error: RemoteTunnelError) -> None:
        if self.state is not State.RECONNECTING:
            return
        if needs_person(error):
            self._wait_for_user(error)
            return
        if self.spec.kind == "offer" and error.code == "auth_failed":
            # Nobody sits before the machine that offers something: a gateway may come back later.
            self.error = error
            self._tasks.start(self._knock_again(), f"knock again for {self.spec.name}")
            self._tell()
            return
        self.error = error
        self._detach(error)
        self._go(Event.FAIL)

    async def _knock_again(self) -> None:
        await asyncio.sleep(self._around.settings.backoff_max)
        if self._lease is not None and self.state is State.RECONNECTING:
            self._lease.link.keep_trying()

    def _detach(self, error: RemoteTunnelError) -> None:
        self._connection = None
        if self._legs is not None:
            self._legs.lost()
        for forward in self._forwards:
            forward.detach(error)

    def _wait_for_user(self, error: RemoteTunnelError) -> None:
        """Nothing is tried any more until a person restarts it, or answers for another tunnel. Its
        listeners stay."""
        self.error = error
        self._detach(error)
        self._go(Event.ASK)

    def _fall_back(self, error: RemoteTunnelError) -> None:
        self.error = error
        self._detach(error)
        if self.state is not State.RECONNECTING:
            self._go(Event.LOSE)

    # The way down.

    async def _fail(self, error: RemoteTunnelError) -> None:
        await self._tear_down()
        self.error = error
        self._go(Event.FAIL)

    async def _tear_down(self) -> None:
        """Close what is open of it, newest first. The state is the caller's business."""
        self._connection = None
        await self._tasks.close()
        await self._stop_listening()
        if self._lease is not None:
            lease, self._lease = self._lease, None
            lease.link.unsubscribe(self)
            await lease.release()

    def _remove_connection_file(self) -> None:
        if self.spec.connection_file is not None:
            Path(self.spec.connection_file).unlink(missing_ok=True)

    # The state and the snapshot.

    def _go(self, event: Event) -> None:
        self.state = next_state(self.state, event)
        self.since = iso(datetime.now(UTC))
        if self.state in (State.OPEN, State.CONNECTING):
            self.error = None
        self._tell()

    def _forward_changed(self) -> None:
        if self._legs is not None:
            self._legs.stir()
        self._tell()

    def _tell(self) -> None:
        """Report a change, once: streams that come and go are none."""
        forwards = tuple((f.last_error, f.note, f.far) for f in self._forwards)
        now = (self.state, self.error, self.bound, forwards, self._next_try)
        if now != self._told:
            self._told = now
            self._around.changed(self)

    @property
    def bound(self) -> tuple[str | None, ...]:
        """Where each forward listens, or what is known from before."""
        if not self._forwards:
            return self._bound
        return tuple(forward.bound for forward in self._forwards)

    @property
    def moved(self) -> bool:
        """Whether one of its forwards listens on another port than it was asked to."""
        return has_moved(self.spec, self.bound)

    @property
    def _next_try(self) -> str | None:
        if self._lease is None or self.state is not State.RECONNECTING:
            return None
        when = self._lease.link.next_try
        return None if when is None else iso(when)

    def status(self) -> TunnelStatus:
        """The snapshot."""
        rtt = None if self._lease is None else self._lease.link.rtt
        return TunnelStatus(
            id=self.id,
            name=self.spec.name,
            kind=self.spec.kind,
            host=self.spec.login,
            route=self.route,
            forwards=forward_statuses(self.spec.forwards, self._forwards),
            state=self.state.value,
            since=self.since,
            source=self.source,
            host_key=self._host_key,
            error=None if self.error is None else ErrorStatus.of(self.error),
            rtt_ms=None if rtt is None else round(rtt * 1000, 2),
            connection_file=self.spec.connection_file,
            next_try=self._next_try,
            ends_server=self.spec.keeper is not None,
        )


async def _attached(forward: Forward, connection: Connection) -> bool:
    try:
        await forward.attach(connection)
    except RemoteTunnelError:
        return False  # the forward keeps the reason
    return True
