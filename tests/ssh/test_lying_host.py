"""Hosts that do not keep to the protocol, or say what is meant to harm: each is refused in clear
words or survived, and nothing of it is shown as it came."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_CHANNEL_DATA
from asyncssh.packet import String, UInt32
from typing_extensions import override

from jupyter_remote_tunnel.model.errors import Fatal, RemoteTunnelError, Transient
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.text import plain
from tests.ssh.support import (
    PATIENCE,
    ask,
    assert_shown_plainly,
    connect,
    connection_of,
    dialled,
    no_channels,
    tunnelled,
)
from tests.support.echo import serve
from tests.support.lying_host import Liar, never
from tests.support.sshd import SshBed

pytestmark = pytest.mark.usefixtures("no_traceback")

HOSTILE = "\x1b]0;owned\x07\x1b[31mred\u202eltr\r\nsecond line\x00"


# Who never answers.


class Mute(Liar):
    """Answers to nothing that concerns port 9 or a Unix socket, and never when asked to listen."""

    @override
    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Any:
        return never() if dest_port == 9 else True

    @override
    def unix_connection_requested(self, dest_path: str) -> Any:
        return never()

    @override
    def server_requested(self, listen_host: str, listen_port: int) -> Any:
        return never()

    @override
    def unix_server_requested(self, listen_path: str) -> Any:
        return never()


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        ("-R 0:localhost:1", "a free port"),
        ("-R 8888:localhost:1", "port 8888"),
        ("-R /run/there:localhost:1", "/run/there"),
    ],
)
async def test_a_host_that_never_says_whether_it_listens(
    ssh_bed: SshBed, spec: str, where: str
) -> None:
    async with tunnelled(ssh_bed, Mute(), 0.3) as forwarding:
        with serve("echo") as echo:
            other = await forwarding.open(f"-L 0:localhost:{echo.port}")
            forward = forwarding.make(spec)
            with pytest.raises(Fatal, match=rf"gpu01 did not answer within 0\.3 s.* {where}") as e:
                await forward.attach(connection_of(forwarding))
            assert (e.value.code, e.value.hop) == ("forward_refused", "gpu01")
            assert forward.last_error is e.value
            assert forward.bound is None
            assert await ask(other.bound, b"goes on") == b"goes on"


@pytest.mark.parametrize("destination", ["localhost:9", "/run/there"])
async def test_a_host_that_never_opens_a_stream(ssh_bed: SshBed, destination: str) -> None:
    async with tunnelled(ssh_bed, Mute(), 0.3) as forwarding:
        with serve("echo") as echo:
            other = await forwarding.open(f"-L 0:localhost:{echo.port}")
            forward = await forwarding.open(f"-L 0:{destination}")
            with pytest.raises(ConnectionResetError):
                await ask(forward.bound, b"hello")
            error = forward.last_error
            assert isinstance(error, Transient)
            assert f"gpu01 did not connect to {destination} within 0.3 s" in error.message
            assert error.hop == "gpu01"
            assert await ask(other.bound, b"goes on") == b"goes on"
        assert forward.streams_open == 1  # the host may still answer
        await forward.close()


async def test_an_open_that_comes_too_late_leaves_nothing(ssh_bed: SshBed) -> None:
    class Late(Liar):
        go: asyncio.Event

        @override
        def connection_requested(
            self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
        ) -> Any:
            return self._later(dest_host, dest_port)

        async def _later(self, host: str, port: int) -> Any:
            await self.go.wait()
            return await self.connection.forward_connection(host, port)

    liar = Late()
    liar.go = asyncio.Event()
    async with tunnelled(ssh_bed, liar, 0.1) as forwarding:
        with serve("echo") as echo:
            forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
            with pytest.raises(ConnectionResetError):
                await ask(forward.bound, b"hello")
            liar.go.set()
            await forwarding.until(lambda: forward.streams_open == 0)
            await no_channels(connection_of(forwarding))


# Nonsense about ports.


class Odd(Liar):
    """Answers that it listens, with what is given."""

    def __init__(self, answer: bytes | bool) -> None:
        self._answer = answer

    @override
    def server_requested(self, listen_host: str, listen_port: int) -> Any:
        self.connection._report_global_response(self._answer)
        return never()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (UInt32(0), "says that it listens on port 0"),
        (UInt32(70000), "says that it listens on port 70000"),
        (UInt32(2**32 - 1), "says that it listens on port 4294967295"),
        (True, "answered nonsense when asked to listen on a free port"),
        (b"\0", "answered nonsense when asked to listen on a free port"),
        (UInt32(8888) + b"more", "answered nonsense when asked to listen on a free port"),
    ],
)
async def test_a_port_that_is_none(ssh_bed: SshBed, answer: bytes | bool, says: str) -> None:
    async with tunnelled(ssh_bed, Odd(answer), PATIENCE) as forwarding:
        forward = forwarding.make("-R 0:localhost:1")
        with pytest.raises(Fatal, match=f"gpu01 {says}") as caught:
            await forward.attach(connection_of(forwarding))
        assert caught.value.code == "forward_refused"
        assert forward.bound is None
        assert not connection_of(forwarding).lost.done()


async def test_another_port_than_was_asked_for_is_not_believed(ssh_bed: SshBed) -> None:
    liar = Odd(UInt32(4444))
    async with tunnelled(ssh_bed, liar, PATIENCE) as forwarding:
        forward = await forwarding.open("-R 8888:localhost:1")
        assert forward.bound == "localhost:8888"
        with pytest.raises(asyncssh.ChannelOpenError, match="No such listener"):
            await liar.connection.create_connection(asyncssh.SSHTCPSession, "localhost", 4444)


# What nobody asked for.


@pytest.mark.parametrize(
    "originator", ["203.0.113.7\r\nPROXY TCP4 192.0.2.1 0.0.0.0 1 1", HOSTILE, "", "::1%\r\n"]
)
async def test_a_host_that_lies_about_who_connected(ssh_bed: SshBed, originator: str) -> None:
    liar = Liar()
    async with tunnelled(ssh_bed, liar, PATIENCE) as forwarding:
        with serve("echo") as echo:
            forward = await forwarding.open(f"-R 0:localhost:{echo.port}", proxy_protocol=True)
            port = int((forward.bound or "").rpartition(":")[2])
            reader, writer = await liar.connection.open_connection(
                "localhost", port, originator, 70000, encoding=None
            )
            writer.write(b"hello")
            writer.write_eof()
            assert await reader.read() == b"PROXY UNKNOWN\r\nhello"


def forwarded_tcp(connection: asyncssh.SSHServerConnection) -> Any:
    return connection.create_connection(asyncssh.SSHTCPSession, "localhost", 8888)


def forwarded_unix(connection: asyncssh.SSHServerConnection) -> Any:
    return connection.create_unix_connection(asyncssh.SSHUNIXSession, "/run/there")


def of_type(kind: bytes, *rest: bytes) -> Callable[[asyncssh.SSHServerConnection], Any]:
    return lambda connection: connection.create_tcp_channel()._open(kind, *rest)


@pytest.mark.parametrize(
    "unasked",
    [
        forwarded_tcp,
        forwarded_unix,
        of_type(b"session"),
        of_type(b"x11", String("127.0.0.1"), UInt32(1)),
        of_type(b"auth-agent@openssh.com"),
        of_type(b"direct-tcpip", String("localhost"), UInt32(22), String("x"), UInt32(1)),
        of_type(b"direct-streamlocal@openssh.com", String("/run/x"), String(""), UInt32(0)),
        of_type(b"tun@openssh.com", UInt32(1), UInt32(1)),
        of_type(HOSTILE.encode("ascii", "replace")),
    ],
)
async def test_channels_that_nobody_asked_for_are_refused(
    ssh_bed: SshBed, unasked: Callable[[asyncssh.SSHServerConnection], Any]
) -> None:
    liar = Liar()
    async with tunnelled(ssh_bed, liar, PATIENCE) as forwarding:
        with serve("echo") as echo:
            forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
            for _ in range(50):
                with pytest.raises(asyncssh.ChannelOpenError):
                    await unasked(liar.connection)
            assert await ask(forward.bound, b"goes on") == b"goes on"
        await no_channels(connection_of(forwarding))


async def test_more_streams_than_are_allowed_are_refused(ssh_bed: SshBed) -> None:
    liar = Odd(True)
    async with tunnelled(ssh_bed, liar, PATIENCE) as forwarding:
        forwarding.settings = EngineSettings(max_streams=3)
        with serve("echo") as echo:
            forward = await forwarding.open(f"-R 8888:localhost:{echo.port}")
            opened = await asyncio.gather(
                *(forwarded_tcp(liar.connection) for _ in range(20)), return_exceptions=True
            )
            refused = [error for error in opened if isinstance(error, asyncssh.ChannelOpenError)]
            assert len(refused) == 17
            assert forward.streams_open == 3


async def test_data_behind_the_end_ends_the_connection_only(ssh_bed: SshBed) -> None:
    class Late(asyncssh.SSHTCPSession[bytes]):
        @override
        def connection_made(self, chan: Any) -> None:
            self._channel = chan

        @override
        def session_started(self) -> None:
            self._channel.write(b"x")
            self._channel.write_eof()
            self._channel.send_packet(MSG_CHANNEL_DATA, String(b"late"))

    class Talkative(Liar):
        @override
        def connection_requested(
            self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
        ) -> Any:
            return self.connection.create_tcp_channel(), Late()

    async with tunnelled(ssh_bed, Talkative(), PATIENCE) as forwarding:
        forward = await forwarding.open("-L 0:localhost:1")
        async with dialled(forward.bound) as (reader, _):
            error = await connection_of(forwarding).lost
            forward.detach(error)
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b"x"
        assert_shown_plainly(error)
        assert (type(error), error.code) == (Transient, "connection_lost")


# What it says.


@pytest.mark.parametrize("text", [HOSTILE, "x" * 200_000])
async def test_the_reason_of_a_disconnect_is_shown_plainly(ssh_bed: SshBed, text: str) -> None:
    liar = Liar()
    async with tunnelled(ssh_bed, liar, PATIENCE) as forwarding:
        liar.connection.disconnect(asyncssh.DISC_PROTOCOL_ERROR, text)
        error = await connection_of(forwarding).lost
        assert_shown_plainly(error)
        assert plain(text)[:3] in error.message


@pytest.mark.parametrize("text", [HOSTILE, "x" * 200_000])
async def test_the_reason_of_a_refusal_is_shown_plainly(ssh_bed: SshBed, text: str) -> None:
    class Rude(Liar):
        @override
        def connection_requested(
            self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
        ) -> Any:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, text)

    async with tunnelled(ssh_bed, Rude(), PATIENCE) as forwarding:
        forward = await forwarding.open("-L 0:localhost:1")
        with pytest.raises(ConnectionResetError):
            await ask(forward.bound, b"hello")
        assert forward.last_error is not None
        assert_shown_plainly(forward.last_error)


async def test_a_banner_of_megabytes_is_passed_over(ssh_bed: SshBed) -> None:
    class Loud(Liar):
        @override
        def begin_auth(self, username: str) -> bool:
            for _ in range(100):
                self.connection.send_auth_banner(HOSTILE * 1000)
            return False

    async with tunnelled(ssh_bed, Loud(), PATIENCE) as forwarding:
        assert await connection_of(forwarding).rtt() < PATIENCE


@pytest.mark.parametrize("end", [b"", b"SSH-2.0-" + b"\x1b[31m" * 30 + b"\r\n"])
async def test_a_host_that_does_not_come_to_the_point(ssh_bed: SshBed, end: bytes) -> None:
    """Lines before the version are allowed; not for ever."""
    sshd = ssh_bed.host("gpu01", start=False)
    ended = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            for _ in range(10 if end else 2000):
                writer.write(HOSTILE.encode() * 100 + b"\r\n")
                await writer.drain()
            writer.write(end)
        writer.close()
        ended.set()

    async with await asyncio.start_server(talk, sshd.address, sshd.port):
        with pytest.raises(RemoteTunnelError) as caught:
            async with connect(ssh_bed, "gpu01"):
                pass
        await ended.wait()
    assert_shown_plainly(caught.value)


async def test_another_host_key_at_the_next_exchange_ends_the_connection(ssh_bed: SshBed) -> None:
    liar = Liar()
    async with tunnelled(ssh_bed, liar, PATIENCE) as forwarding:
        connection = connection_of(forwarding)
        before = connection.host_key
        other = asyncssh.generate_private_key("ssh-ed25519")
        (pair,) = asyncssh.load_keypairs([other])
        liar.connection._server_host_keys = OrderedDict({b"ssh-ed25519": pair})
        liar.exchange_keys()
        error = await connection.lost
        assert connection.host_key == before
        assert_shown_plainly(error)
        assert "Host key is not trusted" in error.message


async def test_the_same_host_key_at_the_next_exchange_is_welcome(ssh_bed: SshBed) -> None:
    liar = Liar()
    async with tunnelled(ssh_bed, liar, PATIENCE) as forwarding:
        liar.exchange_keys()
        with serve("echo") as echo:
            forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
            assert await ask(forward.bound, b"goes on") == b"goes on"


async def test_a_socket_of_the_remote_host_is_no_file_here(
    ssh_bed: SshBed, short_dir: Path
) -> None:
    """A host that says that a stream came to a socket of this machine gets nothing from it."""
    liar = Liar()
    async with tunnelled(ssh_bed, liar, PATIENCE):
        with (
            serve("echo", unix=True) as echo,
            pytest.raises(asyncssh.ChannelOpenError, match="No such listener"),
        ):
            await liar.connection.create_unix_connection(asyncssh.SSHUNIXSession, str(echo.path))
