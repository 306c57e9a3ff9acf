"""Hosts that would have this side run out of memory: they are given up before it does."""

import asyncio
import socket
import tracemalloc
import zlib
from typing import Any

import asyncssh
import pytest
from asyncssh.compression import Compressor
from asyncssh.constants import MSG_CHANNEL_CLOSE, MSG_CHANNEL_OPEN, MSG_GLOBAL_REQUEST
from asyncssh.packet import Boolean, String, UInt32
from typing_extensions import override

from jupyter_remote_tunnel.model.errors import RemoteTunnelError, Transient
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.ssh import base_forward, flow
from jupyter_remote_tunnel.ssh.connection import Connection
from tests.ssh.support import (
    MANY,
    PATIENCE,
    ask,
    assert_shown_plainly,
    connect,
    connection_of,
    dialled,
    forwarding_to,
    no_channels,
    tunnelled,
)
from tests.support.echo import pattern, reset_at_close, serve
from tests.support.lying_host import Liar, lying
from tests.support.process import wait_until
from tests.support.sshd import SshBed

pytestmark = pytest.mark.usefixtures("no_traceback")


class Deaf(Liar):
    """Asks, and reads no answer."""

    @override
    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        super().connection_made(conn)
        opened = conn.get_extra_info("socket")
        # In less room, the kernel drops what acknowledges, and nothing moves for seconds.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)

    def stop_reading(self, connection: Connection) -> None:
        """Read nothing from now on, and have little room for it on the way."""
        transport = connection.flow.transport
        opened = transport.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        transport.set_write_buffer_limits(high=4096)
        assert self.connection._transport is not None
        self.connection._transport.pause_reading()

    def begin_exchange(self) -> None:
        """Ask for new keys, take no answer, and go on with the old ones."""
        self.connection._send_kexinit()
        self.connection._kex_complete = True
        assert self.connection._transport is not None
        self.connection._transport.pause_reading()

    async def ask_until(self, lost: "asyncio.Future[Any]", question: tuple[Any, ...]) -> int:
        """Ask the same until the connection is lost; how often it was asked."""
        asked = 0
        while not lost.done():
            for _ in range(100):
                self.connection.send_packet(*question)
            asked += 100
            await asyncio.sleep(0)  # the client is in this loop
        return asked


GLOBAL_REQUEST = (MSG_GLOBAL_REQUEST, String("x"), Boolean(True))
CHANNEL_OPEN = (
    *(MSG_CHANNEL_OPEN, String("forwarded-tcpip"), UInt32(0), UInt32(1000), UInt32(1000)),
    *(String("h"), UInt32(1), String("h"), UInt32(1)),
)
UNKNOWN = (191, String("x"))


@pytest.mark.parametrize("question", [GLOBAL_REQUEST, CHANNEL_OPEN, UNKNOWN])
async def test_a_host_that_asks_and_reads_no_answer_is_given_up(
    ssh_bed: SshBed, question: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "ANSWERS", 256 << 10)
    liar = Deaf()
    async with tunnelled(ssh_bed, liar, PATIENCE) as forwarding:
        connection = connection_of(forwarding)
        liar.stop_reading(connection)
        async with asyncio.timeout(PATIENCE):
            asked = await liar.ask_until(connection.lost, question)
        assert_deaf(connection.lost.result())
        # It is not given up at once: nor does a line that stands still for a while end a tunnel.
        assert asked > (256 << 10) / 200


