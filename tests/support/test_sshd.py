"""The bed of sshds really serves OpenSSH's client, and goes away without rest."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support import echo
from tests.support.leaks import assert_gone
from tests.support.process import Child, descendants, environment, program
from tests.support.sshd import SshBed, Sshd, make_key


def test_a_command_runs_over_the_bed_configuration(ssh_bed: SshBed, sshd: Sshd) -> None:
    assert ssh_bed.ssh("gpu01", "echo", "hello").stdout == "hello\n"
    assert "Accepted publickey" in sshd.log


def test_an_unknown_host_is_refused_until_it_is_known(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("new", known=False)
    refused = ssh_bed.ssh("new", "true", check=False)
    assert refused.returncode == 255
    assert "Host key verification failed" in refused.stderr
    ssh_bed.know(sshd)
    assert ssh_bed.ssh("new", "true").returncode == 0


def test_jump_host_and_server_lines(ssh_bed: SshBed) -> None:
    ssh_bed.host("gw")
    ssh_bed.host("inner", client=["ProxyJump gw"], server=["ForceCommand echo forced"])
    assert ssh_bed.ssh("inner", "true").stdout == "forced\n"
    assert "Accepted publickey" in ssh_bed.hosts["gw"].log


def _forwarding(bed: SshBed, destination: int) -> tuple[Child, Path]:
    path = bed.folder / "forward.sock"
    path.unlink(missing_ok=True)
    argv = [program("ssh"), "-F", str(bed.config_file), "-v", "-N"]
    client = Child([*argv, "-L", f"{path}:127.0.0.1:{destination}", "gpu01"])
    client.wait_for_line(r"Entering interactive session")
    return client, path


def test_kill_ends_live_connections_and_start_has_the_same_port(
    ssh_bed: SshBed, sshd: Sshd
) -> None:
    with echo.serve("echo") as server:
        client, path = _forwarding(ssh_bed, server.port)
        try:
            with socket.socket(socket.AF_UNIX) as stream:
                stream.connect(str(path))
                stream.sendall(b"ping")
                assert stream.recv(4) == b"ping"
                served = sshd.connections
                assert served
                sshd.kill()
                assert_gone(served)
                assert stream.recv(4) == b""
            assert client.wait() == 255
        finally:
            client.end()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((sshd.address, sshd.port))
    fingerprint = sshd.fingerprint
    sshd.start()
    assert sshd.fingerprint == fingerprint
    assert ssh_bed.ssh("gpu01", "true").returncode == 0


def test_stop_refuses_new_connections_and_keeps_live_ones(ssh_bed: SshBed, sshd: Sshd) -> None:
    with echo.serve("echo") as server:
        client, path = _forwarding(ssh_bed, server.port)
        try:
            sshd.stop()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((sshd.address, sshd.port))
            with socket.socket(socket.AF_UNIX) as stream:
                stream.connect(str(path))
                stream.sendall(b"ping")
                assert stream.recv(4) == b"ping"
        finally:
            client.end()
    sshd.start()
    assert ssh_bed.ssh("gpu01", "true").returncode == 0


def test_a_paused_sshd_is_silent(sshd: Sshd) -> None:
    with sshd.paused(), socket.create_connection((sshd.address, sshd.port)) as connection:
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(10)


def test_the_agent_holds_a_key_that_no_file_has(ssh_bed: SshBed, sshd: Sshd) -> None:
    key = make_key(ssh_bed.folder / "agent_key")
    with sshd.authorized_keys.open("a") as file:
        file.write(key.with_suffix(".pub").read_text())
    with ssh_bed.agent(key) as path:
        key.unlink()
        listed = subprocess.run(
            [program("ssh-add"), "-l"],
            capture_output=True,
            text=True,
            check=True,
            env=environment({"SSH_AUTH_SOCK": str(path)}),
        )
        assert "SHA256:" in listed.stdout


def test_nothing_is_left() -> None:
    others = set(descendants(os.getpid()))  # what other tests share
    with SshBed() as bed:
        sshd = bed.host("gpu01")
        processes = [each for each in descendants(os.getpid()) if each not in others]
        assert any(process.name() == "sshd" for process in processes)
    assert_gone(processes)
    assert not bed.folder.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((sshd.address, sshd.port))
