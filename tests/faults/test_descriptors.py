"""Streams that would take all descriptors: of the engine, and of what holds it."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.conftest import QUICK, Engine, StartEngine, all_are, port_of, some_are
from tests.ssh.support import ask, dialled
from tests.support.echo import serve
from tests.support.process import wait_until
from tests.support.sshd import Sshd

FEW = 256
FLOOD = 2 * FEW


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "log"
    path.touch()
    yield path
    assert "Traceback" not in path.read_text(), path.read_text()


async def test_streams_leave_some_to_everything_else(
    start_engine: StartEngine, sshd: Sshd, log: Path
) -> None:
    """What is open goes on, a lost connection comes back, and the user sees why others fail."""
    with serve("echo") as echo, log.open("ab") as file:
        async with start_engine(replace(QUICK, max_streams=FLOOD), log=file.fileno()) as engine:
            limit_descriptors(engine, FEW)
            first = await engine.open(f"-L 0:127.0.0.1:{echo.port}")
            other = await engine.open(f"-L 0:127.0.0.1:{echo.port}", "-D 0")
            async with dialled(other.forwards[0].bound) as (reader, writer):
                with flood(port_of(first)):
                    error = await engine.refusal(first.id)
                    assert error.code == "too_many"
                    assert "as many files and sockets open as it may" in error.message
                    assert "ulimit -n" in error.hint
                    writer.write(b"goes on")
                    assert await reader.readexactly(7) == b"goes on"
                    assert engine.process.num_fds() < FEW
                    assert len(await engine.client.list_tunnels()) == 2
                    await engine.open("-L 0:localhost:1")
            with flood(port_of(first)):
                await engine.refusal(first.id)
                sshd.kill()
                await engine.until(some_are("reconnecting"))
                sshd.start()
                await engine.until(all_are("open"))
            # Those that waited to be accepted too.
            await engine.idle(first.id, 2 * FLOOD)
            assert await ask(first.forwards[0].bound, b"again") == b"again"
            assert (await engine.idle(first.id)).error is None
    assert log.read_text().count("\n") < 20


def limit_descriptors(engine: Engine, count: int) -> None:
    """Let an engine have so many descriptors at most."""
    resource.prlimit(engine.process.pid, resource.RLIMIT_NOFILE, (count, count))


@contextlib.contextmanager
def flood(port: int) -> Iterator[None]:
    """Clients of a port that say nothing and stay, as far as they may."""
    with contextlib.ExitStack() as stack:
        for _ in range(FLOOD):
            client = stack.enter_context(socket.socket())
            # One that is refused may be so before it has heard that it is connected.
            with contextlib.suppress(ConnectionResetError):
                client.connect(("127.0.0.1", port))
        yield


async def test_the_engine_takes_what_it_may_have(start_engine: StartEngine) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
    try:
        async with start_engine() as engine:
            limits = resource.prlimit(engine.process.pid, resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert limits == (min(hard, 1 << 16), hard)


async def test_a_flood_of_the_control_socket(engine: Engine) -> None:
    """Who says nothing there takes no more than its share, and nothing from the tunnels."""
    path = str(engine.holder.socket_path)
    before = engine.process.num_fds()
    with serve("echo") as echo, contextlib.ExitStack() as stack:
        tunnel = await engine.open(f"-L 0:127.0.0.1:{echo.port}")
        for _ in range(FLOOD):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            await asyncio.get_running_loop().run_in_executor(None, client.connect, path)
        assert await ask(tunnel.forwards[0].bound, b"hello") == b"hello"
        assert engine.process.num_fds() < before + 64 + 20
        stack.close()
        await engine.connect_again()
        await asyncio.to_thread(
            wait_until, lambda: engine.process.num_fds() < before + 10, "the end of the flood"
        )
    assert [item.error for item in engine.news if item.error] == []
