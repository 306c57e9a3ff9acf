"""Memory of what forwards on this side: with idle tunnels, and with 50 readers that stopped.

It is the resident set size of the engine's process and of ssh's. A thousand tunnels to one host
share one connection; ssh has as many ``-L``, on Unix sockets. The readers read as fast as they can
for a while, so that windows have grown, and stop. What counts is what is held more when nothing
moves any more. What the kernel holds in sockets is in neither figure; the readers' own are kept
small, or the kernel would hold so much that all of TCP slows down before anything is full.
"""

import contextlib
import itertools
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import psutil

from benchmarks import delay
from benchmarks.bench import Bench
from benchmarks.contenders import Engine, Forward, Peer, ours, peer, ssh, ssh_with_idle_forwards
from benchmarks.figures import Row, Target, interleave
from benchmarks.figures import ours as ours_is
from benchmarks.peer import BLOCK, header
from benchmarks.processes import cpu, family, memory
from tests.support.sshd import SshBed

_READERS = 50
_RECEIVE_BUFFER = 256 * 1024
_MOST_ROUNDS = 3  # memory varies little, and a thousand tunnels take their time


def measure(bench: Bench) -> Iterator[Row]:
    """The rows of this group."""
    yield from _idle(bench)
    with peer() as remote, SshBed() as bed:
        far = bed.host("far")
        with delay.link(0.1, far.port) as (port,):
            bed.write_config(delay.alias(bed, "slow", far, port))
            for host, where in (("far", ""), ("slow", ", 100 ms round trip")):
                contenders: dict[str, Callable[[], float]] = {
                    "ours": partial(_with_engine, bench, bed, remote, host),
                    "ssh": partial(_with_ssh, bench, bed, remote, host),
                }
                found = interleave(min(bench.rounds, _MOST_ROUNDS), contenders)
                what = f"memory more, {_READERS} readers that stopped{where}"
                yield Row(what, "MiB", found["ours"], found["ssh"], ours_is("≤", 80))


def _idle(bench: Bench) -> Iterator[Row]:
    counts = (1, 10, 50) if bench.quick else (1, 100, 1000)
    targets: Sequence[Target | None] = (None, None, ours_is("≤", 60))
    with SshBed() as bed:
        bed.host("ours")
        bed.host("ssh")
        contenders: dict[str, Callable[[], list[float]]] = {
            "ours": partial(_engine_with, bed, counts),
            "ssh": partial(_ssh_with, bed, counts),
        }
        found = interleave(min(bench.rounds, _MOST_ROUNDS), contenders)
    for number, count in enumerate(counts):
        mine, other = ([sample[number] for sample in found[who]] for who in ("ours", "ssh"))
        yield Row(f"memory, {count} idle tunnels", "MiB", mine, other, targets[number])


def _engine_with(bed: SshBed, counts: Sequence[int]) -> list[float]:
    """Of a new engine, with so many tunnels one after the other."""
    found = []
    with Engine(bed) as engine:
        for before, count in itertools.pairwise([0, *counts]):
            engine.open_idle("ours", range(before + 1, count + 1))
            found.append(memory(family(engine.pid)))
    return found


def _ssh_with(bed: SshBed, counts: Sequence[int]) -> list[float]:
    found = []
    for count in counts:
        with ssh_with_idle_forwards(bed, "ssh", count) as pid:
            found.append(memory(family(pid)))
    return found


def _with_engine(bench: Bench, bed: SshBed, remote: Peer, host: str) -> float:
    with Engine(bed) as engine, ours(engine, bed.hosts["far"], remote, host=host) as way:
        return _more_held(bench, way)


def _with_ssh(bench: Bench, bed: SshBed, remote: Peer, host: str) -> float:
    with ssh(bed, bed.hosts["far"], remote, host=host) as way:
        return _more_held(bench, way)


def _more_held(bench: Bench, way: Forward) -> float:
    """MiB more than before there were readers."""
    near = way.near
    before = memory(near)
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(socket.socket()) for _ in range(_READERS)]
        for reader in readers:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            reader.connect(way.work)
            reader.sendall(header(b"D", 1 << 40))
        _read_for(readers, bench.seconds(3.0, 0.5))
        _await_stillness([*near, *way.far])
        return memory(near) - before


def _read_for(readers: Sequence[socket.socket], seconds: float) -> None:
    buffer = bytearray(BLOCK)
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader, selectors.EVENT_READ)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for key, _ in selector.select(0.1):
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.recv_into(buffer)


def _await_stillness(processes: Sequence[psutil.Process]) -> None:
    """Return when they have nothing to do for a second: every window and buffer is full."""
    begin = cpu(processes)
    since = time.monotonic()
    while time.monotonic() - since < 1:
        time.sleep(0.05)
        if (now := cpu(processes)) > begin + 0.02:
            begin, since = now, time.monotonic()
