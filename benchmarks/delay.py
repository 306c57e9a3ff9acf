"""A link with a long round trip, without root or the kernel's netem: a relay that delays.

``python -m benchmarks.delay SECONDS PORT …`` prints a port for each PORT of 127.0.0.1, and hands on
what comes there, in each direction SECONDS later. It limits nothing but what is under way (64 MiB
a direction, as any line holds so much and no more): TCP's own windows play no part, so what such a
link shows is what SSH's windows make of it. Two blocking threads a direction, large reads.

`link` runs it; `speed` is what a plain TCP stream makes of it, to be told with each figure: a relay
that is slower than what is measured would be what is measured.
"""

import collections
import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence

from tests.support.process import child
from tests.support.sshd import SshBed, Sshd

_BLOCK = 1 << 18
_UNDER_WAY = 64 << 20
_LOOPBACK = "127.0.0.1"


class _Direction:
    """From `source` to `sink`, `delay` seconds later; the end of the stream too."""

    def __init__(self, source: socket.socket, sink: socket.socket, delay: float) -> None:
        self._source = source
        self._sink = sink
        self._delay = delay
        self._changed = threading.Condition()
        self._line: collections.deque[tuple[float, bytes]] = collections.deque()
        self._held = 0
        self._broken = False
        for run in (self._read, self._write):
            threading.Thread(target=run, daemon=True).start()

    def _read(self) -> None:
        data = b"."
        while data and not self._broken:
            try:
                data = self._source.recv(_BLOCK)
            except OSError:
                data = b""
            due = time.monotonic() + self._delay
            with self._changed:
                self._changed.wait_for(lambda: self._held < _UNDER_WAY or self._broken)
                self._line.append((due, data))
                self._held += len(data)
                self._changed.notify()

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._next():
                self._sink.sendall(data)
            self._sink.shutdown(socket.SHUT_WR)
            return
        with self._changed:  # nobody takes it any more
            self._broken = True
            self._changed.notify()
        with contextlib.suppress(OSError):
            self._source.shutdown(socket.SHUT_RDWR)

    def _next(self) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._line)
            due, data = self._line.popleft()
            self._held -= len(data)
            self._changed.notify()
        time.sleep(max(0.0, due - time.monotonic()))
        return data


def _accept(listener: socket.socket, port: int, delay: float) -> None:
    while True:
        near, _ = listener.accept()
        try:
            far = socket.create_connection((_LOOPBACK, port))
        except OSError:
            near.close()
            continue
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _Direction(near, far, delay)
        _Direction(far, near, delay)


@contextlib.contextmanager
def link(round_trip: float, *ports: int) -> Iterator[list[int]]:
    """A link of `round_trip` seconds: for each of `ports` the port that leads there."""
    argv = [sys.executable, "-m", "benchmarks.delay", str(round_trip / 2), *map(str, ports)]
    with child(argv) as process:
        found = process.wait_for_line(r"link on (.+)")
        yield [int(port) for port in found[1].split()]


def alias(bed: SshBed, name: str, sshd: Sshd, port: int) -> str:
    """A block of ssh_config for `sshd` by way of `port`, whose host key is known there too."""
    with bed.known_hosts.open("a") as file:
        file.write(sshd.known_hosts_line.replace(f":{sshd.port} ", f":{port} "))
    return f"Host {name}\n HostName {_LOOPBACK}\n Port {port}\n User {sshd.user}\n"


def _main(delay: float, ports: Sequence[int]) -> None:
    listeners = [socket.create_server((_LOOPBACK, 0), backlog=1024) for _ in ports]
    threads = [
        threading.Thread(target=_accept, args=(listener, port, delay), daemon=True)
        for listener, port in zip(listeners, ports, strict=True)
    ]
    for thread in threads:
        thread.start()
    print("link on", *(listener.getsockname()[1] for listener in listeners), flush=True)
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    _main(float(sys.argv[1]), [int(port) for port in sys.argv[2:]])
