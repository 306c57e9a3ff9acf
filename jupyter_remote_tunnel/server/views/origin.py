"""The origin view: an application at `http://<label>.localhost:<port>/`, or, for browsers that
come by https, at the same label below a domain of the user's.

The way in: `open/<id>` redirects to `/.remote-tunnel/<ticket>/` on that host, which sets a cookie
and redirects to `/`. Without the cookie every request to every name has one answer, but for what a
framed page opens in a tab: a frame's cookie is for the frame alone, so this request takes a detour
by `open/<id>`. Root-absolute paths, the application's own cookies and its storage work as on a
machine of its own, and its pages can do nothing to Jupyter's: browsers see another site.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado.httputil import HTTPServerRequest, split_host_and_port
from tornado.web import RequestHandler
from typing_extensions import override

from . import cookies, gate, names, neighbours, pages
from .grants import Grant
from .handler import Admitted, Reply, ViewHandler
from .headers import Header, Manner
from .pages import Page
from .ports import Loopback

if TYPE_CHECKING:
    from . import Views

_LAB_HOSTS = ("localhost", "127.0.0.1")
_ENTRANCE = re.compile(r"/\.remote-tunnel/([0-9a-f]{32})(/.*)")


def entrance(request: HTTPServerRequest, host: str, ticket: str, uri: str) -> str:
    """The URL that takes a ticket and goes on to `uri` ("/path?query") of the application at
    `host`, where the browser asked Jupyter by `request`."""
    port = split_host_and_port(request.host)[1]
    authority = host if port is None else f"{host}:{port}"
    return f"{request.protocol}://{authority}/.remote-tunnel/{ticket}{uri}"


def port_of(request: HTTPServerRequest) -> int:
    """The port that the browser used, from the Host header."""
    return split_host_and_port(request.host)[1] or (443 if request.protocol == "https" else 80)


def is_local(request: HTTPServerRequest) -> bool:
    """Whether the browser asks from this machine, over plain http, with nothing in between."""
    plain_http = request.protocol == "http"
    return (
        plain_http
        and gate.is_loopback(request.remote_ip)
        and not gate.is_forwarded(request.headers)
    )


def is_public(request: HTTPServerRequest) -> bool:
    """Whether the browser asks by https and a name that is not for its own machine alone.

    What a header says of that counts where Jupyter believes it (`trust_xheaders`), or came in by
    our own gate.
    """
    host = names.host_of(request)
    own = host == "localhost" or host.endswith(".localhost") or gate.is_loopback(host)
    return request.protocol == "https" and not own


def is_offered_locally(request: HTTPServerRequest, loopback: Loopback) -> bool:
    """Whether a page of Lab under the host name of `request` can have an origin view below
    localhost.

    No other name of the loopback can stand in the policy that says who may frame the view.
    """
    named = request.host_name in _LAB_HOSTS
    return named and is_local(request) and loopback.owns(port_of(request))


def _is_reached(request: HTTPServerRequest, known: names.Names) -> bool:
    """Whether a request to a name of ours came as browsers come to it."""
    is_here = known.domain_of(names.host_of(request)) is names.LOCAL
    return is_local(request) if is_here else is_public(request)


def _stays_here(uri: str) -> bool:
    """Whether a path with its query leads nowhere else. Browsers take a backslash for a slash, and
    two of these at its begin for a host; none sends one in a path."""
    return uri.startswith("/") and "\\" not in uri.partition("?")[0]


def _see_other(location: str, *more: Header) -> Reply:
    fixed = (("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"))
    return Reply(HTTPStatus.SEE_OTHER, (("Location", location), *more, *fixed))


class OriginHandler(ViewHandler):
    """Everything at the names of applications."""

    view = "origin"

    @override
    def admit(self) -> Admitted | Page | Reply:
        if not _is_reached(self.request, self.views.names):
            return pages.nothing_here()
        entered = _ENTRANCE.fullmatch(self.request.uri or "")
        if entered:
            return self._enter(*entered.groups())
        grant = self.views.grants.session(self._cookies(), self._host)
        upstream = self.views.upstream_of(grant)
        if grant is None or upstream is None:
            return self._detour() or pages.nothing_here()
        grant.address = self.request.remote_ip or ""
        return Admitted(grant, upstream, self._manner(grant))

    @override
    def passes_gate(self, *, websocket: bool) -> bool:
        return gate.admits_origin(
            self.request.method or "",
            self.request.headers,
            self._origin,
            websocket=websocket,
            has_neighbours=self._has_neighbours,
        )

    def _detour(self) -> Reply | None:
        """By Jupyter, where the user is logged in, to a ticket for what a framed page opens."""
        asked, uri = self.request, self.request.uri or ""
        if not (gate.is_own_link(asked.method or "", asked.headers) and _stays_here(uri)):
            return None
        # A program of somebody else can say what it likes.
        address = None
        if is_public(asked):
            address = asked.remote_ip or gate.UNKNOWN_ADDRESS
            if address == gate.UNKNOWN_ADDRESS:
                return None
        elif not neighbours.is_ours(self._connection.stream.socket):
            return None
        grant = self.views.grants.framed_at(self._host, address)
        if grant is None or self.views.upstream_of(grant) is None:
            return None
        detour = self.views.grants.detour(uri)
        where = f"{grant.lab}{self.base_url}remote-tunnel/open/{grant.app_id}"
        return _see_other(f"{where}?view=origin&detour={detour}")

    def _enter(self, ticket: str, uri: str) -> Page | Reply:
        if not _stays_here(uri):
            return pages.nothing_here()
        framed = gate.is_framed(self.request.headers)
        value = self.views.grants.enter(ticket, self._host, self._cookies(), framed=framed)
        if value is None:
            return pages.nothing_here()
        jar = "SameSite=None; Secure; Partitioned" if framed else "SameSite=Lax"
        if self.request.protocol == "https" and not framed:
            jar += "; Secure"
        cookie = f"{self._cookie}={value}; Path=/; HttpOnly; {jar}"
        # Two slashes at its begin would be read as a host.
        return _see_other(f"/.{uri}" if uri.startswith("//") else uri, ("Set-Cookie", cookie))

    def _manner(self, grant: Grant) -> Manner:
        return Manner(
            origin=self._origin,
            prefix="/",
            jar="framed" if grant.framed else "own",
            token=self.views.token,
            extra=(
                ("Content-Security-Policy", f"frame-ancestors 'self' {grant.lab}"),
                ("Referrer-Policy", "same-origin" if self._has_neighbours else "no-referrer"),
            ),
        )

    def _cookies(self) -> list[str]:
        sent = "; ".join(self.request.headers.get_list("Cookie"))
        return cookies.values(sent, self._cookie)

    @property
    def _cookie(self) -> str:
        return cookies.of_view(port_of(self.request), self.request.protocol)

    @property
    def _has_neighbours(self) -> bool:
        """Whether applications are of one site, as they are below a domain in DNS."""
        return self.views.names.domain_of(self._host) is not names.LOCAL

    @property
    def _host(self) -> str:
        return names.host_of(self.request)

    @property
    def _origin(self) -> str:
        return f"{self.request.protocol}://{self.request.host.lower()}"


class ProbeHandler(RequestHandler):
    """`probe-<random>.localhost`: tells a page of Lab whether such names lead its browser here."""

    def initialize(self, views: "Views") -> None:
        self._names = views.names

    @allow_unauthenticated
    def get(self) -> None:
        """204, readable by Lab's own pages; who they are is not known where they have a name in
        DNS, and it holds nothing."""
        if not _is_reached(self.request, self._names):
            self.set_status(HTTPStatus.NOT_FOUND)
            return
        self.set_status(HTTPStatus.NO_CONTENT)
        if is_public(self.request):
            self.set_header("Access-Control-Allow-Origin", "*")
            return
        origin = self.request.headers.get("Origin", "")
        if origin in _lab_origins(port_of(self.request)):
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Vary", "Origin")

    @override
    def _log(self) -> None:
        """Not worth a line."""


def _lab_origins(port: int) -> Iterable[str]:
    suffix = "" if port == 80 else f":{port}"
    return [f"http://{host}{suffix}" for host in _LAB_HOSTS]
