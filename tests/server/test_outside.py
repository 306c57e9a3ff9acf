"""The outside server: its gate, its probes, its TLS, and that it lets go of all at once."""

import asyncio
import contextlib
import hashlib
import io
import json
import resource
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider, User
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler
from yarl import URL

from jupyter_remote_tunnel.model.address import TcpAddress, UnixAddress
from jupyter_remote_tunnel.model.app_domain import AppDomain
from jupyter_remote_tunnel.model.proxy_protocol import proxy_header
from jupyter_remote_tunnel.model.publication import Check
from jupyter_remote_tunnel.publish import certificates
from jupyter_remote_tunnel.publish.probing import Way, checks
from jupyter_remote_tunnel.server.listening import (
    MAX_STREAMS,
    MAX_STREAMS_OF_ONE,
    Certificate,
    Listener,
    on_all_interfaces,
)
from jupyter_remote_tunnel.server.outside import (
    LOGINS,
    LOGINS_OF_ALL,
    Door,
    Gate,
    Logins,
    is_outside,
    visitor_of,
)
from jupyter_remote_tunnel.server.probes import WELL_KNOWN, Nonce
from jupyter_remote_tunnel.server.strangers import BODY_SECONDS, SMALL_BODY, Standing
from jupyter_remote_tunnel.server.views import Upstream, Views, add_first
from jupyter_remote_tunnel.server.views.grants import Grant
from jupyter_remote_tunnel.server.views.names import OurNames
from jupyter_remote_tunnel.server.views.origin import OriginHandler
from tests.support.process import PATIENCE, wait_until
from tests.views.backend import serve

NAME = "localhost"


class Page(RequestHandler):
    """Tells what a handler of Jupyter would see."""

    def get(self) -> None:
        self.settings["seen"] = True
        told = {
            "remote": self.settings.get("allow_remote_access", False),
            "outside": is_outside(self),
            "protocol": self.request.protocol,
            "address": self.request.remote_ip,
        }
        self.write(told)

    def post(self) -> None:
        self.write(str(len(self.request.body)))


class OwnLine(RequestHandler):
    """Is logged by itself, as a view is."""

    def get(self) -> None:
        self.write("hello")

    def _log(self) -> None:
        pass


class Login(RequestHandler):
    """In the place of Jupyter's."""

    def post(self) -> None:
        self.write("tried")


class Socket(WebSocketHandler):
    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message)


TOKEN = 24 * "ab"
LOGGED_IN = {"Authorization": f"token {TOKEN}"}


class KnownSocket(Socket):
    """Finds out by itself who asks, as Jupyter's handlers do."""

    async def prepare(self) -> None:
        self.current_user = "ann"


class KnownPage(Page):
    async def prepare(self) -> None:
        self.current_user = "ann"


@pytest.fixture
def provider() -> IdentityProvider:
    """Who tells who is logged in."""
    return PasswordIdentityProvider(token=TOKEN, login_handler_class=Login)


@pytest.fixture
def app(provider: IdentityProvider) -> Application:
    """In the place of Jupyter's."""
    return an_app("/base/", provider)


def an_app(base_url: str, provider: IdentityProvider) -> Application:
    """Its rules have the base URL as Jupyter's have it: as a pattern."""
    known = (("known/socket", KnownSocket), ("known", KnownPage))
    handlers = (("socket", Socket), ("own", OwnLine), ("login", Login), *known, (".*", Page))
    rules = [(base_url + path, handler) for path, handler in handlers]
    return Application(
        rules, log_function=lambda _: None, identity_provider=provider, cookie_secret="x"
    )


@pytest.fixture
def files(tmp_path: Path) -> certificates.Certificate:
    return certificates.make([NAME], tmp_path)


