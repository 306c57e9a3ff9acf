"""The web server of the tests ends without a connection left, whenever its clients come."""

import contextlib
import gc
import socket
import threading
import warnings
from pathlib import Path

from aiohttp import web

from tests.support.threads import in_thread
from tests.support.web_server import unix_socket, web_server


async def answer(_: web.Request) -> web.StreamResponse:
    return web.Response(text="x")


def test_it_leaves_no_connection_that_comes_while_it_ends(short_dir: Path) -> None:
    path = short_dir / "app.sock"
    ended = threading.Event()

    def come() -> None:
        while not ended.is_set():
            with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
                client.connect(str(path))
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    clients = [threading.Thread(target=come) for _ in range(2)]
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always", ResourceWarning)
        for client in clients:
            client.start()
        for _ in range(5):
            path.unlink(missing_ok=True)
            with in_thread(web_server(unix_socket(path), answer)):
                pass
            gc.collect()
        ended.set()
        for client in clients:
            client.join()
    assert [str(warning.message) for warning in left] == []
