"""The connections of the outside server: its TLS, how many there are, and that all end at once."""

import asyncio
import contextlib
import resource
import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from tornado.web import Application

from jupyter_remote_tunnel.model.address import TcpAddress, UnixAddress
from jupyter_remote_tunnel.publish import certificates
from jupyter_remote_tunnel.server.listening import (
    MAX_STREAMS,
    MAX_STREAMS_OF_ONE,
    Certificate,
    on_all_interfaces,
)
from jupyter_remote_tunnel.server.outside import visitor_of
from jupyter_remote_tunnel.server.views import Upstream, Views
from jupyter_remote_tunnel.server.views.grants import Grant
from tests.server.outside.support import (
    APPS,
    NAME,
    OF_AN_APP,
    TOKEN,
    Open,
    by_three,
    introduction,
    long_request,
    outside,
    request,
    said_to,
    sending,
    shown,
    until,
    unverified,
)
from tests.support.process import PATIENCE
from tests.views.backend import serve


async def test_renewed_files_count_for_the_next_connection(
    app: Application, files: certificates.Certificate, tmp_path: Path
) -> None:
    async with outside(app, files) as it:
        first = await shown(it.port)
        assert first == files.fingerprint
        new = certificates.make([NAME], tmp_path / "new")
        shutil.copy(new.certificate, files.certificate)  # and the key is still the old one
        assert await shown(it.port) == first
        shutil.copy(new.key, files.key)
        assert await shown(it.port) == new.fingerprint
        files.key.unlink()
        assert await shown(it.port) == new.fingerprint


async def test_a_certificate_that_never_was_one(tmp_path: Path) -> None:
    files = certificates.make([NAME], tmp_path)
    other = certificates.make([NAME], tmp_path / "other")
    with pytest.raises(ssl.SSLError):
        Certificate(files.certificate, other.key).context()
    with pytest.raises(FileNotFoundError):
        Certificate(files.certificate, tmp_path / "none").context()


async def test_all_connections_end_at_once(
    app: Application, files: certificates.Certificate
) -> None:
    async with outside(app, files) as it, aiohttp.ClientSession() as session:
        it.gate.is_open = True
        _, silent = await asyncio.open_connection(NAME, it.port)
        async with session.ws_connect(it.url("socket"), ssl=False) as socket:
            await socket.send_str("hello")
            await socket.receive_str()
            await until(lambda: it.listener.count == 2)
            it.listener.close()
            heard = await socket.receive()
            assert heard.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
            assert it.listener.count == 0
        silent.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", it.port)


@by_three
async def test_who_holds_connections_keeps_nobody_else_out(
    app: Application, files: certificates.Certificate, visitor: str, neighbour: str, other: str
) -> None:
    async with outside(app, files, introduced=True) as it, contextlib.AsyncExitStack() as stack:
        it.gate.is_open = True
        for _ in range(MAX_STREAMS_OF_ONE):
            _, writer = await asyncio.open_connection("127.0.0.1", it.port)
            stack.callback(writer.close)
            writer.write(introduction(visitor))
        await until(lambda: it.listener._count_of(visitor_of(visitor)) == MAX_STREAMS_OF_ONE)
        assert await said_to(it, introduction(neighbour), request(it)) == b""
        assert (await said_to(it, introduction(other), request(it))).startswith(b"HTTP/1.1 200")


async def held_by(
    it: Open, stack: contextlib.AsyncExitStack, address: str, *, known: bool = False
) -> asyncio.StreamReader:
    """A connection of that address which sends, and does not come to an end."""
    before = sum(visitor.streams for visitor in it.gate.visitors)
    by = f"X-Forwarded-For: {address}\r\n"
    if known:
        by += f"Authorization: token {TOKEN}\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
    stack.callback(writer.close)
    writer.write(introduction("127.0.0.1" if it.gate.door.proxied else address))
    if not it.gate.door.proxied:
        await writer.start_tls(unverified(), server_hostname=NAME)
    writer.write(long_request(it, 9, by) + b"1")
    await until(lambda: sum(visitor.streams for visitor in it.gate.visitors) > before)
    return reader


