"""The origin view below a domain in DNS: nginx ends TLS in front of Jupyter, as for JupyterHub."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.support.nginx import Nginx, nginx
from tests.views.backend import serve
from tests.views.lab import Browser, Lab, lab

NAME = "jupyter.example.test"
APPS = "apps.other.test"
DOMAIN = f"{{id}}.{APPS}"
LABEL = r"a[a-z2-7]{20}"
UNKNOWN = "a" + 20 * "z"


@dataclass
class Public:
    """A Jupyter, and the nginx in front of it."""

    lab: Lab
    web: Nginx

    @property
    def url(self) -> str:
        """Of Jupyter."""
        return self.at(NAME)

    def at(self, host: str) -> str:
        return f"https://{host}:{self.web.port}/"

    def browser(self) -> Browser:
        return Browser(self.lab, self.url, self.web.certificate)


@pytest.fixture(scope="module")
def public() -> Iterator[Public]:
    # Other names stay refused by Jupyter.
    with (
        lab(app_domain=DOMAIN, trust_xheaders=True, local_hostnames=["localhost", NAME]) as running,
        nginx(NAME, f"*.{APPS}", "*.evil.test", upstream=f"127.0.0.1:{running.server.port}") as web,
    ):
        yield Public(running, web)


@pytest.fixture
async def browser(public: Public) -> AsyncIterator[Browser]:
    """One that has logged in, by Jupyter's name."""
    async with public.browser() as profile:
        yield profile


@pytest.fixture
async def app_id(public: Public, socket_path: Path) -> AsyncIterator[str]:
    """An application that echoes."""
    async with serve(socket_path):
        yield public.lab.add(socket_path)


async def ticket(browser: Browser, app_id: str, **headers: str) -> str:
    """The URL to which `open/<id>` redirects."""
    url = f"{browser.url}remote-tunnel/open/{app_id}"
    async with browser.get(url, headers=headers) as answer:
        assert answer.status == 303
        return answer.headers["Location"]


async def status(browser: Browser, url: str, **headers: str) -> int:
    """Of a page, unless `headers` say something else."""
    async with browser.get(url, headers={"Accept": "text/html", **headers}) as answer:
        return answer.status


async def test_an_application_has_a_name_there(
    public: Public, browser: Browser, app_id: str
) -> None:
    view = await browser.open(app_id)
    assert re.fullmatch(rf"https://{LABEL}\.apps\.other\.test:{public.web.port}/", view)
    sent = {"Origin": view[:-1], "Referer": f"{view}a", "Sec-Fetch-Site": "same-origin"}
    async with browser.http.post(f"{view}lab?x=1", headers=sent, data=b"12345") as answer:
        seen = json.loads(await answer.read())
        policy = answer.headers["Content-Security-Policy"]
    assert policy == f"frame-ancestors 'self' {public.url[:-1]}"
    assert (seen["path"], seen["size"]) == ("/lab?x=1", 5)
    got = {name.lower(): value for name, value in seen["headers"]}
    assert got["origin"] == "http://localhost:5006"
    assert got["referer"] == "http://localhost:5006/a"
    assert not {"cookie", "x-forwarded-for", "x-forwarded-proto"} & got.keys()


@pytest.mark.parametrize(
    ("dest", "jar"),
    [
        ("iframe", "SameSite=None; Secure; Partitioned"),
        ("document", "SameSite=Lax; Secure"),
        ("", "SameSite=Lax; Secure"),
    ],
)
async def test_the_cookie_is_for_that_host_alone(
    public: Public, browser: Browser, app_id: str, dest: str, jar: str
) -> None:
    headers = {"Sec-Fetch-Dest": dest} if dest else {}
    async with browser.get(await ticket(browser, app_id), headers=headers) as answer:
        (cookie,) = answer.headers.getall("Set-Cookie")
    name, _, rest = cookie.partition("=")
    assert name == f"__Host-remote-tunnel-{public.web.port}"
    assert rest[32:] == f"; Path=/; HttpOnly; {jar}"


async def test_websockets(public: Public, browser: Browser, socket_path: Path) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(message.data)
        return ws

    async with serve(socket_path, echo):
        view = await browser.open(public.lab.add(socket_path))
        async with browser.http.ws_connect(view, origin=view[:-1]) as ws:
            await ws.send_str("hello")
            assert await ws.receive_str() == "hello"
        for other in (public.url[:-1], f"https://{UNKNOWN}.{APPS}", view[:-1].replace("s:", ":")):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await browser.http.ws_connect(view, origin=other)
            assert caught.value.status == 403


