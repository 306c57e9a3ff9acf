"""What is sent to a remote Jupyter, and what of its pages reaches the browser."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.utils import htmlsafe_json_dumps

from jupyter_remote_tunnel.apps.jupyter_files import FoundJupyter, JupyterServer
from jupyter_remote_tunnel.model.address import Address, TcpAddress, UnixAddress
from jupyter_remote_tunnel.server.views import Upstream, headers
from jupyter_remote_tunnel.server.views.headers import Manner
from jupyter_remote_tunnel.server.views.jupyter_pages import without_token

TOKEN = "c0ffee" * 8
OURS = "our own"
MANNER = Manner(origin="http://a.localhost:8888", prefix="/", jar="framed", token=OURS, extra=())


def upstream(*, secure: bool = False, token: str = TOKEN, at: Address | None = None) -> Upstream:
    address = at or TcpAddress("127.0.0.1", 443)
    server = JupyterServer("", str(address), "/", "2", 1, "token")
    found = FoundJupyter(server, address, "/hub/x/", secure, token)
    bound = UnixAddress("/run/x")
    return Upstream("1", "n", "h", address, bound, "open", is_jupyter=True, jupyter=found)


def sent(asked: dict[str, str], to: Upstream) -> dict[str, str]:
    return dict(headers.for_remote(asked.items(), to, MANNER))


def test_it_is_told_its_token_and_no_other() -> None:
    asked = {"Authorization": "token of the page", "Accept-Encoding": "gzip", "X-A": "1"}
    assert sent(asked, upstream()) == {
        "Host": "127.0.0.1:443",
        "Authorization": f"token {TOKEN}",
        "X-A": "1",
    }


def test_one_without_a_token_is_told_what_the_page_says() -> None:
    asked = {"Authorization": "token of the page", "Accept-Encoding": "gzip"}
    assert sent(asked, upstream(token="")) == {"Host": "127.0.0.1:443", **asked}


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("/lab?token=x&a=b", "/lab?a=b"),
        ("/ws?token=", "/ws"),
        ("/ws?t%6Fken=x", "/ws"),
        ("/lab?mytoken=x", "/lab?mytoken=x"),
    ],
)
def test_nor_by_its_address(uri: str, target: str) -> None:
    assert headers.target(uri, OURS, has_own=True) == target


def test_https_is_what_it_expects() -> None:
    to = upstream(secure=True)
    assert sent({"Origin": MANNER.origin}, to) == {
        "Host": "127.0.0.1",
        "Authorization": f"token {TOKEN}",
        "Origin": "https://127.0.0.1",
    }
    assert headers.location("https://127.0.0.1/lab", to) == "/lab"
    assert headers.location("http://127.0.0.1/lab", to) == "http://127.0.0.1/lab"
    assert upstream(at=UnixAddress("/run/j"), secure=True).origin == "https://localhost"


def read(chunks: list[bytes], token: str = TOKEN) -> bytes:
    async def come() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def gather() -> bytes:
        return b"".join([chunk async for chunk in without_token(come(), token)])

    return asyncio.run(gather())


LAB = f'<script id="jupyter-config-data">{{"baseUrl": "/", "token": "{TOKEN}"}}</script>'
CLASSIC = f'<body data-jupyter-api-token="{TOKEN}" data-base-url="/">'


@given(st.data())
def test_it_is_out_of_the_page_however_that_comes(data: st.DataObject) -> None:
    page = "".join(data.draw(st.lists(st.sampled_from([LAB, CLASSIC, "text", TOKEN[:9]]))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(page)), max_size=9)))
    whole = page.encode()
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    wanted = page.replace(f'"{TOKEN}"', '""')
    assert read(pieces).decode() == wanted


@pytest.mark.parametrize("token", ["a", "a'b<c>&\"d", "ann%20b"])
def test_whatever_it_is(token: str) -> None:
    """As jinja's filter `tojson` writes it."""
    page = f"<p>{token}</p>{htmlsafe_json_dumps({'token': token, 'a': 1})}"
    assert read([page.encode()], token).decode() == f'<p>{token}</p>{{"token": "", "a": 1}}'


def test_nothing_else_changes() -> None:
    page = json.dumps({"token": "another", "text": TOKEN}).encode()
    assert read([page]) == page
