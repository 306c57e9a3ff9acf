"""A client of a `Jupyter`'s REST API: by token, or by login cookie and XSRF header as a browser.

::

    with by_token(server) as client:
        client.get("api/status").json()
    with by_cookie(server) as client:            # logs in with the password (or the token)
        client.post("remote-tunnel/api/tunnels", json={...})
    httpx.AsyncClient(transport=through(address, trusted))   # finds every name at that address

They give an `httpx.Client` whose paths are relative to the server's base URL; no answer raises.
"""

import contextlib
import ssl
from collections.abc import Iterator
from typing import Any

import httpx

from tests.support.jupyter import Jupyter


def _client(server: Jupyter, **more: Any) -> httpx.Client:
    trusted = ssl.create_default_context(cafile=server.certificate) if server.certificate else False
    return httpx.Client(base_url=server.url, verify=trusted, timeout=60, trust_env=False, **more)


def anonymous(server: Jupyter) -> httpx.Client:
    """A client without any login."""
    return _client(server)


def by_token(server: Jupyter) -> httpx.Client:
    """A client with the token in its Authorization header; XSRF checks do not apply to it."""
    return _client(server, headers={"Authorization": f"token {server.token}"})


@contextlib.contextmanager
def by_cookie(server: Jupyter) -> Iterator[httpx.Client]:
    """A client that has logged in by the form, with cookie and ``X-XSRFToken`` as a browser."""
    with _client(server) as client:
        client.get("login")
        form = {"password": server.password or server.token, "_xsrf": client.cookies["_xsrf"]}
        answer = client.post("login", data=form)
        assert answer.status_code == 302, f"{answer.status_code} {answer.text[:500]}"
        client.get("api/me")
        client.headers["X-XSRFToken"] = client.cookies["_xsrf"]
        yield client


class _Through(httpx.AsyncHTTPTransport):
    def __init__(self, address: str, trusted: ssl.SSLContext) -> None:
        super().__init__(verify=trusted)
        self._address = address

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        there = httpx.Request(
            request.method,
            request.url.copy_with(host=self._address),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
        return await super().handle_async_request(there)


def through(address: str, trusted: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
    """Asks one machine for every name, as if DNS said so; certificates are for the name."""
    return _Through(address, trusted)