NEIGHBOUR = f"https://{UNKNOWN}.{APPS}"


@pytest.mark.parametrize(
    ("method", "sent", "passes"),
    [
        ("GET", {}, False),
        ("HEAD", {}, False),
        ("POST", {}, False),
        ("GET", {"Referer": "{own}/a?b"}, True),
        ("POST", {"Referer": "{own}/"}, True),
        ("GET", {"Referer": "{own}.evil.test/"}, False),
        ("GET", {"Referer": f"{NEIGHBOUR}/"}, False),
        ("GET", {"Referer": f"{NEIGHBOUR}/", "Origin": "{own}"}, True),
        ("GET", {"Referer": "{own}/", "Origin": NEIGHBOUR}, False),
        ("GET", {"Accept": "text/html,application/xhtml+xml", "Referer": f"{NEIGHBOUR}/"}, True),
        ("POST", {"Accept": "text/html", "Referer": f"{NEIGHBOUR}/"}, False),
        ("GET", {"Sec-Fetch-Site": "same-origin"}, True),
        ("GET", {"Sec-Fetch-Site": "same-site", "Referer": "{own}/"}, False),
    ],
)
async def test_pages_of_another_application_there_load_nothing(
    browser: Browser, app_id: str, method: str, sent: dict[str, str], passes: bool
) -> None:
    """They are one site, so the cookie is sent; and old browsers tell less than others."""
    view = await browser.open(app_id)
    headers = {name: text.format(own=view[:-1]) for name, text in sent.items()}
    async with browser.http.request(method, f"{view}x.js", headers=headers) as answer:
        assert answer.status == (200 if passes else 403)
        if passes:
            assert answer.headers.getall("Referrer-Policy") == ["same-origin"]


async def test_every_name_there_has_one_answer_without_the_cookie(
    public: Public, browser: Browser, app_id: str
) -> None:
    """Jupyter does not answer there either, whatever it is sent."""
    view = await browser.open(app_id)
    login = "; ".join(f"{name}={value}" for name, value in browser.cookies(public.url).items())
    assert "username-" in login
    browser.http.cookie_jar.clear()
    hosts = [URL(view).host, *(f"{one}.{APPS}" for one in (UNKNOWN, "jupyter", "localhost", "x-y"))]
    answers = set()
    for host in hosts:
        for path in ("", "lab", "api/status", "login?next=%2F", ".remote-tunnel/" + 32 * "0"):
            for sent in ({}, {"Cookie": login}, {"Authorization": f"token {NAME}"}):
                async with browser.get(public.at(str(host)) + path, headers=sent) as answer:
                    told = {key: text for key, text in answer.headers.items() if key != "Date"}
                    answers.add((answer.status, str(told), await answer.read()))
    ((code, _, said),) = answers
    assert (code, b"Nothing is shown here" in said) == (404, True)


@pytest.mark.parametrize("host", [f"{UNKNOWN}.evil.test", "evil.test", f"{APPS}.evil.test"])
async def test_foreign_names_stay_refused(public: Public, browser: Browser, host: str) -> None:
    there = public.url + "api/status"
    headers = {"Host": f"{host}:{public.web.port}"}
    assert await status(browser, there, **headers) == 403


async def test_a_ticket_counts_once_at_its_own_name_for_a_login_that_lasts(
    public: Public, browser: Browser, app_id: str
) -> None:
    url = URL(await ticket(browser, app_id))
    elsewhere = url.with_host(f"{UNKNOWN}.{APPS}")
    assert await status(browser, str(elsewhere)) == 404
    assert await status(browser, str(url)) == 404  # it is used up
    url = URL(await ticket(browser, app_id))
    local = f"http://{(url.host or '').partition('.')[0]}.localhost:{public.lab.server.port}"
    assert await status(browser, local + url.path) == 404  # nor below localhost
    assert await status(browser, str(url)) == 404
    async with public.browser() as other:
        kept = await other.open(app_id)
        view = await browser.open(app_id)
        unused = await ticket(browser, app_id)
        await browser.logout()
        assert await status(browser, unused) == 404
        assert await status(browser, view) == 404
        assert await status(other, kept) == 200
        public.lab.remove(app_id)
        assert await status(other, kept) == 404


async def test_a_session_of_localhost_does_not_count(
    public: Public, browser: Browser, app_id: str
) -> None:
    async with Browser(public.lab) as local:
        here = await local.open(app_id)
        assert URL(here).host is not None
        (value,) = local.cookies(here).values()
    there = public.at(str(URL(here).host).replace("localhost", APPS))
    cookie = f"__Host-remote-tunnel-{public.web.port}={value}"
    assert await status(browser, there, Cookie=cookie) == 404


