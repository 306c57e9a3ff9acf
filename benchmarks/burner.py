"""A Jupyter Server extension that keeps its server busy, for the benchmarks alone.

``GET /burn?seconds=N`` answers one byte at once, then runs Python on the server's loop for so long.
"""

import time
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp
from tornado.web import authenticated


class BurnHandler(JupyterHandler):
    """Nothing else is served meanwhile."""

    @authenticated
    async def get(self) -> None:
        self.set_header("Content-Length", "2")
        self.write(".")
        await self.flush()
        end = time.monotonic() + float(self.get_query_argument("seconds"))
        while time.monotonic() < end:
            pass
        self.write(".")


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "benchmarks.burner"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    server.web_app.add_handlers(".*$", [(r"/burn", BurnHandler)])  # type: ignore[no-untyped-call]
