"""What stands behind a published site in the tests: tornado, with `xheaders` as Jupyter's has it.

::

    async with backend(path) as behind:     # on a Unix socket that everybody may connect to
        behind.pieces                       # of the uploads, as they come: a queue of lengths
        behind.go_on.set()                  # lets `stream` say its second word, and `held` read

`echo` tells what arrived, as JSON; so does whatever is asked for that is not there.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket
from tornado.web import Application, RequestHandler, stream_request_body
from tornado.websocket import WebSocketHandler

_NO_LIMIT = 1 << 40


@dataclass
class Backend:
    """See the module's docstring."""

    pieces: "asyncio.Queue[int]" = field(default_factory=asyncio.Queue)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)


class _Echo(RequestHandler):
    def prepare(self) -> None:
        if self.request.method not in ("GET", "POST"):
            self.send_error(405)

    def get(self) -> None:
        self.write(
            {
                "uri": self.request.uri,
                "remote_ip": self.request.remote_ip,
                "protocol": self.request.protocol,
                "host": self.request.host,
                "headers": dict(self.request.headers),
            }
        )

    post = get


class _Stream(RequestHandler):
    """Says one word, and the other when it may: in HTML, which nginx would compress."""

    async def get(self) -> None:
        self.set_header("Content-Type", "text/html")
        self.write("one")
        await self.flush()
        await self.settings["behind"].go_on.wait()
        self.write("two")


@stream_request_body
class _Upload(RequestHandler):
    """Takes all that comes, as it comes."""

    def prepare(self) -> None:
        self.request.connection.set_max_body_size(_NO_LIMIT)  # type: ignore[union-attr]
        self._length = 0

    def data_received(self, chunk: bytes) -> None:
        self._length += len(chunk)
        self.settings["behind"].pieces.put_nowait(len(chunk))

    def post(self) -> None:
        self.write({"length": self._length})


@stream_request_body
class _Held(_Upload):
    """Takes nothing before it may."""

    async def prepare(self) -> None:  # type: ignore[override]
        super().prepare()
        await self.settings["behind"].go_on.wait()


class _Orders(RequestHandler):
    """An application that gives orders to nginx."""

    def get(self) -> None:
        self.set_header("X-Accel-Redirect", "/echo")
        self.write("its own page")


class _Words(WebSocketHandler):
    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message, binary=isinstance(message, bytes))


@contextlib.asynccontextmanager
async def backend(path: Path, prefix: str = "/") -> AsyncIterator[Backend]:
    """Run one at that path, below `prefix`."""
    behind = Backend()
    rules: list[Any] = [
        (f"{prefix}stream", _Stream),
        (f"{prefix}upload", _Upload),
        (f"{prefix}held", _Held),
        (f"{prefix}orders", _Orders),
        (f"{prefix}words", _Words),
        (r".*", _Echo),
    ]
    server = HTTPServer(Application(rules, behind=behind), xheaders=True, chunk_size=1 << 20)
    server.add_socket(bind_unix_socket(str(path), mode=0o666))
    try:
        yield behind
    finally:
        behind.go_on.set()  # nobody is left waiting
        server.stop()
        await server.close_all_connections()
        path.unlink()
