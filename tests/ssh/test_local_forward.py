"""-L over a real sshd: the contract of a stream, and a listener that outlives its connections."""

import asyncio
import contextlib
import fcntl
import socket
import sys
import termios
from asyncio.trsock import TransportSocket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.address import TcpAddress, parse_address
from jupyter_remote_tunnel.model.errors import Fatal, Transient
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.ssh import base_forward
from jupyter_remote_tunnel.ssh.connection import Connection
from jupyter_remote_tunnel.ssh.local_forward import LocalForward
from tests.ssh.support import (
    MANY,
    PATIENCE,
    Forwarding,
    ask,
    connect,
    descriptors,
    dial,
    dialled,
    forwarding_to,
    hit_and_run,
    no_channels,
    stands_still,
    task_names,
)
from tests.support.echo import digest, pattern, reset_at_close, serve
from tests.support.sshd import SshBed, Sshd


async def test_a_stream_goes_both_ways_and_is_counted(forwarding: Forwarding) -> None:
    with serve("echo") as echo:
        forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
        assert await ask(forward.bound, b"hello") == b"hello"
        await forwarding.until(lambda: forward.streams_open == 0)
        assert (forward.streams_total, forward.bytes_in, forward.bytes_out) == (1, 5, 5)
        assert forward.last_error is None


async def test_both_loopback_addresses_listen_on_one_port(forwarding: Forwarding) -> None:
    with serve("echo") as echo:
        forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
        assert forward.bound is not None
        host, _, port = forward.bound.rpartition(":")
        assert host == "127.0.0.1"
        assert await ask(f"[::1]:{port}", b"six") == b"six"


async def test_no_end_of_a_message_is_held_back(forwarding: Forwarding) -> None:
    """Until what was sent before is acknowledged, which takes the client's system 40 ms."""
    with serve("echo") as echo:
        forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
        async with dialled(forward.bound) as (reader, writer):
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            (relay,) = forward._relays
            assert relay.transport is not None
            accepted = relay.transport.get_extra_info("socket")
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


@pytest.mark.parametrize(
    ("listens", "unix"), [("0", True), ("private", False), ("private/x-1", True)]
)
async def test_sockets_on_either_side(forwarding: Forwarding, listens: str, unix: bool) -> None:
    with serve("echo", unix=unix) as echo:
        to = echo.path if unix else f"localhost:{echo.port}"
        forward = await forwarding.open(f"-L {listens}:{to}")
        assert await ask(forward.bound, b"hello") == b"hello"


async def test_a_private_socket_is_ours_alone_and_gone_at_the_end(forwarding: Forwarding) -> None:
    forward = await forwarding.open("-L private/app:localhost:1")
    path = Path(forward.bound or "")
    assert path == forwarding.folder / "app"
    assert path.stat().st_mode & 0o777 == 0o600
    await forward.close()
    assert not path.exists()


async def test_upload_arrives_whole(forwarding: Forwarding) -> None:
    with serve("sink") as sink:
        forward = await forwarding.open(f"-L 0:localhost:{sink.port}")
        answer = await ask(forward.bound, pattern(MANY))
        assert answer.decode() == digest(pattern(MANY))
        await forwarding.until(lambda: forward.streams_open == 0)
        assert forward.bytes_out == MANY


async def test_download_arrives_whole(forwarding: Forwarding) -> None:
    with serve("source", size=MANY) as source:
        forward = await forwarding.open(f"-L 0:localhost:{source.port}")
        assert digest(await ask(forward.bound, b"")) == digest(pattern(MANY))
        await forwarding.until(lambda: forward.streams_open == 0)
        assert forward.bytes_in == MANY


