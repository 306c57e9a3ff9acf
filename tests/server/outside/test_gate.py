"""What the outside server lets through: its names, its probes, and nothing while it is shut."""

import asyncio
import json
import ssl

import aiohttp
import pytest
from tornado.web import Application

from jupyter_remote_tunnel.publish import certificates
from jupyter_remote_tunnel.publish.probing import Way, checks
from jupyter_remote_tunnel.server.outside import LOGINS
from jupyter_remote_tunnel.server.probes import WELL_KNOWN, Nonce
from jupyter_remote_tunnel.server.views import Views
from tests.server.outside.support import (
    APPS,
    NAME,
    OF_AN_APP,
    first_line,
    introduction,
    outside,
    request,
    said_to,
)


async def test_nothing_passes_while_it_is_shut(
    app: Application, files: certificates.Certificate
) -> None:
    async with outside(app, files) as it:
        status, said = await it.ask()
        assert (status, "not shown" in said) == (503, True)
        it.gate.is_open = True
        status, said = await it.ask()
        told = {"remote": True, "outside": True, "protocol": "https", "address": "127.0.0.1"}
        assert (status, json.loads(said)) == (200, told)
        it.gate.is_open = False
        assert (await it.ask())[0] == 503


async def test_jupyters_own_settings_are_as_they_were(
    app: Application, files: certificates.Certificate
) -> None:
    before = dict(app.settings)
    async with outside(app, files) as it:
        it.gate.is_open = True
        await it.ask()
    assert app.settings == {**before, "seen": True}  # what a handler writes stays


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost", ""])
async def test_another_name_is_refused(
    app: Application, files: certificates.Certificate, host: str
) -> None:
    async with outside(app, files) as it:
        it.gate.is_open = True
        assert (await it.ask(headers={"Host": host}))[0] == 421


async def test_names_of_applications_lead_to_them_once_they_are_found_to(
    app: Application, files: certificates.Certificate, views: Views
) -> None:
    async with outside(app, files, apps=APPS) as it:
        it.gate.is_open = True
        asked = {"Host": f"{OF_AN_APP}:{it.port}"}
        assert (await it.ask(headers=asked))[0] == 421
        it.gate.shows_apps = True
        for path in ("", "login", "../api"):
            status, said = await it.ask(path, headers=asked)
            assert (status, "Nothing is shown here" in said) == (404, True)
        assert json.loads((await it.ask())[1])["outside"] is True
        others = (f"x.evil.example:{it.port}", OF_AN_APP, f"{OF_AN_APP}:{it.port + 1}", APPS.parent)
        for other in others:
            assert (await it.ask(headers={"Host": other}))[0] == 421
        it.gate.is_open = False
        assert (await it.ask(headers=asked))[0] == 503


async def test_nothing_else_than_views_is_reached_by_these_names(
    app: Application, files: certificates.Certificate
) -> None:
    async with outside(app, files, apps=APPS) as it:
        it.gate.is_open = it.gate.shows_apps = True
        assert (await it.ask())[0] == 200
        assert (await it.ask(headers={"Host": f"{OF_AN_APP}:{it.port}"}))[0] == 421


async def test_an_application_has_logins_of_its_own(
    app: Application, files: certificates.Certificate, views: Views
) -> None:
    async with outside(app, files, apps=APPS) as it, aiohttp.ClientSession() as session:
        it.gate.is_open = it.gate.shows_apps = True
        headers = {"Host": f"{OF_AN_APP}:{it.port}"}
        for _ in range(LOGINS + 1):
            url = it.url("login")
            async with session.post(url, data=b"", ssl=False, headers=headers) as answer:
                assert answer.status == 404


async def test_an_application_without_tls_is_sent_to_its_own_address(
    app: Application, views: Views
) -> None:
    async with outside(app, None, apps=APPS) as it, aiohttp.ClientSession() as session:
        it.gate.is_open = it.gate.shows_apps = True
        asked = {"Host": f"{OF_AN_APP}:{it.port}", "X-Forwarded-Proto": "http"}
        url = it.url("a", scheme="http")
        async with session.get(url, headers=asked, allow_redirects=False) as answer:
            assert answer.status == 301
            assert answer.headers["Location"] == f"https://{OF_AN_APP}:{it.port}/"


async def test_behind_a_web_server_that_says_who_asks(app: Application) -> None:
    async with outside(app, None, introduced=True) as it:
        it.gate.is_open = True
        headers = b"X-Forwarded-For: 203.0.113.7\r\nConnection"
        asked = request(it).replace(b"Connection", headers)
        told = await said_to(it, introduction("127.0.0.1"), asked, tls=False)
        assert json.loads(told.splitlines()[-1])["address"] == "203.0.113.7"


async def test_who_forgets_the_s_is_told_the_right_address(
    app: Application, files: certificates.Certificate
) -> None:
    async with outside(app, files) as it, aiohttp.ClientSession() as session:
        url = it.url(scheme="http")
        async with session.get(url, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (301, it.url())
            assert it.url() in await answer.text()


async def test_probes_are_answered_to_who_knows_their_name(
    app: Application, files: certificates.Certificate
) -> None:
    async with outside(app, files) as it:
        found = await it.checks()
        names = ["way in", "uploads", "websockets", "streaming"]
        assert [(check.name, check.verdict) for check in found] == [(n, "ok") for n in names]
        for name in ("x", Nonce().text):
            assert await it.ask(WELL_KNOWN + name) == (404, "jupyter_remote_tunnel\n")
        with it.gate.expecting():
            # Not by a client, which would write it in other characters.
            head = f"GET /base/{WELL_KNOWN}\xe9 HTTP/1.1\r\nHost: {NAME}:{it.port}\r\n\r\n"
            assert b" 404 " in await first_line(it.port, head.encode("latin1"))
        (check,) = [check async for check in checks(it.way(Nonce()))]
        assert (check.verdict, "another Jupyter" in check.says) == ("failed", True)


async def test_one_that_gives_back_what_it_was_asked_does_not_pose_as_us(
    files: certificates.Certificate,
) -> None:
    """What the answer has to hold does not stand in the URL, which passes everybody on the way."""
    nonce = Nonce()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readuntil(b"\r\n\r\n")).decode().split()[1]
        name = asked.rpartition("/")[2]
        said = {"nonce": name, "proof": name, "host": NAME, "address_known": True}
        body = json.dumps(said).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    async with await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"https://127.0.0.1:{port}/{WELL_KNOWN}{nonce.text}"
        way = Way(url, nonce.text, NAME, verified=False, proxied=False)
        found = [check async for check in checks(way)]
    assert [(check.name, check.verdict) for check in found] == [("way in", "failed")]
    assert "leads elsewhere" in found[0].says


async def test_a_name_that_arrives_as_another_is_told(
    app: Application, files: certificates.Certificate
) -> None:
    async with outside(app, files, name="j.example.org") as it:
        (check,) = await it.checks()
        assert check.verdict == "failed"
        assert f"“{NAME}:{it.port}” arrives here in place of j.example.org:{it.port}" in check.says
