"""Cookie and Set-Cookie headers, taken apart as far as the views must and never re-encoded.

Whose cookies are sent to an application's host name? Its own, and whatever they are called: a
remote Jupyter needs its `_xsrf` and `username-…`, and scripts read them by name, so they are
neither dropped nor renamed. Jupyter's are of another host, and stay there: a cookie of `localhost`
or `127.0.0.1` is for that host alone, also with `Domain=localhost`, which browsers take for a
public suffix like `com`. For the same reason no page here can set one for Jupyter's host. (Both are
tried in a real browser by the tests.) Below a domain in DNS that holds where Jupyter's name lies
in another site, and elsewhere there is no view: `model.app_domain`. There applications can give one
another cookies, so ours has a name that browsers take from its very host alone (`__Host-`).

So cookies pass as they are, but for three things: none may have the name of ours, none that the
application sets may reach beyond its host, and in a frame each must say that it is partitioned, or
the browser drops it as third-party.
"""

import re
from collections.abc import Iterator

_OURS = re.compile(r"(?:__Host-)?remote-tunnel-\d+", re.IGNORECASE)
_FRAME_ATTRIBUTES = frozenset({"samesite", "secure", "partitioned"})


def of_view(port: int, scheme: str) -> str:
    """The name of the cookie that lets a browser in.

    Cookies do not tell ports apart; with the port, two servers do not displace each other's.
    """
    return f"{'__Host-' if scheme == 'https' else ''}remote-tunnel-{port}"


def is_ours(name: str) -> bool:
    """Whether a cookie of this name lets a browser in, here or at another server of the user."""
    return _OURS.fullmatch(name) is not None


def pairs(header: str) -> Iterator[tuple[str, str]]:
    """(name, whole "name=value" text) of each cookie in a Cookie header."""
    for part in header.split(";"):
        text = part.strip()
        if text:
            yield text.partition("=")[0].strip(), text


def values(header: str, name: str) -> list[str]:
    """All values of the cookie `name`; a page can add more of them with other paths."""
    return [text.partition("=")[2] for found, text in pairs(header) if found == name]


def for_remote(header: str) -> str:
    """The Cookie header without ours; "" if nothing is left."""
    return "; ".join(text for name, text in pairs(header) if not is_ours(name))


def for_browser(set_cookie: str, *, framed: bool) -> str | None:
    """A Set-Cookie header as it may reach the browser, or None if it may not."""
    cookie, *attributes = set_cookie.split(";")
    named = {text.partition("=")[0].strip().lower(): text for text in attributes}
    # Of a cookie without a name browsers send the value alone, in which another = makes a name.
    sent = cookie.strip().removeprefix("=")
    if is_ours(sent.partition("=")[0].strip()) or "domain" in named:
        return None
    if not framed:
        return set_cookie
    kept = [text for key, text in named.items() if key not in _FRAME_ATTRIBUTES]
    return ";".join([cookie, *kept, " SameSite=None", " Secure", " Partitioned"])
