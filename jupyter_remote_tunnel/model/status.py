"""The snapshot of a tunnel: one JSON form for the sidebar, the shell, the notebook and REST."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypedDict

from .errors import RemoteTunnelError, Transient, from_dict
from .forward import ForwardSpec
from .spec import HostArgument, TunnelKind, default_name
from .text import plain

Source = Literal["user", "config", "saved"]


@dataclass(frozen=True)
class ErrorStatus:
    """An error as it is shown: a stable code, a sentence, what to do next, and the hop where it
    happened.
    """

    code: str
    message: str
    hint: str = ""
    hop: str | None = None

    @classmethod
    def of(cls, error: RemoteTunnelError) -> "ErrorStatus":
        return cls(error.code, error.message, error.hint, error.hop)

    def as_exception(self) -> RemoteTunnelError:
        return from_dict(asdict(self))


@dataclass(frozen=True)
class StreamCount:
    """Streams that are open now, and all that were accepted."""

    open: int
    total: int


ByteCount = TypedDict("ByteCount", {"in": int, "out": int})
"""Bytes relayed: "in" is remote → local, "out" local → remote."""


FarState = Literal["up", "down", "no_application", "unknown"]


@dataclass(frozen=True)
class FarLeg:
    """The way on from a gateway, held by the machine that offers there what a forward leads to.

    `at` is where it is offered on the gateway; `by` who offers it ("ann@workstation") and
    `destination` where it leads there, both "" where they did not say so. `state` began at `since`
    (ISO 8601, UTC); it is "no_application" where that machine is there and nothing answers at
    `destination`, "unknown" while the gateway itself is out of reach. `error` is why it is not up.
    """

    at: str
    by: str
    destination: str
    state: FarState
    since: str
    error: ErrorStatus | None = None


@dataclass(frozen=True)
class ForwardStatus:
    """One forward: what was asked for, what was bound, what went through it.

    `error` with `error_at` (ISO 8601, UTC) is why the last stream failed, and when: others may do
    better. Without, it is why the forward does not listen. `note` is what a person should know of
    where it listens. `far` is the other leg, where it leads to what is offered on a gateway.
    """

    kind: Literal["local", "remote", "dynamic"]
    spec: str
    asked: str
    bound: str | None
    destination: str | None
    streams: StreamCount
    bytes: ByteCount
    error: ErrorStatus | None = None
    error_at: str | None = None
    note: str | None = None
    far: FarLeg | None = None


@dataclass(frozen=True)
class TunnelStatus:
    """One tunnel. `since` is when `state` began (ISO 8601, UTC); `rtt_ms` the last round trip of
    its connection.

    `host` is what the user typed; `route` the resolved hops ("user@host:22"), the remote host last;
    `host_key` the fingerprint of the remote host's key ("SHA256:…") once connected; `source` who
    asked: a user, the configuration, or the saved set. `connection_file` is the path on this
    machine of the file that leads clients to a remote kernel; None where the tunnel leads to none.
    `next_try` is when a lost connection is tried again (ISO 8601, UTC); None where none is awaited.
    `ends_server`: the server that it leads to was started for it, and ends with the last tunnel
    that leads there.
    """

    id: str
    name: str
    kind: TunnelKind
    host: str
    route: tuple[str, ...]
    forwards: tuple[ForwardStatus, ...]
    state: str
    since: str
    source: Source = "user"
    host_key: str | None = None
    error: ErrorStatus | None = None
    rtt_ms: float | None = None
    connection_file: str | None = None
    next_try: str | None = None
    ends_server: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)

    def leads_to(self, place: HostArgument) -> bool:
        """Whether one of its forwards does what `place`, a `[user@]host:port`, is short for; under
        the name of any user where `place` has none.
        """
        login = HostArgument.parse(self.host)
        users = [None, login.user, *(hop.rpartition("@")[0] for hop in self.route[-1:])]
        if place.short is None or place.user not in users or self.kind == "kernel":
            return False
        wanted = default_name(place.host, None, (place.short,))
        forwards = (ForwardSpec.parse(forward.spec) for forward in self.forwards)
        return wanted in (default_name(login.host, None, (forward,)) for forward in forwards)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "TunnelStatus":
        """The snapshot again that `as_dict` wrote; fields of a newer version are left out."""
        return cls(
            id=data["id"],
            name=data["name"],
            kind=data["kind"],
            host=data["host"],
            route=tuple(data["route"]),
            forwards=tuple(_forward(item) for item in data["forwards"]),
            state=data["state"],
            since=data["since"],
            source=data["source"],
            host_key=data["host_key"],
            error=_error(data["error"]),
            rtt_ms=data["rtt_ms"],
            connection_file=data["connection_file"],
            next_try=data["next_try"],
            ends_server=data["ends_server"],
        )


def not_open(tunnel: TunnelStatus) -> RemoteTunnelError:
    """The state of a tunnel as the error that it is to those who want it open."""
    state = f"{plain(tunnel.name)} is {tunnel.state.replace('_', ' ')}"
    if tunnel.error is None:
        return Transient(f"{state}.")
    cause = tunnel.error.as_exception()
    return type(cause)(f"{state}: {cause.message}", code=cause.code, hint=cause.hint, hop=cause.hop)


def _forward(data: Mapping[str, Any]) -> ForwardStatus:
    return ForwardStatus(
        kind=data["kind"],
        spec=data["spec"],
        asked=data["asked"],
        bound=data["bound"],
        destination=data["destination"],
        streams=StreamCount(data["streams"]["open"], data["streams"]["total"]),
        bytes={"in": data["bytes"]["in"], "out": data["bytes"]["out"]},
        error=_error(data["error"]),
        error_at=data["error_at"],
        note=data["note"],
        far=_far(data["far"]),
    )


def _far(data: Mapping[str, Any] | None) -> FarLeg | None:
    if data is None:
        return None
    return FarLeg(
        at=data["at"],
        by=data["by"],
        destination=data["destination"],
        state=data["state"],
        since=data["since"],
        error=_error(data["error"]),
    )


def _error(data: Mapping[str, Any] | None) -> ErrorStatus | None:
    if data is None:
        return None
    return ErrorStatus(data["code"], data["message"], data["hint"], data["hop"])
