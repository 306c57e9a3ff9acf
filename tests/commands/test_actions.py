"""What an answer proposes to type next."""

from dataclasses import replace

import pytest

from jupyter_remote_tunnel.commands.actions import url_of
from jupyter_remote_tunnel.model.errors import Fatal
from tests.apps.samples import TUNNEL, WAITING, forward


@pytest.mark.parametrize("prog", ["jupyter tunnel", "%tunnel"])
def test_a_tunnel_without_a_port_is_told_how_it_gets_one(prog: str) -> None:
    private = forward("-L private:localhost:5006", "/run/jrt/a-1", "localhost:5006")
    with pytest.raises(Fatal) as caught:
        url_of(replace(TUNNEL, forwards=(private,)), prog)
    assert caught.value.hint.endswith(f": {prog} open -L 0:localhost:5006 ann@gpu01")


def test_what_waits_for_its_port_has_no_url() -> None:
    with pytest.raises(Fatal, match="Port 9000 of this machine is in use") as caught:
        url_of(WAITING)
    assert caught.value.code == "port_in_use"
