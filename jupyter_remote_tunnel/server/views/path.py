"""The path view: an application at `{base_url}remote-tunnel/app/<capability>/…`, sandboxed.

These pages lie under Jupyter's own origin, so every answer carries the CSP that takes it away from
them: an opaque origin, to which the browser sends no cookie. The path itself is what lets them in.
To scripts, fonts and `fetch` an opaque origin is another site, so answers allow it by CORS.

The application must have been started for this path, which reaches it in full.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from tornado.web import HTTPError
from typing_extensions import override

from . import gate, pages
from .handler import Admitted, Reply, ViewHandler
from .headers import Header, Manner
from .pages import Page

_SANDBOX = "sandbox allow-scripts allow-forms allow-downloads allow-popups"


def prefix_of(base_url: str, capability: str) -> str:
    """The path of one application, ends with "/"."""
    return f"{base_url}remote-tunnel/app/{capability}/"


def policy(settings: Mapping[str, Any]) -> str:
    """The CSP of every answer: the sandbox, and who may frame it, which is who may frame Lab."""
    configured = settings.get("headers", {}).get("Content-Security-Policy")
    directives = "frame-ancestors 'self'" if configured is None else configured
    ancestors = [part for part in directives.split(";") if part.split()[:1] == ["frame-ancestors"]]
    return "; ".join([_SANDBOX, *(part.strip() for part in ancestors)])


def misses_prefix(prefix: str, path: str, status: int, location: str) -> bool:
    """Whether an answer shows that the application does not know its prefix.

    Its first page is not found there, or is somewhere else.
    """
    if path.rstrip("/") != prefix.rstrip("/"):
        return False
    elsewhere = location.startswith("/") and not location.startswith(prefix)
    return status == HTTPStatus.NOT_FOUND or elsewhere


class PathHandler(ViewHandler):
    """Everything under `{base_url}remote-tunnel/app/`."""

    view = "path"

    @override
    def admit(self) -> Admitted | Page | Reply:
        if not self.check_host():
            raise HTTPError(HTTPStatus.FORBIDDEN)
        capability = self.request.path.removeprefix(f"{self.base_url}remote-tunnel/app/")
        capability = capability.partition("/")[0]
        grant = self.views.grants.capable(capability)
        upstream = self.views.upstream_of(grant)
        if grant is None or upstream is None:
            return pages.nothing_here()
        if self._is_preflight:
            return self._answer_preflight()
        manner = Manner(
            origin=f"{self.request.protocol}://{self.request.host.lower()}",
            prefix=prefix_of(self.base_url, capability),
            jar="none",
            token=self.views.token,
            extra=self.page_headers(),
        )
        return Admitted(grant, upstream, manner)

    @override
    def passes_gate(self, *, websocket: bool) -> bool:
        return gate.admits_path(
            self.request.method or "", self.request.headers, websocket=websocket
        )

    @override
    def instead_of(self, admitted: Admitted, status: int, location: str) -> Page | None:
        prefix = admitted.manner.prefix
        if misses_prefix(prefix, self.request.path, status, location):
            # Who has it in a tab of the browser may have asked for this view.
            is_framed = gate.is_framed(self.request.headers)
            needs = self.views.needs(self) if is_framed else pages.NEEDS
            return pages.without_prefix(admitted.upstream, prefix, (), needs)
        return super().instead_of(admitted, status, location)

    @override
    def page_headers(self) -> tuple[Header, ...]:
        return (
            ("Content-Security-Policy", policy(self.settings)),
            ("Referrer-Policy", "no-referrer"),
            ("Access-Control-Allow-Origin", "null"),
            ("Access-Control-Allow-Credentials", "true"),
        )

    @property
    def _is_preflight(self) -> bool:
        asked = self.request.headers
        return self.request.method == "OPTIONS" and "Access-Control-Request-Method" in asked

    def _answer_preflight(self) -> Reply:
        """On a machine of its own the page would not have had to ask, so it may."""
        asked = self.request.headers
        return Reply(
            HTTPStatus.NO_CONTENT,
            (
                *self.page_headers(),
                ("Access-Control-Allow-Methods", asked["Access-Control-Request-Method"]),
                ("Access-Control-Allow-Headers", asked.get("Access-Control-Request-Headers", "")),
                ("Access-Control-Max-Age", "600"),
            ),
        )
