"""What is offered on a port of a gateway, and another user of it who listens there instead."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.address import TcpAddress
from jupyter_remote_tunnel.model.errors import Fatal
from jupyter_remote_tunnel.model.offer import FOLDER, Descriptor
from jupyter_remote_tunnel.ssh.connection import Connection
from jupyter_remote_tunnel.ssh.offered import Leg
from jupyter_remote_tunnel.tunnels import legs
from jupyter_remote_tunnel.tunnels.tunnel import Tunnel
from tests.ssh.support import ask
from tests.support.echo import Server, serve
from tests.support.neighbour import neighbour
from tests.support.other_uid import as_other_user, other_users_python
from tests.support.ports import unused_port
from tests.support.process import child
from tests.support.sshd import SshBed

from .conftest import QUICK, Rig
from .test_far_leg import PATIENCE, far_of, opened, until_far

NO_SOCKETS = "AllowStreamLocalForwarding no"

_POSING = """
import socket, sys, threading, time
word, ports = sys.argv[1].encode(), [int(port) for port in sys.argv[2:]]
def answer(port, said):
    while True:
        try:
            taken = socket.create_server(("127.0.0.1", port))
            break
        except OSError:
            time.sleep(0.002)  # nothing tells that a port is free
    print("has", port, flush=True)
    while True:
        stream, _ = taken.accept()
        threading.Thread(target=tell, args=(stream, said)).start()
def tell(stream, said):
    stream.sendall(said)
    stream.shutdown(socket.SHUT_WR)
    stream.recv(1000)
for port, said in zip(ports, (b"stolen", word)):
    threading.Thread(target=answer, args=(port, said)).start()
