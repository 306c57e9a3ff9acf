"""Remote applications in the browser: the views, set up on a running Jupyter server.

    upstream    what is known of an application, and who knows it
    open        `remote-tunnel/open/<id>`, behind Jupyter's login: makes a way in and goes there
    origin      a view on a host name of its own            \\  both are a `handler`: admit, gate,
    path        a sandboxed view under Jupyter's own path   /   relay, or a page
    relay       bodies, passed on; client: HTTP to the applications; websocket: their websockets
    headers     what passes between browser and application; cookies: the two headers of these
    jupyter_pages  a remote Jupyter's pages without its token; tls: https on the remote's loopback
    gate        whether a request comes from the application's own pages
    grants      tickets, sessions, capabilities; logins: whose they are, and log-out
    names       host labels; ports: whether the loopback is ours; pages: our own; log: what is told

`setup` registers everything; `Views` is what the rest of the server holds of it.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from jupyter_core.paths import jupyter_data_dir
from tornado.httputil import split_host_and_port

from . import logins, names, origin, pages
from .grants import Grant, Grants
from .open import OpenHandler
from .origin import OriginHandler, ProbeHandler
from .path import PathHandler
from .ports import Loopback
from .upstream import Upstream, Upstreams

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server.auth.identity import IdentityProvider
    from tornado.routing import Matcher
    from tornado.web import Application, RequestHandler

    from ...model.app_domain import AppDomain
    from .client import Client

__all__ = ["Offer", "Upstream", "Upstreams", "Views", "add_first", "setup"]


class Offer(TypedDict):
    """Which views a browser can have: whether the origin view, and under which host names
    ("{id}.localhost", or ""); and the path under which the path view's are.
    """

    origin: bool
    names: str
    path: str


class Views:
    """All views of one server.

    :param settings: those of Jupyter's web application.
    :param key_file: where the secret of the host labels is kept.
    """

    def __init__(self, upstreams: Upstreams, settings: dict[str, Any], key_file: Path) -> None:
        self.upstreams = upstreams
        self._provider: IdentityProvider = settings["identity_provider"]
        self._base_url: str = settings["base_url"]
        # The server is made after its extensions are.
        self.loopback = Loopback(lambda: settings["serverapp"].http_server)
        self._client: Client | None = None
        self.grants = Grants()
        self.names = names.Names()
        self.labels = names.Labels(key_file)

    def offer(self, handler: "RequestHandler") -> Offer:
        """The views for the browser that asks Jupyter in `handler`."""
        domain = self.domain_for(handler)
        path = f"{self._base_url}remote-tunnel/app/"
        return {"origin": domain is not None, "names": str(domain or ""), "path": path}

    def domain_for(self, handler: "RequestHandler") -> "AppDomain | None":
        """Below which domain applications are for a page of Lab, as the browser that asks in
        `handler` reaches it; None: there are no origin views."""
        leads_here: Callable[[], bool] | None = handler.settings.get(names.LEAD_HERE)
        if origin.is_offered_locally(handler.request, self.loopback):
            return names.LOCAL
        in_dns = self.names.domain if leads_here is None or leads_here() else None
        if in_dns is None or not origin.is_public(handler.request):
            return None
        return in_dns if in_dns.is_apart(names.host_of(handler.request)) else None

    def needs(self, handler: "RequestHandler") -> str:
        """What an address of its own takes for a browser that asks in `handler` for the path view,
        as JupyterLab does where it has tried the other one in vain."""
        domain = self.domain_for(handler)
        if domain is None or domain is names.LOCAL:
            return pages.NEEDS
        return pages.needs_reach(domain, split_host_and_port(handler.request.host)[1])

    @property
    def client(self) -> "Client":
        """The client towards all applications; its import waits for the first request."""
        if self._client is None:
            from .client import Client

            self._client = Client()
        return self._client

    @property
    def token(self) -> str:
        """Jupyter's own, which no application may be sent; "" if it has none."""
        return str(getattr(self._provider, "token", "") or "")

    def upstream_of(self, grant: Grant | None) -> Upstream | None:
        """Where a grant leads; None, and no way back, if its tunnel was closed."""
        if grant is None:
            return None
        upstream = self.upstreams.get(grant.app_id)
        if upstream is None or upstream.gone:
            self.grants.revoke_app(grant.app_id)
            return None
        return upstream

    async def close(self) -> None:
        """End everything that goes through the views."""
        await self.grants.close()
        if self._client is not None:
            await self._client.close()


def setup(web_app: "Application", upstreams: Upstreams) -> Views:
    """Register the views on a Jupyter server; the caller awaits `Views.close` when it stops."""
    settings = web_app.settings
    views = Views(upstreams, settings, Path(jupyter_data_dir()) / "remote-tunnel" / "label.key")
    made = {"views": views}
    base = re.escape(settings["base_url"])
    # Jupyter's own handlers come after those of extensions.
    logout = logins.logout_handler(settings["identity_provider"], views.grants.revoke_login)
    web_app.add_handlers(
        ".*$",
        [
            (rf"{base}remote-tunnel/open/([^/]+)", OpenHandler, made),
            (rf"{base}remote-tunnel/app/.*", PathHandler, made),
            (rf"{base}logout", logout),
        ],
    )
    add_first(web_app, names.OurNames(views.names, probes=False), (r".*", OriginHandler, made))
    add_first(web_app, names.OurNames(views.names, probes=True), (r".*", ProbeHandler, made))
    return views


def add_first(web_app: "Application", matcher: "Matcher", rule: Any) -> None:
    """Add a rule for some hosts. Rules are tried in order, and other extensions have added theirs
    for every host."""
    web_app.add_handlers(".*$", [rule])
    rules = web_app.default_router.rules
    rules.insert(0, rules.pop(-2))
    rules[0].matcher = matcher