class Open:
    """An outside server with TLS of its own, and a browser."""

    def __init__(self, gate: Gate, listener: Listener, port: int) -> None:
        self.gate, self.listener, self.port = gate, listener, port

    async def ask(self, path: str = "", **more: Any) -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(self.url(path), ssl=False, allow_redirects=False, **more) as answer,
        ):
            return answer.status, await answer.text()

    def url(self, path: str = "", scheme: str = "https") -> str:
        return f"{scheme}://{NAME}:{self.port}{self.gate.door.base_url}{path}"

    def way(self, nonce: Nonce) -> Way:
        url = self.url(f"{WELL_KNOWN}{nonce.text}")
        return Way(url, nonce.text, self.gate.door.authority, verified=False, proxied=False)

    async def checks(self) -> list[Check]:
        with self.gate.expecting() as nonce:
            return [check async for check in checks(self.way(nonce))]


@contextlib.asynccontextmanager
async def outside(
    app: Application,
    files: certificates.Certificate | None,
    *,
    name: str = NAME,
    introduced: bool = False,
    apps: AppDomain | None = None,
    base_url: str = "/base/",
) -> AsyncIterator[Open]:
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    gate = Gate(app, Door(f"{name}:{port}", base_url, proxied=files is None, apps=apps))
    certificate = None if files is None else Certificate(files.certificate, files.key)
    listener = Listener(gate, certificate, introduced=introduced)
    listener.open([listening])
    try:
        yield Open(gate, listener, port)
    finally:
        listener.close()
        await asyncio.sleep(0)


async def test_nothing_passes_while_it_is_shut(
    app: Application, files: certificates.Certificate
) -> None:
    async with outside(app, files) as it:
        status, said = await it.ask()
        assert (status, "not shown" in said) == (503, True)
        it.gate.is_open = True
        status, said = await it.ask()
        told = {"remote": True, "outside": True, "protocol": "https", "address": "127.0.0.1"}
        assert (status, json.loads(said)) == (200, told)
        it.gate.is_open = False
        assert (await it.ask())[0] == 503


async def test_jupyters_own_settings_are_as_they_were(
    app: Application, files: certificates.Certificate
) -> None:
    before = dict(app.settings)
    async with outside(app, files) as it:
        it.gate.is_open = True
        await it.ask()
    assert app.settings == {**before, "seen": True}  # what a handler writes stays


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost", ""])
async def test_another_name_is_refused(
    app: Application, files: certificates.Certificate, host: str
) -> None:
    async with outside(app, files) as it:
        it.gate.is_open = True
        assert (await it.ask(headers={"Host": host}))[0] == 421


APPS = AppDomain.parse("{id}.apps.example.net")
OF_AN_APP = APPS.host("a" + 20 * "b")


class Upstreams:
    """Without applications, or with one."""

    known: Upstream | None = None

    def get(self, app_id: str) -> Upstream | None:
        return self.known


@pytest.fixture
def views(app: Application, tmp_path: Path) -> Views:
    """Those of Jupyter, with names below the domain."""
    app.settings.update(identity_provider=IdentityProvider(), base_url="/base/", serverapp=None)
    made = Views(cast("Any", Upstreams()), app.settings, tmp_path / "label.key")
    made.names.domain = APPS
    rule = (r".*", OriginHandler, {"views": made})
    add_first(app, OurNames(made.names, probes=False), rule)
    return made


async def test_names_of_applications_lead_to_them_once_they_are_found_to(
    app: Application, files: certificates.Certificate, views: Views
) -> None:
    async with outside(app, files, apps=APPS) as it:
        it.gate.is_open = True
        asked = {"Host": f"{OF_AN_APP}:{it.port}"}
        assert (await it.ask(headers=asked))[0] == 421
        it.gate.shows_apps = True
        for path in ("", "login", "../api"):
            status, said = await it.ask(path, headers=asked)
            assert (status, "Nothing is shown here" in said) == (404, True)
        assert json.loads((await it.ask())[1])["outside"] is True
        others = (f"x.evil.example:{it.port}", OF_AN_APP, f"{OF_AN_APP}:{it.port + 1}", APPS.parent)
        for other in others:
            assert (await it.ask(headers={"Host": other}))[0] == 421
        it.gate.is_open = False
        assert (await it.ask(headers=asked))[0] == 503


