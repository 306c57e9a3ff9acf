"""The HTTP server for the outside: Jupyter's own web application, behind a gate.

It is beside Jupyter's listener, of which no setting changes. `Gate` decides, before Jupyter sees a
request, what becomes of it; `listening` accepts the connections, and `probes` answers what this
machine asks itself through the public name.

Jupyter's check of the Host header lets through what came through the gate, and that alone: a
handler is given the application with other settings, `OutsideSettings`. By these it also knows
that its request came from outside (`is_outside`).
"""

import contextlib
import copy
import functools
import inspect
import time
from collections import deque
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from ipaddress import IPv6Address
from typing import Any, cast
from urllib.parse import urlsplit

from jupyter_server.auth.login import LoginFormHandler
from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest, split_host_and_port
from tornado.iostream import IOStream
from tornado.netutil import is_valid_ip
from tornado.routing import Router
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body
from typing_extensions import override

from ..model.app_domain import AppDomain
from ..model.publication import HTTPS, Visitor
from .probes import ANYBODY, WELL_KNOWN, Nonce, probe_handler
from .strangers import BODY_SECONDS, SMALL_BODY, Bodies, Counted, Standing, Visit, standing
from .strangers_log import StrangersLog
from .views.gate import UNKNOWN_ADDRESS, has_body
from .views.names import LEAD_HERE
from .views.origin import OriginHandler, ProbeHandler

_OUTSIDE = "jupyter_remote_tunnel_outside"
# Of one address, and of all, in a minute. nginx counts too, where it stands in front.
LOGINS = 10
LOGINS_OF_ALL = 60
_MINUTE = 60.0
_ADDRESSES = 1000


def is_outside(handler: RequestHandler) -> bool:
    """Whether its request came through an outside server."""
    return bool(handler.settings.get(_OUTSIDE))


class OutsideSettings(MutableMapping[str, Any]):
    """Jupyter's settings as handlers see them whose request came through the gate."""

    def __init__(self, inside: dict[str, Any], **others: Any) -> None:
        self._inside = inside
        self._others = {_OUTSIDE: True, **others}

    def __getitem__(self, key: str) -> Any:
        return self._others[key] if key in self._others else self._inside[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._inside[key] = value

    def __delitem__(self, key: str) -> None:
        del self._inside[key]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._inside, **self._others})

    def __len__(self) -> int:
        return len({**self._inside, **self._others})


@dataclass(frozen=True)
class Door:
    """Where the outside comes in.

    :param authority: the Host header of its requests ("j.example.org", "j.example.org:8443").
    :param base_url: Jupyter's, with slashes at both ends.
    :param proxied: whether a web server in front ends TLS, and says who asks.
    :param apps: the domain of applications; its names come in at the same port.
    """

    authority: str
    base_url: str
    proxied: bool
    apps: AppDomain | None = None

    @property
    def url(self) -> str:
        """What browsers open."""
        return f"https://{self.authority}{self.base_url}"