@pytest.mark.parametrize("hops", [2, 3])
async def test_streams_through_jump_hosts(ssh_bed: SshBed, hops: int) -> None:
    ssh_bed.host("hop1")
    for number in range(2, hops + 1):
        ssh_bed.host(f"hop{number}", client=[f"ProxyJump hop{number - 1}"])
    with serve("sink") as sink, serve("source", size=MANY // 4) as source:
        async with forwarding_to(ssh_bed, f"hop{hops}") as forwarding:
            up = await forwarding.open(f"-L 0:localhost:{sink.port}")
            down = await forwarding.open(f"-L 0:localhost:{source.port}")
            sent, got = await asyncio.gather(
                ask(up.bound, pattern(MANY // 4)), ask(down.bound, b"")
            )
            assert sent.decode() == digest(got) == digest(pattern(MANY // 4))


async def test_the_client_ends_first_and_still_gets_the_reply(forwarding: Forwarding) -> None:
    with serve("reply") as server:
        forward = await forwarding.open(f"-L 0:localhost:{server.port}")
        assert await ask(forward.bound, b"x" * 1000) == b"got 1000 bytes"


async def test_the_server_ends_first_and_still_gets_the_rest(forwarding: Forwarding) -> None:
    with serve("half_close") as server:
        forward = await forwarding.open(f"-L 0:localhost:{server.port}")
        async with dialled(forward.bound) as (reader, writer):
            assert await reader.read() == b"hello"
            writer.write(b"x" * 1000)
            await writer.drain()
            await asyncio.to_thread(server.wait_for, lambda s: s.received == 1000)
        await forwarding.until(lambda: forward.streams_open == 0)


async def test_what_the_client_sends_before_the_channel_is_open_is_kept(
    forwarding: Forwarding,
) -> None:
    """The stream waits for its connection: all that is sent meanwhile arrives, in order."""
    connection, forwarding.connection = forwarding.connection, None
    assert connection is not None
    with serve("sink") as sink:
        forward = await forwarding.open(f"-L 0:localhost:{sink.port}")
        async with dialled(forward.bound) as (reader, writer):
            data = pattern(1 << 20)
            writer.write(data)
            writer.write_eof()
            await forwarding.until(lambda: forward.streams_open == 1)
            await forward.attach(connection)
            assert (await reader.read()).decode() == digest(data)


async def test_a_reader_that_stops_holds_the_sender_back(
    forwarding: Forwarding, connection: Connection
) -> None:
    """Remote → local: nothing piles up (see `test_window`), and nothing is lost."""
    with serve("source", size=MANY) as source:
        forward = await forwarding.open(f"-L 0:localhost:{source.port}")
        async with dialled(forward.bound) as (reader, _):
            await reader.readexactly(1)
            taken = await stands_still(lambda: forward.bytes_in, connection)
            kernel = 16 << 20  # sockets' own buffers grow; they are not ours
            assert taken <= kernel < MANY
            rest = await reader.read()
        assert digest(pattern(1) + rest) == digest(pattern(MANY))


async def test_a_server_that_does_not_read_holds_the_client_back(
    forwarding: Forwarding, connection: Connection
) -> None:
    """Local → remote: the client cannot push more than the buffers on the way hold."""
    with serve("silent") as server:
        forward = await forwarding.open(f"-L 0:localhost:{server.port}")
        async with dialled(forward.bound) as (_, writer):
            writer.write(pattern(MANY))
            taken = await stands_still(lambda: forward.bytes_out, connection)
            kernel = 16 << 20  # sockets' own buffers and sshd's channel; they are not ours
            assert 0 < taken <= kernel < MANY
            await connection.exec(["true"])
            assert forward.bytes_out == taken
            channel = next(iter(connection._ssh._channels.values()))
            assert channel.get_write_buffer_size() < 1 << 20


async def test_a_client_that_resets_while_it_is_not_read_is_noticed(
    forwarding: Forwarding, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_forward, "LOOK_EVERY", 0.02)
    with serve("silent") as server:
        forward = await forwarding.open(f"-L 0:localhost:{server.port}")
        async with dialled(forward.bound) as (_, writer):
            writer.write(pattern(MANY))
            assert await stands_still(lambda: forward.bytes_out, connection) < MANY
            reset_at_close(writer.get_extra_info("socket"))
            writer.transport.abort()
        await forwarding.until(lambda: forward.streams_open == 0)


async def test_a_client_that_leaves_as_the_last_of_a_stream_is_written_is_no_error(
    forwarding: Forwarding, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of what came is passed on when the last byte is written; nobody is there by then, and
    nobody has noticed, as the client had sent too much to be read."""
    monkeypatch.setattr(base_forward, "LOOK_EVERY", 0.02)
    wrong: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
    size = 8 * _SMALL  # bytes; more than the system takes of them, as little as goes in one write
    with serve("silent", size=size) as server, socket.socket() as client:
        forward = await forwarding.open(f"-L 0:localhost:{server.port}")
        address = parse_address(forward.bound or "")
        assert isinstance(address, TcpAddress)
        assert isinstance(forward, LocalForward)
        for listening in forward._servers[0].sockets:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SMALL)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, (address.host, address.port))
        await forwarding.until(lambda: forward.streams_open == 1)
        (relay,) = forward._relays
        while relay.transport is None:
            await connection.rtt()
        await stands_still(lambda: _fill(client), connection)
        await forwarding.until(lambda: relay._remote_ended)
        assert relay.transport.get_write_buffer_size() > 0
        near = relay.transport.get_extra_info("socket")
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)  # all of that goes at once
        while _not_acknowledged(near):
            _drain(client)
        _drain(client)  # it leaves without a reset
        client.close()
        await forwarding.until(lambda: forward.streams_open == 0)
    assert wrong == []


_SMALL = 4096  # bytes of a socket's buffer: what does not go into it waits here


def _fill(client: socket.socket) -> int:
    """Send what there is room for; how many bytes that were."""
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sent += client.send(pattern(1 << 16))
    return sent


def _not_acknowledged(near: TransportSocket) -> int:
    """Bytes that the system holds for the other end."""
    return int.from_bytes(fcntl.ioctl(near.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def _drain(client: socket.socket) -> None:
    """Read what is there."""
    with contextlib.suppress(BlockingIOError):
        while client.recv(1 << 16):
            pass


async def test_a_refused_destination_resets_the_client_and_keeps_the_reason(
    forwarding: Forwarding,
) -> None:
    with serve("echo") as echo:
        port = echo.port
    forward = await forwarding.open(f"-L 0:localhost:{port}")
    with pytest.raises(ConnectionResetError):
        await ask(forward.bound, b"hello")
    await forwarding.until(lambda: forward.streams_open == 0)
    error = forward.last_error
    assert isinstance(error, Fatal)
    assert error.code == "forward_refused"
    assert error.hop == "gpu01"
    assert f"localhost:{port}" in error.message
    assert "Connection refused" in error.message


async def test_a_success_clears_the_last_error(forwarding: Forwarding) -> None:
    with serve("echo") as echo:
        port = echo.port
    forward = await forwarding.open(f"-L 0:localhost:{port}")
    before = datetime.now(UTC)
    with pytest.raises(ConnectionResetError):
        await ask(forward.bound, b"hello")
    assert forward.last_error is not None
    assert forward.failed_at is not None
    assert before <= forward.failed_at <= datetime.now(UTC)
    with serve("echo", port=port):
        assert await ask(forward.bound, b"hello") == b"hello"
        await forwarding.until(lambda: forward.failed_at is None)
        assert forward.last_error is None


async def test_a_socket_that_is_not_there_and_one_that_is_forbidden_read_the_same(
    forwarding: Forwarding,
) -> None:
    forward = await forwarding.open("-L private:/nowhere/socket")
    assert await ask(forward.bound, b"hello") == b""
    await forwarding.until(lambda: forward.last_error is not None)
    assert forward.last_error is not None
    assert "/nowhere/socket" in forward.last_error.message
    assert "AllowStreamLocalForwarding" in forward.last_error.hint
    assert "nothing listens" in forward.last_error.hint


async def test_a_server_that_forbids_forwards_is_named(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", server=["AllowTcpForwarding no"])
    async with forwarding_to(ssh_bed, "gpu01") as forwarding:
        forward = await forwarding.open("-L 0:localhost:5006")
        with pytest.raises(ConnectionResetError):
            await ask(forward.bound, b"hello")
        await forwarding.until(lambda: forward.last_error is not None)
        assert forward.last_error is not None
        assert "does not allow" in forward.last_error.message
        assert "AllowTcpForwarding" in forward.last_error.hint


async def test_a_destination_that_resets_ends_the_stream(forwarding: Forwarding) -> None:
    with serve("reset") as server:
        forward = await forwarding.open(f"-L 0:localhost:{server.port}")
        async with dialled(forward.bound) as (reader, writer):
            writer.write(b"once")
            assert await reader.read() == b"once"
            writer.close()
        await forwarding.until(lambda: forward.streams_open == 0)


async def test_clients_that_abort_while_their_channel_opens_leave_nothing(
    forwarding: Forwarding, connection: Connection
) -> None:
    with serve("echo") as echo:
        forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
        assert await ask(forward.bound, b"warm") == b"warm"
        await forwarding.until(lambda: forward.streams_open == 0)
        await no_channels(connection)
        before = descriptors(), task_names()
        for number in range(500):
            hit_and_run(forward.bound, b"x" * (number % 3), rst=number % 2 == 0)
            if number % 50 == 0:
                assert await ask(forward.bound, b"still") == b"still"
        await forwarding.until(lambda: forward.streams_total >= 510 and not forward.streams_open)
        await no_channels(connection)
        assert (descriptors(), task_names()) == before
        assert not connection.lost.done()


async def test_a_stream_survives_until_the_connection_is_back(
    forwarding: Forwarding, connection: Connection, ssh_bed: SshBed, sshd: Sshd
) -> None:
    with serve("echo") as echo:
        forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
        bound = forward.bound
        async with dialled(bound) as (reader, writer):
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            sshd.kill()
            reason = await connection.lost
            assert isinstance(reason, Transient)
            forward.detach(reason)
            with pytest.raises(ConnectionResetError):
                await reader.read()
        waiting = asyncio.get_running_loop().create_task(ask(bound, b"again"), name="waits")
        await forwarding.until(lambda: forward.streams_open == 1)
        sshd.start()
        async with connect(ssh_bed, "gpu01") as second:
            await forward.attach(second)
            assert await waiting == b"again"
            assert forward.bound == bound


async def test_a_stream_does_not_wait_for_ever(ssh_bed: SshBed) -> None:
    async with Forwarding(None, EngineSettings(stream_wait=0.1)) as forwarding:
        forward = await forwarding.open("-L 0:localhost:1")
        forward.detach(Transient("The connection to gpu01 was lost.", code="connection_lost"))
        with pytest.raises(ConnectionResetError):
            await ask(forward.bound, b"")
        await forwarding.until(lambda: forward.streams_open == 0)
        assert forward.last_error is not None
        assert "The connection to gpu01 was lost." in forward.last_error.message


async def test_too_many_streams_are_refused(connection: Connection) -> None:
    async with Forwarding(connection, EngineSettings(max_streams=2)) as forwarding:
        with serve("echo") as echo:
            forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
            async with dialled(forward.bound), dialled(forward.bound):
                await asyncio.to_thread(echo.wait_for, lambda server: server.live == 2)
                await connection.rtt()
                with pytest.raises(ConnectionResetError):
                    await ask(forward.bound, b"third")
                assert forward.last_error is not None
                assert forward.last_error.code == "too_many"


async def test_close_resets_streams_and_frees_the_port(
    forwarding: Forwarding, connection: Connection
) -> None:
    with serve("echo") as echo:
        forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
        async with dialled(forward.bound) as (reader, writer):
            writer.write(b"x")
            await reader.readexactly(1)
            await forward.close()
            with pytest.raises(ConnectionResetError):
                await reader.read()
        with pytest.raises(ConnectionRefusedError):
            await dial(forward.bound)
        assert forward.streams_open == 0
        await no_channels(connection)
        await forward.close()


async def test_drain_lets_running_streams_end(forwarding: Forwarding) -> None:
    with serve("echo") as echo:
        forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
        async with dialled(forward.bound) as (reader, writer):
            writer.write(b"x")
            await reader.readexactly(1)
            draining = asyncio.get_running_loop().create_task(forward.drain(PATIENCE), name="drain")
            await asyncio.sleep(0)  # it begins
            with pytest.raises(ConnectionRefusedError):
                await dial(forward.bound)
            writer.write(b"more")
            assert await reader.readexactly(4) == b"more"
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
            await draining


async def test_drain_ends_after_its_time(forwarding: Forwarding) -> None:
    with serve("echo") as echo:
        forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
        async with dialled(forward.bound) as (reader, writer):
            writer.write(b"x")
            await reader.readexactly(1)
            await forward.drain(0.05)
            with pytest.raises(ConnectionResetError):
                await reader.read()


async def test_closing_while_a_stream_waits_for_its_connection() -> None:
    async with Forwarding(None, EngineSettings()) as forwarding:
        forward = await forwarding.open("-L 0:localhost:1")
        async with dialled(forward.bound) as (reader, _):
            await forwarding.until(lambda: forward.streams_open == 1)
            await forward.close()
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        assert forward.streams_open == 0