async def test_nothing_else_than_views_is_reached_by_these_names(
    app: Application, files: certificates.Certificate
) -> None:
    async with outside(app, files, apps=APPS) as it:
        it.gate.is_open = it.gate.shows_apps = True
        assert (await it.ask())[0] == 200
        assert (await it.ask(headers={"Host": f"{OF_AN_APP}:{it.port}"}))[0] == 421


async def test_an_application_has_logins_of_its_own(
    app: Application, files: certificates.Certificate, views: Views
) -> None:
    async with outside(app, files, apps=APPS) as it, aiohttp.ClientSession() as session:
        it.gate.is_open = it.gate.shows_apps = True
        headers = {"Host": f"{OF_AN_APP}:{it.port}"}
        for _ in range(LOGINS + 1):
            url = it.url("login")
            async with session.post(url, data=b"", ssl=False, headers=headers) as answer:
                assert answer.status == 404


async def test_an_application_without_tls_is_sent_to_its_own_address(
    app: Application, views: Views
) -> None:
    async with outside(app, None, apps=APPS) as it, aiohttp.ClientSession() as session:
        it.gate.is_open = it.gate.shows_apps = True
        asked = {"Host": f"{OF_AN_APP}:{it.port}", "X-Forwarded-Proto": "http"}
        url = it.url("a", scheme="http")
        async with session.get(url, headers=asked, allow_redirects=False) as answer:
            assert answer.status == 301
            assert answer.headers["Location"] == f"https://{OF_AN_APP}:{it.port}/"


async def test_a_long_body_is_not_read_while_it_is_shut(
    app: Application, files: certificates.Certificate
) -> None:
    async with outside(app, files) as it, aiohttp.ClientSession() as session:
        head = f"POST /base/ HTTP/1.1\r\nHost: {NAME}:{it.port}\r\nContent-Length: 90000000\r\n\r\n"
        assert b" 503 " in await _first_line(it.port, head.encode())
        it.gate.is_open = True
        long = io.BytesIO(bytes(3 << 20))
        async with session.post(it.url(), data=long, headers=LOGGED_IN, ssl=False) as answer:
            assert await answer.text() == str(3 << 20)


class Renamed(PasswordIdentityProvider):
    """One that knows people as Jupyter's own does."""


class Elsewhere(PasswordIdentityProvider):
    """One that knows people in another way."""

    async def get_user(self, handler: RequestHandler) -> User | None:
        return User("ann") if handler.request.headers.get("X-User") else None


def long_request(it: Open, length: int, headers: str = "") -> bytes:
    """The head of what is sent, and has a long body."""
    head = f"POST /base/ HTTP/1.1\r\nHost: {NAME}:{it.port}\r\nConnection: close\r\n"
    return f"{head}Content-Length: {length}\r\n{headers}\r\n".encode()


@pytest.mark.parametrize("kind", [PasswordIdentityProvider, Renamed])
async def test_no_more_is_kept_of_a_stranger_than_a_login_takes(
    kind: type[PasswordIdentityProvider], files: certificates.Certificate
) -> None:
    size = SMALL_BODY + 1
    app = an_app("/base/", kind(token=TOKEN))
    async with outside(app, files, introduced=True) as it:
        it.gate.is_open = True
        who = introduction("203.0.113.7")
        said = await said_to(it, who, long_request(it, size) + bytes(size))
        assert (b" 403 " in said, b"Only who is logged in" in said) == (True, True)
        token = f"Authorization: token {TOKEN}\r\n"
        said = await said_to(it, who, long_request(it, size, token) + bytes(size))
        assert said.endswith(str(size).encode())
        said = await said_to(it, who, long_request(it, size - 1) + bytes(size - 1))
        assert said.endswith(str(size - 1).encode())


