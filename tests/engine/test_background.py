import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from jupyter_remote_tunnel.engine.announce import Announcement
from jupyter_remote_tunnel.engine.background import LINGER, start_background
from jupyter_remote_tunnel.engine.client import EngineClient
from jupyter_remote_tunnel.engine.discovery import find_engine, list_engines
from jupyter_remote_tunnel.model.errors import Fatal
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import TunnelRequest
from tests.engine.conftest import Folders
from tests.support.leaks import assert_gone
from tests.support.process import wait_until
from tests.support.sshd import SshBed, Sshd


@pytest.fixture
async def background(folders: Folders, ssh_bed: SshBed, sshd: Sshd) -> AsyncIterator[Announcement]:
    """A background holder that knows the host gpu01."""
    started = await start_background(EngineSettings(ssh_config=str(ssh_bed.config_file)))
    process = psutil.Process(started.holder_pid)
    yield started
    if process.is_running():
        process.terminate()
    await asyncio.to_thread(assert_gone, [process])


async def test_it_is_nobodys_child_and_has_no_terminal(background: Announcement) -> None:
    process = psutil.Process(background.holder_pid)
    assert process.ppid() != os.getpid()
    assert os.getsid(process.pid) not in (os.getsid(0), 0)
    assert process.terminal() is None
    assert process.cwd() == "/"
    assert find_engine() == background
    assert background.kind == "background"


async def test_it_ends_when_the_last_tunnel_is_gone(
    background: Announcement, folders: Folders
) -> None:
    client = await EngineClient.connect(background.socket, "shell")
    processes = [psutil.Process(background.holder_pid), psutil.Process(client.welcome.pid)]
    for port in (7, 9):
        forward = f"-L 0:localhost:{port}"
        await client.open_tunnel(TunnelRequest(host="gpu01", forwards=(forward,)))
    first, second = await client.list_tunnels()
    await client.close_tunnel(first.id)
    assert [tunnel.id for tunnel in await client.list_tunnels()] == [second.id]
    assert all(process.is_running() for process in processes)
    await client.close_tunnel(second.id)
    await client.close()
    await asyncio.to_thread(assert_gone, processes)
    assert folders.left() == []


async def test_it_ends_when_nothing_could_be_opened(
    background: Announcement, folders: Folders
) -> None:
    client = await EngineClient.connect(background.socket, "shell")
    processes = [psutil.Process(background.holder_pid), psutil.Process(client.welcome.pid)]
    with pytest.raises(Fatal, match="nowhere"):
        await client.open_tunnel(TunnelRequest(host="gpu01", forwards=("-L /nowhere/x:h:1",)))
    await client.close()
    await asyncio.to_thread(assert_gone, processes)
    assert folders.left() == []


async def test_it_stays_for_who_is_about_to_open_a_tunnel(background: Announcement) -> None:
    client = await EngineClient.connect(background.socket, "shell")
    request = TunnelRequest(host="gpu01", forwards=("-L 0:localhost:9",))
    tunnel, _ = await client.open_tunnel(request)
    await client.close_tunnel(tunnel.id)
    await asyncio.sleep(2 * LINGER)  # that something does not happen has no event
    tunnel, created = await client.open_tunnel(request)
    assert created
    await client.close_tunnel(tunnel.id)
    await client.close()


async def test_sigterm_ends_it_with_its_tunnels(background: Announcement, folders: Folders) -> None:
    client = await EngineClient.connect(background.socket, "shell")
    await client.open_tunnel(TunnelRequest(host="gpu01", forwards=("-L 0:localhost:9",)))
    processes = [psutil.Process(background.holder_pid), psutil.Process(client.welcome.pid)]
    processes[0].send_signal(signal.SIGTERM)
    await asyncio.to_thread(assert_gone, processes)
    await client.close()
    assert folders.left() == []


async def test_two_shells_at_once_share_one(background: Announcement) -> None:
    started = await asyncio.gather(*(start_background() for _ in range(4)))
    assert {found.holder_pid for found in started} == {background.holder_pid}
    assert len(list_engines()) == 1


async def test_several_starts_at_once_start_one(folders: Folders) -> None:
    started = await asyncio.gather(*(start_background() for _ in range(4)))
    process = psutil.Process(started[0].holder_pid)
    assert {found.holder_pid for found in started} == {process.pid}
    process.terminate()
    await asyncio.to_thread(assert_gone, [process])


async def test_that_its_log_and_lock_have_no_place_is_said(folders: Folders) -> None:
    folders.runtime.write_text("a file is in the way")
    with pytest.raises(Fatal, match="did not start") as caught:
        await start_background()
    assert caught.value.code == "engine_unavailable"
    folders.runtime.unlink()


async def test_that_it_does_not_start_at_all_is_said(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")
    with pytest.raises(Fatal, match="it said nothing"):
        await start_background()


async def test_why_it_does_not_start_is_said(
    folders: Folders, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # No folder is fit for its private directory: all have too long a path.
    long = tmp_path / ("x" * 80)
    long.mkdir()
    (tmp_path / "sitecustomize.py").write_text(
        "from jupyter_remote_tunnel.engine import private\nprivate._SHARED = ()\n"
    )
    for name, value in {"XDG_RUNTIME_DIR": "", "TMPDIR": long, "PYTHONPATH": tmp_path}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(Fatal, match="no folder for private sockets"):
        await start_background()
    await asyncio.to_thread(
        wait_until, lambda: not list(folders.runtime.glob("*.log")), "the end of its log"
    )
