import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_remote_tunnel.engine.client import EngineClient
from jupyter_remote_tunnel.engine.holder import Holder, News
from jupyter_remote_tunnel.engine.saved import SavedSet, Saver
from jupyter_remote_tunnel.model.errors import Fatal, RemoteTunnelError
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import TunnelRequest
from tests.engine.conftest import Folders
from tests.support.process import child, program
from tests.support.sshd import SshBed, Sshd

TUNNEL = {
    "id": "0123456789ab",
    "request": {"host": "gpu01", "forwards": ["-L 5006:localhost:5006"]},
    "source": "user",
    "bound": ["127.0.0.1:5006"],
}

CLAIM = """
import signal, sys
from pathlib import Path
from jupyter_remote_tunnel.engine.saved import SavedSet
saved = SavedSet(Path(sys.argv[1]))
saved.claim()
print("claimed", flush=True)
signal.pause()
"""


@pytest.fixture
def saved(tmp_path: Path) -> Iterator[SavedSet]:
    made = SavedSet(tmp_path / "remote-tunnel" / "tunnels.json")
    yield made
    made.release()


def test_it_stands_in_jupyters_data_folder(folders: Folders) -> None:
    assert SavedSet().path == folders.data / "remote-tunnel" / "tunnels.json"


def test_what_is_written_is_read_and_is_for_its_owner_alone(saved: SavedSet) -> None:
    saved.claim()
    assert saved.read() == []
    saved.write([TUNNEL])
    assert saved.read() == [TUNNEL]
    assert saved.path.stat().st_mode & 0o777 == 0o600
    assert saved.path.parent.stat().st_mode & 0o777 == 0o700
    assert json.loads(saved.path.read_text())["version"] == 1
    assert sorted(p.name for p in saved.path.parent.iterdir()) == ["tunnels.json", "tunnels.lock"]


def test_another_holder_is_named_and_its_end_frees_the_set(saved: SavedSet) -> None:
    with child([sys.executable, "-c", CLAIM, saved.path]) as other:
        other.wait_for_line("claimed")
        with pytest.raises(Fatal, match=f"pid {other.pid} on ") as caught:
            saved.claim()
        assert caught.value.code == "conflict"
        assert not saved.claimed
    saved.claim()
    assert saved.claimed


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"tunnels": []}',
        b'{"version": 2, "tunnels": []}',
        b'{"version": 1, "tunnels": {}}',
        b'{"version": 1, "tunnels": [1]}',
        b'{"version": 1, "tunnels": [{"id": 1, "request": {}}]}',
        b'{"version": 1, "tunnels": [{"id": "a"}]}',
        b"[" * 100_000,
    ],
    ids=range(12),
)
def test_a_file_that_is_not_understood_is_kept_aside(saved: SavedSet, content: bytes) -> None:
    saved.claim()
    saved.path.write_bytes(content)
    with pytest.raises(Fatal, match="not understood") as caught:
        saved.read()
    aside = Path(caught.value.hint.removeprefix("The file was kept as ").removesuffix("."))
    assert aside.read_bytes() == content
    assert saved.claimed
    assert saved.read() == []


def test_a_file_that_others_can_write_is_not_read_and_not_replaced(saved: SavedSet) -> None:
    saved.claim()
    saved.write([TUNNEL])
    saved.path.chmod(0o666)
    with pytest.raises(Fatal, match="written by others"):
        saved.read()
    assert not saved.claimed