@pytest.mark.parametrize("provider", [Elsewhere(token=TOKEN), None])
async def test_bodies_of_whom_it_is_not_told_have_a_bound_in_common(
    provider: IdentityProvider, files: certificates.Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_remote_tunnel.server.strangers.ALL_UNTOLD", 1 << 20)
    part = SMALL_BODY + (1 << 19)
    async with outside(an_app("/base/", provider), files, introduced=True) as it:
        it.gate.is_open = True
        bodies, who = it.gate._bodies, introduction("203.0.113.7")

        async def told(length: int) -> bytes:
            return await said_to(it, who, long_request(it, length) + bytes(length))

        assert (await told(part)).endswith(str(part).encode())
        unfinished = long_request(it, part) + bytes(part - 1)
        waits = [(await sending(it, unfinished))[1] for _ in range(2)]
        await _until(lambda: bodies.room == 2)
        assert b" 503 " in await told(part)
        assert (await told(SMALL_BODY)).endswith(str(SMALL_BODY).encode())
        for writer in waits:
            writer.transport.abort()
        await _until(lambda: bodies.room == 1 << 20)


async def test_there_is_no_more_room_than_that_for_those_who_began_when_there_was(
    files: certificates.Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_remote_tunnel.server.strangers.ALL_UNTOLD", 2)
    app = an_app("/base/", Elsewhere(token=TOKEN))
    async with outside(app, files, introduced=True) as it:
        it.gate.is_open = True
        bodies, head = it.gate._bodies, long_request(it, SMALL_BODY + 2)
        (reader, first), (other, second) = [
            await sending(it, head + bytes(SMALL_BODY)) for _ in range(2)
        ]
        await _until(lambda: [visitor.streams for visitor in it.gate.visitors] == [2])
        for writer, room in ((first, 1), (second, 0)):
            writer.write(b"x")
            await _until(lambda room=room: bodies.room == room)  # type: ignore[misc]
        second.write(b"x")
        assert (await other.read()).startswith(b"HTTP/1.1 400 ")
        await _until(lambda: bodies.room == 1)
        first.write(b"x")
        assert (await reader.read()).endswith(str(SMALL_BODY + 2).encode())
        for writer in (first, second):
            writer.transport.abort()
        assert bodies.room == 2


@pytest.mark.parametrize(
    "head",
    [
        "POST /base/ HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: {digits}",
        "POST /base/own HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 2, {digits}",
        "GET /base/ HTTP/1.1\r\nHost: localhost:{digits}",
        "POST /base/?token=%ff HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 0{digits}",
        "POST /base/?token=%ff HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 2",
    ],
)
@pytest.mark.parametrize("tls", [True, False])
async def test_what_cannot_be_read_is_no_error_of_ours(
    app: Application,
    files: certificates.Certificate,
    head: str,
    tls: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with outside(app, files, introduced=True) as it:
        it.gate.is_open = True
        asked = head.format(port=it.port, digits=5000 * "9") + "\r\nConnection: close\r\n\r\nab"
        said = await said_to(it, introduction("203.0.113.7"), asked.encode(), tls=tls)
        taken = b"200" if tls else b"301"
        assert said.split()[1] == (b"400" if "{digits}" in head else taken)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


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


def introduction(address: str) -> bytes:
    """What the engine says of a visitor."""
    return proxy_header(address, 51234, 8443)


async def said_to(it: Open, first: bytes, then: bytes, *, tls: bool = True) -> bytes:
    """What is answered to `then` on a connection that begins with `first`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
    try:
        async with asyncio.timeout(PATIENCE):
            writer.write(first)
            if tls:
                await writer.start_tls(_unverified(), server_hostname=NAME)
            writer.write(then)
            return await reader.read()
    except OSError:
        return b""
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)  # which closes it


async def sending(
    it: Open, said: bytes, address: str = "203.0.113.7"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection of that address on which this was said, and more can be."""
    reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
    writer.write(introduction(address))
    await writer.start_tls(_unverified(), server_hostname=NAME)
    writer.write(said)
    return reader, writer


def request(it: Open, method: str = "GET", path: str = "") -> bytes:
    head = f"{method} /base/{path} HTTP/1.1\r\nHost: {NAME}:{it.port}\r\nConnection: close\r\n"
    return f"{head}Content-Length: 0\r\n\r\n".encode()


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
        await _until(lambda: it.listener.count == 0)
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


async def test_behind_a_web_server_that_says_who_asks(app: Application) -> None:
    async with outside(app, None, introduced=True) as it:
        it.gate.is_open = True
        headers = b"X-Forwarded-For: 203.0.113.7\r\nConnection"
        asked = request(it).replace(b"Connection", headers)
        told = await said_to(it, introduction("127.0.0.1"), asked, tls=False)
        assert json.loads(told.splitlines()[-1])["address"] == "203.0.113.7"


async def test_who_forgets_the_s_is_told_the_right_address(
    app: Application, files: certificates.Certificate
) -> None:
    async with outside(app, files) as it, aiohttp.ClientSession() as session:
        url = it.url(scheme="http")
        async with session.get(url, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (301, it.url())
            assert it.url() in await answer.text()


async def test_probes_are_answered_to_who_knows_their_name(
    app: Application, files: certificates.Certificate
) -> None:
    async with outside(app, files) as it:
        found = await it.checks()
        names = ["way in", "uploads", "websockets", "streaming"]
        assert [(check.name, check.verdict) for check in found] == [(n, "ok") for n in names]
        for name in ("x", Nonce().text):
            assert await it.ask(WELL_KNOWN + name) == (404, "jupyter_remote_tunnel\n")
        with it.gate.expecting():
            # Not by a client, which would write it in other characters.
            head = f"GET /base/{WELL_KNOWN}\xe9 HTTP/1.1\r\nHost: {NAME}:{it.port}\r\n\r\n"
            assert b" 404 " in await _first_line(it.port, head.encode("latin1"))
        (check,) = [check async for check in checks(it.way(Nonce()))]
        assert (check.verdict, "another Jupyter" in check.says) == ("failed", True)


async def test_one_that_gives_back_what_it_was_asked_does_not_pose_as_us(
    files: certificates.Certificate,
) -> None:
    """What the answer has to hold does not stand in the URL, which passes everybody on the way."""
    nonce = Nonce()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readuntil(b"\r\n\r\n")).decode().split()[1]
        name = asked.rpartition("/")[2]
        said = {"nonce": name, "proof": name, "host": NAME, "address_known": True}
        body = json.dumps(said).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    async with await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"https://127.0.0.1:{port}/{WELL_KNOWN}{nonce.text}"
        way = Way(url, nonce.text, NAME, verified=False, proxied=False)
        found = [check async for check in checks(way)]
    assert [(check.name, check.verdict) for check in found] == [("way in", "failed")]
    assert "leads elsewhere" in found[0].says


async def test_a_name_that_arrives_as_another_is_told(
    app: Application, files: certificates.Certificate
) -> None:
    async with outside(app, files, name="j.example.org") as it:
        (check,) = await it.checks()
        assert check.verdict == "failed"
        assert f"“{NAME}:{it.port}” arrives here in place of j.example.org:{it.port}" in check.says


async def test_renewed_files_count_for_the_next_connection(
    app: Application, files: certificates.Certificate, tmp_path: Path
) -> None:
    async with outside(app, files) as it:
        first = await _shown(it.port)
        assert first == files.fingerprint
        new = certificates.make([NAME], tmp_path / "new")
        shutil.copy(new.certificate, files.certificate)  # and the key is still the old one
        assert await _shown(it.port) == first
        shutil.copy(new.key, files.key)
        assert await _shown(it.port) == new.fingerprint
        files.key.unlink()
        assert await _shown(it.port) == new.fingerprint


async def test_a_certificate_that_never_was_one(tmp_path: Path) -> None:
    files = certificates.make([NAME], tmp_path)
    other = certificates.make([NAME], tmp_path / "other")
    with pytest.raises(ssl.SSLError):
        Certificate(files.certificate, other.key).context()
    with pytest.raises(FileNotFoundError):
        Certificate(files.certificate, tmp_path / "none").context()


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
        await _until(lambda: not it.gate.visitors)


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


async def test_all_connections_end_at_once(
    app: Application, files: certificates.Certificate
) -> None:
    async with outside(app, files) as it, aiohttp.ClientSession() as session:
        it.gate.is_open = True
        _, silent = await asyncio.open_connection(NAME, it.port)
        async with session.ws_connect(it.url("socket"), ssl=False) as socket:
            await socket.send_str("hello")
            await socket.receive_str()
            await _until(lambda: it.listener.count == 2)
            it.listener.close()
            heard = await socket.receive()
            assert heard.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
            assert it.listener.count == 0
        silent.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", it.port)


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


# All of a network of IPv6 are one's.
by_three = pytest.mark.parametrize(
    ("visitor", "neighbour", "other"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
        ("2001:db8::7", "2001:db8::8:7", "2001:db8:0:1::7"),
    ],
)


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
        await _until(lambda: it.listener._count_of(visitor_of(visitor)) == MAX_STREAMS_OF_ONE)
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
        await writer.start_tls(_unverified(), server_hostname=NAME)
    writer.write(long_request(it, 9, by) + b"1")
    await _until(lambda: sum(visitor.streams for visitor in it.gate.visitors) > before)
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
        await _until(lambda: bool(it.gate.visitors))

        async def stay(address: str) -> None:
            _, writer = await asyncio.open_connection("127.0.0.1", it.port)
            stack.callback(writer.close)
            writer.write(introduction(address))

        for _ in range(MAX_STREAMS // 20 + 10):
            await asyncio.gather(*(stay(f"203.0.113.{last}") for last in range(20)))
            assert it.listener.count <= MAX_STREAMS
        await _until(lambda: it.listener.count == MAX_STREAMS)
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


@pytest.mark.parametrize("length", [2, SMALL_BODY + 1])
async def test_what_a_stranger_sends_has_to_be_there_in_a_minute(
    app: Application,
    files: certificates.Certificate,
    length: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(BODY_SECONDS, Standing.STRANGER, 0.2)
    token = f"Authorization: token {TOKEN}\r\n"
    async with outside(app, files, introduced=True) as it:
        it.gate.is_open = True
        user, slow = await sending(it, long_request(it, 2, token) + b"1")
        await _until(lambda: bool(it.gate.visitors))
        stranger, other = await sending(it, long_request(it, length) + b"1")
        assert await stranger.read() == b""
        slow.write(b"2")
        assert (await user.read()).endswith(b"\r\n2")
        for writer in (slow, other):
            writer.transport.abort()


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
        await writer.start_tls(_unverified(), server_hostname=NAME)
    writer.write(said)
    while not reader.at_eof() and reader.exception() is None:
        if said:
            writer.write(b"x")
        await asyncio.sleep(0.02)  # slow is what it is meant to be
    assert it.listener.count == 0
    writer.transport.abort()


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


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _first_line(port: int, request: bytes) -> bytes:
    """Of the answer to what is sent as it stands."""
    reader, writer = await asyncio.open_connection(
        NAME, port, ssl=_unverified(), server_hostname=NAME
    )
    writer.write(request)
    said = await reader.readline()
    writer.close()
    return said


async def _shown(port: int) -> str:
    """The fingerprint of the certificate that is shown there."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=_unverified())
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return hashlib.sha256(shown).digest().hex(":").upper()


async def _until(is_so: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_until, is_so, "what is so in the loop")
