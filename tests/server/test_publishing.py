"""This Jupyter on a gateway with a real nginx in front, over a real sshd."""

import contextlib
import json
import shutil
import signal
import socket
import ssl
import stat
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from jupyter_remote_tunnel.server.strangers_log import LINES as LINES_OF_STRANGERS
from tests.server.conftest import PREFIX, close_all, engines, manager, tunnels
from tests.support.http import anonymous, by_token
from tests.support.jupyter import Jupyter, jupyter, started_again
from tests.support.leaks import files_below
from tests.support.nginx import Nginx, nginx
from tests.support.ports import ReservedPort
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


def test_it_is_published(scene: Scene, api: httpx.Client) -> None:
    one = publish(api, **scene.request)
    assert (one["state"], one["way"], one["host"]) == ("shown", "proxy", "gw")
    assert one["url"] == f"https://{NAME}:{scene.web.port}/"
    assert {check["verdict"] for check in one["checks"]} == {"ok"}, one["checks"]
    assert any("root" in sentence and "read" in sentence for sentence in one["exposed"])
    assert stat.S_IMODE(scene.socket.stat().st_mode) == 0o666
    with scene.outsider() as stranger:
        assert stranger.get("login").status_code == 200
        assert stranger.get("api/contents").status_code == 403
    with scene.outsider(scene.server.token) as user:
        assert user.get("api/contents").status_code == 200
    with websocket(scene) as stream:
        stream.ping().wait(60)
        (visitor,) = publications(api)[0]["visitors"]
        assert (visitor["address"], visitor["streams"]) == ("127.0.0.1", 1)


@contextlib.contextmanager
def websocket(scene: Scene) -> Iterator[ClientConnection]:
    """One of Jupyter's, from outside."""
    trusted = ssl.create_default_context(cafile=scene.web.certificate)
    url = f"wss://{NAME}:{scene.web.port}/api/events/subscribe?token={scene.server.token}"
    reached = socket.create_connection(("127.0.0.1", scene.web.port))
    with connect(url, sock=reached, ssl=trusted, server_hostname=NAME) as stream:
        yield stream


def test_jupyters_own_port_stays_as_it_is(scene: Scene, api: httpx.Client) -> None:
    publish(api, **scene.request)
    inside = {"Host": f"{NAME}:{scene.web.port}"}
    assert api.get("api/contents", headers=inside).status_code == 403
    with scene.outsider(scene.server.token) as user:
        other = {"Host": f"localhost:{scene.server.port}"}
        assert user.get("api/contents", headers=other).status_code == 421


def test_a_folder_that_others_can_enter(scene: Scene, api: httpx.Client) -> None:
    """They would reach the socket, and could say of themselves who they are."""
    scene.socket.parent.chmod(0o755)
    try:
        (failed,) = refused(api, **scene.request)
    finally:
        scene.socket.parent.chmod(0o750)
    assert failed["name"] == "folder"
    assert f"Every user of gw can go into {scene.socket.parent}" in failed["says"]
    assert failed["typed"] == [f"chmod o-rwx {scene.socket.parent}"]


def test_each_check_as_a_line(scene: Scene, api: httpx.Client) -> None:
    answer = api.post(f"{PUBLISH}/check", json=scene.request, headers=LINES)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, LINES["Accept"])
    *lines, last = map(json.loads, answer.text.splitlines())
    assert [line["check"] for line in lines] == last["report"]["checks"]
    assert (last["report"]["ok"], last["report"]["publication"]) == (True, None)
    names = ["token", "other sites", "address", "gateway", "name", "folder", "certificate"]
    assert [line["check"]["name"] for line in lines] == names
    assert publications(api) == []
    answer = api.post(PUBLISH, json=scene.request, headers=LINES)
    *lines, last = map(json.loads, answer.text.splitlines())
    assert last["report"]["publication"]["state"] == "shown"
    assert [line["check"]["name"] for line in lines][len(names) :] == [
        *("tunnel", "way in", "uploads", "websockets", "streaming")
    ]


