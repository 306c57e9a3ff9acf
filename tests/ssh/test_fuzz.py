"""What a host says, in places where it may say anything: shown plainly, and nothing breaks."""

import asyncio
import contextlib
import socket
from typing import Any

import asyncssh
import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from typing_extensions import override

from jupyter_remote_tunnel.model.errors import RemoteTunnelError
from tests.ssh.support import (
    PATIENCE,
    ask,
    assert_shown_plainly,
    connect,
    connection_of,
    tunnelled,
)
from tests.support.fuzzing import mutated_bytes, share, texts
from tests.support.lying_host import Liar
from tests.support.sshd import SshBed, Sshd

# Seconds in which an attempt has to be over.
BOUND = 30

pytestmark = pytest.mark.usefixtures("no_traceback")


# asyncssh sends no others.
sayable = texts.map(lambda text: text.encode("utf-8", "ignore").decode())
codes = st.integers(0, 5) | st.integers(0, 2**32 - 1)


class Rude(Liar):
    """Refuses every stream with the code and the words that it was given."""

    words: tuple[int, str] = (1, "")

    @override
    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Any:
        raise asyncssh.ChannelOpenError(*self.words)


@share(0.3)
@given(refusals=st.lists(st.tuples(codes, sayable), max_size=9))
async def test_whatever_the_reason_of_a_refusal(refusals: list[tuple[int, str]]) -> None:
    rude = Rude()
    with SshBed() as bed:
        async with asyncio.timeout(BOUND), tunnelled(bed, rude, PATIENCE) as forwarding:
            forward = await forwarding.open("-L 0:localhost:1")
            for rude.words in refusals:
                with contextlib.suppress(ConnectionResetError):
                    await ask(forward.bound, b"hello")
                assert forward.last_error is not None
                assert_shown_plainly(forward.last_error)


@share(0.3)
@given(code=codes, text=sayable)
async def test_whatever_the_reason_of_a_disconnect(code: int, text: str) -> None:
    liar = Liar()
    with SshBed() as bed:
        async with asyncio.timeout(BOUND), tunnelled(bed, liar, PATIENCE) as forwarding:
            liar.connection.disconnect(code, text)
            assert_shown_plainly(await connection_of(forwarding).lost)


@pytest.fixture
def greeting(sshd: Sshd) -> bytes:
    """What a real sshd says first: its version, and the algorithms that it knows."""
    with socket.create_connection((sshd.address, sshd.port)) as client:
        client.sendall(b"SSH-2.0-x\r\n")
        said = b""
        while len(said) < 500:
            said += client.recv(4096)
    return said


@share(0.5)
@given(data=st.data())
async def test_whatever_the_greeting(ssh_bed: SshBed, greeting: bytes, data: st.DataObject) -> None:
    banner = data.draw(st.lists(st.binary(max_size=40) | texts.map(_utf8), max_size=3))
    said = b"\r\n".join([*banner, data.draw(mutated_bytes(greeting))])
    note(f"{said!r}")

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(said)
            await reader.read(1)
            writer.close()
            await writer.wait_closed()

    host = ssh_bed.hosts["gpu01"]
    host.stop()
    async with asyncio.timeout(BOUND), await asyncio.start_server(talk, host.address, host.port):
        with pytest.raises(RemoteTunnelError) as caught:
            async with connect(ssh_bed, "gpu01"):
                pass
    assert_shown_plainly(caught.value)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
