"""Files on a network drive that died: a clear error, other streams go on, and it mends itself."""

import asyncio
import gc
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_remote_tunnel.model.errors import BadInput, Fatal, Transient
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.ssh import making_hops, openssh
from jupyter_remote_tunnel.ssh.connecting import open_connection
from jupyter_remote_tunnel.ssh.files import Files, exists
from jupyter_remote_tunnel.ssh.hop import Hop
from jupyter_remote_tunnel.ssh.unix_socket import connected_unix
from tests.ssh.support import (
    PATIENCE,
    Forwarding,
    connect,
    descriptors,
    dialled,
    looks,
    route_to,
    task_names,
)
from tests.support.dead_drive import DeadDrive
from tests.support.echo import serve
from tests.support.process import wait_until
from tests.support.sshd import SshBed, Sshd


@pytest.fixture
def drive() -> Iterator[DeadDrive]:
    with DeadDrive() as made:
        yield made


def on_drive(hop: Hop, field: str, file: Path) -> Hop:
    """The hop with that file in the place of its own, and one second to connect."""
    one = field in ("agent", "revoked_host_keys")
    changes: dict[str, Any] = {field: str(file) if one else (str(file),), "connect_timeout": 1.0}
    return replace(hop, **changes)


FIELDS = ["known_hosts", "revoked_host_keys", "identities", "certificates", "agent"]


@pytest.mark.parametrize("field", FIELDS)
async def test_a_file_that_is_not_read_is_named_and_others_go_on(
    forwarding: Forwarding, ssh_bed: SshBed, drive: DeadDrive, field: str
) -> None:
    (hop,) = await route_to(ssh_bed, "gpu01")
    content = {"known_hosts": ssh_bed.known_hosts, "identities": ssh_bed.user_key}.get(field)
    file = drive.add("file", b"" if content is None else content.read_bytes())
    if field == "certificates":
        file = Path(f"{drive.add('key', b'')}-cert.pub")
    hop = on_drive(hop, field, file)
    await (await open_connection(hop, via=None)).close()
    drive.die()
    with serve("echo") as echo:
        forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
        before = task_names()
        async with dialled(forward.bound) as (reader, writer), asyncio.timeout(PATIENCE):
            trying = asyncio.get_running_loop().create_task(
                open_connection(hop, via=None), name="try"
            )
            rounds = 0
            while not trying.done():
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"
                rounds += 1
        assert rounds > 10
        with pytest.raises(Transient, match=f"{file}.* gpu01, could not be read within 1 s") as err:
            await trying
        assert (err.value.code, err.value.hop) == ("connect_timeout", "gpu01")
        assert "network drive" in err.value.hint
        await forwarding.until(lambda: not forward.streams_open)
        assert task_names() == before


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("known_hosts", "is not known"),
        ("revoked_host_keys", "file cannot be read: Input/output error"),
        ("identities", "file cannot be read"),
        ("certificates", None),
        ("agent", None),
    ],
)
async def test_a_file_that_cannot_be_read_is_as_good_as_none(
    ssh_bed: SshBed, sshd: Sshd, drive: DeadDrive, field: str, says: str | None
) -> None:
    (hop,) = await route_to(ssh_bed, "gpu01")
    hop = replace(on_drive(hop, field, drive.add("file", b"")), connect_timeout=PATIENCE)
    drive.break_()
    if says is None:
        await (await open_connection(hop, via=None)).close()
    else:
        with pytest.raises(Fatal, match=says):
            await open_connection(hop, via=None)


async def test_it_is_tried_with_one_thread_and_works_again(
    ssh_bed: SshBed, sshd: Sshd, drive: DeadDrive
) -> None:
    (hop,) = await route_to(ssh_bed, "gpu01")
    hop = on_drive(hop, "known_hosts", drive.add("known", ssh_bed.known_hosts.read_bytes()))
    drive.die()
    for _ in range(3):
        with pytest.raises(Transient, match="could not be read"):
            await open_connection(replace(hop, connect_timeout=0.1), via=None)
    assert len(looks()) == 1
    drive.revive()
    connection = await open_connection(replace(hop, connect_timeout=PATIENCE), via=None)
    await connection.close()
    assert looks() == []


async def test_a_route_with_known_hosts_that_do_not_answer(
    ssh_bed: SshBed, drive: DeadDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making_hops, "READ_TIMEOUT", 1.0)
    ssh_bed.host("gpu01", start=False)
    known = drive.add("known", b"")
    options = SshOptions(
        config_file=str(ssh_bed.config_file),
        options=(f"UserKnownHostsFile={known} {known}2",),
    )
    (hop,) = await route_to(ssh_bed, "gpu01", options)
    assert hop.known_hosts[:2] == (str(known), f"{known}2")
    drive.die()
    with pytest.raises(Transient, match=f"{known} of this machine.* gpu01") as caught:
        await route_to(ssh_bed, "gpu01", options)
    assert caught.value.hop == "gpu01"


