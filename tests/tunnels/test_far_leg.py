"""Two legs through a gateway: a workstation that nobody reaches offers its Bokeh there, and a
laptop opens it.
"""

import asyncio
import contextlib
import socket
import stat
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bokeh.client import pull_session

from jupyter_remote_tunnel.commands.answers import problems
from jupyter_remote_tunnel.model.offer import FOLDER, Descriptor
from jupyter_remote_tunnel.model.state import State
from jupyter_remote_tunnel.model.status import FarLeg
from jupyter_remote_tunnel.ssh import offered
from jupyter_remote_tunnel.ssh.connection import Connection
from jupyter_remote_tunnel.tunnels import legs
from jupyter_remote_tunnel.tunnels.tunnel import Tunnel
from tests.ssh.support import ask
from tests.support.bokeh_app import BokehApp
from tests.support.echo import serve
from tests.support.gateway import Scene
from tests.support.gateway import home as home
from tests.support.gateway import remote_app as remote_app
from tests.support.gateway import scene as scene
from tests.support.other_uid import python_as_other_user
from tests.support.ports import unused_port
from tests.support.process import child, wait_until
from tests.support.sshd import SshBed, Sshd
from tests.support.user import User

from .conftest import QUICK, Rig, port_of

PATIENCE = 60.0
IN_TIME = QUICK.keepalive_interval * QUICK.keepalive_count + 1
"""Seconds until a leg's state is right: the keepalive time, and one for the machine."""


def far_of(tunnel: Tunnel) -> FarLeg:
    """The far leg of its first forward."""
    far = tunnel.status().forwards[0].far
    assert far is not None
    return far


async def until_far(rig: Rig, tunnel: Tunnel, state: str, *, patience: float = PATIENCE) -> FarLeg:
    """Wait until the far leg is told to be so."""
    await rig.recorder.until(lambda: far_of(tunnel).state == state, patience)
    return far_of(tunnel)


async def opened(rig: Rig, line: str) -> Tunnel:
    """A tunnel of whose far leg is known."""
    tunnel = await rig.open(line)
    await tunnel.far_known(PATIENCE)
    return tunnel


async def page(tunnel: Tunnel) -> str:
    """The application's page, by the port on the laptop."""

    def get() -> str:
        url = f"http://127.0.0.1:{port_of(tunnel)}/app"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            text: str = answer.read().decode()
        return text

    return await asyncio.to_thread(get)


def title(tunnel: Tunnel) -> str:
    """What the application says of itself over its websocket."""
    session = pull_session(url=f"http://127.0.0.1:{port_of(tunnel)}/app")
    try:
        return str(session.document.title)
    finally:
        session.close()


async def test_both_legs_are_one_tunnel(
    scene: Scene, remote_app: BokehApp, user: User, rig: Rig
) -> None:
    with pytest.raises(OSError), socket.socket() as direct:  # noqa: PT011 (whichever it is)
        direct.connect((scene.workstation.address, remote_app.port))
    with scene.offering(user, "-R", f"5006:localhost:{remote_app.port}"):
        tunnel = await opened(rig, "-L 0:localhost:5006 gw")
        far = far_of(tunnel)
        assert (far.state, far.at) == ("up", str(scene.folder / "5006.sock"))
        assert far.by.endswith(f"@{socket.gethostname()}")
        assert far.destination == f"localhost:{remote_app.port}"
        assert "remote plot" in await page(tunnel)
        assert await asyncio.to_thread(title, tunnel) == "remote plot"
        assert len(rig.manager.tunnels) == 1
    assert not list(scene.folder.iterdir()), "what was offered is taken away with its end"


