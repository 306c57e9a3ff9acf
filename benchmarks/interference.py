"""A Jupyter server and a tunnel that are busy at the same time.

``GET /api/status`` is asked every few milliseconds while another process downloads at full speed:
through a tunnel of this server, or through an ssh beside it. And while the server runs Python
without a pause (`benchmarks.burner`): the round trip of one byte, and a download.

All of them share the processors with each other, with sshd and the peer: with fewer than four,
compare with what ssh shows in the same run.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import client
from benchmarks.bench import Bench
from benchmarks.contenders import CIPHER, CIPHER_NAME, peer, ssh
from benchmarks.figures import Row, interleave, ours, quantile, ratio
from benchmarks.server import Server, server
from tests.support.process import PeerError, child
from tests.support.sshd import SshBed

_PAUSE = 0.005  # s between two requests
_Ways = dict[str, client.Address]


def measure(bench: Bench) -> Iterator[Row]:
    """The rows of this group."""
    with contextlib.ExitStack() as stack:
        remote = stack.enter_context(peer())
        bed = stack.enter_context(SshBed())
        hosts = bed.host("host0"), bed.host("host1")
        jupyter = stack.enter_context(server(bed))
        _, mine = jupyter.open("host0", remote)
        theirs = stack.enter_context(ssh(bed, hosts[1], remote, CIPHER))
        ways = {"ours": mine, "ssh": theirs.work}
        yield _status(bench, jupyter, ways)
        yield _round_trip(bench, jupyter, ways)
        yield from _throughput(bench, jupyter, ways)


def _status(bench: Bench, jupyter: Server, ways: _Ways) -> Row:
    count = bench.size(500, 50)

    def slowest(address: client.Address) -> float:
        argv = [sys.executable, "-m", "benchmarks.client", str(address[1]), str(10**9)]
        with child(argv) as transfer, contextlib.closing(jupyter.connect()) as connection:
            transfer.wait_for_line("downloading")

            def ask() -> None:
                jupyter.ask(connection, "/api/status", jupyter.login)

            ask()
            return quantile([_after_a_pause(ask) for _ in range(count)], 0.99) * 1e3

    found = interleave(bench.rounds, {who: partial(slowest, way) for who, way in ways.items()})
    what = "GET /api/status p99 during a transfer"
    return Row(what, "ms", found["ours"], found["ssh"], ours("≤", 5), f"transfer by {CIPHER_NAME}")


def _after_a_pause(ask: Callable[[], None]) -> float:
    time.sleep(_PAUSE)
    return client.timed(ask)


def _round_trip(bench: Bench, jupyter: Server, ways: _Ways) -> Row:
    seconds = bench.seconds(3.0, 0.5)

    def slow(address: client.Address) -> float:
        with _burning(jupyter, seconds + 1):
            return quantile(client.echo(address, 1, seconds=seconds), 0.99) * 1e3

    found = interleave(bench.rounds, {who: partial(slow, way) for who, way in ways.items()})
    what = "1 byte and back p99, server busy in Python"
    return Row(what, "ms", found["ours"], found["ssh"], ours("≤", 10))


def _throughput(bench: Bench, jupyter: Server, ways: _Ways) -> Iterator[Row]:
    seconds = bench.seconds(3.0, 0.5)

    def calm(address: client.Address) -> float:
        return client.steady_download(address, seconds / 10, seconds) / 1e6

    def busy(address: client.Address) -> float:
        with _burning(jupyter, seconds * 1.1 + 1):
            return calm(address)

    contenders = {
        "calm": partial(calm, ways["ours"]),
        "busy": partial(busy, ways["ours"]),
        "ssh": partial(busy, ways["ssh"]),
    }
    found = interleave(bench.rounds, contenders)
    what = "one stream down, server busy in Python"
    yield Row(what, "MB/s", found["busy"], found["calm"], ratio("≥", 0.5), "ours, undisturbed")
    yield Row(what, "MB/s", found["busy"], found["ssh"], beside=f"{CIPHER_NAME}, just as disturbed")


@contextlib.contextmanager
def _burning(jupyter: Server, seconds: float) -> Iterator[None]:
    """The block runs while the server's loop is busy for `seconds`, without a pause.

    :raises PeerError: it was over before the block.
    """
    with contextlib.closing(jupyter.connect()) as connection:
        connection.request("GET", f"/burn?seconds={seconds}", headers=jupyter.login)
        answer = connection.getresponse()
        if answer.read(1) != b".":
            raise PeerError(f"the server does not burn: {answer.status}")
        over = threading.Event()

        def await_end() -> None:
            answer.read()
            over.set()

        waiting = threading.Thread(target=await_end, name="the end of the burning")
        waiting.start()
        try:
            yield
            if over.is_set():
                raise PeerError(f"more than {seconds:g} s were needed, and the server was idle")
        finally:
            waiting.join()
