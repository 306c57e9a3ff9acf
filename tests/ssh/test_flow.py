"""What waits on a line that stands still, and what is written at once on one that does not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.ssh.connection import Connection
from jupyter_remote_tunnel.ssh.flow import Flow
from jupyter_remote_tunnel.ssh.wire import WIRE_BUFFER
from tests.ssh.support import Forwarding, ask, connect, dialled, forwarding_to
from tests.support.echo import digest, pattern, serve
from tests.support.process import wait_until
from tests.support.relay import Relay
from tests.support.sshd import SshBed

STREAMS = 20
EACH = 4 << 20


@contextlib.asynccontextmanager
async def over_a_wire(bed: SshBed, wire: Relay, hops: int) -> AsyncIterator[Connection]:
    """A connection whose first hop goes through a relay with knobs."""
    first = bed.hosts["hop1"]
    first.client += [f"Port {wire.port}", f"HostKeyAlias [127.0.0.1]:{first.port}"]
    bed.write_config()
    # What comes first wins, and the bed writes the real port first.
    text = bed.config_file.read_text().replace(f"    Port {first.port}\n", "", 1)
    bed.config_file.write_text(text)
    async with connect(bed, f"hop{hops}") as connection:
        yield connection


@pytest.mark.parametrize("hops", [1, 2])
async def test_a_line_that_stands_still_holds_every_sender_back(ssh_bed: SshBed, hops: int) -> None:
    sshd = ssh_bed.host("hop1")
    data = pattern(EACH)
    if hops == 2:
        ssh_bed.host("hop2", client=["ProxyJump hop1"])
    with serve("sink") as sink, Relay("127.0.0.1", sshd.port) as wire:
        async with (
            over_a_wire(ssh_bed, wire, hops) as connection,
            Forwarding(connection, EngineSettings()) as forwarding,
        ):
            forward = await forwarding.open(f"-L 0:localhost:{sink.port}")
            async with contextlib.AsyncExitStack() as stack:
                streams = [
                    await stack.enter_async_context(dialled(forward.bound)) for _ in range(STREAMS)
                ]
                for _, writer in streams:
                    writer.write(data[:1])
                await asyncio.to_thread(sink.wait_for, lambda server: server.received == STREAMS)
                wire.freeze()
                for _, writer in streams:
                    writer.write(data[1:])
                    writer.write_eof()
                await asyncio.to_thread(
                    wait_until,
                    lambda: all(relay._held for relay in list(forward._relays)),
                    "every sender to be held",
                )
                waiting = sum(flow.transport.get_write_buffer_size() for flow in flows(connection))
                # Each sender may have written once more before it was told.
                assert waiting < WIRE_BUFFER + (STREAMS + 2) * (256 << 10) < STREAMS * EACH
                wire.thaw()
                answers = await asyncio.gather(*(reader.read() for reader, _ in streams))
                assert {answer.decode() for answer in answers} == {digest(data)}


def flows(connection: Connection) -> Iterator[Flow]:
    """The flow of a connection and of those that carry it."""
    flow: Flow | None = connection.flow
    while flow is not None:
        yield flow
        flow = flow._below


async def test_small_messages_are_not_held_back(forwarding: Forwarding) -> None:
    with serve("echo") as echo:
        forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
        async with asyncio.timeout(20), dialled(forward.bound) as (reader, writer):
            for number in range(300):
                message = bytes([number % 256]) * (1 + number % 100)
                writer.write(message)
                assert await reader.readexactly(len(message)) == message


async def test_many_streams_at_once_are_whole(forwarding: Forwarding) -> None:
    with serve("sink") as sink, serve("source", size=1 << 20) as source:
        up = await forwarding.open(f"-L 0:localhost:{sink.port}")
        down = await forwarding.open(f"-L 0:localhost:{source.port}")
        sent, got = pattern(1 << 20), digest(pattern(1 << 20))
        answers = await asyncio.gather(
            *(ask(up.bound, sent) for _ in range(50)), *(ask(down.bound, b"") for _ in range(50))
        )
        assert {answer.decode() for answer in answers[:50]} == {got}
        assert {digest(answer) for answer in answers[50:]} == {got}


@pytest.mark.parametrize("cipher", ["aes128-ctr", "chacha20-poly1305@openssh.com"])
async def test_rekeying_loses_nothing(ssh_bed: SshBed, cipher: str) -> None:
    """sshd asks for new keys every 1 MiB, in both directions, with a transfer each."""
    ssh_bed.host("gpu01", server=["RekeyLimit 1M"])
    options = SshOptions(config_file=str(ssh_bed.config_file), ciphers=cipher)
    with serve("sink") as sink, serve("source", size=16 << 20) as source:
        async with forwarding_to(ssh_bed, "gpu01", options) as forwarding:
            up = await forwarding.open(f"-L 0:localhost:{sink.port}")
            down = await forwarding.open(f"-L 0:localhost:{source.port}")
            sent, got = await asyncio.gather(ask(up.bound, pattern(16 << 20)), ask(down.bound, b""))
            assert sent.decode() == digest(got) == digest(pattern(16 << 20))
