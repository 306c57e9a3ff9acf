"""Real Jupyter servers behind a real sshd: found, told apart, and entered."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jupyter_remote_tunnel.apps.jupyters import (
    Found,
    enter,
    find,
    open_jupyter,
    own_address,
    url_here,
)
from jupyter_remote_tunnel.engine.sync import SyncEngine
from jupyter_remote_tunnel.model.errors import BadInput, Fatal
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import SshOptions, TunnelRequest
from jupyter_remote_tunnel.model.status import TunnelStatus
from tests.support.jupyter import Jupyter, jupyter
from tests.support.ports import ReservedPort
from tests.support.sshd import SshBed
from tests.support.user import User

from .samples import JUPYTER, WAITING, forward

GPU01 = TunnelRequest(host="gpu01")


@pytest.fixture
def runtime(ssh_bed: SshBed, tmp_path: Path) -> Path:
    """The runtime directory of `gpu01`, empty."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    ssh_bed.host("gpu01", env={"JUPYTER_RUNTIME_DIR": folder})
    return folder


@pytest.fixture
def engine(user: User, ssh_bed: SshBed, runtime: Path) -> Iterator[SyncEngine]:
    with user.engine(EngineSettings(ssh_config=str(ssh_bed.config_file))) as holder:
        engine = SyncEngine(holder.socket_path, "shell")
        yield engine
        engine.close()


def look(engine: SyncEngine) -> Found:
    return engine.run(lambda client: find(client, GPU01))


def opened(engine: SyncEngine, found: Found, destination: str | None = None) -> TunnelStatus:
    chosen = found.choose(destination)
    return engine.run(lambda client: open_jupyter(client, GPU01, chosen))[0]


def there(runtime: Path, **knobs: Any) -> Any:
    """A Jupyter of that host."""
    return jupyter(extension=False, env={"JUPYTER_RUNTIME_DIR": str(runtime)}, **knobs)


def info(server: Jupyter, runtime: Path) -> dict[str, Any]:
    """What that server says of itself."""
    [file] = runtime.glob(f"jpserver-{server.process.pid}.json")
    told: dict[str, Any] = json.loads(file.read_text())
    return told


def test_none_runs(engine: SyncEngine, runtime: Path) -> None:
    found = look(engine)
    assert (found.host, found.servers, found.problems) == ("gpu01", (), ())
    with pytest.raises(Fatal, match="No Jupyter server of yours runs on gpu01") as caught:
        found.choose(None)
    assert caught.value.code == "not_found"
    assert "jupyter tunnel jupyter gpu01 --start" in caught.value.hint


def test_the_only_one_is_found_and_entered(engine: SyncEngine, runtime: Path) -> None:
    before = datetime.now(UTC)
    with there(runtime, base_url="/hub/x/") as server:
        found = look(engine).choose(None)
        told = found.server
        assert told.destination == f"127.0.0.1:{server.port}"
        assert told.url == server.url
        assert (told.root_dir, told.protection) == (str(server.root_dir), "token")
        assert (told.pid, told.version) == (server.process.pid, info(server, runtime)["version"])
        assert told.started is not None
        age = datetime.fromisoformat(told.started) - before
        assert abs(age) < timedelta(minutes=2)
        assert (found.token, found.base_url) == (server.token, "/hub/x/")

        tunnel = opened(engine, look(engine))
        assert (tunnel.kind, tunnel.state) == ("jupyter", "open")
        assert server.token not in json.dumps(tunnel.as_dict())
        again = engine.run(lambda client: enter(client, tunnel))
        # Its age is told in whole seconds.
        assert replace(again, server=replace(again.server, started=told.started)) == found
    with pytest.raises(
        Fatal, match=f"No Jupyter server of yours runs on gpu01 at {told.destination}"
    ):
        engine.run(lambda client: enter(client, tunnel))


def test_several_are_told_apart_by_their_ports(engine: SyncEngine, runtime: Path) -> None:
    with there(runtime) as first, there(runtime, password="secret words") as second:
        found = look(engine)
        assert [one.protection for one in found.servers] == ["unknown", "token"], "newest first"
        with pytest.raises(BadInput, match="Several Jupyter servers run on gpu01") as caught:
            found.choose(None)
        assert caught.value.code == "ambiguous"
        assert str(first.root_dir) in caught.value.hint
        assert caught.value.hint.endswith(f" For example: gpu01:{second.port}"), "the newest"
        for typed in (str(first.port), f"localhost:{first.port}", f"127.0.0.1:{first.port}"):
            assert found.choose(typed).token == first.token
        assert found.choose(str(second.port)).token == ""
        with pytest.raises(Fatal, match="at 1") as missed:
            found.choose("1")
        assert str(first.port) in missed.value.hint


