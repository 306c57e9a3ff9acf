"""Packets of streams that lie: they end their connection in clear words, or do no harm. Nothing
behind them is believed, the loop never stands still, and other connections go on."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_FAILURE,
    MSG_CHANNEL_OPEN_CONFIRMATION,
    MSG_CHANNEL_OPEN_FAILURE,
    MSG_CHANNEL_REQUEST,
    MSG_CHANNEL_SUCCESS,
    MSG_CHANNEL_WINDOW_ADJUST,
)
from asyncssh.packet import Boolean, String, UInt32
from typing_extensions import override

from jupyter_remote_tunnel.model.address import TcpAddress
from jupyter_remote_tunnel.model.spec import SshOptions
from tests.ssh.packet_scene import (
    Echo,
    Echoing,
    MiB,
    assert_goes_on,
    calm,
    elsewhere,
    lied_to,
    lost,
    rest_of,
)
from tests.ssh.support import PATIENCE, connection_of, dialled, forwarding_to, tunnelled
from tests.support.echo import pattern, reset_at_close, serve
from tests.support.lying_host import Liar, lying
from tests.support.sshd import SshBed

pytestmark = pytest.mark.usefixtures("no_traceback")

# What ends the connection.

MOST = 2**32 - 1

Lie = Callable[[Echoing], None]


def said(kind: int, *body: bytes) -> Lie:
    return lambda liar: liar.say(kind, *body)


def said_of(number: bytes, kind: int, *body: bytes) -> Lie:
    """About another channel, or none."""
    return lambda liar: liar.connection.send_packet(kind, number, *body)


def one_after_another(*lies: Lie) -> Lie:
    def tell(liar: Echoing) -> None:
        for lie in lies:
            lie(liar)

    return tell


def raw(data: bytes) -> Lie:
    return lambda liar: liar.connection._send(data)


ENDING: dict[str, tuple[Lie, str]] = {
    "data that are longer": (said(MSG_CHANNEL_DATA, UInt32(9), b"x" * 10), "at end of packet"),
    "data that are shorter": (said(MSG_CHANNEL_DATA, UInt32(11), b"x" * 10), "Incomplete packet"),
    "data of 4 GiB": (said(MSG_CHANNEL_DATA, UInt32(MOST), b"x" * 10), "Incomplete packet"),
    "data without a length": (said(MSG_CHANNEL_DATA), "Incomplete packet"),
    "data with half a length": (said(MSG_CHANNEL_DATA, b"\0\0"), "Incomplete packet"),
    "no channel": (said_of(b"", MSG_CHANNEL_DATA), "Incomplete channel request received"),
    "half a channel": (said_of(b"\0\0", MSG_CHANNEL_DATA), "Incomplete channel request"),
    "an unknown channel": (
        said_of(UInt32(77), MSG_CHANNEL_DATA, String("x")),
        "Invalid channel number 77 received",
    ),
    "the last channel": (
        said_of(UInt32(MOST), MSG_CHANNEL_DATA, String("x")),
        f"Invalid channel number {MOST} received",
    ),
    "data after the end": (
        one_after_another(said(MSG_CHANNEL_EOF), said(MSG_CHANNEL_DATA, String("x"))),
        "Channel not open for sending",
    ),
    "an end after the end": (
        one_after_another(said(MSG_CHANNEL_EOF), said(MSG_CHANNEL_EOF)),
        "Channel not open for sending",
    ),
    "data after the close": (
        one_after_another(said(MSG_CHANNEL_CLOSE), said(MSG_CHANNEL_DATA, String("x"))),
        "Channel not open for sending",
    ),
    "a close after the close": (
        one_after_another(said(MSG_CHANNEL_CLOSE), said(MSG_CHANNEL_CLOSE)),
        "Channel not open",
    ),
    "an end with more": (said(MSG_CHANNEL_EOF, b"x"), "at end of packet"),
    "a close with more": (said(MSG_CHANNEL_CLOSE, b"x"), "at end of packet"),
    "errors of a stream": (
        said(MSG_CHANNEL_EXTENDED_DATA, UInt32(1), String("x")),
        "Invalid extended data type",
    ),
    "half a window": (said(MSG_CHANNEL_WINDOW_ADJUST, b"\0\0"), "Incomplete packet"),
    "a window with more": (said(MSG_CHANNEL_WINDOW_ADJUST, UInt32(1), b"x"), "at end of packet"),
    "half a request": (said(MSG_CHANNEL_REQUEST, String("x")), "Incomplete packet"),
    "a request in no letters": (
        said(MSG_CHANNEL_REQUEST, String(b"\xff"), Boolean(True)),
        "Invalid channel request",
    ),
    "yes to nothing": (said(MSG_CHANNEL_SUCCESS), "Unexpected channel response"),
    "no to nothing": (said(MSG_CHANNEL_FAILURE), "Unexpected channel response"),
    "opened again": (
        said(MSG_CHANNEL_OPEN_CONFIRMATION, UInt32(0), UInt32(1000), UInt32(1000)),
        "Channel not being opened",
    ),
    "not opened after all": (
        said(MSG_CHANNEL_OPEN_FAILURE, UInt32(1), String("x"), String("")),
        "Channel not being opened",
    ),
    "padding longer than the packet": (
        lambda liar: liar.padded(4, says=255),
        "Incomplete packet",
    ),
    "padding over the type": (lambda liar: liar.padded(16, says=31), "Incomplete packet"),
    "padding over the channel": (lambda liar: liar.padded(16, says=28), "Incomplete channel"),
} | {
    f"a packet of {size} bytes": (raw(UInt32(size) + bytes(64)), f"A packet of {size} bytes")
    for size in (0, 1, 4, 15, 256 * 1024 + 1, 1 << 31, MOST)
}


@pytest.mark.parametrize("lie", ENDING)
async def test_a_lie_ends_the_connection(ssh_bed: SshBed, lie: str) -> None:
    tell, says = ENDING[lie]
    async with lied_to(ssh_bed) as scene:
        scene.liar.echo.channel.write(b"good")
        tell(scene.liar)
        scene.liar.say(MSG_CHANNEL_DATA, String("behind"))
        error = await lost(scene.forwarding, scene.forward)
        assert says in error.message
        assert b"good".startswith(await rest_of(scene.stream[0]))


async def test_what_is_not_compressed_ends_a_compressed_connection(ssh_bed: SshBed) -> None:
    sshd, liar = ssh_bed.host("gpu01", start=False), Echoing()
    options = SshOptions(config_file=str(ssh_bed.config_file), compression=True)
    async with (
        elsewhere(ssh_bed),
        lying(sshd, liar),
        forwarding_to(ssh_bed, "gpu01", options) as forwarding,
    ):
        forward = await forwarding.open("-L 0:localhost:1")
        async with dialled(forward.bound) as stream, calm():
            await assert_goes_on(stream)
            liar.connection._send(b"".join(liar.pieces()))
            error = await lost(forwarding, forward)
            assert await rest_of(stream[0]) == b""
    # A few bytes that are none of zlib may be the beginning of something to it.
    assert re.search("cannot be decompressed|Incomplete packet", error.message)


async def test_who_ends_the_connection_is_given_nothing_more_of_it(ssh_bed: SshBed) -> None:
    class Impatient(asyncssh.SSHTCPSession[bytes]):
        got = b""

        @override
        def data_received(self, data: bytes, datatype: int | None = None) -> None:
            self.got += data
            connection._ssh.abort()

    async with lied_to(ssh_bed) as scene:
        connection, session = connection_of(scene.forwarding), Impatient()
        await connection.open_channel(TcpAddress("localhost", 1), lambda: session)
        scene.liar.connection._send(b"".join(scene.liar.pieces()))
        await lost(scene.forwarding, scene.forward)
        assert session.got == b"piece 0"


# What does no harm.

SURVIVED: dict[str, Lie] = {
    "a message that is none": said(101),
    "the last message that is none": said(127),
    "a message that is none, about no channel": said_of(b"", 192),
    "no data": one_after_another(*[said(MSG_CHANNEL_DATA, String(""))] * 2000),
    "windows of 4 GiB": one_after_another(*[said(MSG_CHANNEL_WINDOW_ADJUST, UInt32(MOST))] * 2000),
    "windows of nothing": one_after_another(*[said(MSG_CHANNEL_WINDOW_ADJUST, UInt32(0))] * 2000),
    "requests that nobody knows": one_after_another(
        *[said(MSG_CHANNEL_REQUEST, String("x"), Boolean(False))] * 2000
    ),
    "too much padding": lambda liar: liar.padded(255),
    "no padding": lambda liar: liar.padded(0),
    "no whole blocks": lambda liar: liar.padded(5),
}


@pytest.mark.parametrize("lie", SURVIVED)
async def test_a_lie_does_no_harm(ssh_bed: SshBed, lie: str) -> None:
    async with lied_to(ssh_bed) as scene:
        for _ in range(3):
            SURVIVED[lie](scene.liar)
            await assert_goes_on(scene.stream)


async def test_data_of_a_stream_that_is_gone_here_go_nowhere(ssh_bed: SshBed) -> None:
    """The host has not heard yet that it is."""
    async with lied_to(ssh_bed) as scene:
        connection = scene.liar.connection
        assert connection._transport is not None
        connection._transport.pause_reading()
        writer = scene.stream[1]
        reset_at_close(writer.get_extra_info("socket"))
        writer.transport.abort()
        await scene.forwarding.until(lambda: scene.forward.streams_open == 0)
        for _ in range(100):
            scene.liar.say(MSG_CHANNEL_DATA, String(bytes(2000)))
        connection._transport.resume_reading()
        scene.liar.echo = Echo()
        async with dialled(scene.forward.bound) as stream:
            await assert_goes_on(stream)


# How much, and in what portions.


async def test_more_than_the_window_ends_the_connection(ssh_bed: SshBed) -> None:
    """A host that sends on while nobody reads: some wait on the way, the window's here."""
    async with lied_to(ssh_bed) as scene:
        while not connection_of(scene.forwarding).lost.done():
            scene.liar.say(MSG_CHANNEL_DATA, String(bytes(32 << 10)))
            await asyncio.sleep(0)  # the client is in this loop
        error = await lost(scene.forwarding, scene.forward)
        assert "gpu01 was lost: Window exceeded" in error.message


