"""What the holder tells its engine at the start: the traits of the Jupyter server, plain."""

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class EngineSettings:
    """Limits and times (in seconds). Lists hold patterns of `fnmatch`; None allows all."""

    allowed_hosts: tuple[str, ...] | None = None
    allowed_destinations: tuple[str, ...] | None = None
    allow_remote_forward: bool = True
    allow_public_bind: bool = False
    allow_other_users: bool = False
    allow_exec_options: bool = False
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
    # Read in place of the user's ssh_config, as `ssh -F` would; None is the user's own. A tunnel's
    # -F wins.
    ssh_config: str | None = None
    log_level: str = "WARNING"
    # About the Jupyter server that holds the engine, for the rule on publishing it by accident.
    own_ports: tuple[int, ...] = ()
    own_socket: str | None = None
    own_protected: bool = True
    own_tls: bool = False

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