@pytest.fixture
def full_disk(short_dir: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    mount = [program("mount"), "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(short_dir)]
    subprocess.run(mount, check=True)
    yield short_dir
    subprocess.run([program("umount"), short_dir], check=True)


def test_a_full_disk_loses_nothing(full_disk: Path) -> None:
    saved = SavedSet(full_disk / "tunnels.json")
    saved.claim()
    saved.write([TUNNEL])
    ballast = full_disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(Fatal, match="No space left"):
        saved.write([TUNNEL] * 50)
    assert saved.read() == [TUNNEL]
    assert sorted(path.name for path in full_disk.iterdir()) == [
        "ballast",
        "tunnels.json",
        "tunnels.lock",
    ]
    ballast.unlink()
    saved.write([TUNNEL] * 50)
    assert len(saved.read()) == 50
    saved.release()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Fatal, match="cannot be locked"):
        SavedSet(tmp_path / "file" / "tunnels.json").claim()


async def test_the_newest_set_is_written_and_declared_tunnels_are_not(saved: SavedSet) -> None:
    said: list[RemoteTunnelError] = []
    saver = Saver(saved, said.append)
    assert saver.open(restore=True) == []
    for number in range(100):
        kernel = {**TUNNEL, "request": {"host": "gpu01", "kind": "kernel"}}
        saver.put([{**TUNNEL, "id": str(number)}, {**TUNNEL, "source": "config"}, kernel])
    await saver.close()
    assert [tunnel["id"] for tunnel in saved.read()] == ["99"]
    assert said == []
    assert not saved.claimed


async def test_what_another_holder_has_is_neither_restored_nor_written(saved: SavedSet) -> None:
    saved.claim()
    saved.write([TUNNEL])
    second, said = SavedSet(saved.path), list[RemoteTunnelError]()
    saver = Saver(second, said.append)
    assert saver.open(restore=True) == []
    assert [error.code for error in said] == ["conflict"]
    saver.put([])
    await saver.close()
    assert saved.read() == [TUNNEL]


async def test_that_it_cannot_be_written_is_said(saved: SavedSet) -> None:
    said: list[RemoteTunnelError] = []
    saver = Saver(saved, said.append)
    saver.open(restore=False)
    saved.path.mkdir()  # in the way of the file
    saver.put([TUNNEL])
    await saver.close()
    assert ["cannot be written" in error.message for error in said] == [True]


async def open_one(holder: Holder, request: TunnelRequest) -> str:
    client = await EngineClient.connect(holder.socket_path, "server")
    tunnel, _ = await client.open_tunnel(request)
    await client.close()
    return tunnel.id


async def tunnels(holder: Holder) -> list[tuple[str, str]]:
    client = await EngineClient.connect(holder.socket_path, "server")
    listed = await client.list_tunnels()
    await client.close()
    return [(tunnel.id, tunnel.source) for tunnel in listed]


async def test_tunnels_of_a_server_that_was_stopped_come_back(
    folders: Folders, ssh_bed: SshBed, sshd: Sshd
) -> None:
    settings = EngineSettings(ssh_config=str(ssh_bed.config_file))
    news: list[News] = []

    def holder(*, restore: bool) -> Holder:
        return Holder(
            settings, kind="server", saved=SavedSet(), restore=restore, on_news=news.append
        )

    request = TunnelRequest(host="gpu01", forwards=("-L 0:localhost:9",))
    async with holder(restore=False) as first:
        kept = await open_one(first, request)
        gone = await open_one(first, TunnelRequest(host="gpu01", forwards=("-L 0:localhost:7",)))
        client = await EngineClient.connect(first.socket_path, "server")
        await client.close_tunnel(gone)
        await client.close()
    assert [tunnel["id"] for tunnel in SavedSet().read()] == [kept]
    async with holder(restore=True) as second:
        await second.start()
        assert await tunnels(second) == [(kept, "saved")]
        async with Holder(settings, kind="kernel", saved=SavedSet(), restore=True) as third:
            assert third.wanted == []
    assert [tunnel["id"] for tunnel in SavedSet().read()] == [kept]
    async with holder(restore=False) as fourth:
        assert await tunnels(fourth) == []
    assert [tunnel["id"] for tunnel in SavedSet().read()] == [kept]
    assert [item.error for item in news if item.error] == []


async def test_an_entry_that_no_engine_understands_spoils_no_other(
    folders: Folders, ssh_bed: SshBed, sshd: Sshd
) -> None:
    settings = EngineSettings(ssh_config=str(ssh_bed.config_file))
    saved = SavedSet()
    saved.path.parent.mkdir(parents=True)
    request = {"host": "gpu01", "forwards": ["-L 0:localhost:9"]}
    good = {**TUNNEL, "request": request, "bound": []}
    bad: list[dict[str, Any]] = [
        {**TUNNEL, "id": "a", "request": {"host": "gpu01", "forwards": ["-Z"]}},
        {**TUNNEL, "id": "b", "request": {"host": 1}},
        {**TUNNEL, "id": "c", "more": 1},
        {**TUNNEL, "id": "d"},
        {**TUNNEL, "id": "d" * 12, "request": {**request, "kind": "\ud800"}},
        {**TUNNEL, "id": "e" * 12, "bound": ["127.0.0.1:"]},
        {**TUNNEL, "id": "f" * 12, "bound": ["127.0.0.1:99999"]},
        {**TUNNEL, "id": "0" * 12, "bound": ["/run/\ud800"]},
    ]
    saved.write([bad[0], good, *bad[1:]])
    async with Holder(
        settings, kind="server", saved=saved, restore=True, log=asyncio.subprocess.DEVNULL
    ) as holder:
        await holder.start()
        assert await tunnels(holder) == [(TUNNEL["id"], "saved")]
        assert os.getpid() == holder.announcement.holder_pid
