"""What has to be true of a Jupyter on another host before the outside may reach its login page.

It is asked, through a forward that leads to it: what the host's files say of it may be wrong. Its
token goes there and nowhere else. What it answers is data: capped and plain.
"""

import asyncio
import json
import shlex
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from ..apps.jupyter_files import FoundJupyter
from ..apps.jupyter_password import PasswordHash
from ..apps.jupyters import Found
from ..model.address import TcpAddress
from ..model.errors import Fatal
from ..model.publication import Check, PublishRequest
from ..model.text import plain
from ..publish.probing import cause_of
from ..publish.tokens import check_token
from .passwords import guesses, is_guessed

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

_SECONDS = 20.0
_LONGEST = 4096
_NAMED = 5  # of the Jupyters there, in one message
_ITSELF = "127.0.0.1"  # a Host that every Jupyter takes
_STRANGER = "https://stranger.invalid"  # no page of ours comes from there
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.FOUND)
_CONFIG = "~/.jupyter/jupyter_server_config.py"


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: "CIMultiDictProxy[str]"
    said: str


class PulledJupyter:
    """Asks one.

    :param found: where it is, and what leads into it.
    :param socket: the path of the socket here that leads there.
    :param host: what that host is called.
    :param hashes: of its password, as far as they could be read there.
    """

    def __init__(
        self,
        found: FoundJupyter,
        socket: str,
        request: PublishRequest,
        host: str,
        hashes: tuple[PasswordHash, ...] = (),
    ) -> None:
        self._found = found
        self._socket = socket
        self._request = request
        self._host = host
        self._hashes = hashes

    async def checks(self) -> AsyncIterator[Check]:
        """What is found, one after the other; only the first one, if no Jupyter answers."""
        connector = aiohttp.UnixConnector(path=self._socket, force_close=True)
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, cookie_jar=jar
        ) as session:
            self._session = session
            try:
                async for check in self._asked():
                    yield check
            except (aiohttp.ClientError, OSError, ValueError) as error:
                where = plain(self._found.server.destination)
                why = cause_of(error)
                says = f"What listens at {where} on {self._host} does not answer: {why}."
                yield Check("jupyter", "failed", says, advice="Is it still running?")

    async def _asked(self) -> AsyncIterator[Check]:
        answers = await self._answers()
        yield answers
        if answers.verdict == "failed":
            return
        yield await self._lets_in()
        if self._found.token:
            yield await self._token()
        takes_name = await self._takes_name()
        yield takes_name
        yield await self._other_sites()
        yield self._address()
        if isinstance(self._found.address, TcpAddress):
            yield self._port(self._found.address.port)
        if not self._found.token:
            return
        # Who refuses the name refuses its websockets, whatever page they are of.
        pages = await self._pages() if takes_name.verdict != "failed" else None
        for check in (pages, await self._web_server()):
            if check is not None:
                yield check

    async def _ask(
        self, path: str, host: str = _ITSELF, *, method: str = "GET", **headers: str
    ) -> _Answer:
        """Ask it for `path` below its base_url."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.request(
            method, self._url(path), headers={"Host": host, **named}, allow_redirects=False
        ) as answer:
            said = (await answer.content.read(_LONGEST)).decode(errors="replace")
            return _Answer(answer.status, answer.headers, said)

    def _url(self, path: str) -> URL:
        return URL(f"http://{_ITSELF}{self._found.base_url}{path}", encoded=True)

    @property
    def _authorization(self) -> str:
        return f"token {self._found.token}"

    # The checks.

    async def _answers(self) -> Check:
        server = self._found.server
        where = f"at {plain(server.destination)} on {self._host}"
        version = _version(await self._ask("api"))
        if version is None:
            says = f"What listens {where} does not answer as a Jupyter below {self._base}."
            return Check("jupyter", "failed", says, advice="Start that Jupyter again.")
        says = f"Jupyter Server {version} runs {where}, in {plain(server.root_dir)}."
        return Check("jupyter", "ok", says)

    async def _lets_in(self) -> Check:
        """Whether it asks who comes for anything. Its file may say what is not so."""
        name, files, user = "password", await self._ask("api/contents"), await self._ask("api/me")
        if HTTPStatus.OK in (files.status, user.status):
            return Check(
                name,
                "failed",
                f"The Jupyter on {self._host} lets everybody in: it has no password, and its token"
                " is empty.",
                advice=self._to_set,
            )
        if files.status not in _REFUSED:
            says = f"Whether it asks for a password is not known: it answers {files.status}."
            return Check(name, "failed", says, advice=f"Its log on {self._host} says more.")
        words = guesses(self._request.name, self._host)
        for one in self._hashes:
            if await asyncio.to_thread(is_guessed, one.hashed, words):
                says = f"Its password ({one.file}) is one of those that are tried first."
                return Check(name, "failed", says, advice=self._to_set)
        if self._found.token:
            return Check(name, "ok", "Visitors without its token or password are refused.")
        refused = "Visitors without its password are refused."
        if self._hashes:
            return Check(name, "ok", f"{refused} It is none of those that are tried first.")
        return Check(
            name,
            "note",
            f"{refused} Whether that can be guessed is not known, as its hash is not found there.",
            advice=self._to_set,
        )

    async def _token(self) -> Check:
        """Whether its token is the one that its file names, and can be guessed."""
        answer = await self._ask("api/me", Authorization=self._authorization)
        if answer.status in _REFUSED:
            says = "It does not take the token that its file names."
            return Check("token", "failed", says, advice=self._again)
        found = check_token(self._found.token)
        if found.verdict == "ok":
            return found
        says = found.says.replace("The token", f"The token of the Jupyter on {self._host}")
        return replace(found, says=says, advice=self._to_drop_token)

    async def _takes_name(self) -> Check:
        """Whether it answers to the public name, through whatever stands in front of it."""
        name, authority = self._request.name, self._request.authority
        answer = await self._ask("api", authority, X_Forwarded_Proto="https")
        if _version(answer) is not None:
            return Check("host name", "ok", f"It answers to the name {name}.")
        if answer.status != HTTPStatus.FORBIDDEN:
            says = f"It does not answer to the name {name}, but {answer.status}."
            return Check("host name", "failed", says, advice=f"Its log on {self._host} says more.")
        return Check(
            "host name",
            "failed",
            f"It refuses the name {name}: it takes requests to its own host alone.",
            (f"c.ServerApp.local_hostnames = ['localhost', '{name}']",),
            self._to_change,
        )

    async def _other_sites(self) -> Check:
        """Whether pages of other sites could act for users who are logged in."""
        name, wrong = "other sites", []
        answer = await self._ask("login", Origin=_STRANGER)
        allowed = answer.headers.get("Access-Control-Allow-Origin", "")
        if allowed in ("*", _STRANGER):
            wrong.append("allow_origin or allow_origin_pat")
        # Without `_xsrf` it is refused before anybody looks for a password in it.
        login = await self._ask("login", method="POST")
        if login.status in (HTTPStatus.OK, HTTPStatus.FOUND, HTTPStatus.UNAUTHORIZED):
            wrong.append("disable_check_xsrf")
        if wrong:
            says = f"Any web site could act for users who are logged in: {', '.join(wrong)}."
            advice = f"Take that out of {_CONFIG} on {self._host}. {self._again}"
            return Check(name, "failed", says, advice=advice)
        if allowed:
            pages = f"Pages of {plain(allowed, 200)}"
            says = f"{pages} may act for users who are logged in (allow_origin)."
            return Check(name, "note", says)
        return Check(name, "ok", "Pages of other sites cannot act for users who are logged in.")

    def _address(self) -> Check:
        prefix = f"{self._request.prefix.rstrip('/')}/"
        if self._request.prefix and prefix != self._found.base_url:
            return Check(
                "address",
                "failed",
                f"Its pages lie below {self._base}, not below {plain(prefix, 200)}.",
                (f"c.ServerApp.base_url = {prefix!r}",),
                f"{self._to_change} Or leave the prefix out.",
            )
        says = f"It will be found at https://{self._request.authority}{self._base}"
        return Check("address", "ok", says)

    def _port(self, port: int) -> Check:
        return Check(
            "port",
            "note",
            f"When it ends, another user of {self._host} can take its port {port}, and visitors"
            " meet them until that is noticed, a moment later.",
            advice="Nobody can take a Unix socket in a folder that only you can enter: start it"
            " with --sock and a path there.",
        )

    async def _pages(self) -> Check | None:
        """Whether its websockets take pages of the name; None where that cannot be tried."""
        origin = f"https://{self._request.authority}"
        headers = {
            "Host": self._request.authority,
            "Origin": origin,
            "X-Forwarded-Proto": "https",
            "Authorization": self._authorization,
        }
        try:
            async with self._session.ws_connect(
                self._url("api/events/subscribe"), headers=headers, max_msg_size=_LONGEST
            ):
                says = f"Its websockets take pages of {origin}."
                return Check("pages", "ok", says)
        except aiohttp.WSServerHandshakeError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None  # it has none there
            says = f"Its websockets refuse pages of {origin} ({error.status})."
            line = f"c.ServerApp.allow_origin = '{origin}'"
            return Check("pages", "failed", says, (line,), self._to_change)

    async def _web_server(self) -> Check | None:
        """Whether it believes the web server in front; None where it does not tell."""
        answer = await self._ask(
            "api/me", Authorization=self._authorization, X_Forwarded_Proto="https"
        )
        cookies = answer.headers.getall("Set-Cookie", [])
        if answer.status != HTTPStatus.OK or not cookies:
            return None
        if all("secure" in map(str.strip, cookie.lower().split(";")) for cookie in cookies):
            says = "It believes the web server in front, who asks and by what."
            return Check("visitors", "ok", says)
        return Check(
            "visitors",
            "note",
            "It does not believe the web server in front: its log does not say who asks, and its"
            " login is not kept to https.",
            ("c.ServerApp.trust_xheaders = True",),
            self._to_change,
        )

    # Words.

    @property
    def _base(self) -> str:
        return plain(self._found.base_url, 200)

    @property
    def _to_change(self) -> str:
        return f"Put that line into {_CONFIG} on {self._host}. {self._again}"

    @property
    def _to_set(self) -> str:
        return f"Set a good one: jupyter tunnel jupyter {self._host} --set-password. {self._again}"

    @property
    def _to_drop_token(self) -> str:
        setting = f"IdentityProvider.token; {_CONFIG}, JUPYTER_TOKEN"
        if self._found.keeper is not None:
            return f"Take it out there ({setting}): Jupyter makes a good one then. {self._again}"
        address = self._found.address
        place = (
            str(address.port)
            if isinstance(address, TcpAddress)
            else shlex.quote(plain(address.path, 300))
        )
        return (
            f"On {self._host}: jupyter server stop {place}. Start it again there without that token"
            f" ({setting}): Jupyter makes a good one then."
        )

    @property
    def _again(self) -> str:
        """How it is started again."""
        if self._found.keeper is None:
            return "End that Jupyter, and start it again as it was started."
        host = self._host
        return (
            f"Start it again: jupyter tunnel jupyter {host} --stop; jupyter tunnel jupyter"
            f" {host} --start --keep"
        )


def _version(answer: _Answer) -> str | None:
    """What a Jupyter says of itself to everybody; None if this is none."""
    try:
        said: Any = json.loads(answer.said)
    except (ValueError, RecursionError):
        return None
    version = said.get("version") if isinstance(said, dict) else None
    is_one = answer.status == HTTPStatus.OK and isinstance(version, str)
    return plain(str(version), 40) if is_one else None


def same_or_next(
    there: Found, before: FoundJupyter, beside: Collection[int], called: str
) -> FoundJupyter:
    """The Jupyter from before, or the one that was started in its place. Others are nobody's to
    show, whatever their port: their owner has not asked for it.

    :param there: what runs now.
    :param beside: pids of others that ran when that one was last seen.
    :param called: the host.
    :raises RemoteTunnelError: it is none of these, or which one is not known.
    """
    was = before.server
    for one in there.jupyters:
        if (one.server.pid, one.server.destination) == (was.pid, was.destination):
            return one
    if there.problems and not there.jupyters:
        raise there.problems[0]
    later = [
        one
        for one in there.jupyters
        if one.server.root_dir == was.root_dir
        and one.server.ends_with_tunnel == was.ends_with_tunnel
        and one.server.pid not in beside
    ]
    # Of two, one may lie below another path.
    fitting = [one for one in later if one.base_url == before.base_url and not one.secure] or later
    if len(fitting) == 1:
        return fitting[0]
    shown = f"Jupyter on {called} that was shown, at {was.destination}"
    if fitting:
        listed = ", ".join(one.server.destination for one in fitting[:_NAMED])
        raise Fatal(
            f"Several Jupyters may have taken the place of the {shown}: {listed}.",
            code="conflict",
            hint=f"End all but one. On {called}: jupyter server stop PORT",
        )
    how = " by --start, without --keep" if was.ends_with_tunnel else ""
    raise Fatal(
        f"The {shown}, has ended.",
        code="not_found",
        hint=f"What is started there now{how}, in {was.root_dir}, takes its place. To show another"
        " one, end this, and name it by its port or its socket: --jupyter PORT",
    )