def test_it_ends_at_once(scene: Scene, api: httpx.Client) -> None:
    one = publish(api, **scene.request)
    with websocket(scene) as stream, scene.outsider() as stranger, ThreadPoolExecutor(1) as pool:
        assert stranger.get("login").status_code == 200
        begin = time.monotonic()
        ending = pool.submit(api.delete, f"{PUBLISH}/{NAME}")
        wait_until(lambda: stranger.get("login").status_code == 502, "nothing to be there")
        assert time.monotonic() - begin < 1
        ended = ending.result()
        with pytest.raises(ConnectionClosed):
            stream.recv(timeout=60)
        assert stranger.get("login").status_code == 502
    assert ended.json()["publication"]["state"] == "ended"
    assert ended.json()["publication"]["id"] == one["id"]
    assert publications(api) == []
    assert tunnels(api) == []
    assert list(scene.socket.parent.iterdir()) == []
    private = [name for name in files_below(scene.server.folder / "run") if "outside" in name]
    assert private == []
    assert api.delete(f"{PUBLISH}/{NAME}").status_code == 404


def test_a_gateway_that_hangs_does_not_delay_the_end(scene: Scene, api: httpx.Client) -> None:
    """It is over here at once. What the gateway has for it is asked for, and soon given up."""
    publish(api, **scene.request)
    with scene.bed.hosts["gw"].paused(), ThreadPoolExecutor(1) as pool:
        begin = time.monotonic()
        ending = pool.submit(api.delete, f"{PUBLISH}/{NAME}")
        wait_until(lambda: publications(api) == [], "it to be over")
        assert time.monotonic() - begin < 1
        ended = ending.result()
        assert time.monotonic() - begin < 7  # five of them the engine waits for sshd
    assert ended.json()["publication"]["state"] == "ended"
    assert tunnels(api) == []
    for left in scene.socket.parent.iterdir():  # by a gateway that does nothing
        left.unlink()


def test_after_a_lost_connection_it_is_checked_again(scene: Scene, api: httpx.Client) -> None:
    before = publish(api, **scene.request)
    with websocket(scene) as stream:
        stream.ping().wait(60)
        scene.bed.hosts["gw"].drop_connections()
        with pytest.raises(ConnectionClosed):
            stream.recv(timeout=60)

    def is_shown_again() -> bool:
        (now,) = publications(api)
        return bool(now["state"] == "shown" and now["since"] > before["since"])

    wait_until(is_shown_again, "it to be shown again")
    with scene.outsider() as stranger:
        assert stranger.get("login").status_code == 200


def test_an_engine_that_dies_takes_it_down_for_a_moment(scene: Scene, api: httpx.Client) -> None:
    before = publish(api, **scene.request)
    (engine,) = engines(scene.server)
    engine.kill()
    wait_until(lambda: publications(api)[0]["since"] != before["since"], "its loss")
    wait_until(lambda: publications(api)[0]["state"] == "shown", "it to be shown again")
    (after,) = publications(api)
    assert after["tunnel"] == before["tunnel"]
    with scene.outsider() as stranger:
        assert stranger.get("login").status_code == 200


def test_a_change_is_an_event(scene: Scene, api: httpx.Client) -> None:
    one = publish(api, **scene.request)
    with websocket(scene) as stream:
        stream.ping().wait(60)
        api.post(f"{PUBLISH}/{one['id']}/period", json={"hours": 1})
        heard = json.loads(stream.recv(timeout=60))
    assert heard["schema_id"].endswith("/publication/v1")
    assert (heard["publication_id"], heard["state"]) == (one["id"], "shown")


def test_what_fails_then_is_held_back(scene: Scene, api: httpx.Client) -> None:
    publish(api, **scene.request)
    scene.web.use(without="client_max_body_size")
    try:
        scene.bed.hosts["gw"].drop_connections()
        wait_until(lambda: publications(api)[0]["state"] == "held_back", "the check to fail")
        (one,) = publications(api)
        assert "upload" in one["problem"]
        with scene.outsider() as stranger:
            assert stranger.get("login").status_code == 503
    finally:
        scene.web.use()
    wait_until(lambda: publications(api)[0]["state"] == "shown", "it to be tried again")


ENDLESS = f'if ($uri ~ /stream$) {{ set $x "{4000 * "x"}"; return 200 "{500 * "$x"}"; }}'
"""A line of two megabytes in the place of an answer: nobody had thought of that."""


def ended_early(checks: list[dict[str, Any]]) -> str:
    """The detail of the only check that failed, which says that something was not expected."""
    (failed,) = [check for check in checks if check["verdict"] == "failed"]
    assert failed["says"] == "The checks came to no end: something was not expected."
    assert (failed["name"], failed["typed"]) == ("checks", [])
    (detail,) = failed["details"]
    assert 20 < len(detail) <= 300
    return str(detail)


