"""SOCKS: the parser with bytes of its own, and -D with a real client (curl) over a real sshd."""

import asyncio
import contextlib
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_remote_tunnel.model.address import TcpAddress
from jupyter_remote_tunnel.ssh import socks_ends
from jupyter_remote_tunnel.ssh.socks import MAX_REQUEST, Refusal, SocksError, SocksRequest
from tests.ssh.support import Forwarding, ask, dialled
from tests.support.echo import digest, pattern, serve
from tests.support.process import program

GREETING = b"\5\1\0"
REQUESTS = [
    (GREETING + b"\5\1\0\1\x7f\0\0\1\x13\x8e", TcpAddress("127.0.0.1", 5006)),
    (GREETING + b"\5\1\0\3\5gpu01\x13\x8e", TcpAddress("gpu01", 5006)),
    (GREETING + b"\5\1\0\4" + bytes(15) + b"\1\x13\x8e", TcpAddress("::1", 5006)),
    (b"\5\3\2\0\1" + b"\5\1\0\1\x7f\0\0\1\x13\x8e", TcpAddress("127.0.0.1", 5006)),
    (b"\4\1\x13\x8e\x7f\0\0\1user\0", TcpAddress("127.0.0.1", 5006)),
    (b"\4\1\x13\x8e\0\0\0\1user\0gpu01\0", TcpAddress("gpu01", 5006)),
    (b"\4\1\x13\x8e\0\0\0\1\0gpu01\0", TcpAddress("gpu01", 5006)),
]


@given(st.sampled_from(REQUESTS), st.lists(st.integers(1, 40)), st.binary(max_size=20))
def test_requests_are_read_however_they_are_cut(
    case: tuple[bytes, TcpAddress], cuts: list[int], behind: bytes
) -> None:
    data, destination = case
    request = SocksRequest()
    rest = data + behind
    answer = b""
    for cut in cuts:
        answer += request.feed(rest[:cut])
        rest = rest[cut:]
    answer += request.feed(rest)
    assert request.destination == destination
    assert request.rest == behind
    assert answer == (b"\5\0" if data[0] == 5 else b"")


@given(st.binary(max_size=2 * MAX_REQUEST))
def test_nonsense_is_refused_or_waited_for_and_nothing_else(data: bytes) -> None:
    request = SocksRequest()
    with contextlib.suppress(SocksError):
        request.feed(data)
        assert request.destination is not None or len(data) <= MAX_REQUEST


def test_replies() -> None:
    request = SocksRequest()
    request.feed(REQUESTS[0][0])
    assert request.accepted() == b"\5\0\0\1" + bytes(6)
    assert request.refused(Refusal.CONNECTION_REFUSED) == b"\5\5\0\1" + bytes(6)
    request = SocksRequest()
    request.feed(REQUESTS[4][0])
    assert request.accepted() == b"\0\x5a" + bytes(6)
    assert request.refused(Refusal.CONNECTION_REFUSED) == b"\0\x5b" + bytes(6)


@pytest.mark.parametrize(
    ("data", "reply", "says"),
    [
        (b"\5\1\2", b"\5\xff", "authenticate"),
        (GREETING + b"\5\2\0\1\x7f\0\0\1\0\1", b"\5\7\0\1" + bytes(6), "CONNECT"),
        (GREETING + b"\5\1\0\2", b"\5\x08\0\1" + bytes(6), "type of address"),
        (GREETING + b"\5\1\0\3\0\0\1", b"\5\1\0\1" + bytes(6), "host name"),
        (GREETING + b"\5\1\0\3\2a\n\0\1", b"\5\1\0\1" + bytes(6), "host name"),
        (b"\4\2\0\1\x7f\0\0\1\0", b"\0\x5b" + bytes(6), "CONNECT"),
        (b"\4\1\0\1\0\0\0\1\0\xff\xfe\0", b"\0\x5b" + bytes(6), "host name"),
        (b"\4\1\0\1\x7f\0\0\1" + b"u" * MAX_REQUEST, b"", "too long"),
        (b"\x16\3\1", b"", "did not speak SOCKS"),
    ],
)
def test_refusals(data: bytes, reply: bytes, says: str) -> None:
    with pytest.raises(SocksError, match=says) as caught:
        SocksRequest().feed(data)
    assert caught.value.reply == reply


@pytest.mark.parametrize("option", ["--socks4", "--socks4a", "--socks5", "--socks5-hostname"])
async def test_curl_through_a_dynamic_forward(forwarding: Forwarding, option: str) -> None:
    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nhello from behind the proxy")
        writer.close()

    async with await asyncio.start_server(hello, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        forward = await forwarding.open("-D 0")
        assert forward.bound is not None
        curl = await asyncio.create_subprocess_exec(
            program("curl"), "-sS", "-m", "20", option, forward.bound, url, stdout=subprocess.PIPE
        )
        output, _ = await curl.communicate()
        assert output == b"hello from behind the proxy"
        assert forward.streams_total == 1


async def test_a_stream_through_a_dynamic_forward_is_whole(forwarding: Forwarding) -> None:
    with serve("sink") as sink:
        forward = await forwarding.open("-D 0")
        port = sink.port.to_bytes(2)
        answer = await ask(
            forward.bound, GREETING + b"\5\1\0\3\x09localhost" + port + pattern(16 << 20)
        )
        assert answer[:12] == b"\5\0" + b"\5\0\0\1" + bytes(6)
        assert answer[12:].decode() == digest(pattern(16 << 20))


async def test_a_refused_destination_is_said_in_socks(forwarding: Forwarding) -> None:
    with serve("echo") as echo:
        port = echo.port.to_bytes(2)
    forward = await forwarding.open("-D 0")
    answer = await ask(forward.bound, GREETING + b"\5\1\0\1\x7f\0\0\1" + port)
    assert answer == b"\5\0" + b"\5\5\0\1" + bytes(6)
    await forwarding.until(lambda: forward.streams_open == 0)
    assert forward.last_error is not None
    assert forward.last_error.code == "forward_refused"


async def test_a_client_that_says_nothing_is_dropped(
    forwarding: Forwarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socks_ends, "REQUEST_TIMEOUT", 0.05)
    forward = await forwarding.open("-D 0")
    async with dialled(forward.bound) as (reader, writer):
        writer.write(b"\5")
        with pytest.raises(ConnectionResetError):
            await reader.read()
    await forwarding.until(lambda: forward.streams_open == 0)
    assert forward.last_error is not None
    assert "made no request" in forward.last_error.message


async def test_nonsense_is_refused_and_told(forwarding: Forwarding) -> None:
    forward = await forwarding.open("-D 0")
    assert await ask(forward.bound, b"nonsense") == b""
    await forwarding.until(lambda: forward.streams_open == 0)
    assert forward.last_error is not None
    assert "did not speak SOCKS" in forward.last_error.message
    assert b"socks5h://" in await ask(forward.bound, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
