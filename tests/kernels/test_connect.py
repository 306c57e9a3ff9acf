"""A real kernel behind a real sshd, used through its tunnel."""

import contextlib
import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from jupyter_remote_tunnel.engine.discovery import list_engines
from jupyter_remote_tunnel.engine.sync import SyncEngine
from jupyter_remote_tunnel.kernels import ConnectedKernel, connect
from jupyter_remote_tunnel.model.errors import Fatal
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import TunnelRequest
from jupyter_remote_tunnel.model.text import plain
from tests.ssh.test_lying_host import HOSTILE
from tests.support.kernel import Kernel, client, ipykernel
from tests.support.process import PATIENCE, wait_until
from tests.support.sshd import SshBed, Sshd
from tests.support.user import User

GPU01 = TunnelRequest(host="gpu01")
BIG = 50_000_000


@pytest.fixture
def engine(user: User, ssh_bed: SshBed, sshd: Sshd) -> Iterator[SyncEngine]:
    settings = EngineSettings(ssh_config=str(ssh_bed.config_file))
    with (
        user.engine(settings) as holder,
        contextlib.closing(SyncEngine(holder.socket_path, "shell")) as engine,
    ):
        yield engine


def attach(engine: SyncEngine, file: Path | str) -> ConnectedKernel:
    return engine.run(lambda remote: connect(remote, GPU01, str(file)))


# What tells them apart is how its messages are reached.
BOTH = pytest.mark.parametrize("kernel", ["tcp", "ipc"], indirect=True)


