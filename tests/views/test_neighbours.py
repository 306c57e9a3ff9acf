"""A port that another user of this machine took: the application's it is no more."""

from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.support.other_uid import as_other_user, other_users_python, squatter
from tests.support.process import Child, child
from tests.views.backend import echo, serve_on_port
from tests.views.lab import Browser, Lab

# Listens on an address, answers each connection at once and prints what it is sent.
NEIGHBOUR = """
import os, socket, sys

def listen(place):
    if "/" not in place:
        family = socket.AF_INET6 if ":" in place else socket.AF_INET
        return socket.create_server((place, 0), family=family)
    server = socket.socket(socket.AF_UNIX)
    server.bind(place)
    os.chmod(place, 0o777)
    server.listen()
    return server

with listen(sys.argv[1]) as server:
    name = server.getsockname()
    print("port", name if isinstance(name, str) else name[1], flush=True)
    while True:
        connection, _ = server.accept()
        with connection:
            try:
                connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\nevil")
                print("was sent", connection.recv(65536), flush=True)
            except OSError as error:
                print("was sent", b"", error, flush=True)
"""


@pytest.fixture(params=["127.0.0.1", "::1", "a folder that others may write"])
def host(request: pytest.FixtureRequest, short_dir: Path) -> str:
    if " " not in request.param:
        return str(request.param)
    short_dir.chmod(0o777)
    return str(short_dir / "app.sock")


@pytest.fixture
def neighbour(host: str) -> Iterator[Child]:
    with child(as_other_user(other_users_python(NEIGHBOUR, host))) as running:
        yield running


@pytest.fixture
def stolen(neighbour: Child, host: str) -> str:
    """An address at which the neighbour listens."""
    port = neighbour.wait_for_line(r"port (\S+)")[1]
    if "/" in host:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_neighbour_gets_no_request_and_gives_no_answer(
    lab: Lab, browser: Browser, neighbour: Child, stolen: str, method: str
) -> None:
    view = await browser.open(lab.add(stolen))
    body = b"secret" if method == "POST" else None
    async with browser.http.request(method, view, data=body) as response:
        assert response.status == 502
        assert "evil" not in await response.text()
    neighbour.wait_for_line("was sent b''")


async def test_a_neighbour_is_not_told_the_path_of_a_view(
    lab: Lab, browser: Browser, neighbour: Child, stolen: str
) -> None:
    view = await browser.open(lab.add(stolen), "path")
    async with browser.get(view, headers={"Sec-Fetch-Dest": "document"}) as response:
        assert response.status == 502
    neighbour.wait_for_line("was sent b''")


async def test_a_neighbour_gets_no_websocket(
    lab: Lab, browser: Browser, neighbour: Child, stolen: str
) -> None:
    view = await browser.open(lab.add(stolen))
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await browser.http.ws_connect(view)
    assert caught.value.status == 502
    neighbour.wait_for_line("was sent b''")


async def test_a_neighbour_who_does_not_accept_is_not_waited_for(
    lab: Lab, browser: Browser
) -> None:
    with squatter("127.0.0.1") as (_, port):
        view = await browser.open(lab.add(f"127.0.0.1:{port}"))
        async with browser.get(view) as response:
            assert response.status == 502


@pytest.mark.parametrize(
    ("listens", "bound"),
    [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]")],
)
async def test_a_port_of_our_own_is_served(
    lab: Lab, browser: Browser, listens: str, bound: str
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if "Upgrade" not in request.headers:
            return await echo(request)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str("mine")
        return ws

    async with serve_on_port(listens, handler) as port:
        view = await browser.open(lab.add(f"{bound}:{port}"))
        async with browser.get(view) as response:
            assert response.status == 200
        async with browser.http.ws_connect(view) as ws:
            assert await ws.receive_str() == "mine"
