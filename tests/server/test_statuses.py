"""What the server knows of tunnels between two questions, and what it makes of news."""

from dataclasses import replace

import pytest

from jupyter_remote_tunnel.apps.jupyter_files import FoundJupyter, JupyterServer
from jupyter_remote_tunnel.engine.client import Event
from jupyter_remote_tunnel.model.address import Address, TcpAddress, UnixAddress
from jupyter_remote_tunnel.model.errors import Transient
from jupyter_remote_tunnel.model.state import State
from jupyter_remote_tunnel.model.status import ErrorStatus
from jupyter_remote_tunnel.server.statuses import Statuses
from tests.apps.samples import TUNNEL

FAILED = replace(TUNNEL, id="ba9876543210", state="failed")
DIED = Transient("It ended.", code="engine_died")


@pytest.fixture
def statuses() -> Statuses:
    known = Statuses()
    known.replace([TUNNEL, FAILED])
    return known


def test_news_is_what_is_new(statuses: Statuses) -> None:
    assert statuses.hear(Event("tunnel", TUNNEL.as_dict())) == []
    lost = replace(TUNNEL, state="reconnecting")
    assert statuses.hear(Event("tunnel", lost.as_dict())) == [(TUNNEL.id, "reconnecting")]
    assert statuses.hear(Event("removed", {"tunnel": TUNNEL.id})) == [(TUNNEL.id, "removed")]
    assert statuses.hear(Event("removed", {"tunnel": TUNNEL.id})) == []
    assert statuses.hear(Event("lost", None)) == []


def test_a_new_list_tells_what_went_and_what_came(statuses: Statuses) -> None:
    other = replace(TUNNEL, id="000000000000", state="connecting")
    assert statuses.replace([TUNNEL, other]) == [(FAILED.id, "removed"), (other.id, "connecting")]
    assert statuses.replace([TUNNEL, other]) == []


def test_the_end_of_an_engine_leaves_failed_tunnels_failed(statuses: Statuses) -> None:
    assert statuses.interrupt(State.RECONNECTING, DIED) == [(TUNNEL.id, "reconnecting")]
    app = statuses.upstream(TUNNEL.id)
    assert app is not None
    assert (app.state, app.error) == ("reconnecting", ErrorStatus.of(DIED))
    assert statuses.replace([TUNNEL, FAILED]) == [(TUNNEL.id, "open")]


def test_the_end_of_an_engine_leaves_its_ports_to_anybody(statuses: Statuses) -> None:
    statuses.interrupt(State.RECONNECTING, DIED)
    private, on_port = statuses.upstream(TUNNEL.id), statuses.upstream(f"{TUNNEL.id}-2")
    assert private is not None
    assert on_port is not None
    assert private.bound == UnixAddress("/run/jrt/0123456789ab-1")
    assert on_port.bound is None


def test_applications_are_found_by_their_ids(statuses: Statuses) -> None:
    first, second = statuses.upstream(TUNNEL.id), statuses.upstream(f"{TUNNEL.id}-2")
    assert first is not None
    assert second is not None
    assert first.destination == TcpAddress("localhost", 5006)
    assert first.bound == UnixAddress("/run/jrt/0123456789ab-1")
    assert second.destination == TcpAddress("::1", 80)
    assert second.bound == TcpAddress("127.0.0.1", 4321)
    assert (second.host, second.host_key, second.state) == ("ann@gpu01", "SHA256:abc", "open")


@pytest.mark.parametrize("app_id", ["", "-", "0123456789ab-0", "0123456789ab-3", "nothing", "-2"])
def test_ids_of_no_application(statuses: Statuses, app_id: str) -> None:
    assert statuses.upstream(app_id) is None


def test_the_error_of_a_forward_goes_before_that_of_its_tunnel(statuses: Statuses) -> None:
    refused = ErrorStatus("forward_refused", "Nobody listens there.")
    mine = replace(TUNNEL.forwards[1], error=refused)
    statuses.replace([replace(TUNNEL, forwards=(TUNNEL.forwards[0], mine))])
    app = statuses.upstream(TUNNEL.id)
    assert app is not None
    assert app.error == refused


@pytest.mark.parametrize(
    ("address", "doubted"),
    [(TcpAddress("127.0.0.1", 8888), True), (UnixAddress("/home/ann/j.sock"), False)],
)
def test_a_port_that_was_out_of_sight_may_be_anothers(
    statuses: Statuses, address: Address, doubted: bool
) -> None:
    server = JupyterServer("", str(address), "/", "2", 1, "token")
    found = FoundJupyter(server, address, "/", False, "5ecret")

    def token() -> tuple[str, bool]:
        app = statuses.upstream(TUNNEL.id)
        assert app is not None
        return app.token, app.doubted

    statuses.let_in(TUNNEL.id, found)
    assert token() == ("5ecret", False)
    statuses.hear(Event("tunnel", replace(TUNNEL, state="reconnecting").as_dict()))
    statuses.hear(Event("tunnel", TUNNEL.as_dict()))
    assert token() == ("" if doubted else "5ecret", doubted)
    statuses.let_in(TUNNEL.id, found)
    assert token() == ("5ecret", False)
