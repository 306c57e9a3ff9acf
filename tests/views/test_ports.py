"""Whether both loopback addresses of a port are ours; the neighbour is another uid."""

import socket
from collections.abc import AsyncIterator

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from jupyter_remote_tunnel.server.views.ports import Loopback
from tests.support.other_uid import squatter
from tests.support.ports import ReservedPort


@pytest.fixture
async def server() -> AsyncIterator[HTTPServer]:
    """A server that does not listen yet."""
    made = HTTPServer(Application())
    yield made
    made.stop()
    await made.close_all_connections()


async def test_both_are_ours(server: HTTPServer) -> None:
    with ReservedPort() as port:
        for address in ("127.0.0.1", "::1"):
            server.add_sockets(bind_sockets(port.number, address))
        assert Loopback(lambda: server).owns(port.number)


@pytest.mark.parametrize(("bound", "other"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
async def test_the_free_one_is_taken(server: HTTPServer, bound: str, other: str) -> None:
    with ReservedPort() as port:
        server.add_sockets(bind_sockets(port.number, bound))
        assert Loopback(lambda: server).owns(port.number)
        with socket.create_connection((other, port.number)):
            pass


async def test_a_port_where_we_do_not_listen_is_left_alone(server: HTTPServer) -> None:
    with ReservedPort() as port:
        assert not Loopback(lambda: server).owns(port.number)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port.number))


async def test_a_neighbour_on_the_other_address(server: HTTPServer) -> None:
    with ReservedPort() as port:
        server.add_sockets(bind_sockets(port.number, "127.0.0.1"))
        with squatter("::1", port.number):
            assert not Loopback(lambda: server).owns(port.number)
        assert Loopback(lambda: server).owns(port.number)
