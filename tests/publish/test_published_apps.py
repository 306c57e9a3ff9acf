"""A published Jupyter whose applications have names of their own: what is checked and typed, and a
Bokeh application in the origin view of an outsider, through nginx and through Caddy."""

import json
import re
import ssl
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import websockets

from jupyter_remote_tunnel.publish.sites import Site
from tests.publish.conftest import GIVEN, NAME, give
from tests.publish.test_published import PASSWORD, printed, to_type
from tests.server.conftest import PREFIX, close_all, manager
from tests.support.bokeh_app import BokehApp, bokeh_app
from tests.support.certbot import issue
from tests.support.certificates import WebAuthority
from tests.support.dns import resolver
from tests.support.http import by_cookie, through
from tests.support.jupyter import Jupyter, jupyter
from tests.support.sshd import SshBed
from tests.support.user import User
from tests.support.web_gateway import WebGateway

APPS = "apps.example.net"
SITE = Site(NAME, "ann", "/lab/of/ann/")
PUBLISH = ("publish", "--name", NAME)
UNKNOWN = "a" + 20 * "z"

# What certbot does when it has been shown that a name is ours: by http, or in DNS.
CERTBOT = """#!/bin/sh
name=%s
case "$*" in *--manual*--preferred-challenges\\ dns*) issued=wildcard ;; *) issued=issued ;; esac
while [ $# -gt 0 ]; do
  [ "$1" = --cert-name ] && name=$2
  shift
done
mkdir -p /etc/letsencrypt/live/$name
cp /etc/ssl/$issued.pem /etc/letsencrypt/live/$name/fullchain.pem
cp /etc/ssl/$issued.key /etc/letsencrypt/live/$name/privkey.pem
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> WebAuthority:
    return WebAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def trusted(authority: WebAuthority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.root))


@pytest.fixture(scope="module")
def bokeh(gateway: WebGateway) -> Iterator[BokehApp]:
    """On the gateway, with no flag that a view would need."""
    with bokeh_app(namespace=gateway.namespace) as app:
        yield app


@pytest.fixture(scope="module")
def server(module_bed: SshBed, gateway: WebGateway, authority: WebAuthority) -> Iterator[Jupyter]:
    """The Jupyter that is to be published; DNS knows of it all."""
    settings = manager(module_bed, app_domain=f"{{id}}.{APPS}")
    with (
        resolver({f"*.{APPS}": [f"A {gateway.address}"]}) as dns,
        jupyter(
            password=PASSWORD,
            base_url=SITE.prefix,
            traits={"TunnelManager": settings},
            env={"SSL_CERT_FILE": str(authority.root)},
            hosts={NAME: gateway.address},
            dns=dns,
        ) as running,
    ):
        yield running


@pytest.fixture
def person(server: Jupyter) -> Iterator[User]:
    """Who sits at a terminal of its machine."""
    with User() as user:
        user.environment.update(server.environment)
        yield user
        with by_cookie(server) as api:
            for one in api.get(f"{PREFIX}publish").json()["publications"]:
                api.delete(f"{PREFIX}publish/{one['id']}")
            close_all(api)


def prepare(gateway: WebGateway, authority: WebAuthority) -> None:
    """Have certbot get certificates, by http and by DNS."""
    issue(gateway, authority.issue(NAME), NAME)
    pair = authority.issue(f"*.{APPS}")
    gateway.path("/etc/ssl/wildcard.pem").write_bytes(pair.chain.read_bytes())
    gateway.path("/etc/ssl/wildcard.key").write_bytes(pair.key.read_bytes())
    gateway.path("/run/bin/certbot").write_text(CERTBOT % NAME)


def line(said: str, name: str) -> str:
    """That of a check."""
    found = re.search(rf"^(ok|note|FAILED) +{name} .*$", said, re.MULTILINE)
    assert found, said
    return found[0]


def opened(server: Jupyter, bokeh: BokehApp) -> str:
    """A tunnel to the application; its id."""
    with by_cookie(server) as api:
        wanted = {"host": "gw", "destination": bokeh.destination}
        answer = api.post(f"{PREFIX}apps", json=wanted)
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()["id"])


class Outsider(httpx.AsyncClient):
    """A browser beyond the gateway: it follows no redirect, and keeps cookies."""

    def __init__(self, gateway: WebGateway, trusted: ssl.SSLContext) -> None:
        super().__init__(base_url=SITE.url, transport=through(gateway.address, trusted), timeout=60)

    async def log_in(self) -> None:
        await self.get("login")
        form = {"password": PASSWORD, "_xsrf": self.cookies["_xsrf"]}
        assert (await self.post("login", data=form)).status_code == 302

    async def offered(self) -> dict[str, Any]:
        """The views, as JupyterLab is told."""
        views: dict[str, Any] = (await self.get(f"{PREFIX}apps")).json()["views"]
        return views

    async def enter(self, app_id: str) -> str:
        """Go to the origin view; its URL."""
        there = (await self.get(f"remote-tunnel/open/{app_id}")).headers["Location"]
        view, found, _ = there.partition("/.remote-tunnel/")
        assert found, there
        answer = await self.get(there)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        return view


async def works(
    client: Outsider, gateway: WebGateway, trusted: ssl.SSLContext, app_id: str
) -> None:
    """The application is shown at a name of its own, its websocket lives, and nothing else is."""
    assert await client.offered() == {
        "origin": True,
        "names": f"{{id}}.{APPS}",
        "path": f"{SITE.prefix}remote-tunnel/app/",
    }
    view = await client.enter(app_id)
    assert re.fullmatch(r"https://a[a-z2-7]{20}\.apps\.example\.net", view)
    page = await client.get(f"{view}/app", headers={"Accept": "text/html"})
    assert page.status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert policy == f"frame-ancestors 'self' https://{NAME}"
    token = re.search(r'"token":"([^"]+)"', page.text)
    assert token
    host = view.removeprefix("https://")
    cookie = next(c for c in client.cookies.jar if c.name == "__Host-remote-tunnel-443")
    async with websockets.connect(
        f"wss://{host}/app/ws",
        host=gateway.address,
        port=443,
        ssl=trusted,
        proxy=None,
        origin=websockets.Origin(view),
        subprotocols=[websockets.Subprotocol("bokeh"), websockets.Subprotocol(token[1])],
        additional_headers={"Cookie": f"{cookie.name}={cookie.value}"},
    ) as socket:
        assert json.loads(str(await socket.recv()))["msgtype"] == "ACK"
    bare = Outsider(gateway, trusted)
    async with bare:
        for name in (host, f"{UNKNOWN}.{APPS}", f"jupyter.{APPS}"):
            for path in ("/", "/app", f"{SITE.prefix}login", f"{SITE.prefix}api/status"):
                answer = await bare.get(f"https://{name}{path}")
                assert (answer.status_code, "Nothing is shown" in answer.text) == (404, True)
        assert (await bare.get("login")).status_code == 200


async def test_through_nginx(
    gateway: WebGateway,
    authority: WebAuthority,
    trusted: ssl.SSLContext,
    server: Jupyter,
    person: User,
    bokeh: BokehApp,
) -> None:
    prepare(gateway, authority)
    with gateway.nginx():
        said = person.tunnel(*PUBLISH, "gw", status=1).stdout
        assert f"*.{APPS} is {gateway.address}, which is gw." in line(said, "app names")
        assert line(said, "app cert").startswith("FAILED")
        command = f"certonly --manual --preferred-challenges dns --cert-name wildcard.{APPS}"
        assert said.count(f"{command} -d '*.{APPS}' --deploy-hook 'nginx -s reload'") == 1
        gateway.type(printed(person.tunnel(*PUBLISH, "--site", "nginx", "gw").stdout))
        said = person.tunnel(*PUBLISH, "gw").stdout
        assert f"Published: {SITE.url}" in said, said
        assert f"is for *.{APPS}, until" in line(said, "app cert")
        assert line(said, "applications").startswith("ok")
        app_id = opened(server, bokeh)
        async with Outsider(gateway, trusted) as client:
            await client.log_in()
            await works(client, gateway, trusted, app_id)
            view = await client.enter(app_id)
            await client.get("logout")
            assert (await client.get(f"{view}/app")).status_code == 404

        # Without it all goes on as it does elsewhere, and says so.
        person.tunnel("publish", "--stop")
        issue(gateway, authority.issue(NAME), NAME)
        live = f"/etc/letsencrypt/live/wildcard.{APPS}"
        gateway.type([f"cp /etc/ssl/issued.pem {live}/fullchain.pem"])
        gateway.type([f"cp /etc/ssl/issued.key {live}/privkey.pem", "nginx -s reload"])
        said = person.tunnel(*PUBLISH, "gw").stdout
        assert f"Published: {SITE.url}" in said, said
        for name in ("app cert", "applications"):
            assert line(said, name).startswith("note")
        assert f"is not for *.{APPS}" in line(said, "applications")
        assert "Until then applications are shown in sandboxed pages." in said
        async with Outsider(gateway, trusted) as client:
            await client.log_in()
            assert (await client.offered())["origin"] is False
            there = await client.get(f"remote-tunnel/open/{app_id}")
            assert f"--prefix {SITE.prefix}remote-tunnel/app/" in there.text


async def test_through_caddy(
    gateway: WebGateway,
    authority: WebAuthority,
    trusted: ssl.SSLContext,
    server: Jupyter,
    person: User,
    bokeh: BokehApp,
) -> None:
    own = [*PUBLISH, "--certfile", GIVEN.chain, "--keyfile", GIVEN.key]
    pair = authority.issue(NAME, f"*.{APPS}")
    give(gateway, pair)
    with gateway.caddy():
        said = person.tunnel(*PUBLISH, "gw", status=1).stdout
        assert line(said, "app cert").startswith("note")
        assert "only with a module for its DNS" in said
        said = person.tunnel(*own, "gw", status=1).stdout
        gateway.type(to_type(said.splitlines()))
        said = person.tunnel(*own, "gw").stdout
        assert f"Published: {SITE.url}" in said, said
        assert line(said, "applications").startswith("ok")
        async with Outsider(gateway, trusted) as client:
            await client.log_in()
            await works(client, gateway, trusted, opened(server, bokeh))
