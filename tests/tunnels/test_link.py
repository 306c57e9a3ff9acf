"""What a link makes of a connection that does not last."""

import asyncio
from dataclasses import replace

from jupyter_remote_tunnel.model.errors import RemoteTunnelError, Transient
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.ssh.config import resolve
from jupyter_remote_tunnel.ssh.connection import Connection
from jupyter_remote_tunnel.ssh.window import LEAST, START
from jupyter_remote_tunnel.tunnels.link import Link, LinkPool
from jupyter_remote_tunnel.tunnels.prompts import Prompts
from tests.support.sshd import SshBed, Sshd

from .conftest import QUICK, Recorder


def pool_of(settings: EngineSettings) -> LinkPool:
    """Links of which nobody is asked anything."""
    return LinkPool(settings, Prompts(settings.prompt_timeout, Recorder()))


class Unlucky:
    """A user whose second connection is lost in the moment in which it is made."""

    id = "0123456789ab"

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.third = asyncio.Event()

    def link_asks(self) -> None:
        raise AssertionError("nobody is there")

    def link_answered(self) -> None:
        pass

    def link_up(self, connection: Connection) -> None:
        self.connections.append(connection)
        if len(self.connections) == 2:
            connection.lost.set_result(Transient("Gone again.", code="connection_lost"))
        if len(self.connections) == 3:
            self.third.set()

    def link_lost(self, error: RemoteTunnelError) -> None:
        pass

    def link_retries(self, error: RemoteTunnelError) -> None:
        pass

    def link_failed(self, error: RemoteTunnelError) -> None:
        raise AssertionError(error)


async def test_a_connection_that_is_lost_as_it_comes_is_tried_again(
    ssh_bed: SshBed, sshd: Sshd
) -> None:
    route = await resolve("gpu01", SshOptions(config_file=str(ssh_bed.config_file)), QUICK)
    pool, user = pool_of(QUICK), Unlucky()
    link = pool.lease(route).link
    link.subscribe(user)
    await link.connect()
    sshd.drop_connections()
    async with asyncio.timeout(30):
        await user.third.wait()
    await pool.close()
    await user.connections[1].close()


class Patient:
    """A user who waits for some connections."""

    id = "0123456789ab"

    def __init__(self) -> None:
        self.count = 0
        self.news = asyncio.Event()

    def link_asks(self) -> None:
        raise AssertionError("nobody is there")

    def link_answered(self) -> None:
        pass

    def link_up(self, connection: Connection) -> None:
        self.count += 1
        self.news.set()

    def link_lost(self, error: RemoteTunnelError) -> None:
        self.news.set()

    def link_retries(self, error: RemoteTunnelError) -> None:
        pass

    def link_failed(self, error: RemoteTunnelError) -> None:
        raise AssertionError(error)

    async def until(self, count: int, link: Link, *, connected: bool) -> None:
        """Wait for so many connections, and whether the last is there."""
        async with asyncio.timeout(30):
            while self.count < count or (link.connection is not None) is not connected:
                self.news.clear()
                await self.news.wait()


async def test_a_host_that_hangs_up_at_once_is_waited_for_longer_each_time(
    ssh_bed: SshBed, sshd: Sshd
) -> None:
    settings = replace(QUICK, backoff_first=0.1, backoff_max=10)
    route = await resolve("gpu01", SshOptions(config_file=str(ssh_bed.config_file)), settings)
    pool, user = pool_of(settings), Patient()
    link = pool.lease(route).link
    link.subscribe(user)
    await link.connect()
    waits: list[float] = []
    for number in range(1, 5):
        await user.until(number, link, connected=True)
        sshd.drop_connections()
        await user.until(number, link, connected=False)
        waits.append(link._wait)
    await pool.close()
    assert waits[3] > waits[0] * 2  # 0.4 to 0.8 against 0.05 to 0.1


async def test_the_connection_of_a_link_that_closes_says_so(ssh_bed: SshBed, sshd: Sshd) -> None:
    """To the streams in it, whose channels may still be opening."""
    route = await resolve("gpu01", SshOptions(config_file=str(ssh_bed.config_file)), QUICK)
    pool = pool_of(QUICK)
    lease = pool.lease(route)
    connection = await lease.link.connect()
    assert await connection.rtt() > 0  # the link waits for its end by now
    await lease.release()
    assert connection.lost.result().code == "closed"


async def test_the_connections_of_a_pool_have_one_byte_budget(ssh_bed: SshBed, sshd: Sshd) -> None:
    ssh_bed.host("gpu02")
    budget = 4 << 20
    pool = pool_of(replace(QUICK, byte_budget=budget))
    options = SshOptions(config_file=str(ssh_bed.config_file))
    one, other = [
        await pool.lease(await resolve(alias, options, QUICK)).link.connect()
        for alias in ("gpu01", "gpu02")
    ]
    windows = [one.new_window() for _ in range(budget // START)]
    assert {window.size for window in windows} == {START}
    assert other.new_window().size == LEAST
    for window in windows:
        window.close()
    assert other.new_window().size == START
    await pool.close()
