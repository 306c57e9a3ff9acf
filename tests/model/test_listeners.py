"""Whose the listeners on a port are, read off what a host has printed."""

import ipaddress
import os
import socket
import subprocess

import pytest

from jupyter_remote_tunnel.model.forward import TcpBind
from jupyter_remote_tunnel.model.listeners import Holders, Listener, listing_of, named
from jupyter_remote_tunnel.model.offer import MARK
from tests.support.neighbour import neighbour
from tests.support.other_uid import OTHER_UID

# 8888 is 22B8. The words of an address stand backwards, but for a big-endian machine.
V4, BIG4, ANY4, OTHER4 = "0100007F", "7F000001", "00000000", "0200007F"
V6, BIG6, ANY6 = "00000000000000000000000001000000", f"{'0' * 31}1", "0" * 32


def holders(*lines: str) -> Holders | None:
    table = "\n".join(["welcome", MARK, "1000", *lines])
    return Holders.parse(f"{table}\n")


@pytest.mark.parametrize(
    ("lines", "ours", "others"),
    [
        ([f"{V4}:22B8 1000", f"{V6}:22B8 1000"], ["127.0.0.1", "::1"], []),
        ([f"{BIG4}:22B8 1000", f"{BIG6}:22B8 1001"], ["127.0.0.1"], ["::1"]),
        ([f"{V4}:22B8 1001", f"{V6}:22B8 1000"], ["::1"], ["127.0.0.1"]),
        # sshd is root itself, where no listener is the user's.
        ([f"{V4}:22B8 0", f"{V6}:22B8 1001"], ["127.0.0.1"], ["::1"]),
        ([f"{V4}:22B8 1000", f"{V6}:22B8 0"], ["127.0.0.1"], ["::1"]),
        ([f"{V4}:22B8 1001"], [], ["127.0.0.1"]),
        (["nonsense", f"{V4}:22B8 1000"], ["127.0.0.1"], []),
    ],
)
def test_whose_they_are(lines: list[str], ours: list[str], others: list[str]) -> None:
    found = holders(*lines)
    assert found is not None
    assert [str(one.ip) for one in found.ours] == ours
    assert [str(one.ip) for one in found.others] == others


@pytest.mark.parametrize("output", ["", f"{MARK}\n", f"{MARK}\nann\n", f"{MARK}\n1000\nno\n"])
def test_a_host_that_does_not_tell(output: str) -> None:
    assert Holders.parse(output) is None


@pytest.mark.parametrize(
    ("bind", "theirs", "counts"),
    [
        (TcpBind("127.0.0.1", 8888), V6, True),
        (TcpBind(None, 8888), ANY4, True),
        (TcpBind(None, 8888), OTHER4, False),
        (TcpBind("", 8888), OTHER4, True),
        (TcpBind("10.0.0.5", 8888), V4, False),
    ],
)
def test_who_could_be_meant(bind: TcpBind, theirs: str, counts: bool) -> None:
    found = holders(f"{theirs}:22B8 1001")
    assert found is not None
    assert bool(found.beside(bind)) == counts


def test_one_of_ours_is_not_lost_among_many() -> None:
    others = [f"{number:02X}00007F:22B8 1001" for number in range(2, 9)]
    found = holders(*others, f"{V4}:22B8 1000")
    assert found is not None
    assert named(found.all_at(TcpBind("", 8888))).startswith("uid 1000 at 127.0.0.1, uid 1001")


def test_a_real_table() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
        port = listening.getsockname()[1]
        with neighbour("127.0.0.1", port):
            line = ["sh", "-c", listing_of(port)]
            done = subprocess.run(line, check=True, capture_output=True, text=True)
    here, there = map(ipaddress.ip_address, ("::1", "127.0.0.1"))
    theirs = Listener(there, port, OTHER_UID)
    assert Holders.parse(done.stdout) == Holders((Listener(here, port, os.getuid()),), (theirs,))
    assert named([theirs]) == f"uid {OTHER_UID} at 127.0.0.1"