def test_checks_that_an_answer_has_ended_early_open_nothing(
    scene: Scene, api: httpx.Client
) -> None:
    scene.web.use(also=ENDLESS)
    try:
        assert "Got more than" in ended_early(refused(api, **scene.request))
    finally:
        scene.web.use()
    wait_until(lambda: "came to no end" in scene.server.process.output, "Jupyter's log")
    assert not scene.socket.exists()
    assert publish(api, **scene.request)["state"] == "shown"


def test_checks_that_an_answer_has_ended_early_are_made_again(
    scene: Scene, api: httpx.Client
) -> None:
    publish(api, **scene.request)
    scene.web.use(also=ENDLESS)
    try:
        scene.bed.hosts["gw"].drop_connections()
        wait_until(lambda: publications(api)[0]["state"] == "held_back", "the check to fail")
        (one,) = publications(api)
        assert one["problem"] == "The checks came to no end: something was not expected."
        assert "Got more than" in ended_early(one["checks"])
        (failed,) = [check for check in one["checks"] if check["verdict"] == "failed"]
        assert "made again by themselves" in failed["advice"]
    finally:
        scene.web.use()
    wait_until(lambda: publications(api)[0]["state"] == "shown", "it to be tried again")


def test_the_gateway_is_looked_at_again_as_well(scene: Scene, api: httpx.Client) -> None:
    before = publish(api, **scene.request)
    scene.socket.parent.chmod(0o777)
    try:
        scene.bed.hosts["gw"].drop_connections()
        one = checked_again(api, before)
        assert (one["state"], "can go into" in one["problem"]) == ("held_back", True)
        with scene.outsider() as stranger:
            assert stranger.get("login").status_code in (502, 503)
    finally:
        scene.socket.parent.chmod(0o750)
    wait_until(lambda: publications(api)[0]["state"] == "shown", "it to be tried again")
    (after,) = publications(api)
    assert names_of(after) == names_of(before)


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


@pytest.mark.parametrize(
    ("line", "name", "says"),
    [
        ("client_max_body_size", "uploads", "413"),
        ('Connection "upgrade"', "websockets", "Websockets do not pass"),
        ("proxy_buffering", "streaming", "held back"),
        ("Host $http_host", "way in", "in place of"),
    ],
)
def test_a_site_that_lacks_something(
    scene: Scene, api: httpx.Client, line: str, name: str, says: str
) -> None:
    scene.web.use(without=line)
    try:
        failed = refused(api, **scene.request)
    finally:
        scene.web.use()
    assert [check["name"] for check in failed] == [name]
    assert says in failed[0]["says"]
    assert (
        failed[0]["remedy"],
        "In nginx" in failed[0]["advice"] or "nginx," in failed[0]["advice"],
    ) == ("site", True)


def test_a_name_that_leads_elsewhere(scene: Scene, api: httpx.Client, tmp_path: Path) -> None:
    (failed,) = refused(api, **{**scene.request, "name": "nowhere.invalid"})
    assert (failed["name"], "has no address" in failed["says"]) == ("name", True)
    (failed,) = refused(api, **{**scene.request, "socket": str(scene.socket) + "x"})
    assert (failed["name"], "(502)" in failed["says"]) == ("way in", True)
    (failed,) = refused(api, **{**scene.request, "socket": f"{tmp_path}/none/x.sock"})
    assert (failed["name"], "it is not there" in failed["says"]) == ("folder", True)


def test_who_is_published_already(scene: Scene, api: httpx.Client) -> None:
    publish(api, **scene.request)
    answer = api.post(PUBLISH, json=scene.request)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    with (
        jupyter(
            traits={"TunnelManager": manager(scene.bed)},
            env={"SSL_CERT_FILE": str(scene.web.certificate)},
            hosts={NAME: "127.0.0.1"},
        ) as other,
        by_token(other) as client,
    ):
        (failed,) = refused(client, **scene.request)
        assert (failed["name"], "under this name" in failed["says"]) == ("name", True)
    with scene.outsider() as stranger:
        assert stranger.get("login").status_code == 200


