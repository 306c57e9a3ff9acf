"""What a remote Jupyter says of itself is checked before anybody believes it."""

import json
import re
from typing import Any

import pytest
from hypothesis import given

from jupyter_remote_tunnel.apps.jupyter_files import SIZE_LIMIT, FoundJupyter, parse
from jupyter_remote_tunnel.apps.listeners import Listeners
from jupyter_remote_tunnel.model.errors import Fatal
from tests.support.fuzzing import mutated_json

NOBODY_TELLS = Listeners(None, ())
TOKEN = "c0ffee" * 8
INFO = {
    "base_url": "/",
    "hostname": "localhost",
    "password": False,
    "pid": 4711,
    "port": 8888,
    "root_dir": "/home/ann",
    "secure": False,
    "sock": "",
    "token": TOKEN,
    "url": "http://localhost:8888/",
    "version": "2.21.1",
}


def read(**changes: Any) -> FoundJupyter:
    found = parse(json.dumps({**INFO, **changes}), "jpserver-1.json on gpu01", NOBODY_TELLS)
    assert found is not None
    return found


def test_what_jupyter_server_writes() -> None:
    found = read()
    assert (found.base_url, found.secure, found.token) == ("/", False, TOKEN)
    assert found.server.url == "http://localhost:8888/"
    assert found.server.destination == "localhost:8888"
    assert (found.server.root_dir, found.server.version) == ("/home/ann", "2.21.1")
    assert found.server.protection == "token"


def test_the_token_is_not_shown() -> None:
    assert TOKEN not in repr(read()) + repr(read().server)


def test_what_notebook_6_writes() -> None:
    old = {key: value for key, value in INFO.items() if key not in ("root_dir", "version")}
    text = json.dumps({**old, "notebook_dir": "/home/ann"})
    found = parse(text, "nbserver-1.json on gpu01", NOBODY_TELLS)
    assert found is not None
    assert (found.server.root_dir, found.server.version) == ("/home/ann", "?")


@pytest.mark.parametrize(
    ("changes", "url", "protection"),
    [
        ({"secure": True, "base_url": "/a/b%20c/"}, "https://localhost:8888/a/b%20c/", "token"),
        ({"hostname": "10.0.0.5", "token": ""}, "http://10.0.0.5:8888/", "unknown"),
        ({"hostname": "fe80::1", "token": ""}, "http://[fe80::1]:8888/", "unknown"),
        ({"token": "", "password": True}, "http://localhost:8888/", "password"),
        ({"sock": "/run/a b/j.sock"}, "http+unix://%2Frun%2Fa%20b%2Fj.sock/", "token"),
    ],
)
def test_where_it_is_and_what_it_asks(changes: dict[str, Any], url: str, protection: str) -> None:
    found = read(**changes)
    assert (found.server.url, found.server.protection) == (url, protection)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"base_url": "/../x/"}, "base_url"),
        ({"base_url": "/./"}, "base_url"),
        ({"base_url": "x/"}, "base_url"),
        ({"base_url": "/x"}, "base_url"),
        ({"base_url": "//evil.example/"}, "base_url"),
        ({"base_url": "/a\r\nX-Evil: 1/"}, "base_url"),
        ({"base_url": "/a?b=/"}, "base_url"),
        ({"base_url": f"/{300 * chr(97)}/"}, "base_url"),
        ({"base_url": None}, "base_url"),
        ({"token": "a\nb"}, "token"),
        ({"token": "ä"}, "token"),
        ({"token": 7}, "token"),
        ({"token": "x" * 1001}, "token"),
        ({"port": 0}, "port"),
        ({"port": "8888"}, "port"),
        ({"port": True}, "port"),
        ({"pid": None}, "pid"),
        ({"hostname": "a b"}, "address is wrong"),
        ({"hostname": "-oProxyCommand=x"}, "address is wrong"),
        ({"sock": "relative.sock"}, "relative"),
        ({"sock": "/" + "x" * 200}, "107 bytes"),
        ({"secure": "yes"}, "secure"),
        ({"password": 1, "token": ""}, "password"),
    ],
)
def test_a_lie_is_named(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(Fatal, match=re.escape(why)) as caught:
        read(**changes)
    assert caught.value.code == "unsupported"
    assert caught.value.message.startswith("jpserver-1.json on gpu01 is not the file of a Jupyter")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "[" * 9000, " " * (SIZE_LIMIT + 1)])
def test_no_json_object(text: str) -> None:
    with pytest.raises(Fatal, match="is not the file of a Jupyter server"):
        parse(text, "jpserver-1.json on gpu01", NOBODY_TELLS)


@pytest.mark.parametrize(
    ("keeper", "is_one"),
    [
        ("/tmp/jupyter-kept-a_1b2c3d", True),
        ("/var/folders/x y/T/jupyter-kept-abcd1234", True),
        ("", False),
        ("/etc", False),
        ("jupyter-kept-abcd1234", False),
        ("/tmp/jupyter-kept-abcd/../../etc", False),
        ("/tmp/jupyter-kept-abcd1234\n", False),
        ("/\x1b/jupyter-kept-abcd1234", False),
        ("/\x9b31m/jupyter-kept-abcd1234", False),
        ("/\u202e/jupyter-kept-abcd1234", False),
        (f"/{'x' * 200}/jupyter-kept-abcd1234", False),
    ],
)
def test_what_keeps_it(keeper: str, is_one: bool) -> None:
    found = parse(json.dumps(INFO), "it", NOBODY_TELLS, None, keeper)
    assert found is not None
    assert found.keeper == (keeper if is_one else None)
    assert found.server.ends_with_tunnel is is_one


def test_what_is_shown_of_it_is_one_plain_line() -> None:
    with pytest.raises(Fatal):
        read(root_dir="/home/\x1b[31mann")
    assert len(read(root_dir="/x" * 1000).server.root_dir) <= 200


@given(text=mutated_json(INFO).map(json.dumps))
def test_whatever_it_says(text: str) -> None:
    try:
        found = parse(text, "jpserver-1.json on gpu01", NOBODY_TELLS)
    except Fatal:
        return
    assert found is not None
    assert found.token.isascii()
    assert found.base_url.startswith("/")
    assert not found.base_url.startswith("//")
    assert found.server.root_dir.isprintable()
    assert found.server.url.isascii()