@pytest.mark.parametrize("proxied", [False, True])
async def test_who_comes_when_all_is_held_takes_the_place_of_a_stranger(
    app: Application,
    files: certificates.Certificate,
    proxied: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jupyter_remote_tunnel.server.listening.MAX_STREAMS", 6)
    served = outside(app, None if proxied else files, introduced=True)
    async with served as it, contextlib.AsyncExitStack() as stack:
        it.gate.is_open = True
        users = [await held_by(it, stack, "203.0.113.1", known=True) for _ in range(3)]
        other = await held_by(it, stack, "203.0.113.2")
        first, second = [await held_by(it, stack, "203.0.113.3") for _ in range(2)]
        asked = request(it)
        said = await said_to(it, introduction("203.0.113.4"), asked, tls=not proxied)
        assert said.startswith(b"HTTP/1.1 200 ")
        assert await first.read() == b""
        assert not any(one.at_eof() for one in (*users, other, second))
        assert it.listener.count == 5


@pytest.fixture
def descriptors() -> Iterator[None]:
    """As many as there can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_flood_of_strangers_takes_no_more_than_there_is_and_nothing_of_who_logged_in(
    app: Application, files: certificates.Certificate, descriptors: None
) -> None:
    """From many addresses, none of which has more than its share; they say nothing, and stay."""
    async with outside(app, files, introduced=True) as it, contextlib.AsyncExitStack() as stack:
        it.gate.is_open = True
        known = f"Authorization: token {TOKEN}\r\n"
        reader, writer = await sending(it, long_request(it, 1, known))
        await until(lambda: bool(it.gate.visitors))

        async def stay(address: str) -> None:
            _, writer = await asyncio.open_connection("127.0.0.1", it.port)
            stack.callback(writer.close)
            writer.write(introduction(address))

        for _ in range(MAX_STREAMS // 20 + 10):
            await asyncio.gather(*(stay(f"203.0.113.{last}") for last in range(20)))
            assert it.listener.count <= MAX_STREAMS
        await until(lambda: it.listener.count == MAX_STREAMS)
        for _ in range(3):
            said = await said_to(it, introduction("198.51.100.1"), request(it))
            assert said.startswith(b"HTTP/1.1 200 ")
        writer.write(b"1")
        assert (await reader.read()).endswith(b"\r\n1")
        writer.transport.abort()


async def test_who_has_logged_in_gives_place_to_nobody(
    app: Application, files: certificates.Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whatever they were known."""
    monkeypatch.setattr("jupyter_remote_tunnel.server.listening.MAX_STREAMS", 2)
    async with outside(app, files) as it, aiohttp.ClientSession() as session:
        it.gate.is_open = True
        async with session.ws_connect(it.url("known/socket"), ssl=False) as opened:
            async with session.get(it.url("known"), ssl=False) as answer:
                await answer.read()
            assert it.listener.count == 2
            assert await said_to(it, b"", request(it)) == b""
            async with session.get(it.url("known"), ssl=False) as answer:
                await answer.read()
            async with session.get(it.url(), ssl=False) as answer:  # by the same connection
                await answer.read()
            assert b" 200 " in await said_to(it, b"", request(it))
            await opened.send_str("hello")
            assert await opened.receive_str() == "hello"
            it.listener.cut()


async def test_nor_does_who_was_let_in_to_an_application(
    app: Application,
    files: certificates.Certificate,
    views: Views,
    short_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jupyter_remote_tunnel.server.listening.MAX_STREAMS", 1)
    is_over = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"first")
        await is_over.wait()
        await answer.write(b"last")
        return answer

    here, there = UnixAddress(str(short_dir / "app")), TcpAddress("localhost", 5006)
    cast("Any", views.upstreams).known = Upstream("a", "a", "gpu01", there, here, "open")
    grant = Grant("ann", "a", "https://localhost", OF_AN_APP)
    value = views.grants.enter(views.grants.ticket(grant), OF_AN_APP, [], framed=False)
    async with outside(app, files, apps=APPS) as it, serve(Path(here.path), slow):
        it.gate.is_open = it.gate.shows_apps = True
        headers = {
            "Host": f"{OF_AN_APP}:{it.port}",
            "Cookie": f"__Host-remote-tunnel-{it.port}={value}",
            "Accept": "text/html",
        }
        async with (
            aiohttp.ClientSession() as session,
            session.get(it.url(), headers=headers, ssl=False) as answer,
        ):
            assert await answer.content.readany() == b"first"
            assert await said_to(it, b"", request(it)) == b""
            is_over.set()
            assert await answer.read() == b"last"
        await views.close()


HANDSHAKE = bytes.fromhex("16 0301 4000 01 003ffc 0303")
"""How a first message of TLS begins that has 16 KiB more."""


@pytest.mark.parametrize(
    ("said", "tls"),
    [(b"", False), (HANDSHAKE, False), (b"GET / HTTP/1.1\r\nX-", False), (b"GET / HTT", True)],
    ids=["nothing", "a handshake", "a head without TLS", "a head"],
)
@pytest.mark.parametrize("introduced", [False, True])
async def test_who_hardly_says_anything_is_let_go(
    app: Application,
    files: certificates.Certificate,
    said: bytes,
    tls: bool,
    introduced: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A byte now and then puts off nothing."""
    monkeypatch.setattr("jupyter_remote_tunnel.server.listening._FIRST_BYTE", 0.3)
    monkeypatch.setattr("jupyter_remote_tunnel.server.listening._HEAD", 0.3)
    async with outside(app, files, introduced=introduced) as it, asyncio.timeout(PATIENCE):
        it.gate.is_open = True
        await let_go(it, introduction("203.0.113.7") if introduced else b"", said, tls=tls)


@pytest.mark.parametrize(
    ("introduced", "said"),
    [(True, b""), (False, b"GET / HTTP/1.1\r\nX-")],
    ids=["no introduction", "a head to the web server in front"],
)
async def test_who_hardly_says_anything_where_tls_ends_elsewhere_is_let_go(
    app: Application, introduced: bool, said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_remote_tunnel.server.listening._FIRST_BYTE", 0.3)
    monkeypatch.setattr("jupyter_remote_tunnel.server.listening._HEAD", 0.3)
    async with outside(app, None, introduced=introduced) as it, asyncio.timeout(PATIENCE):
        it.gate.is_open = True
        await let_go(it, b"", said)


async def let_go(it: Open, first: bytes, said: bytes, *, tls: bool = False) -> None:
    """Say this, and then hardly anything more, until the connection is ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
    writer.write(first)
    if tls:
        await writer.start_tls(unverified(), server_hostname=NAME)
    writer.write(said)
    while not reader.at_eof() and reader.exception() is None:
        if said:
            writer.write(b"x")
        await asyncio.sleep(0.02)  # slow is what it is meant to be
    assert it.listener.count == 0
    writer.transport.abort()


@pytest.fixture
def ours() -> Iterator[list[socket.socket]]:
    listening = on_all_interfaces(0)
    yield listening
    for one in listening:
        one.close()


def test_all_interfaces(ours: list[socket.socket]) -> None:
    port = ours[0].getsockname()[1]
    for address in ("127.0.0.1", "127.0.0.2"):
        socket.create_connection((address, port)).close()
    with pytest.raises(OSError, match="in use"):
        on_all_interfaces(port)