def test_one_on_a_socket_with_tls(engine: SyncEngine, runtime: Path, short_dir: Path) -> None:
    sock = short_dir / "j.sock"
    fields = {"sock": str(sock), "secure": True, "port": 0}
    file = runtime / f"jpserver-{os.getpid()}.json"
    file.write_text(json.dumps({**_info(), **fields}))
    found = look(engine).choose(str(sock))
    assert found.server.url == f"https+unix://{str(sock).replace('/', '%2F')}/"
    assert opened(engine, look(engine)).forwards[0].destination == str(sock)


def _info() -> dict[str, Any]:
    return {"base_url": "/", "hostname": "localhost", "password": False, "pid": os.getpid(),
            "port": 9, "root_dir": "/", "secure": False, "sock": "", "token": "t"}  # fmt: skip


def test_the_files_of_the_dead_are_passed_over(engine: SyncEngine, runtime: Path) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    (runtime / f"jpserver-{process.pid}.json").write_text(json.dumps(_info()))
    # Its process lives, and nobody listens: another has been given its number.
    with ReservedPort() as port:
        text = json.dumps({**_info(), "port": port.number})
        (runtime / f"jpserver-{os.getpid()}.json").write_text(text)
        assert look(engine).servers == ()


def test_of_two_files_of_one_place_the_newer_one_counts(engine: SyncEngine, runtime: Path) -> None:
    with there(runtime) as server:
        # That of a killed one stays, and another process has been given its number.
        stale = runtime / f"jpserver-{os.getpid()}.json"
        stale.write_text(json.dumps({**_info(), "hostname": "127.0.0.1", "port": server.port}))
        os.utime(stale, (0, 0))
        assert look(engine).choose(None).token == server.token


def test_what_lies_does_not_hide_the_others(engine: SyncEngine, runtime: Path) -> None:
    (runtime / f"nbserver-{os.getpid()}.json").write_text("{")
    (runtime / "jpserver-x.json").write_text("{")
    os.mkfifo(runtime / f"jpserver-{os.getppid()}.json")
    with pytest.raises(Fatal, match=rf"nbserver-{os.getpid()}\.json on gpu01 is not the file"):
        look(engine).choose(None)
    with there(runtime) as server:
        found = look(engine)
        assert found.choose(None).token == server.token
        assert len(found.problems) == 1


def test_a_host_that_runs_something_else(
    engine: SyncEngine, ssh_bed: SshBed, runtime: Path
) -> None:
    host = ssh_bed.hosts["gpu01"]
    for command in ("echo /etc", "cat /dev/zero", "true"):
        host.kill()
        host.configure([f"ForceCommand {command}"])
        host.start()
        with pytest.raises(Fatal, match=re.compile("gpu01")):
            look(engine)


def test_each_host_has_an_address_of_its_own() -> None:
    hosts = [TunnelRequest(host=name) for name in ("gpu01", "gpu02", "gpu01")]
    first, second, again = map(own_address, hosts)
    assert first == again != second
    assert first is not None
    assert re.fullmatch(r"127(\.\d{1,3}){3}", first)
    assert first != "127.0.0.1"


def test_so_have_those_that_are_called_the_same() -> None:
    ways = [
        SshOptions(),
        SshOptions(jump="gw1"),
        SshOptions(jump="gw2"),
        SshOptions(jump="gw1", port=2222),
        SshOptions(jump="gw1", options=("HostKeyAlias=ws1",)),
        SshOptions(jump="gw1", options=("HostKeyAlias=ws2",)),
        SshOptions(config_file="/home/ann/one"),
        SshOptions(config_file="/home/ann/two"),
        SshOptions(options=("CanonicalDomains=a.example",)),
        SshOptions(options=("CanonicalDomains=b.example",)),
        SshOptions(options=("Tag=b",)),
        SshOptions(user="ann"),
        SshOptions(bind_address="10.0.0.1"),
    ]
    addresses = [own_address(TunnelRequest(host="localhost", ssh=way)) for way in ways]
    assert len(set(addresses)) == len(addresses)


def test_the_address_of_a_host_stays() -> None:
    """It stands in bookmarks and in the saved set; which shell's agent is asked does not count."""
    ways = [SshOptions(user="ann", jump="gw"), SshOptions("ann", None, "gw", agent_socket="/a")]
    for way in ways:
        assert own_address(TunnelRequest(host="gpu01", ssh=way)) == "127.237.184.253"
    assert own_address(TunnelRequest(host="gpu01")) == "127.52.141.57"


def test_what_listens_on_no_port_has_no_url() -> None:
    """A browser takes `http:///evil.example/` for that host, and is sent there with a token."""
    with pytest.raises(Fatal, match="Port 9000 of this machine is in use") as caught:
        url_here(WAITING, JUPYTER)
    assert caught.value.code == "port_in_use"
    private = forward("-L private:localhost:8888", "/evil.example", "localhost:8888")
    with pytest.raises(Fatal, match="has no port"):
        url_here(replace(WAITING, forwards=(private,)), JUPYTER)
    here = forward("-L 9000:localhost:8888", "127.0.0.1:9000", "localhost:8888")
    url = url_here(replace(WAITING, forwards=(here,)), JUPYTER)
    assert url == "http://127.0.0.1:9000/evil.example/"
