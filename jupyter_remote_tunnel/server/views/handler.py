"""What the two views have in common: one request, from its headers to its end.

`prepare` decides while only the headers are there: a view's `admit` says who asks for what, then
the gate and the tunnel's state are looked at. What passes becomes one task, which belongs to the
grant that let it in, is fed by `data_received`, ends with the browser's connection or the grant,
and is awaited by the method (`get` and all others).
"""

import abc
import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPInputError
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, stream_request_body
from typing_extensions import override

from ...model.address import Address
from ...model.errors import RemoteTunnelError
from ...model.state import State
from . import gate, headers, jupyter_pages, log, pages, websocket
from .grants import Grant
from .headers import Header, Manner
from .pages import Page
from .relay import Body, Unanswered, copy
from .upstream import Upstream

if TYPE_CHECKING:
    from . import Views

_NO_LIMIT = 1 << 62
_REDIRECTS = (301, 302, 303, 307, 308)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Admitted:
    """A request that may go on to an application."""

    grant: Grant
    upstream: Upstream
    manner: Manner


@dataclass(frozen=True)
class Reply:
    """An answer without a body."""

    status: int
    headers: tuple[Header, ...]


def _cookies_of(passed: Iterable[Header]) -> Iterable[Header]:
    return [pair for pair in passed if pair[0].lower() == "set-cookie"]


