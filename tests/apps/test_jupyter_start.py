"""Real Jupyter servers, started behind a real sshd: held, lost, taken up again, ended."""

import ast
import asyncio
import contextlib
import fcntl
import json
import os
import pwd
import signal
import stat
import termios
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_remote_tunnel.apps import jupyter_keeper
from jupyter_remote_tunnel.apps.jupyter_files import FoundJupyter
from jupyter_remote_tunnel.apps.jupyter_start import Start, start_jupyter, stop_jupyter
from jupyter_remote_tunnel.apps.jupyters import find, open_jupyter
from jupyter_remote_tunnel.engine.background import start_background
from jupyter_remote_tunnel.engine.client import EngineClient
from jupyter_remote_tunnel.engine.holder import Holder
from jupyter_remote_tunnel.engine.saved import SavedSet
from jupyter_remote_tunnel.engine.sync import LoopThread, SyncEngine
from jupyter_remote_tunnel.model.errors import BadInput, RemoteTunnelError
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import SshOptions, TunnelRequest
from jupyter_remote_tunnel.model.status import TunnelStatus
from tests.support.jupyter_there import There, jupyter_there
from tests.support.other_uid import python_as_other_user
from tests.support.process import kill_all, wait_until
from tests.support.sshd import SshBed
from tests.support.user import User

GPU01 = TunnelRequest(host="gpu01")

_CONNECT = """
import socket, sys
try:
    socket.socket(socket.AF_UNIX).connect(sys.argv[1])
except OSError as error:
    print(type(error).__name__)
"""


@pytest.fixture
def there(ssh_bed: SshBed, short_dir: Path) -> Iterator[There]:
    with jupyter_there(ssh_bed, short_dir) as there:
        yield there


@contextlib.contextmanager
def an_engine(
    bed: SshBed, *, saved: SavedSet | None = None, **settings: Any
) -> Iterator[SyncEngine]:
    """One that restores what is saved."""
    thread = LoopThread("holder")
    wanted = EngineSettings(ssh_config=str(bed.config_file), backoff_first=0.1, **settings)
    holder = Holder(wanted, kind="background", saved=saved, restore=saved is not None)
    thread.run(holder.open())
    try:
        engine = SyncEngine(holder.socket_path, "shell")
        yield engine
        engine.close()
    finally:
        thread.run(holder.close())
        thread.close()


def started(
    engine: SyncEngine, wanted: Start | None = None
) -> tuple[TunnelStatus, bool, FoundJupyter, bool]:
    return engine.run(lambda client: start_jupyter(client, GPU01, wanted or Start()))


def pid_of(engine: SyncEngine) -> int:
    async def ask(client: EngineClient) -> int:
        return client.welcome.pid

    return engine.run(ask)


def runs(found: FoundJupyter) -> bool:
    try:
        return psutil.Process(found.server.pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_nobody_else_gets_in(user: User, ssh_bed: SshBed, there: There) -> None:
    folder = there.folder / "with space"
    folder.mkdir()
    # As Notebook 6.0 does.
    talk = "import os\nprint(open(os.environ['JUPYTER_TOKEN_FILE']).read(), 'is it', flush=True)"
    (there.config / "jupyter_server_config.py").write_text(talk)
    with an_engine(ssh_bed) as engine:
        # As people type it: from the home folder.
        home = pwd.getpwuid(os.getuid()).pw_dir
        tunnel, created, found, new = started(engine, Start(folder=os.path.relpath(folder, home)))
        assert (created, new, tunnel.ends_server) == (True, True, True)
        assert (found.server.ends_with_tunnel, found.server.root_dir) == (True, str(folder))
        [keeper] = there.keepers
        sock = keeper / "jupyter"
        assert tunnel.forwards[0].destination == found.server.destination == str(sock)
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (keeper, *sorted(keeper.iterdir()))]
        assert modes == [0o700, 0o600, 0o600, 0o600, 0o600]
        there.folder.chmod(0o755)
        assert python_as_other_user(_CONNECT, str(sock)).stdout == "PermissionError\n"
        assert len(found.token) == 48
        log = (keeper / "log").read_text()
        assert " is it\n" in log
        assert found.token not in log
        server = psutil.Process(found.server.pid)
        for process in (server, *server.parents()[:1]):
            assert found.token not in str(process.cmdline()) + str(process.environ())
        assert found.token not in json.dumps(tunnel.as_dict())
        engine.run(lambda client: client.close_tunnel(tunnel.id))
        wait_until(lambda: not there.is_left, "its end")
        assert not runs(found)


