"""Who has logged in, as far as that can be told at the gate, and what all others may send.

Jupyter holds a body in memory, whole, before it asks who sends it. Who is known by its own cookie
or token is known before; who is not, and sends more than a login takes, is refused. A provider that
knows people in another way says so only when the body is there, as it may have to ask elsewhere:
what is sent to one of these has a bound in common, whoever sends it.
"""

import enum
import inspect
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jupyter_server.auth.identity import PasswordIdentityProvider
from tornado.httputil import HTTPInputError, HTTPMessageDelegate
from tornado.web import HTTPError, RequestHandler
from typing_extensions import override

from .passing import Passing

SMALL_BODY = 1 << 16
"""Bytes that anybody may send at once."""

ALL_UNTOLD = 128 << 20
"""Bytes beyond these that are held at a time of all of whom it is not told who they are."""

_IN_JUPYTERS_WAY = ("get_user", "_get_user", "get_user_token")


class Standing(enum.Enum):
    """What is known of the sender of a request."""

    LOGGED_IN = enum.auto()
    STRANGER = enum.auto()
    UNTOLD = enum.auto()


def standing(provider: Any, asks: RequestHandler) -> Standing:
    """That of the sender of the request of `asks`.

    :param provider: Jupyter's identity provider.
    """
    if not isinstance(provider, PasswordIdentityProvider) or not _knows_in_jupyters_way(provider):
        return Standing.UNTOLD
    try:
        by_token = provider.token and provider.get_token(asks) == provider.token
    except HTTPError:  # what stands there is no text
        by_token = False
    is_known = by_token or provider.get_user_cookie(asks) is not None
    return Standing.LOGGED_IN if is_known else Standing.STRANGER


def _knows_in_jupyters_way(provider: PasswordIdentityProvider) -> bool:
    """Whether it knows people by its cookie and its token alone, and at once."""
    mine, jupyters = type(provider), PasswordIdentityProvider
    is_own = all(getattr(mine, name) is getattr(jupyters, name) for name in _IN_JUPYTERS_WAY)
    return is_own and not inspect.iscoroutinefunction(provider.get_user_cookie)


BODY_SECONDS = {Standing.STRANGER: 60.0, Standing.UNTOLD: 600.0}
"""Until when a body has to be there. Who has logged in can take any time."""


@dataclass(eq=False)
class Visit:
    """The last request on a connection.

    :param address: of the one who asked; "" where that is not known.
    :param delegate: who answers; None before that is known, and when it is done.
    :param was_known: whether its head showed that they had logged in.
    :param tries_login: whether it is one of the few logins that are taken in a minute.
    """

    address: str
    since: datetime
    delegate: HTTPMessageDelegate | None = None
    was_known: bool = False
    tries_login: bool = False

    @property
    def is_known(self) -> bool:
        """Whether they have logged in, or were let in to an application."""
        handler = getattr(self.delegate, "handler", None)
        found = (getattr(handler, name, None) for name in ("_current_user", "admitted"))
        return self.was_known or any(one is not None for one in found)

    def end(self) -> None:
        """It is answered."""
        self.was_known = self.is_known
        self.delegate = None


class Bodies:
    """The bodies that are on their way in, of whom it is not told who they are.

    `room` is how many bytes more of them are taken.
    """

    def __init__(self) -> None:
        self.room = ALL_UNTOLD


class Counted(Passing):
    """A request whose body counts with those, but for a small one's bytes."""

    def __init__(self, request: HTTPMessageDelegate, bodies: Bodies) -> None:
        super().__init__(request)
        self._bodies = bodies
        self._size = 0
        self._counts = 0

    @override
    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self._size += len(chunk)
        more = max(0, self._size - SMALL_BODY) - self._counts
        if more > self._bodies.room:
            raise HTTPInputError("more is sent at the moment than is taken")
        self._bodies.room -= more
        self._counts += more
        return super().data_received(chunk)

    @override
    def finish(self) -> None:
        self._let_go()
        super().finish()

    @override
    def on_connection_close(self) -> None:
        self._let_go()
        super().on_connection_close()

    def _let_go(self) -> None:
        self._bodies.room += self._counts
        self._counts = 0