def test_from_outside_nothing_is_widened(scene: Scene, api: httpx.Client) -> None:
    one = publish(api, **scene.request)
    with scene.outsider(scene.server.token) as user:
        assert user.get(PUBLISH).json()["outside"] is True
        for path, body in [
            ("", scene.request),
            (f"/{one['id']}/period", {"hours": 9}),
            ("/password", {"password": "a new and long one"}),
            ("/settings", {"setting": "ServerApp.allow_origin", "seen": "x"}),
        ]:
            answer = user.post(PUBLISH + path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), path
        assert user.delete(f"{PUBLISH}/{one['id']}").status_code in (200, 502)
    wait_until(lambda: publications(api) == [], "its end")


def test_from_outside_no_other_way_in_is_opened(scene: Scene, api: httpx.Client) -> None:
    publish(api, **scene.request)
    own, other = scene.server.port, 1
    with scene.outsider(scene.server.token) as user:
        for body in (
            {"command": f"-R 127.0.0.1:0:localhost:{own} gw"},
            {"host": "gw", "forwards": [f"-L 0:localhost:{own}", f"-R 0:10.0.0.1:{own}"]},
            {"command": "-R 0 gw"},
        ):
            answer = user.post(PREFIX + "tunnels", json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), body
        body = {"host": "gw", "password": "a new and long one"}
        answer = user.post(PREFIX + "jupyters/password", json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
        for allowed in (f"-R 127.0.0.1:0:localhost:{other} gw", f"-L 0:localhost:{own} gw"):
            answer = user.post(PREFIX + "tunnels", json={"command": allowed})
            assert answer.status_code == 201, answer.text
        assert user.post(PREFIX + "tunnels", json={"command": "-R"}).status_code == 400
    answer = api.post(PREFIX + "tunnels", json={"command": f"-R 127.0.0.1:0:localhost:{own} gw"})
    assert answer.status_code == 201, answer.text


def test_a_password_is_not_set_with_a_login_from_outside(scene: Scene, api: httpx.Client) -> None:
    publish(api, **scene.request)
    with scene.outsider() as stranger:
        page = stranger.get("login")
        assert "new_password" not in page.text
        given = page.headers["Set-Cookie"].partition(";")[0]
        form = {"password": scene.server.token, "_xsrf": given.partition("=")[2]}
        headers = {"Cookie": given}
        for path, more in (("login", {"new_password": "1"}), ("login?new_password=1", {})):
            answer = stranger.post(path, headers=headers, data={**form, **more})
            assert (answer.status_code, "not set from outside" in answer.text) == (403, True)
        wrong = stranger.post("login", headers=headers, data={**form, "password": "1"})
        assert wrong.status_code == 401
        assert stranger.post("login", headers=headers, data=form).status_code == 302
    with anonymous(scene.server) as here:
        assert "new_password" in here.get("login").text


def test_what_a_stranger_writes_into_the_log(scene: Scene, api: httpx.Client) -> None:
    publish(api, **scene.request)
    before = len(scene.server.process.output)

    def log() -> str:
        return scene.server.process.output[before:]

    host = f"Host: {NAME}:{scene.web.port}\r\nConnection: close\r\n".encode()
    for referer, status in ((b"//[", b"400"), (b"http://\x9b2J/", b"403")):
        with scene.stream() as stream:
            head = b"GET /api/contents HTTP/1.1\r\n" + host
            stream.sendall(head + b"Referer: " + referer + b"\r\n\r\n")
            assert stream.recv(1000).split()[1] == status
    wait_until(lambda: "referer=http:// 2J/" in log(), "its line")
    assert "Traceback" not in log()
    with scene.outsider() as stranger:
        for _ in range(LINES_OF_STRANGERS):
            assert stranger.get("api/contents").status_code == 403
    with scene.outsider(scene.server.token) as user:
        assert user.get("api/contents/nothing").status_code == 404
    wait_until(lambda: "/api/contents/nothing" in log(), "who has logged in to be logged")
    assert log().count(" 403 GET ") < LINES_OF_STRANGERS


@pytest.mark.parametrize("path", ["api/sessions", "login", ".well-known/jupyter-remote-tunnel/x"])
def test_what_a_stranger_sends_takes_no_room(scene: Scene, api: httpx.Client, path: str) -> None:
    publish(api, **scene.request)
    head, length = f"POST /{path} HTTP/1.1\r\nHost: {NAME}:{scene.web.port}\r\n", 120 << 20
    memory = psutil.Process(scene.server.process.pid).memory_info
    before = memory().rss
    with scene.stream() as stream, contextlib.suppress(OSError):  # it may hang up
        stream.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode())
        stream.sendall(bytes(length - 1))
        assert memory().rss - before < length / 2
        stream.sendall(b"x")
        # Where nothing of it is read, nginx may find us gone before it has read our answer.
        unread = (b"502",) if path.startswith(".well-known") else ()
        assert stream.recv(1000).split()[1] in (b"403", b"404", *unread)
    with scene.stream() as stream:
        stream.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        stream.sendall(b"20000\r\n" + bytes(0x20000) + b"\r\n")
        assert stream.recv(1000).split()[1] in (b"400", b"404", b"502")


