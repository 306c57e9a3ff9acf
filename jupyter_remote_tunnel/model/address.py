"""Where a socket listens or connects: a TCP address or the path of a Unix socket."""

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import NoReturn

from .errors import BadInput

_BAD_IN_PATH = ("Cc", "Cf", "Zl", "Zp")  # of Unicode: control, format, separators of lines
_CURLY_QUOTES = "“”„‟"
_URL = re.compile(
    r"(?P<scheme>https?|wss?)://(?:[^/?#@]*@)?(?P<host>\[[^]]*\]|[^/?#:]+)(?::(?P<port>\d+))?"
    r"(?:[/?#].*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class TcpAddress:
    """A host name or IP address (IPv6 without brackets) and a port, 0 to 65535."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"


@dataclass(frozen=True)
class UnixAddress:
    """The path of a Unix socket."""

    path: str

    def __str__(self) -> str:
        return self.path


Address = TcpAddress | UnixAddress


def is_ipv6(text: str) -> bool:
    """Whether this is an IPv6 address, without brackets; it may have a zone."""
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def is_ipv4(text: str) -> bool:
    """Whether this is an IPv4 address, as it is usually written."""
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def bracketed(host: str) -> str:
    """An IPv6 address in brackets, any other host as it is."""
    return f"[{host}]" if ":" in host else host


def refuse(message: str, text: str, part: str, start: int, hint: str = "") -> NoReturn:
    """Raise `BadInput` that points at `part`, which begins at `start` in `text`."""
    raise BadInput(message, hint=hint, text=text, start=start, end=start + len(part))


def parse_port(part: str, text: str, start: int, *, zero: bool) -> int:
    """A decimal port of `text`; 0 only if `zero`.

    :raises BadInput: it is not a number, or out of range.
    """
    if not (part.isascii() and part.isdigit()):
        named = f"“{part}” is not a port number" if part else "A port number is missing here"
        hint = _changed(part) or "A port is a number from 0 to 65535."
        refuse(f"{named}.", text, part, start, hint)
    number = int(part[:6])
    if number > 65535 or len(part) > 5:
        refuse(f"Port {part[:12]} is out of range.", text, part, start, "The highest is 65535.")
    if number == 0 and not zero:
        refuse(
            "Port 0 cannot be a destination.",
            text,
            part,
            start,
            "0 means “any free port” and only a listener can have it.",
        )
    return number


def check_host(part: str, text: str, start: int) -> str:
    """A host name or address as it may stand in a forward.

    :raises BadInput: it is empty, begins with "-", or holds white space, brackets, control or shell
    characters.
    """
    if not part:
        refuse("A host is missing here.", text, part, start)
    if part.startswith("-"):
        refuse("A host cannot begin with “-”.", text, part, start)
    for offset, char in enumerate(part):
        if not char.isprintable() or char in " \"'`$;&|<>(){}[]\\!*?#,@/" + _CURLY_QUOTES:
            refuse(f"A host cannot hold {char!r}.", text, char, start + offset, _changed(char))
    if len(part) > 255:
        refuse("This host name is longer than 255 characters.", text, part, start)
    return part


def _changed(part: str) -> str:
    """What to do about quotes, dashes and spaces that a web page or a mail has made of plain ones;
    "" where there are none."""
    for char in part:
        if not char.isascii() and unicodedata.category(char) in ("Pd", "Pi", "Pf", "Ps", "Zs"):
            return f"It holds a {unicodedata.name(char)}, as in print: type it anew."
    return ""


def address_of_url(text: str) -> str | None:
    """`host:port` of a URL of the web; None if `text` is none."""
    found = _URL.fullmatch(text)
    if found is None:
        return None
    secure = found["scheme"].lower() in ("https", "wss")
    return f"{found['host']}:{found['port'] or (443 if secure else 80)}"


def check_path(part: str, text: str, start: int) -> str:
    """The path of a Unix socket.

    :raises BadInput: it holds a line break or another control character, or is too long for a
    socket on Linux (107 bytes).
    """
    if any(unicodedata.category(char) in _BAD_IN_PATH for char in part):
        refuse("The path of a socket cannot hold a control character.", text, part, start)
    try:
        length = len(part.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        refuse("The path of a socket holds what is no character.", text, part, start)
    if length > 107:
        refuse("The path of a socket cannot be longer than 107 bytes.", text, part, start)
    return part


def parse_address(text: str) -> Address:
    """`host:port`, `[::1]:port`, `port` (on localhost) or the path of a Unix socket.

    :raises BadInput: it is none of these; the error points at the wrong part.
    """
    if (address := address_of_url(text)) is not None:
        hint = f"Write {address}; what stands behind it in the URL is for the browser."
        refuse("An address is wanted here, not a URL.", text, text, 0, hint)
    if "/" in text:
        return UnixAddress(check_path(text, text, 0))
    head, colon, tail = text.rpartition(":")
    if not colon:
        return TcpAddress("localhost", parse_port(text, text, 0, zero=False))
    port = parse_port(tail, text, len(head) + 1, zero=False)
    if head.startswith("[") and head.endswith("]"):
        return TcpAddress(check_ipv6(head[1:-1], text, 1), port)
    if ":" in head:
        refuse("An IPv6 address stands in brackets here.", text, head, 0, f"Type [{head}]:{port}.")
    return TcpAddress(check_host(head, text, 0), port)


def check_ipv6(part: str, text: str, start: int) -> str:
    """What stands in brackets: an IPv6 address, perhaps with a zone.

    ssh takes any host in brackets, so `[localhost]` is `localhost` here too.
    """
    return check_host(part, text, start)
