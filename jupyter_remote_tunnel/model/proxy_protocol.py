"""The PROXY protocol, version 1: a line in front of a stream, in which who passes it on says who
connected (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, 2.1).

    PROXY TCP4 203.0.113.7 0.0.0.0 51234 8443\\r\\n
    PROXY TCP6 2001:db8::7 :: 51234 8443\\r\\n
    PROXY UNKNOWN\\r\\n
"""

import ipaddress
import re

LONGEST_HEADER = 107
"""Bytes, with the end of the line."""

_END = b"\r\n"
_UNKNOWN = b"PROXY UNKNOWN"
_PORTS = rb"(?:0|[1-9][0-9]{0,4})"
_MALFORMED = "a line of the PROXY protocol is malformed"
_KNOWN = re.compile(rb"PROXY TCP(4|6) (\S+) (\S+) (%b) (%b)" % (_PORTS, _PORTS))

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


def proxy_header(host: str, port: int, listens_on: int) -> bytes:
    """The line for a client that connected from `host` and `port` to the port `listens_on`. What is
    no address with a port is said not to be known.
    """
    address = _address(host)
    if address is None or not all(0 <= one < 1 << 16 for one in (port, listens_on)):
        return _UNKNOWN + _END
    there = "0.0.0.0" if address.version == 4 else "::"  # noqa: S104 (which of its own is not told)
    line = f"PROXY TCP{address.version} {address} {there} {port} {listens_on}"
    return line.encode() + _END


def _address(host: str) -> _Ip | None:
    """An address as a socket tells it, with the name of an interface, or IPv4 as IPv6."""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def read_proxy_header(received: bytes) -> tuple[int, tuple[str, int] | None]:
    """How many bytes of `received` the line takes, which stands at its beginning, and from which
    address and port it is; None where that is not known.

    :param received: at least the line, as it is sent at once.
    :raises ValueError: there is none, or it is wrong.
    """
    line, end, _ = received[:LONGEST_HEADER].partition(_END)
    if not end:
        raise ValueError("a stream does not begin with a line of the PROXY protocol")
    length = len(line) + len(end)
    if line == _UNKNOWN or line.startswith(_UNKNOWN + b" "):
        return length, None
    found = _KNOWN.fullmatch(line)
    if found is None:
        raise ValueError(_MALFORMED)
    kind = ipaddress.IPv4Address if found[1] == b"4" else ipaddress.IPv6Address
    try:
        source, _ = (kind(text.decode("ascii")) for text in (found[2], found[3]))
    except ValueError:
        raise ValueError(_MALFORMED) from None
    ports = [int(text) for text in (found[4], found[5])]
    if max(ports) >= 1 << 16 or getattr(source, "scope_id", None):
        raise ValueError(_MALFORMED)
    return length, (str(source), ports[0])
