"""Host names of the origin view: identifiers, which grant nothing.

A name is stable for a remote host key and a destination, so that an application finds its own
storage again, and is derived with a secret of the user, so that it tells nobody which host it is.
They lie below localhost, and for browsers on other machines below a domain of the user's.
"""

import base64
import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher
from typing_extensions import override

from ...model.app_domain import LABEL, AppDomain
from .upstream import Upstream

LOCAL = AppDomain("", "", "localhost")
"""On the browser's own machine. Other names below it are none of ours."""

LEAD_HERE = "jupyter_remote_tunnel_names_lead_here"
"""A setting of the web application, as a request sees it: says whether names below the user's
domain lead to where it came in. Without it, they do."""

_LABEL = re.compile(LABEL)
_PROBE = re.compile(r"probe-[a-z0-9]{1,40}")


def host_of(request: HTTPServerRequest) -> str:
    """The host name that a request is for, as DNS has it."""
    return request.host_name.removesuffix(".")


class Names:
    """Which names are of applications. `domain` is that of the user, once their settings are
    known.
    """

    domain: AppDomain | None = None

    def domain_of(self, host: str) -> AppDomain | None:
        """The domain below which a name of ours lies. All below the user's is: if Jupyter answered
        there, the pages of applications could give it cookies.
        """
        local = LOCAL.identifier(host) or ""
        if _LABEL.fullmatch(local) or _PROBE.fullmatch(local):
            return LOCAL
        return self.domain if self.domain is not None and self.domain.covers(host) else None

    def is_probe(self, host: str) -> bool:
        """Whether a name of ours is there to be tried, and has no application."""
        domain = self.domain_of(host)
        identifier = domain.identifier(host) if domain is not None else None
        return _PROBE.fullmatch(identifier or "") is not None


class OurNames(Matcher):
    """Requests to names of ours: those to be tried, or all."""

    def __init__(self, names: Names, *, probes: bool) -> None:
        self._names = names
        self._probes = probes

    @override
    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        of = self._names.is_probe if self._probes else self._names.domain_of
        return {} if of(host_of(request)) else None


class Labels:
    """The labels of one user; the secret is made when first needed, in `key_file` (0600)."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._key: bytes | None = None

    def of(self, upstream: Upstream) -> str:
        """The label of an application: "a" and 20 characters."""
        if self._key is None:
            self._key = _read_or_make(self._key_file)
        host = upstream.host_key or upstream.host
        message = f"{host}\n{upstream.destination}".encode()
        digest = hmac.digest(self._key, message, hashlib.sha256)
        return "a" + base64.b32encode(digest).decode().lower()[:20]


def _read_or_make(path: Path) -> bytes:
    """The secret in `path`, 32 bytes; made there if it is missing."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(32))
    draft.replace(path)
    return path.read_bytes()
