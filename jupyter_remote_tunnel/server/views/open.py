"""`{base_url}remote-tunnel/open/<id>`: the one URL of an application that is ever shown.

It opens nothing by itself: behind Jupyter's login it makes a ticket or finds the capability, and
redirects to the view. `?view=origin` or `?view=path` asks for one of them; without, it is the
origin view where that is possible. `?detour=…` comes from the origin view and goes back there, to
the page that was asked for.
"""

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from tornado.web import HTTPError, authenticated
from typing_extensions import override

from ...model.address import Address
from ...model.errors import RemoteTunnelError
from ...model.state import State
from . import gate, headers, logins, origin, pages, path
from .grants import Grant
from .pages import Page
from .relay import Unanswered
from .upstream import Upstream

if TYPE_CHECKING:
    from ...engine.messages import Who
    from ...model.app_domain import AppDomain
    from . import Views


# For an application that is slow to say whether it knows its prefix: its page may say so later.
_LOOK_SECONDS = 5.0


class OpenHandler(JupyterHandler):
    """Whoever may open tunnels may see what they lead to."""

    auth_resource = "remote_tunnel"

    @override
    def initialize(self, views: "Views") -> None:
        self.views = views
        self._look: asyncio.Task[bool] | None = None

    @authenticated
    @authorized(action="execute")  # type: ignore[untyped-decorator]
    async def get(self, app_id: str) -> None:
        view = self.get_query_argument("view", "")
        if view not in ("", "origin", "path"):
            raise HTTPError(HTTPStatus.BAD_REQUEST, "view is origin or path")
        uri = self.views.grants.way_back(self.get_query_argument("detour", ""))
        if uri is None:
            # Lab and what it opens are strangers: neither can reach the other's window. (On a
            # detour it is the application's own page that opens the other, from its frame.)
            self.set_header("Cross-Origin-Opener-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")
        # Nor does the application learn which notebook is open there.
        self.set_header("Referrer-Policy", "no-referrer")
        answer = await self._answer(app_id, view, uri)
        if gate.is_look(self.request.headers):
            waits = isinstance(answer, Page) and answer.waits
            self.set_status(pages.STILL_WAITING if waits else pages.CAN_GO)
        elif isinstance(answer, Page):
            self._compose(answer)
        else:
            self.redirect(answer, status=HTTPStatus.SEE_OTHER)

    head = get  # what a waiting page asks; a ticket that nobody takes expires

    async def _answer(self, app_id: str, view: str, uri: str | None) -> Page | str:
        """A page, or the URL to go to; `uri` is the page of the application in the origin view,
        None its first one.
        """
        upstream = self.views.upstreams.get(app_id)
        if upstream is None or upstream.gone:
            return pages.unknown()
        domain = self.views.domain_for(self)
        if upstream.is_jupyter and (view == "path" or domain is None):
            return pages.jupyter_not_offered(upstream, self.views.needs(self))
        if view == "path" or (domain is None and not view):
            return await self._by_path(upstream, origin_offered=domain is not None)
        if domain is None:
            return pages.not_offered((("Show it in a sandboxed page", "?view=path"),))
        if upstream.state != State.OPEN:
            return pages.down(upstream)
        if upstream.is_jupyter:
            # Also where it is known: whoever listens there by now must not be told its token.
            try:
                entered = await self.views.upstreams.enter(app_id, self._who)
            except RemoteTunnelError as error:
                return pages.no_way_in(upstream, error)
            if entered is None:
                return pages.unknown()
            upstream = entered
        return self._by_origin(upstream, domain, upstream.entry if uri is None else uri)

    @property
    def _who(self) -> "Who":
        from ...engine.messages import Who  # no start of a Jupyter server pays for it

        return Who(logins.login_of(self), self.current_user.display_name)

    def _by_origin(self, upstream: Upstream, domain: "AppDomain", uri: str) -> str:
        host = domain.host(self.views.labels.of(upstream))
        grant = Grant(logins.login_of(self), upstream.app_id, self._lab, host)
        return origin.entrance(self.request, host, self.views.grants.ticket(grant), uri)

    async def _by_path(self, upstream: Upstream, *, origin_offered: bool) -> Page | str:
        """Here, and not in the sandbox, a link to the other view works: so look first.

        Whoever has to wait does it there: in a sandboxed frame a page of ours could not ask again
        with Jupyter's cookies.
        """
        login = logins.login_of(self)
        capability = self.views.grants.capability(login, upstream.app_id, self._lab)
        prefix = path.prefix_of(self.base_url, capability)
        if upstream.state != State.OPEN or upstream.bound is None:
            return prefix
        looks = self._misses_prefix(upstream, upstream.bound, prefix)
        self._look = asyncio.get_running_loop().create_task(looks, name="look at an application")
        await asyncio.wait([self._look])
        if self._look.cancelled() or not self._look.result():
            return prefix
        # JupyterLab frames this view only where the other one is out of the browser's reach.
        other = origin_offered and not gate.is_framed(self.request.headers)
        links = (("Show it at an address of its own", "?view=origin"),) if other else ()
        return pages.without_prefix(upstream, prefix, links, self.views.needs(self))

    async def _misses_prefix(self, upstream: Upstream, bound: Address, prefix: str) -> bool:
        """Whether the application's answer shows that it does not know `prefix`; also False if it
        gives none in time.
        """
        asked = [("Host", upstream.authority), ("Accept", "text/html")]
        try:
            async with (
                asyncio.timeout(_LOOK_SECONDS),
                await self.views.client.request(bound, "HEAD", prefix, asked) as answer,
            ):
                location = headers.location(answer.location, upstream)
                return path.misses_prefix(prefix, prefix, answer.status, location)
        except (Unanswered, TimeoutError):
            return False

    @override
    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self._look is not None:
            self._look.cancel()

    def _compose(self, page: Page) -> None:
        document, extra = page.as_html()
        self.set_status(page.status)
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        for name, value in extra:
            self.add_header(name, value)
        self.write(document)

    @property
    def _lab(self) -> str:
        return f"{self.request.protocol}://{self.request.host.lower()}"