def test_others_of_the_gateway_get_nothing(scene: Scene, remote_app: BokehApp, user: User) -> None:
    knock = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    scene.home.chmod(0o755)  # it is the folder in it that keeps others out
    with scene.offering(user, "-R", f"5006:localhost:{remote_app.port}"):
        path = scene.folder / "5006.sock"
        assert stat.S_IMODE(scene.folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "PermissionError" in python_as_other_user(knock, str(path)).stderr
        scene.folder.chmod(0o755)
        scene.home.parent.chmod(0o755)
        assert "PermissionError" in python_as_other_user(knock, str(path)).stderr
        assert scene.listening() == {scene.sshd.port}


async def test_a_far_leg_that_ends_is_down_and_comes_back(
    scene: Scene, remote_app: BokehApp, user: User, rig: Rig
) -> None:
    words = ("-R", f"5006:localhost:{remote_app.port}")
    with scene.offering(user, *words) as process:
        tunnel = await opened(rig, "-L 0:localhost:5006 gw")
        process.kill()
        far = await until_far(rig, tunnel, "down", patience=IN_TIME)
        assert far.error is not None
        assert far.error.message == (
            f"Nothing is offered as 5006 on gw at the moment: {far.by} is away."
        )
        assert "restart this tunnel" not in far.error.hint, "to whoever listens on that port"
        assert tunnel.state is State.OPEN, "the near leg is there"
    with scene.offering(user, *words):
        await until_far(rig, tunnel, "up")
        assert "remote plot" in await page(tunnel)


async def test_an_application_that_ends_is_told_from_the_leg(
    scene: Scene, remote_app: BokehApp, user: User, rig: Rig
) -> None:
    with scene.offering(user, "-R", f"5006:localhost:{remote_app.port}"):
        tunnel = await opened(rig, "-L 0:localhost:5006 gw")
        remote_app.process.kill()
        far = await until_far(rig, tunnel, "no_application", patience=IN_TIME)
        assert far.error is not None
        assert "does not answer it: Connection refused." in far.error.message


async def test_a_workstation_that_is_cut_off_is_down_and_comes_back(
    scene: Scene, remote_app: BokehApp, user: User, rig: Rig
) -> None:
    """The gateway's sshd notices nothing, and goes on to listen."""
    with scene.offering(user, "-R", f"5006:localhost:{remote_app.port}"):
        tunnel = await opened(rig, "-L 0:localhost:5006 gw")
        scene.workstation.link_down()
        far = await until_far(rig, tunnel, "down", patience=IN_TIME)
        assert far.error is not None
        assert "has not answered" in far.error.message
        assert "ClientAliveInterval" in far.error.hint
        scene.workstation.link_up()
        await until_far(rig, tunnel, "up")
        assert "remote plot" in await page(tunnel)


async def test_a_gateway_that_is_silent_leaves_the_far_leg_unknown(
    scene: Scene, remote_app: BokehApp, user: User, rig: Rig
) -> None:
    with scene.offering(user, "-R", f"5006:localhost:{remote_app.port}"):
        tunnel = await opened(rig, "-L 0:localhost:5006 gw")
        with scene.sshd.paused():
            lost = State.RECONNECTING
            await rig.recorder.until(lambda: tunnel.state is lost, IN_TIME)
            assert far_of(tunnel).state == "unknown"
        await until_far(rig, tunnel, "up")


async def test_a_gateway_that_starts_again_has_both_legs_back(
    scene: Scene, remote_app: BokehApp, user: User, rig: Rig
) -> None:
    with scene.offering(user, "-R", f"5006:localhost:{remote_app.port}"):
        tunnel = await opened(rig, "-L 0:localhost:5006 gw")
        await asyncio.to_thread(scene.sshd.kill)
        await rig.recorder.until(lambda: tunnel.state is State.RECONNECTING, PATIENCE)
        assert far_of(tunnel).state == "unknown"
        await asyncio.to_thread(scene.sshd.start)
        await until_far(rig, tunnel, "up")
        assert tunnel.state is State.OPEN
        assert "remote plot" in await page(tunnel)


async def test_the_workstation_itself_behind_its_gateway(
    scene: Scene, remote_app: BokehApp, user: User, rig: Rig
) -> None:
    """Its sshd is offered on a port, and the gateway is a jump host."""
    inner = Sshd(scene.bed, "workstation")
    key = inner.host_key.with_suffix(".pub").read_text()
    with scene.bed.known_hosts.open("a") as known:
        known.write(f"workstation {key}")
    try:
        with child(scene.workstation.wrap(inner.command())) as process, unused_port() as port:
            process.wait_for_line("Server listening")
            with scene.offering(user, "--tcp", "-R", f"{port}:localhost:{inner.port}"):
                alias = "-o HostKeyAlias=workstation"
                way = f"-J gw -p {port} {alias} -i {scene.bed.user_key} localhost"
                tunnel = await rig.open(f"-L 0:localhost:{remote_app.port} {way}")
                assert "remote plot" in await page(tunnel)
                await rig.manager.close(tunnel.id)
    finally:
        inner.close()


async def test_a_gateway_that_refuses_an_offer_is_asked_for_ever(
    ssh_bed: SshBed, short_dir: Path, rig: Rig
) -> None:
    """After a start its home folders may not be there yet, and nobody sits before who offers."""
    sshd = ssh_bed.host("gw", env={"HOME": short_dir})
    keys = sshd.authorized_keys.read_text()
    spec = replace(rig.spec("-R offer/5006:localhost:1 gw"), kind="offer")
    tunnel, _ = await rig.manager.open(spec, from_shell=True)
    sshd.authorized_keys.write_text("")
    sshd.drop_connections()
    refused = "Connection closed by authenticating user"
    await asyncio.to_thread(
        wait_until, lambda: sshd.log.count(refused) > 2 * QUICK.refused_attempts, "its refusals"
    )
    assert tunnel.state is State.RECONNECTING
    sshd.authorized_keys.write_text(keys)
    await rig.recorder.until(lambda: tunnel.state is State.OPEN, PATIENCE)


async def test_what_is_offered_later_is_found(ssh_bed: SshBed, short_dir: Path, rig: Rig) -> None:
    """By the streams that fail, as nothing is there yet."""
    ssh_bed.host("gw", env={"HOME": short_dir})
    with unused_port() as port, serve("echo") as echo:
        near = await rig.open(f"-L 0:localhost:{port} gw")
        with pytest.raises(ConnectionResetError):
            await ask(near.bound[0], b"hello")  # it waited until the gateway had been asked
        assert near.status().forwards[0].far is None
        await rig.open(f"-R offer/{port}:localhost:{echo.port} gw")
        async with asyncio.timeout(PATIENCE):
            while near.status().forwards[0].far is None:
                with contextlib.suppress(ConnectionResetError):
                    await ask(near.bound[0], b"hello")
        await until_far(rig, near, "up")
        assert await ask(near.bound[0], b"hello") == b"hello"


async def test_another_offer_in_its_place_is_told(
    ssh_bed: SshBed, short_dir: Path, rig: Rig
) -> None:
    """Its socket is at the same place, and nothing was down when it was tried."""
    ssh_bed.host("gw", env={"HOME": short_dir})
    with serve("echo") as echo, serve("reply") as reply:
        first = await rig.open(f"-R offer/5006:localhost:{echo.port} gw")
        near = await opened(rig, "-L 0:localhost:5006 gw")
        there = f"localhost:{echo.port}"
        await rig.recorder.until(lambda: far_of(near).destination == there, PATIENCE)
        await rig.manager.close(first.id)
        await rig.open(f"-R offer/5006:localhost:{reply.port} gw")
        there = f"localhost:{reply.port}"
        await rig.recorder.until(lambda: far_of(near).destination == there, PATIENCE)
        await until_far(rig, near, "up")
        assert await ask(near.bound[0], b"hello") == b"got 5 bytes"


async def test_an_offer_that_was_ended_is_not_said_to_be_left(
    ssh_bed: SshBed, short_dir: Path, rig: Rig
) -> None:
    ssh_bed.host("gw", env={"HOME": short_dir})
    with serve("echo") as echo:
        offering = await rig.open(f"-R offer/5006:localhost:{echo.port} gw")
        near = await opened(rig, "-L 0:localhost:5006 gw")
        await rig.manager.close(offering.id)

        def is_told() -> bool:
            error = far_of(near).error
            return error is not None and "has ended it" in error.message

        await rig.recorder.until(is_told, PATIENCE)
        hint = far_of(near).error.hint  # type: ignore[union-attr]
        assert "remove what stands" not in hint
        assert "Restart" not in hint, "to whoever listens on that port"
        assert "any user of gw can listen" in hint
        with pytest.raises(ConnectionResetError):
            await ask(near.bound[0], b"hello")
        last = near.status().forwards[0].error
        assert last == far_of(near).error, "the row tells it once"


@pytest.mark.parametrize("how", ["offer", "offer/tcp"])
async def test_one_reason_is_told_of_an_offer_that_has_ended(
    ssh_bed: SshBed, short_dir: Path, how: str
) -> None:
    """A stream has met that it was away, before it was known to be ended."""
    ssh_bed.host("gw", env={"HOME": short_dir})
    rig = Rig(ssh_bed, short_dir, replace(QUICK, keepalive_interval=60))
    with unused_port() as port, serve("echo") as echo:
        offering = await rig.open(f"-R {how}/{port}:localhost:{echo.port} gw")
        near = await opened(rig, f"-L 0:localhost:{port} gw")
        await rig.manager.close(offering.id)
        with pytest.raises(ConnectionResetError):
            await ask(near.bound[0], b"hello")
        assert "is away" in str(near.status().forwards[0].error)

        def is_told() -> bool:
            return "has ended it" in str(far_of(near).error)

        await rig.recorder.until(is_told, PATIENCE)
        (reason,) = problems(near.status())
        assert "has ended it" in reason.message
        await rig.manager.close_all()


async def test_the_port_of_an_offer_that_is_down_is_nobody_else_s(
    ssh_bed: SshBed, short_dir: Path, rig: Rig
) -> None:
    ssh_bed.host("gw", env={"HOME": short_dir})
    with unused_port() as port, serve("echo") as echo:
        line = f"-R offer/tcp/{port}:localhost:{echo.port} gw"
        offering = await rig.open(line)
        near = await opened(rig, f"-L 0:localhost:{port} gw")
        assert await ask(near.bound[0], b"hello") == b"hello"
        await rig.manager.close(offering.id)
        await until_far(rig, near, "down")
        with serve("reply", port=port) as stranger:
            with pytest.raises(ConnectionResetError):
                await ask(near.bound[0], b"hello")
            assert stranger.accepted == 0
        await rig.open(line)
        await until_far(rig, near, "up")
        assert await ask(near.bound[0], b"hello") == b"hello"


@pytest.mark.parametrize("how", ["offer", "offer/tcp"])
async def test_a_refused_stream_is_news(ssh_bed: SshBed, short_dir: Path, how: str) -> None:
    """The timer would tell in a minute that the far leg is down."""
    ssh_bed.host("gw", env={"HOME": short_dir})
    rig = Rig(ssh_bed, short_dir, replace(QUICK, keepalive_interval=60))
    with unused_port() as port, serve("echo") as echo:
        offering = await rig.open(f"-R {how}/{port}:localhost:{echo.port} gw")
        near = await opened(rig, f"-L 0:localhost:{port} gw")
        assert far_of(near).state == "up"
        await rig.manager.close(offering.id)
        with pytest.raises(ConnectionResetError):
            await ask(near.bound[0], b"hello")
        far = await until_far(rig, near, "down", patience=6)
        assert far.error is not None
        assert f"Nothing is offered as {port} on gw" in far.error.message
        await rig.manager.close_all()


async def test_what_a_dead_offer_left_leads_to_nobody(
    ssh_bed: SshBed, short_dir: Path, rig: Rig
) -> None:
    """Its machine vanished, and another user of the gateway has taken its port."""
    ssh_bed.host("gw", env={"HOME": short_dir})
    with serve("reply") as stranger:
        folder = short_dir / FOLDER
        folder.mkdir(mode=0o700)
        left = Descriptor("a", "ann@ws", "localhost:1", port=stranger.port, beacon_socket=True)
        (folder / f"{stranger.port}.json").write_bytes(left.encode())
        near = await rig.open(f"-L 0:localhost:{stranger.port} gw")
        with pytest.raises(ConnectionResetError):
            await ask(near.bound[0], b"hello")
        assert far_of(near).state == "down"
        assert stranger.accepted == 0


async def test_a_stream_that_waits_for_a_silent_leg_says_so(
    ssh_bed: SshBed, short_dir: Path
) -> None:
    """The gateway has not noticed that the machine has vanished; the offer is a port."""
    ssh_bed.host("gw", env={"HOME": short_dir})
    settings = replace(QUICK, stream_wait=0.3, keepalive_interval=15, keepalive_count=3)
    rig = Rig(ssh_bed, short_dir, settings)
    with serve("reply") as held, serve("echo", unix=True) as silent:
        folder = short_dir / FOLDER
        folder.mkdir(mode=0o700)
        left = Descriptor("a", "ann@ws", "localhost:1", port=held.port, beacon_socket=True)
        (folder / f"{held.port}.json").write_bytes(left.encode())
        (folder / f"{held.port}.beacon").symlink_to(silent.path)
        near = await rig.open(f"-L 0:localhost:{held.port} gw")
        with pytest.raises(ConnectionResetError):
            await ask(near.bound[0], b"hello")
        error = near.status().forwards[0].error
        assert error is not None
        assert error.message == "A stream waited 0.3 s for ann@ws, which has not answered yet."
        assert "is being tried" in error.hint
        assert held.accepted == 0
        await rig.manager.close_all()


async def test_streams_and_not_who_opens_wait_for_a_slow_shell(ssh_bed: SshBed, rig: Rig) -> None:
    """It would tell what is offered. A stream goes to the port of that number after a while."""
    sshd = ssh_bed.host("gw", server=["ForceCommand sleep 600"])
    with serve("echo") as echo:
        tunnel = await rig.open(f"-L 0:localhost:{echo.port} gw")
        loop = asyncio.get_running_loop()
        asking = loop.create_task(ask(tunnel.bound[0], b"hello"), name="stream")
        await asyncio.to_thread(
            wait_until, lambda: tunnel.status().forwards[0].streams.open == 1, "the stream"
        )
        assert not echo.live, "it goes nowhere before that is known"
        assert await asking == b"hello"
        assert tunnel.status().forwards[0].far is None
        assert "Starting session" in sshd.log


async def test_a_port_of_the_host_itself_is_no_offer(
    ssh_bed: SshBed, short_dir: Path, rig: Rig
) -> None:
    ssh_bed.host("gw", env={"HOME": short_dir})
    with serve("echo") as echo, serve("reply") as reply:
        await rig.open(f"-R offer/{reply.port}:localhost:{echo.port} gw")
        by_name = await rig.open(f"-L 0:localhost:{reply.port} gw")
        by_address = await rig.open(f"-L 0:127.0.0.1:{reply.port} gw")
        assert await ask(by_name.bound[0], b"hello") == b"hello"
        assert await ask(by_address.bound[0], b"hello") == b"got 5 bytes"
        assert by_address.status().forwards[0].far is None


async def test_a_workstation_with_another_address_is_back(
    scene: Scene, remote_app: BokehApp, user: User, rig: Rig
) -> None:
    """Its old connection is never ended: what it held on the gateway is taken over."""
    with scene.offering(user, "-R", f"5006:localhost:{remote_app.port}"):
        tunnel = await opened(rig, "-L 0:localhost:5006 gw")
        stale = {process.pid for process in scene.sshd.connections}
        scene.workstation.move()
        await until_far(rig, tunnel, "down")
        await until_far(rig, tunnel, "up")
        assert "remote plot" in await page(tunnel)
        assert stale <= {process.pid for process in scene.sshd.connections}


async def test_a_leg_that_is_down_for_long_slows_no_other_one(
    ssh_bed: SshBed, short_dir: Path, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same tunnel: it alone is tried more seldom."""
    monkeypatch.setattr(legs, "_PATIENT_TRIES", 1)
    monkeypatch.setattr(legs, "_SELDOM", 1000)
    tried: list[int] = []
    enough = asyncio.Event()

    async def try_leg(connection: Connection, port: int, *rest: Any) -> offered.Leg:
        tried.append(port)
        if tried.count(5006) > tried.count(5007) + 2:
            enough.set()
        return await offered.try_leg(connection, port, *rest)

    monkeypatch.setattr(legs, "try_leg", try_leg)
    ssh_bed.host("gw", env={"HOME": short_dir})
    with serve("echo") as echo:
        one = await rig.open(f"-R offer/5006:localhost:{echo.port} gw")
        other = await rig.open(f"-R offer/5007:localhost:{echo.port} gw")
        near = await opened(rig, "-L 0:localhost:5006 -L 0:localhost:5007 gw")
        await rig.manager.close(other.id)

        def states() -> list[str]:
            return [leg.far.state for leg in near.status().forwards if leg.far is not None]

        await rig.recorder.until(lambda: states() == ["up", "down"], PATIENCE)
        async with asyncio.timeout(PATIENCE):
            await enough.wait()
        await rig.manager.close(one.id)
        await rig.recorder.until(lambda: states() == ["down", "down"], PATIENCE)


async def test_a_silent_leg_holds_up_no_other_one(ssh_bed: SshBed, short_dir: Path) -> None:
    """It is given thirty seconds here to answer."""
    ssh_bed.host("gw", env={"HOME": short_dir})
    rig = Rig(ssh_bed, short_dir, replace(QUICK, keepalive_count=30))
    with serve("echo") as echo, serve("echo", unix=True) as silent:
        one = await rig.open(f"-R offer/5006:localhost:{echo.port} gw")
        folder = short_dir / FOLDER
        left = Descriptor("a", "ann@ws", "localhost:1", port=5007, beacon_socket=True)
        (folder / "5007.json").write_bytes(left.encode())
        (folder / "5007.beacon").symlink_to(silent.path)
        near = await rig.open("-L 0:localhost:5006 -L 0:localhost:5007 gw")

        def states() -> list[str]:
            return [leg.far.state for leg in near.status().forwards if leg.far is not None]

        await rig.recorder.until(lambda: states() == ["up", "unknown"], 15)
        await rig.manager.close(one.id)
        await rig.recorder.until(lambda: states() == ["down", "unknown"], 15)
        await rig.manager.close_all()