class Gate(Router):
    """What becomes of each request from outside. It is shut at first.

    `shows_apps` is whether the names of applications lead to them, and to nothing else.
    """

    def __init__(self, web_app: Application, door: Door) -> None:
        self.door = door
        self.is_open = False
        self.shows_apps = False
        self._app = web_app
        self._nonce: Nonce | None = None
        self._porch = Application(log_function=lambda _: None)
        self._visits: dict[IOStream, Visit] = {}
        self._logins = Logins()
        self._provider = web_app.settings.get("identity_provider")
        self._bodies = Bodies()
        self.log = StrangersLog()
        # The same application, rules and all, with other settings.
        self._outside = copy.copy(web_app)
        settings = OutsideSettings(
            web_app.settings,
            allow_remote_access=True,
            log_function=self._finished,
            **{LEAD_HERE: lambda: self.shows_apps},
        )
        self._outside.settings = cast("dict[str, Any]", settings)
        host, _, port = door.authority.rpartition(":")
        self._hosts = {door.authority.lower()}
        if not host or not port.isdecimal():
            self._hosts.add(f"{door.authority.lower()}:{HTTPS}")

    @contextlib.contextmanager
    def expecting(self) -> Iterator[Nonce]:
        """Answer probes of a new name, as long as the block lasts."""
        nonce = self._nonce = Nonce()
        try:
            yield nonce
        finally:
            if self._nonce is nonce:
                self._nonce = None

    @property
    def visitors(self) -> tuple[Visitor, ...]:
        """Who is connected now."""
        self._forget_closed()
        found: dict[str, list[datetime]] = {}
        for visit in self._visits.values():
            if visit.delegate is not None:
                found.setdefault(visit.address, []).append(visit.since)
        return tuple(
            Visitor(address, len(times), min(times).isoformat(timespec="seconds"))
            for address, times in sorted(found.items())
        )

    def visit_on(self, connection: object) -> "Visit | None":
        """What is known of the one who asked last on a connection, if anybody did."""
        return self._visits.get(cast("IOStream", connection))

    @override
    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        if self.door.proxied:
            _take_forwarded(request)
        self._forget_closed()
        visit = Visit(_address(request), datetime.now(UTC))
        self._visits[cast("HTTP1Connection", request.connection).stream] = visit
        self.log.begin(visit)
        below, is_probe, probed = request.path.partition(WELL_KNOWN)
        if is_probe and (below == self.door.base_url or probed == ANYBODY):
            handler, made = probe_handler(probed, self._nonce)
            return self._porch.get_handler_delegate(request, handler, made)
        refusal = self._refusal(request)
        if refusal is not None:
            return self._porch.get_handler_delegate(request, Refused, {"refusal": refusal})
        delegate = self._app.find_handler(request)
        refusal = self._refusal_of(delegate, request)
        if refusal is not None:
            return self._porch.get_handler_delegate(request, Refused, {"refusal": refusal})
        told = self._told(delegate, request)
        refusal = self._bound_body(request, told)
        if refusal is not None:
            made = {"refusal": refusal}
            return self._porch.get_handler_delegate(request, RefusedAtTheEnd, made)
        visit.delegate, visit.was_known = delegate, told is Standing.LOGGED_IN
        visit.tries_login = self._tries_login(delegate, request)
        if hasattr(delegate, "application"):
            self._let_in(delegate)
        return Counted(delegate, self._bodies) if told is Standing.UNTOLD else delegate

    def _let_in(self, delegate: Any) -> None:
        """Give a request to what answers it, with our settings."""
        delegate.application = self._outside
        if self._is_login(delegate):
            delegate.handler_class = _login_alone(delegate.handler_class)

    def _refusal(self, request: HTTPServerRequest) -> "Refusal | None":
        """Why a request does not pass, whatever it is for."""
        if not _is_readable(request):
            return _UNREADABLE
        for_app = self._is_for_app(request)
        if not for_app and request.host.lower() not in self._hosts:
            return _MISDIRECTED
        if request.protocol != "https":
            return moved(f"https://{request.host}/" if for_app else self.door.url)
        if not self.is_open:
            return Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "This Jupyter is not shown at the moment: its connection is being checked.",
                (("Retry-After", "10"),),
            )
        # To Jupyter's rules this is a pattern, which others may fit as well.
        if not for_app and not f"{request.path}/".startswith(self.door.base_url):
            return _NOT_HERE
        return None

    def _refusal_of(
        self, delegate: HTTPMessageDelegate | None, request: HTTPServerRequest
    ) -> "Refusal | None":
        """Why it does not pass to what would answer it."""
        if self._is_for_app(request) and not _shows_app(delegate):
            return _MISDIRECTED
        if self._tries_login(delegate, request) and not self._logins.admits(_address(request)):
            return Refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                "Too many logins were tried. Wait a minute.",
                (("Retry-After", "60"),),
            )
        return None

    def _is_for_app(self, request: HTTPServerRequest) -> bool:
        """Whether it is for the name of an application."""
        apps, (host, port) = self.door.apps, _split(request.host)
        if apps is None or not self.shows_apps or request.host.lower() in self._hosts:
            return False
        return apps.covers(host.removesuffix(".")) and port == _split(self.door.authority)[1]

    def _told(self, delegate: HTTPMessageDelegate, request: HTTPServerRequest) -> Standing | None:
        """What is known of its sender; None where that need not be, as no body is held."""
        if getattr(delegate, "stream_request_body", False) or not has_body(request.headers):
            return None
        return standing(self._provider, RequestHandler(self._outside, request))

    def _bound_body(self, request: HTTPServerRequest, told: Standing | None) -> "Refusal | None":
        """Take no longer a body than there is room for, and for so long; or why none is taken."""
        if told is None or told is Standing.LOGGED_IN:
            return None
        is_stranger = told is Standing.STRANGER
        room = SMALL_BODY if is_stranger else SMALL_BODY + self._bodies.room
        connection = cast("HTTP1Connection", request.connection)
        connection.set_body_timeout(BODY_SECONDS[told])
        length = request.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > room:
            return _TOO_LONG if is_stranger else _TOO_MUCH
        connection.set_max_body_size(room)
        return None

    def _tries_login(
        self, delegate: HTTPMessageDelegate | None, request: HTTPServerRequest
    ) -> bool:
        return self._is_login(delegate) and request.method == "POST"

    def _is_login(self, delegate: HTTPMessageDelegate | None) -> bool:
        """Whether a request was found to be for Jupyter's login, by whatever path."""
        own = getattr(self._provider, "login_handler_class", LoginFormHandler)
        return issubclass(getattr(delegate, "handler_class", object), (LoginFormHandler, own))

    def _finished(self, handler: RequestHandler) -> None:
        """Jupyter has answered a request: a websocket goes on."""
        if handler.get_status() != HTTPStatus.SWITCHING_PROTOCOLS:
            visit = self.visit_on(cast("HTTP1Connection", handler.request.connection).stream)
            if visit is not None:
                visit.end()
        self.log.finished(handler, self._app.log_request)

    def _forget_closed(self) -> None:
        for stream in [stream for stream in self._visits if stream.closed()]:
            del self._visits[stream]


