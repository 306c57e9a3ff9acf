"""An error is the same one on the far side of a socket."""

import errno
import json
import socket

import pytest

from jupyter_remote_tunnel.model.errors import (
    BadInput,
    Fatal,
    NeedsUser,
    RemoteTunnelError,
    Transient,
    cause,
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


# As asyncio says it of one address, and of several.
REFUSED = f"[Errno {errno.ECONNREFUSED}] Connect call failed ('::1', 443, 0, 0)"
UNREACHABLE = f"[Errno {errno.ENETUNREACH}] Connect call failed ('192.0.2.7', 443)"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed ('::1', 443)"), "Connection refused"),
        (
            OSError(f"Multiple exceptions: {REFUSED}, {UNREACHABLE}, {REFUSED}"),
            "Connection refused, Network is unreachable",
        ),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not"),
        (TimeoutError(), "no answer"),
        (UnicodeError("label empty"), "this is no host name"),
        (OSError("something else"), "something else"),
    ],
)
def test_causes_are_the_systems_words(error: OSError | UnicodeError, said: str) -> None:
    assert cause(error).startswith(said)
    assert "Connect call" not in cause(error)
