"""The windows of streams, out of one budget."""

import asyncio
import sys
from asyncio.subprocess import PIPE

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_remote_tunnel.ssh.connection import Connection
from jupyter_remote_tunnel.ssh.window import LEAST, START, ByteBudget, Window
from tests.ssh.support import Forwarding, stands_still

MiB = 1 << 20


def window(budget: ByteBudget, round_trip: float | None = 0.125) -> Window:
    return budget.window(lambda: round_trip)


def test_it_is_renewed_when_a_quarter_is_taken() -> None:
    held = window(ByteBudget())
    assert held.take(START // 4 - 1, now=1.0) == 0
    assert held.take(1, now=1.0) == START // 4
    assert held.take(START, now=1.0) == START


def test_it_grows_while_it_holds_the_stream_up() -> None:
    held = window(ByteBudget())
    assert held.take(START, now=10.0) == START, "when that began is not known"
    held.take(START // 2, now=10.0625)
    assert held.take(START // 2, now=10.125) == START // 2 + START
    assert held.size == 2 * START


def test_it_grows_to_twice_what_goes_by_in_a_round_trip() -> None:
    held, rate = window(ByteBudget()), 20 * MiB
    for tick in range(1000):
        held.take(rate // 100, now=tick / 100)
    assert held.size == pytest.approx(2 * rate * 0.125, rel=0.1)


def test_it_grows_by_no_more_than_it_has_at_a_time() -> None:
    held = window(ByteBudget())
    held.take(0, now=1.0)
    for _ in range(100):
        held.take(START, now=1.125)
    assert held.size == 2 * START


def test_it_stays_while_the_stream_is_slow() -> None:
    held = window(ByteBudget())
    for second in range(100):
        assert held.take(START, now=float(second)) == START


def test_a_host_that_answers_late_gets_no_more_than_one_a_second_away() -> None:
    late, far = (window(ByteBudget(), round_trip) for round_trip in (10.0, 1.0))
    for second in range(100):
        for held in (late, far):
            held.take(MiB, now=float(second))
    assert late.size <= far.size == pytest.approx(2 * MiB, rel=0.1)


def test_it_stays_while_nobody_knows_the_round_trip() -> None:
    held = window(ByteBudget(), round_trip=None)
    assert [held.take(START, now=1.0) for _ in range(3)] == [START] * 3


def test_a_stream_that_ends_gives_its_window_back() -> None:
    budget = ByteBudget(2 * START)
    first, second = window(budget), window(budget)
    assert window(budget).size == LEAST, "the budget is spent"
    first.close()
    first.close()
    assert [second.take(START, now=1.0) for _ in range(2)] == [START] * 2, "no room for its double"
    assert budget.granted == START + LEAST


@given(
    st.integers(MiB, 64 * MiB),
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["new", "close", "take"]))),
)
def test_the_budget_is_exceeded_by_the_least_only(total: int, steps: list[tuple[int, str]]) -> None:
    budget = ByteBudget(total)
    windows: dict[int, Window] = {}
    for number, step in steps:
        if step == "new" and number not in windows:
            windows[number] = window(budget)
        elif step == "close" and number in windows:
            windows.pop(number).close()
        elif step == "take" and number in windows:
            windows[number].take(windows[number].size, now=1.0)
        assert budget.granted == sum(held.size for held in windows.values())
        assert budget.granted <= total + len(windows) * LEAST
        assert all(held.size >= LEAST for held in windows.values())


@given(st.lists(st.floats(0, 1), min_size=1))
def test_what_may_come_and_what_was_not_taken_is_never_more_than_it(shares: list[float]) -> None:
    held = window(ByteBudget())
    sent = held.size
    for share in shares:
        taken = int(sent * share)
        sent += held.take(taken, now=1.0) - taken
        assert 0 < sent <= held.size


# A process of its own, so that nothing of it is in our memory: a server that sends without end, and
# 50 readers of the port that it is told, each fast at first.
_READERS = """
import contextlib, socket, threading

def send(stream):
    with contextlib.suppress(OSError):
        while True:
            stream.sendall(bytes(1 << 20))

def serve(listener):
    while True:
        threading.Thread(target=send, args=(listener.accept()[0],), daemon=True).start()

server = socket.create_server(("127.0.0.1", 0), backlog=50)
threading.Thread(target=serve, args=(server,), daemon=True).start()
print(server.getsockname()[1], flush=True)
port, readers = int(input()), []
for _ in range(50):
    readers.append(socket.create_connection(("127.0.0.1", port)))
    taken = 0
    while taken < 8 << 20:
        taken += len(readers[-1].recv(1 << 20))
print("all have stopped", flush=True)
input()
"""


async def test_readers_that_stop_cost_no_more_than_the_budget(
    forwarding: Forwarding, connection: Connection
) -> None:
    budget = connection._budget
    connection.round_trip = 0.1  # as on a long link: windows grow while there is something to grant
    readers = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _READERS, stdin=PIPE, stdout=PIPE
    )
    assert readers.stdin is not None
    assert readers.stdout is not None
    try:
        served = int(await readers.stdout.readline())
        forward = await forwarding.open(f"-L 0:127.0.0.1:{served}")
        before = psutil.Process().memory_info().rss
        readers.stdin.write((forward.bound or "").rpartition(":")[2].encode() + b"\n")
        assert b"stopped" in await readers.stdout.readline()
        await stands_still(lambda: forward.bytes_in, connection)
        assert forward.streams_open == 50
        assert budget.total / 2 < budget.granted <= budget.total + 50 * LEAST
        assert psutil.Process().memory_info().rss - before <= 80 * MiB
    finally:
        readers.kill()
        await readers.communicate()  # to the end of its pipes, too
    await forwarding.until(lambda: forward.streams_open == 0)
    assert budget.granted == 0
