"""A real Jupyter Server that holds the views, and a client that behaves towards it as a browser.

``Lab`` is the server's side: which applications there are, in which state. ``Browser`` is the other
one: a cookie jar, a login, names under ``.localhost`` that lead to the loopback::

    with lab() as running:
        app = running.add(path_of_a_socket)
        async with Browser(running) as browser:
            view = await browser.open(app)              # "http://a….localhost:PORT/"
            await browser.get(view + "page")
"""

import asyncio
import contextlib
import json
import socket
import ssl
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohappyeyeballs import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override
from yarl import URL

from tests.support.jupyter import Jupyter, jupyter
from tests.support.process import wait_until
from tests.views.extension import APP_DOMAIN, UPSTREAMS

_ROOT = Path(__file__).parents[2]


class Lab:
    """The server, and the applications that it knows."""

    def __init__(self, server: Jupyter, file: Path) -> None:
        self.server = server
        self._file = file
        self._known: dict[str, dict[str, Any]] = {}

    @property
    def url(self) -> str:
        """Of Jupyter, as a person types it: ``http://localhost:PORT/base/``."""
        return self.server.url_on("localhost")

    @property
    def pid(self) -> int:
        return self.server.process.pid

    def add(self, bound: Path | str | None, **fields: Any) -> str:
        """A new application, open unless `fields` of `Upstream` say otherwise; its id."""
        app_id = uuid.uuid4().hex[:12]
        self._known[app_id] = {
            "name": "gpu01:5006",
            "host": "user@gpu01",
            "destination": "localhost:5006",
            "bound": str(bound) if bound else None,
            "state": "open",
            "error": None,
            "host_key": f"SHA256:{app_id}",
            **fields,
        }
        self._write()
        return app_id

    def change(self, app_id: str, **fields: Any) -> None:
        """Give some fields other values."""
        self._known[app_id].update(fields)
        self._write()

    def remove(self, app_id: str) -> None:
        """Its tunnel was closed."""
        del self._known[app_id]
        self._write()

    def _write(self) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps(self._known))
        draft.replace(self._file)


@contextlib.contextmanager
def lab(
    *,
    password: str = "",
    base_url: str = "/",
    https: bool = False,
    app_domain: str = "",
    **server_app: Any,
) -> Iterator[Lab]:
    """Run one; `server_app` are traits of `ServerApp`."""
    with tempfile.TemporaryDirectory(prefix="jrt-views-") as folder:
        file = Path(folder) / "upstreams.json"
        file.write_text("{}")
        extensions = {"tests.views.extension": True, "jupyter_remote_tunnel": False}
        traits = {"ServerApp": {"jpserver_extensions": extensions, **server_app}}
        env = {"PYTHONPATH": str(_ROOT), UPSTREAMS: str(file), APP_DOMAIN: app_domain}
        with jupyter(
            password=password, base_url=base_url, https=https, traits=traits, env=env
        ) as server:
            wait_until(lambda: _listens(server.port), "Jupyter's port")
            yield Lab(server, file)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class _Here(AbstractResolver):
    """Every name is the loopback, as browsers have it for those under localhost."""

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0
            )
        ]

    @override
    async def close(self) -> None:
        pass


class Browser:
    """One browser profile.

    :param url: where it finds Jupyter, in place of localhost.
    :param trusted: a certificate.
    """

    def __init__(self, lab: Lab, url: str = "", trusted: Path | None = None) -> None:
        self.lab = lab
        self.url = url or lab.url
        self._sockets: list[socket.socket] = []
        self.http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_Here(),
                force_close=True,
                limit=0,
                ssl=ssl.create_default_context(cafile=trusted) if trusted else True,
                socket_factory=self._socket,
            ),
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )

    async def __aenter__(self) -> Self:
        await self.login()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.http.close()
        # The end of TLS takes some turns, for which aiohttp does not wait.
        await asyncio.to_thread(wait_until, self._is_gone, "the end of connections")

    def _is_gone(self) -> bool:
        return all(one.fileno() == -1 for one in self._sockets)

    def _socket(self, address: AddrInfoType) -> socket.socket:
        made = socket.socket(*address[:3])
        self._sockets.append(made)
        return made

    async def login(self) -> None:
        """By the form, as a person does."""
        url = self.url + "login"
        async with self.http.get(url):
            pass
        form = {
            "password": self.lab.server.password or self.lab.server.token,
            "_xsrf": self.cookies(self.url)["_xsrf"],
        }
        async with self.http.post(url, data=form, allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()

    async def logout(self) -> None:
        async with self.http.get(self.url + "logout") as answer:
            assert answer.status == 200

    def cookies(self, url: str) -> dict[str, str]:
        """What would be sent to `url`."""
        jar = self.http.cookie_jar.filter_cookies(URL(url))
        return {name: morsel.value for name, morsel in jar.items()}

    async def open(self, app_id: str, view: str = "origin", *, framed: bool = False) -> str:
        """Go through `open/<id>`; the URL of the view, ends with a slash."""
        url = f"{self.url}remote-tunnel/open/{app_id}?view={view}"
        dest = {"Sec-Fetch-Dest": "iframe" if framed else "document"}
        async with self.http.get(url, headers=dest, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
            there = answer.headers["Location"]
        if view == "path":
            return self.url.removesuffix(self.lab.server.base_url) + there
        async with self.http.get(there, headers=dest, allow_redirects=False) as answer:
            assert answer.status == 303
            assert answer.headers["Location"] == "/"
            # Browsers take plain http on localhost for secure, this jar does not.
            cookie = answer.headers["Set-Cookie"].replace("; Secure", "")
        view = there.partition("/.remote-tunnel/")[0] + "/"
        self.http.cookie_jar.update_cookies_from_headers([cookie], URL(view))
        return view

    @contextlib.asynccontextmanager
    async def get(self, url: str, **more: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """GET, without following redirects."""
        async with self.http.get(url, allow_redirects=False, **more) as answer:
            yield answer


async def many_turns(browser: Browser, view: str) -> None:
    """Return when the server had many turns at whatever else it has to do.

    Each of these requests, one after the other, takes a turn of its loop or more; in each it would
    pass on 64 KiB of a body if it did not hold it back, so 64 MiB in all.
    """
    for _ in range(1024):
        async with browser.http.head(view, allow_redirects=False) as response:
            assert response.status == 200