OWN_LINK = {
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}


async def test_what_a_framed_page_opens_in_a_tab_fetches_a_ticket(
    public: Public, browser: Browser, app_id: str
) -> None:
    """If it is asked for from where the frame is."""
    view = await browser.open(app_id, framed=True)
    assert await status(browser, view) == 200
    browser.http.cookie_jar.clear_domain(URL(view).host or "")
    assert await status(browser, view, **OWN_LINK, **{"X-Real-Ip": "203.0.113.9"}) == 404
    async with browser.get(f"{view}x?y=1", headers=OWN_LINK) as answer:
        assert answer.status == 303
        there = answer.headers["Location"]
    assert there.startswith(f"{public.url}remote-tunnel/open/{app_id}?view=origin&detour=")
    async with browser.get(there) as answer:
        entrance = answer.headers["Location"]
    assert entrance.startswith(f"{view}.remote-tunnel/")
    assert entrance.endswith("/x?y=1")


async def test_who_is_on_this_machine_has_the_names_below_localhost(
    public: Public, app_id: str
) -> None:
    async with Browser(public.lab) as local:
        view = await local.open(app_id)
        assert URL(view).host is not None
        assert str(URL(view).host).endswith(".localhost")


async def test_without_tls_there_is_nothing(public: Public, browser: Browser, app_id: str) -> None:
    """Who goes by Jupyter's own port, though they know name and cookie."""
    view = URL(await browser.open(app_id))
    cookies = "; ".join(f"{k}={v}" for k, v in browser.cookies(str(view)).items())
    plain = public.lab.server.url
    headers = {"Host": view.authority, "Cookie": cookies}
    assert await status(browser, str(view)) == 200
    assert await status(browser, plain, **headers) == 404
    token = {"Host": NAME, "Authorization": f"token {public.lab.server.token}"}
    async with browser.get(f"{plain}remote-tunnel/open/{app_id}", headers=token) as answer:
        assert answer.headers["Location"].startswith("/remote-tunnel/app/")


@pytest.mark.parametrize(
    ("domain", "trusted"),
    [pytest.param(DOMAIN, False, marks=pytest.mark.long), ("{id}.apps.example.test", True)],
    ids=["header", "site"],
)
async def test_where_it_is_not_offered(socket_path: Path, domain: str, trusted: bool) -> None:
    """Jupyter does not believe what the header says of TLS; or pages there could give its name
    cookies."""
    names = ["localhost", NAME]
    with (
        lab(app_domain=domain, trust_xheaders=trusted, local_hostnames=names) as running,
        nginx(NAME, upstream=f"127.0.0.1:{running.server.port}") as web_server,
    ):
        public = Public(running, web_server)
        async with serve(socket_path), public.browser() as browser:
            app_id = running.add(socket_path)
            assert (await ticket(browser, app_id)).startswith("/remote-tunnel/app/")
            url = f"{public.url}remote-tunnel/open/{app_id}?view=origin"
            assert await status(browser, url) == 409


@pytest.mark.parametrize("first", ["open", "view"])
async def test_the_page_in_a_frame_says_that_the_browser_does_not_reach_the_names(
    public: Public, browser: Browser, socket_path: Path, first: str
) -> None:
    """JupyterLab frames the other view only where it has tried them in vain."""

    async def nothing(_: web.Request) -> web.StreamResponse:
        return web.Response(status=404)

    framed = {"Accept": "text/html", "Sec-Fetch-Dest": "iframe"}
    app_id = public.lab.add(socket_path)
    url = f"{public.url}remote-tunnel/open/{app_id}?view=path"
    if first == "view":  # which serves its path no more when it is asked again
        async with serve(socket_path), browser.get(url, headers=framed) as answer:
            url = f"{public.url[:-1]}{answer.headers['Location']}"
    async with serve(socket_path, nothing), browser.get(url, headers=framed) as answer:
        assert answer.status == 404
        text = await answer.text()
    assert f"There is a domain for that here ({APPS}), but this browser does not reach" in text
    assert f"https://….{APPS}:{public.web.port}: does it trust its certificate" in text
    assert "(app_domain)" not in text


async def test_the_name_that_is_tried(public: Public, browser: Browser) -> None:
    there = public.at(f"probe-x7.{APPS}")
    async with browser.get(there, headers={"Origin": public.url[:-1]}) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Set-Cookie" not in answer.headers
    plain = public.lab.server.url
    assert await status(browser, plain, Host=f"probe-x7.{APPS}") == 404
