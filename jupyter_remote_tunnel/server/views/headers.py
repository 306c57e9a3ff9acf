"""Which headers pass between browser and application, and how they are altered: no I/O here.

`for_remote` makes the request look as if a browser on the remote host had sent it, and keeps
everything of Jupyter's from the application. `for_browser` keeps everything from the browser that
would work beyond the application's own pages. `Manner` holds what the two views do differently.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_plus, urljoin, urlsplit, urlunsplit

from . import cookies
from .upstream import Upstream

Header = tuple[str, str]

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

# Expect is answered by our own server. Sec-Fetch-* tell where the page was framed, and a tornado
# that reads them would refuse what we have already admitted. The others name this side's proxies.
_NOT_FOR_REMOTE = re.compile(
    r"host|expect|sec-fetch-.*|forwarded|x-forwarded-.*|x-real-ip|x-scheme|via", re.IGNORECASE
)

# Each of these outlives the page, or reaches beyond it: to other pages, hosts or ports.
_NOT_FOR_BROWSER = frozenset(
    {
        "service-worker-allowed",
        "clear-site-data",
        "strict-transport-security",
        "alt-svc",
        "nel",
        "report-to",
        "reporting-endpoints",
        "referrer-policy",  # ours is stricter
        "x-frame-options",  # ours says who may frame it
        "set-cookie2",
    }
)

# What an application has a browser keep would be the next application's at the same host and port,
# whose name is the same: its scripts, too, and `Clear-Site-Data` leaves those that a page has used.
_NOT_FOR_OWN_ORIGIN = frozenset({"cache-control", "expires", "pragma", "age"})
_NOT_KEPT: Header = ("Cache-Control", "no-store")

# In an opaque origin, each of these would lock the application out of its own files or block the
# page; the others would be taken for Jupyter's word.
_NOT_FOR_SANDBOX = frozenset(
    {
        "access-control-allow-origin",
        "access-control-allow-credentials",
        "access-control-expose-headers",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
        "set-cookie",
        "www-authenticate",  # asks for a password in Jupyter's name
        "accept-ch",  # these ask browsers to tell Jupyter's origin more of themselves
        "critical-ch",
        "set-login",  # says who is logged in to it
        "secure-session-registration",  # ties its cookies to a key
        "sec-session-registration",  # its older name
        "use-as-dictionary",  # says how its answers are packed
    }
)


@dataclass(frozen=True)
class Manner:
    """How a view treats headers.

    :param origin: the origin under which the browser asks, e.g. "http://a….localhost:8888".
    :param prefix: the path under which all of the application lies, ends with "/".
    :param jar: whose cookies the browser sends here: "none" (they are Jupyter's, drop them all),
        "own" (the application's), "framed" (the application's, in a frame of another site).
    :param token: Jupyter's own token, or "".
    :param extra: headers added to each response.
    """

    origin: str
    prefix: str
    jar: Literal["none", "own", "framed"]
    token: str
    extra: tuple[Header, ...]

    @property
    def sandboxed(self) -> bool:
        return self.jar == "none"


def for_remote(headers: Iterable[Header], upstream: Upstream, manner: Manner) -> Iterator[Header]:
    """A request's headers as the application shall see them."""
    headers = list(headers)
    hop_by_hop = HOP_BY_HOP | _named_by_connection(headers)
    yield "Host", upstream.authority
    if upstream.token:
        yield "Authorization", f"token {upstream.token}"
    for name, value in headers:
        key = name.lower()
        if key in hop_by_hop or _NOT_FOR_REMOTE.fullmatch(key):
            continue
        passed = _request_value(key, value, upstream, manner)
        if passed:
            yield name, as_utf8(passed)


def _request_value(key: str, value: str, upstream: Upstream, manner: Manner) -> str:
    """The value that goes on, "" for none."""
    match key:
        case "origin":
            return upstream.origin
        case "referer":
            return _referer(value, upstream, manner)
        case "cookie":
            return "" if manner.sandboxed else cookies.for_remote(value)
        case "authorization":
            # At an origin of its own it is the application's, unless somebody gave it Jupyter's.
            jupyters = manner.sandboxed or manner.token in value.split()
            return "" if jupyters or upstream.token else value
        case "accept-encoding" if upstream.token:
            return ""  # its pages are read here
        case "x-xsrftoken":
            # Goes with the cookie `_xsrf`: the application's where it has cookies, else Jupyter's.
            return "" if manner.sandboxed else value
    return value


def _referer(value: str, upstream: Upstream, manner: Manner) -> str:
    """Another page of the application, by its remote address; not where the user is in Lab."""
    rest = value.removeprefix(manner.origin)
    if rest != value and rest.startswith(manner.prefix):
        return upstream.origin + rest
    return ""


def for_browser(headers: Iterable[Header], upstream: Upstream, manner: Manner) -> list[Header]:
    """A response's headers as the browser shall see them."""
    headers = list(headers)
    dropped = HOP_BY_HOP | _named_by_connection(headers) | _NOT_FOR_BROWSER
    dropped |= _NOT_FOR_SANDBOX if manner.sandboxed else _NOT_FOR_OWN_ORIGIN
    passed = []
    for name, value in _with_one_location(headers):
        if name.lower() not in dropped:
            altered = _response_value(name.lower(), value, upstream, manner)
            if altered is not None:
                passed.append((name, altered))
    if manner.sandboxed:
        # Scripts of the same origin may read all of them, and that is what the page is meant to be.
        passed.append(("Access-Control-Expose-Headers", ", ".join(name for name, _ in passed)))
    else:
        passed.append(_NOT_KEPT)
    return [*passed, *manner.extra]


def _with_one_location(headers: Iterable[Header]) -> Iterator[Header]:
    """The same with the first Location alone: it is the one that is looked at, and which of
    several is followed is for each browser to say.
    """
    found = False
    for name, value in headers:
        is_location = name.lower() == "location"
        if not (is_location and found):
            yield name, value
        found |= is_location


def _response_value(key: str, value: str, upstream: Upstream, manner: Manner) -> str | None:
    """The value that goes on, None for none."""
    match key:
        case "set-cookie":
            return cookies.for_browser(value, framed=manner.jar == "framed")
        case "location":
            return location(value, upstream)
        case "content-security-policy":
            return _without_ancestors(value) or None
        case "content-type" if manner.sandboxed and "multipart/x-mixed-replace" in value.lower():
            return None  # each part has headers of its own, cookies among them
    return value


def _without_ancestors(policies: str) -> str:
    """Content security policies without their word on who may frame the page: it is JupyterLab,
    which an application cannot know of. (A Jupyter wants to be framed by its own pages alone.)
    """
    kept = []
    for policy in policies.split(","):
        directives = (directive.strip() for directive in policy.split(";"))
        others = [text for text in directives if not _ANCESTORS.match(text)]
        kept.append("; ".join(filter(None, others)))
    return ", ".join(filter(None, kept))


_ANCESTORS = re.compile(r"frame-ancestors(\s|$)", re.IGNORECASE)


def location(value: str, upstream: Upstream) -> str:
    """A redirect to the application's own address without scheme and host, any other as it is."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return value
    if (
        parts.scheme not in ("", upstream.scheme)
        or parts.netloc.lower() != upstream.authority.lower()
    ):
        return value
    # A path that begins with two slashes would be read as a host.
    path = f"/.{parts.path}" if parts.path.startswith("//") else parts.path or "/"
    return urlunsplit(("", "", path, parts.query, parts.fragment))


def stays(location: str, path: str, manner: Manner) -> bool:
    """Whether a redirect at `path` leads to the application's own pages, for sure.

    What browsers read in another way than we do (white space, backslashes, encoded dots) is not.
    """
    if not _READ_AS_WRITTEN.fullmatch(location) or "%2e" in location.lower():
        return False
    rest = location.removeprefix(manner.origin)
    if rest.startswith("//") or _SCHEME.match(rest):
        return False
    if rest != location and rest[:1] not in ("", "/", "?", "#"):
        return False
    return urlsplit(urljoin(f"http://own{path}", rest or "/")).path.startswith(manner.prefix)


_READ_AS_WRITTEN = re.compile(r"[!-\[\]-~\x80-\xff]*")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def target(uri: str, token: str, *, has_own: bool = False) -> str:
    """The request target to send on: as it came, but without `?token=` if it is Jupyter's.

    What is not ASCII is percent-encoded, as browsers do.

    :param has_own: the application is told its own by a header: no other goes on.
    """
    path, mark, query = uri.partition("?")
    if mark and (token or has_own):
        parts = [(part, unquote_plus(part)) for part in query.split("&")]
        query = "&".join(
            part
            for part, read in parts
            if not (has_own and read.startswith("token=")) and read != f"token={token}"
        )
    joined = f"{path}?{query}" if query else path
    return percent_encoded(joined.replace("#", "%23"))


def percent_encoded(uri: str) -> str:
    """`uri` as a header held it (Latin-1), with what is not ASCII percent-encoded."""
    raw = uri.encode("latin1")
    return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in raw)


def as_utf8(value: str) -> str:
    """A header value as tornado read it (Latin-1), for a writer that encodes in UTF-8."""
    try:
        return value.encode("latin1").decode()
    except UnicodeDecodeError:
        return value


def _named_by_connection(headers: Iterable[Header]) -> frozenset[str]:
    listed = (value for name, value in headers if name.lower() == "connection")
    return frozenset(word.strip().lower() for value in listed for word in value.split(","))