_TAKE = """
import os, socket, sys
try:
    os.makedirs(sys.argv[1])
    socket.socket(socket.AF_UNIX).bind(os.path.join(sys.argv[1], "jupyter"))
except OSError as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("is_shared", [False, True])
def test_nobody_takes_its_place(user: User, ssh_bed: SshBed, there: There, is_shared: bool) -> None:
    """The tunnel still leads there when it has ended by itself."""
    there.folder.chmod(0o755)
    (there.folder / "tmp").chmod(0o1777)
    there.runtime.mkdir()
    there.runtime.chmod(0o1777 if is_shared else 0o755)
    with an_engine(ssh_bed) as engine:
        tunnel, _, found, _ = started(engine)
        [keeper] = there.keepers
        assert (keeper.parent == there.runtime) is not is_shared
        os.kill(found.server.pid, signal.SIGKILL)
        wait_until(lambda: not list(keeper.glob("*")), "its end")
        taken = python_as_other_user(_TAKE, str(keeper)).stdout
        assert taken == ("FileExistsError\n" if is_shared else "PermissionError\n")
        assert [path.stat().st_mode & 0o777 for path in there.keepers] == [0o700] * is_shared
        engine.close_tunnel(tunnel.id)


def test_it_outlives_all_but_the_end_of_its_tunnel(
    user: User, ssh_bed: SshBed, there: There
) -> None:
    saved = SavedSet(there.folder / "saved" / "tunnels.json")
    with an_engine(ssh_bed, saved=saved) as engine:
        tunnel, _, found, _ = started(engine)
        held = wait_until(lambda: there.holding, "being held")

        there.host.drop_connections()
        wait_until(lambda: there.holding - held, "being held on the next connection")
        held = there.holding

        os.kill(pid_of(engine), signal.SIGKILL)
        wait_until(lambda: there.holding - held, "being held by the next engine")
        held = there.holding
    wait_until(lambda: not there.holding & held, "the end of this Jupyter")
    assert found.token not in saved.path.read_text()

    with an_engine(ssh_bed, saved=saved) as engine:
        wait_until(lambda: there.holding, "being held by the tunnel that was restored")
        assert runs(found)
        # Who opens it elsewhere holds it, too.
        [keeper] = there.keepers
        line = os.open(keeper / "line", os.O_RDWR)
        os.write(line, b"hold another\n")
        engine.run(lambda client: client.close_tunnel(tunnel.id))
        wait_until(lambda: _is_read(line), "the keeper")
        assert runs(found)

        again = engine.run(lambda client: find(client, GPU01)).choose(None)
        opened, created = engine.run(lambda client: open_jupyter(client, GPU01, again))
        assert (created, opened.ends_server) == (True, True)
        wait_until(lambda: there.holding, "being held by the one that found it")
        os.write(line, b"end another\n")
        wait_until(lambda: _is_read(line), "the keeper")
        assert runs(found)
        engine.run(lambda client: client.close_tunnel(opened.id))
        wait_until(lambda: not there.is_left, "its end")
        os.close(line)


def _is_read(line: int) -> bool:
    waiting = fcntl.ioctl(line, termios.FIONREAD, b"\0" * 4)
    return waiting == b"\0" * 4


def test_it_ends_when_this_machine_is_gone_for_long(
    user: User, ssh_bed: SshBed, there: There
) -> None:
    grace = EngineSettings(ssh_config=str(ssh_bed.config_file), jupyter_grace=15.0)
    background = asyncio.run(start_background(grace))
    with contextlib.closing(SyncEngine(background.socket, "shell")) as engine:
        gone = [psutil.Process(pid) for pid in (background.holder_pid, pid_of(engine))]
        try:
            started(engine)
            wait_until(lambda: there.holding, "being held")
        finally:
            kill_all(gone)  # the holder first: it would start another engine
    assert there.is_left
    wait_until(lambda: not there.is_left, "its end")


def test_two_at_once_are_one_and_it_stays_if_asked(
    user: User, ssh_bed: SshBed, there: There
) -> None:
    async def both(client: EngineClient) -> Any:
        wanted = Start(keep=True)
        return await asyncio.gather(
            *(start_jupyter(client, GPU01, wanted, name=name) for name in ("one", "two"))
        )

    with an_engine(ssh_bed) as engine:
        answers = engine.run(both)
        [(_, _, found, _), (_, _, other, _)] = answers
        assert found.server.pid == other.server.pid
        assert sorted(new for *_, new in answers) == [False, True]
        assert not found.server.ends_with_tunnel
        for tunnel, *_ in answers:
            assert not tunnel.ends_server
        tunnels = engine.list_tunnels()
        engine.close_tunnel(tunnels[0].id)
    assert there.is_left

    with an_engine(ssh_bed) as engine:
        tunnel, created, again, new = started(engine)
        assert (created, again.server.pid, new) == (True, found.server.pid, False)
        ended, closed = engine.run(lambda client: stop_jupyter(client, GPU01, None))
        assert ended.server.pid == found.server.pid
        assert [one.id for one in closed] == [tunnel.id]
        assert engine.list_tunnels() == []
        wait_until(lambda: not there.is_left, "its end")
        with pytest.raises(RemoteTunnelError, match="No Jupyter server of yours") as caught:
            engine.run(lambda client: stop_jupyter(client, GPU01, None))
        assert caught.value.hint == "There is nothing to stop."


def test_who_ends_it_does_not_wait_for_what_is_called_the_same(
    user: User, ssh_bed: SshBed, there: There
) -> None:
    others = [ssh_bed.host(f"other{number}") for number in (1, 2)]

    async def stop_in_time(client: EngineClient) -> list[TunnelStatus]:
        async with asyncio.timeout(25):  # a command may take 30 s
            return (await stop_jupyter(client, GPU01, None))[1]

    with an_engine(ssh_bed) as engine, contextlib.ExitStack() as stack:
        tunnel, _, found, _ = started(engine, Start(keep=True))

        async def lead_there(client: EngineClient) -> list[bool]:
            ways = [replace(GPU01, ssh=SshOptions(port=other.port)) for other in others]
            return [(await open_jupyter(client, way, found))[1] for way in ways]

        assert engine.run(lead_there) == [True, True]
        for other in others:
            stack.enter_context(other.paused())
        of_this = engine.run(lambda client: client.list_tunnels(GPU01))
        assert [one.id for one in of_this] == [tunnel.id]
        assert [one.id for one in engine.run(stop_in_time)] == [tunnel.id]
        assert len(engine.list_tunnels()) == len(others)


def test_a_tunnel_that_does_not_open_leaves_no_server(
    user: User, ssh_bed: SshBed, there: There
) -> None:
    async def start(client: EngineClient) -> Any:
        return await start_jupyter(client, GPU01, Start(), name="a name")

    with an_engine(ssh_bed) as engine:
        taken = TunnelRequest(host="gpu01", forwards=("-L private:localhost:9",), name="a name")
        engine.open_tunnel(taken)
        with pytest.raises(RemoteTunnelError, match="a name belongs to another"):
            engine.run(start)
        wait_until(lambda: not there.is_left, "its end")


def test_why_it_does_not_start(user: User, ssh_bed: SshBed, there: There) -> None:
    config = there.config / "jupyter_server_config.py"

    def why(wanted: Start | None = None, config_says: str = "") -> str:
        config.write_text(config_says)
        with pytest.raises(RemoteTunnelError) as caught:
            started(engine, wanted)
        wait_until(lambda: not there.is_left, "its end")
        return f"{caught.value.message}\n{caught.value.hint}"

    with an_engine(ssh_bed, jupyter_start_timeout=10.0) as engine:
        said = why(Start(prelude="echo loading; no-such-module load"))
        assert "prelude failed on gpu01, with status 127" in said
        assert "loading\n" in said
        assert "no-such-module: command not found" in said
        assert "could not be started on gpu01" in why(Start(prelude="exit 3"))
        assert "'" in why(Start(prelude="echo 'unfinished"))
        assert "gpu01 has no folder /nowhere" in why(Start(folder="/nowhere"))

        talk = "print('at http://gpu01/?token=5ecret&x=\\x1b[31mred', flush=True)\n"
        said = why(config_says=f"{talk}import sys; sys.exit(3)")
        assert "ended on gpu01 as soon as it was started, with status 3" in said
        assert "at http://gpu01/?token=…&x= [31mred" in said
        said = why(config_says=f"{talk}import signal; signal.pause()")
        assert "did not answer on gpu01 within 10 s" in said
        assert "token=…" in said
        assert "5ecret" not in said

        assert "every user of that host" in why(Start(tcp=True), "c.IdentityProvider.token = ''")

        there.lose_jupyter()
        said = why()
        assert "No Jupyter was found on gpu01" in said
        assert "such as: conda activate lab" in said


def test_a_prelude_finds_it_and_a_port_is_on_the_loopback(
    user: User, ssh_bed: SshBed, there: There
) -> None:
    (there.config / "jupyter_server_config.py").write_text("c.ServerApp.ip = '0.0.0.0'\n")
    there.lose_jupyter()
    preludes = {"gpu02": "false", "gpu0*": f"PATH={there.folder}/tools:$PATH"}
    with an_engine(ssh_bed, jupyter_preludes=preludes) as engine:
        tunnel, _, found, _ = started(engine, Start(tcp=True))
        listening = [
            one.laddr.ip
            for one in psutil.Process(found.server.pid).net_connections("tcp")
            if one.status == psutil.CONN_LISTEN
        ]
        assert listening == ["127.0.0.1"]
        assert found.server.destination.startswith("127.0.0.1:")
        assert (found.server.protection, tunnel.ends_server) == ("token", True)
        engine.close_tunnel(tunnel.id)
        wait_until(lambda: not there.is_left, "its end")


@pytest.mark.parametrize("folder", ["", "a\nb", "x" * 1001])
def test_what_is_no_folder(folder: str) -> None:
    with pytest.raises(BadInput):
        Start(folder=folder)


def test_an_old_python_understands_the_keeper() -> None:
    ast.parse(Path(jupyter_keeper.__file__).read_text(), feature_version=(3, 6))
