"""Tunnels that the configuration declares, and those that are restored."""

import json
import socket
from typing import Any

import httpx
import pytest

from jupyter_remote_tunnel.model.errors import BadInput
from jupyter_remote_tunnel.server.declared import read_declared
from tests.server.conftest import PREFIX, manager, open_tunnel, tunnels
from tests.support.http import by_token
from tests.support.jupyter import jupyter
from tests.support.process import wait_until
from tests.support.sshd import SshBed


def test_an_entry_has_the_same_id_at_every_start() -> None:
    line, as_fields = read_declared(
        [
            "ssh -N -L 5006:localhost:5006 ann@gpu01",
            {"host": "ann@gpu01", "forwards": ["-L 5006:localhost:5006"]},
        ]
    )
    assert line == as_fields
    assert not isinstance(line, BadInput)
    assert (line.source, line.request.host) == ("config", "gpu01")
    assert len(line.id) == 12
    (other,) = read_declared(["-L 5007:localhost:5006 ann@gpu01"])
    assert not isinstance(other, BadInput)
    assert other.id != line.id


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ("-L 5006:localhost:99999 gpu01", "99999"),
        ("gpu01", "gpu01"),
        ({"host": "gpu01", "forwards": ["-D 0"], "port": 22}, "port"),
        ({"host": "gpu01", "forwards": [5006]}, "forwards"),
    ],
)
def test_a_wrong_entry_is_named(entry: str | dict[str, Any], named: str) -> None:
    good, wrong = read_declared(["-D 0 gpu01", entry])
    assert not isinstance(good, BadInput)
    assert isinstance(wrong, BadInput)
    assert wrong.message.startswith("c.TunnelManager.tunnels[1]: ")
    assert named in wrong.message


def _states(client: httpx.Client) -> dict[str, str]:
    return {tunnel["name"]: tunnel["state"] for tunnel in tunnels(client)}


def test_declared_tunnels_are_opened_and_tried_again(bed: SshBed) -> None:
    late = bed.host("late", start=False)
    declared = [
        "-D 0 gpu01",
        "-L nonsense gpu01",
        {"host": "gpu01", "forwards": ["-L 0:localhost:9"], "name": "fields"},
        "-D 0 late",
        {"host": "gpu01", "forwards": ["-D *:0"], "name": "public"},
    ]
    traits = {"TunnelManager": manager(bed, tunnels=declared)}
    with jupyter(traits=traits) as server, by_token(server) as client:
        server.process.wait_for_line(r"c\.TunnelManager\.tunnels\[1\]")
        server.process.wait_for_line("The declared tunnel public failed")
        wanted = {"gpu01:socks-0": "open", "fields": "open", "public": "failed"}
        wait_until(lambda: _states(client).items() >= wanted.items(), "the declared tunnels")
        assert {tunnel["source"] for tunnel in tunnels(client)} == {"config"}
        late.start()
        wait_until(lambda: _states(client)["late:socks-0"] == "open", "the host that came late")


def test_a_declared_tunnel_waits_for_its_port(bed: SshBed) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        traits = {"TunnelManager": manager(bed, tunnels=[f"-L {port}:localhost:9 gpu01"])}
        with jupyter(traits=traits) as server, by_token(server) as client:
            server.process.wait_for_line(f"gpu01:9 waits for its port.*{port}")
            wait_until(lambda: _states(client) == {"gpu01:9": "reconnecting"}, "its state")
            (tunnel,) = tunnels(client)
            assert tunnel["error"]["code"] == "port_in_use"
            taken.close()
            wait_until(lambda: _states(client) == {"gpu01:9": "open"}, "the free port")
            (tunnel,) = tunnels(client)
            assert tunnel["forwards"][0]["bound"] == f"127.0.0.1:{port}"


def test_a_declared_tunnel_waits_for_its_port_on_the_host(bed: SshBed) -> None:
    """As after a loss: a dead session may hold it."""
    both = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    with both as taken:
        port = taken.getsockname()[1]
        declared = {"host": "gpu01", "forwards": [f"-R {port}:localhost:9", "-D 0"]}
        traits = {"TunnelManager": manager(bed, tunnels=[declared])}
        with jupyter(traits=traits) as server, by_token(server) as client:
            wait_until(lambda: list(_states(client).values()) == ["open"], "what can be opened")
            (tunnel,) = tunnels(client)
            remote, dynamic = tunnel["forwards"]
            assert f"{port}" in remote["error"]["message"]
            assert dynamic["error"] is None
            assert dynamic["bound"]
            taken.close()
            wait_until(lambda: tunnels(client)[0]["forwards"][0]["error"] is None, "the free port")
            socket.create_connection(("127.0.0.1", port)).close()


def test_open_tunnels_are_saved_and_restored_where_that_is_wanted(bed: SshBed) -> None:
    with jupyter(traits={"TunnelManager": manager(bed)}) as first:
        with by_token(first) as client:
            kept = open_tunnel(client, command="-L 0:localhost:9 gpu01", name="kept")
            closed = open_tunnel(client, command="-D 0 gpu01")
            client.delete(PREFIX + f"tunnels/{closed['id']}")
        first.process.end()
        saved = first.data_dir / "remote-tunnel" / "tunnels.json"
        assert saved.stat().st_mode & 0o777 == 0o600
        assert [tunnel["id"] for tunnel in json.loads(saved.read_text())["tunnels"]] == [kept["id"]]

        env = {"JUPYTER_DATA_DIR": str(first.data_dir)}
        traits = {"TunnelManager": manager(bed, restore=True)}
        with jupyter(traits=traits, env=env) as second, by_token(second) as client:
            wait_until(lambda: _states(client) == {"kept": "open"}, "the saved tunnel")
            (restored,) = tunnels(client)
        assert (restored["id"], restored["source"]) == (kept["id"], "saved")
        assert restored["forwards"][0]["bound"] == kept["forwards"][0]["bound"]

        with (
            jupyter(traits={"TunnelManager": manager(bed)}, env=env) as third,
            by_token(third) as client,
        ):
            assert tunnels(client) == []
