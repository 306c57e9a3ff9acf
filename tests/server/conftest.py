"""One sshd and one Jupyter Server with the extension for a module of tests.

A test leaves no tunnel behind: `api` closes what is left.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest

from tests.support.http import by_token
from tests.support.jupyter import Jupyter, jupyter
from tests.support.process import engines_below
from tests.support.sshd import SshBed

PREFIX = "remote-tunnel/api/"


@pytest.fixture(scope="module")
def bed() -> Iterator[SshBed]:
    """With one host, `gpu01`."""
    with SshBed() as bed:
        bed.host("gpu01")
        yield bed


@pytest.fixture(scope="module")
def server(bed: SshBed) -> Iterator[Jupyter]:
    """It knows the hosts of `bed`."""
    with jupyter(traits={"TunnelManager": manager(bed)}) as running:
        yield running


@pytest.fixture
def api(server: Jupyter) -> Iterator[httpx.Client]:
    """A client that has logged in to `server`."""
    with by_token(server) as client:
        yield client
        close_all(client)


def manager(bed: SshBed, **traits: Any) -> dict[str, Any]:
    """Traits of `TunnelManager` with the hosts of `bed`."""
    return {"ssh_config": str(bed.config_file), **traits}


def tunnels(client: httpx.Client) -> list[dict[str, Any]]:
    """The list of tunnels."""
    answer = client.get(PREFIX + "tunnels")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["tunnels"]
    return found


def open_tunnel(client: httpx.Client, **request: Any) -> dict[str, Any]:
    """Open one that must open; its status."""
    answer = client.post(PREFIX + "tunnels", json=request)
    assert answer.status_code in (200, 201), answer.text
    status: dict[str, Any] = answer.json()["tunnel"]
    return status


def engines(server: Jupyter) -> list[psutil.Process]:
    """The engines that run below `server`."""
    return engines_below(server.process.pid)


def close_all(client: httpx.Client) -> None:
    """Close every tunnel."""
    for tunnel in tunnels(client):
        client.delete(f"{PREFIX}tunnels/{tunnel['id']}")
