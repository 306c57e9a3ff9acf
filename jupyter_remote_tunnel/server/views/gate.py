"""The origin gate: whether a request comes from where the application's own pages live.

An application trusts its own host name, and behind us it cannot tell who asks: `Host` and `Origin`
say what it expects. So we ask in its stead, for every request. Browsers send `Sec-Fetch-*` to
loopback names and `Origin` with websockets and unsafe methods; programs that are no browser send
neither, and hold the cookie or the capability because a person gave it to them.
"""

import ipaddress
from collections.abc import Mapping

# What a waiting page of ours asks for when it looks whether it is still right. Browsers let a page
# say it to another origin without asking first, as a sandboxed page has to.
LOOK = "text/x-remote-tunnel-look"
UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 (what tornado says of those who come by a Unix socket)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FRAMES = frozenset({"iframe", "frame", "embed", "object", "fencedframe"})


def is_websocket(method: str, headers: Mapping[str, str]) -> bool:
    """Whether this asks to become a websocket (a request with a body cannot)."""
    upgrade = headers.get("Upgrade", "").lower() == "websocket"
    return upgrade and method == "GET" and not has_body(headers)


def has_body(headers: Mapping[str, str]) -> bool:
    """Whether a body follows these headers."""
    return "Transfer-Encoding" in headers or headers.get("Content-Length", "0") != "0"


def is_page(headers: Mapping[str, str]) -> bool:
    """Whether a person is to see the answer: a page, in a tab or a frame."""
    dest = headers.get("Sec-Fetch-Dest")
    if dest is None:
        return "text/html" in headers.get("Accept", "")
    return dest == "document" or dest in FRAMES


def is_framed(headers: Mapping[str, str]) -> bool:
    """Whether the page will stand in a frame."""
    return headers.get("Sec-Fetch-Dest") in FRAMES


def is_look(headers: Mapping[str, str]) -> bool:
    """Whether a waiting page asks if it can go."""
    return headers.get("Accept") == LOOK


def is_own_link(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a page opens one of its own origin in a tab; no other site can feign that."""
    told = [headers.get(f"Sec-Fetch-{name}") for name in ("Site", "Mode", "Dest")]
    return method == "GET" and told == ["same-origin", "navigate", "document"]


def wants_service_worker(headers: Mapping[str, str]) -> bool:
    """Whether this loads a script that would stand between the browser and us from then on."""
    return "Service-Worker" in headers or headers.get("Sec-Fetch-Dest") == "serviceworker"


def admits_origin(
    method: str, headers: Mapping[str, str], own: str, *, websocket: bool, has_neighbours: bool
) -> bool:
    """For the origin view at `own` ("http://a….localhost:8888").

    Other sites may only link to it: even a safe request of theirs could carry the cookie when both
    are framed in the same Lab.

    :param has_neighbours: whether other applications are of the same site. Their pages' requests
        carry the cookie in any case, and a browser that tells no `Sec-Fetch-*` (Safari before 16.4)
        tells of most only by a Referer that they are not the application's own.
    """
    site = headers.get("Sec-Fetch-Site")
    if site in ("same-origin", "none"):
        return True
    if site is not None:
        link = method in ("GET", "HEAD") and headers.get("Sec-Fetch-Mode") == "navigate"
        return link and not websocket and is_page(headers)
    if has_neighbours and not websocket and "Origin" not in headers:
        refers_to_own = headers.get("Referer", "").startswith(f"{own}/")
        return refers_to_own or (method in ("GET", "HEAD") and is_page(headers))
    return headers.get("Origin", own) == own


def admits_path(method: str, headers: Mapping[str, str], *, websocket: bool) -> bool:
    """For the path view, whose pages have an opaque origin: `null`, with the capability in the URL.

    A page that has an origin is none of the application's.
    """
    if method in SAFE_METHODS and not websocket:
        return True
    return headers.get("Origin", "null") == "null"


def is_forwarded(headers: Mapping[str, str]) -> bool:
    """Whether a reverse proxy stands between the browser and us."""
    names = {name.lower() for name in headers}
    return bool(names & _PROXY_HEADERS) or any(name.startswith("x-forwarded") for name in names)


_PROXY_HEADERS = frozenset({"forwarded", "x-real-ip", "x-scheme", "via"})


def is_loopback(address: str | None) -> bool:
    """Whether `address`, an IP address in text, is of this machine's loopback."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