TOO_SMALL = [
    (0, "Invalid maximum packet size"),
    (1, "takes no packet of more than 1 bytes"),
    (255, "takes no packet of more than 255 bytes"),
]


@pytest.mark.parametrize(("most", "says"), TOO_SMALL)
async def test_a_host_that_takes_tiny_packets_only_is_given_up(
    ssh_bed: SshBed, most: int, says: str
) -> None:
    async with elsewhere(ssh_bed), tunnelled(ssh_bed, Echoing(most), PATIENCE) as forwarding:
        forward = await forwarding.open("-L 0:localhost:1")
        async with calm(), dialled(forward.bound) as stream:
            error = await lost(forwarding, forward)
            assert await rest_of(stream[0]) == b""
    assert says in error.message


def forwarded_tcp(connection: asyncssh.SSHServerConnection, most: int) -> Any:
    return connection.create_connection(asyncssh.SSHTCPSession, "localhost", 8888, max_pktsize=most)


def forwarded_unix(connection: asyncssh.SSHServerConnection, most: int) -> Any:
    return connection.create_unix_connection(
        asyncssh.SSHUNIXSession, "/run/there", max_pktsize=most
    )


REMOTE = [("-R 8888", forwarded_tcp), ("-R /run/there", forwarded_unix)]


@pytest.mark.parametrize(("listen", "open_stream"), REMOTE)
@pytest.mark.parametrize(("most", "says"), TOO_SMALL)
async def test_so_is_one_that_opens_such_a_stream(
    ssh_bed: SshBed, listen: str, open_stream: Callable[..., Any], most: int, says: str
) -> None:
    liar = Echoing()
    async with elsewhere(ssh_bed), tunnelled(ssh_bed, liar, PATIENCE) as forwarding:
        with serve("echo") as echo:
            forward = await forwarding.open(f"{listen}:localhost:{echo.port}")
            async with calm():
                with pytest.raises(asyncssh.ChannelOpenError):
                    await open_stream(liar.connection, most)
                error = await lost(forwarding, forward)
            assert echo.accepted == 0
            assert forward.streams_open == 0
    assert says in error.message


