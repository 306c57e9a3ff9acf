"""The socket that a gateway's site names, where more than one publication has had it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.server.conftest import engines, manager
from tests.server.published import (
    NAME,
    PUBLISH,
    Scene,
    api,
    publications,
    publish,
    scene,
)
from tests.support.http import by_token
from tests.support.jupyter import Jupyter, jupyter
from tests.support.process import wait_until

__all__ = ["api", "scene"]  # fixtures

# A gateway that is slow to begin what takes sockets away, once: it waits for somebody to write
# into a FIFO, and says when it is over.
SLOW = """#!/bin/sh
case "$SSH_ORIGINAL_COMMAND" in
*"rm -f"*) if mv "{0}/armed" "{0}/begun"; then read -r _ <"{0}/go"; then=late; fi ;;
esac
/bin/sh -c "$SSH_ORIGINAL_COMMAND"
ended=$?
if [ "$then" = late ]; then : >"{0}/over"; fi
exit $ended
"""


def test_what_the_end_of_one_does_late_leaves_the_next_as_it_is(
    scene: Scene, api: httpx.Client, tmp_path: Path
) -> None:
    script = tmp_path / "slow"
    script.write_text(SLOW.format(tmp_path))
    script.chmod(0o755)
    os.mkfifo(tmp_path / "go")
    with scene.bed.guests():
        scene.bed.host("slow", server=[f"ForceCommand {script}"])
        request = {**scene.request, "gateway": "slow"}
        first = publish(api, **request)
        (tmp_path / "armed").touch()
        assert api.delete(f"{PUBLISH}/{first['id']}").status_code == 200
        wait_until((tmp_path / "begun").exists, "it to begin")
        publish(api, **request)
        (tmp_path / "go").write_text("\n")
        wait_until((tmp_path / "over").exists, "the late end")
        with scene.outsider() as stranger:
            assert stranger.get("login").status_code == 200
        (second,) = publications(api)
        assert second["state"] == "shown"
        assert api.delete(f"{PUBLISH}/{second['id']}").status_code == 200
        assert list(scene.socket.parent.iterdir()) == []


@pytest.fixture
def other(scene: Scene) -> Iterator[Jupyter]:
    """That of another machine, with the same gateway."""
    with jupyter(
        traits={"TunnelManager": manager(scene.bed)},
        env={"SSL_CERT_FILE": str(scene.web.certificate)},
        hosts={NAME: "127.0.0.1"},
    ) as server:
        yield server


@contextlib.contextmanager
def asleep(server: Jupyter) -> Iterator[None]:
    """Its machine sleeps."""
    frozen = [psutil.Process(server.process.pid), *engines(server)]
    for process in frozen:
        process.suspend()
    try:
        yield
    finally:
        for process in frozen:
            process.resume()


def answers(scene: Scene, server: Jupyter) -> bool:
    """Whether it is the one that is shown by the name."""
    with scene.outsider(server.token) as user:
        return user.get("api/status").status_code == 200


def is_held_back(client: httpx.Client) -> bool:
    (one,) = publications(client)
    return one["state"] == "held_back" and "under this name" in one["problem"]


def is_shown(client: httpx.Client) -> bool:
    (one,) = publications(client)
    return bool(one["state"] == "shown")


def test_one_that_wakes_up_leaves_the_name_to_who_has_it_now(
    scene: Scene, api: httpx.Client, other: Jupyter
) -> None:
    publish(api, **scene.request)
    with by_token(other) as theirs:
        with asleep(scene.server):
            scene.bed.hosts["gw"].drop_connections()
            one = publish(theirs, **scene.request)
        wait_until(lambda: is_held_back(api), "the one that woke up to see it")
        assert answers(scene, other)
        assert is_shown(theirs)
        theirs.delete(f"{PUBLISH}/{one['id']}")
    wait_until(lambda: is_shown(api), "it to be tried again")
    assert answers(scene, scene.server)


@pytest.mark.long
def test_one_whose_place_was_taken_says_so(scene: Scene, api: httpx.Client, other: Jupyter) -> None:
    """As where two wake up at one time."""
    aside = scene.socket.with_name("aside")
    with by_token(other) as theirs:
        one = publish(theirs, **scene.request)
        scene.socket.rename(aside)
        publish(api, **scene.request)
        aside.rename(scene.socket)
        assert answers(scene, other)
        wait_until(lambda: is_held_back(api), "the loss to be seen", pause=0.2)
        assert is_shown(theirs)
        theirs.delete(f"{PUBLISH}/{one['id']}")
    wait_until(lambda: is_shown(api), "it to be tried again", pause=0.2)
    assert answers(scene, scene.server)
