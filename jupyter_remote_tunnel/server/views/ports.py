"""Whether a port of the loopback is wholly ours.

A browser that asks for `a….localhost` tries `[::1]` and `127.0.0.1` in an order of its own. If one
of them were a neighbour's, the neighbour would be sent what is meant for the application. Jupyter
often listens on one of the two only, because "localhost" has but one address in many an /etc/hosts.
So we listen on the other one, too, and when it is taken there is no origin view.
"""

import socket
import sys
from collections.abc import Callable

from tornado.tcpserver import TCPServer

_WILDCARDS = {"127.0.0.1": "0.0.0.0", "::1": "::"}  # noqa: S104


class Loopback:
    """The loopback ports of one server; `server` gives it, once it runs."""

    def __init__(self, server: Callable[[], TCPServer]) -> None:
        self._server = server
        self._owned: set[int] = set()

    def owns(self, port: int) -> bool:
        """Whether this process listens on `port` of each loopback address that the machine has.

        Where it listens on one of them, it tries to listen on the other.
        """
        if port not in self._owned and self._take(port):
            self._owned.add(port)
        return port in self._owned

    def _take(self, port: int) -> bool:
        ours = _listening(port)
        missing = [address for address in _addresses() if not _covers(ours, address)]
        if len(missing) == len(_addresses()):
            return False
        try:
            for address in missing:
                self._server().add_sockets([_listen(address, port)])
        except OSError:
            return False
        return True


def _listening(port: int) -> set[str]:
    """The addresses where this process listens on `port`."""
    import psutil  # 20 ms, and only an origin view needs it

    return {
        connection.laddr.ip
        for connection in psutil.Process().net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    }


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.create_server((address, port), family=family, backlog=128)
    listening.setblocking(False)
    return listening


def _covers(ours: set[str], address: str) -> bool:
    # On Linux nobody can bind the specific address beneath a wildcard listener; elsewhere they can.
    return address in ours or (sys.platform == "linux" and _WILDCARDS[address] in ours)


def _addresses() -> list[str]:
    """The loopback addresses that the machine has."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return ["127.0.0.1"]
    return ["127.0.0.1", "::1"]
