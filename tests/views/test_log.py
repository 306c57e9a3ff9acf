"""What stands in Jupyter's log, at its most talkative, after everything that can go wrong."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.views.backend import raw, serve
from tests.views.lab import Browser
from tests.views.lab import lab as run_lab


async def test_nothing_that_opens_a_view_reaches_the_log(socket_path: Path) -> None:
    with run_lab() as running:
        async with Browser(running) as browser:
            app_id = running.add(socket_path)
            async with browser.get(f"{running.url}remote-tunnel/open/{app_id}") as response:
                ticket = URL(response.headers["Location"])
            async with serve(socket_path):
                by_origin = await browser.open(app_id)
                by_path = await browser.open(app_id, "path")
            secrets = {
                ticket.parts[2],
                URL(by_path).parts[3],
                (URL(by_origin).host or "").partition(".")[0],
                *browser.cookies(by_origin).values(),
            }
            assert len(secrets) == 4
            for view in (by_origin, by_path):
                await provoke(browser, view, socket_path)
            await browser.logout()
            await provoke(browser, by_origin, socket_path)
        running.server.process.end()
        log = running.server.process.output
    assert "in the origin view of" in log
    assert "in the path view of" in log
    assert [secret for secret in secrets if secret in log] == []
    assert "Uncaught" not in log
    assert "never retrieved" not in log


async def provoke(browser: Browser, view: str, socket_path: Path) -> None:
    """All kinds of errors, with the view's URL wherever a browser would put it."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
        await writer.drain()

    headers = {"Referer": view, "Origin": view.rstrip("/")}
    for method in ("GET", "POST", "PROPFIND"):  # nothing listens there
        async with browser.http.request(method, view, headers=headers):
            pass
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await browser.http.ws_connect(view, headers=headers)
    async with raw(socket_path, cut), browser.get(view, headers=headers) as response:
        if response.status == 200:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
    socket_path.unlink(missing_ok=True)
