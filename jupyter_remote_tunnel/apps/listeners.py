"""Who listens on the ports of a remote host, as its kernel tells (Linux: /proc/net/tcp).

The file of a Jupyter server that was killed stays behind, and its port is anybody's then: whoever
listens there must not be sent the token. So a port counts only where the server's own user listens,
and it is reached at the very address where they do: `localhost` can be two, of two users.
"""

import ipaddress

from ..model.address import TcpAddress
from ..model.listeners import Listener, listeners_in, uid_in

_LOOPBACK = ("127.0.0.1", "::1")
# What a server is told to listen on, and where it is reached then.
_REACHED_AT = {
    "": _LOOPBACK,
    "localhost": _LOOPBACK,
    "*": _LOOPBACK,
    "0.0.0.0": _LOOPBACK[:1],  # noqa: S104 (compared)
    "::": _LOOPBACK[::-1],
}


class Listeners:
    """All of them, or None where the host does not tell."""

    def __init__(self, uid: int | None, found: tuple[Listener, ...]) -> None:
        self._uid = uid
        self._found = found

    @classmethod
    def parse(cls, text: str) -> "Listeners":
        """The output of `listeners`: a uid, and for each port "0100007F:22B8 1000"."""
        first, _, rest = text.strip().partition("\n")
        return cls(uid_in(first), tuple(listeners_in(rest)))

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
