"""The traits, and what the engine gets of them."""

import signal
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from traitlets import TraitError
from traitlets.config import Config

from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.server.config import TunnelManager
from tests.server.conftest import PREFIX, open_tunnel
from tests.support.http import by_token
from tests.support.jupyter import jupyter
from tests.support.sshd import SshBed

OWN = {"own_ports", "own_socket", "own_protected", "own_tls"}


def _server(**facts: Any) -> Any:
    """The facts about a Jupyter server that count here."""
    known = {"port": 8888, "sock": "", "certfile": "", "ssl_options": {}, "auth_enabled": True}
    known |= facts
    provider = SimpleNamespace(auth_enabled=known.pop("auth_enabled"))
    return SimpleNamespace(identity_provider=provider, **known)


def _manager(**traits: Any) -> TunnelManager:
    return TunnelManager(config=Config({"TunnelManager": traits}))


def test_every_setting_of_the_engine_has_a_trait_with_its_default() -> None:
    for field in fields(EngineSettings):
        assert TunnelManager.class_traits(config=True).keys() >= {field.name} - OWN
    assert _manager().settings(_server()) == EngineSettings(own_ports=(8888,))


def test_settings_reach_the_engine() -> None:
    settings = _manager(allowed_hosts=["gpu*"], max_tunnels=5, keepalive_interval=2.5).settings(
        _server()
    )
    assert settings.allowed_hosts == ("gpu*",)
    assert (settings.max_tunnels, settings.keepalive_interval) == (5, 2.5)


@pytest.mark.parametrize(
    ("facts", "own"),
    [
        ({"port": 9999}, ((9999,), True, False)),
        ({"sock": "/run/jupyter.sock"}, ((), True, False)),
        ({"auth_enabled": False}, ((8888,), False, False)),
        ({"certfile": "cert.pem"}, ((8888,), True, True)),
        ({"ssl_options": {"certfile": "cert.pem"}}, ((8888,), True, True)),
    ],
)
def test_what_the_engine_knows_of_its_server(facts: dict[str, Any], own: tuple[Any, ...]) -> None:
    settings = _manager().settings(_server(**facts))
    assert (settings.own_ports, settings.own_protected, settings.own_tls) == own
    assert settings.own_socket == facts.get("sock")


@pytest.mark.parametrize(
    ("trait", "value"),
    [
        ("max_tunnels", 0),
        ("max_streams", "many"),
        ("max_prompts", 0),
        ("prompt_timeout", 0.5),
        ("connect_timeout", 0.0),
        ("connect_timeout", float("inf")),
        ("stream_wait", -1.0),
        ("allowed_hosts", [5]),
        ("tunnels", [5006]),
        ("log_level", "LOUD"),
        ("backoff_max", 0.5),
        ("app_domain", ""),
        ("app_domain", "apps.example.net"),
        ("public_suffixes", ["co.uk", "https://example.net"]),
    ],
)
def test_a_wrong_value_is_named(trait: str, value: Any) -> None:
    with pytest.raises(TraitError, match=trait):
        _manager(**{trait: value})


def test_the_domain_of_applications() -> None:
    assert _manager().names_of_apps is None
    given = {"app_domain": "ann-{id}.Apps.co.uk", "public_suffixes": ["CO.UK"]}
    domain = _manager(**given).names_of_apps
    assert str(domain) == "ann-{id}.apps.co.uk"
    assert domain is not None
    assert domain.is_apart("jupyter.co.uk")


def test_a_server_with_a_wrong_value_says_so_and_opens_nothing() -> None:
    """Better no tunnels than tunnels without the limit that was meant."""
    with jupyter(traits={"TunnelManager": {"max_tunnels": 0}}) as server:
        server.process.wait_for_line("'max_tunnels' trait of a TunnelManager")
        assert "Traceback" not in server.process.output
        with by_token(server) as client:
            for path in ("tunnels", "apps"):
                answer = client.get(PREFIX + path)
                assert (answer.status_code, answer.json()["code"]) == (503, "engine_unavailable")
                assert "max_tunnels" in answer.json()["message"]
            assert client.get("api/status").status_code == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait() == 0


def test_limits_hold(bed: SshBed) -> None:
    limits = {
        "ssh_config": str(bed.config_file),
        "allowed_hosts": ["gpu*"],
        "allowed_destinations": ["localhost:*"],
        "allow_remote_forward": False,
        "max_tunnels": 1,
    }
    bed.write_config("Host cpu01\n    HostName cpu01.example.org\n")
    with jupyter(traits={"TunnelManager": limits}) as server, by_token(server) as client:
        _offers_gpu01_alone(client)  # without an engine
        for command in ("-L 0:localhost:9 cpu01", "-L 0:db:9 gpu01", "-R 0:localhost:9 gpu01"):
            answer = client.post(PREFIX + "tunnels", json={"command": command})
            assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
        open_tunnel(client, command="-L 0:localhost:9 gpu01")
        _offers_gpu01_alone(client)
        answer = client.post(PREFIX + "tunnels", json={"command": "-L 0:localhost:8 gpu01"})
        assert (answer.status_code, answer.json()["code"]) == (409, "too_many")


def _offers_gpu01_alone(client: httpx.Client) -> None:
    hosts = client.get(PREFIX + "hosts").json()["hosts"]
    assert [host["host"] for host in hosts] == ["gpu01"]


@pytest.mark.parametrize(
    ("login", "command", "allowed"),
    [
        ("token", "-R 0:localhost:{port} gpu01", True),
        ("none", "-R 0:localhost:{port} gpu01", False),
        ("token", "-R *:0:localhost:{port} gpu01", False),
    ],
)
def test_the_server_itself_is_not_published_by_accident(
    bed: SshBed, login: str, command: str, allowed: bool
) -> None:
    traits: dict[str, Any] = {"TunnelManager": {"ssh_config": str(bed.config_file)}}
    if login == "none":
        traits["IdentityProvider"] = {"token": ""}
    with jupyter(traits=traits) as server, by_token(server) as client:
        answer = client.post(
            PREFIX + "tunnels",
            json={"command": command.format(port=server.port)},
        )
        assert (answer.status_code == 201) == allowed, answer.text
        assert allowed or answer.json()["code"] == "not_allowed"
