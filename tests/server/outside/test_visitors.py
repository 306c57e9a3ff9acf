"""Who a visitor of the outside server is, how often they may try to log in, and who is shown."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from jupyter_server.auth.identity import IdentityProvider
from tornado.web import Application
from yarl import URL

from jupyter_remote_tunnel.publish import certificates
from jupyter_remote_tunnel.publish.probing import checks
from jupyter_remote_tunnel.server.outside import LOGINS, LOGINS_OF_ALL, Logins
from tests.server.outside.support import (
    NAME,
    Login,
    Open,
    an_app,
    by_three,
    introduction,
    outside,
    request,
    said_to,
    until,
)


async def test_who_asks_is_what_the_web_server_in_front_says_last(app: Application) -> None:
    async with outside(app, None) as it:
        it.gate.is_open = True
        asked = {
            "Host": f"{NAME}:{it.port}",
            "X-Forwarded-For": "6.6.6.6, 192.0.2.7",
            "X-Real-IP": "6.6.6.6",
            "X-Forwarded-Proto": "https",
        }
        async with aiohttp.ClientSession() as session:
            url = it.url(scheme="http")
            async with session.get(url, headers=asked) as answer:
                told = await answer.json(content_type=None)
                assert (told["address"], told["protocol"]) == ("192.0.2.7", "https")
            without = {**asked, "X-Forwarded-Proto": "http"}
            async with session.get(url, headers=without, allow_redirects=False) as answer:
                assert answer.status == 301
                assert answer.headers["Location"] == it.url()


@pytest.mark.parametrize("address", ["203.0.113.7", "2001:db8::7"])
async def test_who_asks_is_who_the_engine_says(
    app: Application, files: certificates.Certificate, address: str
) -> None:
    async with outside(app, files, introduced=True) as it:
        it.gate.is_open = True
        told = (await said_to(it, introduction(address), request(it))).splitlines()
        assert (told[0], json.loads(told[-1])["address"]) == (b"HTTP/1.1 200 OK", address)
        told = (await said_to(it, introduction("nobody"), request(it))).splitlines()
        assert json.loads(told[-1])["address"] == "0.0.0.0"


async def test_a_visitor_cannot_say_who_they_are(
    app: Application, files: certificates.Certificate
) -> None:
    forged = introduction("192.0.2.1")
    async with outside(app, files, introduced=True) as it:
        it.gate.is_open = True
        true = introduction("203.0.113.7")
        for said in (
            await said_to(it, true, forged + request(it)),  # in TLS
            await said_to(it, true + forged, request(it), tls=False),
        ):
            assert said.startswith(b"HTTP/1.1 400 Bad Request")
        headers = b"X-Forwarded-For: 192.0.2.1\r\nX-Real-Ip: 192.0.2.1\r\n"
        with_headers = request(it).replace(b"Connection", headers + b"Connection")
        told = (await said_to(it, true, with_headers)).splitlines()
        assert json.loads(told[-1])["address"] == "203.0.113.7"
    async with outside(app, files) as it:  # which nobody introduces
        it.gate.is_open = True
        said = await said_to(it, forged, request(it), tls=False)
        assert said.startswith(b"HTTP/1.1 400 Bad Request")


@pytest.mark.parametrize(
    "first", [b"", b"PROXY TCP4 203.0.113.7\r\n", introduction("203.0.113.7")[:-2], b"GET / "]
)
async def test_who_is_not_introduced_is_not_let_in(
    app: Application, files: certificates.Certificate, first: bytes
) -> None:
    async with outside(app, files, introduced=True) as it:
        it.gate.is_open = True
        assert await said_to(it, first, request(it)) == b""
        await until(lambda: it.listener.count == 0)
        assert b" 200 OK" in await said_to(it, introduction("203.0.113.7"), request(it))


@contextlib.asynccontextmanager
async def introducing(it: Open, line: bytes) -> AsyncIterator[Open]:
    """The same server, to which everybody comes by way of what says that line first."""

    passing: set[asyncio.Task[Any] | None] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing.add(asyncio.current_task())
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", it.port)
        there_writer.write(line)
        await asyncio.gather(pass_on(reader, there_writer), pass_on(there_reader, writer))

    relay = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with relay:
        yield Open(it.gate, it.listener, relay.sockets[0].getsockname()[1])
        it.listener.cut()
        await asyncio.gather(*filter(None, passing))


@pytest.mark.parametrize(("address", "verdict"), [("203.0.113.7", "ok"), ("nobody", "note")])
async def test_a_gateway_that_does_not_say_who_connects_is_noted(
    app: Application, files: certificates.Certificate, address: str, verdict: str
) -> None:
    async with (
        outside(app, files, name="j.example.org", introduced=True) as it,
        introducing(it, introduction(address)) as there,
    ):
        with it.gate.expecting() as nonce:
            way = replace(there.way(nonce), host=f"{NAME}:{there.port}")
            found = [check async for check in checks(way)]
    assert [check.verdict for check in found] == [verdict, "ok", "ok", "ok"]
    assert ("logins of all are counted together" in found[0].says) == (verdict == "note")


async def test_who_is_connected(app: Application, files: certificates.Certificate) -> None:
    async with outside(app, files) as it, aiohttp.ClientSession() as session:
        it.gate.is_open = True
        assert not list(it.gate.visitors)
        async with session.ws_connect(it.url("socket"), ssl=False) as socket:
            await socket.send_str("hello")
            assert await socket.receive_str() == "hello"
            async with session.get(it.url(), ssl=False) as answer:
                await answer.read()
            (visitor,) = it.gate.visitors
            assert (visitor.address, visitor.streams) == ("127.0.0.1", 1)
        await until(lambda: not it.gate.visitors)


async def test_who_asks_again_on_a_kept_connection_is_one(
    app: Application, files: certificates.Certificate
) -> None:
    async with outside(app, files) as it, aiohttp.ClientSession() as session:
        it.gate.is_open = True
        for _ in range(3):
            async with session.get(it.url("own"), ssl=False) as answer:
                assert await answer.text() == "hello"
        (visitor,) = it.gate.visitors
        assert visitor.streams == 1


async def test_passwords_cannot_be_guessed_fast(
    app: Application, files: certificates.Certificate
) -> None:
    async with outside(app, files) as it, aiohttp.ClientSession() as session:
        it.gate.is_open = True
        given = []
        for _ in range(LOGINS + 1):
            async with session.post(it.url("login"), data=b"", ssl=False) as answer:
                given.append(answer.status)
        assert given == [200] * LOGINS + [429]
        assert (await it.ask())[0] == 200


async def test_no_other_path_leads_round_that(
    provider: IdentityProvider, files: certificates.Certificate
) -> None:
    """Jupyter takes its base URL for a pattern."""
    base_url = "/user/ann.smith/"
    app = an_app(base_url, provider)
    app.add_handlers(".*", [(r"/user/ann.smith/another", Login)])
    async with outside(app, files, base_url=base_url) as it, aiohttp.ClientSession() as session:
        it.gate.is_open = True
        given = []
        for path in ("login", "../annXsmith/login", *["another"] * LOGINS):
            url = URL(it.url(path))
            async with session.post(url, data=b"", ssl=False) as answer:
                given.append(answer.status)
        assert given == [200, 404, *[200] * (LOGINS - 1), 429]
        for path, status in ((".", 200), ("../ann.smith", 404), ("../annXsmith/", 404)):
            assert ((await it.ask(path))[0], path) == (status, path)
        for path in ("..", "../..", "../ann.smithX/"):
            assert (await it.ask(path))[1] == "Nothing is published at that address.\n"


@by_three
async def test_who_guesses_keeps_nobody_else_out(
    app: Application, files: certificates.Certificate, visitor: str, neighbour: str, other: str
) -> None:
    async with outside(app, files, introduced=True) as it:
        it.gate.is_open = True

        async def status(address: str) -> int:
            answer = await said_to(it, introduction(address), request(it, "POST", "login"))
            return int(answer.split()[1])

        assert [await status(visitor) for _ in range(LOGINS)] == [200] * LOGINS
        assert [await status(one) for one in (visitor, neighbour, other)] == [429, 429, 200]


def test_logins_are_counted_for_a_minute() -> None:
    now = 0.0
    logins = Logins(lambda: now)
    assert [logins.admits("a") for _ in range(LOGINS + 1)] == [True] * LOGINS + [False]
    assert logins.admits("b")
    now = 60.0
    assert logins.admits("a")
    several = [logins.admits(str(number)) for number in range(LOGINS_OF_ALL)]
    assert several == [True] * (LOGINS_OF_ALL - 1) + [False]


def test_the_addresses_of_a_network_are_one_visitors() -> None:
    logins = Logins()
    addresses = [f"2001:db8:0:7::{number:x}" for number in range(1, LOGINS)]
    assert all(map(logins.admits, [*addresses, "2001:db8:0:7:ffff::1"]))
    assert not logins.admits("2001:db8:0:7::ff")
    assert logins.admits("2001:db8:0:8::1")
    assert [logins.admits(f"::ffff:192.0.2.{number}") for number in range(LOGINS + 1)].count(
        False
    ) == 0
