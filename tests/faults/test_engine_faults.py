"""What happens to the tunnels when their engine, or the disk under their holder, fails."""

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_remote_tunnel.engine.saved import SavedSet
from jupyter_remote_tunnel.model.status import TunnelStatus
from tests.faults.conftest import Engine, StartEngine, all_are
from tests.ssh.support import ask, dialled
from tests.support.echo import serve
from tests.support.process import program, wait_until


def identity(tunnel: TunnelStatus) -> tuple[str, str, list[str | None]]:
    """What stays the same whatever happens to its engine."""
    return tunnel.id, tunnel.name, [forward.bound for forward in tunnel.forwards]


async def test_an_engine_that_is_killed_under_load(engine: Engine) -> None:
    """Every stream ends with an error, and every tunnel is back with its id, name and addresses."""
    with serve("echo") as echo:
        tunnels = [
            await engine.open(f"-L 0:127.0.0.1:{echo.port}", f"-L private:localhost:{number}")
            for number in range(1001, 1041)
        ]
        async with contextlib.AsyncExitStack() as stack:
            streams = []
            for tunnel in tunnels:
                reader, writer = await stack.enter_async_context(dialled(tunnel.forwards[0].bound))
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
                streams.append(reader)
            engine.process.kill()
            for reader in streams:
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""
        await engine.client.lost.wait()
        await engine.connect_again()
        back = await engine.until(all_are("open"))
        assert [identity(tunnel) for tunnel in back] == [identity(tunnel) for tunnel in tunnels]
        answers = await asyncio.gather(*(ask(t.forwards[0].bound, b"again") for t in back))
        assert set(answers) == {b"again"}
    assert [item.error.code for item in engine.news if item.error] == ["engine_died"]


@pytest.fixture
def small_disk(short_dir: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    mount = [program("mount"), "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(short_dir)]
    subprocess.run(mount, check=True)
    yield short_dir
    subprocess.run([program("umount"), short_dir], check=True)


async def test_a_disk_that_is_full_under_the_saved_tunnels(
    start_engine: StartEngine, small_disk: Path
) -> None:
    """Tunnels work, the user is told, what was saved stays, and what was not is once it can be."""

    def saved() -> list[str]:
        return [tunnel["id"] for tunnel in SavedSet(path).read()]

    path, ballast = small_disk / "tunnels.json", small_disk / "ballast"
    with serve("echo") as echo:
        async with start_engine(saved=SavedSet(path)) as engine:
            first = await engine.open("-L 0:localhost:1")
            await asyncio.to_thread(wait_until, lambda: path.exists() and saved(), "a first save")
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 4096)
            second = await engine.open(f"-L 0:127.0.0.1:{echo.port}")
            assert await ask(second.forwards[0].bound, b"hello") == b"hello"
            told = await engine.told("cannot be written")
            assert "No space left" in told.message
            assert "stay open" in told.hint
            assert saved() == [first.id]
            ballast.unlink()
        assert saved() == [first.id, second.id]
