"""Data in packets of a single byte, for a reader that has stopped: they take no more room, and no
more time to pass on, than the same data in full packets."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator

import asyncssh
import pytest
from asyncssh.channel import SSHForwardChannel
from asyncssh.constants import MSG_CHANNEL_DATA
from asyncssh.packet import String, UInt32

from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.ssh.connection import Connection
from jupyter_remote_tunnel.ssh.forward import Forward
from tests.ssh.packet_scene import GCM, Echoing, assert_goes_on, calm, elsewhere
from tests.ssh.support import (
    PATIENCE,
    Forwarding,
    connection_of,
    dialled,
    forwarding_to,
    tunnelled,
)
from tests.support.echo import pattern
from tests.support.lying_host import lying
from tests.support.sshd import SshBed

pytestmark = pytest.mark.usefixtures("no_traceback")

FULL = 32 << 10
TINY = 1 << 15


def stopped(forward: Forward) -> SSHForwardChannel[bytes] | None:
    """The channel of its stream, once what comes for it has to wait."""
    for relay in forward._relays:
        if isinstance(relay.channel, SSHForwardChannel) and relay.channel._recv_paused:
            return relay.channel
    return None


async def until_stopped(forward: Forward, connection: Connection) -> SSHForwardChannel[bytes]:
    """Wait until what comes for its stream has to wait; its channel."""
    async with asyncio.timeout(PATIENCE):
        while (channel := stopped(forward)) is None:
            await connection.rtt()
    return channel


async def say_bytes(liar: Echoing, number: bytes, data: bytes, connection: Connection) -> None:
    """Send each byte in a packet of its own, and wait until the client has them all."""
    for at in range(0, len(data), 2000):
        for byte in data[at : at + 2000]:
            liar.connection.send_packet(MSG_CHANNEL_DATA, number, String(bytes((byte,))))
        await connection.rtt()


def held(channel: SSHForwardChannel[bytes]) -> int:
    """Bytes that what waits in a channel takes."""
    return sum(
        sys.getsizeof(piece) + sys.getsizeof(each) for each in channel._recv_buf for piece in each
    )


@contextlib.asynccontextmanager
async def encrypted(bed: SshBed, liar: Echoing, cipher: str) -> AsyncIterator[Forwarding]:
    """Forwards over a connection to a liar with that cipher."""
    sshd = bed.host("gpu01", start=False)
    options = SshOptions(config_file=str(bed.config_file), ciphers=cipher)
    async with lying(sshd, liar), forwarding_to(bed, "gpu01", options) as forwarding:
        yield forwarding


@pytest.mark.parametrize(
    "cipher", [GCM, pytest.param("chacha20-poly1305@openssh.com", marks=pytest.mark.long)]
)
async def test_a_reader_that_goes_on_gets_them_all(ssh_bed: SshBed, cipher: str) -> None:
    liar = Echoing()
    async with elsewhere(ssh_bed), encrypted(ssh_bed, liar, cipher) as forwarding:
        forward = await forwarding.open("-L 0:localhost:1")
        connection = connection_of(forwarding)
        async with dialled(forward.bound) as stream:
            await assert_goes_on(stream)
            filled = 0
            while (channel := stopped(forward)) is None:
                liar.echo.channel.write(bytes(FULL))
                filled += FULL
                await connection.rtt()
            assert liar.echo.channel._send_window >= TINY
            await say_bytes(liar, liar.number, pattern(TINY), connection)
            assert held(channel) < 2 * TINY
            async with calm():
                for _ in range(0, filled, FULL):
                    assert await stream[0].readexactly(FULL) == bytes(FULL)
                assert await stream[0].readexactly(TINY) == pattern(TINY)
            await assert_goes_on(stream)


async def test_a_socks_client_whose_destination_does_not_answer(ssh_bed: SshBed) -> None:
    """The client is on the remote host, and what it sends waits until its destination is there."""
    liar = Echoing()
    hole = socket.socket()
    hole.bind(("127.0.0.1", 0))
    hole.listen(0)
    waiting = [socket.socket() for _ in range(4)]  # the last of them are not answered any more
    for each in waiting:
        each.setblocking(False)
        each.connect_ex(hole.getsockname())
    port = hole.getsockname()[1].to_bytes(2)
    async with elsewhere(ssh_bed), tunnelled(ssh_bed, liar, PATIENCE) as forwarding:
        forward = await forwarding.open("-R 1080")
        channel, _ = await liar.connection.create_connection(
            asyncssh.SSHTCPSession, "localhost", 1080, encoding=None
        )
        channel.write(b"\5\1\0" + b"\5\1\0\1\x7f\0\0\1" + port)
        connection = connection_of(forwarding)
        waits = await until_stopped(forward, connection)
        assert channel._send_chan is not None
        size = channel._send_window
        await say_bytes(liar, UInt32(channel._send_chan), bytes(size), connection)
        assert held(waits) < 2 * size
        assert forward.streams_open == 1
    for each in (hole, *waiting):
        each.close()
