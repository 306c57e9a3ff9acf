"""Sending the doctor to a host: what is allowed, and who is asked what the hops want to know."""

from ..model.address import Address
from ..model.diagnosis import Diagnosis
from ..model.forward import ForwardKind
from ..model.settings import EngineSettings
from ..model.spec import TunnelSpec
from ..ssh.chart import Chart
from ..ssh.connecting import Memory, open_connection
from ..ssh.connection import Connection
from ..ssh.doctor import Doctor
from ..ssh.hop import Hop
from ..ssh.identity_files import Keyring
from ..ssh.steps import Tell
from .policy import check_destinations, check_host, check_route
from .prompts import Inquiry, Person, Prompts


async def diagnose(
    spec: TunnelSpec,
    settings: EngineSettings,
    prompts: Prompts,
    keyring: Keyring,
    tell: Tell,
    *,
    person: Person | None,
    from_shell: bool,
    gateway_ports: bool,
) -> Diagnosis:
    """Walk to the host of `spec`, and to where its local forwards lead, on connections of its own.

    :param keyring: the keys that tunnels have unlocked.
    :param tell: given each step when it is over.
    :param person: who is asked what the hops want to know; None is nobody.
    :raises Fatal: not_allowed, by the settings.
    """
    check_host(spec, settings, from_shell=from_shell)
    check_destinations(spec, settings)
    audience = prompts.audience(person)

    async def connect(hop: Hop, via: Connection | None, chart: Chart) -> Connection:
        inquiry = Inquiry(prompts, audience, tuple, chart.asking)
        return await inquiry.run(
            open_connection(
                hop,
                via=via,
                asker=inquiry if prompts.there(audience) else None,
                memory=Memory(keyring),
                max_prompts=settings.max_prompts,
                watcher=chart,
            )
        )

    doctor = Doctor(settings, connect, lambda route: check_route(spec, route, settings), tell)
    return await doctor.visit(spec.host, spec.ssh, _destinations(spec), gateway_ports=gateway_ports)


def _destinations(spec: TunnelSpec) -> tuple[Address, ...]:
    """Where the local forwards of a tunnel lead, each once."""
    leading = (f.destination for f in spec.forwards if f.kind is ForwardKind.LOCAL)
    return tuple(dict.fromkeys(to for to in leading if to is not None))
