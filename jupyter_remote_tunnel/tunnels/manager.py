"""The manager: which tunnels are wanted, and the ones that run.

It decides what an `open` means (a new tunnel, one that is there already, a conflict), keeps the
list, and tells its listeners of every change. All of it on one event loop.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from ..model.address import TcpAddress
from ..model.diagnosis import Diagnosis
from ..model.errors import Fatal, RemoteTunnelError, Transient
from ..model.forward import ForwardKind, TcpBind
from ..model.settings import EngineSettings
from ..model.spec import OnConflict, TunnelSpec
from ..model.state import State
from ..model.status import Source
from ..ssh.answers import Resolved
from ..ssh.config import configuration_of, resolve
from ..ssh.connection import Connection
from ..ssh.hop import Hop
from ..ssh.steps import Tell
from .backoff import turns
from .doctor import diagnose
from .link import Lease, LinkPool
from .policy import check, check_offers, check_route
from .prompts import Listener as PromptListener
from .prompts import Person, Prompts
from .tasks import Tasks
from .tunnel import Surroundings, Tunnel

LINGER = 10.0
"""Seconds that a connection stays after a command or a file was asked for."""

T = TypeVar("T")


class Listener(PromptListener, Protocol):
    """Who hears of changes, and of questions. None of these may block or raise."""

    def tunnel_changed(self, tunnel: Tunnel) -> None:
        """A tunnel is new, or its state, an error or a bound address changed."""

    def tunnel_removed(self, tunnel: Tunnel) -> None:
        """A tunnel left the list."""


@dataclass(frozen=True)
class Wanted:
    """One entry of the wanted set: what to open again after an end that nobody asked for."""

    id: str
    spec: TunnelSpec
    source: Source
    bound: tuple[str | None, ...]
    opened: bool = True

    @classmethod
    def of(cls, tunnel: Tunnel) -> "Wanted":
        """That of a tunnel, as it is now."""
        return cls(tunnel.id, tunnel.spec, tunnel.source, tunnel.bound, tunnel.opened)


class Manager:
    """All tunnels, by id, in the order in which they were asked for."""

    def __init__(self, settings: EngineSettings, private_dir: Path, listener: Listener) -> None:
        self.settings = settings
        self.prompts = Prompts(settings.prompt_timeout, listener)
        self.pool = LinkPool(settings, self.prompts)
        self._listener = listener
        self._tunnels: dict[str, Tunnel] = {}
        self._ids: set[str] = set()  # of all that there ever were
        self._around = Surroundings(
            settings,
            self.pool,
            self.prompts,
            private_dir,
            listener.tunnel_changed,
            self._check_route,
        )
        self._tasks = Tasks()

    @property
    def tunnels(self) -> list[Tunnel]:
        """Every tunnel, the failed ones too."""
        return list(self._tunnels.values())

    def get(self, id_or_name: str) -> Tunnel:
        """:raises Fatal: code "not_found"; the hint lists what there is."""
        found = self._tunnels.get(id_or_name) or self._named(id_or_name)
        if found is None:
            names = ", ".join(tunnel.spec.name for tunnel in self.tunnels[:10])
            raise Fatal(
                f"There is no tunnel {id_or_name[:100]!r}.",
                code="not_found",
                hint=f"There are: {names}." if names else "No tunnel is open.",
            )
        return found

    def _named(self, name: str) -> Tunnel | None:
        return next((tunnel for tunnel in self.tunnels if tunnel.spec.name == name), None)

    async def open(
        self,
        spec: TunnelSpec,
        source: Source = "user",
        *,
        person: Person | None = None,
        from_shell: bool = False,
        keep_failed: bool = True,
        tunnel_id: str | None = None,
    ) -> tuple[Tunnel, bool]:
        """Open a tunnel, or find the equal one that is there (False then).

        What its hosts want to know is asked of `person`; without one, nobody is asked.

        An equal one that failed, or that waits for its port, is opened again, at another one
        if `spec` takes any. A failed one of that name gives way. A tunnel that could not reach its
        host stays in the list, failed, if `keep_failed`; one that was refused before does not. A
        new one has the id `tunnel_id`, if that is given.

        :raises RemoteTunnelError: it is not allowed, its name or id is taken, or opening it failed.
        """
        check(spec, self.settings, from_shell=from_shell)
        known = self._equal(spec)
        if known is not None:
            if spec.keeper is not None:
                known.adopt(spec.keeper)
            await self._be_open(known, person, spec.on_conflict)
            return known, False
        self._check_room(len(self._tunnels))
        while (failed := self._named(spec.name)) is not None and failed.state is State.FAILED:
            await self._remove(failed)
        if tunnel_id in self._ids:
            # Never again: who was let in to the tunnel that had it would be let in to this one.
            raise Fatal(f"There was a tunnel with the id {tunnel_id} already.", code="conflict")
        self._check_ports(spec)
        spec = self._with_free_name(spec)
        tunnel = self._add(tunnel_id or secrets.token_hex(6), spec, source)
        try:
            await tunnel.open(person)
        except RemoteTunnelError:
            if not (keep_failed and tunnel.reached_out):
                await self._remove(tunnel)
            raise
        return tunnel, True

    def _equal(self, spec: TunnelSpec) -> Tunnel | None:
        """The tunnel that does what `spec` asks for; a name that was not chosen does not count."""
        unnamed = spec.has_default_name
        for tunnel in self.tunnels:
            if tunnel.spec.forwards != spec.forwards:
                continue  # as with most, and that is quickly seen
            same = replace(spec, name=tunnel.spec.name) if unnamed else spec
            if tunnel.spec.same_as(same) and not (
                # Who asks for a port and for no other is not served by another.
                spec.on_conflict == "fail" and tunnel.moved
            ):
                return tunnel
        return None

    @staticmethod
    async def _be_open(tunnel: Tunnel, person: Person | None, on_conflict: OnConflict) -> None:
        lacks_port = tunnel.error is not None and tunnel.error.code == "port_in_use"
        waits_for_port = lacks_port and tunnel.state is State.RECONNECTING
        not_open = (State.FAILED, State.WAITING_FOR_USER, State.CONNECTING)
        if waits_for_port or tunnel.state in not_open:
            if lacks_port and on_conflict == "pick":
                tunnel.spec = replace(tunnel.spec, on_conflict="pick")
            await tunnel.restart(person)

    def _with_free_name(self, spec: TunnelSpec) -> TunnelSpec:
        """`spec` under a name of its own.

        :raises Fatal: code "conflict", the chosen name belongs to another tunnel.
        """
        spec = self._with_free_default_name(spec)
        if self._named(spec.name) is not None:
            raise Fatal(
                f"The name {spec.name} belongs to another tunnel.",
                code="conflict",
                hint=f"Choose another --name, or close it first: jupyter tunnel close {spec.name}",
            )
        return spec

    def _with_free_default_name(self, spec: TunnelSpec) -> TunnelSpec:
        """`spec` as "gpu01:5006-2" where nobody chose its name and that is taken."""
        if not spec.has_default_name or self._named(spec.name) is None:
            return spec
        number = 2
        while self._named(f"{spec.name}-{number}") is not None:
            number += 1
        return replace(spec, name=f"{spec.name}-{number}")

    def _check_name(self, tunnel: Tunnel) -> None:
        """:raises Fatal: code "conflict", a tunnel that was there before has the same name."""
        first = self._named(tunnel.spec.name)
        if first is not None and first is not tunnel:
            raise Fatal(
                f"The name {tunnel.spec.name} belongs to another tunnel, {first.id}.",
                code="conflict",
                hint="Give one of them another name; or close the other one and restart this:"
                f" jupyter tunnel close {first.id}",
            )

    def _add(
        self,
        tunnel_id: str,
        spec: TunnelSpec,
        source: Source,
        bound: tuple[str | None, ...] = (),
        opened: bool = False,
    ) -> Tunnel:
        tunnel = Tunnel(tunnel_id, spec, source, self._around, bound, opened)
        self._tunnels[tunnel_id] = tunnel
        self._ids.add(tunnel_id)
        return tunnel

    def _check_ports(self, spec: TunnelSpec) -> None:
        """:raises Fatal: code "port_in_use", a port it asks for is that of another tunnel."""
        held = {
            bound: tunnel.spec.name
            for tunnel in self.tunnels
            if tunnel.state is not State.FAILED
            for bound in tunnel.bound
        }
        for forward in spec.forwards:
            bind = forward.bind
            if forward.kind is ForwardKind.REMOTE or not isinstance(bind, TcpBind):
                continue
            host = "127.0.0.1" if bind.host in (None, "localhost") else bind.host
            name = held.get(str(TcpAddress(host or "", bind.port)))
            if name is not None and spec.on_conflict == "fail":
                raise Fatal(
                    f"Port {bind.port} of this machine is in use by the tunnel {name}.",
                    code="port_in_use",
                    hint="Close that one, or choose another port; 0 is any free one.",
                )

    def _check_route(self, tunnel: Tunnel, route: Sequence[Hop]) -> None:
        """:raises Fatal: its host is not allowed, or another tunnel offers the same there."""
        check_route(tunnel.spec, route, self.settings)
        if tunnel.opened:
            return  # it is tried until it can be again
        there, ended = tuple(map(str, route)), (State.FAILED, State.CLOSING, State.CLOSED)
        others = [
            other.spec
            for other in self.tunnels
            if other is not tunnel and other.route == there and other.state not in ended
        ]
        check_offers(tunnel.spec, others, route[-1].place)

    def _check_room(self, others: int) -> None:
        """:raises Fatal: code "too_many", if there are `others` tunnels beside a new one."""
        if others >= self.settings.max_tunnels:
            raise Fatal(
                f"There are {others} tunnels already.",
                code="too_many",
                hint="Close one, or raise c.TunnelManager.max_tunnels.",
            )

    async def close(self, id_or_name: str, drain: float = 0.0) -> Tunnel:
        """Close a tunnel and take it off the list; a failed one is dismissed.

        :raises Fatal: code "not_found".
        """
        tunnel = self.get(id_or_name)
        await self._remove(tunnel, drain, for_good=True)
        return tunnel

    async def _remove(self, tunnel: Tunnel, drain: float = 0.0, *, for_good: bool = False) -> None:
        await tunnel.close(drain, for_good=for_good)
        if self._tunnels.get(tunnel.id) is tunnel:
            del self._tunnels[tunnel.id]
            self._listener.tunnel_removed(tunnel)

    async def restart(self, id_or_name: str, person: Person | None = None) -> Tunnel:
        """Open a tunnel's forwards again; `person` is who asks for it, and can be asked.

        :raises RemoteTunnelError: there is no such tunnel, its name belongs to another one, or
        opening it again failed.
        """
        tunnel = self.get(id_or_name)
        self._check_name(tunnel)
        await tunnel.restart(person)
        return tunnel

    def restore(self, wanted: Sequence[Wanted]) -> None:
        """Open again what was wanted, under the same ids, in the background.

        What cannot be reached now is tried until it can, and a local port that is taken is waited
        for; what is not allowed any more, has the chosen name of another one, or fails for good,
        stays in the list with its error. So does what was never open: opening it may have been what
        ended the engine.

        One host comes after the other: where one of them ends the engine, the log shows which, and
        those before it are back.
        """
        hosts = dict.fromkeys((entry.spec.host, entry.spec.ssh) for entry in wanted)
        after = dict(zip(hosts, turns(len(hosts)), strict=True))
        for entry in wanted:
            if entry.id not in self._tunnels and self._equal(entry.spec) is None:
                spec = self._with_free_default_name(entry.spec)
                tunnel = self._add(entry.id, spec, entry.source, entry.bound, entry.opened)
                others = len(self._tunnels) - 1
                turn = after[entry.spec.host, entry.spec.ssh]
                self._tasks.start(self._restore(tunnel, others, turn), f"restore {spec.name}")

    async def _restore(self, tunnel: Tunnel, others: int, after: float) -> None:
        try:
            self._check_name(tunnel)
            if not tunnel.opened:
                raise _never_open(tunnel.spec)
            self._check_room(others)
            # What the user's own configuration or saved set holds was typed by the user.
            check(tunnel.spec, self.settings, from_shell=True)
        except RemoteTunnelError as error:
            tunnel.refuse(error)
            return
        try:
            await tunnel.open(persist=True, after=after)
        except RemoteTunnelError:
            return  # the tunnel shows it

    async def on_host(
        self,
        spec: TunnelSpec,
        job: Callable[[Connection], Awaitable[T]],
        *,
        person: Person | None = None,
        from_shell: bool,
    ) -> T:
        """Run `job` with a connection to the host of `spec`, whose forwards do not matter. What it
        wants to know before is asked of `person`.

        The connection stays for a while: who asks for one thing asks for the next, and each login
        may cost a person a code.

        :raises RemoteTunnelError: the host is not allowed, or not reached.
        """
        check(spec, self.settings, from_shell=from_shell)
        route = await resolve(spec.host, spec.ssh, self.settings)
        check_route(spec, route, self.settings)
        lease = self.pool.lease(route)
        try:
            return await job(await lease.link.connect(self.prompts.audience(person)))
        finally:
            self._tasks.start(self._release_later(lease), f"release {lease.link.hop}")

    async def diagnose(
        self,
        spec: TunnelSpec,
        tell: Tell,
        *,
        person: Person | None = None,
        from_shell: bool,
        gateway_ports: bool = False,
    ) -> Diagnosis:
        """Have the doctor walk to the host of `spec`; see `doctor.diagnose`."""
        return await diagnose(
            spec,
            self.settings,
            self.prompts,
            self.pool.keyring,
            tell,
            person=person,
            from_shell=from_shell,
            gateway_ports=gateway_ports,
        )

    async def configuration_of(self, spec: TunnelSpec, *, from_shell: bool) -> Resolved:
        """What ssh would use for the host of `spec`, whose forwards do not matter.

        :raises RemoteTunnelError: the host is not allowed, or its configuration cannot be read.
        """
        check(spec, self.settings, from_shell=from_shell)
        return await configuration_of(spec.host, spec.ssh, self.settings)

    @staticmethod
    async def _release_later(lease: Lease) -> None:
        await asyncio.sleep(LINGER)
        await lease.release()

    async def close_all(self) -> None:
        """Close every tunnel and link."""
        await self._tasks.close()
        await asyncio.gather(*(self._remove(tunnel) for tunnel in self.tunnels))
        await self.pool.close()


def _never_open(spec: TunnelSpec) -> Transient:
    return Transient(
        f"{spec.name} was not open when the engine of the tunnels ended.",
        code="engine_died",
        hint="Restart it to try again.",
    )
