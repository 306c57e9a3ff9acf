"""What has to be true of this Jupyter before the outside may reach its login page, and what changes
it where it is not.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

from jupyter_server.auth.identity import PasswordIdentityProvider

from ..model.publication import Check, PublishRequest
from ..model.text import plain
from ..publish.tokens import check_token
from . import changes
from .passwords import guesses, is_guessed

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

# No page of ours comes from there.
_STRANGERS = ("https://stranger.invalid", "http://stranger.invalid:8080")
# What was found, and the setting (of `changes`) that makes it fail, or "".
_Found = tuple[Check, str]

_EVERYWHERE = ("", "*", "0.0.0.0", "::")  # noqa: S104 (compared, not bound)


async def protection_checks(server: "ServerApp", request: PublishRequest) -> AsyncIterator[Check]:
    """What is found, one after the other."""
    for check in await _who_enters(server, request):
        yield check
    for look in (_token, _browsers, _address, _own_listener):
        found = look(server, request)
        if found is not None:
            check, setting = found
            yield await _mendable(server, request, check, setting) if setting else check


async def _mendable(
    server: "ServerApp", request: PublishRequest, check: Check, setting: str
) -> Check:
    """A check that a setting makes fail, with the change that mends it or where to make that."""
    found = await asyncio.to_thread(changes.look, server, setting, request.prefix)
    if isinstance(found, str):
        return replace(check, advice=f"{found} {check.advice}".strip())
    return replace(check, remedy="setting", change=found)


async def _who_enters(server: "ServerApp", request: PublishRequest) -> list[Check]:
    provider = server.identity_provider
    if not provider.auth_enabled:
        says = "This Jupyter lets everybody in: it has no password, and its token is empty."
        return [Check("password", "failed", says, remedy="password")]
    if not isinstance(provider, PasswordIdentityProvider):
        says = f"Who may enter is decided by {type(provider).__name__}, which is not looked at."
        return [Check("password", "note", says)]
    found = []
    if provider.hashed_password:
        words = guesses(request.name)
        hashed = str(provider.hashed_password)
        found.append(await _password(hashed, words))
    return found


async def _password(hashed: str, words: tuple[str, ...]) -> Check:
    kind = plain(hashed.partition(":")[0], 20)
    if kind != "argon2":
        says = f"The password is hashed by {kind}, which who gets the hash undoes fast."
        return Check("password", "failed", says, remedy="password")
    if await asyncio.to_thread(is_guessed, hashed, words):
        says = "The password is one of those that are tried first."
        return Check("password", "failed", says, remedy="password")
    return Check("password", "ok", "A password is asked for, which is hashed by argon2.")


def _token(server: "ServerApp", _: PublishRequest) -> _Found | None:
    provider = server.identity_provider
    if not isinstance(provider, PasswordIdentityProvider) or not provider.token:
        return None
    check = check_token(str(provider.token))
    return check, changes.TOKEN if check.verdict == "failed" else ""


def _browsers(server: "ServerApp", _: PublishRequest) -> _Found:
    """Whether pages of other sites could act for users who are logged in."""
    name = "other sites"
    takes_any = server.allow_origin_pat and any(
        re.match(server.allow_origin_pat, stranger) for stranger in _STRANGERS
    )
    wrong = {
        changes.DISABLE_CHECK_XSRF: server.disable_check_xsrf,
        changes.ALLOW_ORIGIN: server.allow_origin == "*",
        changes.ALLOW_ORIGIN_PAT: takes_any,
    }
    if settings := [setting for setting, is_wrong in wrong.items() if is_wrong]:
        lines = [f"c.{one}" + " = '*'" * (one == changes.ALLOW_ORIGIN) for one in settings]
        says = f"Any web site could act for users who are logged in: {', '.join(lines)}."
        return Check(name, "failed", says), settings[0]
    allowed = server.allow_origin or server.allow_origin_pat
    if allowed:
        says = f"Pages of {plain(allowed, 200)} may act for users who are logged in (allow_origin)."
        return Check(name, "note", says), ""
    return Check(name, "ok", "Pages of other sites cannot act for users who are logged in."), ""


def _address(server: "ServerApp", request: PublishRequest) -> _Found:
    base, prefix = server.base_url, f"{request.prefix.rstrip('/')}/"
    if request.prefix and prefix != base:
        says = f"Jupyter's pages lie below {base}, not below {plain(prefix, 200)}."
        line = f"c.ServerApp.base_url = {prefix!r}"
        advice = "Or leave the prefix out."
        return Check("address", "failed", says, (line,), advice), changes.BASE_URL
    says = f"It will be found at https://{request.authority}{base}"
    return Check("address", "ok", says), ""


def _own_listener(server: "ServerApp", _: PublishRequest) -> _Found | None:
    is_everywhere = not server.sock and server.ip in _EVERYWHERE
    if is_everywhere and not (server.certfile or server.ssl_options):
        says = (
            f"Published or not, this Jupyter listens on port {server.port} of every interface,"
            " without TLS."
        )
        advice = "c.ServerApp.ip = 'localhost' is enough for what is published here."
        return Check("own port", "note", says, advice=advice), ""
    return None
