"""The engines that a command speaks to: found by `--server` or by themselves, started if need be.

`Engines` connects when it is asked and hangs up when its block ends; meanwhile, what its engines
ask is asked of the person who is there. A command about one tunnel looks for it in every engine of
the user.
"""

from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from ..engine.announce import Announcement
from ..engine.client import EngineClient
from ..engine.discovery import find_engine, list_engines
from ..engine.hosts import list_hosts, merged
from ..engine.messages import Client, HostList, Who
from ..model.errors import BadInput, Fatal, Transient
from ..model.spec import HostArgument
from ..model.status import TunnelStatus
from ..model.text import plain
from .answers import choice
from .questions import Desk, Face

T = TypeVar("T")

# What a kernel's environment may lack, where the package came with --no-deps.
_ENGINE_NEEDS = ("asyncssh", "msgspec")

# That die one after the other until their holder gives up.
_ENGINES = 3


class Found(NamedTuple):
    """A tunnel, and whom to ask about it."""

    tunnel: TunnelStatus
    client: EngineClient
    engine: Announcement


class Engines:
    """The engines within reach, as an async context manager.

    :param role: who asks: "shell" or "cell".
    :param server: one engine by its URL, pid or file; None leaves the choice to `discovery`.
    :param face: where who asks can be asked in turn; None where nobody can.
    :param say: shows lines of an answer before the rest is known; None where they have to wait.
    """

    def __init__(
        self,
        role: Client,
        server: str | None = None,
        face: Face | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.say = say
        self._role = role
        self._server = server
        self._face = face
        self._clients: dict[str, EngineClient] = {}
        self._desks: list[Desk] = []

    @property
    def person(self) -> Who | None:
        """Who can be asked what the hosts of a command want to know."""
        return None if self._face is None else Who()

    @property
    def server(self) -> str | None:
        """The engine that was named, if one was."""
        return self._server

    @property
    def face(self) -> Face | None:
        """Where who asks can be asked."""
        return self._face

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Hang up."""
        for desk in self._desks:
            await desk.close()
        self._desks.clear()
        for client in self._clients.values():
            await client.close()
        self._clients.clear()

    def find(self) -> Announcement:
        """The engine that is meant.

        :raises BadInput: several could be, or `server` names none.
        :raises Fatal: there is none.
        """
        return find_engine(self._server)

    async def one(self, *, start: bool = False) -> EngineClient:
        """A client of the engine that is meant.

        :param start: where none is running, start one that lives as long as it is needed.
        :raises RemoteTunnelError: as `find`, or it does not answer.
        """
        if not start:
            return await self._client(self.find())
        return await self._reached(self._found_or_started)

    async def lasting(self) -> EngineClient:
        """A client of the engine in the background, which ends with no Jupyter server and no
        log-out; of the one that is meant, where `server` names one.

        :raises RemoteTunnelError: it does not start, or does not answer.
        """
        return await (self.one() if self._server is not None else self._reached(_start))

    async def of(self, engine: Announcement) -> EngineClient:
        """A client of that engine.

        :raises RemoteTunnelError: it does not answer.
        """
        return await self._client(engine)

    async def _reached(self, find: Callable[[], Awaitable[Announcement]]) -> EngineClient:
        engine = await find()
        try:
            client = await self._client(engine)
        except Fatal:
            if engine.path.exists():
                raise
        else:
            if engine.path.exists():
                return client
        # A background engine whose last tunnel has gone: it has ended, or is about to.
        return await self._client(await find())

    async def _found_or_started(self) -> Announcement:
        try:
            return self.find()
        except Fatal as error:
            if error.code != "engine_unavailable":
                raise
            return await _start()

    async def tunnels(self, *, wake: bool = False) -> list[Found]:
        """Every tunnel of every engine, or of the one that `--server` names.

        An engine that has died, and whose holder starts another for its tunnels, is waited for.

        :param wake: ask the engines too whose process does not run and is not needed: asking starts
            it.
        """
        engines = list_engines() if self._server is None else [self.find()]
        asked = [engine for engine in engines if wake or not engine.asleep]
        return [found for engine in asked for found in await self._tunnels_of(engine)]

    async def _tunnels_of(self, engine: Announcement) -> list[Found]:
        async def ask(client: EngineClient) -> list[Found]:
            return [Found(tunnel, client, engine) for tunnel in await client.list_tunnels()]

        return await self._asked(engine, ask) or []

    async def hosts(self) -> HostList:
        """The aliases and the hosts with tunnels, as every engine lists them, or the one that
        `--server` names. For what does not run, its ssh configuration is read here.
        """
        engines = list_engines() if self._server is None else [self.find()]
        answers = [await self._hosts_of(engine) for engine in engines]
        return merged(answers) if answers else await list_hosts(None)

    async def _hosts_of(self, engine: Announcement) -> HostList:
        found = None
        if not engine.asleep:
            found = await self._asked(engine, EngineClient.list_hosts)
        return await list_hosts(engine.ssh_config) if found is None else found

    async def _asked(
        self, engine: Announcement, ask: Callable[[EngineClient], Awaitable[T]]
    ) -> T | None:
        """What an engine says; None if it has ended for good, and has no tunnels any more."""
        for _ in range(_ENGINES):
            try:
                return await ask(await self._client(engine))
            except Transient:
                pass  # it died before it answered: the next one behind that socket knows
            except Fatal:
                break
        return None

    async def tunnel(self, name: str) -> Found:
        """The tunnel of that name or id; where none has it, the one that leads to the
        `[user@]host:port` that was typed.

        :raises Fatal: `not_found`.
        :raises BadInput: `ambiguous`, there are several.
        """
        everything = await self.tunnels()
        found = _called(everything, name) or _called(await self.tunnels(wake=True), name)
        if not found:
            names = ", ".join(plain(entry.tunnel.name) for entry in everything)
            raise Fatal(
                f"There is no tunnel {plain(name)}.",
                code="not_found",
                hint=f"There are: {names}." if names else "No tunnel is open.",
            )
        if len(found) > 1:
            raise _ambiguous(name, found)
        return found[0]

    async def _client(self, engine: Announcement) -> EngineClient:
        client = self._clients.get(engine.socket)
        if client is not None and client.lost.is_set():
            await client.close()
            client = None
        if client is None:
            client = await EngineClient.connect(engine.socket, self._role)
            self._clients[engine.socket] = client
            if self._face is not None:
                self._desks.append(Desk(client, self._face))
        return client


def _called(tunnels: list[Found], typed: str) -> list[Found]:
    """Those that are meant by `typed`; several may have that name, or lead to that place."""
    named = [entry for entry in tunnels if typed in (entry.tunnel.id, entry.tunnel.name)]
    if named:
        return named
    try:
        place = HostArgument.parse(typed)
    except BadInput:
        return []  # a name that no tunnel has
    return [entry for entry in tunnels if entry.tunnel.leads_to(place)]


def _ambiguous(name: str, found: list[Found]) -> BadInput:
    if len({entry.tunnel.id for entry in found}) == len(found):
        differ = len({entry.engine.label for entry in found}) > 1
        each = [
            choice(entry.tunnel) + (f" of {entry.engine.label}" if differ else "")
            for entry in found
        ]
        hint = f"Give the id of one: {'; '.join(each)}."
    else:
        # What several servers declare alike has the same id in each of them.
        engines = "; ".join(entry.engine.label for entry in found)
        hint = f"Choose one with --server and its URL or pid: {engines}."
    return BadInput(f"Several tunnels are {plain(name)}.", code="ambiguous", hint=hint)


async def _start() -> Announcement:
    """Start a background engine.

    :raises Fatal: it does not start, or this Python has not what it needs.
    """
    from ..engine.background import start_background  # seldom needed

    missing = [name for name in _ENGINE_NEEDS if find_spec(name) is None]
    if missing:
        raise Fatal(
            f"No engine for tunnels is running, and this Python cannot start one: it has no"
            f" {' and no '.join(missing)}.",
            code="engine_unavailable",
            hint="Start JupyterLab with this extension, or run `jupyter tunnel open` beside it.",
        )
    return await start_background()
