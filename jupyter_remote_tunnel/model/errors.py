"""Errors whose class says what comes next.

`BadInput` was typed wrong and nothing was opened; `Transient` may pass, so it is retried; `Fatal`
stops and says why; `NeedsUser` waits for a person. All four travel as one JSON form over the
control socket and over REST.
"""

import os
import re
import socket
from collections.abc import Mapping
from typing import Any, TypedDict

from .text import plain

FATAL_CODES = frozenset(
    {
        "not_found",
        "conflict",
        "port_in_use",
        "not_allowed",
        "too_many",
        "host_key_unknown",
        "host_key_changed",
        "host_key_revoked",
        "auth_failed",
        "forward_refused",
        "unsupported",
        "engine_unavailable",
        "closed",
        "internal",
    }
)
TRANSIENT_CODES = frozenset(
    {
        "connect_failed",
        "connect_timeout",
        "connection_lost",
        "network_unreachable",
        "host_unresolved",
        "engine_died",
    }
)


class Where(TypedDict):
    """The part of what was typed that is wrong: `text[start:end]`, counted in characters."""

    text: str
    start: int
    end: int


class RemoteTunnelError(Exception):
    """What failed, in words for a person.

    :param message: one sentence that names the host and what failed.
    :param code: a stable word for programs, one of the codes of the subclass.
    :param hint: what to do next, or "".
    :param hop: the hop where it happened, e.g. "gw (hop 1 of 2)", or None.
    """

    default_code = "internal"

    def __init__(
        self, message: str, *, code: str | None = None, hint: str = "", hop: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint
        self.hop = hop

    @property
    def where(self) -> Where | None:
        """The part of what was typed that is wrong, if that is known."""
        return None

    def complaint(self) -> str:
        """What a person reads: what failed, where in what was typed, what to do next, in lines."""
        parts = (_shown(self.message), self.pointer(), _shown(self.hint))
        return "\n".join(part for part in parts if part)

    def pointer(self) -> str:
        """Two lines: what was typed, carets under the wrong part; "" where no part is known."""
        where = self.where
        if where is None or not where["text"].replace("\u00a0", " ").isprintable():
            return ""  # no line, or one that would do something to a terminal
        start, end = where["start"], where["end"]
        return f"{where['text']}\n{' ' * start}{'^' * max(1, end - start)}"

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return self.complaint().splitlines()

    def as_dict(self) -> dict[str, Any]:
        """The JSON form: {"code", "message", "hint", "hop", "where"}."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "hop": self.hop,
            "where": self.where,
        }


class BadInput(RemoteTunnelError):
    """What was typed is wrong. `text[start:end]` is the part that is; without `text` no part is
    known.
    """

    default_code = "bad_input"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str = "",
        hop: str | None = None,
        text: str = "",
        start: int = 0,
        end: int = 0,
    ) -> None:
        super().__init__(message, code=code, hint=hint, hop=hop)
        self.text, self.start, self.end = text, start, end

    @property
    def where(self) -> Where | None:
        if not self.text:
            return None
        return {"text": self.text, "start": self.start, "end": self.end}


class Transient(RemoteTunnelError):
    """May pass by itself: retried with back-off."""

    default_code = "connect_failed"


class Fatal(RemoteTunnelError):
    """Does not pass by itself."""

    default_code = "internal"


class NeedsUser(RemoteTunnelError):
    """Cannot go on without a person's answer."""

    default_code = "needs_user"


def _shown(text: str) -> str:
    return "\n".join(plain(line, 1000) for line in text.splitlines())


def from_dict(data: Mapping[str, Any]) -> RemoteTunnelError:
    """The error again that `as_dict` wrote; an unknown code gives `Fatal`."""
    code = str(data.get("code") or "internal")
    kind: type[RemoteTunnelError] = Fatal
    if code in ("bad_input", "ambiguous"):
        kind = BadInput
    elif code == "needs_user":
        kind = NeedsUser
    elif code in TRANSIENT_CODES:
        kind = Transient
    hop = data.get("hop")
    where = data.get("where") or {}
    return kind(
        str(data.get("message") or code),
        code=code,
        hint=str(data.get("hint") or ""),
        hop=None if hop is None else str(hop),
        **(where if kind is BadInput else {}),
    )


_NUMBERED = re.compile(r"\[Errno (\d{1,5})\]")


def cause(error: OSError | UnicodeError) -> str:
    """The system's words for an error, without a full stop. asyncio puts others in their place."""
    if isinstance(error, UnicodeError):
        return "this is no host name"
    if isinstance(error, TimeoutError) and error.errno is None:
        return "no answer"
    if isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    if error.errno is not None:
        return os.strerror(error.errno)
    # Of several addresses, each has its own.
    numbers = dict.fromkeys(map(int, _NUMBERED.findall(str(error))))
    return ", ".join(map(os.strerror, numbers)) or error.strerror or str(error)
