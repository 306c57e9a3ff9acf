"""A client of a `Jupyter`'s REST API: by token, or by login cookie and XSRF header as a browser.

::

    with by_token(server) as client:
        client.get("api/status").json()
    with by_cookie(server) as client:            # logs in with the password (or the token)
        client.post("remote-tunnel/api/tunnels", json={...})

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
