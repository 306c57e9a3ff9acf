"""`jupyter_remote_tunnel.tunnel(…)`: what code in a local kernel connects to."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bokeh.client import pull_session
from bokeh.models.widgets import Div

import jupyter_remote_tunnel
from jupyter_remote_tunnel.engine.discovery import find_engine
from jupyter_remote_tunnel.engine.sync import SyncEngine
from jupyter_remote_tunnel.model.errors import BadInput, Fatal
from jupyter_remote_tunnel.model.settings import EngineSettings
from tests.apps.samples import WAITING
from tests.support.bokeh_app import BokehApp
from tests.support.ports import unused_port
from tests.support.process import program
from tests.support.sshd import SshBed, Sshd
from tests.support.user import User


@pytest.fixture
def engine(user: User, ssh_bed: SshBed, sshd: Sshd) -> Iterator[SyncEngine]:
    """An engine that knows `gpu01`, and a client to look at it."""
    with user.engine(EngineSettings(ssh_config=str(ssh_bed.config_file))) as holder:
        client = SyncEngine(holder.socket_path, "shell")
        yield client
        client.close()


def test_a_session_is_pulled_and_a_change_pushed_back(
    engine: SyncEngine, bokeh_app: BokehApp
) -> None:
    with jupyter_remote_tunnel.tunnel(f"-L 0:{bokeh_app.destination} gpu01") as found:
        url = f"{found.url}/app"
        with pull_session(url=url) as session:
            pressed = session.document.get_model_by_name("pressed")
            assert isinstance(pressed, Div)
            assert pressed.text == "pressed 0 times"
            pressed.text = "changed from here"
            session.force_roundtrip()
            with pull_session(url=url, session_id=session.id) as other:
                seen = other.document.get_model_by_name("pressed")
                assert isinstance(seen, Div)
                assert seen.text == "changed from here"
    assert engine.list_tunnels() == []


def test_address_is_what_connect_takes(engine: SyncEngine, shared_app: BokehApp) -> None:
    with jupyter_remote_tunnel.tunnel(f"-L 0:{shared_app.destination} gpu01") as found:
        assert isinstance(found.address, tuple)
        socket.create_connection(found.address).close()
    with jupyter_remote_tunnel.tunnel(f"-L private:{shared_app.destination} gpu01") as found:
        assert isinstance(found.address, str)
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(found.address)
        with pytest.raises(Fatal, match="private socket"):
            _ = found.url


def test_what_listens_nowhere_has_no_address() -> None:
    found = jupyter_remote_tunnel.tunnel("gpu01:8888")
    found._status = WAITING
    for told in ("address", "url"):
        with pytest.raises(Fatal, match="Port 9000 of this machine is in use"):
            getattr(found, told)


async def test_async(engine: SyncEngine, shared_app: BokehApp) -> None:
    async with jupyter_remote_tunnel.tunnel(f"-L 0:{shared_app.destination} gpu01") as found:
        assert found.url.startswith("http://127.0.0.1:")
        assert found.status.state == "open"
    with pytest.raises(RuntimeError):
        _ = found.status


def test_a_busy_local_port_is_replaced(engine: SyncEngine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with jupyter_remote_tunnel.tunnel(f"gpu01:{port}") as found:
            assert found.address[1] != port
            assert found.status.forwards[0].destination == f"localhost:{port}"


def test_what_was_open_before_stays_open(engine: SyncEngine) -> None:
    with unused_port() as port:
        with jupyter_remote_tunnel.tunnel(f"gpu01:{port}") as outer:
            with jupyter_remote_tunnel.tunnel(f"gpu01:{port}") as inner:
                assert inner.status.id == outer.status.id
            assert len(engine.list_tunnels()) == 1
        assert engine.list_tunnels() == []


def test_closed_by_somebody_else_is_no_error(engine: SyncEngine) -> None:
    with jupyter_remote_tunnel.tunnel("-L 0:localhost:1 gpu01") as found:
        engine.close_tunnel(found.status.id)


def test_what_is_wrong_is_raised_before_anything_is_opened(user: User) -> None:
    with pytest.raises(BadInput):
        jupyter_remote_tunnel.tunnel("-L nonsense gpu01")
    with pytest.raises(Fatal, match="No engine"):
        find_engine()


def test_where_no_engine_runs_one_is_started(
    user: User, ssh_bed: SshBed, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A cell may name neither a configuration of ssh nor a known_hosts file: this stands in for the
    # user's own.
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec {program("ssh")} -F {ssh_bed.config_file} "$@"\n')
    ssh.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with jupyter_remote_tunnel.tunnel("-L 0:localhost:1 gpu01"):
        assert find_engine().kind == "background"


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, jupyter_remote_tunnel; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.startswith("jupyter_remote_tunnel")}
    assert loaded == {"jupyter_remote_tunnel", "jupyter_remote_tunnel._version"}
    assert not {"asyncio", "asyncssh", "tornado", "IPython"} & set(done.stdout.split())
