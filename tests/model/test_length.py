"""What is typed may come from anywhere: no length of it takes long to read or to answer."""

import time

import pytest

from jupyter_remote_tunnel.model.command_line import LONGEST, parse_command, spec_of
from jupyter_remote_tunnel.model.errors import BadInput
from jupyter_remote_tunnel.model.spec import SshOptions, TunnelRequest

_MANY = LONGEST - 100
_FORWARDS = ("-L 1:localhost:1",)


@pytest.mark.parametrize(
    "line",
    [
        "1" * _MANY,
        ">" * _MANY,
        "x" + ">" * _MANY,
        "a/" * (_MANY // 2),
        "ssh -L 5006:localhost:5006 a" + "#" * _MANY,
        "#\n" * (_MANY // 2),
        "“" * _MANY,
        "a’" * (_MANY // 2),
        "\\ " * (_MANY // 2),
        "&disown " * (_MANY // 8),
        "AUTOSSH_" * (_MANY // 8),
        "ssh a -o 'LocalForward" + " " * _MANY + "'",
        '"' + "\\\\" * (_MANY // 2) + '$"',
    ],
    ids=lambda line: line[:12],
)
def test_a_long_line_is_read_at_once(line: str) -> None:
    began = time.process_time()
    with pytest.raises(BadInput):
        parse_command(line)
    assert time.process_time() - began < 3, "quadratic: it would hold up every tunnel"


def test_a_long_option_is_read_at_once() -> None:
    request = TunnelRequest(
        host="gpu01", forwards=_FORWARDS, ssh=SshOptions(options=("A" + " " * _MANY,))
    )
    began = time.process_time()
    with pytest.raises(BadInput):
        spec_of(request)
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    "request_",
    [
        TunnelRequest(command="ssh -L 1:localhost:1 gpu01 " + "x" * LONGEST),
        TunnelRequest(host="x" * LONGEST, forwards=_FORWARDS),
        TunnelRequest(host="gpu01", forwards=_FORWARDS * 3000),
        TunnelRequest(host="gpu01", forwards=_FORWARDS, name="x" * LONGEST),
        TunnelRequest(host="gpu01", forwards=_FORWARDS, ssh=SshOptions(jump="x" * LONGEST)),
        TunnelRequest(
            host="gpu01", forwards=_FORWARDS, ssh=SshOptions(options=("User=x",) * LONGEST)
        ),
    ],
    ids=["command", "host", "forwards", "name", "jump", "options"],
)
def test_what_is_too_long_is_refused_without_being_repeated(request_: TunnelRequest) -> None:
    with pytest.raises(BadInput, match="too long") as caught:
        spec_of(request_)
    assert len(str(caught.value)) < 300