async def test_a_host_that_asks_and_never_ends_an_exchange_of_keys_is_given_up(
    ssh_bed: SshBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All we write waits until there are keys: so do the streams."""
    monkeypatch.setattr(flow, "ANSWERS", 256 << 10)
    liar = Deaf()
    async with tunnelled(ssh_bed, liar, PATIENCE) as forwarding:
        connection = connection_of(forwarding)
        with serve("sink") as sink:
            forward = await forwarding.open(f"-L 0:localhost:{sink.port}")
            async with dialled(forward.bound) as (_, writer), asyncio.timeout(PATIENCE):
                writer.write(b"x")
                await asyncio.to_thread(sink.wait_for, lambda server: server.received == 1)
                liar.begin_exchange()
                writer.write(bytes(MANY))
                (relay,) = forward._relays
                await asyncio.to_thread(wait_until, lambda: relay._held, "the stream to be held")
                assert waiting(connection) < 1 << 20
                await liar.ask_until(connection.lost, GLOBAL_REQUEST)
        assert_deaf(connection.lost.result())


def waiting(connection: Connection) -> int:
    """Bytes that wait for the end of an exchange of keys."""
    packets = connection._ssh._deferred_packets
    return sum(len(part) for _, parts in packets for part in parts)


def assert_deaf(error: RemoteTunnelError) -> None:
    assert_shown_plainly(error)
    assert (type(error), error.code) == (Transient, "connection_lost")
    assert "The connection to gpu01 was lost: it asks and asks" in error.message


# What it keeps open.


class Clinging(Liar):
    """Never says of a stream that it has ended, until it is told to."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    @override
    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Any:
        channel = self.connection.create_tcp_channel()
        self.keep(channel)
        return channel, asyncssh.SSHTCPSession()

    def keep(self, channel: Any) -> None:
        """Do not confirm the end of this stream."""

        def close_send() -> None:
            self.kept.append(UInt32(channel._send_chan))

        channel._close_send = close_send

    def let_go(self) -> None:
        """Confirm all that was kept back."""
        for number in self.kept:
            self.connection.send_packet(MSG_CHANNEL_CLOSE, number)

    async def refused_stream(self) -> None:
        """Open a stream to a SOCKS proxy that refuses what it is asked."""
        channel, _ = await self.connection.create_connection(
            asyncssh.SSHTCPSession, "localhost", 1080, encoding=None
        )
        self.keep(channel)
        channel.write(b"no SOCKS")


async def test_streams_whose_end_is_never_confirmed_are_not_many(
    ssh_bed: SshBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_forward, "UNCONFIRMED", 20)
    liar = Clinging()
    async with tunnelled(ssh_bed, liar, PATIENCE) as forwarding:
        connection = connection_of(forwarding)
        here = await forwarding.open("-L 0:localhost:1")
        there = await forwarding.open("-R 1080")
        for number in range(10):
            async with dialled(here.bound) as (_, writer):
                reset_at_close(writer.get_extra_info("socket"))
                await forwarding.until(lambda: here.streams_open == 1)
            await liar.refused_stream()
            async with asyncio.timeout(PATIENCE):
                while connection.unconfirmed < 2 * number + 2:
                    await connection.rtt()
        async with dialled(here.bound) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await reader.read()
        with pytest.raises(asyncssh.ChannelOpenError):
            await liar.refused_stream()
        for forward in (here, there):
            assert forward.streams_open == 0
            assert forward.last_error is not None
            assert forward.last_error.code == "too_many"
            assert "gpu01 still holds 20 streams that have ended" in forward.last_error.message
        liar.let_go()
        await no_channels(connection)
        assert connection.unconfirmed == 0
        await liar.refused_stream()


# What it compresses.


def compressed(bed: SshBed) -> SshOptions:
    return SshOptions(config_file=str(bed.config_file), compression=True)


class Bomb(Compressor):
    """Compresses each packet as one of many zeros."""

    def __init__(self, size: int, before: Any) -> None:
        self._zlib = before._zlib  # the packets of a connection are one stream
        self._size = size

    @override
    def compress(self, data: bytes) -> bytes:
        zeros = (self._zlib.compress(bytes(self._size >> 8)) for _ in range(1 << 8))
        packed: bytes = self._zlib.compress(data) + b"".join(zeros)
        packed += self._zlib.flush(zlib.Z_SYNC_FLUSH)
        return packed


@pytest.mark.parametrize("size", [512 << 10, 192 << 20])
async def test_a_packet_that_grows_is_not_unpacked(ssh_bed: SshBed, size: int) -> None:
    sshd = ssh_bed.host("gpu01", start=False)
    async with (
        lying(sshd, Liar()) as liar,
        connect(ssh_bed, "gpu01", compressed(ssh_bed)) as connection,
    ):
        await connection.rtt()
        liar.connection._compressor = Bomb(size, liar.connection._compressor)
        tracemalloc.start()
        liar.connection.send_debug("x")
        async with asyncio.timeout(PATIENCE):
            error = await connection.lost
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert_shown_plainly(error)
    assert (type(error), error.code) == (Transient, "connection_lost")
    assert "gpu01 was lost: a packet has more than 256 KiB when it is" in error.message
    assert most < 8 << 20


async def test_what_is_not_compressed_ends_the_connection(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", start=False)
    async with (
        lying(sshd, Liar()) as liar,
        connect(ssh_bed, "gpu01", compressed(ssh_bed)) as connection,
    ):
        await connection.rtt()
        liar.connection._compressor = None
        liar.connection.send_debug("x" * 1000)
        error = await connection.lost
    assert_shown_plainly(error)
    assert "gpu01 was lost: a packet cannot be decompressed" in error.message


@pytest.mark.parametrize("size", [1 << 10, 4 << 20])
async def test_what_honest_hosts_compress_arrives_whole(ssh_bed: SshBed, size: int) -> None:
    ssh_bed.host("gpu01")
    sent = pattern(size) + bytes(size)
    async with forwarding_to(ssh_bed, "gpu01", compressed(ssh_bed)) as forwarding:
        with serve("echo") as echo:
            forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
            assert await ask(forward.bound, sent) == sent
