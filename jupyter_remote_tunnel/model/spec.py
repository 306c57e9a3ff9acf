"""What a user asked for: a host, the options of ssh that reach it, the forwards.

`TunnelSpec` is the parsed value; `TunnelRequest` is its plain JSON form, as it stands in a REST
body, in a control message, in the saved set and in `jupyter_server_config.py`. A request may hold a
pasted command in place of fields.
"""

import re
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Self

from .address import (
    TcpAddress,
    UnixAddress,
    address_of_url,
    bracketed,
    check_host,
    is_ipv6,
    parse_port,
    refuse,
)
from .errors import BadInput
from .forward import ForwardKind, ForwardSpec, OfferedPort, TcpBind
from .remote_shell import is_keeper
from .ssh_option import (
    EXECUTING,
    LENDING,
    RENAMING,
    TRUSTING,
    refuse_unverified,
    split_option,
    words_of,
)
from .text import plain

TunnelKind = Literal["forward", "application", "jupyter", "kernel", "offer", "publish"]
OnConflict = Literal["fail", "pick"]
AddressFamily = Literal["any", "inet", "inet6"]

# Options whose value is a host, or several.
_HOST_OPTIONS = frozenset({"hostname", "hostkeyalias", "proxyjump", "canonicaldomains"})

_THE_HOST_ITSELF = ("localhost", "127.0.0.1", "::1")

MAX_FORWARDS = 100
"""Of a tunnel: each is part of every status that is sent."""


def _check_option(option: str) -> None:
    key, value = split_option(option)
    if key in _HOST_OPTIONS:
        # ssh puts these into the commands of `Match exec` and ProxyCommand, which a shell reads.
        for host in _hosts_of(key, value):
            check_host(host.replace("%h", "h"), option, max(0, option.find(host)))
    if key == "user":
        user = " ".join(words_of(value))
        check_user(user, option, max(0, option.find(user)))
    refuse_unverified(option)


def _first_word(value: str) -> str:
    return next(iter(words_of(value)), "").lower()


def _hosts_of(key: str, value: str) -> list[str]:
    """The hosts that an option of `_HOST_OPTIONS` names."""
    if key == "proxyjump":
        jumps = value.strip().strip('"').split(",")  # ssh takes all that stands there
        return [HostArgument.parse(jump).host for jump in jumps if jump != "none"]
    return words_of(value) if key == "canonicaldomains" else [" ".join(words_of(value))]


@dataclass(frozen=True)
class SshOptions:
    """The options of `ssh(1)` that alter a connection, as they were typed; None and () are "not
    typed".
    """

    user: str | None = None
    port: int | None = None
    jump: str | None = None
    identities: tuple[str, ...] = ()
    config_file: str | None = None
    options: tuple[str, ...] = ()
    address_family: AddressFamily = "any"
    compression: bool = False
    bind_address: str | None = None
    ciphers: str | None = None
    macs: str | None = None
    agent_socket: str | None = None

    @property
    def executing(self) -> tuple[str, ...]:
        """The options that could start a program here: allowed from the user's own shell only."""
        named = self._named(EXECUTING)
        return named if self.config_file is None else ("-F", *named)

    @property
    def trusting(self) -> tuple[str, ...]:
        """The options that say which host keys to take: allowed from the user's own shell only."""
        taken = [
            "-o StrictHostKeyChecking"
            for key, value in map(split_option, self.options)
            if key == "stricthostkeychecking" and _first_word(value) == "accept-new"
        ]
        return (*self._named(TRUSTING), *taken)

    @property
    def lending(self) -> tuple[str, ...]:
        """The options that give the host something of this machine: from the user's shell only."""
        return self._named(LENDING)

    @property
    def renaming(self) -> tuple[str, ...]:
        """The options that put another host name behind the one that was typed."""
        return self._named(RENAMING)

    def _named(self, keys: frozenset[str]) -> tuple[str, ...]:
        """The options of these keywords, without their values, as they were typed."""
        return tuple(
            f"-o {option.replace('=', ' ').split()[0]}"
            for option in self.options
            if split_option(option)[0] in keys
        )

    @property
    def hosts(self) -> tuple[str, ...]:
        """The other hosts that were typed: the real name behind the alias, and jump hosts."""
        found = _hosts_of("proxyjump", self.jump or "none")
        for key, value in map(split_option, self.options):
            if key in ("hostname", "proxyjump"):
                found += _hosts_of(key, value)
        return tuple(found)

    def check(self) -> None:
        """Refuse what cannot be handed to ssh as an option.

        :raises BadInput: an option is not Key=Value, holds a control character, or would switch off
        the
            verification of host keys.
        """
        for text in (*self.identities, *self.options, *self._texts()):
            if not text or not text.isprintable():
                raise BadInput(
                    "An option of ssh is empty or holds a line break or control character.",
                    hint="Type it without.",
                )
        if self.user is not None:
            check_user(self.user, self.user, 0)
        if self.port is not None and not 1 <= self.port <= 65535:
            raise BadInput(
                f"{self.port} is not a port of ssh.", hint="It lies between 1 and 65535."
            )
        for option in self.options:
            _check_option(option)
        for jump in (self.jump or "none").split(","):
            HostArgument.parse(jump)

    def _texts(self) -> list[str]:
        texts = (
            self.jump,
            self.config_file,
            self.bind_address,
            self.ciphers,
            self.macs,
            self.agent_socket,
        )
        return [text for text in texts if text is not None]

    def words(self) -> list[str]:
        """The options as words of a command line, without user and port's place in the host."""
        words: list[str] = []
        for flag, value in (
            ("-l", self.user),
            ("-p", None if self.port is None else str(self.port)),
            ("-J", self.jump),
            ("-F", self.config_file),
            ("-b", self.bind_address),
            ("-c", self.ciphers),
            ("-m", self.macs),
        ):
            if value is not None:
                words += [flag, value]
        for identity in self.identities:
            words += ["-i", identity]
        for option in self.options:
            words += ["-o", option]
        words += {"any": [], "inet": ["-4"], "inet6": ["-6"]}[self.address_family]
        return [*words, "-C"] if self.compression else words


