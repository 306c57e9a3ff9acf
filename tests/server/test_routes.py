"""REST on a real server, over a real sshd."""

import socket
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from jupyter_remote_tunnel.server.handlers import MAX_BODY
from tests.server.conftest import PREFIX, close_all, engines, manager, open_tunnel, tunnels
from tests.support.echo import serve
from tests.support.http import by_token
from tests.support.jupyter import Jupyter, jupyter
from tests.support.kernel import Kernel
from tests.support.leaks import files_below
from tests.support.sshd import SshBed


def test_asking_starts_no_engine(bed: SshBed) -> None:
    with jupyter(traits={"TunnelManager": manager(bed)}) as server, by_token(server) as client:
        assert client.get(PREFIX + "tunnels").json() == {"tunnels": []}
        hosts = client.get(PREFIX + "hosts").json()
        assert {host["host"] for host in hosts["hosts"]} == set(bed.hosts)
        assert not any(host["tunnels"] for host in hosts["hosts"])
        assert client.get(PREFIX + "apps").json()["apps"] == []
        assert client.get(PREFIX + "kernels").json() == {"kernels": []}
        assert client.get(PREFIX + "prompts").json() == {"prompts": [], "others": []}
        assert client.delete(PREFIX + "prompts/0123456789ab").status_code == 404
        assert client.get(PREFIX + "tunnels/gpu01:5006").status_code == 404
        assert client.delete(PREFIX + "tunnels/gpu01:5006").status_code == 404
        assert engines(server) == []


def test_open_use_and_close(api: httpx.Client) -> None:
    with serve("echo") as echo:
        forward = f"-L 0:localhost:{echo.address[1]}"
        wanted = {"host": "gpu01", "forwards": [forward], "name": "echo"}
        answer = api.post(PREFIX + "tunnels", json=wanted)
        assert answer.status_code == 201
        opened = answer.json()
        assert opened["created"] is True
        assert opened["understood"].startswith("jupyter tunnel open --name echo -L 0:")
        status = opened["tunnel"]
        assert (status["state"], status["name"], status["source"]) == ("open", "echo", "user")

        host, _, port = status["forwards"][0]["bound"].rpartition(":")
        with socket.create_connection((host, int(port))) as stream:
            stream.sendall(b"hello")
            assert stream.recv(5, socket.MSG_WAITALL) == b"hello"
            live = api.get(PREFIX + "tunnels/echo").json()["tunnel"]["forwards"][0]
        assert live["streams"] == {"open": 1, "total": 1}
        assert live["bytes"] == {"in": 5, "out": 5}

    closed = api.delete(PREFIX + f"tunnels/{status['id']}")
    assert closed.status_code == 200
    assert closed.json()["tunnel"]["state"] == "closed"
    assert tunnels(api) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


