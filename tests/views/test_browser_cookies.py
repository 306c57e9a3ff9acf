"""Cookies in a real browser: the application's are its own, Jupyter's are Jupyter's."""

from pathlib import Path

import pytest
from aiohttp import web
from playwright.sync_api import BrowserContext, Frame, Page

from tests.views.backend import serve_in_thread
from tests.views.lab import Lab
from tests.views.pages import PAGE, application, fetched, show

# What a Jupyter or another tornado application sets.
LOGIN = ["_xsrf=own", "username-localhost-5006=own", "username-localhost-8888=own"]


async def logs_in(request: web.Request) -> web.StreamResponse:
    """As `application`, but for `login`, which sets the cookies of a Jupyter."""
    if request.path != "/login":
        return await application(request)
    response = web.Response(text=PAGE, content_type="text/html")
    for cookie in LOGIN:
        response.headers.add("Set-Cookie", f"{cookie}; Path=/")
    return response


def in_place(where: str, host: Page, app_id: str) -> Frame:
    """The application in a frame, or in a tab of its own."""
    if where == "frame":
        return show(host, app_id, "origin")
    tab = host.context.new_page()
    tab.goto(f"{host.url.rpartition('/')[0]}/remote-tunnel/open/{app_id}")
    return tab.main_frame


@pytest.mark.parametrize("where", ["frame", "tab"])
def test_an_application_may_call_its_cookies_as_jupyter_does(
    lab: Lab, host: Page, socket_path: Path, where: str
) -> None:
    with serve_in_thread(socket_path, logs_in):
        frame = in_place(where, host, lab.add(socket_path))
        frame.evaluate("() => fetch('/login')")
        assert sorted(fetched(frame, "/echo")["headers"]["Cookie"].split("; ")) == LOGIN
        # Its scripts find `_xsrf` under that name, as those of JupyterLab do.
        assert sorted(frame.evaluate("() => document.cookie").split("; ")) == LOGIN


def jupyters(profile: BrowserContext, lab: Lab) -> dict[str, str]:
    return {str(c.get("name")): str(c.get("value")) for c in profile.cookies(lab.url)}


@pytest.mark.parametrize("where", ["frame", "tab"])
def test_no_cookie_passes_between_jupyter_and_an_application(
    lab: Lab, host: Page, profile: BrowserContext, socket_path: Path, where: str
) -> None:
    with serve_in_thread(socket_path, application) as seen:
        host.evaluate(
            """() => {
                document.cookie = "wide=from-jupyter; Domain=localhost";
                document.cookie = "dotted=from-jupyter; Domain=.localhost";
                document.cookie = "none=from-jupyter; Domain=localhost; SameSite=None; Secure";
            }"""
        )
        before = jupyters(profile, lab)
        assert {"_xsrf", "wide", "dotted", "none"} < before.keys()
        frame = in_place(where, host, lab.add(socket_path))
        frame.evaluate(
            """names => {
                for (const name of names) {
                    for (const domain of ["localhost", ".localhost", "127.0.0.1"]) {
                        document.cookie = `${name}=evil; Path=/; Domain=${domain}`;
                        document.cookie =
                            `${name}=evil; Path=/; Domain=${domain}; SameSite=None; Secure`;
                    }
                }
            }""",
            sorted(before),
        )
        assert "Cookie" not in fetched(frame, "/echo")["headers"]
        assert jupyters(profile, lab) == before
        sent = str([list(request.headers.items()) for request in seen])
        assert not [value for value in before.values() if value in sent]


@pytest.mark.parametrize("view", ["origin", "path"])
def test_a_redirect_of_an_application_is_no_request_of_labs(
    lab: Lab, host: Page, socket_path: Path, view: str
) -> None:
    """The frame's first request is JupyterLab's, and so would be what it is redirected to."""

    async def logs_out(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/away"):
            raise web.HTTPFound("/logout" if view == "path" else f"{lab.url}logout")
        return await application(request)

    with serve_in_thread(socket_path, logs_out):
        frame = show(host, lab.add(socket_path), view)
        with host.expect_response("**/logout") as asked:
            frame.frame_element().evaluate(
                "(frame, url) => { frame.src = url }", frame.url + "away"
            )
        assert "username-" not in asked.value.request.all_headers().get("cookie", "")
        assert host.evaluate("() => fetch('/api/status').then(answer => answer.status)") == 200
