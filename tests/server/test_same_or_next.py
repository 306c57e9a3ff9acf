"""Which Jupyter of a host is shown in the place of the one that was."""

from dataclasses import replace

import pytest

from jupyter_remote_tunnel.apps.jupyter_files import FoundJupyter, JupyterServer
from jupyter_remote_tunnel.apps.jupyters import Found
from jupyter_remote_tunnel.model.address import TcpAddress
from jupyter_remote_tunnel.model.errors import Fatal, RemoteTunnelError
from jupyter_remote_tunnel.server.pulled_jupyter import same_or_next


def jupyter(
    pid: int, port: int, folder: str = "/work", base_url: str = "/lab/", *, ends: bool = False
) -> FoundJupyter:
    address = TcpAddress("127.0.0.1", port)
    server = JupyterServer(
        f"http://127.0.0.1:{port}{base_url}",
        str(address),
        folder,
        "2.0",
        pid,
        "token",
        ends_with_tunnel=ends,
    )
    return FoundJupyter(server, address, base_url, secure=False, token="")


BEFORE = jupyter(1, 8888)
BESIDE = {7}


def shown(*there: FoundJupyter, before: FoundJupyter = BEFORE) -> FoundJupyter:
    return same_or_next(Found("ws", there), before, BESIDE, "ws")


@pytest.mark.parametrize(
    "there",
    [
        [jupyter(1, 8888)],
        [jupyter(2, 9999), jupyter(1, 8888)],
        [jupyter(2, 8888)],
        [jupyter(2, 9999)],
        [jupyter(1, 9999)],  # as the first process of a container is called each time
        [jupyter(7, 9998), jupyter(8, 9997, "/home"), jupyter(2, 9999)],
        [jupyter(3, 9998, base_url="/other/"), jupyter(2, 9999)],
    ],
)
def test_the_same_or_the_one_in_its_place(there: list[FoundJupyter]) -> None:
    assert shown(*there) in (BEFORE, jupyter(2, 8888), jupyter(2, 9999), jupyter(1, 9999))


@pytest.mark.parametrize(
    "other",
    [jupyter(7, 9999), jupyter(7, 8888), jupyter(2, 8888, "/home"), jupyter(2, 9999, ends=True)],
)
def test_another_one(other: FoundJupyter) -> None:
    with pytest.raises(Fatal, match=r"that was shown, at 127\.0\.0\.1:8888, has ended") as caught:
        shown(other)
    assert caught.value.hint.startswith("What is started there now, in /work, takes its place.")


def test_none_at_all() -> None:
    ends = replace(BEFORE, server=replace(BEFORE.server, ends_with_tunnel=True))
    with pytest.raises(Fatal) as caught:
        shown(before=ends)
    assert "started there now by --start, without --keep, in /work," in caught.value.hint
    problem = Fatal("jpserver-1.json on ws is too long.")
    with pytest.raises(RemoteTunnelError, match="too long"):
        same_or_next(Found("ws", (), (problem,)), BEFORE, BESIDE, "ws")


def test_several() -> None:
    with pytest.raises(Fatal, match=r": 127\.0\.0\.1:2, 127\.0\.0\.1:3\.") as caught:
        shown(jupyter(2, 2), jupyter(3, 3), jupyter(7, 4))
    assert caught.value.hint == "End all but one. On ws: jupyter server stop PORT"
