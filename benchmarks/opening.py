"""Opening a tunnel over REST: from the request to the answer that it is open.

The Jupyter server and its engine run already. Where nobody is connected to the host or its jump
hosts, the other one is an ``ssh`` that is started, until it listens; where somebody is, it is
``ssh -O forward`` over the connection of a master.
"""

import contextlib
import itertools
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks import client
from benchmarks.bench import Bench
from benchmarks.connections import BY, alone, one_behind_another
from benchmarks.contenders import LOOPBACK, listener, ssh_client
from benchmarks.figures import Row, interleave, ours, ratio
from benchmarks.server import Server, server
from tests.support.ports import ReservedPort
from tests.support.process import program
from tests.support.sshd import SshBed, Sshd

_ports = itertools.count(1)  # destinations: equal tunnels would be one


def measure(bench: Bench) -> Iterator[Row]:
    """The rows of this group."""
    with SshBed() as bed, server(bed) as jupyter:
        hosts = one_behind_another(bed)
        with _open(jupyter, hosts[0]):
            pass  # the engine starts with the first one
        for sshd, by in zip(hosts, BY, strict=True):
            new: dict[str, Callable[[], float]] = {
                "ours": partial(alone, hosts, partial(_ours, jupyter, sshd)),
                "ssh": partial(alone, hosts, partial(_ssh, bed, sshd)),
            }
            found = interleave(bench.rounds, new)
            what = f"a tunnel over REST, {by}"
            yield Row(what, "ms", found["ours"], found["ssh"], ratio("≤", 1.0))
        for sshd, by in zip(hosts, BY, strict=True):
            with _open(jupyter, sshd), _master(bed, sshd) as control:
                more: dict[str, Callable[[], float]] = {
                    "ours": partial(_milliseconds, partial(_ours, jupyter, sshd)),
                    "ssh": partial(_milliseconds, partial(_one_more, control)),
                }
                found = interleave(bench.size(50, 5), more)
            what = f"one more where a connection is, {by}"
            yield Row(what, "ms", found["ours"], found["ssh"], ours("≤", 10), "ssh -O forward")


def _milliseconds(action: Callable[[], float]) -> float:
    return action() * 1e3


@contextlib.contextmanager
def _open(jupyter: Server, sshd: Sshd) -> Iterator[None]:
    tunnel, _ = jupyter.open_to(sshd.alias, next(_ports))
    try:
        yield
    finally:
        jupyter.close(tunnel)


def _ours(jupyter: Server, sshd: Sshd) -> float:
    with contextlib.ExitStack() as stack:
        return client.timed(lambda: stack.enter_context(_open(jupyter, sshd)))


def _ssh(bed: SshBed, sshd: Sshd) -> float:
    with ReservedPort() as port, contextlib.ExitStack() as stack:
        address = (LOOPBACK, port.number)
        forward = f"-L{port.number}:{LOOPBACK}:1"
        start = partial(ssh_client, bed, sshd.alias, forward, ready=listener(address))
        return client.timed(lambda: stack.enter_context(start()))


@contextlib.contextmanager
def _master(bed: SshBed, sshd: Sshd) -> Iterator[list[str]]:
    """An ``ssh -M``; the command line that asks it for something."""
    path = Path(bed.folder, "master")
    with ssh_client(bed, sshd.alias, f"-MS{path}", ready=path.exists):
        yield [program("ssh"), "-F", str(bed.config_file), f"-S{path}", sshd.alias]


def _one_more(control: list[str]) -> float:
    with ReservedPort() as port:
        forward = f"-L{port.number}:{LOOPBACK}:1"
        ask = partial(subprocess.run, check=True)
        seconds = client.timed(lambda: ask([*control, "-O", "forward", forward]))
        ask([*control, "-O", "cancel", forward])
        return seconds