@dataclass(frozen=True)
class TunnelRequest:
    """The JSON form of a `TunnelSpec`.

    Either `host` with `forwards` (each like "-L 5006:localhost:5006"), or `command`, a line as it
    is typed in a shell ("ssh -NfL 5006:localhost:5006 gpu01", "gpu01:5006"), in which case the
    other fields but `id`, `name`, `on_conflict` and `ssh.agent_socket` stay empty.

    `id` is that of the tunnel if it is a new one, 12 hexadecimal digits: who chooses it can close
    what is not open yet. None has one made.
    """

    host: str | None = None
    forwards: tuple[str, ...] = ()
    name: str | None = None
    kind: TunnelKind = "forward"
    on_conflict: OnConflict = "fail"
    ssh: SshOptions = field(default_factory=SshOptions)
    command: str | None = None
    connection_file: str | None = None
    keeper: str | None = None
    id: str | None = None
    proxy_protocol: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON, without the fields that are at their default."""
        default = TunnelRequest()
        return {
            key: _without_defaults(value) if key == "ssh" else value
            for key, value in asdict(self).items()
            if value != getattr(default, key) and (key != "ssh" or self.ssh != default.ssh)
        }


def _without_defaults(ssh: dict[str, Any]) -> dict[str, Any]:
    default = SshOptions()
    return {key: value for key, value in ssh.items() if value != getattr(default, key)}


@dataclass(frozen=True)
class TunnelSpec:
    """A tunnel that is wanted. `name` is "[user@]host:port" where none was given.

    With `proxy_protocol` each stream of its remote forwards begins, at the destination here, with a
    line that says who connected on the host (`model.proxy_protocol`).
    """

    host: str
    forwards: tuple[ForwardSpec, ...]
    name: str
    ssh: SshOptions = field(default_factory=SshOptions)
    kind: TunnelKind = "forward"
    on_conflict: OnConflict = "fail"
    connection_file: str | None = None
    keeper: str | None = None
    proxy_protocol: bool = False

    @classmethod
    def make(
        cls,
        host: str,
        forwards: tuple[ForwardSpec, ...],
        *,
        name: str | None = None,
        ssh: SshOptions | None = None,
        kind: TunnelKind = "forward",
        on_conflict: OnConflict = "fail",
        connection_file: str | None = None,
        keeper: str | None = None,
        proxy_protocol: bool = False,
    ) -> Self:
        """A spec from its parts: `host` may be `user@host`, `ssh://user@host:22` or the short
        `user@host:5006`.

        :raises BadInput: the host, the name or the keeper is not one, there is nothing to forward,
            or nobody to tell of in the PROXY protocol.
        """
        ssh = ssh or SshOptions()
        login = HostArgument.parse(host)
        ssh = replace(
            ssh,
            user=ssh.user if ssh.user is not None else login.user,
            port=ssh.port if ssh.port is not None else login.ssh_port,
        )
        ssh.check()
        if login.short is not None:
            forwards = (*forwards, login.short)
        if not forwards:
            raise BadInput(
                f"Nothing to forward to {login.host} was given.",
                hint=_example(login, is_bracketed="[" in host),
            )
        if len(forwards) > MAX_FORWARDS:
            raise BadInput(f"A tunnel has at most {MAX_FORWARDS} forwards.", hint="Open several.")
        if keeper is not None and not is_keeper(keeper):
            raise BadInput("“keeper” is not the folder of one.")
        if proxy_protocol and not all(forward.accepts_there for forward in forwards):
            raise BadInput("“proxy_protocol” is for remote forwards with a destination alone.")
        return cls(
            host=login.host,
            forwards=forwards,
            name=(
                check_name(name)
                if name is not None
                else default_name(login.host, ssh.user, forwards)
            ),
            ssh=ssh,
            kind=kind,
            on_conflict=on_conflict,
            connection_file=connection_file,
            keeper=keeper,
            proxy_protocol=proxy_protocol,
        )

    @property
    def login(self) -> str:
        """`user@host` as the user would type it."""
        return self.host if self.ssh.user is None else f"{self.ssh.user}@{self.host}"

    @property
    def has_default_name(self) -> bool:
        """Whether nobody chose the name."""
        return self.name == default_name(self.host, self.ssh.user, self.forwards)

    def same_as(self, other: "TunnelSpec") -> bool:
        """Whether both ask for the same tunnel.

        What to do on a conflict does not matter, nor which shell's agent would be asked, nor what
        it keeps alive there.
        """
        return _essence(self) == _essence(other)

    def request(self) -> TunnelRequest:
        """The JSON form."""
        return TunnelRequest(
            host=self.host,
            forwards=tuple(map(str, self.forwards)),
            name=self.name,
            kind=self.kind,
            on_conflict=self.on_conflict,
            ssh=self.ssh,
            connection_file=self.connection_file,
            keeper=self.keeper,
            proxy_protocol=self.proxy_protocol,
        )

    @cached_property
    def request_dict(self) -> dict[str, Any]:
        """The JSON form as plain JSON. Made once: the wanted set holds that of every tunnel, and
        is told whenever one of them changes."""
        return self.request().as_dict()


def _example(login: "HostArgument", *, is_bracketed: bool) -> str:
    """What to type for a host where nothing to forward was typed."""
    head, _, last = login.host.rpartition(":")
    if last.isdecimal() and is_ipv6(head) and not is_bracketed:
        user = "" if login.user is None else f"{login.user}@"
        return f"If {last} is the port, put the address in brackets: {user}[{head}]:{last}"
    port = "" if login.ssh_port is None else f"-p {login.ssh_port} "
    user = "" if login.user is None else f"{login.user}@"
    host = f"{user}{bracketed(login.host)}"
    return f"For example: {port}{host}:5006, or {port}-L 5006:localhost:5006 {host}"


def _essence(spec: TunnelSpec) -> TunnelSpec:
    ssh = replace(spec.ssh, agent_socket=None)
    return replace(spec, on_conflict="fail", ssh=ssh, keeper=None)


@dataclass(frozen=True)
class HostArgument:
    """The host of a command line: `host`, `user@host`, `ssh://user@host:22`, or `user@host:5006`.

    The last is short for `-L 5006:localhost:5006 user@host`, given in `short`; the port of a URL is
    ssh's.
    """

    host: str
    user: str | None = None
    ssh_port: int | None = None
    short: ForwardSpec | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """:raises BadInput: this is not a host; the error points at the wrong part."""
        if (address := address_of_url(text)) is not None:
            refuse(
                "A host is wanted here, not a URL.",
                text,
                text,
                0,
                f"Write user@host:{address.rpartition(':')[2]} with the host that ssh reaches.",
            )
        is_url = text.lower().startswith("ssh://")
        start = len("ssh://") if is_url else 0
        rest = text[start:].removesuffix("/") if is_url else text
        user, at, place = rest.rpartition("@")
        if at:
            check_user(user, text, start)
        place_start = start + len(user) + len(at)
        host, port = _split_port(place, text, place_start)
        short = None
        if port is not None and not is_url:
            short = ForwardSpec(
                ForwardKind.LOCAL, TcpBind(None, port), TcpAddress("localhost", port)
            )
        return cls(host, user if at else None, port if is_url else None, short)


def _split_port(place: str, text: str, start: int) -> tuple[str, int | None]:
    if place.startswith("["):
        inside, bracket, tail = place[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            refuse(
                "This is not an address in brackets.",
                text,
                place,
                start,
                "For example: [2001:db8::1]:5006",
            )
        host, host_start, port_text = inside, start + 1, tail[1:] if tail else None
    elif place.count(":") > 1:  # an IPv6 address without brackets, as ssh takes it
        if not is_ipv6(check_host(place, text, start)):
            more = place.split(":", 2)[2]
            refuse(
                "There is one part too many.",
                text,
                more,
                start + len(place) - len(more),
                "The short form is user@host:5006; all else is said by"
                " -L 5006:localhost:5006 user@host",
            )
        host, host_start, port_text = place, start, None
    else:
        host, colon, tail = place.partition(":")
        host_start, port_text = start, tail if colon else None
    check_host(host, text, host_start)
    if port_text is None:
        return host, None
    port_start = start + len(place) - len(port_text)
    return host, parse_port(port_text, text, port_start, zero=False)


def check_user(part: str, text: str, start: int) -> str:
    """A user's name on the remote host.

    :raises BadInput: it is empty, begins with "-", or holds shell or control characters.
    """
    if not part or part.startswith("-") or len(part) > 255:
        refuse("This is not a user name.", text, part, start)
    for offset, char in enumerate(part):
        if not char.isprintable() or char in "\"'`$;&|<>(){}!*?#,/: ":
            refuse(f"A user name cannot hold {char!r}.", text, char, start + offset)
    return part


def check_name(name: str) -> str:
    """A tunnel's name: 1 to 100 printable characters, not like an option.

    :raises BadInput: it is not.
    """
    if not name.strip() or len(name) > 100 or not name.isprintable() or name.startswith("-"):
        raise BadInput(
            "A tunnel's name has 1 to 100 printable characters and does not begin with “-”.",
            text=name if name.isprintable() and len(name) <= 100 else "",
            end=len(name),
        )
    return name


def check_id(tunnel_id: str) -> str:
    """A tunnel's id.

    :raises BadInput: it is not 12 hexadecimal digits, in lower case.
    """
    if not re.fullmatch("[0-9a-f]{12}", tunnel_id):
        raise BadInput("A tunnel's id has 12 hexadecimal digits, in lower case.")
    return tunnel_id


def default_name(host: str, user: str | None, forwards: tuple[ForwardSpec, ...]) -> str:
    """`host:port`, or `user@host:port` if a user was typed, after the first forward.

    The port is the one on that host: the destination's, or where a remote forward listens. A
    destination behind that host stands there whole (`gw:db.internal:5432`); the file name of a
    socket, or the port of listening here, where there is no port on that host.
    """
    login = bracketed(host) if user is None else f"{user}@{bracketed(host)}"
    place = _place(host, forwards[0])
    return f"{plain(login, min(80, 99 - len(place)))}:{place}"


def _place(host: str, forward: ForwardSpec) -> str:
    """Where a forward leads, as seen from `host`; 53 characters at most."""
    bind, destination = forward.bind, forward.destination
    if destination is None:
        return f"socks-{bind.port}" if isinstance(bind, TcpBind) else "socks"
    if forward.kind is ForwardKind.REMOTE and isinstance(bind, TcpBind | OfferedPort) and bind.port:
        return str(bind.port)
    if isinstance(destination, UnixAddress):
        return plain(destination.path.rsplit("/", 1)[-1], 19)
    port = str(destination.port)
    if forward.kind is ForwardKind.REMOTE or destination.host in (*_THE_HOST_ITSELF, host):
        return port
    return f"{plain(bracketed(destination.host), 47)}:{port}"
