"""Who listens on the TCP ports of a host, as its kernel tells (Linux: /proc/net/tcp).

A name like `localhost` is two addresses, and so can be two users: what is asked for by that name
goes to whoever listens at the address that is tried first.
"""

import contextlib
import ipaddress
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from .address import bracketed
from .forward import TcpBind
from .offer import MARK

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

STALE = (
    "sshd lets go of what a lost connection held when it notices the loss, which may take hours:"
    " ClientAliveInterval 15 and ClientAliveCountMax 3 in its sshd_config make it 45 seconds."
)
"""What may be done where one of our own lost connections has a port still."""

LOOPBACK: tuple[Ip, ...] = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))

# As a big-endian machine prints them, which turned around are nobody's.
_BIG_ENDIAN = {"7F000001": LOOPBACK[0], f"{'0' * 31}1": LOOPBACK[1]}


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


def listeners_in(text: str) -> Iterator[Listener]:
    """Those of a table: lines of "0100007F:22B8 1000"."""
    for line in text.splitlines():
        place, _, uid = line.partition(" ")
        address, _, port = place.partition(":")
        with contextlib.suppress(ValueError):
            yield Listener(_ip(address), int(port, 16), int(uid))


def uid_in(text: str) -> int | None:
    """What `id -u` has printed."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 else None


def listing_of(*ports: int) -> str:
    """A line for any login shell that prints who listens on these ports, for `Holders.parse`."""
    wanted = "|".join(f"{port:04X}" for port in ports)
    return (
        f"echo {MARK}; id -u; awk '$4 == \"0A\" && $2 ~ /:({wanted})$/ {{ print $2, $8 }}'"
        " /proc/net/tcp /proc/net/tcp6"
    )


@dataclass(frozen=True)
class Holders:
    """Who listens on a port on which a host's sshd listens for us: our account there, and others.

    sshd listens as the user who is logged in, or else (Dropbear) as root.
    """

    ours: tuple[Listener, ...]
    others: tuple[Listener, ...]

    def beside(self, bind: TcpBind) -> tuple[Listener, ...]:
        """Those of the others whom somebody can reach who means what was asked for."""
        return _meant_by(bind, self.others)

    def all_at(self, bind: TcpBind) -> tuple[Listener, ...]:
        """Those whom somebody can reach who means what was asked for, ours as well."""
        return _meant_by(bind, (*self.ours, *self.others))

    def we_have(self, ip: Ip, port: int) -> bool:
        """Whether a connection to there comes to us, and to nobody else."""
        theirs = any(one.takes(ip, port) for one in self.others)
        return not theirs and any(one.takes(ip, port) for one in self.ours)

    @classmethod
    def parse(cls, output: str) -> Self | None:
        """What `listing_of` has printed; None where the host does not tell."""
        first, _, rest = output.partition(f"{MARK}\n")[2].partition("\n")
        uid, found = uid_in(first), tuple(listeners_in(rest))
        if uid is None or not found:
            return None
        own = uid if any(one.uid == uid for one in found) else 0
        ours = tuple(one for one in found if one.uid == own)
        return cls(ours, tuple(one for one in found if one.uid != own))


def _meant_by(bind: TcpBind, listeners: tuple[Listener, ...]) -> tuple[Listener, ...]:
    if bind.public:
        return listeners
    wanted = LOOPBACK if bind.loopback else ()
    return tuple(one for one in listeners if any(one.takes(ip, bind.port) for ip in wanted))


def named(listeners: Sequence[Listener]) -> str:
    """Of which users they are, and where: "uid 1001 at 127.0.0.1"."""
    return ", ".join(f"uid {one.uid} at {bracketed(str(one.ip))}" for one in listeners[:4])


def _ip(text: str) -> Ip:
    """The kernel prints the words of an address as this machine's numbers: mostly backwards.

    :raises ValueError: it is none.
    """
    if text in _BIG_ENDIAN:
        return _BIG_ENDIAN[text]
    words = bytes.fromhex(text)
    if len(words) not in (4, 16):
        raise ValueError
    count = len(words) // 4
    turned = struct.pack(f"<{count}I", *struct.unpack(f">{count}I", words))
    ip = ipaddress.ip_address(turned)
    return getattr(ip, "ipv4_mapped", None) or ip
