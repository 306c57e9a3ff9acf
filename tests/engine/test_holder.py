"""The holder and its engine: what stands on disk, and what becomes of each when the other dies."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import stat
import time
from pathlib import Path

import psutil
import pytest

from jupyter_remote_tunnel.engine import holder as holder_module
from jupyter_remote_tunnel.engine.client import EngineClient
from jupyter_remote_tunnel.engine.holder import Holder, Phase
from jupyter_remote_tunnel.model.errors import Fatal, Transient
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import TunnelRequest
from jupyter_remote_tunnel.model.status import TunnelStatus
from tests.engine.conftest import Folders, Held, StartHolder, holding
from tests.support.leaks import assert_gone, listening
from tests.support.process import engines_below, wait_until
from tests.support.sshd import SshBed, Sshd


async def connect(holder: Holder) -> EngineClient:
    return await EngineClient.connect(holder.socket_path, "shell")


async def until(holder: Holder, phase: Phase) -> None:
    async with asyncio.timeout(60):
        while holder.phase is not phase:
            await holder._changed.wait()


def errors(held: Held) -> list[str]:
    return [news.error.code for news in held.news if news.error is not None]


async def test_no_engine_runs_before_the_first_client(held: Held) -> None:
    await until(held.holder, Phase.LISTENING)
    assert engines_below(os.getpid()) == []
    assert held.holder.announcement.engine_pid is None
    client = await connect(held.holder)
    assert await client.list_tunnels() == []
    assert client.welcome.pid in [process.pid for process in engines_below(os.getpid())]
    assert client.welcome.private_dir == str(held.holder.private_dir)
    await client.close()


async def test_opening_a_holder_is_cheap(folders: Folders) -> None:
    begun = time.perf_counter()
    async with Holder(EngineSettings(), kind="server"):
        assert time.perf_counter() - begun < 0.5  # 3 ms; an engine would take a second


async def test_what_stands_on_disk_is_for_its_owner_alone(held: Held, folders: Folders) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    directory = held.holder.private_dir
    assert directory.parent == folders.private
    assert mode(directory) == 0o700
    assert mode(held.holder.socket_path) == 0o600
    assert mode(held.holder.announcement.path) == 0o600


async def test_close_leaves_nothing(folders: Folders) -> None:
    holder = Holder(EngineSettings(), kind="server")
    await holder.open()
    await holder.start()
    engine = psutil.Process(holder.announcement.engine_pid)
    await holder.close()
    assert_gone([engine])
    assert folders.left() == []
    assert str(holder.socket_path) not in listening(os.getpid())
    assert holder.phase is Phase.CLOSED
    await holder.close()
    with pytest.raises(Fatal, match="closed"):
        await holder.start()


async def test_who_came_before_it_withdrew_keeps_it(held: Held) -> None:
    path = held.holder.announcement.path
    client = await connect(held.holder)
    assert not await held.holder.withdraw()  # it may be starting still
    await until(held.holder, Phase.RUNNING)
    assert not await held.holder.withdraw()
    assert path.exists()
    await client.ping()
    await client.close()
    async with asyncio.timeout(30):
        while not await held.holder.withdraw():
            pass
    assert not path.exists()


async def test_close_while_the_engine_starts(folders: Folders) -> None:
    holder = Holder(EngineSettings(), kind="server")
    await holder.open()
    starting = asyncio.get_running_loop().create_task(holder.start(), name="start")
    await until(holder, Phase.STARTING)
    wait_until(lambda: engines_below(os.getpid()), "the engine's process")
    await holder.close()
    with pytest.raises(Fatal, match="closed"):
        await starting
    assert engines_below(os.getpid()) == []


async def test_an_exit_without_close_takes_the_files_away(folders: Folders) -> None:
    holder = Holder(EngineSettings(), kind="server")
    await holder.open()
    await holder.start()
    engine = holder.announcement.engine_pid
    assert engine is not None
    holder.abandon()
    assert folders.left() == []
    assert psutil.pid_exists(engine)  # until this process ends
    await holder.close()
    assert_gone([psutil.Process(engine)] if psutil.pid_exists(engine) else [])


async def test_a_holder_that_was_never_opened_closes(folders: Folders) -> None:
    await Holder(EngineSettings(), kind="server").close()


async def test_an_open_that_fails_leaves_nothing(folders: Folders) -> None:
    folders.runtime.write_text("a file is in the way")
    holder = Holder(EngineSettings(), kind="server")
    with pytest.raises(Fatal, match="cannot be announced"):
        await holder.open()
    await holder.close()
    folders.runtime.unlink()
    assert folders.left() == []


async def test_the_engine_gets_no_secret_of_jupyter_and_dumps_no_core(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JUPYTER_TOKEN", "JPY_API_TOKEN", "JUPYTERHUB_API_TOKEN", "OTHER"):
        monkeypatch.setenv(name, "value")
    async with Holder(EngineSettings(), kind="server") as holder:
        await holder.start()
        engine = psutil.Process(holder.announcement.engine_pid)
        environ = engine.environ()
        assert environ["OTHER"] == "value"
        assert not [name for name in environ if name.startswith(("JUPYTER", "JPY_"))]
        assert engine.rlimit(resource.RLIMIT_CORE) == (0, 0)
        assert engine.cmdline()[1:-1] == ["-P", "-m", "jupyter_remote_tunnel.engine"]


# The holder dies.


async def test_the_engine_ends_with_a_holder_that_is_killed(
    start_holder: StartHolder, folders: Folders
) -> None:
    other = start_holder()
    client = await EngineClient.connect(other.announcement.socket, "shell")
    engine = psutil.Process(client.welcome.pid)
    other.process.send_signal(signal.SIGKILL)
    assert_gone([engine], 5)
    assert folders.left() == []
    async with asyncio.timeout(5):
        await client.lost.wait()
    await client.close()


@pytest.mark.parametrize("kernel_tells", [True, False])
async def test_the_engine_ends_though_a_fork_of_its_holder_lives(
    start_holder: StartHolder,
    folders: Folders,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kernel_tells: bool,
) -> None:
    if not kernel_tells:  # as on macOS
        (tmp_path / "sitecustomize.py").write_text("import os\ndel os.pidfd_open\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    other = start_holder(fork=True)
    engine = psutil.Process(int(other.process.wait_for_line(r"^engine (\d+)$")[1]))
    fork = psutil.Process(int(other.process.wait_for_line(r"^forked (\d+)$")[1]))
    try:
        psutil.Process(other.process.pid).kill()
        assert_gone([engine], 10)
    finally:
        fork.kill()
    assert folders.left() == []


async def test_ctrl_c_in_the_terminal_is_for_the_holder(held: Held) -> None:
    await held.holder.start()
    engine = held.engine
    assert os.getpgid(engine.pid) != os.getpgid(0)
    engine.send_signal(signal.SIGINT)
    client = await connect(held.holder)
    assert client.welcome.pid == engine.pid
    await client.close()


# The engine dies.


async def test_a_killed_engine_is_replaced_and_waiting_clients_are_answered(held: Held) -> None:
    await held.holder.start()
    client = await connect(held.holder)
    held.engine.kill()
    clients = await asyncio.gather(*(connect(held.holder) for _ in range(5)))
    for other in clients:
        assert await other.list_tunnels() == []
        assert other.welcome.pid != client.welcome.pid
        assert other.welcome.private_dir == client.welcome.private_dir
        await other.close()
    with pytest.raises(Transient) as caught:
        await client.list_tunnels()
    assert caught.value.code == "engine_died"
    assert errors(held) == ["engine_died"]
    await client.close()


async def test_a_call_that_waits_is_told_that_the_engine_died(held: Held) -> None:
    await held.holder.start()
    client = await connect(held.holder)
    engine = held.engine
    engine.suspend()
    listing = asyncio.get_running_loop().create_task(client.list_tunnels(), name="list")
    await asyncio.sleep(0)  # it asks
    engine.kill()
    with pytest.raises(Transient) as caught:
        await listing
    assert caught.value.code == "engine_died"
    await client.close()


async def test_tunnels_come_back_with_their_ids_and_ports(
    folders: Folders, ssh_bed: SshBed, sshd: Sshd
) -> None:
    settings = EngineSettings(ssh_config=str(ssh_bed.config_file))
    request = TunnelRequest(
        host="gpu01", forwards=("-L 0:localhost:9", "-L private/app:localhost:9"), name="mine"
    )
    async with Holder(settings, kind="foreground") as holder:
        client = await connect(holder)
        before, created = await client.open_tunnel(request)
        assert created
        first = psutil.Process(client.welcome.pid)
        first.kill()
        async with asyncio.timeout(10):
            await client.lost.wait()
        await client.close()
        client = await connect(holder)
        after = await until_open(client, before.id)
        assert client.welcome.pid != first.pid
        assert after.name == "mine"
        assert [f.bound for f in after.forwards] == [f.bound for f in before.forwards]
        await client.close()


async def until_open(client: EngineClient, tunnel: str) -> TunnelStatus:
    async with asyncio.timeout(30), contextlib.aclosing(client.events()) as events:
        while (status := await client.get_tunnel(tunnel)).state != "open":
            await anext(events)
    return status


async def test_an_engine_that_is_told_to_end_is_replaced(held: Held) -> None:
    await held.holder.start()
    held.engine.send_signal(signal.SIGTERM)
    await until(held.holder, Phase.LISTENING)
    assert errors(held) == ["engine_died"]
    assert "status 0" in str(held.news[-1].error)
    client = await connect(held.holder)
    await client.close()


async def test_a_silent_engine_is_ended_and_replaced(folders: Folders) -> None:
    async with holding(ping_every=0.1, silent_after=1.0) as held:
        await held.holder.start()
        first = held.engine
        first.suspend()
        await until(held.holder, Phase.LISTENING)
        assert_gone([first])
        assert "silent for 1 s" in str(held.news[-1].error)
        client = await connect(held.holder)
        assert client.welcome.pid != first.pid
        await client.close()


async def test_an_engine_is_not_blamed_for_a_holder_that_stood_still(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_ping = EngineClient.ping
    answered: asyncio.Queue[None] = asyncio.Queue()

    async def ping(client: EngineClient) -> None:
        await real_ping(client)
        answered.put_nowait(None)

    monkeypatch.setattr(EngineClient, "ping", ping)
    silent_after = 2.0
    async with holding(ping_every=0.5, silent_after=silent_after) as held:
        await held.holder.start()
        first = held.engine
        await answered.get()
        # Not awaited: the whole process stands still, as a busy server does, for longer than it may
        # be silent. What is tried is time itself.
        time.sleep(1.5 * silent_after)  # noqa: ASYNC251
        for _ in range(4):
            await answered.get()
        assert held.engine == first
        assert errors(held) == []


async def test_three_deaths_are_enough(held: Held) -> None:
    for _ in range(holder_module.DEATHS):
        await held.holder.start()
        held.engine.kill()
        await until_changed(held.holder)
    await until(held.holder, Phase.GIVEN_UP)
    assert errors(held) == ["engine_died", "engine_died", "engine_unavailable"]
    assert "3 times within 60 s" in str(held.news[-1].error)
    assert "SIGKILL" in str(held.news[-1].error)
    assert not held.holder.socket_path.exists()
    assert not held.holder.announcement.path.exists()
    with pytest.raises(Fatal, match="3 times"):
        await held.holder.start()
    with pytest.raises(Fatal) as caught:
        await connect(held.holder)
    assert caught.value.code == "engine_unavailable"


async def until_changed(holder: Holder) -> None:
    async with asyncio.timeout(60):
        await holder._changed.wait()


async def test_clients_that_wait_when_it_is_given_up_are_told(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")  # no engine can start
    async with Holder(EngineSettings(), kind="server", log=asyncio.subprocess.DEVNULL) as holder:
        with pytest.raises(Fatal) as caught:
            await connect(holder)
        assert caught.value.code == "engine_unavailable"
        assert holder.phase is Phase.GIVEN_UP


async def test_many_clients_can_wait_for_one_engine(held: Held) -> None:
    clients = await asyncio.gather(*(connect(held.holder) for _ in range(50)))
    assert len({client.welcome.pid for client in clients}) == 1
    await asyncio.gather(*(client.close() for client in clients))


async def test_a_connection_that_says_nothing_starts_an_engine_and_no_more(held: Held) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(held.holder.socket_path))
        await until(held.holder, Phase.RUNNING)
    assert errors(held) == []