def test_who_is_logged_in_sends_what_they_like(scene: Scene, api: httpx.Client) -> None:
    publish(api, **scene.request)
    large = {"type": "file", "format": "text", "content": "x" * (1 << 20)}
    token = scene.server.token

    def put(client: httpx.Client, **more: Any) -> int:
        status = client.put("api/contents/x.txt", json=large, **more).status_code
        assert (status == 403) or api.delete("api/contents/x.txt").status_code == 204
        return status

    with scene.outsider(token) as user:
        assert put(user) == 201
    with scene.outsider() as stranger:
        assert put(stranger) == 403
        assert put(stranger, params={"token": token}) == 201
    with scene.outsider() as browser:
        browser.get("lab", params={"token": token})
        browser.get("api/me")
        assert put(browser, headers={"X-XSRFToken": browser.cookies["_xsrf"]}) == 201


def test_its_time_is_over(scene: Scene, api: httpx.Client) -> None:
    one = publish(api, **scene.request, hours=9)
    answer = api.post(f"{PUBLISH}/{one['id']}/period", json={"hours": 0.5})
    assert answer.json()["publication"]["until"] < one["until"]
    assert api.post(f"{PUBLISH}/{one['id']}/period", json={"hours": 0}).status_code == 400
    api.post(f"{PUBLISH}/{one['id']}/period", json={"hours": 0.0001})
    wait_until(lambda: publications(api) == [], "its end")
    with scene.outsider() as stranger:
        assert stranger.get("login").status_code == 502


def test_a_tunnel_that_is_closed_ends_it(scene: Scene, api: httpx.Client) -> None:
    one = publish(api, **scene.request)
    (tunnel,) = tunnels(api)
    assert (tunnel["id"], tunnel["kind"]) == (one["tunnel"], "publish")
    api.delete(f"{PREFIX}tunnels/{tunnel['id']}")
    wait_until(lambda: publications(api) == [], "its end")


def test_a_port_of_the_gateways_loopback(scene: Scene, api: httpx.Client) -> None:
    with ReservedPort() as port:
        request = {**scene.request, "socket": None, "loopback_port": port.number}
        with nginx(NAME, upstream=f"127.0.0.1:{port.number}") as web:
            # Which this Jupyter does not trust.
            failed = refused(api, **{**request, "port": web.port})
            assert [(check["name"], check["remedy"]) for check in failed] == [
                ("certificate", "certificate")
            ]
            one = publish(api, **{**request, "port": web.port, "self_signed": True})
        notes = {check["name"]: check for check in one["checks"] if check["verdict"] == "note"}
        assert list(notes) == ["port", "certificate"]
        assert "any of them can take the port" in notes["port"]["says"]
        assert "has to name 127.0.0.1" in notes["port"]["advice"]
        assert "self-signed" in notes["certificate"]["says"]
        assert any("gets passwords and cookies" in sentence for sentence in one["exposed"])


def test_whose_a_port_is_that_no_table_tells(
    scene: Scene, api: httpx.Client, tmp_path: Path
) -> None:
    """As on a gateway that is no Linux."""
    (tmp_path / "awk").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "awk").chmod(0o755)
    with scene.bed.guests(), ReservedPort() as port:
        scene.bed.host("other", env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
        request = {**scene.request, "gateway": "other", "socket": None, "self_signed": True}
        with nginx(NAME, upstream=f"127.0.0.1:{port.number}") as web:
            wanted = {"port": web.port, "loopback_port": port.number}
            one = publish(api, **{**request, **wanted})
            api.delete(f"{PUBLISH}/{one['id']}")
    (found,) = (check for check in one["checks"] if check["name"] == "tunnel")
    assert (found["verdict"], "could not be found out" in found["says"]) == ("note", True)


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("AllowTcpForwarding no", "AllowTcpForwarding"),
        ("PermitListen localhost:1", "PermitListen"),
        ("GatewayPorts yes", "GatewayPorts"),
    ],
)
def test_a_gateway_that_does_not_let_us_listen(
    scene: Scene, api: httpx.Client, option: str, named: str
) -> None:
    with scene.bed.guests(), ReservedPort() as port:
        scene.bed.host("strict", server=[option])
        request = {**scene.request, "gateway": "strict", "socket": None}
        (failed,) = refused(api, **request, loopback_port=port.number)
    assert failed["name"] == "tunnel"
    assert named in failed["says"] + failed["advice"]