async def test_an_identity_that_does_not_answer(
    ssh_bed: SshBed, drive: DeadDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ssh itself asks for it, and cannot even be killed then. Without ssh we do."""
    monkeypatch.setattr(openssh, "RESOLVE_TIMEOUT", 1.0)
    monkeypatch.setattr(making_hops, "READ_TIMEOUT", 1.0)
    ssh_bed.host("gpu01", start=False)
    key = drive.add("key", b"")
    options = SshOptions(config_file=str(ssh_bed.config_file), identities=(str(key),))
    drive.die()
    with pytest.raises(BadInput, match="ssh took more than 1 s") as bad_input:
        await route_to(ssh_bed, "gpu01", options)
    assert "network drive" in bad_input.value.hint
    with monkeypatch.context() as without_ssh:
        without_ssh.setenv("PATH", "/nowhere")
        with pytest.raises(Transient, match=f"{key} of this machine"):
            await route_to(ssh_bed, "gpu01", options)
    drive.revive()
    await asyncio.to_thread(wait_until, lambda: not waiting_for_a_process(), "the end of ssh")
    (hop,) = await route_to(ssh_bed, "gpu01", options)
    assert hop.identities[0] == str(key)


def waiting_for_a_process() -> list[str]:
    """The threads of asyncio that wait for the end of one."""
    return [thread.name for thread in threading.enumerate() if "waitpid" in thread.name]


async def test_looks_at_one_file_come_one_after_the_other() -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def look(path: str) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        found = exists(path)
        with lock:
            running -= 1
        return found

    looks = [Files().look_at(__file__, look) for _ in range(50)]
    assert all(await asyncio.gather(*looks))
    assert most == 1


async def test_what_a_look_raises_is_raised_here() -> None:
    files = Files()
    with pytest.raises(FileNotFoundError):
        await files.look_at("/nowhere", lambda path: Path(path).stat())
    assert files.waiting_for is None


async def test_what_nobody_waits_for_any_more_is_not_told(
    drive: DeadDrive, caplog: pytest.LogCaptureFixture
) -> None:
    file = drive.add("file", b"")
    drive.die()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await Files().look_at(str(file), lambda path: Path(path).stat())
    drive.break_()
    assert not await Files().look_at(str(file), exists)  # it comes after the first
    gc.collect()
    assert caplog.records == []


@pytest.mark.parametrize("streams", [pytest.param(1, marks=pytest.mark.long), 20])
async def test_a_destination_that_does_not_answer_fails_alone(
    ssh_bed: SshBed, sshd: Sshd, drive: DeadDrive, streams: int
) -> None:
    """-R to a Unix socket on a drive that is gone: the stream fails, by one thread for all."""
    path = drive.add("x.sock", b"")
    settings = EngineSettings(connect_timeout=1.0)
    async with connect(ssh_bed, "gpu01") as connection, Forwarding(connection, settings) as ours:
        with serve("echo") as echo:
            other = await ours.open(f"-L 0:localhost:{echo.port}")
            forward = await ours.open(f"-R 0:{path}")
            before = task_names()
            drive.die()
            async with dialled(other.bound) as (reader, writer), asyncio.timeout(PATIENCE):
                asking = asyncio.gather(*(refused(forward.bound) for _ in range(streams)))
                rounds = 0
                while not asking.done():
                    writer.write(b"x")
                    assert await reader.readexactly(1) == b"x"
                    rounds += 1
                assert await asking == [True] * streams
            assert rounds > 10
            assert looks() == [f"look at {path}"]
            error = forward.last_error
            assert error is not None
            assert f"could not connect to {path}: no answer" in error.message
            assert "network drive" in error.hint
            await ours.until(lambda: forward.streams_open == other.streams_open == 0)
            drive.revive()
            await refused(forward.bound)  # comes after what waits for the drive
            assert "Connection refused" in str(forward.last_error)
        await asyncio.to_thread(wait_until, lambda: looks() == [], "the end of its thread")
        assert task_names() == before


async def refused(bound: str | None) -> bool:
    """Whether a stream ends without an answer."""
    async with dialled(bound) as (reader, _):
        return await reader.read() == b""


async def test_a_socket_that_was_given_up_is_closed_when_it_comes(short_dir: Path) -> None:
    path = str(short_dir / "full")
    with socket.socket(socket.AF_UNIX) as full, socket.socket(socket.AF_UNIX) as filler:
        full.bind(path)
        full.listen(0)
        filler.connect(path)
        before = descriptors()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connected_unix(path, PATIENCE)
        full.accept()[0].close()  # now there is room
        await Files().look_at(path, exists)  # comes after what was given up
        await asyncio.to_thread(wait_until, lambda: descriptors() == before, "its end")
        with pytest.raises(BlockingIOError):  # there is none again
            await connected_unix(path, 0.1)


async def test_a_socket_is_not_made_on_a_drive_that_does_not_answer(
    forwarding: Forwarding, drive: DeadDrive
) -> None:
    forwarding.settings = EngineSettings(connect_timeout=1.0)
    path = drive.folder / "new.sock"
    with serve("echo") as echo:
        other = await forwarding.open(f"-L 0:localhost:{echo.port}")
        drive.die()
        async with dialled(other.bound) as (reader, writer), asyncio.timeout(PATIENCE):
            opening = asyncio.get_running_loop().create_task(
                forwarding.open(f"-L {path}:localhost:1"), name="open"
            )
            rounds = 0
            while not opening.done():
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"
                rounds += 1
        assert rounds > 10
        with pytest.raises(Fatal, match=f"{path} cannot be made.* did not answer within 1 s") as e:
            await opening
        assert "network drive" in e.value.hint
