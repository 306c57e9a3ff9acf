"""Much at once: streams, bytes, clients that leave at once, tunnels. Each through a real sshd."""

import asyncio
import contextlib
import hashlib
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.faults.conftest import QUICK, Engine, StartEngine, port_of
from tests.ssh.support import (
    PATIENCE,
    ask,
    connection_of,
    descriptors,
    dialled,
    forwarding_to,
    hit_and_run,
    no_channels,
    task_names,
)
from tests.support.echo import Server, pattern, serve
from tests.support.ports import ReservedPort
from tests.support.process import wait_until
from tests.support.relay import Relay
from tests.support.sshd import SshBed, Sshd

PIECE = pattern(10_000_000)
MiB = 1 << 20
READERS = 25  # of each host


async def test_two_hundred_streams_at_once(engine: Engine) -> None:
    """Each says something before any of them says more: all are open together."""
    data = pattern(256 << 10)

    async def talk(bound: str | None, together: asyncio.Barrier) -> bool:
        async with dialled(bound) as (reader, writer):
            writer.write(data[:1])
            first = await reader.readexactly(1)
            await together.wait()
            writer.write(data[1:])
            writer.write_eof()
            return first + await reader.read() == data

    with serve("echo") as echo:
        tunnel = await engine.open(f"-L 0:127.0.0.1:{echo.port}")
        together = asyncio.Barrier(200)
        bound = tunnel.forwards[0].bound
        before = engine.process.num_fds()
        async with asyncio.timeout(PATIENCE):
            whole = await asyncio.gather(*(talk(bound, together) for _ in range(200)))
        assert all(whole)
        assert echo.accepted == 200
        forward = await engine.idle(tunnel.id)
        assert forward.error is None
        await asyncio.to_thread(
            wait_until, lambda: engine.process.num_fds() <= before, "descriptors of the engine"
        )


@contextlib.contextmanager
def large_source(pieces: int) -> Iterator[Server]:
    """A server that sends so many pieces, and holds one."""

    def send(server: Server, connection: socket.socket) -> None:
        for _ in range(pieces):
            connection.sendall(PIECE)

    with ReservedPort() as port:
        server = Server(socket.create_server(("127.0.0.1", port.number)), send)
        try:
            yield server
        finally:
            server.close()


@pytest.mark.parametrize("pieces", [25, pytest.param(100, marks=pytest.mark.long)])
async def test_much_each_way_adds_little_memory(engine: Engine, pieces: int) -> None:
    """At the same time, over one connection: a gigabyte is a hundred pieces."""
    whole = hashlib.sha256()
    for _ in range(pieces):
        whole.update(PIECE)
    process = engine.process
    sizes = [process.memory_info().rss]

    def look() -> None:
        sizes.append(process.memory_info().rss)

    def up(port: int) -> str:
        with socket.create_connection(("127.0.0.1", port)) as client:
            for _ in range(pieces):
                client.sendall(PIECE)
                look()
            client.shutdown(socket.SHUT_WR)
            return client.recv(64, socket.MSG_WAITALL).decode()

    def down(port: int) -> str:
        got = hashlib.sha256()
        with socket.create_connection(("127.0.0.1", port)) as client:
            while data := client.recv(1 << 20):
                got.update(data)
                look()
        return got.hexdigest()

    with serve("sink") as sink, large_source(pieces) as source:
        tunnel = await engine.open(f"-L 0:127.0.0.1:{sink.port}", f"-L 0:127.0.0.1:{source.port}")
        digests = await asyncio.gather(
            asyncio.to_thread(up, port_of(tunnel, 0)), asyncio.to_thread(down, port_of(tunnel, 1))
        )
        assert set(digests) == {whole.hexdigest()}
        assert (await engine.idle(tunnel.id)).bytes["out"] == pieces * len(PIECE)
    assert max(sizes) - sizes[0] < 64 << 20


@pytest.mark.parametrize(
    ("budget", "each", "delay"),
    [(4 * MiB, MiB, 0.05), pytest.param(64 * MiB, 8 * MiB, 0.25, marks=pytest.mark.long)],
)
async def test_readers_that_stop_cost_the_engine_one_budget(
    start_engine: StartEngine, ssh_bed: SshBed, sshd: Sshd, budget: int, each: int, delay: float
) -> None:
    """Of two hosts far away, where each window grows while its reader takes `each` bytes."""
    hosts = [sshd, ssh_bed.host("gpu02")]
    settings = replace(QUICK, byte_budget=budget, keepalive_interval=15)
    async with contextlib.AsyncExitStack() as stack:
        echo = stack.enter_context(serve("echo"))
        source = stack.enter_context(serve("source", size=4 * each))
        wires = [stack.enter_context(Relay("127.0.0.1", host.port)) for host in hosts]
        ssh_bed.write_config("\n".join(map(over, hosts, wires)))
        engine = await stack.enter_async_context(start_engine(settings))
        for wire in wires:
            wire.delay = delay
        # Private ones, as the system's buffers of a TCP connection would take megabytes first.
        forwards = (f"-L private:127.0.0.1:{source.port}", f"-L private:127.0.0.1:{echo.port}")
        tunnels = [await engine.open(*forwards, host=host.alias) for host in hosts]
        await asyncio.gather(*(ask(tunnel.forwards[0].bound, b"") for tunnel in tunnels))
        before = engine.process.memory_info().rss
        readers = [
            (await stack.enter_async_context(dialled(tunnel.forwards[0].bound)))[0]
            for tunnel in tunnels * READERS
        ]
        async with asyncio.timeout(2 * PATIENCE):
            await asyncio.gather(*(reader.readexactly(each) for reader in readers))
            await stand_still(engine)
        assert engine.process.memory_info().rss - before <= budget + 12 * MiB


