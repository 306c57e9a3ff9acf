"""A remote Jupyter over REST and through its view: who may see it is let in, without a token."""

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_server.auth.security import passwd_check

from jupyter_remote_tunnel.apps.jupyters import own_address
from jupyter_remote_tunnel.model.spec import TunnelRequest
from jupyter_remote_tunnel.server.routes import _opened
from tests.apps.samples import JUPYTER, WAITING
from tests.server.conftest import PREFIX, close_all, manager
from tests.support.http import anonymous, by_token
from tests.support.jupyter import Jupyter, jupyter, started_again
from tests.support.jupyter_there import jupyter_there
from tests.support.other_uid import as_other_user, other_users_python
from tests.support.ports import ReservedPort
from tests.support.process import child, environment, wait_until
from tests.support.sshd import SshBed


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runtime directory of `gpu01`."""
    return tmp_path_factory.mktemp("runtime")


@pytest.fixture(scope="module")
def bed(runtime: Path) -> Iterator[SshBed]:
    with SshBed() as bed:
        bed.host("gpu01", env={"JUPYTER_RUNTIME_DIR": runtime})
        yield bed


def there(runtime: Path, **knobs: Any) -> Any:
    """A Jupyter of that host."""
    return jupyter(extension=False, env={"JUPYTER_RUNTIME_DIR": str(runtime)}, **knobs)


def opened(api: httpx.Client, **wanted: Any) -> dict[str, Any]:
    answer = api.post(PREFIX + "jupyters", json={"host": "gpu01", **wanted})
    assert answer.status_code in (200, 201), answer.text
    app: dict[str, Any] = answer.json()
    return app


def entered(api: httpx.Client, here: Jupyter, app: dict[str, Any]) -> tuple[httpx.Client, str]:
    """A browser in the view, and the path at which it starts."""
    answer = api.get(app["url"], params={"view": "origin"})
    assert answer.status_code == 303, answer.text
    way = httpx.URL(answer.headers["Location"])
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{here.port}",
        headers={"Host": way.netloc.decode()},
        trust_env=False,
        timeout=60,
    )
    first = client.get(way.raw_path.decode())
    assert first.status_code == 303, first.text
    client.headers["Cookie"] = first.headers["Set-Cookie"].partition(";")[0]
    return client, first.headers["Location"]


def is_let_in(view: httpx.Client, start: str) -> None:
    """Whatever its pages say of themselves."""
    lies: list[dict[str, Any]] = [
        {},
        {"headers": {"Authorization": "token wrong"}},
        {"params": {"token": "wrong"}},
    ]
    with contextlib.closing(view):
        assert view.get(start).status_code in (200, 302)
        for more in lies:
            answer = view.get(f"{start}api/me", **more)
            assert answer.json()["identity"]["username"], answer.text
        made = view.post(f"{start}api/contents", json={"type": "file", "ext": ".txt"})
        assert made.status_code == 201, "no XSRF cookie is asked for"


def test_with_a_base_url(api: httpx.Client, server: Jupyter, runtime: Path) -> None:
    with there(runtime, base_url="/hub/x/") as remote:
        [listed] = api.post(PREFIX + "jupyters/list", json={"host": "gpu01"}).json()["jupyters"]
        assert (listed["url"], listed["protection"]) == (remote.url, "token")
        app = opened(api, name="far")
        assert (app["name"], app["destination"]) == ("far", f"127.0.0.1:{remote.port}")
        assert opened(api, name="far") == app
        view, start = entered(api, server, app)
        assert start == "/hub/x/"
        is_let_in(view, start)
        told = [api.get(PREFIX + route).text for route in ("tunnels", "apps")]
        assert remote.token not in json.dumps([*told, listed, app])
        assert remote.token not in server.process.output
        with anonymous(server) as nobody:
            assert nobody.post(PREFIX + "jupyters", json={"host": "gpu01"}).status_code == 403
            assert nobody.get(app["url"]).status_code == 302, "to the login page"
            without = {"Host": view.headers["Host"]}
            assert (
                nobody.get(f"http://127.0.0.1:{server.port}/", headers=without).status_code == 404
            )


def test_at_a_port_here(api: httpx.Client, server: Jupyter, runtime: Path) -> None:
    """Who comes there is let in by what they have, and the view tells the token all the same."""
    with there(runtime, base_url="/hub/x/") as remote, ReservedPort() as near:
        app = opened(api, local_port=near.number)
        own = own_address(TunnelRequest(host="gpu01"))
        assert app["address"] == f"http://{own}:{near.number}/hub/x/"
        assert opened(api, local_port=near.number) == app
        assert app["protection"] == "token"
        with httpx.Client(base_url=app["address"], trust_env=False, timeout=60) as client:
            assert client.get("api/contents").status_code == 403
            token = {"Authorization": f"token {remote.token}"}
            assert client.get("api/contents", headers=token).status_code == 200
        is_let_in(*entered(api, server, app))
        [tunnel] = api.get(PREFIX + "tunnels").json()["tunnels"]
        assert remote.token not in json.dumps([app, tunnel])
        private = opened(api)
        assert private["address"] is None
        assert private["tunnel"] != app["tunnel"]
        for wrong in (-1, 65536):
            for route in ("jupyters", "jupyters/start"):
                refused = api.post(PREFIX + route, json={"host": "gpu01", "local_port": wrong})
                assert (refused.status_code, refused.json()["message"]) == (
                    400,
                    f"{wrong} is no port.",
                )


def test_what_listens_nowhere_has_no_address() -> None:
    assert _opened(WAITING, JUPYTER, "/")["address"] is None


def test_on_a_unix_socket(
    api: httpx.Client, server: Jupyter, runtime: Path, short_dir: Path
) -> None:
    sock = short_dir / "j.sock"
    env = environment(
        {
            "JUPYTER_RUNTIME_DIR": str(runtime),
            "JUPYTER_CONFIG_DIR": str(short_dir / "config"),
            "JUPYTER_DATA_DIR": str(short_dir / "data"),
            "HOME": str(short_dir),
            "PATH": os.environ["PATH"],
        }
    )
    argv = [sys.executable, "-m", "jupyter_server", "--allow-root", "--no-browser"]
    with child([*argv, f"--ServerApp.sock={sock}"], env=env, cwd=short_dir):
        wait_until(sock.exists, "its socket")
        wait_until(lambda: list(runtime.glob("jpserver-*.json")), "its file")
        app = opened(api, destination=str(sock))
        assert app["destination"] == str(sock)
        is_let_in(*entered(api, server, app))


def test_on_all_addresses_with_tls(api: httpx.Client, server: Jupyter, runtime: Path) -> None:
    with there(runtime, https=True, ip="0.0.0.0"):
        is_let_in(*entered(api, server, opened(api)))


_LISTEN = """
import socket, sys
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    stream, _ = listening.accept()
    print(stream.recv(65536), flush=True)
    stream.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
    stream.close()
