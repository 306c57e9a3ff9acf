"""Going the way that a browser will go, to see whether it leads here and lets through what Jupyter
needs: an upload, a websocket, an answer that comes in parts.

What the other end says is data: it is quoted, capped and plain. (aiohttp takes a quarter of a
second to import: import this module when something is to be published.)
"""

import asyncio
import contextlib
import io
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from http import HTTPStatus

import aiohttp
from yarl import URL

from ..model.app_domain import AppDomain
from ..model.errors import cause
from ..model.publication import HTTPS, MARK, Check, Remedy
from ..model.text import plain
from .checking_certificates import check_presented
from .names import about_apps
from .proofs import proof

UPLOAD = 2 << 20
"""Bytes. Over the limit that nginx has unless it is told another."""

_SECONDS = 20.0
_STREAM_SECONDS = 5.0
_LONGEST = 4096

# What the web server itself says where it has nobody to ask, or is asked too often.
_OF_THE_WEB_SERVER = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


@dataclass(frozen=True)
class Way:
    """A way to be tried: where the probes are answered, and by which name of the host.

    :param url: of the probes, without a slash at the end ("https://…/NONCE").
    :param nonce: the probe's name; the answer has to hold its `proof`.
    :param host: the Host header that has to arrive.
    :param verified: whether the certificate has to be one that browsers trust.
    :param proxied: whether a web server stands in between, with a site of ours.
    """

    url: str
    nonce: str
    host: str
    verified: bool
    proxied: bool

    @property
    def ssl(self) -> ssl.SSLContext:
        """How its TLS is looked at."""
        context = ssl.create_default_context()
        if not self.verified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def remedy(self) -> Remedy:
        """What is to be changed where the way does not let something through."""
        return "site" if self.proxied else ""


async def checks(way: Way) -> AsyncIterator[Check]:
    """What is found on the way, one after the other; only the first one, if it leads elsewhere."""
    connector = aiohttp.TCPConnector(ssl=way.ssl, force_close=True)
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        reached = await _reach(session, way)
        yield reached
        if reached.verdict == "failed":
            return
        for name, ask in _NEEDS:
            yield await _need(name, ask, session, way)


async def check_apps(way: Way, domain: AppDomain) -> tuple[Check, bool]:
    """As `checks`, of the name of an application, in one line; and whether it leads here."""
    host, port = str(URL(way.url).host), URL(way.url).port or HTTPS
    async for found in checks(way):
        if found.verdict == "failed":
            says = found.says.replace(host, domain.wildcard)
            return about_apps(replace(found, name="applications", says=says)), False
    says = f"https://{domain.wildcard} leads here: applications have names of their own"
    if way.verified or (await check_presented(host, port, host)).verdict != "failed":
        return Check("applications", "ok", f"{says}."), True
    advice = (
        "Whoever goes on in spite of a browser's warning does so for Jupyter's name alone, and sees"
        " applications in sandboxed pages."
    )
    says = f"{says}, only in browsers that trust this certificate."
    return Check("applications", "note", says, advice=advice), True


async def is_answered(url: str, *, by_any: bool) -> bool:
    """Whether an outside server of this package answers there already; `url` as in `Way`.

    :param by_any: whether any answer counts that is not the web server's own, that it has nobody to
        ask: a Jupyter that is pulled answers itself.
    """
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, ssl=False, allow_redirects=False) as answer,
        ):
            said = (await answer.content.read(_LONGEST)).decode(errors="replace")
            is_ours = answer.status == HTTPStatus.NOT_FOUND and said.strip() == MARK
            return is_ours or (by_any and answer.status not in _OF_THE_WEB_SERVER)
    except (aiohttp.ClientError, OSError):
        return False


# Whether it leads here.


async def _reach(session: aiohttp.ClientSession, way: Way) -> Check:
    try:
        async with session.get(way.url, allow_redirects=False) as answer:
            said = (await answer.content.read(_LONGEST)).decode(errors="replace")
            return _judged(way, answer.status, answer.headers.get("Location", ""), said)
    except aiohttp.ClientSSLError:
        host, port = str(URL(way.url).host), URL(way.url).port or HTTPS
        return await check_presented(host, port, host, insist=not way.verified)
    except aiohttp.ClientConnectorDNSError as error:
        return Check(
            "way in",
            "failed",
            f"The name of {way.host} does not lead to an address: {cause_of(error)}.",
            advice="Have an address entered for it in the DNS.",
        )
    except (aiohttp.ClientError, OSError) as error:
        where = "the gateway's web server" if way.proxied else "anything"
        return Check(
            "way in",
            "failed",
            f"{way.host} was not reached from here: {cause_of(error)}.",
            advice=f"Does {where} listen there, and does a firewall let it pass?",
            remedy=way.remedy,
        )


