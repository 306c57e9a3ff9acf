"""The doctor: walks the way to a host as a tunnel would, and tells each step.

It connects with `connecting`, on connections of its own, and closes them at the end. A step that
fails ends the walk, as nothing behind it can be reached; of the destinations and the forwards each
is tried by itself.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

from ..model.address import Address
from ..model.diagnosis import Diagnosis, Step, StepName
from ..model.errors import RemoteTunnelError
from ..model.settings import EngineSettings
from ..model.spec import SshOptions
from ..model.text import plain
from .chart import Chart
from .config import resolve
from .connection import Connection
from .hop import Hop
from .probes import Probes
from .steps import Tell, Timer, done, failed

Connect = Callable[[Hop, Connection | None, Chart], Awaitable[Connection]]
"""Connects to a hop over the connection to the one before, watched by the chart."""


class Doctor:
    """Looks at one host.

    :param connect: makes each connection.
    :param check: refuses a route that is not allowed.
    :param tell: given each step.
    """

    def __init__(
        self,
        settings: EngineSettings,
        connect: Connect,
        check: Callable[[Sequence[Hop]], None],
        tell: Tell,
    ) -> None:
        self._settings = settings
        self._connect = connect
        self._check = check
        self._told = tell
        self._steps: list[Step] = []

    async def visit(
        self,
        host: str,
        options: SshOptions,
        destinations: Sequence[Address] = (),
        *,
        gateway_ports: bool = False,
    ) -> Diagnosis:
        """Walk to a host.

        :param destinations: where it is asked to connect to, for a moment.
        :param gateway_ports: whether it is asked to listen on all its interfaces, for a moment.
        :raises Fatal: not_allowed, by the settings.
        """
        route = await self._route(host, options)
        async with AsyncExitStack() as stack:
            connection: Connection | None = None
            for hop in route:
                connection = await self._open(hop, connection)
                if connection is None:
                    break
                stack.push_async_callback(connection.close)
            if connection is not None:
                await self._forwards(connection, destinations, gateway_ports)
        return Diagnosis.of(host, [str(hop) for hop in route], self._steps)

    def _tell(self, step: Step) -> None:
        self._steps.append(step)
        self._told(step)

    async def _route(self, host: str, options: SshOptions) -> Sequence[Hop]:
        """The hops to the host; none where that failed."""
        timer = Timer()
        try:
            route = await resolve(host, options, self._settings)
        except RemoteTunnelError as error:
            self._tell(failed("configuration", host, error, timer))
            return ()
        self._check(route)
        *jumps, last = route
        by = "".join(f", by {hop.alias} ({hop})" for hop in jumps)
        self._tell(done("configuration", host, f"{host} is {last}{by}.", timer, _ignored(route)))
        return route

    async def _open(self, hop: Hop, via: Connection | None) -> Connection | None:
        try:
            with Chart(hop, via.hop if via else None, self._tell) as chart:
                return await self._connect(hop, via, chart)
        except RemoteTunnelError:
            return None  # the chart has told it

    async def _forwards(
        self, connection: Connection, destinations: Sequence[Address], gateway_ports: bool
    ) -> None:
        probes, settings, place = Probes(connection), self._settings, connection.hop.place
        remote = "" if settings.allow_remote_forward else "c.TunnelManager.allow_remote_forward"
        commands = "" if settings.session_exec == "auto" else "c.TunnelManager.session_exec"
        offers = {} if commands else await probes.offers(destinations)
        tries: list[tuple[StepName, Callable[[], Awaitable[Step]], str]] = [
            *(
                ("destination", partial(probes.destination, to, offers.get(to)), "")
                for to in destinations
            ),
            ("tcp_forward", probes.tcp, ""),
            ("socket_forward", probes.sockets, remote or commands),
            ("remote_forward", probes.remote, remote),
        ]
        if gateway_ports:
            tries.append(("gateway_ports", probes.gateway_ports, remote))
        for name, probe, forbidden_by in tries:
            if forbidden_by:
                self._tell(Step(name, place, "note", f"Not tried: {forbidden_by} forbids it."))
                continue
            self._tell(await probe())
            if connection.lost.done():
                return


def _ignored(route: Sequence[Hop]) -> list[str]:
    """What the configuration of each hop holds to no effect."""
    return [
        f"{hop.alias}: “{plain(line)}” has no effect here."
        for hop in route
        for line in hop.not_honoured
    ]