class Wordy(Liar):
    """Confirms the stream of a number with more than a confirmation holds."""

    number = 0

    @override
    def connection_requested(self, *_where: object) -> Any:
        sizes = (UInt32(0), UInt32(MiB), UInt32(1 << 15))
        kind = MSG_CHANNEL_OPEN_CONFIRMATION
        self.connection.send_packet(kind, UInt32(self.number), *sizes, b"and more")
        return False


async def test_a_confirmation_with_more_ends_the_connection(ssh_bed: SshBed) -> None:
    liar = Wordy()
    async with tunnelled(ssh_bed, liar, PATIENCE) as forwarding:
        forward = await forwarding.open("-L 0:localhost:1")
        liar.number = connection_of(forwarding)._ssh._next_recv_chan
        async with calm(), dialled(forward.bound) as stream:
            error = await lost(forwarding, forward)
            assert await rest_of(stream[0]) == b""
    assert "at end of packet" in error.message


async def test_small_packets_are_enough(ssh_bed: SshBed) -> None:
    async with tunnelled(ssh_bed, Echoing(256), PATIENCE) as forwarding:
        forward = await forwarding.open("-L 0:localhost:1")
        async with asyncio.timeout(PATIENCE), dialled(forward.bound) as (reader, writer):
            writer.write(pattern(MiB))
            assert await reader.readexactly(MiB) == pattern(MiB)
