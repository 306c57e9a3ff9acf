"""What the doctor finds, in lines for a person: those of each step as soon as it is over."""

import asyncio
from collections.abc import Callable

from ..engine.client import EngineClient
from ..engine.messages import Who
from ..model.diagnosis import Diagnosis, Step, StepName, Verdict
from ..model.spec import TunnelRequest
from ..model.text import plain

_NAMES: dict[StepName, str] = {
    "configuration": "configuration",
    "resolve": "name",
    "connect": "connection",
    "key_exchange": "key exchange",
    "host_key": "host key",
    "login": "login",
    "destination": "destination",
    "tcp_forward": "TCP forwards",
    "socket_forward": "Unix sockets",
    "remote_forward": "remote forwards",
    "gateway_ports": "public bind",
}
_VERDICTS: dict[Verdict, str] = {"ok": "ok", "note": "note", "failed": "FAILED"}
_LONGEST = 1000
_MARGIN = " " * len("FAILED  ")


async def follow(
    client: EngineClient,
    request: TunnelRequest,
    say: Callable[[str], None] | None,
    *,
    gateway_ports: bool,
    person: Who | None,
) -> tuple[Diagnosis, tuple[str, ...]]:
    """The diagnosis of a host, and the lines of it that were not said yet.

    :param say: given the lines of each step when it is over; None where they have to wait.
    :raises RemoteTunnelError: as `EngineClient.diagnose`.
    """
    told: asyncio.Queue[Step | None] = asyncio.Queue()
    walk = asyncio.get_running_loop().create_task(
        client.diagnose(
            request, gateway_ports=gateway_ports, person=person, on_step=told.put_nowait
        ),
        name="doctor",
    )
    walk.add_done_callback(lambda _: told.put_nowait(None))
    report = Report()
    try:
        while (step := await told.get()) is not None:
            lines = report.lines_of(step)
            if say is not None:
                say("\n".join(lines))
    finally:
        walk.cancel()
        await asyncio.wait([walk])
    diagnosis, last = walk.result(), report.last_line()
    return diagnosis, (last,) if say is not None else (*report.lines, last)


class Report:
    """The lines of one diagnosis, in the order of its steps."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._steps: list[Step] = []

    def lines_of(self, step: Step) -> list[str]:
        """The lines of the next step, under the name of its hop where that is another one."""
        hop = self._steps[-1].hop if self._steps else None
        self._steps.append(step)
        lines = [] if step.hop == hop else [f"{plain(step.hop)}:"]
        verdict, name = _VERDICTS[step.verdict], _NAMES[step.name]
        says = plain(step.says, _LONGEST)
        lines.append(f"{verdict:<6}  {name:<15} {_time(step.seconds):>7}  {says}")
        lines += [f"{_MARGIN}{plain(detail, _LONGEST)}" for detail in step.details]
        if step.advice:
            lines.append(f"{_MARGIN}→ {plain(step.advice, _LONGEST)}")
        self.lines += lines
        return lines

    def last_line(self) -> str:
        """What all of it comes to."""
        failed = [_NAMES[step.name] for step in self._steps if step.verdict == "failed"]
        if not failed:
            return "Nothing failed."
        names = ", ".join(dict.fromkeys(failed))
        return f"{len(failed)} of {len(self._steps)} steps failed: {names}."


def _time(seconds: float) -> str:
    """As "12 ms" or "1.2 s"."""
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"