@pytest.fixture(params=["tcp", pytest.param("ipc", marks=pytest.mark.long)])
def kernel(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    with ipykernel(request.param) as running:
        yield running


@pytest.fixture
def attached(engine: SyncEngine, kernel: Kernel) -> Iterator[BlockingKernelClient]:
    found = attach(engine, kernel.connection_file)
    with client(Path(found.connection_file)) as attached:
        yield attached


@BOTH
def test_execute_complete_and_input(attached: BlockingKernelClient) -> None:
    printed: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    reply = attached.execute_interactive(
        "name = input('who? '); print('hello', name)",
        timeout=PATIENCE,
        allow_stdin=True,
        output_hook=hear,
        stdin_hook=lambda message: attached.input("Ann"),
    )
    assert reply["content"]["status"] == "ok"
    assert "".join(printed) == "hello Ann\n"
    # To load what completes by types takes the kernel four seconds.
    attached.execute_interactive("%config IPCompleter.use_jedi = False", timeout=PATIENCE)
    completed = attached.complete("nam", reply=True, timeout=PATIENCE)
    assert "name" in completed["content"]["matches"]
    assert attached.is_alive()


@BOTH
def test_fifty_megabytes_of_output(attached: BlockingKernelClient) -> None:
    received = 0

    def count(message: dict[str, Any]) -> None:
        nonlocal received
        if message["msg_type"] == "stream":
            received += len(message["content"]["text"])

    code = f"for _ in range(50): print('x' * {BIG // 50 - 1})"
    attached.execute_interactive(code, timeout=PATIENCE, output_hook=count)
    assert received == BIG


def test_the_local_file_is_private_and_goes_with_the_tunnel(
    engine: SyncEngine, kernel: Kernel, user: User
) -> None:
    found = attach(engine, kernel.connection_file)
    path = Path(found.connection_file)
    assert path.parent == user.runtime_dir
    assert re.fullmatch(r"kernel-jrt-[0-9a-f]{12}\.json", path.name)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    fields = json.loads(path.read_text())
    assert fields["transport"] == "ipc"
    assert fields["key"] == kernel.connection["key"]
    sockets = [Path(f"{fields['ip']}-{number}") for number in range(1, 6)]
    assert all(stat.S_IMODE(socket.stat().st_mode) == 0o600 for socket in sockets)
    engine.close_tunnel(found.tunnel.id)
    assert not path.exists()
    assert not any(socket.exists() for socket in sockets)


def test_restart_writes_a_deleted_file_again(
    engine: SyncEngine, kernel: Kernel, user: User
) -> None:
    found = attach(engine, kernel.connection_file)
    path = Path(found.connection_file)
    before = path.read_bytes()
    path.unlink()
    user.tunnel("restart", found.tunnel.id)
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with client(path) as attached:
        assert attached.execute_interactive("1", timeout=PATIENCE)["content"]["status"] == "ok"
    path.write_bytes(b"mine")
    user.tunnel("restart", found.tunnel.id)
    assert path.read_bytes() == b"mine", "what is there stays"
    prefix = Path(json.loads(before)["ip"])
    user.tunnel("close", found.tunnel.id)
    assert not path.exists()
    assert [entry.name for entry in prefix.parent.iterdir() if "kernel" in entry.name] == []


def test_an_engine_that_takes_the_place_of_a_dead_one_writes_it_again_too(
    engine: SyncEngine, kernel: Kernel, user: User
) -> None:
    found = attach(engine, kernel.connection_file)
    path = Path(found.connection_file)
    before = path.read_bytes()
    [announcement] = list_engines()
    assert announcement.engine_pid is not None
    psutil.Process(announcement.engine_pid).kill()
    wait_until(
        lambda: list_engines()[0].engine_pid not in (None, announcement.engine_pid), "another"
    )
    wait_until(lambda: engine.get_tunnel(found.tunnel.id).state == "open", "the tunnel again")
    path.unlink()
    engine.restart_tunnel(found.tunnel.id)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("leaving", "ends"),
    [
        ("exit(keep_kernel=True)\n", False),
        pytest.param("", False, marks=pytest.mark.long),
        pytest.param("exit\n", True, marks=pytest.mark.long),
    ],
)
def test_jupyter_console_uses_it_and_leaves_it(
    engine: SyncEngine, kernel: Kernel, user: User, leaving: str, ends: bool
) -> None:
    """The end of the input is what Ctrl-D is in a terminal."""
    found = attach(engine, kernel.connection_file)
    console = subprocess.run(
        ["jupyter", "console", "--simple-prompt", "--existing", Path(found.connection_file).name],
        input=f"print(6 * 7)\n{leaving}",
        env=user.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert "42" in console.stdout, console.stderr
    if ends:
        kernel.process.wait()
    else:
        with client(Path(found.connection_file)) as attached:
            assert attached.execute_interactive("1", timeout=PATIENCE)["content"]["status"] == "ok"


def test_the_shell_says_how_to_leave_the_console(
    user: User, ssh_bed: SshBed, sshd: Sshd, kernel: Kernel
) -> None:
    words = ["-F", str(ssh_bed.config_file), "gpu01", str(kernel.connection_file)]
    assert "Leave that console by Ctrl-D" in user.tunnel("kernels", "connect", *words).stdout


def test_connecting_again_finds_the_same_tunnel(engine: SyncEngine, kernel: Kernel) -> None:
    first = attach(engine, kernel.connection_file)
    second = attach(engine, kernel.connection_file)
    assert (first.created, second.created) == (True, False)
    assert first.tunnel.id == second.tunnel.id
    assert first.connection_file == second.connection_file
    [listed] = engine.run(lambda remote: remote.list_tunnels())
    assert listed.connection_file == first.connection_file


def test_a_bare_name_is_looked_for_in_the_remote_runtime_directory(
    engine: SyncEngine, kernel: Kernel, runtime: Path
) -> None:
    (runtime / "kernel-7.json").write_bytes(kernel.connection_file.read_bytes())
    assert attach(engine, "kernel-7.json").remote_file == str(runtime / "kernel-7.json")


def test_a_kernel_that_has_ended_is_told(engine: SyncEngine, user: User) -> None:
    with ipykernel("tcp") as kernel:
        kernel.process.kill()
        with pytest.raises(Fatal, match=r"No kernel answers for .* on gpu01: ") as caught:
            attach(engine, kernel.connection_file)
    assert caught.value.code == "not_found"
    assert engine.list_tunnels() == []
    assert list(user.runtime_dir.glob("kernel-*")) == []


@pytest.fixture
def runtime(ssh_bed: SshBed, engine: SyncEngine, tmp_path: Path) -> Path:
    """The remote Jupyter's runtime directory, empty."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    host = ssh_bed.hosts["gpu01"]
    host.kill()
    host.configure(env={"JUPYTER_RUNTIME_DIR": folder})
    host.start()
    return folder


@pytest.mark.parametrize("name", ["missing.json", "/nowhere/missing.json"])
def test_a_missing_file_is_told_with_those_that_are_there(
    engine: SyncEngine, runtime: Path, name: str
) -> None:
    with pytest.raises(Fatal) as caught:
        attach(engine, name)
    assert caught.value.code == "not_found"
    assert caught.value.message == (
        f"gpu01 cannot read {runtime / name}: No such file or directory."
    )
    assert "does a kernel run" in caught.value.hint
    for number in range(7):
        file = runtime / f"kernel-{number}.json"
        file.touch()
        os.utime(file, (number, number))
    (runtime / "nbserver-1.json").touch()
    with pytest.raises(Fatal) as caught:
        attach(engine, name)
    newest = ", ".join(f"kernel-{number}.json" for number in (6, 5, 4, 3, 2))
    assert caught.value.hint == f"The newest in {runtime} there: {newest}."


@pytest.mark.parametrize("name", [HOSTILE, "x" * 200_000], ids=["hostile", "huge"])
def test_names_of_those_that_are_there_are_shown_plainly(
    engine: SyncEngine, ssh_bed: SshBed, tmp_path: Path, name: str
) -> None:
    """On a host whose `ls` says what it likes."""
    liar = tmp_path / "ls"
    names = tmp_path / "names"
    lines = [f"kernel-{number}{name}.json\n".replace("\r\n", "\r") for number in range(7)]
    names.write_text("".join(lines))
    liar.write_text(f"#!/bin/sh\nexec tr -d '\\000' <{names}\n")
    liar.chmod(0o755)
    host = ssh_bed.hosts["gpu01"]
    host.kill()
    path = f"{tmp_path}:{os.environ['PATH']}"
    host.configure(env={"JUPYTER_RUNTIME_DIR": tmp_path, "PATH": path})
    host.start()
    with pytest.raises(Fatal) as caught:
        attach(engine, "missing.json")
    hint = caught.value.hint
    assert hint.startswith(f"The newest in {tmp_path} there: kernel-")
    assert hint == plain(hint, 2000)
    assert engine.list_tunnels() == []


def test_no_url_leads_to_a_kernel(engine: SyncEngine, kernel: Kernel, user: User) -> None:
    found = attach(engine, kernel.connection_file)
    complaint = user.tunnel("url", found.tunnel.id, status=1).stderr
    assert f"jupyter console --existing {found.connection_file}" in complaint
    assert "-L" not in complaint
