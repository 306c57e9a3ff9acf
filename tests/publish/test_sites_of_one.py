"""What the generated site does in nginx alone, or in Caddy alone."""

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from jupyter_remote_tunnel.publish.installing import certbot_commands, site_commands
from jupyter_remote_tunnel.publish.sites import Site, WebServer
from tests.publish.backend import backend
from tests.publish.conftest import GIVEN, NAME
from tests.publish.shown import APPS, LABEL, SITE, Published, in_nginx, published
from tests.support.process import PATIENCE, wait_until

__all__ = ["published"]  # a fixture


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
