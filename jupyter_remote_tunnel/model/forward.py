"""The grammar of `ssh -L`, `-R` and `-D`, parsed once into a frozen value.

    -L [bind_address:]port:host:hostport        -R [bind_address:]port:host:hostport
    -L [bind_address:]port:remote_socket        -R [bind_address:]port:local_socket
    -L local_socket:host:hostport               -R remote_socket:host:hostport
    -L local_socket:remote_socket               -R remote_socket:local_socket
    -D [bind_address:]port                      -R [bind_address:]port        (SOCKS on the remote)
    -L private:host:hostport                    -L private/NAME:host:hostport     (ours)

IPv6 addresses stand in brackets; ssh's older form with "/" in place of ":" between parts is not
taken, as there a path and a separator look alike. A bind address that is absent means loopback, ""
or "*" all interfaces. A socket is anything that holds a "/"; a ":" in a path is written "\\:" as
ssh does. `private` is a Unix socket of ours in a private directory, for what needs no port.
`offer/5006` is one in a private folder on the remote host, where `HOST:5006` finds it from another
machine (`model.offer`); a port of its loopback where it allows no sockets. `offer/tcp/5006` is the
port in any case, which others of that host can connect to.
`str(ForwardSpec.parse(x))` is `x` in its shortest form.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn, Self

from .address import (
    Address,
    TcpAddress,
    UnixAddress,
    address_of_url,
    bracketed,
    check_host,
    check_path,
    parse_port,
    refuse,
)


class ForwardKind(StrEnum):
    """Which side listens, and for what."""

    LOCAL = "local"
    REMOTE = "remote"
    DYNAMIC = "dynamic"


OPTION_OF = {ForwardKind.LOCAL: "-L", ForwardKind.REMOTE: "-R", ForwardKind.DYNAMIC: "-D"}
KIND_OF = {option: kind for kind, option in OPTION_OF.items()}

_GRAMMAR = {
    ForwardKind.LOCAL: "-L [bind_address:]port:host:hostport, or a socket's path on either side",
    ForwardKind.REMOTE: "-R [bind_address:]port[:host:hostport], or a socket's path on either side",
    ForwardKind.DYNAMIC: "-D [bind_address:]port",
}
_URL_PART = re.compile(r"(?<![^:])(?:http|ws)s?://.*", re.IGNORECASE)
_PRIVATE = re.compile(r"private(?:/([a-z0-9-]{1,40}))?\Z")
_OFFER = re.compile(r"offer/(tcp/)?(\d+)\Z", re.ASCII)


@dataclass(frozen=True)
class TcpBind:
    """The TCP port to listen on. `host` None is loopback, "" and "*" are all interfaces; port 0 is
    any free one.
    """

    host: str | None
    port: int

    def __str__(self) -> str:
        return str(self.port) if self.host is None else f"{bracketed(self.host)}:{self.port}"

    @property
    def public(self) -> bool:
        """All interfaces were asked for by name."""
        return self.host in ("", "*", "0.0.0.0", "::")  # noqa: S104 (compared, not bound)

    @property
    def loopback(self) -> bool:
        """Only the host itself was asked for, by name or by saying nothing."""
        return self.host in (None, "localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class PrivateSocket:
    """A Unix socket of ours, 0600 in a private directory, named by the engine if `name` is None."""

    name: str | None = None

    def __str__(self) -> str:
        return "private" if self.name is None else f"private/{self.name}"


@dataclass(frozen=True)
class OfferedPort:
    """What stands for a port of the remote host: a socket there, for its user alone; with `tcp` the
    port itself, to which others of that host can connect.
    """

    port: int
    tcp: bool = False

    def __str__(self) -> str:
        return f"offer/{'tcp/' if self.tcp else ''}{self.port}"


Bind = TcpBind | UnixAddress | PrivateSocket | OfferedPort


@dataclass(frozen=True)
class _Part:
    """One part between colons, unescaped, and where it stands in what was typed."""

    text: str
    start: int
    bracketed: bool

    @property
    def is_path(self) -> bool:
        return "/" in self.text and not self.bracketed


@dataclass(frozen=True)
class ForwardSpec:
    """One listener → destination mapping that a user asked for.

    `destination` is None for SOCKS (-D, and -R without a destination).
    """

    kind: ForwardKind
    bind: Bind
    destination: Address | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """A forward with its option in front: `-L 5006:localhost:5006` (or
        `-L5006:localhost:5006`).

        :raises BadInput: the message points at the part of `text` that is wrong.
        """
        option = text[:2]
        if option not in KIND_OF:
            refuse(
                "A forward begins with -L, -R or -D.",
                text,
                option,
                0,
                "For example: -L 5006:localhost:5006",
            )
        body = text[2:]
        start = 2 + len(body) - len(body.lstrip())
        return cls.parse_body(KIND_OF[option], text[start:], text, start)

    @classmethod
    def parse_body(
        cls, kind: ForwardKind, body: str, text: str | None = None, start: int = 0
    ) -> Self:
        """A forward without its option, which stands at `start` of `text` (for the error)."""
        reader = _Reader(kind, body, body if text is None else text, start)
        bind, destination = reader.read()
        return cls(kind, bind, destination)

    def __str__(self) -> str:
        return f"{OPTION_OF[self.kind]} {self.body}"

    @property
    def body(self) -> str:
        """The forward without its option, as it would be typed behind it."""
        bind = _escape(self.bind.path) if isinstance(self.bind, UnixAddress) else str(self.bind)
        if self.destination is None:
            return bind
        if isinstance(self.destination, UnixAddress):
            return f"{bind}:{_escape(self.destination.path)}"
        return f"{bind}:{self.destination}"

    @property
    def accepts_there(self) -> bool:
        """Whether its streams are accepted on the remote host, and all lead to `destination`."""
        return self.kind is ForwardKind.REMOTE and self.destination is not None


def _escape(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:")


class _Reader:
    """Reads one body into its bind and its destination."""

    def __init__(self, kind: ForwardKind, body: str, text: str, start: int) -> None:
        self.kind = kind
        self.body = body
        self.text = text
        self.start = start

    def read(self) -> tuple[Bind, Address | None]:
        if not self.body:
            self._refuse_whole("Nothing to forward was given.")
        self._refuse_url()
        parts = self._split()
        bind, rest = self._bind(parts)
        if self.kind is ForwardKind.DYNAMIC:
            if rest:
                refuse(
                    "-D takes no destination.",
                    self.text,
                    rest[0].text,
                    rest[0].start,
                    _GRAMMAR[self.kind],
                )
            return bind, None
        if not rest:
            if self.kind is ForwardKind.LOCAL or not isinstance(bind, TcpBind):
                self._refuse_whole("The destination is missing.")
            return bind, None
        return bind, self._destination(rest)

    def _refuse_url(self) -> None:
        found = _URL_PART.search(self.body)
        address = None if found is None else address_of_url(found[0])
        if found is not None and address is not None:
            bind = self.body[: found.start()] or f"{address.rpartition(':')[2]}:"
            refuse(
                "An address is wanted here, not a URL.",
                self.text,
                found[0],
                self.start + found.start(),
                f"Write {OPTION_OF[self.kind]} {bind}{address}",
            )

    def _split(self) -> list[_Part]:
        parts: list[_Part] = []
        position = 0
        while True:
            part, position = self._part(position)
            parts.append(part)
            if position >= len(self.body):
                return parts
            position += 1  # the colon
            if position == len(self.body):
                parts.append(_Part("", self.start + position, False))
                return parts

    def _part(self, position: int) -> tuple[_Part, int]:
        """The part that begins at `position`, and where the colon behind it (or the end) is."""
        begin = position
        if self.body[position] == "[":
            close = self.body.find("]", position)
            if close < 0:
                refuse("This bracket is never closed.", self.text, "[", self.start + begin)
            behind = self.body[close + 1 : close + 2]
            if behind not in ("", ":"):
                refuse(
                    "A “:” belongs behind the bracket.", self.text, behind, self.start + close + 1
                )
            return _Part(self.body[begin + 1 : close], self.start + begin + 1, True), close + 1
        taken: list[str] = []
        while position < len(self.body) and self.body[position] != ":":
            # "\:" and "\\" as ssh reads them; a backslash before anything else is itself.
            if self.body[position] == "\\" and self.body[position + 1 : position + 2] in (
                ":",
                "\\",
            ):
                position += 1
            taken.append(self.body[position])
            position += 1
        return _Part("".join(taken), self.start + begin, False), position

    def _bind(self, parts: list[_Part]) -> tuple[Bind, list[_Part]]:
        first = parts[0]
        private = None if first.bracketed else _PRIVATE.match(first.text)
        if private and not self._looks_like_host(parts):
            if self.kind is not ForwardKind.LOCAL:
                refuse("A private socket is for -L only.", self.text, first.text, first.start)
            return PrivateSocket(private[1]), parts[1:]
        offered = None if first.bracketed else _OFFER.match(first.text)
        if offered and self.kind is ForwardKind.REMOTE:
            start = first.start + offered.start(2)
            port = parse_port(offered[2], self.text, start, zero=False)
            return OfferedPort(port, tcp=bool(offered[1])), parts[1:]
        if first.is_path:
            if self.kind is ForwardKind.DYNAMIC:
                refuse("-D listens on a port, not on a socket.", self.text, first.text, first.start)
            return UnixAddress(check_path(first.text, self.text, first.start)), parts[1:]
        if self._has_bind_address(parts):
            host = first.text
            if host not in ("", "*"):
                check_host(host, self.text, first.start)
            return TcpBind(host, self._port(parts[1], zero=True)), parts[2:]
        return TcpBind(None, self._port(first, zero=True)), parts[1:]

    def _has_bind_address(self, parts: list[_Part]) -> bool:
        """How many parts there are tells, as in ssh, whether the first is a bind address."""
        if self.kind is ForwardKind.DYNAMIC:
            return len(parts) == 2 or (len(parts) > 2 and not parts[0].text.isdigit())
        if len(parts) == 2 and self.kind is ForwardKind.REMOTE:
            return not parts[1].is_path  # -R bind:port (SOCKS), or -R port:socket
        if len(parts) == 3:
            return parts[2].is_path  # bind:port:socket, or port:host:hostport
        return len(parts) > 3

    @staticmethod
    def _looks_like_host(parts: list[_Part]) -> bool:
        """`private:5006:host:5006` binds to a host of that name, as in ssh."""
        return parts[0].text == "private" and (
            len(parts) == 4 or (len(parts) == 3 and parts[1].text.isdigit() and parts[2].is_path)
        )

    def _destination(self, rest: list[_Part]) -> Address:
        first = rest[0]
        if len(rest) == 1:
            if first.is_path:
                return UnixAddress(check_path(first.text, self.text, first.start))
            self._refuse_whole("The destination needs a host and a port.")
        if len(rest) > 2:
            extra = rest[2]
            refuse(
                "There is one part too many.",
                self.text,
                extra.text,
                extra.start,
                f"{_GRAMMAR[self.kind]}. An IPv6 address stands in brackets.",
            )
        host = check_host(first.text, self.text, first.start)
        return TcpAddress(host, self._port(rest[1], zero=False))

    def _port(self, part: _Part, *, zero: bool) -> int:
        if not part.text and "::" in self.body:
            hint = f"An IPv6 address stands in brackets: {OPTION_OF[self.kind]} 5006:[::1]:5006"
            refuse("A port number is missing here.", self.text, "", part.start, hint)
        return parse_port(part.text, self.text, part.start, zero=zero)

    def _refuse_whole(self, message: str) -> NoReturn:
        refuse(message, self.text, self.body, self.start, _GRAMMAR[self.kind])
