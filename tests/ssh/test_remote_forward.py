"""-R over a real sshd: ports and sockets on the remote host, streams to this machine, SOCKS."""

import asyncio
import gc
import socket
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.errors import Fatal, Transient
from jupyter_remote_tunnel.ssh.connection import Connection
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
    task_names,
)
from tests.support.echo import digest, pattern, serve
from tests.support.ports import ReservedPort
from tests.support.sshd import SshBed, Sshd


async def test_a_port_of_the_remote_host_reaches_this_machine(forwarding: Forwarding) -> None:
    with serve("echo") as echo:
        forward = await forwarding.open(f"-R 0:localhost:{echo.port}")
        assert forward.bound is not None
        host, _, port = forward.bound.rpartition(":")
        assert host == "localhost"
        assert int(port) > 0
        assert await ask(forward.bound, b"hello") == b"hello"
        await forwarding.until(lambda: forward.streams_open == 0)
        assert (forward.streams_total, forward.bytes_in, forward.bytes_out) == (1, 5, 5)


async def test_it_listens_only_while_it_is_open(forwarding: Forwarding) -> None:
    forward = await forwarding.open("-R 0:localhost:1")
    await forward.close()
    with pytest.raises(ConnectionRefusedError):
        await dial(forward.bound)


async def test_sockets_on_both_sides(forwarding: Forwarding, short_dir: Path) -> None:
    with serve("echo", unix=True) as echo:
        forward = await forwarding.open(f"-R {short_dir}/there:{echo.path}")
        assert forward.bound == f"{short_dir}/there"
        assert await ask(forward.bound, b"hello") == b"hello"


@pytest.mark.parametrize("unix", [False, True])
async def test_a_destination_is_told_first_who_connected(
    forwarding: Forwarding, unix: bool
) -> None:
    with serve("echo", unix=unix) as echo:
        to = echo.path if unix else f"localhost:{echo.port}"
        forward = await forwarding.open(f"-R 0:{to}", proxy_protocol=True)
        port = int((forward.bound or "").rpartition(":")[2])
        async with asyncio.timeout(PATIENCE), dialled(forward.bound) as (reader, writer):
            writer.write(b"PROXY TCP4 192.0.2.1 0.0.0.0 1 1\r\n")
            writer.write_eof()
            told, forged = (await reader.read()).splitlines(keepends=True)
            ours = writer.get_extra_info("sockname")
        address = ours[0]
        kind, any_address = ("TCP6", "::") if ":" in address else ("TCP4", "0.0.0.0")
        line = f"PROXY {kind} {address} {any_address} {ours[1]} {port}\r\n"
        assert (told, forged) == (line.encode(), b"PROXY TCP4 192.0.2.1 0.0.0.0 1 1\r\n")


async def test_who_came_by_a_socket_there_is_not_known(
    forwarding: Forwarding, short_dir: Path
) -> None:
    with serve("echo", unix=True) as echo:
        spec = f"-R {short_dir}/there:{echo.path}"
        forward = await forwarding.open(spec, proxy_protocol=True)
        assert await ask(forward.bound, b"hello") == b"PROXY UNKNOWN\r\nhello"


async def test_uploads_and_downloads_arrive_whole(forwarding: Forwarding) -> None:
    with serve("sink") as sink, serve("source", size=MANY) as source:
        to_sink = await forwarding.open(f"-R 0:localhost:{sink.port}")
        to_source = await forwarding.open(f"-R 0:localhost:{source.port}")
        sent = await ask(to_sink.bound, pattern(MANY))
        got = await ask(to_source.bound, b"")
        assert sent.decode() == digest(got) == digest(pattern(MANY))


async def test_half_close_both_ways(forwarding: Forwarding) -> None:
    with serve("reply") as reply, serve("half_close") as half_close:
        forward = await forwarding.open(f"-R 0:localhost:{reply.port}")
        assert await ask(forward.bound, b"x" * 1000) == b"got 1000 bytes"
        forward = await forwarding.open(f"-R 0:localhost:{half_close.port}")
        async with dialled(forward.bound) as (reader, writer):
            assert await reader.read() == b"hello"
            writer.write(b"x" * 1000)
            await asyncio.to_thread(half_close.wait_for, lambda s: s.received == 1000)