def _judged(way: Way, status: int, location: str, said: str) -> Check:
    try:
        seen = json.loads(said)
    except (ValueError, RecursionError):
        seen = None
    if not isinstance(seen, dict) or seen.get("proof") != proof(way.nonce):
        return _elsewhere(way, status, location, said)
    arrived = str(seen.get("host"))
    if arrived.lower() not in (way.host.lower(), f"{way.host.lower()}:443"):
        return Check(
            "way in",
            "failed",
            f"The name “{plain(arrived, 100)}” arrives here in place of {way.host}.",
            advice="The web server has to pass on the Host header as it came: in nginx,"
            " proxy_set_header Host $http_host;",
            remedy=way.remedy,
        )
    if way.proxied and not seen.get("address_known"):
        return Check(
            "way in",
            "note",
            f"https://{way.host} leads here, but does not say who asks.",
            advice="In nginx: proxy_set_header X-Forwarded-For $remote_addr;",
            remedy=way.remedy,
        )
    if not seen.get("address_known"):
        return Check(
            "way in",
            "note",
            f"https://{way.host} leads here, but the gateway does not say who connects: the logins"
            " of all are counted together.",
        )
    return Check("way in", "ok", f"https://{way.host} leads here.")


def _elsewhere(way: Way, status: int, location: str, said: str) -> Check:
    quoted = f"{status}, “{plain(' '.join(said.split()), 120)}”"
    if said.strip() == MARK:
        says = f"{way.host} leads to another Jupyter that is published under this name."
        return Check("way in", "failed", says, advice="End that one, or choose another name.")
    if way.proxied and status in (502, 503, 504):
        return Check(
            "way in",
            "failed",
            f"The web server of {way.host} does not reach what leads here ({status}).",
            advice="Does its site name the same socket or port, and may its user connect to that?"
            " Its error log says more.",
            remedy=way.remedy,
        )
    if location:
        quoted = f"{status}, to “{plain(location, 120)}”"
    return Check(
        "way in",
        "failed",
        f"https://{way.host} leads elsewhere: it answers {quoted}.",
        advice="Is the site installed, and does the web server use it since?"
        if way.proxied
        else "",
        remedy=way.remedy,
    )


# What Jupyter needs.

_Ask = Callable[[aiohttp.ClientSession, Way], Awaitable[str]]


class _Hindered(Exception):
    """What is wrong, and what to do."""

    def __init__(self, says: str, advice: str) -> None:
        super().__init__(says)
        self.says, self.advice = says, advice


async def _need(name: str, ask: _Ask, session: aiohttp.ClientSession, way: Way) -> Check:
    try:
        return Check(name, "ok", await ask(session, way))
    except _Hindered as error:
        return Check(name, "failed", error.says, advice=error.advice, remedy=way.remedy)
    except (aiohttp.ClientError, OSError) as error:
        says = f"This did not pass on the way through {way.host}: {cause_of(error)}."
        return Check(name, "failed", says, remedy=way.remedy)


async def _upload(session: aiohttp.ClientSession, way: Way) -> str:
    async with session.post(way.url, data=io.BytesIO(bytes(UPLOAD))) as answer:
        said = await answer.content.read(_LONGEST)
    if answer.status != 200 or said != str(UPLOAD).encode():
        raise _Hindered(
            f"An upload of {UPLOAD >> 20} MB does not pass ({answer.status}).",
            "In nginx: client_max_body_size 0;",
        )
    return f"An upload of {UPLOAD >> 20} MB passes."


async def _websocket(session: aiohttp.ClientSession, way: Way) -> str:
    advice = (
        "In nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;"
        ' proxy_set_header Connection "upgrade";'
    )
    try:
        async with session.ws_connect(f"{way.url}/socket", max_msg_size=_LONGEST) as socket:
            await socket.send_str(way.nonce)
            heard = await socket.receive_str()
    except (aiohttp.WSServerHandshakeError, TypeError) as error:
        status = getattr(error, "status", "closed")
        raise _Hindered(f"Websockets do not pass ({status}): no kernel would.", advice) from None
    if heard != way.nonce:
        raise _Hindered("A websocket says something else than it was told.", advice)
    return "Websockets pass."


async def _stream(session: aiohttp.ClientSession, way: Way) -> str:
    first = b""
    # A web server that holds it back holds back its head, too.
    with contextlib.suppress(TimeoutError):
        async with (
            asyncio.timeout(_STREAM_SECONDS),
            session.get(f"{way.url}/stream") as answer,
        ):
            first = await answer.content.readline()
            async with session.get(f"{way.url}/release") as released:
                await released.read()
    if first != b"first\n":
        raise _Hindered(
            "An answer is held back until it is complete.", "In nginx: proxy_buffering off;"
        )
    return "Answers come as they are made."


_NEEDS: tuple[tuple[str, _Ask], ...] = (
    ("uploads", _upload),
    ("websockets", _websocket),
    ("streaming", _stream),
)


def cause_of(error: BaseException) -> str:
    """Why a request has failed, without a full stop."""
    if isinstance(error, TimeoutError):
        return f"no answer in {_SECONDS:g} s"
    inner = getattr(error, "os_error", error)
    reason = cause(inner) if isinstance(inner, OSError) else str(inner) or type(inner).__name__
    return plain(reason, 200).rstrip(".")
