"""The generated sites in real web servers, before a real tornado; and what they are made of."""

import asyncio
import contextlib
import json
import re
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psutil
import pytest
import websockets
from hypothesis import given
from hypothesis import strategies as st

from jupyter_remote_tunnel.model.app_domain import LABEL as LABEL_PATTERN
from jupyter_remote_tunnel.model.app_domain import AppDomain
from jupyter_remote_tunnel.model.errors import BadInput
from jupyter_remote_tunnel.model.host_name import published_name
from jupyter_remote_tunnel.publish.certificates import make
from jupyter_remote_tunnel.publish.installing import (
    Places,
    certbot_commands,
    folder_commands,
    site_commands,
    wildcard_commands,
)
from jupyter_remote_tunnel.publish.sites import CertificateFiles, Site, WebServer
from tests.publish.backend import Backend, backend
from tests.publish.conftest import GIVEN, NAME
from tests.support.fuzzing import texts
from tests.support.http import through
from tests.support.other_uid import other_users_python
from tests.support.process import PATIENCE, still_running, wait_until
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
    gateway.path(GIVEN.key).chmod(0o644)  # Caddy reads it as its own user
    trusted = ssl.create_default_context(cafile=str(made.certificate))
    shown = Published(gateway, server, trusted)
    with gateway.nginx() if server == "nginx" else gateway.caddy():
        gateway.type(folder_commands(SITE, shown.places))
        shown.install(SITE)
        yield shown


# In a web server.


async def test_a_request_arrives_as_it_was_sent(published: Published) -> None:
    async with published.behind(), published.client() as client:
        answer = await client.get("/a%2Fb/%C3%A4?x=%2F&y")
        seen = answer.json()
        assert seen["uri"] == "/a%2Fb/%C3%A4?x=%2F&y"
        assert (seen["host"], seen["protocol"]) == (NAME, "https")
        assert seen["remote_ip"] == published.visitor
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


FORGED = {
    "X-Forwarded-For": "203.0.113.9, 127.0.0.1",
    "X-Real-Ip": "203.0.113.9",
    "X-Forwarded-Proto": "http",
    "X-Scheme": "http",
    "X-Forwarded-Host": "evil.example",
    "Forwarded": "for=203.0.113.9;proto=http",
}


async def test_a_visitor_cannot_pass_for_another(published: Published) -> None:
    async with published.behind(), published.client(**FORGED) as client:
        seen = (await client.get("/echo")).json()
        assert (seen["remote_ip"], seen["protocol"]) == (published.visitor, "https")
        assert not {"X-Real-Ip", "X-Scheme", "X-Forwarded-Host", "Forwarded"} & set(seen["headers"])
        assert "203.0.113.9" not in json.dumps(seen)


async def test_websockets(published: Published) -> None:
    large = bytes(8 << 20)
    async with published.behind(), published.websocket() as socket:
        await socket.send("hello")
        assert await socket.recv() == "hello"
        await socket.send(large)
        assert await socket.recv() == large


async def test_an_answer_comes_as_it_is_written(published: Published) -> None:
    headers = {"Accept-Encoding": "gzip"}
    async with (
        published.behind() as behind,
        published.client(**headers) as client,
        client.stream("GET", "/stream") as answer,
    ):
        said = answer.aiter_text()
        assert await anext(said) == "one"
        behind.go_on.set()
        assert "".join([word async for word in said]) == "two"


async def test_an_upload_goes_on_as_it_comes(published: Published) -> None:
    """No byte of the next piece is sent before the last one was seen behind the web server."""
    pieces, size = 3, 1 << 16
    async with published.behind() as behind, published.client() as client:

        async def upload() -> AsyncIterator[bytes]:
            for _ in range(pieces):
                yield bytes(size)
                seen = 0
                while seen < size:
                    seen += await behind.pieces.get()

        answer = await client.post("/upload", content=upload())
    assert answer.json() == {"length": pieces * size}


