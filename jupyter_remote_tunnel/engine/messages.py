"""The control protocol: every method, what it takes and what it gives. There is no other
definition.

REST bodies, the OpenAPI file and the TypeScript types are made from these dataclasses. They need
the standard library only, so that a kernel of another environment can speak to the engine.

On the wire each message is one line of JSON (UTF-8, at most `MAX_LINE` bytes):

    {"id": 1, "method": "tunnels.close", "params": {"tunnel": "gpu01:5006"}}
    {"id": 1, "result": {…}}   or   {"id": 1, "error": {"code", "message", "hint", "hop", "where"}}
    {"event": "tunnel", "data": {…}}

The first request is `hello`. Requests of one client run side by side; answers come as they are
ready.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ..model.spec import TunnelRequest
from ..model.status import Source, TunnelStatus

MAX_LINE = 4 << 20  # holds two payloads in base64
MAX_PAYLOAD = 1 << 20

Client = Literal["server", "shell", "cell", "holder"]


@dataclass(frozen=True)
class Empty:
    """Takes, or gives, nothing."""


@dataclass(frozen=True)
class Hello:
    """Who speaks. `client` decides what is allowed: a shell may use options that start programs."""

    version: str
    client: Client
    pid: int


@dataclass(frozen=True)
class Welcome:
    """The engine's answer to `Hello`. `private_dir` is where private sockets are bound."""

    version: str
    pid: int
    private_dir: str


@dataclass(frozen=True)
class TunnelList:
    """Every tunnel, in the order in which they were opened."""

    tunnels: tuple[TunnelStatus, ...]


@dataclass(frozen=True)
class OpenTunnel:
    """Open what `request` asks for; answered when it is open, or with the reason why not."""

    request: TunnelRequest
    source: Source = "user"


@dataclass(frozen=True)
class OpenedTunnel:
    """`created` is False where an equal one was there already; `understood` is the line of ssh."""

    tunnel: TunnelStatus
    created: bool
    understood: str


@dataclass(frozen=True)
class CloseTunnel:
    """Close the tunnel of that id or name; `drain` gives its streams so many seconds to end."""

    tunnel: str
    drain: float = 0.0


@dataclass(frozen=True)
class NamedTunnel:
    """One tunnel, by id or name."""

    tunnel: str


@dataclass(frozen=True)
class OneTunnel:
    """The status of one tunnel."""

    tunnel: TunnelStatus


@dataclass(frozen=True)
class Host:
    """A host that has tunnels: as it was typed, its state by its best tunnel, and their ids."""

    host: str
    tunnels: tuple[str, ...]


@dataclass(frozen=True)
class HostList:
    """The hosts that have tunnels."""

    hosts: tuple[Host, ...]


@dataclass(frozen=True)
class Exec:
    """Run `argv` on the remote host of `request` (which has no forwards). `stdin` is base64."""

    request: TunnelRequest
    argv: tuple[str, ...]
    stdin: str = ""
    timeout: float = 30.0


@dataclass(frozen=True)
class ExecResult:
    """`stdout` and `stderr` are base64, at most `MAX_PAYLOAD` bytes each before it."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class ReadFile:
    """Read a file of at most 1 MiB on the remote host of `request` (which has no forwards)."""

    request: TunnelRequest
    path: str


@dataclass(frozen=True)
class FileContent:
    """`data` is base64."""

    data: str


@dataclass(frozen=True)
class WantedTunnel:
    """One entry of the wanted set: what the holder keeps, sends to a new engine, and saves."""

    id: str
    request: TunnelRequest
    source: Source = "user"
    # What was bound when the request left it open (port 0, a picked port): asked for again by
    # number.
    bound: tuple[str | None, ...] = ()
    # Whether it was open, ever: what was not is shown, and not tried again unasked.
    opened: bool = True


@dataclass(frozen=True)
class Restore:
    """The wanted set of an engine that died, or of an earlier server."""

    tunnels: tuple[WantedTunnel, ...] = field(default=())


@dataclass(frozen=True)
class ClientCount:
    """How many clients the engine has beside its holder."""

    count: int


class Method(NamedTuple):
    """The dataclasses of a method's params and result."""

    params: type[Any]
    result: type[Any]


METHODS: dict[str, Method] = {
    "hello": Method(Hello, Welcome),
    "ping": Method(Empty, Empty),
    "tunnels.list": Method(Empty, TunnelList),
    "tunnels.open": Method(OpenTunnel, OpenedTunnel),
    "tunnels.get": Method(NamedTunnel, OneTunnel),
    "tunnels.close": Method(CloseTunnel, OneTunnel),
    "tunnels.restart": Method(NamedTunnel, OneTunnel),
    "hosts.list": Method(Empty, HostList),
    "exec": Method(Exec, ExecResult),
    "read_file": Method(ReadFile, FileContent),
    "holder.restore": Method(Restore, TunnelList),
}

# What the engine says unasked. `wanted` (which holds whole requests) and `clients` are for the
# holder alone.
EVENTS: dict[str, type[Any]] = {
    "tunnel": TunnelStatus,
    "removed": NamedTunnel,
    "wanted": Restore,
    "clients": ClientCount,
}
