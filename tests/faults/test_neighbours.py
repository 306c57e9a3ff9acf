"""Another user of this machine, who tries all that there is of a running engine."""

import asyncio
import os
import stat

import pytest

from jupyter_remote_tunnel.engine.background import start_background
from jupyter_remote_tunnel.engine.client import EngineClient
from jupyter_remote_tunnel.engine.saved import SavedSet
from jupyter_remote_tunnel.model.errors import Fatal
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import TunnelRequest
from tests.faults.conftest import StartEngine, all_are, port_of
from tests.ssh.support import ask
from tests.support.echo import serve
from tests.support.leaks import files_below
from tests.support.other_uid import OTHER_UID, python_as_other_user, squatter
from tests.support.process import wait_until
from tests.support.sshd import SshBed, Sshd
from tests.support.user import User

CONNECT = """
import socket, sys
for place in sys.argv[1:]:
    host, _, port = place.rpartition(":")
    try:
        if "/" in place:
            client = socket.socket(socket.AF_UNIX)
            client.connect(place)
        else:
            client = socket.create_connection((host.strip("[]"), int(port)), timeout=30)
        client.sendall(b"hello")
        print("got" if client.recv(100) else "end")
    except OSError as error:
        print(type(error).__name__)
"""

TOUCH = """
import os, sys
for path in sys.argv[1:]:
    for attempt in (
        lambda: open(path, "rb").read(),
        lambda: open(path, "ab"),
        lambda: os.listdir(path),
        lambda: os.unlink(path),
        lambda: os.rename(path, path + "-"),
        lambda: os.chmod(path, 0o777),
        lambda: os.symlink("/tmp", path + "/link"),
    ):
        try:
            attempt()
            print("did", path)
        except OSError:
            print("refused")
"""

INSPECT = """
import os, signal, sys
for attempt in (
    lambda: os.kill(int(sys.argv[1]), signal.SIGTERM),
    lambda: open(f"/proc/{sys.argv[1]}/environ", "rb").read(),
    lambda: open(f"/proc/{sys.argv[1]}/mem", "rb").read(1),
    lambda: os.listdir(f"/proc/{sys.argv[1]}/fd"),
):
    try:
        attempt()
        print("did")
    except OSError as error:
        print("refused")
"""


async def test_every_listener_refuses_them(start_engine: StartEngine, user: User) -> None:
    """Also where the folders above are open to all."""
    open_to_all(user)
    mine = user.folder / "mine"
    mine.mkdir(mode=0o755)
    with serve("echo") as echo:
        there = f"127.0.0.1:{echo.port}"
        async with start_engine() as engine:
            tunnel = await engine.open(
                f"-L 0:{there}", f"-L private:{there}", f"-L {mine / 'socket'}:{there}", "-D 0"
            )
            ports = [
                f"{host}:{port_of(tunnel, n)}" for n in (0, 3) for host in ("127.0.0.1", "::1")
            ]
            paths = [tunnel.forwards[n].bound or "" for n in (1, 2)]
            places = [*ports, *paths, str(engine.holder.socket_path)]
            seen = python_as_other_user(CONNECT, *places)
            assert "got" not in seen.stdout
            assert seen.stdout.split() == ["ConnectionResetError"] * 4 + ["PermissionError"] * 3
            assert echo.accepted == 0
            first = (await engine.refusal(tunnel.id)).message
            assert f"Another user (uid {OTHER_UID})" in first
            for forward in tunnel.forwards[:3]:
                assert await ask(forward.bound, b"mine") == b"mine"


async def test_nothing_on_disk_is_theirs_to_touch(start_engine: StartEngine, user: User) -> None:
    saved = SavedSet()

    def settled() -> bool:
        """The last state is on the disk: no file of the moment comes and goes any more."""
        return saved.path.exists() and [entry["opened"] for entry in saved.read()] == [True]

    async with start_engine(saved=saved) as engine:
        await engine.open("-L private:localhost:1")
        await asyncio.to_thread(wait_until, settled, "the saved tunnel")
        refuses_them(user, engine.process.pid)
        assert len(await engine.client.list_tunnels()) == 1


async def test_nor_of_an_engine_in_the_background(user: User, ssh_bed: SshBed, sshd: Sshd) -> None:
    """Which has a log and a lock, too."""
    running = await start_background(EngineSettings(ssh_config=str(ssh_bed.config_file)))
    client = await EngineClient.connect(running.socket, "shell")
    request = TunnelRequest(host="gpu01", forwards=("-L private:localhost:1",))
    tunnel, _ = await client.open_tunnel(request)
    refuses_them(user, running.holder_pid, client.welcome.pid)
    names = {path.name for path in user.runtime_dir.iterdir()}
    assert names >= {f"remote-tunnel-{running.holder_pid}.log", "remote-tunnel-background.lock"}
    assert [found.id for found in await client.list_tunnels()] == [tunnel.id]
    await client.close()


def refuses_them(user: User, *pids: int) -> None:
    """Nothing that is ours in those folders, and of those processes, is theirs to touch."""
    open_to_all(user)
    ours = [
        user.folder / folder / name
        for folder in ("run", "runtime", "data")
        for name in files_below(user.folder / folder)
        if "jrt-" in name or "remote-tunnel" in name
    ]
    kinds = {stat.S_IFMT(path.lstat().st_mode) for path in ours}
    assert kinds == {stat.S_IFDIR, stat.S_IFREG, stat.S_IFSOCK}
    before = sorted((path, path.lstat().st_mode) for path in ours)
    seen = python_as_other_user(TOUCH, *map(str, ours))
    assert set(seen.stdout.split("\n")) == {"refused", ""}, seen
    assert sorted((path, path.lstat().st_mode) for path in ours) == before
    for pid in pids:
        seen = python_as_other_user(INSPECT, str(pid))
        assert seen.stdout.split() == ["refused"] * 4, seen


def open_to_all(user: User) -> None:
    """What a careless umask leaves of the folders above ours."""
    for folder in (user.folder, *(user.folder / name for name in ("run", "runtime", "data"))):
        folder.chmod(0o755)


@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
async def test_a_port_that_they_have_on_one_address_is_not_used(
    start_engine: StartEngine, host: str
) -> None:
    """Who means us by "localhost" could reach them: no tunnel has the other address alone."""
    with squatter(host) as (pid, port):
        async with start_engine() as engine:
            with pytest.raises(Fatal, match=f"Port {port} .* in use") as caught:
                await engine.open(f"-L {port}:localhost:1")
            assert caught.value.code == "port_in_use"
            assert str(pid) in caught.value.message or os.getuid() != 0
            with pytest.raises(Fatal, match=f"Port {port} "):
                await engine.open(f"-D {port}")
            assert await engine.client.list_tunnels() == []


async def test_a_port_that_they_took_meanwhile(start_engine: StartEngine) -> None:
    """A tunnel that lost one of its addresses to another user does not come back with half."""
    async with start_engine(saved=SavedSet()) as engine:
        port = port_of(await engine.open("-L 0:localhost:1"))
    with squatter("::1", port):
        async with start_engine(saved=SavedSet(), restore=True) as engine:
            (back,) = await engine.until(all_are("open"))
            assert port_of(back) != port
