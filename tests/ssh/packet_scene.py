"""A host that may send any packet over a stream, and what is to be true whatever it sends."""

import asyncio
import contextlib
import time
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncssh
from asyncssh.constants import MSG_CHANNEL_DATA, MSG_CHANNEL_REQUEST
from asyncssh.packet import Boolean, Byte, String, UInt32
from typing_extensions import override

from jupyter_remote_tunnel.model.errors import RemoteTunnelError, Transient
from jupyter_remote_tunnel.ssh.forward import Forward
from tests.ssh.support import (
    PATIENCE,
    Forwarding,
    Stream,
    assert_shown_plainly,
    connection_of,
    dialled,
    forwarding_to,
    tunnelled,
)
from tests.support.echo import serve
from tests.support.lying_host import Liar, never
from tests.support.sshd import SshBed

MiB = 1 << 20
GCM = "aes128-gcm@openssh.com"


class Echo(asyncssh.SSHTCPSession[bytes]):
    """Sends back what it gets."""

    channel: Any

    @override
    def connection_made(self, chan: Any) -> None:
        self.channel = chan

    @override
    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        self.channel.write(data)


class Echoing(Liar):
    """Echoes on every stream, listens where it is told, and says any packet.

    :param most: bytes of a packet that it says it takes.
    """

    def __init__(self, most: int = 32 << 10) -> None:
        self.most = most
        self.echo = Echo()

    @override
    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Any:
        return self.connection.create_tcp_channel(None, "strict", MiB, self.most), self.echo

    @override
    def server_requested(self, listen_host: str, listen_port: int) -> Any:
        self.connection._report_global_response(True)
        return never()

    @override
    def unix_server_requested(self, listen_path: str) -> Any:
        self.connection._report_global_response(True)
        return never()

    @property
    def number(self) -> bytes:
        """The number of the last stream's channel, as the client counts them."""
        return UInt32(self.echo.channel._send_chan)

    def say(self, kind: int, *body: bytes) -> None:
        """Send a packet about that channel."""
        self.connection.send_packet(kind, self.number, *body)

    def seal(self, packet: bytes) -> bytes:
        """The next packet, encrypted; `packet` begins with the length of the padding at its end."""
        encryption = self.connection._send_encryption
        assert encryption is not None
        sealed, tag = encryption.encrypt_packet(0, UInt32(len(packet)), packet)
        return sealed + tag

    def pieces(self) -> list[bytes]:
        """The next nine packets with data of that channel, "piece 0" and so on. Each is encrypted
        from 32 bytes: one that is said to be shorter or longer ends where all of it has come."""
        body = Byte(MSG_CHANNEL_DATA) + self.number
        data = (String(b"piece %d" % number) for number in range(9))
        return [self.seal(Byte(15) + body + each + bytes(15)) for each in data]

    def padded(self, padding: int, *, says: int | None = None) -> None:
        """Send a request that nobody knows, with so many bytes of padding."""
        body = Byte(MSG_CHANNEL_REQUEST) + self.number + String("xxxxx") + Boolean(False)
        length = Byte(padding if says is None else says)
        self.connection._send(self.seal(length + body + bytes(padding)))


@contextlib.asynccontextmanager
async def calm() -> AsyncIterator[None]:
    """It does not take for ever, the loop is never busy for a second (of the processor) at a
    stretch, and not much memory is needed."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)

    watching = asyncio.get_running_loop().create_task(watch(), name="watch the loop")
    tracemalloc.start()
    try:
        async with asyncio.timeout(PATIENCE):
            yield
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        watching.cancel()
        await asyncio.wait([watching])
    assert longest < 1
    assert most < 4 * MiB


async def assert_goes_on(stream: Stream) -> None:
    """Its other end echoes."""
    reader, writer = stream
    writer.write(b"goes on")
    assert await reader.readexactly(7) == b"goes on"


@contextlib.asynccontextmanager
async def elsewhere(bed: SshBed) -> AsyncIterator[None]:
    """A stream over a connection to another host goes on, whatever happens meanwhile."""
    bed.host("gpu02")
    with serve("echo") as echo:
        async with forwarding_to(bed, "gpu02") as forwarding:
            forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
            async with dialled(forward.bound) as stream:
                await assert_goes_on(stream)
                yield
                await assert_goes_on(stream)


@dataclass
class Scene:
    """A stream to a liar that echoes."""

    liar: Echoing
    forwarding: Forwarding
    forward: Forward
    stream: Stream


async def lost(forwarding: Forwarding, forward: Forward) -> RemoteTunnelError:
    """Wait until the connection is lost, and do then what the engine does; why it was."""
    error = await connection_of(forwarding).lost
    forward.detach(error)
    assert_shown_plainly(error)
    assert (type(error), error.code) == (Transient, "connection_lost")
    return error


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """What comes until the stream ends or is reset."""
    got = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while data := await reader.read(MiB):
            got += data
    return bytes(got)


@contextlib.asynccontextmanager
async def lied_to(bed: SshBed) -> AsyncIterator[Scene]:
    """A scene with an echoing liar, encrypted with AES-GCM. All stays calm, and another connection
    goes on."""
    liar = Echoing()
    async with elsewhere(bed), tunnelled(bed, liar, PATIENCE) as forwarding:
        assert connection_of(forwarding)._ssh.get_extra_info("recv_cipher") == GCM
        forward = await forwarding.open("-L 0:localhost:1")
        async with dialled(forward.bound) as stream:
            await assert_goes_on(stream)
            async with calm():
                yield Scene(liar, forwarding, forward, stream)
