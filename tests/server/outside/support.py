"""An outside server as a visitor finds it, and what visitors say."""

import asyncio
import contextlib
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from jupyter_server.auth.identity import IdentityProvider
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from jupyter_remote_tunnel.model.app_domain import AppDomain
from jupyter_remote_tunnel.model.proxy_protocol import proxy_header
from jupyter_remote_tunnel.model.publication import Check
from jupyter_remote_tunnel.publish import certificates
from jupyter_remote_tunnel.publish.probing import Way, checks
from jupyter_remote_tunnel.server.listening import Certificate, Listener
from jupyter_remote_tunnel.server.outside import Door, Gate, is_outside
from jupyter_remote_tunnel.server.probes import WELL_KNOWN, Nonce
from jupyter_remote_tunnel.server.views import Upstream
from tests.support.process import PATIENCE, wait_until

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


def an_app(base_url: str, provider: IdentityProvider) -> Application:
    """Its rules have the base URL as Jupyter's have it: as a pattern."""
    known = (("known/socket", KnownSocket), ("known", KnownPage))
    handlers = (("socket", Socket), ("own", OwnLine), ("login", Login), *known, (".*", Page))
    rules = [(base_url + path, handler) for path, handler in handlers]
    return Application(
        rules, log_function=lambda _: None, identity_provider=provider, cookie_secret="x"
    )


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


APPS = AppDomain.parse("{id}.apps.example.net")


OF_AN_APP = APPS.host("a" + 20 * "b")


class Upstreams:
    """Without applications, or with one."""

    known: Upstream | None = None

    def get(self, app_id: str) -> Upstream | None:
        return self.known


def long_request(it: Open, length: int, headers: str = "") -> bytes:
    """The head of what is sent, and has a long body."""
    head = f"POST /base/ HTTP/1.1\r\nHost: {NAME}:{it.port}\r\nConnection: close\r\n"
    return f"{head}Content-Length: {length}\r\n{headers}\r\n".encode()


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
                await writer.start_tls(unverified(), server_hostname=NAME)
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
    await writer.start_tls(unverified(), server_hostname=NAME)
    writer.write(said)
    return reader, writer


def request(it: Open, method: str = "GET", path: str = "") -> bytes:
    head = f"{method} /base/{path} HTTP/1.1\r\nHost: {NAME}:{it.port}\r\nConnection: close\r\n"
    return f"{head}Content-Length: 0\r\n\r\n".encode()


# All of a network of IPv6 are one's.
by_three = pytest.mark.parametrize(
    ("visitor", "neighbour", "other"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
        ("2001:db8::7", "2001:db8::8:7", "2001:db8:0:1::7"),
    ],
)


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def first_line(port: int, request: bytes) -> bytes:
    """Of the answer to what is sent as it stands."""
    reader, writer = await asyncio.open_connection(
        NAME, port, ssl=unverified(), server_hostname=NAME
    )
    writer.write(request)
    said = await reader.readline()
    writer.close()
    return said


async def shown(port: int) -> str:
    """The fingerprint of the certificate that is shown there."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=unverified())
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return hashlib.sha256(shown).digest().hex(":").upper()


async def until(is_so: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_until, is_so, "what is so in the loop")
