"""Whether a port of the loopback is wholly ours.

A browser that asks for `a….localhost` tries `[::1]` and `127.0.0.1` in an order of its own. If one
of them were a neighbour's, the neighbour would be sent what is meant for the application.
"""

import socket
import sys

import psutil


def owns_loopback(port: int) -> bool:
    """Whether this process listens on `port` of each loopback address that the machine has."""
    ours = _listening(port)
    return all(_covers(ours, address) for address in _loopback_addresses())


def _listening(port: int) -> set[str]:
    """The addresses where this process listens on `port`."""
    try:
        connections = psutil.Process().net_connections(kind="tcp")
    except psutil.Error:
        return set()
    return {
        connection.laddr.ip
        for connection in connections
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    }


def _covers(ours: set[str], address: str) -> bool:
    # On Linux nobody can bind the specific address beneath a wildcard listener; elsewhere they can.
    wildcard = "::" if ":" in address else "0.0.0.0"  # noqa: S104
    return address in ours or (sys.platform == "linux" and wildcard in ours)


def _loopback_addresses() -> tuple[str, ...]:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return ("127.0.0.1",)
    return ("127.0.0.1", "::1")
