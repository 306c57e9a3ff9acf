"""A real web application that tries to get at the Jupyter that shows it.

Its page (`hostile_page/`) starts on a click and reports each attempt to this server, with what it
got; the server itself tosses cookies and sends headers that would reach beyond its own pages, and
keeps the headers of every request, for what should never have been sent to it. It answers below any
path, so it needs no prefix::

    with hostile_app() as app:
        app.targets = ["http://localhost:8888/"]
        ...                       # show app.port in a view, click "attack", wait for "done"
        app.gains()               # {} if it got nothing
        app.headers_seen()
"""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from tests.support.threads import in_thread
from tests.support.web_server import tcp_socket, web_server

_PAGE = Path(__file__).parent / "hostile_page"

#: Attempts that the page makes once, and once for each target.
ONCE = 6
FOR_EACH_TARGET = 12

_WORKER = "self.addEventListener('fetch', event => event.respondWith(new Response('owned')))"

#: None of these may have an effect: they would outlive the page, or log the person out of Jupyter.
_HEADERS = {
    "Service-Worker-Allowed": "/",
    "Clear-Site-Data": '"cookies", "storage"',
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Alt-Svc": 'h3="evil.example:443"',
    "Access-Control-Allow-Origin": "*",
}


@dataclass
class HostileApp:
    """The application, and what it saw. `victim` is the id of a tunnel that it tries to close."""

    port: int = 0
    targets: list[str] = field(default_factory=list)
    victim: str = "none"
    reports: dict[str, tuple[str, str]] = field(default_factory=dict)
    requests: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)

    def gains(self) -> dict[str, str]:
        """What it got, by attempt; after a check that every attempt was really made."""
        expected = ONCE + FOR_EACH_TARGET * len(self.targets)
        assert len(self.reports) == expected, f"{len(self.reports)} of {expected} attempts reported"
        return {name: got for name, (got, _) in self.reports.items() if got}

    def headers_seen(self, name: str) -> list[str]:
        """All values of a request header that were sent to it so far."""
        return [
            value
            for _, headers in self.requests
            for key, value in headers
            if key.lower() == name.lower()
        ]

    def tossed(self) -> list[str]:
        """The ``Set-Cookie`` lines that it answers with."""
        hosts = [
            target.split("/")[2].replace(".", "-").replace(":", "-") for target in self.targets
        ]
        cookies = ["_xsrf", *(f"username-{host}" for host in hosts)]
        names = [str(urlsplit(target).hostname) for target in self.targets]
        parents = dict.fromkeys([*names, *(name.partition(".")[2] for name in names)])
        domains = ["", *(f"; Domain={name}" for name in ["localhost", *parents] if name)]
        kinds = ("", "; SameSite=None; Secure", "; SameSite=None; Secure; Partitioned")
        return [
            f"{name}=evil; Path=/{domain}{kind}"
            for name in cookies
            for domain in domains
            for kind in kinds
        ]

    async def answer(self, request: web.Request) -> web.Response:
        """Any request: a file of the page by the last part of its path, a report, or the page."""
        self.requests.append((request.path, list(request.headers.items())))
        name = request.path.rpartition("/")[2]
        headers = list(_HEADERS.items()) + [("Set-Cookie", line) for line in self.tossed()]
        text, kind = "", "text/html"
        if name == "report":
            query = request.query
            self.reports[query["name"]] = (query["got"], query["why"])
        elif name == "targets.js":
            kind = "text/javascript"
            text = (
                f"const TARGETS = {json.dumps(self.targets)}, VICTIM = {json.dumps(self.victim)};"
            )
        elif name == "attack.js":
            text, kind = (_PAGE / name).read_text(), "text/javascript"
        elif name == "worker.js":
            text, kind = _WORKER, "text/javascript"
        elif request.path.endswith("/"):
            text = (_PAGE / "index.html").read_text()
        else:
            return web.Response(status=404, text="hostile: not here")
        response = web.Response(text=text, content_type=kind)
        for header, value in headers:
            response.headers.add(header, value)
        return response


def hostile_app() -> contextlib.AbstractContextManager[HostileApp]:
    """Serve it on a loopback port of its own, in a thread with an event loop."""
    return in_thread(_serve())


@contextlib.asynccontextmanager
async def _serve() -> AsyncIterator[HostileApp]:
    listening = tcp_socket("127.0.0.1")
    app = HostileApp(listening.getsockname()[1])
    async with web_server(listening, app.answer):
        yield app
