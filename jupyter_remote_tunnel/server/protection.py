"""What has to be true of this Jupyter before the outside may reach its login page."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from jupyter_server.auth.identity import PasswordIdentityProvider

from ..model.publication import Check, PublishRequest
from ..model.text import plain
from .passwords import guesses, is_guessed

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

SHORTEST_TOKEN = 24
"""Characters. Those that Jupyter makes have 48, of 16 kinds."""

_FEWEST_KINDS = 8
_SET_ONE = "Set a password: jupyter tunnel publish --set-password"
# No page of ours comes from there.
_STRANGERS = ("https://stranger.invalid", "http://stranger.invalid:8080")
_EVERYWHERE = ("", "*", "0.0.0.0", "::")  # noqa: S104 (compared, not bound)


async def protection_checks(server: "ServerApp", request: PublishRequest) -> AsyncIterator[Check]:
    """What is found, one after the other."""
    for check in await _who_enters(server, request):
        yield check
    for look in (_browsers, _address, _own_listener):
        found = look(server, request)
        if found is not None:
            yield found


async def _who_enters(server: "ServerApp", request: PublishRequest) -> list[Check]:
    provider = server.identity_provider
    if not provider.auth_enabled:
        says = "This Jupyter lets everybody in: it has no password, and its token is empty."
        return [Check("password", "failed", says, advice=_SET_ONE, remedy="password")]
    if not isinstance(provider, PasswordIdentityProvider):
        says = f"Who may enter is decided by {type(provider).__name__}, which is not looked at."
        return [Check("password", "note", says)]
    found = []
    if provider.hashed_password:
        words = guesses(request.name)
        hashed = str(provider.hashed_password)
        found.append(await _password(hashed, words))
    if provider.token:
        found.append(_token(str(provider.token)))
    return found


async def _password(hashed: str, words: tuple[str, ...]) -> Check:
    kind = plain(hashed.partition(":")[0], 20)
    if kind != "argon2":
        says = f"The password is hashed by {kind}, which who gets the hash undoes fast."
        return Check("password", "failed", says, advice=_SET_ONE, remedy="password")
    if await asyncio.to_thread(is_guessed, hashed, words):
        says = "The password is one of those that are tried first."
        return Check("password", "failed", says, advice=_SET_ONE, remedy="password")
    return Check("password", "ok", "A password is asked for, which is hashed by argon2.")


def _token(token: str) -> Check:
    if len(token) < SHORTEST_TOKEN or len(set(token)) < _FEWEST_KINDS:
        return Check(
            "token",
            "failed",
            f"The token can be guessed: it has {len(token)} characters, {len(set(token))} of them"
            " different.",
            advice=f"Leave it to Jupyter to make one, or have none. {_SET_ONE}",
            remedy="password",
        )
    return Check("token", "ok", f"The token lets in, and has {len(token)} characters.")


def _browsers(server: "ServerApp", _: PublishRequest) -> Check | None:
    """Whether pages of other sites could act for who is logged in."""
    name, wrong = "other sites", ""
    if server.disable_check_xsrf:
        wrong = "c.ServerApp.disable_check_xsrf"
    elif server.allow_origin == "*":
        wrong = "c.ServerApp.allow_origin = '*'"
    elif server.allow_origin_pat and any(
        re.match(server.allow_origin_pat, stranger) for stranger in _STRANGERS
    ):
        wrong = "c.ServerApp.allow_origin_pat"
    if wrong:
        says = f"Any web site could act for who is logged in: {wrong}."
        return Check(name, "failed", says, advice="Take it out of Jupyter's configuration.")
    allowed = server.allow_origin or server.allow_origin_pat
    if allowed:
        says = f"Pages of {plain(allowed, 200)} may act for who is logged in (allow_origin)."
        return Check(name, "note", says)
    return Check(name, "ok", "Pages of other sites cannot act for who is logged in.")


def _address(server: "ServerApp", request: PublishRequest) -> Check:
    base, prefix = server.base_url, f"{request.prefix.rstrip('/')}/"
    if request.prefix and prefix != base:
        return Check(
            "address",
            "failed",
            f"Jupyter's pages lie below {base}, not below {plain(prefix, 200)}.",
            (f"c.ServerApp.base_url = {prefix!r}",),
            advice="Put that line into jupyter_server_config.py and start Jupyter again, or leave"
            " the prefix out.",
        )
    says = f"It will be found at https://{request.authority}{base}"
    return Check("address", "ok", says)


def _own_listener(server: "ServerApp", _: PublishRequest) -> Check | None:
    is_everywhere = not server.sock and server.ip in _EVERYWHERE
    if is_everywhere and not (server.certfile or server.ssl_options):
        return Check(
            "own port",
            "note",
            f"Published or not, this Jupyter listens on port {server.port} of every interface,"
            " without TLS.",
            advice="c.ServerApp.ip = 'localhost' is enough for what is published here.",
        )
    return None