def test_a_pasted_line_and_its_equal(api: httpx.Client) -> None:
    line = "ssh -NfL 0:localhost:9 gpu01"
    first = api.post(PREFIX + "tunnels", json={"command": line})
    again = api.post(PREFIX + "tunnels", json={"command": f"nohup {line} &"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["created"] is False
    assert first.json()["tunnel"]["id"] == again.json()["tunnel"]["id"]


def test_hosts_are_the_aliases_with_their_tunnels(api: httpx.Client, bed: SshBed) -> None:
    opened = [open_tunnel(api, command=f"-L 0:localhost:{port} gpu01") for port in (8, 9)]
    listed = api.get(PREFIX + "hosts").json()
    assert listed["problem"] is None
    [host] = [host for host in listed["hosts"] if host["host"] == "gpu01"]
    assert host == {
        "host": "gpu01",
        "tunnels": [tunnel["id"] for tunnel in opened],
        "route": opened[0]["route"],
        "alias": True,
        "host_name": "127.0.0.1",
        "user": bed.user,
        "port": bed.hosts["gpu01"].port,
        "offers": [],
    }


def test_restart_keeps_id_and_port(api: httpx.Client) -> None:
    before = open_tunnel(api, command="-L 0:localhost:9 gpu01")
    answer = api.post(PREFIX + f"tunnels/{before['id']}/restart")
    after = answer.json()["tunnel"]
    assert (answer.status_code, after["state"]) == (200, "open")
    assert after["id"] == before["id"]
    assert after["forwards"][0]["bound"] == before["forwards"][0]["bound"]


def test_names_stand_in_paths_too(api: httpx.Client) -> None:
    name = "a/b ü?"
    opened = open_tunnel(api, host="gpu01", forwards=["-D 0"], name=name)
    path = PREFIX + "tunnels/" + quote(name, safe="")
    assert api.get(path).json()["tunnel"]["id"] == opened["id"]
    assert api.delete(path).status_code == 200


def test_drain_waits_for_streams(api: httpx.Client) -> None:
    with serve("echo") as echo:
        opened = open_tunnel(api, command=f"-L 0:localhost:{echo.address[1]} gpu01")
        port = int(opened["forwards"][0]["bound"].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as stream:
            stream.sendall(b"x")
            stream.recv(1)
            answer = api.delete(PREFIX + f"tunnels/{opened['id']}", params={"drain": 0.2})
            assert answer.status_code == 200
            assert answer.elapsed.total_seconds() >= 0.2


@pytest.mark.parametrize("drain", ["-1", "x", "nan", "inf", "601", ""])
def test_a_drain_that_is_none(api: httpx.Client, drain: str) -> None:
    answer = api.delete(PREFIX + "tunnels/whatever", params={"drain": drain})
    assert answer.status_code == 400
    assert "drain" in answer.json()["message"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"host": "gpu01", "forwards": ["-L 1:h:1"], "colour": "red"}, "colour"),
        ({"host": "gpu01", "forwards": ["-L 1:h:1"], "ssh": {"colour": "red"}}, "colour"),
        ({"host": "gpu01", "forwards": "-L 1:h:1"}, "forwards"),
        ({"host": 5, "forwards": []}, "host"),
        ({"host": "gpu01", "forwards": ["-L 1:localhost"]}, "destination"),
        ({"host": "gpu01"}, "gpu01"),
        ({"host": "-oProxyCommand=id", "forwards": ["-D 0"]}, "host"),
        ({"command": "ssh -L 1:h:1 gpu01; id"}, ";"),
        ({"command": "-D 0 gpu01", "host": "gpu01"}, "command"),
        ({"command": "-D 0 gpu01", "connection_file": "/etc/passwd"}, "connection_file"),
        (
            {"host": "gpu01", "forwards": ["-R 0:localhost:80"], "proxy_protocol": True},
            "proxy_protocol",
        ),
        ({"command": "-D 0 gpu01", "id": "../tunnels"}, "id"),
        ({"host": "gpu01", "forwards": ["-D 0"] * 101}, "100"),
        ([], "object"),
        ("-D 0 gpu01", "object"),
    ],
)
def test_bad_input_names_the_part(api: httpx.Client, body: Any, named: str) -> None:
    answer = api.post(PREFIX + "tunnels", json=body)
    assert answer.status_code == 400, answer.text
    error = answer.json()
    assert set(error) == {"code", "message", "hint", "hop", "where"}
    assert error["code"] == "bad_input"
    assert named in error["message"]
    assert tunnels(api) == []


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"host": "gpu01", "forwards": ["-L 1:localhost:http"]}, "http"),
        ({"command": "ssh -L 1:h:99999 gpu01"}, "99999"),
        ({"command": "-D 0 gpu$HOME"}, "$HOME"),
        ({"host": "gpu01:70000"}, "70000"),
    ],
)
def test_bad_input_points_at_the_part(api: httpx.Client, body: Any, part: str) -> None:
    where = api.post(PREFIX + "tunnels", json=body).json()["where"]
    assert where["text"][where["start"] : where["end"]] == part


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'"\\ud800"', b'"\xed\xa0\x80"', b"[" * 100_000]
)
def test_a_body_that_is_no_json(api: httpx.Client, body: bytes) -> None:
    answer = api.post(PREFIX + "tunnels", content=body)
    assert answer.status_code == 400
    assert "JSON" in answer.json()["message"]


def test_a_body_where_none_belongs(api: httpx.Client) -> None:
    opened = open_tunnel(api, command="-D 0 gpu01")
    path = PREFIX + f"tunnels/{opened['id']}/restart"
    assert api.post(path, json={"drain": 1}).status_code == 400
    assert api.post(path, json={}).status_code == 200


def test_a_body_that_is_too_long(api: httpx.Client) -> None:
    answer = api.post(PREFIX + "tunnels", content=b" " * (MAX_BODY + 1))
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"


def test_conflicts(api: httpx.Client) -> None:
    opened = open_tunnel(api, host="gpu01", forwards=["-L 0:localhost:9"], name="one")
    taken = opened["forwards"][0]["bound"].rpartition(":")[2]

    name = api.post(PREFIX + "tunnels", json={"host": "gpu01", "forwards": ["-D 0"], "name": "one"})
    assert (name.status_code, name.json()["code"]) == (409, "conflict")

    port = {"host": "gpu01", "forwards": [f"-L {taken}:localhost:10"]}
    busy = api.post(PREFIX + "tunnels", json=port)
    assert (busy.status_code, busy.json()["code"]) == (409, "port_in_use")
    assert taken in busy.json()["message"]
    picked = open_tunnel(api, **port, on_conflict="pick")
    assert picked["forwards"][0]["bound"].rpartition(":")[2] != taken


