"""An application with a page, and that page in a frame of a real browser, as in JupyterLab."""

from typing import Any

from aiohttp import web
from playwright.sync_api import Frame, Page, expect

# As JupyterLab's frames are.
_SANDBOX = {
    "origin": "allow-scripts allow-forms allow-popups allow-downloads"
    " allow-same-origin allow-modals",
    "path": "allow-scripts allow-forms allow-popups allow-downloads",
}
PAGE = "<!doctype html><title>app</title><h1>application</h1>"


def show(host: Page, app_id: str, view: str, wanted: str = "h1") -> Frame:
    """Frame an application as Lab does, until the CSS selector `wanted` is there."""
    name = f"f{app_id}"
    host.evaluate(
        """([name, src, sandbox]) => {
            const frame = document.createElement("iframe");
            Object.assign(frame, {name, src, sandbox, style: "width: 95vw; height: 95vh"});
            document.body.append(frame);
        }""",
        [name, f"/remote-tunnel/open/{app_id}?view={view}", _SANDBOX[view]],
    )
    expect(host.frame_locator(f"iframe[name={name}]").locator(wanted)).to_be_visible()
    frame = host.frame(name)
    assert frame is not None
    return frame


async def application(request: web.Request) -> web.StreamResponse:
    """A page; a count of visits in a cookie; an echo of requests and of websocket messages."""
    name = request.path.rpartition("/")[2]
    match name:
        case "ws":
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            async for message in ws:
                await ws.send_str(message.data)
            return ws
        case "count":
            visits = int(request.cookies.get("visits", 0)) + 1
            response = web.json_response(visits)
            response.headers["Set-Cookie"] = f"visits={visits}; Path=/; HttpOnly"
            return response
        case "echo":
            headers = dict(request.headers)
            return web.json_response({"body": await request.text(), "headers": headers})
        case "module.js":
            return web.Response(text="export const loaded = 1", content_type="text/javascript")
        case "worker.js":
            return web.Response(text="self.x = 1", content_type="text/javascript")
    return web.Response(text=PAGE, content_type="text/html")


def fetched(frame: Frame, path: str, **options: Any) -> Any:
    """The JSON that the page gets from its own server."""
    return frame.evaluate(
        "([path, options]) => fetch(path, options).then(answer => answer.json())", [path, options]
    )


def asks_websocket(frame: Frame) -> str:
    """What comes back through a websocket of the page."""
    return str(
        frame.evaluate(
            """() => new Promise((done, failed) => {
                const ws = new WebSocket(new URL("ws", location.href.replace("http", "ws")));
                ws.onopen = () => ws.send("hello");
                ws.onmessage = event => done(event.data);
                ws.onerror = () => failed("no websocket");
            })"""
        )
    )
