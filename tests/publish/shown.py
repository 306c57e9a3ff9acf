"""A generated site in a real web server, before a real tornado."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace

import httpx
import psutil
import pytest
import websockets

from jupyter_remote_tunnel.model.app_domain import AppDomain
from jupyter_remote_tunnel.publish.certificates import make
from jupyter_remote_tunnel.publish.installing import Places, folder_commands, site_commands
from jupyter_remote_tunnel.publish.sites import Site, WebServer
from tests.publish.backend import Backend, backend
from tests.publish.conftest import GIVEN, NAME
from tests.support.http import through
from tests.support.process import PATIENCE, still_running
from tests.support.web_gateway import WebGateway

PLACES: dict[WebServer, Places] = {
    "nginx": Places(
        "nginx", "www-data", "/etc/nginx/sites-available", enabled="/etc/nginx/sites-enabled"
    ),
    "caddy": Places("caddy", "caddy", "/etc/caddy/sites", ".caddy", imported=False),
}


SITE = Site(NAME, "ann", certificate=GIVEN)


@dataclass
class Published:
    """A site that a real web server shows."""

    gateway: WebGateway
    server: WebServer
    trusted: ssl.SSLContext
    site: Site = SITE

    @property
    def places(self) -> Places:
        return PLACES[self.server]

    @property
    def visitor(self) -> str:
        """The address of the visitor."""
        assert self.gateway.namespace is not None
        return self.gateway.namespace.near_address

    @contextlib.asynccontextmanager
    async def client(self, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
        """A visitor."""
        transport = through(self.gateway.address, self.trusted)
        async with httpx.AsyncClient(
            base_url=f"https://{NAME}", transport=transport, headers=headers, timeout=60
        ) as client:
            yield client

    def websocket(self) -> websockets.connect:
        """One that a visitor opens."""
        return websockets.connect(
            f"wss://{NAME}/words",
            host=self.gateway.address,
            port=443,
            ssl=self.trusted,
            proxy=None,
            max_size=None,
        )

    def behind(self, prefix: str = "/") -> contextlib.AbstractAsyncContextManager[Backend]:
        """What it shows."""
        return backend(self.gateway.path(self.site.socket), prefix)

    def install(self, site: Site) -> None:
        """As its owner does, by what we tell them."""
        imported = self.places.server == "nginx" or (
            "import" in self.gateway.path("/etc/caddy/Caddyfile").read_text()
        )
        before = self.workers()
        self.gateway.type(site_commands(site, replace(self.places, imported=imported)))
        if self.server == "nginx":
            still_running(before, PATIENCE)  # they answer by the old site until they have ended
        self.site = site

    def workers(self) -> list[psutil.Process]:
        """The processes of the web server that answer requests."""
        return self.gateway.processes(self.server, self.places.group)


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def published(
    request: pytest.FixtureRequest, gateway: WebGateway, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Published]:
    """A site in one web server after the other."""
    server: WebServer = request.param
    made = make([NAME, APPS.wildcard], tmp_path_factory.mktemp("certificate"))
    gateway.path(GIVEN.chain).write_bytes(made.certificate.read_bytes())
    gateway.path(GIVEN.key).write_bytes(made.key.read_bytes())
    # Caddy reads it as its own user, and nobody else does.
    gateway.type([f"chown caddy {GIVEN.key}", f"chmod 600 {GIVEN.key}"])
    trusted = ssl.create_default_context(cafile=str(made.certificate))
    shown = Published(gateway, server, trusted)
    with gateway.nginx() if server == "nginx" else gateway.caddy():
        gateway.type(folder_commands(SITE, shown.places))
        shown.install(SITE)
        yield shown


FORGED = {
    "X-Forwarded-For": "203.0.113.9, 127.0.0.1",
    "X-Real-Ip": "203.0.113.9",
    "X-Forwarded-Proto": "http",
    "X-Scheme": "http",
    "X-Forwarded-Host": "evil.example",
    "Forwarded": "for=203.0.113.9;proto=http",
}


APPS = AppDomain.parse("{id}.apps.example.net")


LABEL = "a" + 20 * "b"


PROBE = "probe-" + 20 * "a"


in_nginx = pytest.mark.parametrize("published", ["nginx"], indirect=True)