def over(host: Sshd, wire: Relay) -> str:
    """The lines of an ssh_config by which a host is reached over a wire."""
    key = f"[{host.address}]:{host.port}"
    return f"Host {host.alias}\n    Port {wire.port}\n    HostKeyAlias {key}\n"


async def stand_still(engine: Engine) -> None:
    """Wait until no bytes come from the first forward of any tunnel, while they do from others."""
    same, last = 0, [0]
    while same < 5:
        tunnels = await engine.client.list_tunnels()
        await asyncio.gather(*(ask(tunnel.forwards[1].bound, b"hello") for tunnel in tunnels))
        now = [tunnel.forwards[0].bytes["in"] for tunnel in tunnels]
        same = same + 1 if now == last else 0
        last = now


async def test_ten_thousand_clients_that_abort_while_their_channel_opens(
    ssh_bed: SshBed, sshd: Sshd
) -> None:
    """Neither we nor the sshd keep anything of them."""

    def abort(bound: str | None) -> None:
        for number in range(100):
            hit_and_run(bound, b"x" * (number % 3), rst=number % 2 == 0)

    with serve("echo") as echo:
        async with forwarding_to(ssh_bed, "gpu01") as forwarding:
            connection = connection_of(forwarding)
            forward = await forwarding.open(f"-L 0:127.0.0.1:{echo.port}")
            assert await ask(forward.bound, b"warm") == b"warm"
            await forwarding.until(lambda: not forward.streams_open)
            await no_channels(connection)
            await asyncio.to_thread(echo.wait_for, lambda server: not server.live)
            before, tasks, sshds = descriptors(), task_names(), served(sshd)
            for _ in range(100):
                # In a thread: some leave before we have seen them, some when the channel is there.
                await asyncio.to_thread(abort, forward.bound)
                assert await ask(forward.bound, b"still") == b"still"
            await forwarding.until(
                lambda: forward.streams_total == 10_101 and not forward.streams_open
            )
            await no_channels(connection)
            assert task_names() == tasks
            # The echo server's are among ours, and it closes the last of them in its own time.
            await asyncio.to_thread(wait_until, lambda: descriptors() <= before, "descriptors")
            await asyncio.to_thread(wait_until, lambda: served(sshd) <= sshds, "the sshd's")
            assert not connection.lost.done()


def served(sshd: Sshd) -> int:
    """Descriptors of the processes that serve the sshd's connections."""
    return sum(process.num_fds() for process in sshd.connections)


@pytest.mark.parametrize(
    ("count", "rounds"), [(150, 1), pytest.param(1000, 3, marks=pytest.mark.long)]
)
async def test_many_tunnels_are_opened_listed_and_closed(
    start_engine: StartEngine, count: int, rounds: int
) -> None:
    """One costs not much more where there are many, and nothing of it is left: those that come
    after it have its memory.
    """
    async with start_engine(replace(QUICK, max_tunnels=1 + count)) as engine:
        sizes = []
        for _ in range(rounds):
            await open_list_and_close(engine, count)
            sizes.append(engine.process.memory_info().rss)
    assert sizes[-1] - sizes[0] < count * (4 << 10)


async def open_list_and_close(engine: Engine, count: int) -> None:
    await engine.open("-L 0:localhost:1")
    process = engine.process
    before, memory = process.num_fds(), process.memory_info().rss
    parts = [range(start, start + 50) for start in range(1001, 1001 + count, 50)]
    costs = []
    for part in parts:
        spent = sum(process.cpu_times()[:2])
        await asyncio.gather(*(engine.open(f"-L 0:localhost:{number}") for number in part))
        costs.append(sum(process.cpu_times()[:2]) - spent)
    tunnels = await engine.client.list_tunnels()
    assert len(tunnels) == len({port_of(tunnel) for tunnel in tunnels}) == 1 + count
    assert {tunnel.state for tunnel in tunnels} == {"open"}
    assert process.num_fds() == before + 2 * count
    assert process.memory_info().rss - memory < 2 * MiB + count * (20 << 10)
    assert costs[-1] < costs[0] * 4
    for part in parts:
        await asyncio.gather(*(engine.client.close_tunnel(f"gpu01:{number}") for number in part))
    assert len(await engine.client.list_tunnels()) == 1
    assert process.num_fds() == before
