"""The `Hop`: one SSH connection of a route, resolved. A plain value, and the key under which links
are shared."""

from dataclasses import dataclass, field, replace

from ..model.address import TcpAddress, bracketed
from ..model.spec import AddressFamily


@dataclass(frozen=True)
class Hop:
    """All that alters the connection to one host. Paths are absolute, `~` and tokens expanded;
    times in seconds.

    Two hops are equal (and share a link) where every field is, except those that say only how to
    talk about the hop or how long to wait. A link's whole key is the route up to its hop."""

    alias: str
    host: str
    port: int
    user: str
    host_key_alias: str | None = None
    known_hosts: tuple[str, ...] = ()
    revoked_host_keys: str | None = None
    identities: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    identities_only: bool = False
    agent: str | None = None
    address_family: AddressFamily = "any"
    bind_address: str | None = None
    bind_interface: str | None = None
    compression: bool = False
    # None: ours, AES-GCM first. Else what the user's configuration allows, in its order.
    ciphers: tuple[str, ...] | None = None
    macs: tuple[str, ...] | None = None
    proxy_command: str | None = None
    keepalive_interval: float = field(default=15.0, compare=False)
    keepalive_count: int = field(default=3, compare=False)
    connect_timeout: float = field(default=30.0, compare=False)
    # Where it stands in the route that it was resolved for: 1 of 2.
    number: int = field(default=1, compare=False)
    total: int = field(default=1, compare=False)
    # Paths in it that name an environment variable, expanded, and as they were written.
    written: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)
    # The ssh that a person would type to reach it in the same way, by the same jump hosts.
    command: tuple[str, ...] = field(default=(), compare=False)

    @property
    def address(self) -> TcpAddress:
        """Where its sshd listens, as seen from the hop before."""
        return TcpAddress(self.host, self.port)

    @property
    def known_as(self) -> str:
        """The name under which known_hosts files hold it: `host`, `[host]:port` or the
        HostKeyAlias."""
        name = self.host_key_alias or self.host
        return name if self.port == 22 or self.host_key_alias else f"[{name}]:{self.port}"

    @property
    def place(self) -> str:
        """The hop as errors name it: "gw (hop 1 of 2)", or "gpu01" where the route is that one
        hop."""
        return (
            self.alias if self.total == 1 else f"{self.alias} (hop {self.number} of {self.total})"
        )

    def shown(self, path: str) -> str:
        """One of its paths, as errors name it: without the values of environment variables."""
        return dict(self.written).get(path, path)

    def at(self, number: int, total: int) -> "Hop":
        """The same hop at another place of a route."""
        return replace(self, number=number, total=total)

    def __str__(self) -> str:
        """`user@host:port`, as a status shows the route."""
        return f"{self.user}@{bracketed(self.host)}:{self.port}"