async def test_a_name_that_dns_cannot_hold_is_refused(forwarding: Forwarding) -> None:
    forward = await forwarding.open("-R 0")
    for name in (b"a" * 70, b"\xff" * 10, b"a..b"):
        request = b"\5\1\0" + b"\5\1\0\3" + bytes([len(name)]) + name + b"\0\x50"
        answer = await ask(forward.bound, request)
        assert answer, "it is refused, not left open"
        assert not answer.startswith(b"\5\0\5\0")
    await forwarding.until(lambda: forward.streams_open == 0)


async def test_a_busy_port_there_is_refused(forwarding: Forwarding) -> None:
    with serve("echo") as echo, serve("echo", host="::1", port=echo.port):
        with pytest.raises(Fatal, match=f"does not listen on port {echo.port}") as caught:
            await forwarding.open(f"-R {echo.port}:localhost:1")
        assert (caught.value.code, caught.value.hop) == ("forward_refused", "gpu01")
        assert "in use" in caught.value.hint


async def test_an_sshd_that_forbids_it(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", server=["AllowTcpForwarding local"])
    async with forwarding_to(ssh_bed, "gpu01") as forwarding:
        forward = forwarding.make("-R 0:localhost:1")
        assert forwarding.connection is not None
        with pytest.raises(Fatal, match="does not listen on a free port") as caught:
            await forward.attach(forwarding.connection)
        assert "AllowTcpForwarding" in caught.value.hint
        assert forward.last_error is caught.value
        assert forward.failed_at is None  # that of a stream


async def test_a_refused_destination_keeps_the_reason_and_the_connection(
    forwarding: Forwarding, connection: Connection
) -> None:
    with serve("echo") as echo:
        port = echo.port
    forward = await forwarding.open(f"-R 0:localhost:{port}")
    assert await ask(forward.bound, b"") == b""
    await forwarding.until(lambda: forward.last_error is not None)
    assert f"This machine could not connect to localhost:{port}" in str(forward.last_error)
    assert forward.failed_at is not None
    with serve("echo", port=port):
        assert await ask(forward.bound, b"hello") == b"hello"
        await forwarding.until(lambda: forward.last_error is None)
    assert not connection.lost.done()


async def test_the_same_port_again_on_the_next_connection(
    forwarding: Forwarding, connection: Connection, ssh_bed: SshBed, sshd: Sshd
) -> None:
    with serve("echo") as echo:
        forward = await forwarding.open(f"-R 0:localhost:{echo.port}")
        bound = forward.bound
        async with dialled(bound) as (reader, writer):
            writer.write(b"x")
            await reader.readexactly(1)
            sshd.kill()
            reason = await connection.lost
            forward.detach(reason)
        await forwarding.until(lambda: forward.streams_open == 0)
        sshd.start()
        async with connect(ssh_bed, "gpu01") as second:
            await forward.attach(second)
            assert forward.bound == bound
            assert await ask(bound, b"hello") == b"hello"


async def test_attaching_to_a_lost_connection_is_transient(
    forwarding: Forwarding, connection: Connection, sshd: Sshd
) -> None:
    sshd.kill()
    await connection.lost
    forward = forwarding.make("-R 0:localhost:1")
    with pytest.raises(Transient):
        await forward.attach(connection)


async def test_streams_that_come_and_go_leave_nothing(
    forwarding: Forwarding, connection: Connection
) -> None:
    with serve("echo") as echo:
        forward = await forwarding.open(f"-R 0:localhost:{echo.port}")
        assert await ask(forward.bound, b"warm") == b"warm"
        await no_channels(connection)
        before = descriptors(), task_names()
        for _ in range(200):
            hit_and_run(forward.bound)
        assert await ask(forward.bound, b"still") == b"still"
        await forwarding.until(lambda: forward.streams_open == 0)
        await no_channels(connection)
        assert (descriptors(), task_names()) == before


async def test_closing_while_a_destination_is_being_connected(
    forwarding: Forwarding, connection: Connection
) -> None:
    """Its accept queue is full, so that connecting to it takes for ever."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        port = busy.getsockname()[1]
        fillers = [fill(port) for _ in range(4)]
        forward = await forwarding.open(f"-R 0:127.0.0.1:{port}")
        async with dialled(forward.bound) as (reader, _):
            await forwarding.until(lambda: forward.streams_open == 1)
            await forward.close()
            assert await reader.read() == b""
        for filler in fillers:
            filler.close()
        await no_channels(connection)
        assert not any(name.startswith("connect to") for name in task_names())


def fill(port: int) -> socket.socket:
    """Start to connect, and do not wait for it."""
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(("127.0.0.1", port))
    return client


@pytest.mark.parametrize("gateway_ports", ["no", "clientspecified"])
async def test_all_interfaces_are_asked_for(ssh_bed: SshBed, gateway_ports: str) -> None:
    ssh_bed.host("gpu01", server=[f"GatewayPorts {gateway_ports}"])
    with serve("echo") as echo, ReservedPort() as port:
        async with forwarding_to(ssh_bed, "gpu01") as forwarding:
            forward = await forwarding.open(f"-R :{port.number}:localhost:{echo.port}")
            assert await ask(f"127.0.0.1:{port.number}", b"hello") == b"hello"
            public = gateway_ports != "no"
            assert listens_everywhere(port.number) == public
            assert forward.bound == (f"*:{port.number}" if public else f"localhost:{port.number}")


def listens_everywhere(port: int) -> bool:
    """Whether anything listens on that port of all interfaces."""
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = {line.split()[1] for line in table if line.split()[3] == "0A"}
    return f"00000000:{port:04X}" in listening


async def socks_5(bound: str | None, host: bytes, port: int, behind: bytes = b"") -> bytes:
    """Ask a SOCKS 5 server for a destination; its reply and all that comes behind."""
    request = b"\5\1\0\3" + bytes([len(host)]) + host + port.to_bytes(2)
    return await ask(bound, b"\5\1\0" + request + behind)


async def test_socks_on_the_remote_host(forwarding: Forwarding) -> None:
    with serve("echo") as echo:
        forward = await forwarding.open("-R 0")
        answer = await socks_5(forward.bound, b"localhost", echo.port, b"hello")
        assert answer == b"\5\0" + b"\5\0\0\1" + bytes(6) + b"hello"
        await forwarding.until(lambda: forward.streams_open == 0)
        assert forward.last_error is None


async def test_a_socks_client_on_the_remote_host_that_has_said_all_at_once(
    forwarding: Forwarding,
) -> None:
    wrong: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
    with serve("reply") as reply:
        forward = await forwarding.open("-R 0")
        answer = await socks_5(forward.bound, b"localhost", reply.port, b"hello")
        assert answer.endswith(b"got 5 bytes")
    await forwarding.until(lambda: forward.streams_open == 0)
    gc.collect()  # a task that nobody waits for is told of then
    assert wrong == []


async def test_socks_on_the_remote_host_brings_all_that_is_sent(forwarding: Forwarding) -> None:
    with serve("sink") as sink, serve("source", size=MANY) as source:
        forward = await forwarding.open("-R 0")
        sent = await socks_5(forward.bound, b"localhost", sink.port, pattern(MANY))
        got = await socks_5(forward.bound, b"127.0.0.1", source.port)
        assert sent[12:].decode() == digest(got[12:]) == digest(pattern(MANY))


async def test_socks_on_the_remote_host_says_why_not(
    forwarding: Forwarding, connection: Connection
) -> None:
    with serve("echo") as echo:
        port = echo.port
    forward = await forwarding.open("-R 0")
    assert (await socks_5(forward.bound, b"127.0.0.1", port))[2:4] == b"\5\5"
    assert f"127.0.0.1:{port}" in str(forward.last_error)
    with serve("echo") as echo:
        assert (await socks_5(forward.bound, b"127.0.0.1", echo.port))[2:4] == b"\5\0"
    assert forward.last_error is None
    assert await ask(forward.bound, b"nonsense") == b""
    assert (await ask(forward.bound, b"GET / HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.0 400")
    assert await ask(forward.bound, b"\5\1") == b""
    await forwarding.until(lambda: forward.streams_open == 0)
    await no_channels(connection)
    assert not connection.lost.done()