def test_what_is_not_allowed(api: httpx.Client) -> None:
    for command in ("-D *:0 gpu01", "-o ProxyCommand=id -D 0 gpu01", "-F /etc/passwd -D 0 gpu01"):
        answer = api.post(PREFIX + "tunnels", json={"command": command})
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), command
    assert tunnels(api) == []


def test_a_host_that_is_not_reached(api: httpx.Client, bed: SshBed) -> None:
    bed.host("down", start=False)
    answer = api.post(PREFIX + "tunnels", json={"command": "-D 0 down"})
    assert (answer.status_code, answer.json()["code"]) == (502, "connect_failed")
    assert "down" in answer.json()["message"]


def test_a_host_whose_key_is_unknown(api: httpx.Client, bed: SshBed) -> None:
    stranger = bed.host("stranger", known=False)
    answer = api.post(PREFIX + "tunnels", json={"command": "-D 0 stranger"})
    assert (answer.status_code, answer.json()["code"]) == (502, "host_key_unknown")
    assert stranger.fingerprint in answer.json()["message"]


def test_an_application_is_found_again(api: httpx.Client, server: Jupyter) -> None:
    wanted = {"host": "gpu01", "destination": "localhost:5006"}
    first = api.post(PREFIX + "apps", json=wanted)
    again = api.post(PREFIX + "apps", json={**wanted, "destination": "5006"})
    assert (first.status_code, again.status_code) == (201, 200)
    app = first.json()
    assert again.json() == app
    assert app["destination"] == "localhost:5006"
    assert app["url"] == f"/remote-tunnel/open/{app['id']}"

    listed = api.get(PREFIX + "apps").json()
    assert listed["apps"] == [app]
    assert listed["views"] == {
        "origin": True,
        "names": "{id}.localhost",
        "path": "/remote-tunnel/app/",
    }
    (status,) = tunnels(api)
    assert (status["kind"], status["id"]) == ("application", app["tunnel"])
    assert status["forwards"][0]["bound"].startswith(str(server.folder / "run"))


def test_every_local_forward_is_an_application(api: httpx.Client) -> None:
    opened = open_tunnel(
        api, command="-D 0 -L 0:localhost:5006 -R 0:localhost:9 -L 0:/run/x.sock gpu01", name="both"
    )
    apps = api.get(PREFIX + "apps").json()["apps"]
    assert [(app["id"], app["name"]) for app in apps] == [
        (opened["id"], "both → localhost:5006"),
        (f"{opened['id']}-2", "both → /run/x.sock"),
    ]


def test_a_kernel_is_connected(api: httpx.Client, kernel: Kernel, server: Jupyter) -> None:
    wanted = {"host": "gpu01", "file": str(kernel.connection_file)}
    answer = api.post(PREFIX + "kernels", json=wanted)
    assert answer.status_code == 201, answer.text
    connected = answer.json()
    assert connected["connection_file"].startswith(str(server.runtime_dir))
    again = api.post(PREFIX + "kernels", json=wanted)
    assert (again.status_code, again.json()["tunnel"]["id"]) == (200, connected["tunnel"]["id"])
    (listed,) = api.get(PREFIX + "kernels").json()["kernels"]
    assert listed["id"] == connected["tunnel"]["id"]
    assert api.get(PREFIX + "apps").json()["apps"] == []
    close_all(api)
    assert not [name for name in files_below(server.runtime_dir) if name.startswith("kernel-jrt")]


def test_a_kernel_whose_file_is_missing(api: httpx.Client) -> None:
    answer = api.post(PREFIX + "kernels", json={"host": "gpu01", "file": "/nowhere/kernel-1.json"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert tunnels(api) == []


def test_methods_and_paths_that_do_not_exist(api: httpx.Client) -> None:
    answer = api.put(PREFIX + "tunnels", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, POST"
    assert api.get(PREFIX + "nothing").status_code == 404


def test_a_poll_is_no_activity(api: httpx.Client) -> None:
    def last_activity() -> str:
        return str(api.get("api/status?no_track_activity=1").json()["last_activity"])

    api.get(PREFIX + "tunnels")
    before = last_activity()
    api.get(PREFIX + "tunnels?no_track_activity=1")
    assert last_activity() == before
    api.get(PREFIX + "tunnels")
    assert last_activity() != before
