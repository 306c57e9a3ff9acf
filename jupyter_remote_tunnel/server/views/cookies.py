"""Cookie and Set-Cookie headers, taken apart as far as the views must and never re-encoded.

An application's cookies pass as they are, but for three things: none may have a name of Jupyter's
or of ours, none may reach beyond its host, and in a frame each must say that it is partitioned,
or the browser drops it as third-party.
"""

from collections.abc import Callable, Iterator

Reserved = Callable[[str], bool]
"""Whether a cookie's name is taken: by Jupyter, JupyterHub or these views."""


def is_jupyters(name: str) -> bool:
    """Whether Jupyter or JupyterHub use this name for a login, a session or a form check."""
    folded = name.lower()
    return folded == "_xsrf" or folded.startswith(("username-", "jupyterhub-", "jupyter-hub-"))


def pairs(header: str) -> Iterator[tuple[str, str]]:
    """(name, whole "name=value" text) of each cookie in a Cookie header."""
    for part in header.split(";"):
        text = part.strip()
        if text:
            yield text.partition("=")[0].strip(), text


def values(header: str, name: str) -> list[str]:
    """All values of the cookie `name`; a page can add more of them with other paths."""
    return [text.partition("=")[2] for found, text in pairs(header) if found == name]


def for_remote(header: str, reserved: Reserved) -> str:
    """The Cookie header without reserved names; "" if nothing is left."""
    return "; ".join(text for name, text in pairs(header) if not reserved(name))


def for_browser(set_cookie: str, reserved: Reserved, *, framed: bool) -> str | None:
    """A Set-Cookie header as it may reach the browser, or None if it may not.

    With a Domain it could reach other hosts, with a reserved name it could displace a login.
    """
    cookie, *attributes = set_cookie.split(";")
    named = {text.partition("=")[0].strip().lower(): text for text in attributes}
    if reserved(cookie.partition("=")[0].strip()) or "domain" in named:
        return None
    if not framed:
        return set_cookie
    kept = [text for key, text in named.items() if key not in _FRAME_ATTRIBUTES]
    return ";".join([cookie, *kept, " SameSite=None", " Secure", " Partitioned"])


_FRAME_ATTRIBUTES = frozenset({"samesite", "secure", "partitioned"})
