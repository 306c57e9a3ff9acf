"""Publishing where TLS ends in this Jupyter: directly, and on a public port of a gateway."""

import asyncio
import contextlib
import errno
import os
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from jupyter_remote_tunnel.publish import certificates
from jupyter_remote_tunnel.server.listening import on_all_interfaces
from jupyter_remote_tunnel.server.published import daily
from tests.server.conftest import close_all, manager, tunnels
from tests.server.published import (
    NAME,
    PUBLISH,
    checked_again,
    names_of,
    publications,
    publish,
    refused,
)
from tests.support.certificates import WebAuthority
from tests.support.http import by_token
from tests.support.jupyter import Jupyter, jupyter
from tests.support.ports import ReservedPort
from tests.support.process import wait_until
from tests.support.sshd import SshBed

ALLOWED = {"allow_public_publish": True}


class Scene:
    """A gateway, a certificate, and the Jupyter that is to be published."""

    def __init__(self, bed: SshBed, files: certificates.Certificate, server: Jupyter) -> None:
        self.bed, self.files, self.server = bed, files, server

    def request(self, port: int, *, gateway: str = "") -> dict[str, Any]:
        return {
            "way": "bind" if gateway else "direct",
            "gateway": gateway,
            "name": NAME,
            "port": port,
            "certificate": str(self.files.certificate),
            "key": str(self.files.key),
        }

    @contextlib.contextmanager
    def outsider(self, port: int) -> Iterator[httpx.Client]:
        """Somebody out there, whose DNS knows the name."""
        with httpx.Client(
            base_url=f"https://127.0.0.2:{port}/",
            verify=ssl.create_default_context(cafile=self.files.certificate),
            headers={"Host": f"{NAME}:{port}"},
            trust_env=False,
            timeout=60,
        ) as client:
            client.event_hooks["request"] = [
                lambda request: request.extensions.update(sni_hostname=NAME)
            ]
            yield client

    @contextlib.contextmanager
    def streams(self, port: int, number: int) -> Iterator[list[ssl.SSLSocket]]:
        """Connections of somebody out there, who waits for an answer on each."""
        trusted = ssl.create_default_context(cafile=self.files.certificate)
        head = f"POST /login HTTP/1.1\r\nHost: {NAME}:{port}\r\nContent-Length: 9\r\n\r\n"
        with contextlib.ExitStack() as stack:
            found = []
            for _ in range(number):
                plain = socket.create_connection(("127.0.0.1", port), timeout=10)
                stream = trusted.wrap_socket(plain, server_hostname=NAME)
                found.append(stack.enter_context(stream))
                stream.sendall(head.encode())
            yield found


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    files = certificates.make([NAME], tmp_path_factory.mktemp("certificate"))
    with SshBed() as bed:
        bed.host("gw", server=["GatewayPorts clientspecified"])
        with jupyter(
            traits={"TunnelManager": manager(bed, **ALLOWED)},
            env={"SSL_CERT_FILE": str(files.certificate)},
            hosts={NAME: "127.0.0.1"},
        ) as server:
            yield Scene(bed, files, server)


@pytest.fixture
def api(scene: Scene) -> Iterator[httpx.Client]:
    with by_token(scene.server) as client:
        yield client
        for one in publications(client):
            client.delete(f"{PUBLISH}/{one['id']}")
        close_all(client)


@pytest.fixture
def port() -> Iterator[int]:
    with ReservedPort() as reserved:
        yield reserved.number


@pytest.mark.parametrize("gateway", ["", "gw"])
def test_it_is_published_until_it_is_ended(
    scene: Scene, api: httpx.Client, port: int, gateway: str
) -> None:
    one = publish(api, **scene.request(port, gateway=gateway))
    assert (one["state"], one["url"]) == ("shown", f"https://{NAME}:{port}/")
    assert (one["tunnel"] is None) == (not gateway)
    assert any("TLS ends here" in sentence for sentence in one["exposed"])
    with scene.outsider(port) as stranger:
        assert stranger.get("login").status_code == 200
        assert stranger.get("api/contents").status_code == 403
        assert stranger.get("login", headers={"Host": "other"}).status_code == 421
    with httpx.Client(trust_env=False) as plain:
        answer = plain.get(f"http://127.0.0.1:{port}/")
        assert (answer.status_code, answer.headers["Location"]) == (301, one["url"])
    with scene.streams(port, 5) as streams, ThreadPoolExecutor(1) as pool:
        begin = time.monotonic()
        ended = pool.submit(api.delete, f"{PUBLISH}/{one['id']}")
        wait_until(lambda: is_refused(port), "the port to be closed")
        assert time.monotonic() - begin < 1
        assert ended.result().status_code == 200
        for stream in streams:
            assert is_cut(stream)
    assert is_refused(port)
    assert tunnels(api) == []


