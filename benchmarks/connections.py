"""New streams a second through an open tunnel, and the time to the first byte of a new tunnel.

A stream says a byte, gets one from the peer and ends. A new tunnel is a new connection: ours of a
warm engine, or with all that has to start first (`jupyter tunnel open --foreground`), beside an
``ssh`` that is started; each by 0, 1 and 2 jump hosts.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from benchmarks import client
from benchmarks.bench import Bench
from benchmarks.contenders import (
    LOOPBACK,
    Engine,
    Peer,
    bound,
    listener,
    ours,
    peer,
    ssh,
    ssh_client,
)
from benchmarks.figures import Row, interleave, ratio
from tests.support.ports import ReservedPort
from tests.support.process import wait_until
from tests.support.sshd import SshBed, Sshd

_AT_ONCE = {1: (2000, 100), 10: (4000, 200), 100: (6000, 400)}

BY = ("directly", "by one jump host", "by two jump hosts")
"""As `one_behind_another` has them."""


def measure(bench: Bench) -> Iterator[Row]:
    """The rows of this group."""
    with peer() as remote:
        yield from _streams(bench, remote)
        yield from _tunnels(bench, remote)


def _streams(bench: Bench, remote: Peer) -> Iterator[Row]:
    with contextlib.ExitStack() as stack:
        bed = stack.enter_context(SshBed())
        engine = stack.enter_context(Engine(bed))
        ways = {
            "ours": stack.enter_context(ours(engine, bed.host("host0"), remote)).byte,
            "ssh": stack.enter_context(ssh(bed, bed.host("host1"), remote)).byte,
            "direct": remote.byte,
        }
        for at_once, sizes in _AT_ONCE.items():
            total = bench.size(*sizes)
            contenders = {
                who: partial(client.connections, address, total, at_once)
                for who, address in ways.items()
            }
            found = interleave(bench.rounds, contenders)
            what = f"new streams, {at_once} at a time"
            yield Row(what, "/s", found["ours"], found["ssh"], ratio("≥", 0.45))
            bench.note(f"{what}, without a forward between: {max(found['direct']):.0f} /s at best")


def _tunnels(bench: Bench, remote: Peer) -> Iterator[Row]:
    with SshBed() as bed, Engine(bed) as engine:
        hosts = one_behind_another(bed)
        for hops, sshd in enumerate(hosts):
            contenders: dict[str, Callable[[], float]] = {
                "ours": partial(alone, hosts, partial(_by_engine, engine, sshd, remote)),
                "ssh": partial(alone, hosts, partial(_by_ssh, bed, sshd, remote)),
            }
            if not hops:
                named = partial(_by_engine, engine, sshd, remote, "localhost")
                contenders["named"] = partial(alone, hosts, named)
                contenders["cold"] = partial(alone, hosts, partial(_cold, bed, sshd, remote))
            found = interleave(bench.rounds, contenders)
            what = f"first byte of a new tunnel, {BY[hops]}"
            yield Row(what, "ms", found["ours"], found["ssh"], ratio("≤", 0.6))
            if not hops:
                # By that name it could be offered there on a socket, which is looked for first.
                what = "the same, to localhost"
                yield Row(what, "ms", found["named"], found["ssh"], ratio("≤", 0.6))
                what = "the same, started in a shell with an engine of its own"
                yield Row(what, "ms", found["cold"], found["ssh"])


def one_behind_another(bed: SshBed) -> list[Sshd]:
    """A host that is reached directly, one by a jump host, and one by two."""
    jumps = [["ProxyJump host0"], ["ProxyJump host1"]]
    return [bed.host(f"host{n}", client=jump) for n, jump in enumerate([[], *jumps])]


def alone(hosts: Sequence[Sshd], action: Callable[[], float]) -> float:
    """Milliseconds; nobody is connected to any of `hosts` before."""
    wait_until(lambda: not any(sshd.connections for sshd in hosts), "the end of connections")
    return action() * 1e3


def _by_engine(engine: Engine, sshd: Sshd, remote: Peer, host: str = LOOPBACK) -> float:
    with contextlib.ExitStack() as stack:

        def first_byte() -> None:
            tunnel = engine.open(sshd.alias, [f"-L 0:{host}:{remote.byte[1]}"])
            stack.callback(engine.close, tunnel)
            client.first_byte(bound(tunnel))

        return client.timed(first_byte)


def _by_ssh(bed: SshBed, sshd: Sshd, remote: Peer) -> float:
    with contextlib.ExitStack() as stack:
        address = (LOOPBACK, stack.enter_context(ReservedPort()).number)
        forward = f"-L{address[1]}:{LOOPBACK}:{remote.byte[1]}"

        def first_byte() -> None:
            stack.enter_context(ssh_client(bed, sshd.alias, forward, ready=listener(address)))
            client.first_byte(address)

        return client.timed(first_byte)


def _cold(bed: SshBed, sshd: Sshd, remote: Peer) -> float:
    argv = [sys.executable, "-m", "jupyter_remote_tunnel.cli", "open", "--foreground", "--json"]
    argv += ["-F", str(bed.config_file), f"-L0:{LOOPBACK}:{remote.byte[1]}", sshd.alias]
    with contextlib.ExitStack() as stack:

        def first_byte() -> None:
            process = subprocess.Popen(argv, stdout=subprocess.PIPE)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            assert process.stdout is not None
            stack.callback(process.stdout.close)
            status = json.loads(process.stdout.readline())
            host, _, port = status["forwards"][0]["bound"].rpartition(":")
            client.first_byte((host, int(port)))

        return client.timed(first_byte)
