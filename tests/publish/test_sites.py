"""The generated sites in real web servers, one after the other."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
import websockets

from jupyter_remote_tunnel.model.app_domain import AppDomain
from jupyter_remote_tunnel.publish.sites import Site
from tests.publish.conftest import GIVEN, NAME
from tests.publish.shown import FORGED, LABEL, PROBE, SITE, Published, published
from tests.support.other_uid import other_users_python

__all__ = ["published"]  # a fixture


async def test_a_request_arrives_as_it_was_sent(published: Published) -> None:
    async with published.behind(), published.client() as client:
        answer = await client.get("/a%2Fb/%C3%A4?x=%2F&y")
        seen = answer.json()
        assert seen["uri"] == "/a%2Fb/%C3%A4?x=%2F&y"
        assert (seen["host"], seen["protocol"]) == (NAME, "https")
        assert seen["remote_ip"] == published.visitor
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


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
