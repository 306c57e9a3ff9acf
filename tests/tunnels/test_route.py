"""A route of three hosts in three networks, of which only the first can be reached from here."""

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from jupyter_remote_tunnel.model.errors import Fatal, RemoteTunnelError, Transient
from jupyter_remote_tunnel.model.state import State
from tests.support.netns import Namespace, namespaces
from tests.support.process import wait_until
from tests.support.sshd import SshBed, Sshd

from .conftest import Rig

ACCEPTED = "Accepted publickey"


@dataclass
class Chain:
    """gw, which leads to middle, which leads to gpu01."""

    networks: list[Namespace]
    hosts: list[Sshd]

    @property
    def logins(self) -> list[int]:
        """How often each host let somebody in."""
        return [host.log.count(ACCEPTED) for host in self.hosts]

    def wait_for_ends(self) -> None:
        """Nobody is logged in anywhere."""
        wait_until(
            lambda: not any(host.connections for host in self.hosts), "the ends of all connections"
        )


@pytest.fixture
def chain(ssh_bed: SshBed) -> Iterator[Chain]:
    with namespaces(3) as networks:
        yield Chain(
            networks,
            [
                ssh_bed.host("gw", namespace=networks[0]),
                ssh_bed.host("middle", client=["ProxyJump gw"], namespace=networks[1]),
                ssh_bed.host("gpu01", client=["ProxyJump middle"], namespace=networks[2]),
            ],
        )


async def test_each_host_is_reached_by_the_one_before(chain: Chain, rig: Rig) -> None:
    for network in chain.networks[1:]:
        with pytest.raises(OSError), socket.socket() as direct:  # noqa: PT011 (whichever it is)
            direct.connect((network.address, 22))
    spec = rig.spec("-D 0 gpu01")
    seen = await rig.manager.on_host(
        spec, lambda connection: connection.exec(["printenv", "SSH_CONNECTION"]), from_shell=True
    )
    comes_from, _, leads_to, _ = seen.stdout.decode().split()
    assert (comes_from, leads_to) == (chain.networks[2].near_address, chain.networks[2].address)
    assert chain.logins == [1, 1, 1]


async def test_a_third_host_that_is_down_has_the_others_left(chain: Chain, rig: Rig) -> None:
    chain.hosts[2].kill()
    with pytest.raises(Transient) as caught:
        await rig.open("-D 0 gpu01")
    assert caught.value.hop == "gpu01 (hop 3 of 3)"
    message = caught.value.message
    assert "middle (hop 2 of 3) could not connect to gpu01 (hop 3 of 3)" in message
    assert message.endswith(": Connection refused.")
    assert chain.logins == [1, 1, 0]
    await left(chain, rig)


async def test_a_third_host_that_lets_nobody_in_has_the_others_left(chain: Chain, rig: Rig) -> None:
    chain.hosts[2].authorized_keys.write_text("")
    with pytest.raises(Fatal) as caught:
        await rig.open("-D 0 gpu01")
    assert (caught.value.code, caught.value.hop) == ("auth_failed", "gpu01 (hop 3 of 3)")
    await left(chain, rig)


async def test_a_second_host_that_forwards_nothing_is_named(chain: Chain, rig: Rig) -> None:
    middle = chain.hosts[1]
    middle.kill()
    middle.configure(["AllowTcpForwarding no"])
    middle.start()
    with pytest.raises(RemoteTunnelError) as caught:
        await rig.open("-D 0 gpu01")
    assert (caught.value.code, caught.value.hop) == ("forward_refused", "middle (hop 2 of 3)")
    await left(chain, rig)


async def left(chain: Chain, rig: Rig) -> None:
    """Nothing of a route is left, here or there."""
    assert rig.manager.pool.size == 0
    await asyncio.to_thread(chain.wait_for_ends)


async def test_routes_share_the_connections_to_their_jump_hosts(chain: Chain, rig: Rig) -> None:
    lines = ("-D 0 gpu01", "-D 0 middle", "-D 0 gw", "-L 0:localhost:1 gpu01")
    tunnels = await asyncio.gather(*map(rig.open, lines))
    assert chain.logins == [1, 1, 1]
    assert rig.manager.pool.size == 3
    for tunnel in tunnels[1:]:
        await rig.manager.close(tunnel.id)
    assert rig.manager.pool.size == 3  # gpu01 needs them all
    assert tunnels[0].state is State.OPEN
    await rig.manager.close(tunnels[0].id)
    await left(chain, rig)
