"""What the outside server answers when this machine asks it through the public name.

A probe has a random name (`Nonce`), known for as long as one check takes. Who has it is told what
came of the request on its way; all others get a 404, by which it can be seen that this package
answers.

    GET …/NONCE          JSON: what of the request came, and the `proof` that we say so
    POST …/NONCE         how many bytes came
    GET …/NONCE/socket   a websocket, which says again what it hears
    GET …/NONCE/stream   a line; and another one when `…/NONCE/release` was asked for
    GET …/anybody        that 404, below whichever `base_url` it is asked
"""

import asyncio
import json
import secrets
from http import HTTPStatus
from typing import Any

from tornado.web import RequestHandler, stream_request_body
from tornado.websocket import WebSocketHandler
from typing_extensions import override

from ..model.publication import MARK
from ..publish.proofs import proof

WELL_KNOWN = ".well-known/jupyter-remote-tunnel/"
ANYBODY = "anybody"
"""What is asked by who would be shown under a name: whose `base_url` may be another one."""
_PATIENCE = 20.0  # seconds that a streamed answer waits for its end


class Nonce:
    """The random name of one check."""

    def __init__(self) -> None:
        self.text = secrets.token_hex(16)
        self.released = asyncio.Event()

    def is_called(self, name: str) -> bool:
        """Whether that is its name. Whoever asks can say anything, in any characters."""
        return secrets.compare_digest(name.encode(), self.text.encode())


def probe_handler(path: str, nonce: Nonce | None) -> tuple[type[RequestHandler], dict[str, Any]]:
    """Who answers a probe, by its path below `WELL_KNOWN`."""
    name, _, part = path.partition("/")
    handler = _PARTS.get(part)
    if nonce is None or handler is None or not nonce.is_called(name):
        return _Nothing, {}
    return handler, {"nonce": nonce}


@stream_request_body
class _Nothing(RequestHandler):
    """For all who ask and have no business here. What they send is not read."""

    @override
    async def prepare(self) -> None:
        self.set_status(HTTPStatus.NOT_FOUND)
        self.set_header("Content-Type", "text/plain")
        self.set_header("Cache-Control", "no-store")
        if self.request.method not in ("GET", "HEAD"):
            self.set_header("Connection", "close")
        await self.finish(f"{MARK}\n")

    @override
    def data_received(self, chunk: bytes) -> None:
        """Not read."""


class _Probe(RequestHandler):
    """Whether the way leads here, and what is told of a request on it."""

    def initialize(self, nonce: Nonce) -> None:
        self.set_header("Cache-Control", "no-store")
        self._nonce = nonce

    async def get(self) -> None:
        """The answer, for `publish.probing`."""
        asked = self.request
        known = asked.remote_ip not in (None, "0.0.0.0")  # noqa: S104 (compared)
        seen = {"proof": proof(self._nonce.text), "host": asked.host, "address_known": known}
        await self.finish(json.dumps(seen))

    async def post(self) -> None:
        """How many bytes came."""
        await self.finish(str(len(self.request.body)))

    @override
    def check_xsrf_cookie(self) -> None:
        """No browser asks."""


class _Stream(_Probe):
    """Two lines, the second of which waits until it is known that the first one came."""

    @override
    async def get(self) -> None:
        self.write("first\n")
        await self.flush()
        try:
            await asyncio.wait_for(self._nonce.released.wait(), _PATIENCE)
        except TimeoutError:
            return
        await self.finish("second\n")


class _Release(_Probe):
    @override
    async def get(self) -> None:
        self._nonce.released.set()
        await self.finish("released\n")


class _Echo(WebSocketHandler):
    def initialize(self, nonce: Nonce) -> None:
        """It is known."""

    @override
    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message)


_PARTS: dict[str, type[RequestHandler]] = {
    "": _Probe,
    "socket": _Echo,
    "stream": _Stream,
    "release": _Release,
}
