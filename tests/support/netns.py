"""Hosts with addresses of their own: network namespaces joined to us, or to one another, by veth.

Needs root, iproute2, and nftables for a firewall. `link_down` takes the *peer's* end of the cable
away, which for us is a silent black hole, as when Wi-Fi dies; `our_link_down` takes ours, which
gives an error at once::

    with Namespace() as gateway, Namespace(behind=gateway) as inner:
        ...  # inner.address answers in gateway's namespace only
"""

import contextlib
import random
import secrets
import socket
import subprocess
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from tests.support.process import PeerError, program

_MOVED_TO = "10.254.254.254"

_FIREWALL = """
add table inet firewall
add chain inet firewall input { type filter hook input priority 0; policy drop; }
add rule inet firewall input ct state established,related accept
add rule inet firewall input iif lo accept
"""


def _ip(*arguments: str, namespace: str | None = None) -> None:
    where = ["-n", namespace] if namespace else []
    done = subprocess.run(
        [program("ip"), *where, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise PeerError(f"ip {' '.join([*where, *arguments])}: {done.stderr.strip()}")


class Namespace:
    """One namespace with a cable to ours, or to that of `behind`.

    `address` is the far end's IPv4 address, `near_address` that of the cable's other end (ours, or
    in `behind`). `reachable` says whether this process can connect to `address`.
    """

    def __init__(self, *, behind: "Namespace | None" = None) -> None:
        self._lock, subnet = _claim_subnet()
        tag = secrets.token_hex(4)
        self.name = f"jrt-{tag}"
        self.reachable = behind is None
        self._near, self._far = f"jn{tag}", f"jf{tag}"
        self._near_namespace = behind.name if behind else None
        self._subnet = f"10.{subnet >> 8}.{subnet & 255}.0/30"
        self.near_address = f"10.{subnet >> 8}.{subnet & 255}.1"
        self.address = f"10.{subnet >> 8}.{subnet & 255}.2"
        with contextlib.ExitStack() as undo:
            undo.callback(self._lock.close)
            _ip("netns", "add", self.name)
            undo.callback(_ip, "netns", "del", self.name)
            self._join()
            # Without the cable the default route must not take over: something may answer there.
            _ip("route", "add", "unreachable", self._subnet, "metric", "4000")
            undo.pop_all()

    def _join(self) -> None:
        near, far = self._near_namespace, self.name
        _ip("link", "add", self._near, "type", "veth", "peer", "name", self._far)
        _ip("link", "set", self._far, "netns", far)
        if near:
            _ip("link", "set", self._near, "netns", near)
        _ip("address", "add", f"{self.near_address}/30", "dev", self._near, namespace=near)
        _ip("link", "set", self._near, "up", namespace=near)
        _ip("address", "add", f"{self.address}/30", "dev", self._far, namespace=far)
        _ip("link", "set", "lo", "up", namespace=far)
        _ip("link", "set", self._far, "up", namespace=far)

    def wrap(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` in this namespace."""
        return [program("ip"), "netns", "exec", self.name, *argv]

    def listening(self) -> set[int]:
        """The TCP ports on which anything listens there."""
        argv = self.wrap(["cat", "/proc/net/tcp", "/proc/net/tcp6"])
        table = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        places = [line.split()[1] for line in table.splitlines() if " 0A " in line]
        return {int(place.rpartition(":")[2], 16) for place in places}

    def route_by_near(self) -> None:
        """Whatever it has no other way to is sought by way of the near end."""
        _ip("route", "add", "default", "via", self.near_address, namespace=self.name)

    def forward(self) -> None:
        """It passes on what is for others."""
        self._run(["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])

    def drop_inbound(self) -> None:
        """Its firewall drops whatever is no answer to what was sent from here."""
        self._run([program("nft"), _FIREWALL])

    def _run(self, argv: Sequence[str]) -> None:
        done = subprocess.run(self.wrap(argv), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PeerError(f"{argv}: {done.stderr.strip()}")

    def link_down(self) -> None:
        """The peer's end goes: packets vanish, nobody is told."""
        _ip("link", "set", self._far, "down", namespace=self.name)

    def link_up(self) -> None:
        """The peer's end is back."""
        _ip("link", "set", self._far, "up", namespace=self.name)

    def our_link_down(self) -> None:
        """The near end goes: the kernel there answers "network unreachable" at once."""
        _ip("link", "set", self._near, "down", namespace=self._near_namespace)

    def our_link_up(self) -> None:
        """The near end is back."""
        _ip("link", "set", self._near, "up", namespace=self._near_namespace)

    def move(self) -> None:
        """The far end gets another address, as in another network; its old one is gone without a
        word, and connections from there with it. `near_address` is reached as before.
        """
        _ip("address", "flush", "dev", self._far, namespace=self.name)
        _ip("address", "add", _MOVED_TO, "dev", self._far, namespace=self.name)
        _ip("route", "add", self.near_address, "dev", self._far, namespace=self.name)
        _ip("route", "add", _MOVED_TO, "dev", self._near, namespace=self._near_namespace)

    def close(self) -> None:
        """Remove the cable and the namespace; processes in it keep it alive until they end."""
        _ip("route", "del", "unreachable", self._subnet, "metric", "4000")
        _ip("link", "del", self._near, namespace=self._near_namespace)
        _ip("netns", "del", self.name)
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _claim_subnet() -> tuple[socket.socket, int]:
    """A number for 10.x.y.0/30 that no other test of this machine uses, and the lock on it."""
    for number in random.sample(range(201 << 8, 219 << 8), 50):
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            lock.bind(f"\0jupyter-remote-tunnel-test-subnet-{number}")
        except OSError:
            lock.close()
            continue
        return lock, number
    raise PeerError("no free subnet")


@contextlib.contextmanager
def namespaces(count: int) -> Iterator[list[Namespace]]:
    """`count` namespaces in a row: the first joined to us, each other one behind the one before."""
    with contextlib.ExitStack() as stack:
        made: list[Namespace] = []
        for _ in range(count):
            made.append(stack.enter_context(Namespace(behind=made[-1] if made else None)))
        yield made
