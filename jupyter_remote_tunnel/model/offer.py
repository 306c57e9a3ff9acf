"""What a machine behind a firewall offers on a gateway, and by which names others find it there.

In the folder `FOLDER` (0700) of the gateway's user, below $XDG_RUNTIME_DIR or the home directory,
stand for what is offered as port 5006:

    5006.sock      the socket that leads to it
    5006.beacon    a socket that says, to whoever connects, how the other leg is: a `Word`
    5006.json      who offers it: a `Descriptor`

`ssh -R` by hand makes the first one only, and that is enough to be found. Where sshd allows no
sockets there are ports of the gateway's loopback in their place, which the descriptor names; so is
the port that was asked for in place of the first one.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from .address import Address, TcpAddress, UnixAddress
from .text import plain

FOLDER = ".jupyter-remote-tunnel"

LONGEST_FOLDER = 90
"""Bytes of that folder's path: those of a socket in it are 104 at most, anywhere."""

LOOPBACK_HOST = "127.0.0.1"
"""At which those ports are. `localhost` is two addresses: another user could have one of them."""

MARK = "jupyter_remote_tunnel"
"""Begins the lines that our commands print on a host: shells greet before they do anything."""

_FOUND = re.compile(
    rf"{MARK} (?:socket (/.*)/(\d{{1,5}})\.sock|offer (/.*?)/(\d{{1,5}})\.json (.*))", re.ASCII
)
_LONGEST_TEXT = 100


def offered_socket(folder: str, port: int) -> str:
    """The path of the socket of what is offered as that port."""
    return f"{folder}/{port}.sock"


def offered_beacon(folder: str, port: int) -> str:
    """The path of the socket that says how it is."""
    return f"{folder}/{port}.beacon"


@dataclass(frozen=True)
class Descriptor:
    """Who offers something, with no secret in it.

    `offer` is a random name of this one offer, `by` its machine ("ann@workstation"), `destination`
    where it leads there. `port` and `beacon_port` are those of the gateway's loopback in place of
    the sockets. Beside a `port` there is a beacon on a socket only if `beacon_socket`.
    """

    offer: str
    by: str
    destination: str
    port: int | None = None
    beacon_port: int | None = None
    beacon_socket: bool = False

    def encode(self) -> bytes:
        """One line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, text: str) -> Self:
        """What may be that line; a stranger could have written it.

        :raises ValueError: it is no descriptor.
        """
        data = _object(text)
        port, beacon_port = data.get("port"), data.get("beacon_port")
        if not all(number is None or _is_port(number) for number in (port, beacon_port)):
            raise ValueError("a port of an offer is none")
        offer, by, destination = (_text(data, name) for name in ("offer", "by", "destination"))
        is_socket = data.get("beacon_socket") is True
        return cls(offer, by, destination, port, beacon_port, is_socket)


@dataclass(frozen=True)
class Word:
    """What the beacon of an offer says: which one it is, and why the application behind it does not
    answer ("" where it does).
    """

    offer: str
    problem: str = ""

    def encode(self) -> bytes:
        """One line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, text: str) -> Self:
        """:raises ValueError: it is no such line."""
        data = _object(text)
        return cls(_text(data, "offer"), _text(data, "problem"))


@dataclass(frozen=True)
class Offer:
    """What was found on a gateway: where it is offered there, its beacon if it has one, who offers
    it, where it leads there, and the random name of this offer ("" where nobody says so).

    `stands`: it was there when somebody looked last.
    """

    address: Address
    beacon: Address | None = None
    by: str = ""
    destination: str = ""
    name: str = ""
    stands: bool = True


def said_of_port(host: str, holder: str) -> str:
    """What a person should know of an offer that is a port, without a full stop.

    :param holder: who listens there, as the reader calls it: "this", "that machine".
    """
    return (
        f"It is a port of {host}’s loopback, to which other users of {host} can connect, too, and"
        f" on which they can listen when {holder} does not"
    )


def folders_in(listing: str) -> list[str]:
    """Where something may come to be offered, as a listing printed it: lines of MARK, "folder" and
    a path.
    """
    head = f"{MARK} folder "
    found = [line.removeprefix(head) for line in listing.splitlines() if line.startswith(head)]
    return [path for path in dict.fromkeys(found) if path.startswith("/") and _is_plain(path)][:2]


def offers_in(listing: str) -> dict[int, Offer]:
    """What is offered, by port, as a listing printed it: lines of MARK, "socket" or "offer", a
    path, and of an offer the content of its file.

    The first folder wins, and in it who says more.
    """
    found: dict[tuple[int, str], Offer] = {}
    for line in listing.splitlines():
        matched = _FOUND.fullmatch(line)
        if matched is None:
            continue
        folder, port = matched[1] or matched[3], int(matched[2] or matched[4])
        if not _is_port(port) or not _is_plain(folder):
            continue
        where = (port, folder)
        if matched[5] is None:
            found.setdefault(where, Offer(UnixAddress(offered_socket(folder, port))))
        else:
            try:
                found[where] = _offer(folder, port, Descriptor.decode(matched[5]))
            except ValueError:
                continue
    return {port: offer for (port, _), offer in reversed(found.items())}


def _offer(folder: str, port: int, described: Descriptor) -> Offer:
    """Its sockets are found by its number; ports of the loopback are all that a file can name."""
    address: Address = UnixAddress(offered_socket(folder, port))
    beacon: Address | None = UnixAddress(offered_beacon(folder, port))
    if described.port is not None:
        address = TcpAddress(LOOPBACK_HOST, described.port)
        if described.beacon_port is not None:
            beacon = TcpAddress(LOOPBACK_HOST, described.beacon_port)
        elif not described.beacon_socket:
            beacon = None
    return Offer(address, beacon, described.by, described.destination, described.offer)


def _object(text: str) -> Mapping[str, Any]:
    try:
        data = json.loads(text)
    except RecursionError as error:
        raise ValueError(str(error)) from None
    if not isinstance(data, dict):
        raise ValueError("it is no object")  # noqa: TRY004
    return data


def _is_plain(path: str) -> bool:
    return plain(path, 1000) == path


def _is_port(value: object) -> bool:
    return type(value) is int and 0 < value < 1 << 16


def _text(data: Mapping[str, Any], name: str) -> str:
    """:raises ValueError: it is no text."""
    if not isinstance(data.get(name), str):
        raise ValueError(f"{name} is no text")  # noqa: TRY004
    return plain(data[name], _LONGEST_TEXT)
