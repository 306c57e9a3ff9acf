"""How the extension starts, ends, and goes on when its engine dies."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from tests.server.conftest import PREFIX, engines, manager, open_tunnel, tunnels
from tests.support.http import by_token
from tests.support.jupyter import Jupyter, jupyter
from tests.support.leaks import assert_gone, files_below, listening
from tests.support.ports import ReservedPort
from tests.support.process import descendants, wait_until
from tests.support.sshd import SshBed


def test_its_engine_is_announced_to_kernels(server: Jupyter, api: httpx.Client) -> None:
    kernel = api.post("api/kernels", json={}).json()
    (file,) = server.runtime_dir.glob("remote-tunnel-*.json")
    announced = json.loads(file.read_text())
    assert announced["holder_pid"] == server.process.pid
    assert announced["kind"] == "server"
    assert announced["url"].startswith("http://")
    assert server.token not in file.read_text()

    def environment() -> str | None:
        for process in psutil.Process(server.process.pid).children():
            if "ipykernel_launcher" in process.cmdline():
                return process.environ().get("JUPYTER_REMOTE_TUNNEL")
        return None

    assert wait_until(environment, "the kernel's process") == str(file)
    api.delete(f"api/kernels/{kernel['id']}")


def _terminate(server: Jupyter) -> None:
    server.process.send_signal(signal.SIGTERM)


def _shut_down(server: Jupyter) -> None:
    with by_token(server) as client:
        client.post("api/shutdown")


@pytest.mark.parametrize("stop", [_terminate, _shut_down])
def test_a_stop_leaves_nothing(bed: SshBed, stop: Callable[[Jupyter], None]) -> None:
    with jupyter(traits={"TunnelManager": manager(bed)}) as server:
        with by_token(server) as client:
            open_tunnel(client, command="-L 0:localhost:9 -D 0 gpu01")
            client.post(PREFIX + "apps", json={"host": "gpu01", "destination": "9"})
        running = engines(server)
        assert len(running) == 1
        ports = set(listening(running[0].pid))
        assert len(ports) >= 3
        assert len(bed.hosts["gpu01"].connections) > 0
        stop(server)
        assert server.process.wait() == 0
        assert_gone(running, patience=1)
        _assert_no_file(server)
        for address in ports:
            assert not Path(address).exists()
        wait_until(lambda: not bed.hosts["gpu01"].connections, "the end of the SSH connection")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_before_any_tunnel(number: signal.Signals) -> None:
    """(Without a terminal, SIGINT ends Jupyter without its stop hooks.)"""
    with jupyter() as server:
        wait_until(lambda: list(server.runtime_dir.glob("remote-tunnel-*")), "the announcement")
        server.process.send_signal(number)
        assert server.process.wait() == 0
        _assert_no_file(server)


def test_a_stop_while_a_tunnel_is_being_opened(bed: SshBed) -> None:
    """The host does not answer; whoever asked is told, and nobody waits for it."""
    traits = {"TunnelManager": manager(bed, connect_timeout=60.0)}
    with (
        jupyter(traits=traits) as server,
        by_token(server) as client,
        ThreadPoolExecutor() as thread,
        bed.hosts["gpu01"].paused(),
    ):
        asked = thread.submit(client.post, PREFIX + "tunnels", json={"command": "-D 0 gpu01"})
        with by_token(server) as other:
            wait_until(lambda: tunnels(other), "the tunnel in the list")
        begin = time.monotonic()
        _terminate(server)
        assert server.process.wait() == 0
        assert time.monotonic() - begin < 10
        assert asked.result().json()["code"] == "engine_died"
        _assert_no_file(server)


def test_control_c_in_a_terminal(server: Jupyter, bed: SshBed) -> None:
    """The way in which most servers end: Ctrl-C twice, as the first one is asked about."""
    with ReservedPort() as port, _in_a_terminal(server, port.number) as (process, screen):
        other = replace(server, port=port.number)
        file = server.runtime_dir / f"remote-tunnel-{process.pid}.json"
        wait_until(file.exists, "the announcement")
        private = Path(json.loads(file.read_text())["socket"]).parent
        with by_token(other) as client:
            open_tunnel(client, command="-D 0 gpu01")
        running = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        wait_until(lambda: "Shut down this Jupyter server" in screen.read_text(), "the question")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert_gone(running)
        assert not file.exists()
        assert not private.exists()


@contextlib.contextmanager
def _in_a_terminal(server: Jupyter, port: int) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """Another server of the same person on `port`, with a terminal as its standard input; the file
    that holds its output.
    """
    ours, terminal = pty.openpty()
    screen = server.folder / "screen"
    try:
        with screen.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "jupyter_server", f"--ServerApp.port={port}"],
                stdin=terminal,
                stdout=file,
                stderr=file,
                env=server.environment,
                cwd=server.root_dir,
            )
        try:
            yield process, screen
        finally:
            process.kill()
            process.wait()
    finally:
        os.close(ours)
        os.close(terminal)


def _assert_no_file(server: Jupyter) -> None:
    assert files_below(server.folder / "run") == []
    assert not list(server.runtime_dir.glob("remote-tunnel-*"))


def test_a_server_that_is_killed_takes_its_engine_along(bed: SshBed) -> None:
    with jupyter(traits={"TunnelManager": manager(bed)}) as server:
        with by_token(server) as client:
            open_tunnel(client, command="-D 0 gpu01")
        running = engines(server)
        server.process.send_signal(signal.SIGKILL)
        assert_gone(running, patience=10)
        _assert_no_file(server)


def test_an_engine_that_is_killed_comes_back(server: Jupyter, api: httpx.Client) -> None:
    before = open_tunnel(api, command="-L 0:localhost:9 gpu01")
    app = api.post(PREFIX + "apps", json={"host": "gpu01", "destination": "9"}).json()
    (engine,) = engines(server)
    engine.kill()
    assert_gone([engine])

    def is_open() -> bool:
        answer = api.get(PREFIX + "tunnels")
        if answer.status_code == 503:  # the one that was killed was asked
            assert answer.json()["code"] == "engine_died"
            return False
        return [tunnel["state"] for tunnel in answer.json()["tunnels"]] == ["open", "open"]

    wait_until(is_open, "both tunnels")
    after = api.get(PREFIX + f"tunnels/{before['id']}").json()["tunnel"]
    assert after["forwards"][0]["bound"] == before["forwards"][0]["bound"]
    assert api.get(PREFIX + "apps").json()["apps"][1] == app
    assert "ended" in server.process.output


def test_an_engine_that_dies_again_and_again_is_given_up(bed: SshBed) -> None:
    with (
        jupyter(traits={"TunnelManager": manager(bed)}) as server,
        by_token(server) as client,
    ):
        open_tunnel(client, command="-D 0 gpu01")
        for _ in range(3):
            engine = wait_until(lambda: engines(server), "an engine")[0]
            engine.kill()
            assert_gone([engine])
        answer = client.get(PREFIX + "tunnels")
        assert (answer.status_code, answer.json()["code"]) == (503, "engine_unavailable")
        assert client.post(PREFIX + "tunnels", json={"command": "-D 0 h"}).status_code == 503
        server.process.wait_for_line("is not started again")
        assert client.get("api/status").status_code == 200


def test_is_not_in_the_way_when_it_is_off() -> None:
    with jupyter(extension=False) as server, by_token(server) as client:
        assert client.get(PREFIX + "tunnels").status_code == 404
        _terminate(server)
        assert server.process.wait() == 0
