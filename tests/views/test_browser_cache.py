"""What an application has the browser keep, and the next one at the same name.

The name is that of a host key and a destination, whatever listens there.
"""

from pathlib import Path

import pytest
from aiohttp import web
from playwright.sync_api import Frame, Page, expect

from tests.views.backend import serve_in_thread
from tests.views.lab import Lab
from tests.views.pages import show

PLACE = {"host_key": "SHA256:one", "destination": "localhost:5006"}
FOR_A_YEAR = {"Cache-Control": "max-age=31536000, immutable"}
RUN = "#run:not(:empty)"
"""What the page's script has filled."""


def answer(request: web.Request, name: str, headers: dict[str, str]) -> web.Response:
    """A page, and a script that says whose it is."""
    if request.path == "/script.js":
        text = f"document.querySelector('#run').textContent = '{name}'"
        return web.Response(text=text, content_type="text/javascript", headers=headers)
    text = f"<!doctype html><h1>{name}</h1><p id=run></p><script src=/script.js></script>"
    return web.Response(text=text, content_type="text/html", headers=headers)


async def first(request: web.Request) -> web.StreamResponse:
    return answer(request, "first", FOR_A_YEAR)


async def second(request: web.Request) -> web.StreamResponse:
    return answer(request, "second", {})


def shown(where: str, host: Page, app_id: str) -> Frame:
    """The application in a tab of its own, in another frame, or in the one that is there."""
    there = f"/remote-tunnel/open/{app_id}?view=origin"
    if where == "a tab":
        tab = host.context.new_page()
        tab.goto(f"{host.url.rpartition('/')[0]}{there}")
        expect(tab.locator(RUN)).to_be_visible()
        return tab.main_frame
    if where == "the same frame" and host.locator("iframe").count():
        host.locator("iframe").evaluate("(frame, there) => { frame.src = there }", there)
        inside = host.frame_locator("iframe")
        expect(inside.get_by_role("heading", name="second")).to_be_visible()
        expect(inside.locator(RUN)).to_be_visible()
        return host.frames[-1]
    return show(host, app_id, "origin", RUN)


@pytest.mark.parametrize("where", ["a tab", "another frame", "the same frame"])
def test_no_page_of_an_application_is_the_next_ones(
    lab: Lab, host: Page, short_dir: Path, where: str
) -> None:
    app_id = lab.add(short_dir / "a", **PLACE)
    with serve_in_thread(short_dir / "a", first):
        name = shown(where, host, app_id).url
    lab.remove(app_id)
    with serve_in_thread(short_dir / "b", second):
        frame = shown(where, host, lab.add(short_dir / "b", **PLACE))
        assert frame.url == name
        assert [frame.locator(part).text_content() for part in ("h1", "#run")] == 2 * ["second"]
