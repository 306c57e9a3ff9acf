"""A Jupyter, when it is to be shown to the outside: what is asked, and what is said of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from .address import bracketed, check_host, check_path, is_ipv4
from .diagnosis import Verdict
from .errors import BadInput
from .forward import TcpBind
from .spec import HostArgument, SshOptions
from .text import plain

Way = Literal["proxy", "bind", "direct"]
"""proxy: behind the gateway's web server, where TLS ends. bind: on a public port of the gateway;
TLS ends here. direct: on a port of this machine, without a gateway; TLS ends here."""

Proxy = Literal["nginx", "caddy"]

PublicationState = Literal["opening", "shown", "reconnecting", "checking", "held_back", "ended"]
"""Only when it is "shown" anybody gets more than a 503. "held_back": a check failed after a lost
connection; it is checked again by itself."""

HTTPS = 443
_UNPRIVILEGED = 8443
MARK = "jupyter_remote_tunnel"
"""What an outside server of this package says to those who have no business with it."""

LONGEST_HOURS = 24.0 * 31
_LONGEST_NAME = 253

Remedy = Literal["", "password", "setting", "site", "certificate"]
"""What can be done about it from here: "" is nothing, or nothing has to be. "setting": what the
check's `change` shows can be written."""


@dataclass(frozen=True)
class Change:
    """A change to the user's own file of Jupyter's configuration.

    :param setting: which it is about: "ServerApp.allow_origin".
    :param file: the path; it need not be there yet.
    :param lines: what is changed, "- " in front of what stands there and "+ " of what will. A
        secret is not in them.
    :param at_once: whether it counts at once; else when Jupyter is started again.
    :param seen: what has to be given back to have it written, as long as the file is as it is now.
    """

    setting: str
    file: str
    lines: tuple[str, ...]
    at_once: bool
    seen: str

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The change again that `as_dict` wrote."""
        return cls(**{**data, "lines": tuple(data["lines"])})


@dataclass(frozen=True)
class Check:
    """One line of the list that is gone through before this Jupyter is shown.

    :param name: what was looked at, in a word or two: "password", "certificate".
    :param says: what was found, a sentence.
    :param typed: what has to be typed, or a file as it has to be: lines of ours, that are copied
        as they stand. Nothing of what a host or a certificate says is in them, but plain names and
        paths.
    :param advice: what to do next, or "".
    :param remedy: what the front door can offer to do.
    :param change: to Jupyter's configuration, which would mend it.
    :param details: more of what was found, a line each, as somebody else may have worded it: it is
        quoted, and never typed.
    """

    name: str
    verdict: Verdict
    says: str
    typed: tuple[str, ...] = ()
    advice: str = ""
    remedy: Remedy = ""
    change: Change | None = None
    details: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The check again that `as_dict` wrote."""
        change = data.get("change")
        known = {"change": None if change is None else Change.from_dict(change)}
        lines = {name: tuple(data[name]) for name in ("typed", "details")}
        return cls(**{**data, **lines, **known})


@dataclass(frozen=True)
class PublishRequest:
    """Show this Jupyter to the outside.

    :param gateway: the host that publishes it, as it is typed for ssh; "" if `way` is "direct".
    :param name: the host name (or address) that browsers use.
    :param prefix: the path below which it is to be found there; "" is Jupyter's base URL.
    :param port: of browsers' URLs; None is 443 where a web server has it, and 8443 elsewhere.
    :param proxy: which web server of the gateway shows it, for `way` "proxy"; None is the one that
        is there.
    :param loopback_port: the port of the gateway's loopback that leads here, in place of a socket,
        for `way` "proxy"; its other users can connect to that, and take it when it is not shown.
    :param socket: the path of the socket on the gateway that a site names which is not ours.
    :param certificate: the file with the certificate and those above it, where TLS ends; None is
        the one that the gateway's site names already, else the one from Let's Encrypt that it has.
    :param key: the file with its private key, beside it.
    :param self_signed: whether a certificate will do for which nobody vouches.
    :param hours: until it ends by itself; None is as the server is set.
    """

    way: Way = "proxy"
    gateway: str = ""
    ssh: SshOptions = field(default_factory=SshOptions)
    name: str = ""
    prefix: str = ""
    port: int | None = None
    proxy: Proxy | None = None
    loopback_port: int | None = None
    socket: str | None = None
    certificate: str | None = None
    key: str | None = None
    self_signed: bool = False
    hours: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @property
    def authority(self) -> str:
        """The host, and the port if it is not that of https, as in a URL and in the Host header."""
        host, port = bracketed(self.name), self.public_port
        return host if port == HTTPS else f"{host}:{port}"

    @property
    def public_port(self) -> int:
        """The port of browsers' URLs."""
        return self.port or (HTTPS if self.way == "proxy" else _UNPRIVILEGED)

    @property
    def port_there(self) -> TcpBind | None:
        """The port on which the gateway is asked to listen; None where that is a socket, or there
        is no gateway.
        """
        if self.way == "bind":
            return TcpBind("*", self.public_port)
        if self.loopback_port is None:
            return None
        # By its address, so that sshd refuses one that somebody has already: of the name
        # “localhost”, which is two, it would take the other half and not tell.
        return TcpBind("127.0.0.1", self.loopback_port)

    @property
    def has_own_site(self) -> bool:
        """Whether the gateway's web server shows it by another site than ours."""
        return self.way == "proxy" and (self.socket is not None or self.public_port != HTTPS)

    @property
    def lacks_files(self) -> bool:
        """Whether TLS is to end here, and no certificate is named."""
        return self.way == "direct" and not self.certificate

    def check(self, *, files: bool = True) -> None:
        """Refuse what cannot be.

        :param files: whether to refuse what lacks files, too.
        :raises BadInput: a part is missing, is none, or has no place in this way.
        """
        if not self.name:
            raise BadInput(
                "The name that browsers use is missing.", hint="For example: --name j.example.org"
            )
        if "/" in self.name:
            bare = self.name.partition("://")[2] or self.name
            raise BadInput(
                "Give the name alone, and nothing else of the URL.",
                hint=f"For example: {plain(bare.partition('/')[0], 100)}",
            )
        check_host(self.name, self.name, 0)
        if len(self.name) > _LONGEST_NAME or "*" in self.name:
            raise BadInput("This is not the name of one host.", text=self.name, end=len(self.name))
        if (self.way == "direct") == bool(self.gateway):
            raise BadInput(
                "Without a gateway it is published directly, and with one it is not.",
                hint="Give a gateway, or --direct.",
            )
        if self.gateway and HostArgument.parse(self.gateway).short is not None:
            raise BadInput("Give the gateway alone, without a port.")
        for port in (self.port, self.loopback_port):
            if port is not None and not 1 <= port <= 65535:
                raise BadInput(f"{port} is no port.", hint="It lies between 1 and 65535.")
        self._check_ends()
        if files and self.lacks_files:
            raise BadInput(
                "TLS ends here, with a certificate and its key: give both files.",
                hint="--certfile FILE --keyfile FILE; `jupyter tunnel cert` makes a self-signed"
                " one.",
            )
        self._check_issued()
        check_prefix(self.prefix)
        check_hours(self.hours)

    def _check_ends(self) -> None:
        """Where TLS ends, and what that needs."""
        if bool(self.certificate) != bool(self.key):
            raise BadInput(
                "A certificate is of no use without its key: give both files.",
                hint="--certfile FILE --keyfile FILE",
            )
        if self.way == "proxy":
            if self.certificate and self.has_own_site:
                raise BadInput("The certificate is named in your own site: leave it out here.")
            if self.socket is not None:
                check_path(self.socket, self.socket, 0)
                if self.loopback_port is not None:
                    raise BadInput("The gateway listens on a port or on a socket: give one.")
        elif self.socket is not None or self.loopback_port is not None:
            raise BadInput("A socket or port behind a web server is for a gateway with one.")

    def _check_issued(self) -> None:
        """Whether Let's Encrypt gives the certificate, where it is to come from there."""
        if self.way == "direct":
            return
        by_caddy = self.proxy == "caddy" and self.self_signed  # which makes one for an address
        if self.certificate or self.has_own_site or by_caddy:
            return
        if is_ipv4(self.name.removesuffix(".")):
            raise BadInput(
                f"certbot gets no certificate for an address, such as {self.name}.",
                hint="Take a name, or --certfile and --keyfile.",
            )


