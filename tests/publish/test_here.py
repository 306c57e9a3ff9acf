"""Commands on this machine, as they would run on a gateway."""

import sys

import pytest

from jupyter_remote_tunnel.model.errors import Fatal, Transient
from jupyter_remote_tunnel.model.spec import TunnelRequest
from jupyter_remote_tunnel.publish.gateway import look
from jupyter_remote_tunnel.publish.here import ThisMachine


async def test_a_command() -> None:
    done = await ThisMachine().exec(None, ["sh", "-c", "cat; echo no >&2; exit 3"], b"yes")
    assert (done.status, done.stdout, done.stderr) == (3, b"yes", b"no\n")


async def test_what_is_not_there() -> None:
    with pytest.raises(Fatal, match="/nowhere does not run here: No such file"):
        await ThisMachine().exec(None, ["/nowhere"])


async def test_what_takes_too_long() -> None:
    with pytest.raises(Transient, match=r"took over 0\.05 s"):
        await ThisMachine().exec(None, ["sleep", "60"], timeout=0.05)


async def test_what_says_too_much() -> None:
    script = "print('x' * (1 << 20))"
    with pytest.raises(Fatal, match="says more"):
        await ThisMachine().exec(None, [sys.executable, "-c", script])


async def test_what_is_here() -> None:
    """The same script as over SSH."""
    found = await look(ThisMachine(), TunnelRequest(host="here"), "j.example.org")
    assert found.host == "here"
    assert found.kernel == "Linux"
