"""A TCP port that belongs to one peer for as long as it lives, also while it is down.

sshd and Jupyter take no listening socket from us, so their port has to be chosen beforehand. Two
things keep the choice free of races: the port lies under the range from which the kernel serves
port 0 and outgoing connections, and a lock (an abstract Unix socket, which the kernel drops with
its holder) keeps other tests of this machine from it.
"""

import contextlib
import random
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Self

_RANGE = range(15000, 32000)


class ReservedPort:
    """A free port on both loopback addresses; `number` stays ours until `release`."""

    def __init__(self) -> None:
        for number in random.sample(_RANGE, 200):
            lock = _lock(number)
            if lock is None:
                continue
            if _free(number):
                self._lock = lock
                self.number = number
                return
            lock.close()
        raise OSError("no free TCP port")

    def release(self) -> None:
        """Let others have the port."""
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _lock(number: int) -> socket.socket | None:
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        lock.bind(f"\0jupyter-remote-tunnel-test-port-{number}")
    except OSError:
        lock.close()
        return None
    return lock


def _free(number: int) -> bool:
    addresses = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
    with contextlib.ExitStack() as stack:
        for family, address in addresses:
            probe = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, number))
            except OSError:
                return False
    return True


@contextlib.contextmanager
def unused_port() -> Iterator[int]:
    """The number of a port on which nothing listens, and nothing will: for refused connections."""
    with ReservedPort() as port:
        yield port.number