@pytest.mark.parametrize("gateway", ["", "gw"])
def test_whose_a_port_is_that_is_taken(
    scene: Scene, api: httpx.Client, port: int, gateway: str
) -> None:
    request = scene.request(port, gateway=gateway)
    with socket.create_server(("127.0.0.1", port)):
        answer = api.post(f"{PUBLISH}/check", json=request)
    (failed,) = (one for one in answer.json()["checks"] if one["verdict"] == "failed")
    whose = "a program of yours" if gateway else f"(process {os.getpid()})"
    assert (failed["name"], whose in failed["says"]) == ("port", True), failed
    if gateway:  # where a connection of ours can have been lost
        assert "ClientAliveInterval" in failed["advice"]
        assert "or choose another one with --port." in failed["advice"]
    publish(api, **request)
    report = api.post(f"{PUBLISH}/check", json=request).json()
    assert report["ok"], "it is ours"


def is_refused(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        probe.settimeout(10)
        return probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def is_cut(stream: ssl.SSLSocket) -> bool:
    """Whether its other end has let go of it."""
    try:
        return stream.recv(1) == b""
    except (ConnectionError, ssl.SSLError):
        return True


def test_who_is_connected_directly(scene: Scene, api: httpx.Client, port: int) -> None:
    publish(api, **scene.request(port))
    with scene.outsider(port) as user:
        user.headers["Authorization"] = f"token {scene.server.token}"
        shown = user.get(PUBLISH).json()
    (visitor,) = shown["publications"][0]["visitors"]
    assert visitor["address"].startswith("127.0.0.")
    assert shown["outside"] is True


def test_a_base_url_with_a_dot_is_no_way_round_the_gate(scene: Scene, port: int) -> None:
    """Jupyter takes it for a pattern, and answers by other paths as well."""
    with (
        jupyter(
            base_url="/user/ann.smith/",
            traits={"TunnelManager": ALLOWED},
            env={"SSL_CERT_FILE": str(scene.files.certificate)},
            hosts={NAME: "127.0.0.1"},
        ) as server,
        by_token(server) as api,
        scene.outsider(port) as user,
    ):
        publish(api, **scene.request(port))
        given = user.get("user/ann.smith/login").headers["Set-Cookie"].partition(";")[0]
        form = {"password": server.token, "_xsrf": given.partition("=")[2], "new_password": "1"}
        for name, status in (("ann.smith", 403), ("annXsmith", 404)):
            path = f"user/{name}/login"
            answer = user.post(path, headers={"Cookie": given}, data=form)
            assert (name, answer.status_code) == (name, status)
        assert api.get(server.url.replace("ann.s", "annXs") + "login").status_code in (200, 302)
        settings = server.folder / "config" / "jupyter_server_config.json"
        assert "argon2" not in settings.read_text()


def test_after_a_lost_connection_the_public_port_comes_back(
    scene: Scene, api: httpx.Client, port: int
) -> None:
    before = publish(api, **scene.request(port, gateway="gw"))
    scene.bed.hosts["gw"].drop_connections()
    wait_until(lambda: publications(api)[0]["since"] != before["since"], "its loss")
    wait_until(lambda: publications(api)[0]["state"] == "shown", "it to be shown again")
    with scene.outsider(port) as stranger:
        assert stranger.get("login").status_code == 200


def test_a_key_that_others_can_read_since_then(scene: Scene, api: httpx.Client, port: int) -> None:
    before = publish(api, **scene.request(port, gateway="gw"))
    scene.files.key.chmod(0o644)
    try:
        scene.bed.hosts["gw"].drop_connections()
        one = checked_again(api, before)
        assert (one["state"], "may read" in one["problem"]) == ("held_back", True)
    finally:
        scene.files.key.chmod(0o600)
    wait_until(lambda: publications(api)[0]["state"] == "shown", "it to be tried again")
    (after,) = publications(api)
    assert names_of(after) == names_of(before)


def test_a_gateway_that_listens_on_its_loopback_only(
    scene: Scene, api: httpx.Client, port: int
) -> None:
    with scene.bed.guests():
        scene.bed.host("strict", server=["GatewayPorts no"])
        (failed,) = refused(api, **scene.request(port, gateway="strict"))
    assert (failed["name"], "GatewayPorts" in failed["says"]) == ("tunnel", True)


@pytest.mark.parametrize("gateway", ["", "gw"])
def test_a_port_that_is_taken(scene: Scene, api: httpx.Client, gateway: str) -> None:
    with contextlib.ExitStack() as taken:
        first, *_ = [taken.enter_context(one) for one in on_all_interfaces(0)]
        port = first.getsockname()[1]
        (failed,) = refused(api, **scene.request(port, gateway=gateway))
    assert failed["name"] == "port"
    assert ("is taken" if gateway else "in use by") in failed["says"]


def test_a_certificate_that_is_none(
    scene: Scene, api: httpx.Client, port: int, tmp_path: Path
) -> None:
    request = scene.request(port)
    (failed,) = refused(api, **{**request, "key": str(tmp_path / "none.key")})
    assert (failed["name"], "No such file" in failed["says"]) == ("key", True)
    other = certificates.make([NAME], tmp_path)
    (failed,) = refused(api, **{**request, "key": str(other.key)})
    assert (failed["name"], "is not the key of" in failed["says"]) == ("key", True)
    shutil.copy(__file__, other.certificate)
    (failed,) = refused(api, **{**request, "certificate": str(other.certificate)})
    assert (failed["name"], "no certificate in PEM" in failed["says"]) == ("certificate", True)


@pytest.mark.parametrize("gateway", ["", "gw"])
@pytest.mark.parametrize(
    ("names", "days", "says"),
    [
        (["other.example.test"], (-1, 90), f"is not for {NAME}"),
        ([NAME], (-90, -1), "ended on"),
        ([NAME], (1, 90), "begins on"),
    ],
)
def test_a_certificate_of_another_name_or_time(
    scene: Scene,
    api: httpx.Client,
    port: int,
    tmp_path: Path,
    gateway: str,
    names: list[str],
    days: tuple[int, int],
    says: str,
) -> None:
    """Nobody insists on that: whoever signed it, nothing is opened."""
    pair = WebAuthority(tmp_path / "authority").issue(*names, days=days)
    files = {"certificate": str(pair.chain), "key": str(pair.key)}
    request = {**scene.request(port, gateway=gateway), **files}
    (failed,) = refused(api, **request, self_signed=True)
    assert (failed["name"], says in failed["says"]) == ("certificate", True), failed
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_certificate_that_browsers_do_not_take(
    scene: Scene, api: httpx.Client, port: int, tmp_path: Path
) -> None:
    own = certificates.make([NAME], tmp_path)
    request = {
        **scene.request(port),
        "certificate": str(own.certificate),
        "key": str(own.key),
    }
    (failed,) = refused(api, **request)
    assert (failed["name"], "self-signed" in failed["says"]) == ("trust", True)
    assert failed["remedy"] == "certificate"
    one = publish(api, **request, self_signed=True)
    assert one["state"] == "shown"


async def test_a_renewed_certificate_is_asked_for_each_day() -> None:
    asked: asyncio.Queue[datetime] = asyncio.Queue()

    async def ask() -> None:
        asked.put_nowait(datetime.now(UTC))

    begin, day = datetime.now(UTC), timedelta(seconds=0.2)
    asking = asyncio.get_running_loop().create_task(daily(ask, every=day, look=0.01), name="daily")
    first, second = await asked.get(), await asked.get()
    asking.cancel()
    assert (first - begin >= day, second - first >= day) == (True, True)


def test_it_needs_to_be_allowed(scene: Scene, port: int) -> None:
    trusting = {"SSL_CERT_FILE": str(scene.files.certificate)}
    with jupyter(env=trusting) as server, by_token(server) as client:
        assert client.get(PUBLISH).json()["ways"] == ["proxy"]
        (failed,) = refused(client, **scene.request(port))
        assert failed["name"] == "permission"
        assert failed["typed"] == ["c.TunnelManager.allow_public_publish = True"]
        bare = {**scene.request(port), "certificate": None, "key": None}
        assert refused(client, **bare) == [failed], "before anybody makes a certificate"


def test_files_are_asked_for_where_it_is_allowed(
    scene: Scene, api: httpx.Client, port: int
) -> None:
    bare = {**scene.request(port), "certificate": None, "key": None}
    answer = api.post(PUBLISH, json=bare)
    assert answer.status_code == 400
    assert "--certfile" in answer.json()["hint"]
