"""This Jupyter on a gateway with a real nginx in front, over a real sshd: its way up and down."""

import json
import signal
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.server.conftest import PREFIX, manager, tunnels
from tests.server.published import (
    LINES,
    NAME,
    PUBLISH,
    Scene,
    api,
    publications,
    publish,
    refused,
    scene,
    websocket,
)
from tests.support.http import by_token
from tests.support.jupyter import jupyter, started_again
from tests.support.leaks import files_below
from tests.support.process import wait_until

__all__ = ["api", "scene"]  # fixtures


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


def test_jupyters_own_port_stays_as_it_is(scene: Scene, api: httpx.Client) -> None:
    publish(api, **scene.request)
    inside = {"Host": f"{NAME}:{scene.web.port}"}
    assert api.get("api/contents", headers=inside).status_code == 403
    with scene.outsider(scene.server.token) as user:
        other = {"Host": f"localhost:{scene.server.port}"}
        assert user.get("api/contents", headers=other).status_code == 421


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


def test_a_change_is_an_event(scene: Scene, api: httpx.Client) -> None:
    one = publish(api, **scene.request)
    with websocket(scene) as stream:
        stream.ping().wait(60)
        api.post(f"{PUBLISH}/{one['id']}/period", json={"hours": 1})
        heard = json.loads(stream.recv(timeout=60))
    assert heard["schema_id"].endswith("/publication/v1")
    assert (heard["publication_id"], heard["state"]) == (one["id"], "shown")


def test_who_is_published_already(scene: Scene, api: httpx.Client) -> None:
    publish(api, **scene.request)
    answer = api.post(PUBLISH, json=scene.request)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    with (
        jupyter(
            traits={"TunnelManager": manager(scene.bed)},
            env={"SSL_CERT_FILE": str(scene.web.certificate)},
            hosts={NAME: "127.0.0.1"},
            base_url="/other/",
        ) as other,
        by_token(other) as client,
    ):
        (failed,) = refused(client, **scene.request)
        assert (failed["name"], "under this name" in failed["says"]) == ("name", True)
    with scene.outsider() as stranger:
        assert stranger.get("login").status_code == 200


def test_it_ends_after_eight_hours(scene: Scene, api: httpx.Client) -> None:
    left = datetime.fromisoformat(publish(api, **scene.request)["until"]) - datetime.now(UTC)
    assert timedelta(hours=7.9) < left <= timedelta(hours=8)


@pytest.mark.long
def test_it_ends_after_the_hours_that_are_set(scene: Scene) -> None:
    with (
        jupyter(
            traits={"TunnelManager": manager(scene.bed, publish_hours=2)},
            env={"SSL_CERT_FILE": str(scene.web.certificate)},
            hosts={NAME: "127.0.0.1"},
        ) as other,
        by_token(other) as client,
    ):
        left = datetime.fromisoformat(publish(client, **scene.request)["until"]) - datetime.now(UTC)
        assert timedelta(hours=1.9) < left <= timedelta(hours=2)


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
