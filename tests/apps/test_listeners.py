"""Whose a port of a remote host is, read off its kernel's table."""

import os
import socket
import subprocess

import pytest

from jupyter_remote_tunnel.apps.listeners import Listeners
from jupyter_remote_tunnel.model.address import TcpAddress

# 8888 is 22B8. The words of an address stand backwards.
V4, ANY4 = "0100007F", "00000000"
V6, ANY6 = "00000000000000000000000001000000", "0" * 32
MAPPED = "0000000000000000FFFF00000100007F"


def reached(name: str, *lines: str) -> TcpAddress | None:
    return Listeners.parse("\n".join(["1000", *lines])).reach(name, 8888)


@pytest.mark.parametrize(
    ("name", "lines", "host"),
    [
        ("localhost", [f"{V4}:22B8 1000", f"{V6}:22B8 1000"], "127.0.0.1"),
        ("localhost", [f"{V6}:22B8 1000"], "::1"),
        ("localhost", [f"{V4}:22B8 0", f"{V6}:22B8 1000"], "::1"),
        ("localhost", [f"{V4}:22B9 1000", f"{V4}:22B8 1001"], None),
        ("localhost", [f"{MAPPED}:22B8 1000"], "127.0.0.1"),
        ("", [f"{ANY4}:22B8 1000"], "127.0.0.1"),
        ("*", [f"{ANY6}:22B8 1000"], "127.0.0.1"),
        ("0.0.0.0", [f"{ANY4}:22B8 1000"], "127.0.0.1"),
        ("::", [f"{ANY6}:22B8 1000"], "::1"),
        # Another user has the very address, for which theirs is the better fit.
        ("0.0.0.0", [f"{ANY4}:22B8 1000", f"{V4}:22B8 1001"], None),
        ("10.0.0.1", ["0100000A:22B8 1000"], "10.0.0.1"),
        ("10.0.0.1", [f"{V4}:22B8 1000"], None),
        ("gpu01.example.org", ["0100000A:22B8 1000"], "gpu01.example.org"),
        ("gpu01.example.org", ["0100000A:22B8 1001"], None),
    ],
)
def test_a_server_is_reached_where_its_user_listens(
    name: str, lines: list[str], host: str | None
) -> None:
    assert reached(name, *lines) == (host and TcpAddress(host, 8888))


@pytest.mark.parametrize("lines", [[], ["x"], ["0100007F 1"], ["zz:22B8 1"], ["01:22B8 1"]])
def test_what_cannot_be_known_is_believed(lines: list[str]) -> None:
    assert reached("localhost", *lines) == TcpAddress("localhost", 8888)
    assert reached("10.0.0.1", *lines) == TcpAddress("10.0.0.1", 8888)
    assert Listeners.parse("").reach("", 8888) == TcpAddress("localhost", 8888)


def test_this_machine_tells_the_same() -> None:
    """The table of a real kernel, as the script on the remote host prints it."""
    print_all = """id -u; awk '$4 == "0A" {print $2, $8}' /proc/net/tcp /proc/net/tcp6"""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as other,
    ):
        told = subprocess.run(["sh", "-c", print_all], capture_output=True, text=True, check=True)
        listeners = Listeners.parse(told.stdout)
        for sock, host in ((one, "127.0.0.1"), (other, "::1")):
            port = sock.getsockname()[1]
            assert listeners.reach("localhost", port) == TcpAddress(host, port)
    assert told.stdout.startswith(f"{os.getuid()}\n")
