"""What can be done, and taken up, from outside where a Jupyter is published."""

import contextlib
from typing import Any

import httpx
import psutil
import pytest

from jupyter_remote_tunnel.server.strangers_log import LINES as LINES_OF_STRANGERS
from tests.server.conftest import PREFIX
from tests.server.published import NAME, PUBLISH, Scene, api, publications, publish, scene
from tests.support.http import anonymous
from tests.support.process import wait_until

__all__ = ["api", "scene"]  # fixtures


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
