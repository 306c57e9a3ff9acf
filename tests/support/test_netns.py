"""Namespaces really have addresses of their own, and a link that goes is a black hole."""

import random
import socket
import subprocess
import sys

import pytest

from tests.support.netns import Namespace, namespaces
from tests.support.process import program
from tests.support.sshd import SshBed


def _existing() -> str:
    shown = subprocess.run(
        [program("ip"), "netns", "list"], capture_output=True, text=True, check=True
    )
    return shown.stdout


def test_sshd_in_a_namespace_and_its_link_down(ssh_bed: SshBed) -> None:
    with Namespace() as namespace:
        sshd = ssh_bed.host("far", namespace=namespace)
        assert ssh_bed.ssh("far", "echo", "$SSH_CONNECTION").stdout.split()[0] == (
            namespace.near_address
        )
        with socket.create_connection((sshd.address, sshd.port), timeout=5) as connection:
            assert connection.recv(4) == b"SSH-"
            namespace.link_down()
            with pytest.raises(TimeoutError):
                socket.create_connection((sshd.address, sshd.port), timeout=0.3)
            namespace.link_up()
        assert ssh_bed.ssh("far", "true").returncode == 0
        sshd.kill()
    assert namespace.name not in _existing()


def test_what_a_killed_process_left_is_not_taken_for_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cable has the addresses, and nothing answers at its end."""
    code = "from tests.support.netns import Namespace; print(Namespace().name)"
    code += "; import os, signal, sys; sys.stdout.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    killed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    left = killed.stdout.strip()
    try:
        assert left in _existing()
        number = int(left.removeprefix("jrt-"), 16)
        monkeypatch.setattr(random, "sample", lambda numbers, _: [number, numbers[0]])
        with Namespace() as namespace:
            assert namespace.name != left
    finally:
        subprocess.run([program("ip"), "netns", "del", left], check=True)


def test_our_link_down_is_an_error_at_once(ssh_bed: SshBed) -> None:
    with Namespace() as namespace:
        sshd = ssh_bed.host("far", namespace=namespace)
        namespace.our_link_down()
        with pytest.raises(OSError, match=r"unreachable|No route"):
            socket.create_connection((sshd.address, sshd.port), timeout=5)
        namespace.our_link_up()
        sshd.kill()


def test_a_host_behind_a_jump_host(ssh_bed: SshBed) -> None:
    with namespaces(2) as (outer, inner):
        gateway = ssh_bed.host("gw", namespace=outer)
        target = ssh_bed.host("inner", namespace=inner, client=["ProxyJump gw"])
        with pytest.raises(OSError, match=r"unreachable|No route"):
            socket.create_connection((target.address, target.port), timeout=0.3)
        assert ssh_bed.ssh("inner", "echo", "$SSH_CONNECTION").stdout.split()[2] == inner.address
        gateway.kill()
        target.kill()


def test_a_firewall_that_drops_what_comes_and_no_answers() -> None:
    """By IPv4 and by IPv6, from the network in front of it and from one beyond that."""
    with (
        Namespace() as center,
        Namespace(behind=center, ipv6=True) as inner,
        Namespace(behind=center, ipv6=True) as beyond,
        inner.listen() as private,
        beyond.listen() as public,
    ):
        center.forward()
        inner.route_by_near()
        beyond.route_by_near()

        def reached() -> set[str]:
            port = private.getsockname()[1]
            addresses = (inner.address, inner.address6)
            return {one.knock(at, port) for one in (center, beyond) for at in addresses}

        assert reached() == {""}
        inner.drop_inbound()
        assert reached() == {"timed out"}
        port = public.getsockname()[1]
        assert {inner.knock(at, port) for at in (beyond.address, beyond.address6)} == {""}


def test_ipv6_is_there_again_when_the_link_is_and_after_a_move() -> None:
    with (
        Namespace() as outer,
        Namespace(behind=outer, ipv6=True) as inner,
        outer.listen() as listener,
    ):
        near, port = (inner.near_address, inner.near_address6), listener.getsockname()[1]
        inner.link_down()
        assert "" not in {inner.knock(at, port) for at in near}
        inner.link_up()
        assert {inner.knock(at, port) for at in near} == {""}
        inner.move()
        assert {inner.knock(at, port) for at in near} == {""}


def test_what_is_run_there_listens_there() -> None:
    with Namespace() as namespace, namespace.listen() as opened:
        port = opened.getsockname()[1]
        assert port in namespace.listening()
        assert namespace.knock("127.0.0.1", port) == ""
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
