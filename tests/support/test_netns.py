"""Namespaces really have addresses of their own, and a link that goes is a black hole."""

import socket
import subprocess

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
