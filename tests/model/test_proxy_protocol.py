"""The line that says who connected: what is made of an originator, and what is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_remote_tunnel.model.proxy_protocol import (
    LONGEST_HEADER,
    proxy_header,
    read_proxy_header,
)

LONGEST = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"


@pytest.mark.parametrize(
    ("host", "port", "line"),
    [
        ("203.0.113.7", 51234, b"PROXY TCP4 203.0.113.7 0.0.0.0 51234 8443\r\n"),
        ("2001:DB8::7", 51234, b"PROXY TCP6 2001:db8::7 :: 51234 8443\r\n"),
        ("::ffff:203.0.113.7", 1, b"PROXY TCP4 203.0.113.7 0.0.0.0 1 8443\r\n"),
        ("fe80::7%eth0", 1, b"PROXY TCP6 fe80::7 :: 1 8443\r\n"),
        ("UNKNOWN", 65535, b"PROXY UNKNOWN\r\n"),
        ("", 0, b"PROXY UNKNOWN\r\n"),
        ("203.0.113.7", 65536, b"PROXY UNKNOWN\r\n"),
        ("203.0.113.7\r\nPROXY TCP4 192.0.2.1 0.0.0.0 1 1", 1, b"PROXY UNKNOWN\r\n"),
        ("gateway.example.org", 1, b"PROXY UNKNOWN\r\n"),
    ],
)
def test_what_is_said_of_an_originator(host: str, port: int, line: bytes) -> None:
    assert proxy_header(host, port, 8443) == line


@pytest.mark.parametrize("host", ["203.0.113.7", "2001:db8::7", LONGEST])
def test_what_is_said_is_understood(host: str) -> None:
    line = proxy_header(host, 65535, 65535)
    assert len(line) <= LONGEST_HEADER
    assert read_proxy_header(line + b"PROXY TCP4 ") == (len(line), (host, 65535))


@pytest.mark.parametrize("line", [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN what ever\r\n"])
def test_somebody_who_is_not_known(line: bytes) -> None:
    assert read_proxy_header(line + b"more\r\n") == (len(line), None)


@pytest.mark.parametrize(
    "received",
    [
        b"",
        b"PROXY TCP4 203.0.113.7 0.0.0.0 51234 8443",
        b"PROXY TCP4 203.0.113.7 0.0.0.0 51234 8443\n",
        b"PROXY TCP4 203.0.113.7 0.0.0.0 51234\r\n",
        b"PROXY TCP4 203.0.113.7 0.0.0.0 51234 8443 1\r\n",
        b"PROXY TCP4 203.0.113.7 0.0.0.0 65536 8443\r\n",
        b"PROXY TCP4 203.0.113.7 0.0.0.0 -1 8443\r\n",
        b"PROXY TCP4 203.0.113.7 0.0.0.0 007 8443\r\n",
        b"PROXY TCP4 203.0.113.7 :: 51234 8443\r\n",
        b"PROXY TCP4 2001:db8::7 :: 51234 8443\r\n",
        b"PROXY TCP4 203.0.113.700 0.0.0.0 51234 8443\r\n",
        b"PROXY TCP4 \xb2.0.113.7 0.0.0.0 51234 8443\r\n",
        b"PROXY TCP6 fe80::7%eth0 :: 51234 8443\r\n",
        b"PROXY  TCP4 203.0.113.7 0.0.0.0 51234 8443\r\n",
        b" PROXY TCP4 203.0.113.7 0.0.0.0 51234 8443\r\n",
        b"proxy TCP4 203.0.113.7 0.0.0.0 51234 8443\r\n",
        b"PROXY UNKNOWNS\r\n",
        b"PROXY UNKNOWN" + b" " * LONGEST_HEADER + b"\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c",
        b"\x16\x03\x01\x02\x00\x01\r\n",
        b"GET / HTTP/1.1\r\n",
    ],
)
def test_what_is_no_such_line(received: bytes) -> None:
    with pytest.raises(ValueError, match="PROXY protocol"):
        read_proxy_header(received)


@given(st.text(), st.integers(0, 1 << 32), st.integers(0, 1 << 32))
def test_whatever_a_gateway_says_is_one_line(host: str, port: int, listens_on: int) -> None:
    line = proxy_header(host, port, listens_on)
    assert (line.count(b"\r"), line.count(b"\n"), line[-2:]) == (1, 1, b"\r\n")
    assert read_proxy_header(line)[0] == len(line) <= LONGEST_HEADER


@given(st.binary().map(lambda data: b"PROXY TCP4 " + data) | st.binary())
def test_whatever_comes_is_understood_or_refused(received: bytes) -> None:
    try:
        length, _ = read_proxy_header(received)
    except ValueError:
        return
    assert received[length - 2 : length] == b"\r\n"
