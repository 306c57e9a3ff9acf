"""A real `bokeh serve` with one small application, started with no flag that a tunnel would need.

The page shows a plot to which a periodic callback adds a point every 200 ms, a button ``press``
with a text ``pressed N times``, and ``visit N``, counted in the cookie ``visits`` that the server
sets (host-only, no attributes), so that a test sees whether the application's own cookie comes
back. `python -m bokeh` runs from this environment::

    with bokeh_app() as app:
        app.url       # http://127.0.0.1:41234/app, or
    with bokeh_app(unix=True, prefix="/base/x") as app:
        app.path      # the socket's path
"""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.netns import Namespace
from tests.support.process import Child, answers, child, wait_until

_APP = '''\
"""A plot that grows, a button, and the visitor's cookie."""

from bokeh.layouts import column
from bokeh.models import Button, ColumnDataSource, Div
from bokeh.plotting import curdoc, figure

document = curdoc()
source = ColumnDataSource({"x": [0, 1], "y": [0, 1]})
plot = figure(title="remote plot", width=400, height=250)
plot.line("x", "y", source=source)
points = Div(text="2 points", name="points")
pressed = Div(text="pressed 0 times", name="pressed")
visits = document.session_context.request.cookies.get("visits", "0")
visit = Div(text=f"visit {int(visits) + 1}", name="visit")
button = Button(label="press")
count = 0


def press():
    global count
    count += 1
    pressed.text = f"pressed {count} times"


def grow():
    n = len(source.data["x"])
    source.stream({"x": [n], "y": [n % 7]})
    points.text = f"{n + 1} points"


button.on_click(press)
document.title = "remote plot"
document.add_periodic_callback(grow, 200)
document.add_root(column(plot, points, button, pressed, visit))
'''

_COOKIE = '''\
"""Bokeh's hook for log-in, here only to set a cookie from the server's side."""

from tornado.websocket import WebSocketHandler

login_url = "/login"


def get_user(handler):
    if isinstance(handler, WebSocketHandler):
        return "anyone"  # tornado lets no cookie be set there
    visits = int(handler.get_cookie("visits", "0"))
    handler.set_cookie("visits", str(visits + 1), expires_days=None)
    return "anyone"
'''


@dataclass(frozen=True)
class BokehApp:
    """A running server; either `port` or `path` is set. `page` is the application's own path."""

    process: Child
    port: int | None
    path: Path | None
    prefix: str

    @property
    def page(self) -> str:
        """Path of the application's page, prefix included."""
        return f"{self.prefix}/app"

    @property
    def url(self) -> str:
        """Where a browser beside the server would find it."""
        return f"http://127.0.0.1:{self.port}{self.page}"

    @property
    def destination(self) -> str:
        """As the last part of a ``-L``: ``localhost:PORT`` or the socket's path."""
        return str(self.path) if self.path else f"localhost:{self.port}"


@contextlib.contextmanager
def bokeh_app(
    *, unix: bool = False, prefix: str = "", port: int = 0, namespace: Namespace | None = None
) -> Iterator[BokehApp]:
    """Run the application on a free port (or `port`), or on a Unix socket; on the loopback of
    `namespace`, or on ours.
    """
    folder = Path(tempfile.mkdtemp(prefix="jrt-bokeh-"))
    (folder / "app.py").write_text(_APP)
    (folder / "cookie.py").write_text(_COOKIE)
    path = folder / "bokeh.sock" if unix else None
    where = ["--unix-socket", path] if path else ["--address", "127.0.0.1", "--port", str(port)]
    argv = [sys.executable, "-m", "bokeh", "serve", folder / "app.py", *where]
    argv += ["--auth-module", folder / "cookie.py"]
    argv += ["--prefix", prefix] if prefix else []
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        words = [str(word) for word in argv]
        process = stack.enter_context(child(namespace.wrap(words) if namespace else words))
        if path:
            process.wait_for_line(r"Starting Bokeh server")
            wait_until(lambda: answers(path), "Bokeh's Unix socket")
        else:
            line = process.wait_for_line(r"app running at: http://[\d.]+:(\d+)/")
            port = int(line[1])
        yield BokehApp(process, None if path else port, path, prefix)
