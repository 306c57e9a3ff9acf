"""What the doctor found on the way to a host, one step after the other.

A step is worded where it was made; what a remote host said in it is plain text, capped, and stands
in quotes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

StepName = Literal[
    "configuration",
    "resolve",
    "connect",
    "key_exchange",
    "host_key",
    "login",
    "destination",
    "tcp_forward",
    "socket_forward",
    "remote_forward",
    "gateway_ports",
]

Verdict = Literal["ok", "note", "failed"]
"""note: nothing failed, and there is something to know: it was slow, or could not be tried."""


@dataclass(frozen=True)
class Step:
    """One step.

    :param hop: where, as "gw (hop 1 of 2)"; of the configuration, the host as it was typed.
    :param says: what came of it, a sentence.
    :param details: more of it, a line each.
    :param advice: what to do next, or "".
    :param code: of the error that it failed with (see `errors`); "" where it did not.
    :param seconds: how long it took, not counting those in which a person was asked.
    """

    name: StepName
    hop: str
    verdict: Verdict
    says: str
    details: tuple[str, ...] = ()
    advice: str = ""
    code: str = ""
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Step":
        """The step again that `as_dict` wrote."""
        return cls(**{**data, "details": tuple(data["details"])})


@dataclass(frozen=True)
class Diagnosis:
    """All steps to a host, up to where it does not go on.

    `route` are its hops ("user@host:22"), the host last; none where its configuration failed. `ok`
    is whether no step failed.
    """

    host: str
    route: tuple[str, ...]
    ok: bool
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, host: str, route: Sequence[str], steps: Sequence[Step]) -> "Diagnosis":
        """That of these steps."""
        ok = all(step.verdict != "failed" for step in steps)
        return cls(host, tuple(route), ok, tuple(steps))

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Diagnosis":
        """The diagnosis again that `as_dict` wrote."""
        steps = [Step.from_dict(step) for step in data["steps"]]
        return cls(data["host"], tuple(data["route"]), data["ok"], tuple(steps))
