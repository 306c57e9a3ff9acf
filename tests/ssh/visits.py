"""Sending the doctor to the hosts of a bed."""

from collections.abc import Sequence
from dataclasses import replace

from jupyter_remote_tunnel.model.address import Address
from jupyter_remote_tunnel.model.diagnosis import Diagnosis, Step
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.model.text import plain
from jupyter_remote_tunnel.ssh.chart import Chart
from jupyter_remote_tunnel.ssh.connecting import open_connection
from jupyter_remote_tunnel.ssh.connection import Connection
from jupyter_remote_tunnel.ssh.doctor import Doctor
from jupyter_remote_tunnel.ssh.hop import Hop
from tests.ssh.support import descriptors, task_names
from tests.support.sshd import SshBed

WAY_IN = ["resolve", "connect", "key_exchange", "host_key", "login"]
FORWARDS = ["tcp_forward", "socket_forward", "remote_forward"]


async def visit(
    bed: SshBed,
    alias: str = "gpu01",
    settings: EngineSettings | None = None,
    *,
    to: Sequence[Address] = (),
    agent: str | None = None,
    gateway_ports: bool = False,
    host_here: bool = False,
    slow: bool = False,
) -> Diagnosis:
    """What the doctor finds where nobody can be asked. Each text of it can be shown, and nothing is
    left of the visit.

    :param to: destinations that it tries.
    :param slow: whether steps may be slow; if not, a busy machine counts as a quick one.
    :param host_here: the host is in this process, and what it has open is not ours.
    """
    before = descriptors(), task_names()
    told: list[Step] = []

    async def connect(hop: Hop, via: Connection | None, chart: Chart) -> Connection:
        return await open_connection(hop, via=via, watcher=chart)

    doctor = Doctor(settings or EngineSettings(), connect, lambda _: None, told.append)
    options = SshOptions(config_file=str(bed.config_file), agent_socket=agent)
    diagnosis = await doctor.visit(alias, options, to, gateway_ports=gateway_ports)
    assert host_here or (descriptors(), task_names()) == before
    assert tuple(told) == diagnosis.steps
    assert Diagnosis.from_dict(diagnosis.as_dict()) == diagnosis
    for text in [text for step in told for text in (step.says, step.advice, *step.details)]:
        assert text == plain(text, 1000)
    assert diagnosis.ok == all(step.verdict != "failed" for step in told)
    return diagnosis if slow else replace(diagnosis, steps=tuple(map(_unhurried, told)))


def _unhurried(step: Step) -> Step:
    """The step without what is due to a busy machine."""
    slow = step.verdict == "note" and step.advice.startswith("That is slow.")
    return replace(step, verdict="ok", advice="") if slow else step


def step_of(diagnosis: Diagnosis, name: str, hop: str | None = None) -> Step:
    """The only step of that name (at that hop)."""
    (step,) = [s for s in diagnosis.steps if s.name == name and hop in (None, s.hop)]
    return step


def end_of(diagnosis: Diagnosis) -> Step:
    """The step that failed; none came after it, and none failed before."""
    *before, last = diagnosis.steps
    assert all(step.verdict != "failed" for step in before)
    assert last.verdict == "failed", last
    return last