@functools.cache
def _login_alone(kind: type[RequestHandler]) -> type[RequestHandler]:
    """Jupyter's login, by which nobody sets a password: as it comes, it takes any new one of who
    has the token.
    """

    class Login(kind):  # type: ignore[misc, valid-type]
        @property
        def template_namespace(self) -> dict[str, Any]:
            return {**super().template_namespace, "allow_password_change": False}

        async def prepare(self, *args: Any, **kwargs: Any) -> None:
            prepared = super().prepare(*args, **kwargs)
            if inspect.isawaitable(prepared):
                await prepared
            if self.get_argument("new_password", ""):
                raise HTTPError(
                    HTTPStatus.FORBIDDEN,
                    "The password is not set from outside. Do that on the machine of this Jupyter.",
                )

    return Login


class Logins:
    """How many logins were tried in the last minute; all of a network (/64) of IPv6 are one's, who
    can take each of its addresses.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._of: dict[str, deque[float]] = {}
        self._all: deque[float] = deque()

    def admits(self, address: str) -> bool:
        """Whether one more of `address` is taken, which counts then."""
        now, address = self._now(), visitor_of(address)
        if len(self._of) > _ADDRESSES:
            self._of = {one: times for one, times in self._of.items() if now - times[-1] < _MINUTE}
        own = self._of.setdefault(address, deque(maxlen=LOGINS))
        for times in (own, self._all):
            while times and now - times[0] >= _MINUTE:
                times.popleft()
        admitted = len(self._all) < LOGINS_OF_ALL and len(own) < LOGINS
        if admitted:
            own.append(now)
            self._all.append(now)
        elif not own:
            del self._of[address]
        return admitted


def visitor_of(address: str) -> str:
    """What is counted in the place of an address."""
    try:
        found = IPv6Address(address)
    except ValueError:  # IPv4, or not known
        return address
    return str(found.ipv4_mapped or found.packed[:8].hex())


@dataclass(frozen=True)
class Refusal:
    """An answer of the gate itself."""

    status: HTTPStatus
    text: str
    headers: tuple[tuple[str, str], ...] = ()


_UNREADABLE = Refusal(HTTPStatus.BAD_REQUEST, "What is asked for, or from where, is no URL.")
_MISDIRECTED = Refusal(HTTPStatus.MISDIRECTED_REQUEST, "Nothing is published by that name.")
_NOT_HERE = Refusal(HTTPStatus.NOT_FOUND, "Nothing is published at that address.")
_TOO_LONG = Refusal(HTTPStatus.FORBIDDEN, "Only users who are logged in may send that much.")
_TOO_MUCH = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "More is being sent at the moment than is taken. Try again.",
    (("Retry-After", "10"),),
)


def moved(url: str) -> Refusal:
    """The answer to those who ask without TLS."""
    text = f"This is published by https alone: {url}"
    return Refusal(HTTPStatus.MOVED_PERMANENTLY, text, (("Location", url),))


@stream_request_body
class Refused(RequestHandler):
    """Gives the gate's answer, whatever is asked and however long it is."""

    def initialize(self, refusal: Refusal) -> None:
        self._refusal = refusal

    @override
    async def prepare(self) -> None:
        await self.answer()

    async def answer(self) -> None:
        """Give it."""
        self.set_status(self._refusal.status, self._refusal.status.phrase)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Connection", "close")
        for name, value in self._refusal.headers:
            self.set_header(name, value)
        await self.finish(f"{self._refusal.text}\n")

    @override
    def data_received(self, chunk: bytes) -> None:
        """Not read."""


