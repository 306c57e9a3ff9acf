"""An error is the same one on the far side of a socket."""

import json

import pytest

from jupyter_remote_tunnel.model.errors import (
    BadInput,
    Fatal,
    NeedsUser,
    RemoteTunnelError,
    Transient,
    from_dict,
)

ERRORS = [
    BadInput("No port.", hint="Give one.", text="a:x", start=2, end=3),
    BadInput("Nothing was given."),
    Transient("gw does not answer.", code="connect_timeout", hop="gw (hop 1 of 2)"),
    Fatal("The port is taken.", code="port_in_use", hint="Take another."),
    NeedsUser("gw asks for a password."),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_it_comes_back(error: RemoteTunnelError) -> None:
    again = from_dict(json.loads(json.dumps(error.as_dict())))
    assert type(again) is type(error)
    assert again.as_dict() == error.as_dict()


def test_the_wrong_part_is_pointed_at_after_the_way_too() -> None:
    again = from_dict(ERRORS[0].as_dict())
    assert isinstance(again, BadInput)
    assert again.pointer() == "a:x\n  ^"


def test_a_complaint_points_at_the_wrong_part() -> None:
    error = BadInput("This is wrong.", hint="Do that.", text="-L x:y", start=3, end=4)
    assert error.complaint().splitlines() == ["This is wrong.", "-L x:y", "   ^", "Do that."]


def test_a_complaint_keeps_its_lines_and_drops_escapes() -> None:
    error = BadInput("One\x1b[2J.", hint="two\nthree", text="x\x1b[2J", end=1)
    assert error.complaint() == "One [2J.\ntwo\nthree"
