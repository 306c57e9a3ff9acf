"""Names, reasons and output that a remote host made to harm who reads them, or that are huge.

`tests/ssh/test_lying_host.py` has banners and the reasons of refusals and disconnects; here is what
else a host can name: before anything is agreed on, while we log in, and in what it runs for us.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_DISCONNECT, MSG_KEXINIT
from asyncssh.packet import Byte, NameList, String, UInt32
from typing_extensions import override

from jupyter_remote_tunnel.model.errors import Fatal, NeedsUser, RemoteTunnelError, Transient
from tests.ssh.conftest import no_traceback as no_traceback
from tests.ssh.support import (
    PATIENCE,
    Forwarding,
    ask,
    assert_shown_plainly,
    connect,
    connection_of,
    tunnelled,
)
from tests.ssh.test_lying_host import HOSTILE
from tests.support.echo import serve
from tests.support.lying_host import Liar, lying
from tests.support.sshd import SshBed

HUGE = "x\x1b[2J" * 50_000  # what fits a packet of 256 KiB

pytestmark = pytest.mark.usefixtures("no_traceback")

texts = pytest.mark.parametrize("text", [HOSTILE, HUGE], ids=["hostile", "huge"])


# Before anything is agreed on.


def packet(payload: bytes) -> bytes:
    """A packet of SSH before the first exchange of keys."""
    padding = 16 - (len(payload) + 5) % 8
    return UInt32(len(payload) + padding + 1) + Byte(padding) + payload + bytes(padding)


def offering(names: list[bytes]) -> bytes:
    """The first packet of a host that has only algorithms of these names."""
    lists = NameList(names) * 8 + NameList([]) * 2
    return packet(Byte(MSG_KEXINIT) + bytes(16) + lists + b"\0" + UInt32(0))


def leaving(reason: str) -> bytes:
    """The packet of a host that ends the connection."""
    words = String(reason.encode()) + String(b"")
    return packet(Byte(MSG_DISCONNECT) + UInt32(2) + words)


@contextlib.asynccontextmanager
async def saying(bed: SshBed, words: bytes) -> AsyncIterator[None]:
    """A host that says this, whatever it hears, and hangs up."""
    sshd = bed.host("gpu01", start=False)
    ended = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.readline()
            writer.write(words)
            await writer.drain()
            writer.write_eof()
            await reader.read()
        writer.close()
        ended.set()

    async with await asyncio.start_server(talk, sshd.address, sshd.port):
        yield
        await ended.wait()


VERSION = b"SSH-2.0-\x1b[31mred\x07\r\n"


@pytest.mark.parametrize(
    "words",
    [
        VERSION,
        b"SSH-1.5-" + b"\x1b[31m" * 10 + b"\r\n",
        VERSION + offering([b"\x1b[31mred\x07", b"x" * 200]),
        VERSION + offering([b"\x1b[2J" * 40] * 150),
        VERSION + leaving(HOSTILE),
        VERSION + leaving(HUGE[:30_000]),
        VERSION + packet(b"\xff" * 100),
        VERSION + UInt32(2**32 - 1) + b"\xff" * 100,
    ],
    ids=["version", "old", "names", "many names", "leaves", "leaves at length", "odd", "long"],
)
async def test_before_anything_is_agreed_on(ssh_bed: SshBed, words: bytes) -> None:
    async with asyncio.timeout(PATIENCE), saying(ssh_bed, words):
        assert_shown_plainly(await refusal(ssh_bed, "gpu01"))


async def refusal(bed: SshBed, alias: str) -> RemoteTunnelError:
    """Why there is no connection."""
    with pytest.raises(RemoteTunnelError) as caught:
        async with connect(bed, alias):
            pass
    return caught.value


# While we log in.


@texts
async def test_questions_are_not_shown(ssh_bed: SshBed, text: str) -> None:
    """Nobody is asked, so a question cannot pose as one of ours."""

    class Asking(Liar):
        @override
        def begin_auth(self, username: str) -> bool:
            return True

        def kbdint_auth_supported(self) -> bool:
            return True

        def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
            return text, text, "", [(text, False)]

    sshd = ssh_bed.host("gpu01", start=False)
    async with lying(sshd, Asking()):
        error = await refusal(ssh_bed, "gpu01")
    assert_shown_plainly(error)
    assert isinstance(error, NeedsUser)
    assert "red" not in error.message + error.hint


@texts
async def test_a_jump_host_that_does_not_connect_on(ssh_bed: SshBed, text: str) -> None:
    class Rude(Liar):
        @override
        def connection_requested(
            self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
        ) -> Any:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, text)

    gateway = ssh_bed.host("gw", start=False)
    ssh_bed.host("gpu01", client=["ProxyJump gw"], start=False)
    async with lying(gateway, Rude()):
        error = await refusal(ssh_bed, "gpu01")
    assert isinstance(error, Transient)
    assert error.message.isprintable()
    assert len(error.message) < 400


# In an open connection.


@texts
async def test_who_connects_to_a_remote_forward(ssh_bed: SshBed, text: str) -> None:
    """The name is passed on to nobody, and the stream is one like others."""

    class Listening(Liar):
        @override
        def server_requested(self, listen_host: str, listen_port: int) -> Any:
            return asyncssh.SSHListener()

    liar = Listening()
    async with tunnelled(ssh_bed, liar, PATIENCE) as forwarding:
        with serve("echo") as echo:
            forward = await forwarding.open(f"-R 8888:localhost:{echo.port}")
            reader, writer = await liar.connection.open_connection(
                "localhost", 8888, orig_host=text, orig_port=2**32 - 1, encoding=None
            )
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            writer.close()
            await forwarding.until(lambda: forward.streams_open == 0)
        assert forward.last_error is None


@texts
async def test_what_is_said_unasked(ssh_bed: SshBed, text: str) -> None:
    liar = Liar()
    async with tunnelled(ssh_bed, liar, PATIENCE) as forwarding:
        with serve("echo") as echo:
            forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
            for _ in range(20):
                liar.connection.send_debug(text, lang="\x1b[31m", always_display=True)
                name = text.encode("ascii", "replace")
                liar.connection._send_global_request(name, want_reply=False)
            assert await ask(forward.bound, b"goes on") == b"goes on"


class Printing(Liar):
    """Answers each command with a text on standard error, and fails."""

    def __init__(self, text: str, signal: str | None) -> None:
        self._text = text
        self._signal = signal

    @override
    def session_requested(self) -> Any:
        return self._answer

    async def _answer(self, stdin: Any, stdout: Any, stderr: Any) -> None:
        stderr.write(self._text.encode())
        if self._signal is None:
            stdout.channel.exit(1)
        else:
            stdout.channel.exit_with_signal(self._signal, False, self._text)


@pytest.mark.parametrize("signal", [None, "\x1b[31mKILL"], ids=["status", "signal"])
@texts
async def test_what_a_command_complains_of(ssh_bed: SshBed, text: str, signal: str | None) -> None:
    async with tunnelled(ssh_bed, Printing(text, signal), PATIENCE) as forwarding:
        with pytest.raises(Fatal) as caught:
            await connection_of(forwarding).read_file("kernel.json")
        assert_shown_plainly(caught.value)
        assert caught.value.code == "not_found"
        await goes_on(forwarding)


async def test_a_command_that_complains_for_megabytes(ssh_bed: SshBed) -> None:
    async with tunnelled(ssh_bed, Printing(HUGE * 20, None), PATIENCE) as forwarding:
        with pytest.raises(Fatal, match="wrote more than 1 MiB") as caught:
            await connection_of(forwarding).read_file("kernel.json")
        assert caught.value.code == "too_many"
        await goes_on(forwarding)


async def goes_on(forwarding: Forwarding) -> None:
    """The connection of those forwards works."""
    with serve("echo") as echo:
        forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
        assert await ask(forward.bound, b"goes on") == b"goes on"
