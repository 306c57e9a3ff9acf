"""A real `bokeh serve` in both views, and `bokeh.client` that changes its document through one."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from bokeh.client import ClientSession, pull_session
from yarl import URL

from tests.support.bokeh_app import bokeh_app
from tests.views.lab import Browser, Lab


async def test_with_no_flag_at_an_origin_of_its_own(lab: Lab, browser: Browser) -> None:
    with bokeh_app(unix=True) as app:
        view = await browser.open(lab.add(app.path))
        async with browser.get(view) as response:
            assert (response.status, response.headers["Location"]) == (302, "/app")
        async with browser.get(view + "app") as response:
            page = await response.text()
        async with browser.get(view + "static/js/bokeh.min.js") as response:
            assert response.status == 200
            assert len(await response.read()) > 100_000
        token = re.search(r'"token":"([^"]+)"', page)
        assert token
        protocols = ("bokeh", token[1])
        websocket = browser.http.ws_connect(view + "app/ws", protocols=protocols, origin=view[:-1])
        async with websocket as ws:
            assert ws.protocol == "bokeh"
            assert json.loads(await ws.receive_str())["msgtype"] == "ACK"


async def test_by_path_with_the_prefix_that_the_page_names(
    lab: Lab, browser: Browser, socket_path: Path
) -> None:
    with bokeh_app(unix=True) as unaware:
        app_id = lab.add(unaware.path)
        async with browser.get(f"{lab.url}remote-tunnel/open/{app_id}?view=path") as response:
            assert response.status == 404
            named = re.search(r"--prefix (\S+)<", await response.text())
    assert named
    with bokeh_app(unix=True, prefix=named[1]) as app:
        lab.change(app_id, bound=str(app.path))
        view = await browser.open(app_id, "path")
        assert URL(view).path == f"{named[1]}/"
        async with browser.get(view + "app") as response:
            assert response.status == 200
        url = f"http://127.0.0.1:{lab.server.port}{app.page}"
        await asyncio.to_thread(_change_and_look, url)


def _change_and_look(url: str) -> None:
    """Change the document of a session, and find it changed by another client."""
    session = pull_session(url=url)
    _find(session).text = "changed from here"
    session.force_roundtrip()
    other = pull_session(session_id=session.id, url=url)
    assert _find(other).text == "changed from here"
    session.close()
    other.close()


def _find(session: ClientSession) -> Any:
    return session.document.select_one({"name": "pressed"})