@pytest.mark.long
async def test_a_gigabyte_takes_neither_disk_nor_memory(published: Published) -> None:
    size, piece = 1 << 30, bytes(1 << 20)
    workers = published.workers()
    assert workers
    most = 0
    held = published.gateway.path("/var/lib/nginx")
    stored = 0

    async with published.behind() as behind, published.client() as client:

        async def upload() -> AsyncIterator[bytes]:
            nonlocal most, stored
            for _ in range(size // len(piece)):
                yield piece
                while not behind.pieces.empty():
                    behind.pieces.get_nowait()
                most = max(most, *(one.memory_info().rss for one in workers))
                stored = max(stored, sum(f.stat().st_size for f in held.rglob("*") if f.is_file()))

        answer = await client.post("/upload", content=upload())
    assert answer.json() == {"length": size}
    assert most < 200 << 20
    assert stored == 0


async def test_http_is_sent_to_https(published: Published) -> None:
    async with httpx.AsyncClient(headers={"Host": NAME}) as client:
        answer = await client.get(f"http://{published.gateway.address}/lab?x=1")
    assert answer.status_code in (301, 308)
    assert answer.headers["Location"] == f"https://{NAME}/lab?x=1"


async def test_only_a_prefix_is_shown(published: Published) -> None:
    published.install(Site(NAME, "ann", prefix="/ann/lab/", certificate=GIVEN))
    try:
        async with published.behind("/ann/lab/"), published.client() as client:
            assert (await client.get("/ann/lab/tree%2F")).json()["uri"] == "/ann/lab/tree%2F"
            probe = "/ann/lab/.well-known/jupyter-remote-tunnel/x"
            assert (await client.get(probe)).json()["uri"] == probe
            bare = await client.get("/ann/lab")
            assert bare.headers["Location"] in ("/ann/lab/", f"https://{NAME}/ann/lab/")
            for other in ("/", "/ann/", "/ann/labs/", "/ann/lab/../x", "/ann/lab/%2e%2e/x"):
                assert (await client.get(other)).status_code == 404, other
    finally:
        published.install(SITE)


async def test_none_but_the_web_server_reaches_the_socket(published: Published) -> None:
    connect = "import socket,sys;socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    argv = other_users_python(connect, SITE.socket)
    async with published.behind():
        for user in (published.places.group, "ann"):
            assert published.gateway.run(*argv, user=user).stderr == ""
        assert "PermissionError" in published.gateway.run(*argv, user="bob").stderr
        assert published.gateway.run("ls", SITE.folder, user="bob").returncode != 0


APPS = AppDomain.parse("{id}.apps.example.net")
LABEL = "a" + 20 * "b"
PROBE = "probe-" + 20 * "a"


@pytest.mark.parametrize("template", ["{id}.apps.example.net", "ann-{id}.apps.example.net"])
async def test_names_of_applications_lead_to_the_same(published: Published, template: str) -> None:
    apps = AppDomain.parse(template)
    published.install(Site(NAME, "ann", prefix="/ann/lab/", certificate=GIVEN, apps=apps))
    host = apps.host(LABEL)
    try:
        async with published.behind(), published.client(**FORGED) as client:
            url = f"https://{host}/login?x=%2F"
            seen = [(await client.post(url)).json() for _ in range(10)][-1]  # none is held back
            assert (seen["uri"], seen["host"]) == ("/login?x=%2F", host)
            assert (seen["remote_ip"], seen["protocol"]) == (published.visitor, "https")
            assert not {"X-Real-Ip", "X-Scheme", "Forwarded"} & set(seen["headers"])
            assert (await client.get("/other")).status_code == 404
            answer = await client.get(
                f"http://{published.gateway.address}/x?y", headers={"Host": host}
            )
            assert answer.headers["Location"] == f"https://{host}/x?y"
        async with (
            published.behind(),
            websockets.connect(
                f"wss://{host}/words",
                host=published.gateway.address,
                port=443,
                ssl=published.trusted,
                proxy=None,
            ) as socket,
        ):
            await socket.send("hello")
            assert await socket.recv() == "hello"
    finally:
        published.install(SITE)


@pytest.mark.parametrize("other", ["ann-b-{id}", "ann-probe-{id}", "annb-{id}", "an-{id}"])
async def test_names_of_others_lead_elsewhere(published: Published, other: str) -> None:
    """Where several share a domain, and names of one begin as those of another."""
    apps = AppDomain.parse("ann-{id}.apps.example.net")
    theirs = AppDomain.parse(f"{other}.apps.example.net")
    published.install(Site(NAME, "ann", prefix="/ann/lab/", certificate=GIVEN, apps=apps))
    try:
        async with published.behind(), published.client() as client:
            for identifier in (LABEL, PROBE):
                own = await client.get(f"https://{apps.host(identifier)}/x")
                assert own.status_code == 200, own.url
                answer = await client.get(f"https://{theirs.host(identifier)}/x")
                assert answer.status_code == 404, answer.url
    finally:
        published.install(SITE)


# In nginx alone.

in_nginx = pytest.mark.parametrize("published", ["nginx"], indirect=True)


@in_nginx
async def test_another_host_name_is_seen_as_such(published: Published) -> None:
    """nginx shows its first site to visitors who ask for none; what is behind can refuse that."""
    async with published.behind(), published.client(Host="evil.example") as client:
        assert (await client.get("/echo")).json()["host"] == "evil.example"


async def http_to_tls(published: Published, host: str) -> tuple[int, str | None]:
    """What somebody is answered who types http:// and the port of TLS: the status, and where to."""
    async with httpx.AsyncClient(headers={"Host": f"{host}:443"}) as client:
        answer = await client.get(f"http://{published.gateway.address}:443/lab?x=%2F")
    return answer.status_code, answer.headers.get("Location")


@in_nginx
async def test_http_to_the_port_of_tls_is_sent_to_https(published: Published) -> None:
    assert await http_to_tls(published, NAME) == (301, f"https://{NAME}/lab?x=%2F")
    published.install(replace(SITE, prefix="/ann/lab/", apps=APPS))
    try:
        for host in (NAME, APPS.host(LABEL)):
            assert await http_to_tls(published, host) == (301, f"https://{host}/lab?x=%2F")
    finally:
        published.install(SITE)


@pytest.mark.parametrize("published", ["caddy"], indirect=True)
async def test_caddy_sends_it_there_if_told_as_the_page_says(published: Published) -> None:
    assert await http_to_tls(published, NAME) == (400, None)
    page = Path(__file__).parents[2] / "docs" / "publish-gateway.md"
    [block] = [text for text in page.read_text().split("```")[1::2] if "http_redirect" in text]
    caddyfile = published.gateway.path("/etc/caddy/Caddyfile")
    before = caddyfile.read_text()
    reload = ["caddy reload --config /etc/caddy/Caddyfile"]
    caddyfile.write_text(block.lstrip() + before)
    try:
        published.gateway.type(reload)
        answer = await http_to_tls(published, NAME)
        assert answer == (308, f"https://{NAME}:443/lab?x=%2F")
        async with published.behind(), published.client() as client:
            assert (await client.get("/echo")).status_code == 200
    finally:
        caddyfile.write_text(before)
        published.gateway.type(reload)


@in_nginx
async def test_nothing_but_websockets_is_upgraded(published: Published) -> None:
    headers = {"Connection": "Upgrade, X-Forwarded-For", "Upgrade": "h2c"}
    async with published.behind(), published.client(**headers) as client:
        seen = (await client.get("/echo")).json()
    assert not {"Upgrade", "Connection"} & set(seen["headers"])
    assert seen["remote_ip"] == published.visitor


@in_nginx
async def test_applications_give_no_orders(published: Published) -> None:
    async with published.behind(), published.client() as client:
        assert (await client.get("/orders")).text == "its own page"


@in_nginx
async def test_passwords_are_not_guessed_fast(published: Published) -> None:
    async with published.behind(), published.client() as client:
        tried = [(await client.post("/login?next=x")).status_code for _ in range(10)]
        assert tried == 6 * [200] + 4 * [429]
        assert (await client.get("/login")).status_code == 200
        assert (await client.post("/api/login")).status_code == 200


# Tries a password from each address; prints the answers.
GUESS = """
import http.client, ssl, sys
for source in sys.argv[2:]:
    anything = ssl._create_unverified_context()
    at = http.client.HTTPSConnection(sys.argv[1], source_address=(source, 0), context=anything)
    at.request("POST", "/login", headers={"Content-Length": "0"})
    print(at.getresponse().status)
"""


@in_nginx
async def test_a_network_of_ipv6_is_one_visitor(published: Published) -> None:
    """Whoever has one has 2⁶⁴ addresses."""
    here, one = "2001:db8:a:b::1", [f"2001:db8:a:b::{number}" for number in range(16, 26)]
    other = "2001:db8:a:c::16"
    for address in (here, *one, other):
        published.gateway.type([f"ip addr add {address}/64 dev lo nodad"])
    async with published.behind():
        guess = [sys.executable, "-I", "-c", GUESS, f"[{here}]", *one, other]
        done = await asyncio.to_thread(published.gateway.run, *guess)
    assert done.stdout.split() == [*6 * ["200"], *4 * ["429"], "200"], done.stderr


# Tries a password by a name from many networks; prints the answers.
GUESS_ALL = """
import socket, ssl, sys
anything = ssl._create_unverified_context()
there, name, sources = sys.argv[1], sys.argv[2], sys.argv[3:]
for source in sources:
    with anything.wrap_socket(
        socket.create_connection((there, 443), source_address=(source, 0)), server_hostname=name
    ) as at:
        head = f"POST /login HTTP/1.1\\r\\nHost: {name}\\r\\nContent-Length: 0\\r\\n\\r\\n"
        at.sendall(head.encode())
        print(at.recv(1000).split()[1].decode())
"""


@in_nginx
def test_who_has_many_networks_is_slowed_down(published: Published) -> None:
    gateway, site = published.gateway, Site("many.example.org", "ann", certificate=GIVEN)
    published.gateway.type(site_commands(site, published.places))
    here, many = "2001:db8:1::1", [f"2001:db8:1:{number}::1" for number in range(1, 100)]
    try:
        for address in (here, *many):
            gateway.run("ip", "addr", "add", f"{address}/64", "dev", "lo", "nodad")
        done = gateway.run(sys.executable, "-I", "-c", GUESS_ALL, here, site.name, *many)
        answers = done.stdout.split()
        assert answers[:60] == 60 * ["502"], done.stderr  # nobody is behind
        assert len(answers) == len(many)
        assert "429" in answers[60:]
    finally:
        gateway.path(published.places.link(site)).unlink()
        gateway.type(["nginx -s reload"])


@in_nginx
async def test_who_holds_connections_keeps_nobody_else_out(published: Published) -> None:
    here = published.gateway.address
    post = [sys.executable, "-I", "-c", GUESS, here, here]
    async with published.behind(), published.client() as client:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(100):
                await stack.enter_async_context(published.websocket())
            assert (await client.get("/echo")).status_code == 429
            done = await asyncio.to_thread(published.gateway.run, *post)
            assert done.stdout.split() == ["200"], done.stderr
        assert (await client.get("/echo")).status_code == 200


class Hasty(Site):
    """Waits no more than a second between two pieces."""

    def text(self, server: WebServer) -> str:
        minute = "client_body_timeout 60s;"
        assert minute in super().text(server)
        return super().text(server).replace(minute, minute.replace("60", "1"))


@in_nginx
async def test_what_never_comes_is_not_waited_for(published: Published) -> None:
    published.install(Hasty(**vars(published.site)))
    try:
        async with published.behind() as behind:
            reader, writer = await asyncio.open_connection(
                published.gateway.address, 443, ssl=published.trusted, server_hostname=NAME
            )
            writer.write(
                f"POST /upload HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 9\r\n\r\n1".encode()
            )
            assert await behind.pieces.get() == 1
            async with asyncio.timeout(PATIENCE):
                await reader.read()
            writer.close()
    finally:
        published.install(SITE)


@contextlib.asynccontextmanager
async def impatient(published: Published, directive: str) -> AsyncIterator[str]:
    """The gateway's nginx waits no more than a second, but for sites that say otherwise; the name
    of one that does not. The same stands behind it."""

    class Less(Site):
        def text(self, server: WebServer) -> str:
            lines = super().text(server).splitlines(keepends=True)
            less = [line for line in lines if directive not in line]
            assert len(less) == len(lines) - 1
            return "".join(less)

    gateway, places = published.gateway, published.places
    site = Less(f"less.{APPS.parent}", "ann", certificate=GIVEN)
    usual = gateway.path("/etc/nginx/conf.d/impatient.conf")
    usual.write_text(f"{directive} 1s;\n")
    try:
        published.install(site)
        published.install(SITE)
        async with backend(gateway.path(site.socket)):
            yield site.name
    finally:
        usual.unlink()
        gateway.path(places.link(site)).unlink()
        published.install(SITE)


@in_nginx
async def test_an_answer_that_pauses_is_waited_for(published: Published) -> None:
    async with (
        impatient(published, "proxy_read_timeout") as less,
        published.behind() as behind,
        published.client() as client,
        client.stream("GET", "/stream") as answer,
    ):
        said = answer.aiter_text()
        assert await anext(said) == "one"
        with pytest.raises(httpx.RemoteProtocolError):  # cut off after a second
            await client.get(f"https://{less}/stream")
        behind.go_on.set()
        assert "".join([word async for word in said]) == "two"


@in_nginx
async def test_a_jupyter_that_pauses_is_sent_the_rest(published: Published) -> None:
    large = bytes(16 << 20)  # no system takes so much for one that does not read
    async with (
        impatient(published, "proxy_send_timeout") as less,
        published.behind() as behind,
        published.client() as client,
        asyncio.TaskGroup() as group,
    ):
        pending = group.create_task(client.post("/held", content=large))
        for _ in range(2):  # the first may begin before the other one
            assert (await client.post(f"https://{less}/held", content=large)).status_code == 504
        assert not pending.done()
        behind.go_on.set()
        assert (await pending).json() == {"length": len(large)}


@in_nginx
async def test_no_log_names_what_was_asked_for(published: Published) -> None:
    logs = published.gateway.path("/var/log/nginx")
    async with published.client() as client:
        async with published.behind():
            await client.get("/secret-path?token=secret")
        assert (await client.get("/secret-path?token=secret")).status_code == 502
        await client.post("/secret-path", headers={"Referer": "https://x/secret-referer"})
    line = f"{published.visitor} "
    wait_until(lambda: (logs / "access.log").read_text().count(line) >= 3, "nginx to log")
    written = "".join(log.read_text() for log in logs.iterdir())
    assert re.search(rf"^{published.visitor} \[.*\] {NAME} GET 502 \d+$", written, re.MULTILINE)
    assert "secret" not in written


@in_nginx
async def test_lets_encrypt_finds_what_certbot_puts_there(published: Published) -> None:
    commands = certbot_commands(SITE, "webroot", published.places)
    [folder] = [line for line in commands if "install -d" in line]
    published.gateway.type([folder])
    challenge = published.gateway.path("/var/www/jupyter-remote-tunnel/.well-known/acme-challenge")
    challenge.mkdir(parents=True)
    (challenge / "word").write_text("of a challenge")
    async with httpx.AsyncClient(headers={"Host": NAME}) as client:
        url = f"http://{published.gateway.address}/.well-known/acme-challenge/word"
        assert (await client.get(url)).text == "of a challenge"


@in_nginx
def test_nginx_takes_what_is_generated(published: Published) -> None:
    """Long names, names of applications, sites beside each other, no IPv6, and the one that is
    there before there is a certificate. (`type` fails where nginx has anything against it.)"""
    long_name = f"{'a' * 60}.{'b' * 60}.example.org"
    others = [
        Site(long_name, "ann", certificate=GIVEN, port=8888),
        Site("second.example.org", "ann", "/x/", certificate=GIVEN, ipv6=False),
        Site("fourth.example.org", "ann", certificate=GIVEN, apps=APPS),
        Site("fifth.example.org", "ann", certificate=GIVEN, apps=replace(APPS, before="ann-")),
        Site("sixth.example.org", "ann", certificate=GIVEN, apps=replace(APPS, parent=long_name)),
    ]
    for other in others:
        said = published.gateway.type(site_commands(other, published.places))
        assert "successful" in said
        assert "warn" not in said
    new = Site("third.example.org", "ann")
    *before, certbot = certbot_commands(new, "webroot", published.places)
    assert "successful" in published.gateway.type(before)
    assert certbot.startswith("sudo certbot certonly --webroot")
    published.gateway.type([published.places.remove(new.challenge_name)])
    for site in others:
        published.gateway.path(published.places.link(site)).unlink()
    published.gateway.type(["nginx -s reload"])


# What they are made of.


def test_a_site_without_names_of_applications_has_none_of_it() -> None:
    for server in PLACES:
        plain = SITE.text(server)
        assert "apps" not in plain
        assert replace(SITE, apps=APPS).text(server).startswith(plain)


def test_the_certificate_for_all_names_is_got_by_dns() -> None:
    site = replace(SITE, certificate=None, apps=APPS)
    (line,) = wildcard_commands(site, PLACES["nginx"])
    assert "--manual --preferred-challenges dns" in line
    assert "-d '*.apps.example.net'" in line
    assert f"--cert-name {site.apps_lineage} " in line
    assert f"/etc/letsencrypt/live/{site.apps_lineage}/fullchain.pem;" in site.text("nginx")


def test_without_ipv6_nothing_listens_there() -> None:
    assert "[::]:443" in SITE.text("nginx")
    assert "[::]" not in replace(SITE, ipv6=False).text("nginx")


PARTS = st.sampled_from(
    [
        *("a", "b.c", "example", "-", "_", ".", "..", "/", "/a/", "0", "127.0.0.1", "[::1]", "é"),
        *("\n", " ", "\t", ";", "{", "}", "$", "$(id)", "`", "'", '"', "\\", "#", "*", "~", "%2F"),
        *("&", "|", ">", "END_OF_SITE", "\nEND_OF_SITE\n", "１", "ⓔ", "。", "\u202e", "\0"),
    ]
)
TYPED = st.lists(PARTS, min_size=1, max_size=6).map("".join) | texts


def shape(text: str) -> str:
    """What remains when every plain word is the same; long names are regular expressions."""
    text = re.sub(r'"~\^(?:[a-z0-9_-]|\\\.)+\$"', "w", text)
    identifier = re.escape(rf"({LABEL_PATTERN}|probe-[0-9a-f]{{20}})")
    text = re.sub(rf"{identifier}(?:[a-z0-9_-]|\\\.)+", "w", text)
    text = re.sub(r'"~\^w\$"', "w", text)
    text = re.sub(r'"\$\(id -nu \d+\)"', "w", text)  # of an account that is a number
    return re.sub(r"[A-Za-z0-9_~@+./-]+", "w", text.replace("*.", ""))


def everything(site: Site) -> str:
    """All that is made of a site."""
    lines: list[str] = []
    for places in PLACES.values():
        lines += [*folder_commands(site, places), *site_commands(site, places)]
    for way in ("webroot", "nginx", "standalone"):
        for_us = certbot_commands(site, way, None, for_us=True)
        lines += [*certbot_commands(site, way, PLACES["nginx"]), *for_us]
    lines += wildcard_commands(site, PLACES["nginx"])
    return "\n".join(lines)


REFERENCE = Site("a.example.org", "ann", "/x/", certificate=CertificateFiles("/c", "/k"), apps=APPS)
SHAPE = shape(everything(REFERENCE))


@given(typed=TYPED, part=st.sampled_from(["name", "account", "prefix", "chain", "key", "apps"]))
def test_nothing_typed_becomes_more_than_a_word(typed: str, part: str) -> None:
    try:
        site = changed(part, typed)
    except BadInput:
        return
    assert shape(everything(site)) == SHAPE
    assert ".." not in Path(site.folder).parts


def changed(part: str, typed: str) -> Site:
    """The reference with another part.

    :raises BadInput: it cannot have that.
    """
    match part:
        case "name":
            return replace(REFERENCE, name=published_name(typed))
        case "account":
            return replace(REFERENCE, account=typed)
        case "prefix":
            return replace(REFERENCE, prefix=f"/{typed}/")
        case "apps":
            return replace(REFERENCE, apps=AppDomain.parse(f"{{id}}.{typed}"))
        case "chain":
            return replace(REFERENCE, certificate=CertificateFiles(f"/{typed}", "/k"))
    return replace(REFERENCE, certificate=CertificateFiles("/c", f"/{typed}"))


@pytest.mark.parametrize("server", ["nginx", "caddy"])
@pytest.mark.parametrize("apps", [None, APPS])
def test_a_site_says_which_certificate_it_has(server: WebServer, apps: AppDomain | None) -> None:
    own = CertificateFiles("/etc/ssl/own.pem", "/etc/ssl/own.key")
    site = replace(REFERENCE, certificate=own, apps=apps)
    assert site.with_certificate_of(site.text(server)) == site
    of_certbot = replace(site, certificate=None)
    assert of_certbot.with_certificate_of(site.text(server)) == site
    assert of_certbot.with_certificate_of(of_certbot.text(server)) == of_certbot
    for text in ("", site.text(server).replace("/etc/ssl/own", "/etc/../own")):
        assert of_certbot.with_certificate_of(text) == of_certbot


def test_a_socket_fits_whatever_the_name_is() -> None:
    names = [f"{'a' * 60}.{end}.example.org" for end in ("b", "c")]
    sockets = [Site(name, 32 * "x").socket for name in names]
    assert len(set(sockets)) == 2
    assert all(len(socket) <= 100 for socket in sockets)