@pytest.mark.parametrize("option", ["AllowStreamLocalForwarding no", "DisableForwarding yes"])
def test_a_gateway_that_makes_no_sockets(scene: Scene, api: httpx.Client, option: str) -> None:
    with scene.bed.guests():
        scene.bed.host("strict", server=[option])
        (failed,) = refused(api, **{**scene.request, "gateway": "strict"})
    assert failed["name"] == "tunnel"
    for named in (option.partition(" ")[0], "--tcp PORT"):
        assert named in failed["advice"]
    assert "folder may be missing" not in failed["advice"], "that was looked at"


def test_a_gateway_that_is_not_reached(scene: Scene, api: httpx.Client) -> None:
    request = {**scene.request, "ssh": {"user": "nobody-at-all"}}
    (failed,) = refused(api, **request)
    assert (failed["name"], failed["advice"] != "") == ("gateway", True)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"name": ""}, "--name"),
        ({"name": "a b"}, "host"),
        ({"name": "*.example.org"}, "host"),
        ({"gateway": ""}, "gateway"),
        ({"gateway": "gw:80"}, "port"),
        ({"port": 0}, "port"),
        ({"hours": 1e9}, "hours"),
        ({"prefix": "x"}, "prefix"),
        ({"certificate": "/x"}, "certificate"),
        ({"loopback_port": 8000}, "one"),
        ({"certificate": "/x", "key": "/y"}, "own site"),
        ({"way": "bind", "key": "/x"}, "--keyfile"),
        ({"name": "2001:db8::1"}, "IPv4"),
        ({"way": "direct"}, "gateway"),
        ({"way": "bind", "socket": None, "name": "192.0.2.7"}, "--certfile"),
    ],
)
def test_what_cannot_be(scene: Scene, api: httpx.Client, more: dict[str, Any], named: str) -> None:
    answer = api.post(PUBLISH, json={**scene.request, **more})
    assert answer.status_code == 400, answer.text
    assert named in answer.json()["message"] + answer.json()["hint"]


def test_jupyters_end_is_its_end(scene: Scene) -> None:
    with (
        jupyter(
            traits={"TunnelManager": manager(scene.bed, restore=True)},
            env={"SSL_CERT_FILE": str(scene.web.certificate)},
            hosts={NAME: "127.0.0.1"},
        ) as server,
        by_token(server) as client,
    ):
        publish(client, **scene.request)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait() == 0
        with scene.outsider() as stranger:
            assert stranger.get("login").status_code == 502
        assert list(scene.socket.parent.iterdir()) == []
        with started_again(server, "server") as again, by_token(again) as client:
            assert publications(client) == []
            assert tunnels(client) == []


@pytest.mark.parametrize(
    ("domain", "suffixes", "verdict", "says"),
    [
        ("{id}.apps.example.test", [], "note", "could set cookies for example.test, which reach"),
        ("{id}.jupyter.example.test", [], "note", "set cookies for example.test, which reach"),
        ("{id}.example.test", [], "failed", "where all is taken for applications"),
        ("{id}.example.test", ["example.test"], "failed", "where all is taken for applications"),
    ],
)
def test_names_of_applications_that_could_give_jupyter_cookies(
    scene: Scene, domain: str, suffixes: list[str], verdict: str, says: str
) -> None:
    settings = manager(scene.bed, app_domain=domain, public_suffixes=suffixes)
    with (
        jupyter(
            traits={"TunnelManager": settings},
            env={"SSL_CERT_FILE": str(scene.web.certificate)},
            hosts={NAME: "127.0.0.1"},
        ) as server,
        by_token(server) as api,
    ):
        report = api.post(f"{PUBLISH}/check", json=scene.request).json()
    (found,) = (check for check in report["checks"] if check["name"].startswith("app"))
    assert (found["verdict"], says in found["says"]) == (verdict, True)
    assert report["ok"] == (verdict != "failed")
