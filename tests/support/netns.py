"""Hosts with addresses of their own: network namespaces joined to us, or to one another, by veth.

Needs root, iproute2, and nftables for a firewall. `link_down` takes the *peer's* end of the cable
away, which for us is a silent black hole, as when Wi-Fi dies; `our_link_down` takes ours, which
gives an error at once::

    with Namespace() as gateway, Namespace(behind=gateway) as inner:
        ...  # inner.address answers in gateway's namespace only
"""

import contextlib
import ctypes
import os
import random
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from tests.support.process import PeerError, program

_T = TypeVar("_T")

_MOVED_TO = "10.254.254.254"
_MOVED_TO_IPV6 = "fd6a:7274::fe"

_CLONE_NEWNET = 0x40000000

_KEEP = "keep_addr_on_down"
_AT_ONCE = "nodad"  # without a second in which the address is asked for and not used

# IPv6 asks with ICMP what IPv4 asks with ARP, which no firewall of this table sees.
_FIREWALL = """
add table inet firewall
add chain inet firewall input { type filter hook input priority 0; policy drop; }
add rule inet firewall input ct state established,related accept
add rule inet firewall input iif lo accept
add rule inet firewall input icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
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

    :param ipv6: whether the cable has unique-local addresses of IPv6, too (of `address6` and
        `near_address6`).
    """

    def __init__(self, *, behind: "Namespace | None" = None, ipv6: bool = False) -> None:
        self._lock, subnet = _claim_subnet()
        self.name = _name_of(subnet)
        self.reachable = behind is None
        self._near, self._far = f"jn{subnet:x}", f"jf{subnet:x}"
        self._near_namespace = behind.name if behind else None
        self._subnet = f"10.{subnet >> 8}.{subnet & 255}.0/30"
        self.near_address = f"10.{subnet >> 8}.{subnet & 255}.1"
        self.address = f"10.{subnet >> 8}.{subnet & 255}.2"
        self.near_address6 = f"fd6a:7274:{subnet:x}::1"
        self.address6 = f"fd6a:7274:{subnet:x}::2"
        self._has_ipv6 = ipv6
        with contextlib.ExitStack() as undo:
            undo.callback(self._lock.close)
            _ip("netns", "add", self.name)
            undo.callback(_ip, "netns", "del", self.name)
            self._join()
            # Without the cable the default route must not take over: something may answer there.
            # (One may be left of a process that was killed.)
            _ip("route", "replace", "unreachable", self._subnet, "metric", "4000")
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
        if self._has_ipv6:
            # Else the far one would go with the link.
            self._run(["sh", "-c", f"echo 1 >/proc/sys/net/ipv6/conf/{self._far}/{_KEEP}"])
            for at, device, namespace in (
                (self.near_address6, self._near, near),
                (self.address6, self._far, far),
            ):
                _ip("address", "add", f"{at}/64", "dev", device, _AT_ONCE, namespace=namespace)

    def run(self, function: Callable[[], _T]) -> _T:
        """What `function()` gives on a thread of this process that is in this namespace, with all
        that it connects to and listens on.
        """

        def there() -> _T:
            handle = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(handle, _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"no thread can be in {self.name}")
            finally:
                os.close(handle)
            return function()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(there).result()

    def listen(self) -> socket.socket:
        """A listener on all addresses, at a port that is free there."""
        return self.run(
            lambda: socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        )

    def knock(self, address: str, port: int) -> str:
        """Why nothing is reached there from this namespace; "" if something is."""

        def connect() -> str:
            try:
                socket.create_connection((address, port), timeout=1).close()
            except OSError as error:
                return str(error)
            return ""

        return self.run(connect)

    def wrap(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` in this namespace."""
        return [program("ip"), "netns", "exec", self.name, *argv]

    def listening(self) -> set[int]:
        """The TCP ports on which anything listens there."""
        argv = self.wrap(["cat", "/proc/net/tcp", "/proc/net/tcp6"])
        table = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        places = [line.split()[1] for line in table.splitlines() if " 0A " in line]
        return {int(place.rpartition(":")[2], 16) for place in places}

    @property
    def _near_addresses(self) -> list[str]:
        return [self.near_address, *([self.near_address6] if self._has_ipv6 else [])]

    def route_by_near(self) -> None:
        """Whatever it has no other way to is sought by way of the near end."""
        for near in self._near_addresses:
            _ip("route", "add", "default", "via", near, namespace=self.name)

    def forward(self) -> None:
        """It passes on what is for others."""
        switches = "/proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding"
        self._run(["sh", "-c", f"echo 1 | tee {switches}"])

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
        for near, to in zip(self._near_addresses, (_MOVED_TO, _MOVED_TO_IPV6), strict=False):
            _ip("address", "add", to, "dev", self._far, _AT_ONCE, namespace=self.name)
            _ip("route", "add", near, "dev", self._far, namespace=self.name)
            _ip("route", "add", to, "dev", self._near, namespace=self._near_namespace)

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


def _name_of(subnet: int) -> str:
    return f"jrt-{subnet:x}"


def _claim_subnet() -> tuple[socket.socket, int]:
    """A number for 10.x.y.0/30 that no other test of this machine uses, and the lock on it."""
    for number in random.sample(range(201 << 8, 219 << 8), 50):
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            lock.bind(f"\0jupyter-remote-tunnel-test-subnet-{number}")
        except OSError:
            lock.close()
            continue
        if Path("/run/netns", _name_of(number)).exists():
            # A killed process left it: nothing answers there, and its cable has the addresses.
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