"""


@contextlib.contextmanager
def posing(word: str, *ports: int) -> Iterator[None]:
    """Another user has these ports: at the first one poses as the application, at the second one
    says that word.
    """
    line = other_users_python(_POSING, word, *map(str, ports))
    with child(as_other_user(line)) as running:
        for _ in ports:
            running.wait_for_line(r"has \d+")
        yield


@pytest.fixture
async def workstation(ssh_bed: SshBed, tmp_path: Path) -> AsyncIterator[Rig]:
    """The engine of the machine that offers something."""
    rig = Rig(ssh_bed, tmp_path)
    yield rig
    await rig.manager.close_all()


@pytest.fixture
def echo() -> Iterator[Server]:
    """Its application."""
    with serve("echo") as served:
        yield served


@pytest.fixture
def port() -> Iterator[int]:
    """A port of the gateway."""
    with unused_port() as number:
        yield number


async def vanish(workstation: Rig, offering: Tunnel) -> None:
    """It lost its power, and sshd has noticed: what it wrote down stays."""
    for forward in offering._forwards:
        forward._folder = None  # type: ignore[attr-defined]
    await workstation.manager.close(offering.id)


def described(home: Path, port: int) -> dict[str, object]:
    """What it wrote down."""
    found: dict[str, object] = json.loads((home / FOLDER / f"{port}.json").read_text())
    return found


def heard(port: object) -> str:
    """What any user of the gateway hears from a beacon."""
    assert isinstance(port, int)
    with socket.create_connection(("127.0.0.1", port)) as stream:
        return stream.recv(1000).decode()


def without_awk(folder: Path) -> str:
    """A path of programs with which a host tells nothing of its sockets, as if it were no Linux."""
    tools = folder / "bin"
    tools.mkdir()
    (tools / "awk").write_text("#!/bin/sh\nexit 2\n")
    (tools / "awk").chmod(0o755)
    return f"{tools}:/usr/bin:/bin"


async def is_told(rig: Rig, near: Tunnel, words: str) -> None:
    """Wait until these words stand beside a far leg that is down."""

    def told() -> bool:
        far = far_of(near)
        return far.state == "down" and far.error is not None and words in far.error.message

    await rig.recorder.until(told, PATIENCE)


async def goes_nowhere(near: Tunnel) -> None:
    """No stream of it reaches anybody."""
    with pytest.raises(ConnectionResetError):
        await ask(near.bound[0], b"secret")


@pytest.mark.parametrize("knows_the_word", [True, False])
async def test_a_beacon_of_somebody_else_is_not_believed(
    ssh_bed: SshBed,
    short_dir: Path,
    rig: Rig,
    workstation: Rig,
    echo: Server,
    port: int,
    knows_the_word: bool,
) -> None:
    ssh_bed.host("gw", env={"HOME": short_dir}, server=[NO_SOCKETS])
    line = f"-R offer/{port}:localhost:{echo.port} gw"
    offering = await workstation.open(line)
    near = await opened(rig, f"-L 0:localhost:{port} gw")
    assert await ask(near.bound[0], b"hello") == b"hello"
    beacon = described(short_dir, port)["beacon_port"]
    assert isinstance(beacon, int)
    word = await asyncio.to_thread(heard, beacon)
    await vanish(workstation, offering)
    await until_far(rig, near, "down")
    with posing(word if knows_the_word else '{"offer": "x", "problem": ""}', port, beacon):
        await is_told(rig, near, "another user of gw listens in place of")
        await goes_nowhere(near)
    await workstation.open(line)
    await until_far(rig, near, "up")
    assert await ask(near.bound[0], b"hello") == b"hello"


async def test_who_takes_the_port_at_once_is_found_out(
    ssh_bed: SshBed, short_dir: Path, rig: Rig, workstation: Rig, echo: Server, port: int
) -> None:
    """Nothing was down when it was tried."""
    ssh_bed.host("gw", env={"HOME": short_dir}, server=[NO_SOCKETS])
    offering = await workstation.open(f"-R offer/{port}:localhost:{echo.port} gw")
    near = await opened(rig, f"-L 0:localhost:{port} gw")
    beacon = described(short_dir, port)["beacon_port"]
    word = await asyncio.to_thread(heard, beacon)
    line = other_users_python(_POSING, word, str(port), str(beacon))
    with child(as_other_user(line)) as running:
        await workstation.manager.close(offering.id)
        for _ in (port, beacon):
            running.wait_for_line(r"has \d+")
        await until_far(rig, near, "down")
        await goes_nowhere(near)


async def test_without_a_beacon_it_is_looked_whose_the_port_is(
    ssh_bed: SshBed, short_dir: Path, rig: Rig, workstation: Rig, echo: Server, port: int
) -> None:
    ssh_bed.host("gw", env={"HOME": short_dir}, server=[NO_SOCKETS, "GatewayPorts yes"])
    offering = await workstation.open(f"-R offer/tcp/{port}:localhost:{echo.port} gw")
    assert described(short_dir, port)["beacon_port"] is None
    near = await opened(rig, f"-L 0:localhost:{port} gw")
    assert await ask(near.bound[0], b"hello") == b"hello"
    await vanish(workstation, offering)
    await until_far(rig, near, "down")
    with neighbour("127.0.0.1", port):
        await is_told(rig, near, "another user of gw listens in place of")
        await goes_nowhere(near)


async def test_where_the_gateway_does_not_tell_whose_a_port_is_it_leads_nowhere(
    ssh_bed: SshBed, short_dir: Path, rig: Rig, workstation: Rig, echo: Server, port: int
) -> None:
    ssh_bed.host("gw", env={"HOME": short_dir, "PATH": without_awk(short_dir)}, server=[NO_SOCKETS])
    await workstation.open(f"-R offer/{port}:localhost:{echo.port} gw")
    near = await opened(rig, f"-L 0:localhost:{port} gw")
    await is_told(rig, near, "gw does not tell")
    assert "127.0.0.1 as the destination" in far_of(near).error.hint  # type: ignore[union-attr]
    await goes_nowhere(near)
    last = near.status().forwards[0].error
    assert last == far_of(near).error, "the row tells it once"
    by_address = await rig.open(f"-L 0:127.0.0.1:{port} gw")
    assert await ask(by_address.bound[0], b"hello") == b"hello"


async def test_an_offer_is_found_on_a_connection_that_is_older(
    ssh_bed: SshBed, short_dir: Path, rig: Rig, workstation: Rig, echo: Server, port: int
) -> None:
    """Of its sockets, by which it could be found without a command, there is none."""
    ssh_bed.host("gw", env={"HOME": short_dir}, server=[NO_SOCKETS])
    older = await opened(rig, "-L 0:localhost:1 gw")
    assert older.status().forwards[0].far is None
    offering = await workstation.open(f"-R offer/{port}:localhost:{echo.port} gw")
    near = await opened(rig, f"-L 0:localhost:{port} gw")
    assert far_of(near).state == "up"
    assert await ask(near.bound[0], b"hello") == b"hello"
    await vanish(workstation, offering)
    await until_far(rig, near, "down")
    with neighbour("127.0.0.1", port):
        await goes_nowhere(near)


async def test_a_beacon_of_somebody_else_keeps_no_offer_away(
    ssh_bed: SshBed, short_dir: Path, workstation: Rig, echo: Server, port: int
) -> None:
    """It said that the port was offered already."""
    ssh_bed.host("gw", env={"HOME": short_dir}, server=[NO_SOCKETS])
    line = f"-R offer/{port}:localhost:{echo.port} gw"
    await vanish(workstation, await workstation.open(line))
    beacon = described(short_dir, port)["beacon_port"]
    assert isinstance(beacon, int)
    with unused_port() as theirs, posing('{"offer": "x", "problem": ""}', theirs, beacon):
        again = await workstation.open(line)
        assert again.bound == (f"127.0.0.1:{port}",)


async def test_an_offer_whose_ports_nobody_tells_is_left_alone(
    ssh_bed: SshBed, short_dir: Path, rig: Rig, workstation: Rig, echo: Server, port: int
) -> None:
    ssh_bed.host("gw", env={"HOME": short_dir, "PATH": without_awk(short_dir)}, server=[NO_SOCKETS])
    line = f"-R offer/{port}:localhost:{echo.port} gw"
    await workstation.open(line)
    with pytest.raises(Fatal, match=f"{port} is offered on gw already") as caught:
        await rig.open(line)
    assert f"remove {short_dir / FOLDER}/{port}.* there" in caught.value.hint


async def test_a_stream_waits_no_longer_for_being_tried_again(
    ssh_bed: SshBed, short_dir: Path, echo: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time began anew with each try of a leg that stays unknown."""
    tried: list[int] = []

    async def try_leg(connection: Connection, port: int, *_: object) -> Leg:
        tried.append(port)
        return Leg("unknown", connection.not_opened(TcpAddress("127.0.0.1", port)))

    monkeypatch.setattr(legs, "try_leg", try_leg)  # as of a host that does not answer streams
    ssh_bed.host("gw", env={"HOME": short_dir})
    rig = Rig(ssh_bed, short_dir, replace(QUICK, stream_wait=3))
    folder = short_dir / FOLDER
    folder.mkdir(mode=0o700)
    left = Descriptor("a", "ann@ws", "localhost:1", port=echo.port, beacon_socket=True)
    (folder / f"{echo.port}.json").write_bytes(left.encode())
    near = await rig.open(f"-L 0:localhost:{echo.port} gw")
    async with asyncio.timeout(10):
        await goes_nowhere(near)
    assert len(tried) > 1
    assert echo.accepted == 0
    await rig.manager.close_all()
