"""What the holder tells its engine at the start: the traits of the Jupyter server, plain."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from os.path import realpath
from typing import Any, Literal

from .address import TcpAddress
from .forward import ForwardKind, ForwardSpec


@dataclass(frozen=True)
class EngineSettings:
    """Limits and times (in seconds). Lists hold patterns of `fnmatch`; None allows all."""

    allowed_hosts: tuple[str, ...] | None = None
    allowed_destinations: tuple[str, ...] | None = None
    allow_remote_forward: bool = True
    allow_public_bind: bool = False
    allow_other_users: bool = False
    allow_exec_options: bool = False
    allow_unasked_host_keys: bool = False
    max_tunnels: int = 1000
    max_streams: int = 1000
    byte_budget: int = 64 << 20
    session_exec: Literal["auto", "never"] = "auto"
    stream_wait: float = 10.0
    connect_timeout: float = 30.0
    keepalive_interval: float = 15.0
    keepalive_count: int = 3
    backoff_first: float = 1.0
    backoff_max: float = 60.0
    refused_attempts: int = 3
    max_prompts: int = 10
    prompt_timeout: float = 120.0
    # Read in place of the user's ssh_config, as `ssh -F` would; None is the user's own. A tunnel's
    # -F wins.
    ssh_config: str | None = None
    # What a shell is told before it starts Jupyter on a host; the first pattern that fits.
    jupyter_preludes: dict[str, str] = field(default_factory=dict)
    jupyter_grace: float = 3600.0
    jupyter_start_timeout: float = 120.0
    log_level: str = "WARNING"
    # About the Jupyter server that holds the engine, for the rule on publishing it by accident.
    own_ports: tuple[int, ...] = ()
    own_socket: str | None = None
    own_protected: bool = True
    own_tls: bool = False

    def reaches_own_server(self, forward: ForwardSpec) -> bool:
        """Whether it would lead from its host to the Jupyter server that holds the engine. SOCKS on
        the remote reaches every port here, this server's among them.
        """
        if forward.kind is not ForwardKind.REMOTE:
            return False
        to = forward.destination
        if to is None:
            return bool(self.own_ports)
        # Whatever the host's name: it may be one of this machine's, and a wrong guess would publish
        # it.
        if isinstance(to, TcpAddress):
            return to.port in self.own_ports
        return self.own_socket is not None and realpath(to.path) == realpath(self.own_socket)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "EngineSettings":
        """The settings again that `as_dict` wrote."""
        lists = ("allowed_hosts", "allowed_destinations", "own_ports")
        frozen: dict[str, Any] = {
            key: tuple(value) if key in lists and value is not None else value
            for key, value in data.items()
        }
        return cls(**frozen)


def is_among(value: str, patterns: Iterable[str] | None) -> bool:
    """Whether a list of the settings allows something; None allows all. Only “*” and “?” stand for
    anything: a “[” is that of an IPv6 address."""
    if patterns is None:
        return True
    globs = (pattern.lower().replace("[", "[[]") for pattern in patterns)
    return any(fnmatchcase(value.lower(), glob) for glob in globs)
