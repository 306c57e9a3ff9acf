"""Who listens on the ports of a remote host, as its kernel tells (Linux: /proc/net/tcp).

The file of a Jupyter server that was killed stays behind, and its port is anybody's then: whoever
listens there must not be sent the token. So a port counts only where the server's own user listens,
and it is reached at the very address where they do: `localhost` can be two, of two users.
"""

import contextlib
import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ..model.address import TcpAddress

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

_LOOPBACK = ("127.0.0.1", "::1")
# What a server is told to listen on, and where it is reached then.
_REACHED_AT = {
    "": _LOOPBACK,
    "localhost": _LOOPBACK,
    "*": _LOOPBACK,
    "0.0.0.0": _LOOPBACK[:1],  # noqa: S104 (compared)
    "::": _LOOPBACK[::-1],
}


@dataclass(frozen=True)
class Listener:
    """A port on which the user with that uid listens."""

    ip: Ip
    port: int
    uid: int

    def takes(self, ip: Ip, port: int) -> bool:
        """Whether a connection to there can come to it."""
        if port != self.port:
            return False
        # The IPv6 wildcard mostly takes IPv4, too.
        is_wildcard = self.ip.is_unspecified and (self.ip.version == 6 or ip.version == 4)
        return is_wildcard or ip == self.ip


class Listeners:
    """All of them, or None where the host does not tell."""

    def __init__(self, uid: int | None, found: tuple[Listener, ...]) -> None:
        self._uid = uid
        self._found = found

    @classmethod
    def parse(cls, text: str) -> "Listeners":
        """The output of `listeners`: a uid, and for each port "0100007F:22B8 1000"."""
        first, _, rest = text.strip().partition("\n")
        return cls(_number(first), tuple(_listeners(rest)))

    def reach(self, name: str, port: int) -> TcpAddress | None:
        """Where a server of this user is reached that listens on `name`; None where none does.

        Where that cannot be known, what it says of itself is believed.
        """
        wanted = _REACHED_AT.get(name, (name,))
        if self._uid is None or not self._found:
            return TcpAddress("localhost" if len(wanted) > 1 else wanted[0], port)
        for host in wanted:
            try:
                ip = ipaddress.ip_address(host)
            except ValueError:  # a name of that host: which address it has, is for it to know
                uids = {listener.uid for listener in self._found if listener.port == port}
            else:
                uids = {listener.uid for listener in self._found if listener.takes(ip, port)}
            if uids == {self._uid}:
                return TcpAddress(host, port)
        return None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 else None


def _listeners(text: str) -> Iterator[Listener]:
    for line in text.splitlines():
        place, _, uid = line.partition(" ")
        address, _, port = place.partition(":")
        with contextlib.suppress(ValueError):
            yield Listener(_ip(address), int(port, 16), int(uid))


def _ip(text: str) -> Ip:
    """The kernel prints the words of an address as this machine's numbers: mostly backwards.

    :raises ValueError: it is none.
    """
    words = bytes.fromhex(text)
    if len(words) not in (4, 16):
        raise ValueError
    count = len(words) // 4
    turned = struct.pack(f"<{count}I", *struct.unpack(f">{count}I", words))
    ip = ipaddress.ip_address(turned)
    return getattr(ip, "ipv4_mapped", None) or ip
