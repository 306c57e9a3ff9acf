"""A published Jupyter whose connection was lost is looked at again before it is shown."""

from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.server.conftest import engines
from tests.server.published import (
    Scene,
    api,
    checked_again,
    names_of,
    publications,
    publish,
    refused,
    scene,
    websocket,
)
from tests.support.process import wait_until

__all__ = ["api", "scene"]  # fixtures


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