def check_prefix(prefix: str) -> None:
    """:raises BadInput: that is not below which Jupyter can be found; "" is."""
    if prefix and not (prefix.startswith("/") and prefix.isprintable()):
        raise BadInput("A prefix is a path: /jupyter")


@dataclass(frozen=True)
class PullRequest:
    """Show a Jupyter of another host by the web server of this machine, which is the gateway.

    :param publish: how; its `gateway` is that other host, as it is typed for ssh.
    :param destination: which of the Jupyter servers there: a port, or the path of a socket; None is
        the only one.
    :param endless: whether it does not end by itself, if `publish.hours` says nothing.
    """

    publish: PublishRequest
    destination: str | None = None
    endless: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    def check(self) -> None:
        """Refuse what cannot be.

        :raises BadInput: a part is missing, is none, or has no place here.
        """
        if self.publish.way != "proxy" or self.publish.loopback_port is not None:
            raise BadInput(
                "What is pulled is shown by the web server of this machine, which reaches it by a"
                " socket.",
                hint="Leave --bind, --direct and --tcp out.",
            )
        self.publish.check()


def check_hours(hours: float | None) -> None:
    """:raises BadInput: that is not for how long something can be published."""
    if hours is not None and not 0 < hours <= LONGEST_HOURS:
        raise BadInput(
            f"It is published for more than 0 hours and at most {LONGEST_HOURS / 24:g} days."
        )


@dataclass(frozen=True)
class Visitor:
    """Who is connected: an address ("" where it is not known), how many requests and websockets of
    theirs are open, and since when the oldest of these is (ISO 8601, UTC).
    """

    address: str
    streams: int
    since: str


@dataclass(frozen=True)
class Publication:
    """This Jupyter as it is published.

    :param host: the other host as it was typed: the gateway, or the one from which it is pulled;
        "" without one.
    :param url: what browsers open.
    :param since: when `state` began (ISO 8601, UTC); `until` is when it ends by itself, "" if it
        does not.
    :param tunnel: the id of its tunnel; None without a gateway.
    :param checks: what was found when it was looked at last.
    :param visitors: who is connected now.
    :param exposed: what the outside can reach, and who can read what passes: sentences.
    :param problem: why it is not shown; "" where it is.
    """

    id: str
    way: Way
    host: str
    name: str
    url: str
    state: PublicationState
    since: str
    until: str
    tunnel: str | None
    checks: tuple[Check, ...]
    visitors: tuple[Visitor, ...]
    exposed: tuple[str, ...]
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The publication again that `as_dict` wrote."""
        return cls(
            **{
                **data,
                "checks": tuple(map(Check.from_dict, data["checks"])),
                "visitors": tuple(Visitor(**visitor) for visitor in data["visitors"]),
                "exposed": tuple(data["exposed"]),
            }
        )


@dataclass(frozen=True)
class PublishReport:
    """What came of a request: all checks, whether none failed, and what is published now; None
    where a check failed, or nothing was to be opened.
    """

    ok: bool
    checks: tuple[Check, ...]
    publication: Publication | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)
