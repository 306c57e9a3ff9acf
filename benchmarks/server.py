"""A Jupyter Server with this extension, as a user has it: token, login and origin checks on.

`Server.open` opens a tunnel in its engine, over REST. `Server.enter` goes through `open/<id>` into
the origin view of an application, as a browser does. `Server.ask` is one plain request.
"""

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.client import Address
from benchmarks.contenders import LOOPBACK, Peer
from tests.support.jupyter import Jupyter, jupyter
from tests.support.process import PeerError
from tests.support.sshd import SshBed

_ROOT = Path(__file__).parents[1]
_TUNNELS = "/remote-tunnel/api/tunnels"


class Server:
    """A running server."""

    def __init__(self, process: Jupyter) -> None:
        self._process = process
        self.address: Address = (LOOPBACK, process.port)

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is kept alive."""
        return http.client.HTTPConnection(*self.address, timeout=120)

    @property
    def login(self) -> dict[str, str]:
        """The header that a program logs in with."""
        return {"Authorization": f"token {self._process.token}"}

    def ask(
        self,
        connection: http.client.HTTPConnection,
        path: str,
        headers: Mapping[str, str],
        body: Any = None,
        *,
        method: str = "",
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """GET, or POST `body` as JSON, or another method.

        :raises PeerError: the answer is an error.
        """
        text = None if body is None else json.dumps(body)
        connection.request(method or ("GET" if body is None else "POST"), path, text, dict(headers))
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise PeerError(f"{path}: {answer.status} {content[:500]!r}")
        return answer, content

    def open(self, host: str, remote: Peer) -> tuple[str, Address]:
        """A tunnel to the peer's first port: its id, and where it listens."""
        return self.open_to(host, remote.work[1])

    def open_to(self, host: str, port: int) -> tuple[str, Address]:
        """The same, to any port of the host."""
        request = {"host": host, "forwards": [f"-L 0:{LOOPBACK}:{port}"]}
        with contextlib.closing(self.connect()) as connection:
            _, content = self.ask(connection, _TUNNELS, self.login, body=request)
        tunnel = json.loads(content)["tunnel"]
        _, _, bound = tunnel["forwards"][0]["bound"].rpartition(":")
        return tunnel["id"], (LOOPBACK, int(bound))

    def close(self, tunnel_id: str) -> None:
        """Close a tunnel."""
        with contextlib.closing(self.connect()) as connection:
            self.ask(connection, f"{_TUNNELS}/{tunnel_id}", self.login, method="DELETE")

    def enter(self, app_id: str) -> list[str]:
        """The headers with which a page of the application asks in its origin view."""
        with contextlib.closing(self.connect()) as connection:
            path = f"/remote-tunnel/open/{app_id}?view=origin"
            answer, _ = self.ask(connection, path, self.login)
            there = urlsplit(answer.headers["Location"])
            answer, _ = self.ask(connection, there.path, {"Host": there.netloc})
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        origin = f"http://{there.netloc}"
        return [f"Host: {there.netloc}", f"Cookie: {cookie}", f"Origin: {origin}"]


@contextlib.contextmanager
def server(bed: SshBed) -> Iterator[Server]:
    """Start one, with `benchmarks.burner` beside this project's extension."""
    extensions = {"jupyter_remote_tunnel": True, "benchmarks.burner": True}
    others = ("jupyterlab", "notebook", "notebook_shim", "jupyter_lsp")
    traits: dict[str, dict[str, Any]] = {
        "ServerApp": {"jpserver_extensions": {**extensions, **dict.fromkeys(others, False)}},
        "TunnelManager": {"ssh_config": str(bed.config_file)},
    }
    with jupyter(traits=traits, env={"PYTHONPATH": str(_ROOT)}) as process:
        yield Server(process)
