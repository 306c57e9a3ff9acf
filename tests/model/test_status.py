"""What a tunnel is called by someone who has typed where it leads, and not its name."""

from dataclasses import replace

import pytest

from jupyter_remote_tunnel.model.spec import HostArgument
from jupyter_remote_tunnel.model.status import TunnelStatus
from tests.apps.samples import TUNNEL, forward

FAR = forward("-L 5007:db.internal:5007", "127.0.0.1:5007", "db.internal:5007")
PLOT = replace(TUNNEL, name="plot", forwards=(*TUNNEL.forwards, FAR))


@pytest.mark.parametrize("typed", ["ann@gpu01:5006", "gpu01:5006", "ann@gpu01:80"])
def test_the_short_form_leads_to_it(typed: str) -> None:
    assert PLOT.leads_to(HostArgument.parse(typed))


@pytest.mark.parametrize(
    "typed", ["bob@gpu01:5006", "gpu02:5006", "gpu01:1080", "gpu01:5007", "gpu01", "plot"]
)
def test_another_host_user_or_port_does_not(typed: str) -> None:
    assert not PLOT.leads_to(HostArgument.parse(typed))


@pytest.mark.parametrize("route", [("ann@gw:22", "root@10.0.0.7:22"), ()])
def test_a_user_may_be_that_of_the_ssh_configuration(route: tuple[str, ...]) -> None:
    tunnel = replace(PLOT, host="gpu01", route=route)
    assert tunnel.leads_to(HostArgument.parse("root@gpu01:5006")) == bool(route)
    assert not tunnel.leads_to(HostArgument.parse("ann@gpu01:5006"))


@pytest.mark.parametrize("tunnel", [replace(PLOT, kind="kernel"), replace(PLOT, forwards=())])
def test_a_kernels_channels_are_nothing_to_type(tunnel: TunnelStatus) -> None:
    assert not tunnel.leads_to(HostArgument.parse("gpu01:5006"))
