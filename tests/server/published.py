"""A Jupyter, a gateway with a real nginx in front, and a real sshd: for the tests of publishing."""

import contextlib
import shutil
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.server.conftest import PREFIX, close_all, manager, tunnels
from tests.support.http import by_token
from tests.support.jupyter import Jupyter, jupyter
from tests.support.nginx import Nginx, nginx
from tests.support.process import wait_until
from tests.support.sshd import SshBed

NAME = "jupyter.example.test"


PUBLISH = PREFIX + "publish"


LINES = {"Accept": "application/x-ndjson"}


class Scene:
    """A gateway, its nginx, and the Jupyter that is to be published."""

    def __init__(self, bed: SshBed, web: Nginx, server: Jupyter, socket: Path) -> None:
        self.bed, self.web, self.server, self.socket = bed, web, server, socket

    @property
    def request(self) -> dict[str, Any]:
        socket = str(self.socket)
        return {"gateway": "gw", "name": NAME, "port": self.web.port, "socket": socket}

    @contextlib.contextmanager
    def outsider(self, token: str = "") -> Iterator[httpx.Client]:
        """Somebody out there, whose DNS knows the name."""
        trusted = ssl.create_default_context(cafile=self.web.certificate)
        headers = {"Host": f"{NAME}:{self.web.port}"}
        if token:
            headers["Authorization"] = f"token {token}"
        with httpx.Client(
            base_url=f"https://127.0.0.1:{self.web.port}/",
            verify=trusted,
            headers=headers,
            trust_env=False,
            timeout=60,
        ) as client:
            client.event_hooks["request"] = [_by_name]
            yield client

    @contextlib.contextmanager
    def stream(self) -> Iterator[ssl.SSLSocket]:
        """A connection of somebody out there, to say anything."""
        trusted = ssl.create_default_context(cafile=self.web.certificate)
        plain = socket.create_connection(("127.0.0.1", self.web.port), timeout=10)
        with trusted.wrap_socket(plain, server_hostname=NAME) as stream:
            yield stream


def _by_name(request: httpx.Request) -> None:
    request.extensions["sni_hostname"] = NAME


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jrt-gw-")))
        shutil.chown(folder, group="nogroup")  # of nginx's workers
        folder.chmod(0o750)
        socket = folder / f"{NAME}.sock"
        bed = stack.enter_context(SshBed())
        bed.host("gw")
        web = stack.enter_context(nginx(NAME, upstream=f"unix:{socket}"))
        server = stack.enter_context(
            jupyter(
                traits={"TunnelManager": manager(bed)},
                env={"SSL_CERT_FILE": str(web.certificate)},
                hosts={NAME: "127.0.0.1"},
            )
        )
        yield Scene(bed, web, server, socket)


@pytest.fixture
def api(scene: Scene) -> Iterator[httpx.Client]:
    with by_token(scene.server) as client:
        yield client
        for one in publications(client):
            client.delete(f"{PUBLISH}/{one['id']}")
        close_all(client)


def publications(client: httpx.Client) -> list[dict[str, Any]]:
    answer = client.get(PUBLISH)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["publications"]
    return found


def publish(client: httpx.Client, **request: Any) -> dict[str, Any]:
    answer = client.post(PUBLISH, json=request)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()["publication"]
    return found


def refused(client: httpx.Client, **request: Any) -> list[dict[str, Any]]:
    """The checks that failed."""
    answer = client.post(PUBLISH, json=request)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert (report["ok"], report["publication"]) == (False, None)
    assert publications(client) == []
    assert tunnels(client) == []
    return [check for check in report["checks"] if check["verdict"] == "failed"]


@contextlib.contextmanager
def websocket(scene: Scene) -> Iterator[ClientConnection]:
    """One of Jupyter's, from outside."""
    trusted = ssl.create_default_context(cafile=scene.web.certificate)
    url = f"wss://{NAME}:{scene.web.port}/api/events/subscribe?token={scene.server.token}"
    reached = socket.create_connection(("127.0.0.1", scene.web.port))
    with connect(url, sock=reached, ssl=trusted, server_hostname=NAME) as stream:
        yield stream


def checked_again(client: httpx.Client, before: dict[str, Any]) -> dict[str, Any]:
    """The only publication, after its connection was lost and all was looked at."""
    wait_until(lambda: publications(client)[0]["since"] != before["since"], "its loss")
    ends = ("shown", "held_back")
    wait_until(lambda: publications(client)[0]["state"] in ends, "what is found")
    (one,) = publications(client)
    return one


def names_of(publication: dict[str, Any]) -> list[str]:
    """What was looked at."""
    return [check["name"] for check in publication["checks"]]
