"""What keeps a Jupyter from being published, over a real sshd and through a real nginx."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.conftest import manager
from tests.server.published import NAME, PUBLISH, Scene, api, publish, refused, scene
from tests.support.http import by_token
from tests.support.jupyter import jupyter
from tests.support.nginx import nginx
from tests.support.ports import ReservedPort

__all__ = ["api", "scene"]  # fixtures


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


@pytest.mark.parametrize(
    ("domain", "suffixes", "verdict", "says"),
    [
        ("{id}.apps.example.test", [], "note", "could set cookies for example.test, which reach"),
        *(
            pytest.param(*case, marks=pytest.mark.long)
            for case in (
                ("{id}.jupyter.example.test", [], "note", "set cookies for example.test, which"),
                ("{id}.example.test", [], "failed", "where all is taken for applications"),
                ("{id}.example.test", ["example.test"], "failed", "all is taken for applications"),
            )
        ),
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
