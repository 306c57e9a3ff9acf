"""What is said of a tunnel from the gateway that does not listen now, and the wait at its end."""

from dataclasses import replace
from typing import cast

import pytest

from jupyter_remote_tunnel.model.publication import PublishRequest
from jupyter_remote_tunnel.server.engine import HeldEngine
from jupyter_remote_tunnel.server.gateway_leg import GatewayLeg, patience
from tests.apps.samples import TUNNEL, forward

NOBODY = cast("HeldEngine", None)  # nothing is asked of it


@pytest.mark.parametrize(
    "request_",
    [
        PublishRequest(gateway="gw", name="j.example.org"),  # by the socket of a site
        PublishRequest(gateway="gw", name="j.example.org", loopback_port=8888),
        PublishRequest(way="bind", gateway="gw", name="j.example.org"),
    ],
)
async def test_one_that_has_no_address_yet(request_: PublishRequest) -> None:
    """Its engine was started again in that moment."""
    waits = replace(
        TUNNEL, state="connecting", forwards=(forward("-R 8888:/run/outside", None, None),)
    )
    leg = GatewayLeg("0123456789ab", request_, NOBODY, "/run/j.sock")
    check = await leg.where_bound(waits)
    assert (check.name, check.verdict) == ("tunnel", "failed")
    assert check.says == "gpu01:5006 is connecting."


@pytest.mark.parametrize(
    ("rtt_ms", "seconds"), [(None, 1.0), (0.2, 1.001), (200.0, 2.0), (1500.0, 3.0), (1e9, 3.0)]
)
def test_how_long_its_end_waits(rtt_ms: float | None, seconds: float) -> None:
    """The round trip is as long as the gateway makes it."""
    assert patience(rtt_ms) == pytest.approx(seconds)
