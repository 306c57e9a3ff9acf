"""The folder of a socket that a site of one's own names, on a real gateway: who else gets in."""

import pytest

from jupyter_remote_tunnel.engine.sync import SyncEngine
from jupyter_remote_tunnel.model.publication import Check
from jupyter_remote_tunnel.model.spec import TunnelRequest
from jupyter_remote_tunnel.publish.own_folder import check_own_folder
from tests.support.web_gateway import WebGateway

GW = TunnelRequest(host="gw")
PLACE = "/home/ann/sites/own"


@pytest.fixture
def folder(gateway: WebGateway) -> WebGateway:
    """Made as it should be, by ann."""
    gateway.type(
        [
            "rm -rf /home/ann/sites /home/ann/link /var/lib/shared",
            f"install -d -o ann -g ann /home/ann/sites && install -d -m 0750 -o ann {PLACE}",
            f"chgrp www-data {PLACE}",
        ]
    )
    return gateway


def look(engine: SyncEngine, path: str = PLACE) -> Check:
    """What is thought of it, over SSH."""
    socket = f"{path}/j.sock"
    return engine.run(lambda client: check_own_folder(client, GW, "gw", socket))


def test_a_folder_for_the_web_server_alone(engine: SyncEngine, folder: WebGateway) -> None:
    found = look(engine)
    assert (found.name, found.verdict) == ("folder", "ok"), found
    assert found.says == f"Only you and its group reach {PLACE}."


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"chmod 751 {PLACE}", "Every user of gw can go into"),
        (f"chmod 1777 {PLACE}", "Every user of gw can go into"),
        (f"chown bob:ann {PLACE}", "is not yours"),
        (f"chmod g+w {PLACE}", "could put another socket in the place of ours"),
        ("chmod 777 /home/ann/sites", "could put another folder in the place of"),
        ("chown bob /home/ann/sites", "could put another folder in the place of"),
        ("chgrp bob /home/ann/sites; chmod g+w /home/ann/sites", "could put another folder"),
        (f"rm -r {PLACE}", "it is not there, or closed to you"),
        (f"rm -r {PLACE}; touch {PLACE}", "it is not there, or closed to you"),
    ],
)
def test_a_folder_that_others_have_a_hand_in(
    engine: SyncEngine, folder: WebGateway, line: str, says: str
) -> None:
    folder.type([line])
    found = look(engine)
    assert found.verdict == "failed"
    assert says in found.says
    if found.typed:
        folder.type(found.typed)
        assert look(engine).verdict == "ok"


@pytest.mark.parametrize(
    "line",
    [
        "chmod 1777 /home/ann/sites",  # where each renames what is theirs
        "chmod g+w /home/ann/sites",  # of ann's own group
        f"chown root:ann {PLACE}; chmod 770 {PLACE}",
    ],
)
def test_a_folder_that_is_safe_in_another_way(
    engine: SyncEngine, folder: WebGateway, line: str
) -> None:
    folder.type([line])
    assert look(engine).verdict == "ok"


def test_a_link_that_others_can_turn(engine: SyncEngine, folder: WebGateway) -> None:
    folder.type([f"ln -s {PLACE} /home/ann/link"])
    assert look(engine, "/home/ann/link").verdict == "ok"
    folder.type([f"install -d -m 0777 /var/lib/shared; ln -s {PLACE} /var/lib/shared/link"])
    found = look(engine, "/var/lib/shared/link")
    assert found.verdict == "failed"
    assert "/var/lib/shared is theirs, or they may write to it" in found.advice