@stream_request_body
class ViewHandler(JupyterHandler, abc.ABC):
    """A request to an application. It is a JupyterHandler for its Host check and its log; who asks
    is told by a grant and not by Jupyter's login, which the browser does not send here.
    """

    view: str
    """Its name in the log."""

    def initialize(self, views: "Views") -> None:
        self.views = views
        self.admitted: Admitted | None = None
        self._refusal: Page | Reply | None = None
        self._body = Body()
        self._task: asyncio.Task[None] | None = None

    # -- what a view decides ------------------------------------------------------------------

    @abc.abstractmethod
    def admit(self) -> Admitted | Page | Reply:
        """Who asks for what; or the answer, if that is for the view alone to give."""

    @abc.abstractmethod
    def passes_gate(self, *, websocket: bool) -> bool:
        """Whether the request comes from the application's own pages."""

    def instead_of(self, admitted: Admitted, status: int, location: str) -> Page | None:
        """A page to show in place of the application's answer, if that must not pass."""
        reads = self.request.method in ("GET", "HEAD")  # which are answered alike
        shown = reads and gate.is_page(self.request.headers)
        if not shown or status not in _REDIRECTS or not location:
            return None
        if headers.stays(location, self.request.path, admitted.manner):
            return None
        return pages.elsewhere(headers.percent_encoded(location))

    # -- the life of a request ----------------------------------------------------------------

    @override
    async def prepare(self) -> None:  # type: ignore[override]
        self._connection.set_max_body_size(_NO_LIMIT)
        decision = self._decide(self.admit())
        if isinstance(decision, Admitted):
            if not self._is_websocket:
                self._start(decision)
        elif gate.has_body(self.request.headers):
            # Nobody reads that body, so tornado hangs up.
            await self._give(decision, [("Connection", "close")])
        else:
            self._refusal = decision  # given when the request has ended: the connection stays

    @override
    async def data_received(self, chunk: bytes) -> None:
        await self._body.put(chunk)

    async def _respond(self) -> None:
        self._body.end()
        if self._refusal is not None:
            await self._give(self._refusal)
            return
        assert self.admitted is not None
        if self._task is None:
            self._start(self.admitted)
        assert self._task is not None
        await asyncio.wait([self._task])
        if self._task.cancelled():
            return
        if self._task.exception() is not None and self._headers_written:
            self._cut("by a mistake of ours")
        self._task.result()

    get = head = post = put = patch = delete = options = allow_unauthenticated(_respond)

    @override
    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self._task is not None:
            self._task.cancel()

    # -- what passes --------------------------------------------------------------------------

    def _decide(self, admitted: Admitted | Page | Reply) -> Admitted | Page | Reply:
        """The same, or a page that says why the request does not pass."""
        if not isinstance(admitted, Admitted):
            return admitted
        self.admitted = admitted
        upstream, asked = admitted.upstream, self.request.headers
        if not (self.request.uri or "").startswith("/"):
            return pages.refused("Its target is not a path.")
        if gate.wants_service_worker(asked):
            return pages.refused("An application cannot have a service worker in this view.")
        if not self.passes_gate(websocket=self._is_websocket):
            return pages.refused("It comes from another site than the application's own pages.")
        # While a connection is restored the engine lets streams wait: only a person is told so.
        told = gate.is_page(asked) or gate.is_look(asked)
        waits = upstream.state == State.RECONNECTING and not told
        if upstream.bound is None or not (upstream.state == State.OPEN or waits):
            return pages.down(upstream)
        return admitted

    def _start(self, admitted: Admitted) -> None:
        serve = self._serve(admitted)
        self._task = asyncio.get_running_loop().create_task(serve, name="request to an application")
        self._task.add_done_callback(self._ended)
        admitted.grant.carry(self._task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._body.refuse()
        if task.cancelled():
            self._cut("it was ended")

    async def _serve(self, admitted: Admitted) -> None:
        if admitted.upstream.doubted:
            answer = await self._again(admitted)
            if isinstance(answer, Page):
                await self._give(answer)
                return
            admitted = answer
        upstream, manner = admitted.upstream, admitted.manner
        assert upstream.bound is not None
        assert self.request.uri is not None
        target = headers.target(self.request.uri, manner.token, has_own=bool(upstream.token))
        sent = headers.for_remote(self.request.headers.get_all(), upstream, manner)
        try:
            if self._is_websocket:
                await self._serve_websocket(admitted, upstream.bound, target, list(sent))
            else:
                await self._serve_http(admitted, upstream.bound, target, list(sent))
        except StreamClosedError:
            self._cut("the browser went away")
        except Unanswered as error:
            await self._unanswered(upstream, error)

    async def _again(self, admitted: Admitted) -> Admitted | Page:
        """The same with a Jupyter server that is there, or a page that says why it is not."""
        from ...engine.messages import Who  # no start of a Jupyter server pays for it

        upstream, login = admitted.upstream, admitted.grant.login
        try:
            known = await self.views.upstreams.enter(upstream.app_id, Who(login, login))
        except RemoteTunnelError as error:
            return pages.no_way_in(upstream, error)
        if known is None or known.gone:
            return pages.nothing_here()
        if known.doubted or known.bound is None:
            return pages.down(known)
        return replace(admitted, upstream=known)

    async def _serve_http(
        self, admitted: Admitted, address: Address, target: str, sent: list[Header]
    ) -> None:
        body = self._body if gate.has_body(self.request.headers) else None
        method = self.request.method or "GET"
        client, upstream = self.views.client, admitted.upstream
        async with await client.request(
            address, method, target, sent, body, scheme=upstream.scheme
        ) as answer:
            location = headers.location(answer.location, upstream)
            passed = headers.for_browser(answer.headers, upstream, admitted.manner)
            instead = self._looked(pages.CAN_GO) or self.instead_of(
                admitted, answer.status, location
            )
            if instead is not None:
                await self._give(instead, _cookies_of(passed))
                return
            chunks = answer.chunks()
            if upstream.token and jupyter_pages.hold_token(answer.headers):
                passed = jupyter_pages.without_length(passed)
                chunks = jupyter_pages.without_token(chunks, upstream.token)
            self.set_status(answer.status, answer.reason)
            self._add_headers(passed)
            if answer.status == HTTPStatus.NO_CONTENT:
                self.clear_header("Content-Length")  # tornado would wait for as much
            self._connection.stream.set_nodelay(True)
            await copy(chunks, self)
            await self.finish()

    async def _serve_websocket(
        self, admitted: Admitted, address: Address, target: str, sent: list[Header]
    ) -> None:
        scheme = admitted.upstream.scheme
        async with websocket.handshake(address, target, sent, scheme=scheme) as remote:
            received = remote.headers.get_all()
            # No body of its own comes with either answer.
            answer = [
                header
                for header in headers.for_browser(received, admitted.upstream, admitted.manner)
                if header[0].lower() != "content-length"
            ]
            if remote.status == HTTPStatus.SWITCHING_PROTOCOLS:
                self._log_line(remote.status)
                if await websocket.join(self.detach(), remote, answer):
                    self.views.upstreams.doubt(admitted.upstream.app_id)
                return
            self.set_status(remote.status, remote.reason)
            self._add_headers(answer)
            await self.finish()

    async def _unanswered(self, upstream: Upstream, error: Unanswered) -> None:
        self.views.upstreams.doubt(upstream.app_id)
        if self._headers_written:
            self._cut(f"the application broke off: {error}")
            return
        known = await self.views.upstreams.refresh(upstream.app_id)
        if known is None or known.gone:
            await self._give(pages.nothing_here())
        elif known.state == State.OPEN:
            await self._give(pages.unanswered(known))
        else:
            await self._give(pages.down(known))

    def _cut(self, why: str) -> None:
        """End the browser's connection, so that it does not take a part for the whole."""
        if self._finished:
            return
        self._auto_finish = False
        self._log_line(self.get_status(), f"cut off, {why}")
        stream = self._connection.stream
        if self.request.version == "HTTP/1.0" and stream.socket is not None:
            # There the end of the connection is the end of the body: only a reset tells.
            with contextlib.suppress(OSError):
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        stream.close()

    # -- our own pages ------------------------------------------------------------------------

    def page_headers(self) -> Iterable[Header]:
        """Headers for our own pages in this view."""
        return self.admitted.manner.extra if self.admitted is not None else ()

    async def _give(self, answer: Page | Reply, more: Iterable[Header] = ()) -> None:
        """Finish with an answer of ours, and `more` headers."""
        if isinstance(answer, Page) and answer.waits:
            answer = self._looked(pages.STILL_WAITING) or answer
        if isinstance(answer, Page):
            self._compose(answer)
        else:
            self.set_status(answer.status)
            self._add_headers(answer.headers)
        self._add_headers(more)
        await self.finish()

    def _looked(self, status: int) -> Reply | None:
        """What to tell a waiting page, if this is one that looks whether it can go."""
        if not gate.is_look(self.request.headers):
            return None
        return Reply(status, (("Cache-Control", "no-store"), *self.page_headers()))

    def _compose(self, page: Page) -> None:
        """Make a page of ours the answer; in plain text for what did not ask for HTML."""
        text, content_type = page.as_text(), "text/plain"
        extra: list[Header] = []
        if gate.is_page(self.request.headers) or "html" in self.request.headers.get("Accept", ""):
            text, extra = page.as_html()
            content_type = "text/html"
        self.clear()
        self.set_status(page.status)
        self.set_header("Content-Type", f"{content_type}; charset=UTF-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self._add_headers([*extra, *self.page_headers()])
        self.write(text)

    @override
    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self._compose(Page(status_code, self._reason, ("The Jupyter server's log may say more.",)))

    # -- what tornado and Jupyter would do, and must not here ----------------------------------

    @override
    def set_default_headers(self) -> None:
        for name in ("Server", "Content-Type", "Date"):
            self.clear_header(name)

    @override
    def compute_etag(self) -> None:
        return None

    @override
    def check_xsrf_cookie(self) -> None:
        """The gate looks at where a request comes from; an application knows no `_xsrf`."""

    def check_trusted_origin(self, origin: str) -> bool:  # noqa: ARG002
        """The gate has the say."""
        return True

    @override
    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, HTTPError):
            # The traceback alone: tornado would add the request with all its headers.
            what = "Uncaught error in the %s view"
            self.log.error(what, self.view, exc_info=(typ, value, tb))

    @override
    def _log(self) -> None:
        self._log_line(self.get_status())

    def _log_line(self, status: int, note: str = "") -> None:
        app_id = self.admitted.upstream.app_id if self.admitted is not None else None
        method, seconds = self.request.method or "", self.request.request_time()
        text = log.line(status, method, self.view, app_id, seconds)
        self.log.log(log.level(status), f"{text}, {note}" if note else text)

    def _add_headers(self, pairs: Iterable[Header]) -> None:
        for name, value in pairs:
            # What tornado finds malformed would be malformed for the browser, too.
            with contextlib.suppress(ValueError, HTTPInputError):
                self.add_header(name, value)

    @property
    def _is_websocket(self) -> bool:
        return gate.is_websocket(self.request.method or "", self.request.headers)

    @property
    def _connection(self) -> HTTP1Connection:
        return cast("HTTP1Connection", self.request.connection)