# The last is what websockets called the one before, which tornado takes in its place.
_URLS = ("Referer", "Origin", "Sec-WebSocket-Origin")


def _is_readable(request: HTTPServerRequest) -> bool:
    """Whether the URLs in it are some: Jupyter takes them apart, and takes that for granted. What
    else it says may hold any characters, as the name of a file does."""
    asked = request.uri or ""
    try:
        for url in (asked, *(request.headers.get(name, "") for name in _URLS)):
            urlsplit(url)
    except ValueError:
        return False
    return asked.isascii()


def _split(authority: str) -> tuple[str, int]:
    """The host name, lower case, and the port of a Host header."""
    host, port = split_host_and_port(authority.lower())
    return host, port or HTTPS


def _shows_app(delegate: HTTPMessageDelegate | None) -> bool:
    """Whether a request was found to be for an application's view."""
    handler = getattr(delegate, "handler_class", object)
    return issubclass(handler, OriginHandler | ProbeHandler)


@stream_request_body
class RefusedAtTheEnd(Refused):
    """Lets all that is sent pass by first, as web servers in front want to have sent it. It is kept
    nowhere.
    """

    SUPPORTED_METHODS = ("POST", "PUT", "PATCH", "DELETE")

    @override
    async def prepare(self) -> None:
        """Not yet."""

    post = put = patch = delete = Refused.answer


def _take_forwarded(request: HTTPServerRequest) -> None:
    """Believe the web server in front, and only that: what stands last in a header is its own word,
    and headers that it may pass on as it got them (X-Real-IP, X-Scheme) are not looked at.
    """
    address = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    request.remote_ip = address if is_valid_ip(address) else UNKNOWN_ADDRESS
    scheme = request.headers.get("X-Forwarded-Proto", "https").rpartition(",")[2].strip()
    request.protocol = "http" if scheme == "http" else "https"


def _address(request: HTTPServerRequest) -> str:
    """Whose request it is; "" where that is not known."""
    address = request.remote_ip
    return "" if not address or address == UNKNOWN_ADDRESS else address
