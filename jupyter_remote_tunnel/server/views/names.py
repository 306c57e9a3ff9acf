"""Host names of the origin view: identifiers, which grant nothing.

A name is stable for a remote host key and a destination, so that an application finds its own
storage again, and is derived with a secret of the user, so that it tells nobody which host it is.
"""

import base64
import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from .upstream import Upstream

LABEL = re.compile(r"a[a-z2-7]{20}")
VIEW_HOSTS = rf"{LABEL.pattern}\.localhost\.?$"
PROBE_HOSTS = r"probe-[a-z0-9]{1,40}\.localhost\.?$"


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