"""


@pytest.mark.parametrize("is_seen", [pytest.param(False, marks=pytest.mark.long), True])
def test_who_took_its_port_is_not_told_its_token(
    api: httpx.Client, server: Jupyter, runtime: Path, is_seen: bool
) -> None:
    """Neither when it is opened again, nor by pages that saw its end by their websockets."""
    with there(runtime) as remote:
        app = opened(api)
        view, start = entered(api, server, app)
        assert view.get(f"{start}api/status").status_code == 200
        with contextlib.closing(view), contextlib.ExitStack() as stack:
            events = stack.enter_context(contextlib.closing(_websocket(view, start)))
            remote.process.kill()
            assert events.recv(1) == b"", "its end"
            argv = as_other_user(other_users_python(_LISTEN, str(remote.port)))
            other = stack.enter_context(child(argv))
            other.wait_for_line("listening")
            if is_seen:
                answer = view.get(f"{start}api/status")
            else:
                answer = api.get(app["url"], params={"view": "origin"})
            assert answer.status_code == 502
            assert "No Jupyter server of yours" in answer.text
            assert remote.token not in other.output
            assert "HTTP/1.1" not in other.output
        # Another one of theirs is found, at that port.
        with there(runtime, port=remote.port):
            is_let_in(*entered(api, server, app))


def _websocket(view: httpx.Client, start: str) -> socket.socket:
    """One of the view, open."""
    stream = socket.create_connection((view.base_url.host, view.base_url.port or 80), timeout=60)
    host, cookie = view.headers["Host"], view.headers["Cookie"]
    stream.sendall(
        f"GET {start}api/events/subscribe HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n"
        f"Origin: http://{host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    said = b""
    while not said.endswith(b"\r\n\r\n"):
        said += stream.recv(1) or pytest.fail(f"it ended: {said!r}")
    assert b" 101 " in said, said
    return stream


def test_after_a_restart_of_this_server_it_is_asked_again(bed: SshBed, runtime: Path) -> None:
    with there(runtime) as remote:
        traits = {"TunnelManager": manager(bed, restore=True)}
        with jupyter(traits=traits) as here:
            with by_token(here) as api:
                app = opened(api)
            here.process.end()
            saved = (here.data_dir / "remote-tunnel" / "tunnels.json").read_text()
            assert '"jupyter"' in saved
            assert remote.token not in saved
            with started_again(here, "server") as again, by_token(again) as api:
                wait_until(lambda: _is_open(api, app["tunnel"]), "the tunnel")
                is_let_in(*entered(api, again, app))
                close_all(api)


def _is_open(api: httpx.Client, tunnel: str) -> bool:
    answer = api.get(f"{PREFIX}tunnels/{tunnel}")
    return answer.status_code == 200 and answer.json()["tunnel"]["state"] == "open"


def test_none_and_several(api: httpx.Client, runtime: Path) -> None:
    answer = api.post(PREFIX + "jupyters", json={"host": "gpu01"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    with there(runtime) as one, there(runtime):
        answer = api.post(PREFIX + "jupyters", json={"host": "gpu01"})
        assert (answer.status_code, answer.json()["code"]) == (400, "ambiguous")
        assert opened(api, destination=str(one.port))["destination"].endswith(f":{one.port}")


def test_one_is_started_and_ended(ssh_bed: SshBed, short_dir: Path) -> None:
    with jupyter_there(ssh_bed, short_dir) as there:
        preludes = {"gpu*": f"PATH={there.folder}/tools:$PATH"}
        there.lose_jupyter()
        traits = {"TunnelManager": manager(ssh_bed, jupyter_preludes=preludes)}
        with jupyter(traits=traits) as here, by_token(here) as api:
            wish = {"host": "gpu01", "prelude": "touch /nowhere"}
            refused = api.post(PREFIX + "jupyters/start", json=wish)
            assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
            assert "jupyter_preludes" in refused.json()["hint"]
            chosen = api.post(
                PREFIX + "tunnels",
                json={"host": "gpu01", "forwards": ["-D 0"], "keeper": "/tmp/jupyter-kept-1234"},
            )
            assert chosen.status_code == 400
            with anonymous(here) as nobody:
                for route in ("jupyters/start", "jupyters/stop"):
                    answer = nobody.post(PREFIX + route, json={"host": "gpu01"})
                    assert answer.status_code == 403

            answer = api.post(PREFIX + "jupyters/start", json={"host": "gpu01", "name": "far"})
            assert answer.status_code == 201, answer.text
            app = answer.json()
            again = api.post(PREFIX + "jupyters/start", json={"host": "gpu01", "name": "far"})
            assert (again.status_code, again.json()) == (200, app)
            is_let_in(*entered(api, here, app))
            [tunnel] = api.get(PREFIX + "tunnels").json()["tunnels"]
            assert (tunnel["name"], tunnel["ends_server"]) == ("far", True)

            ended = api.post(PREFIX + "jupyters/stop", json={"host": "gpu01"}).json()
            assert ended["server"]["destination"] == app["destination"]
            assert [one["id"] for one in ended["closed"]] == [tunnel["id"]]
            wait_until(lambda: not there.is_left, "its end")
            none = api.post(PREFIX + "jupyters/stop", json={"host": "gpu01"})
            assert (none.status_code, none.json()["code"]) == (404, "not_found")


def test_the_password_of_those_that_are_started_there(
    api: httpx.Client, server: Jupyter, bed: SshBed, tmp_path: Path
) -> None:
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    bed.host("gpu02", env={"JUPYTER_CONFIG_DIR": tmp_path, "PATH": path})
    wish = {"host": "gpu02", "password": "a näw 'word' for $HOME"}
    with anonymous(server) as nobody:
        assert nobody.post(PREFIX + "jupyters/password", json=wish).status_code == 403
    weak = api.post(PREFIX + "jupyters/password", json={**wish, "password": "jupyterhub1"})
    assert (weak.status_code, weak.json()["code"]) == (400, "bad_input")
    assert list(tmp_path.iterdir()) == []
    done = api.post(PREFIX + "jupyters/password", json=wish)
    assert done.status_code == 200, done.text
    assert done.json() == {"tools": ["jupyter server password"], "others": []}
    [file] = tmp_path.glob("*.json")
    hashed = json.loads(file.read_text())["IdentityProvider"]["hashed_password"]
    assert passwd_check(hashed, wish["password"])  # type: ignore[no-untyped-call]
    kept = [path.read_bytes() for path in server.folder.rglob("*") if path.is_file()]
    assert not any(wish["password"].encode() in content for content in kept)
    assert wish["password"] not in server.process.output


def test_the_sandboxed_page_is_not_for_it(api: httpx.Client, runtime: Path) -> None:
    with there(runtime):
        page = api.get(opened(api)["url"], params={"view": "path"})
        assert page.status_code == 409
        assert "jupyter tunnel jupyter gpu01" in page.text
        assert "at a Port…" in page.text
