"""The `Hop`: one SSH connection of a route, resolved. A plain value, and the key under which links
are shared."""

from dataclasses import dataclass, field, replace
from typing import Literal

from ..model.address import TcpAddress, bracketed
from ..model.spec import AddressFamily

METHODS = ("publickey", "keyboard-interactive", "password")
"""How we log in, where the configuration does not say."""


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
    # What becomes of an unknown host key: refused, asked about, or taken and written down.
    strict_host_keys: Literal["yes", "ask", "accept-new"] = "ask"
    hash_known_hosts: bool = False
    # Where a key that is to be remembered is written: the first of the user's own files.
    remember_in: str | None = field(default=None, compare=False)
    # Whether the other keys that the host proves to hold are written there, too.
    learn_host_keys: bool = field(default=False, compare=False)
    identities: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    identities_only: bool = False
    agent: str | None = None
    address_family: AddressFamily = "any"
    bind_address: str | None = None
    bind_interface: str | None = None
    compression: bool = False
    # Algorithms. None: ours, AES-GCM first. Else what the configuration allows, in its order.
    ciphers: tuple[str, ...] | None = None
    macs: tuple[str, ...] | None = None
    key_exchanges: tuple[str, ...] | None = None
    # Of the host's key, of our own ones, and of the keys of authorities.
    host_key_algorithms: tuple[str, ...] | None = None
    # Whether those of known keys go before: who only adds or takes away some wants no other order.
    known_keys_first: bool = True
    key_algorithms: tuple[str, ...] | None = None
    authority_algorithms: tuple[str, ...] | None = None
    # How to log in, in the order in which it is tried.
    methods: tuple[str, ...] = METHODS
    gssapi_delegates: bool = False
    pkcs11_provider: str | None = None
    # The agent that commands on the host may use: a socket here.
    forward_agent: str | None = None
    # What commands on the host find in their environment, if it lets them.
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    # After how many bytes and seconds new keys are agreed on; None is asyncssh's own, 0 is never.
    rekey_bytes: int | None = None
    rekey_seconds: int | None = None
    tcp_keepalive: bool = True
    # The type of service (DSCP) of its packets; None is the system's.
    type_of_service: int | None = None
    proxy_command: str | None = None
    # How often a person may answer wrongly.
    password_prompts: int = field(default=3, compare=False)
    keepalive_interval: float = field(default=15.0, compare=False)
    keepalive_count: int = field(default=3, compare=False)
    connect_timeout: float = field(default=30.0, compare=False)
    # Where it stands in the route that it was resolved for: 1 of 2.
    number: int = field(default=1, compare=False)
    total: int = field(default=1, compare=False)
    # What the configuration holds to no effect here, as “keyword value”: for `doctor`.
    not_honoured: tuple[str, ...] = field(default=(), compare=False, repr=False)
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

    @property
    def signs_of_life(self) -> tuple[float, int]:
        """After how many seconds of silence it is asked for one, and asked again, and how many may
        stay away: after one wait more it is lost, which is `keepalive_interval` × `keepalive_count`
        in all. Where the count is 1 the waits are shorter, so that there is time for an answer.
        """
        if self.keepalive_count > 1:
            return self.keepalive_interval, self.keepalive_count - 1
        return self.keepalive_interval / 2, 1

    def shown(self, path: str) -> str:
        """One of its paths, as errors name it: without the values of environment variables."""
        return dict(self.written).get(path, path)

    def at(self, number: int, total: int) -> "Hop":
        """The same hop at another place of a route."""
        return replace(self, number=number, total=total)

    def __str__(self) -> str:
        """`user@host:port`, as a status shows the route."""
        return f"{self.user}@{bracketed(self.host)}:{self.port}"
