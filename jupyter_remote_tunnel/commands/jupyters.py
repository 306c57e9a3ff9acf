"""`jupyter`: the Jupyter servers that run on a host, listed, opened, started or ended.

Where a Jupyter server runs here, it shows the other one, and only that server is told the token.
Without, a port here leads there, and the browser is sent to it by a private file.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import NamedTuple

from ..apps.applications import applications
from ..apps.jupyter_files import FoundJupyter
from ..apps.jupyter_password import set_password
from ..apps.jupyter_start import Start, start_jupyter, stop_jupyter
from ..apps.jupyters import (
    Found,
    check_local_port,
    find,
    open_jupyter,
    port_here,
    url_here,
)
from ..engine.client import EngineClient
from ..engine.messages import Who
from ..model.command_line import parse_command
from ..model.errors import BadInput, Fatal
from ..model.forward import Bind, ForwardKind
from ..model.spec import TunnelRequest, TunnelSpec, check_name
from ..model.status import ErrorStatus, TunnelStatus
from ..model.text import plain
from . import browser
from .answers import Answer, Table, error_lines, tunnel_lines
from .engines import Engines
from .grammar import Parsed, usage
from .questions import NOT_KNOWN, new_password, told_by_ctrl_c
from .typed import from_here

_ASKS = {
    "token": "It asks for its password or token. On {host}, `jupyter server list` prints the token"
    " (for Notebook up to 6, `jupyter notebook list`).",
    "password": "It asks for its password.",
    "unknown": "It asks for a password, or for nothing.",
}
_SHORTLY = {
    "token": "password or token",
    "password": "a password",
    "unknown": "a password, or nothing",
}


async def jupyter(engines: Engines, parsed: Parsed) -> Answer:
    """`jupyter`: data is {"application", "server"} where a Jupyter server here shows it, else
    {"tunnel", "url", "server"}; with --list {"host", "jupyters": [server, …], "problems"}; with
    --set-password {"host", "tools", "others": [file, …]}; with --stop {"server", "closed":
    [tunnel, …]}.
    """
    host, destination = wanted(parsed)
    if parsed.options["stop"]:
        return await _stop(engines, host, destination)
    if parsed.options["set_password"]:
        return await _set_password(engines, host)
    if parsed.options["list"]:
        client = await engines.one(start=True)
        return _listed(await find(client, host, person=engines.person), parsed)
    url = None if parsed.options["local_port"] is not None else _server_url(engines)
    client = await engines.one(start=True)
    if url is None:
        return (await open_here(client, parsed, engines.person))[1]
    opened = await _open(client, parsed, host, destination, engines.person)
    app = applications(opened.tunnel, url)[0]
    lines = [*_opened_lines(opened), f"  {app.url}"]
    if parsed.options["browser"] and not await browser.open_page(app.url):
        lines.append("No browser was found.")
    data = {"application": asdict(app), "server": asdict(opened.found.server)}
    return Answer(data, tuple(lines))


class _Opened(NamedTuple):
    """A tunnel and whether it is new; the server that it leads to, and whether that is."""

    tunnel: TunnelStatus
    created: bool
    found: FoundJupyter
    started: bool


async def _open(
    client: EngineClient,
    parsed: Parsed,
    host: TunnelRequest,
    destination: str | None,
    person: Who | None,
    bind: Callable[[FoundJupyter], Bind] | None = None,
) -> _Opened:
    """Open a tunnel to the server that is meant, or that is started.

    :param bind: where it listens; None is a private socket.
    :raises RemoteTunnelError: it is not open.
    """
    name = parsed.options["name"]
    if parsed.options["start"]:
        start = Start(**{key: parsed.options[key] for key in ("keep", "folder", "tcp", "prelude")})
        answer = await start_jupyter(client, host, start, name=name, bind=bind, person=person)
        return _Opened(*answer)
    found = (await find(client, host, person=person)).choose(destination)
    tunnel, created = await open_jupyter(
        client, host, found, name=name, bind=bind and bind(found), person=person
    )
    return _Opened(tunnel, created, found, False)


def wanted(parsed: Parsed) -> tuple[TunnelRequest, str | None]:
    """The host, and which server of it is meant: a port, the path of a socket, or None.

    :raises BadInput: it cannot be understood.
    """
    how = f"usage: {usage(parsed.command, parsed.prog)}"
    if not parsed.words:
        raise BadInput("Give a host.", hint=how)
    does = [name for name in ("list", "set_password", "start", "stop") if parsed.options[name]]
    if len(does) > 1 or (parsed.options["foreground"] and does not in ([], ["start"])):
        raise BadInput(
            "Give one of --list, --set-password, --start and --stop; --foreground goes with"
            " --start at most.",
            hint=how,
        )
    about = [name for name in ("keep", "folder", "prelude", "tcp") if parsed.options[name]]
    if about and not parsed.options["start"]:
        raise BadInput(f"--{about[0]} says how one is started: give --start, too.", hint=how)
    spec = _host(parsed, how)
    places = [forward for forward in spec.forwards if not _is_private(forward.body)]
    if len(places) > 1 or any(place.kind is not ForwardKind.LOCAL for place in places):
        raise BadInput("Give one Jupyter server: HOST, or HOST:PORT.", hint=how)
    typed: list[str | None] = [str(place.destination) for place in places]
    if parsed.options["port"] is not None:
        typed.append(parsed.options["port"])
    if len(typed) > 1:
        raise BadInput("Give the port once: HOST:PORT, or --port.", hint=how)
    if typed and parsed.options["start"]:
        raise BadInput("One that is started chooses where it listens: give the host.", hint=how)
    name = parsed.options["name"]
    if name is not None:
        check_name(name)
    check_local_port(parsed.options["local_port"])
    return TunnelRequest(host=spec.host, ssh=from_here(spec.ssh)), (typed or [None])[0]


def _host(parsed: Parsed, how: str) -> TunnelSpec:
    """:raises BadInput: it cannot be understood; what may be a password is not shown."""
    try:
        # ssh's grammar, which wants a forward, is given one.
        return parse_command([*parsed.words, "-L", "private:localhost:1"])
    except BadInput:
        if not parsed.options["set_password"]:
            raise
        raise BadInput(
            "--set-password takes a host, as ssh does, and no password: it is asked for.", hint=how
        ) from None


def _is_private(body: str) -> bool:
    return body.startswith("private:")


def _server_url(engines: Engines) -> str | None:
    """The Jupyter server that shows it; None where none runs."""
    try:
        return engines.find().url or None
    except Fatal as error:
        if error.code != "engine_unavailable":
            raise
        return None


async def open_here(
    client: EngineClient, parsed: Parsed, person: Who | None
) -> tuple[TunnelStatus, Answer]:
    """Open a port here that leads to a server, and the browser with it.

    :raises RemoteTunnelError: it is not open.
    """
    host, destination = wanted(parsed)
    asked = parsed.options["local_port"]
    request = replace(host, on_conflict="pick" if asked is None else "fail")

    def bind(found: FoundJupyter) -> Bind:
        return port_here(host, found, asked)

    try:
        opened = await _open(client, parsed, request, destination, person, bind)
    except Fatal as error:
        if "--on-conflict" not in error.hint:
            raise
        hint = "Choose another one, or leave --local-port out to have one that is free."
        raise Fatal(error.message, code=error.code, hint=hint, hop=error.hop) from None
    tunnel, _, found, _ = opened
    url = url_here(tunnel, found)
    before = tunnel.forwards[0].streams.total

    async def used() -> bool:
        return (await client.get_tunnel(tunnel.id)).forwards[0].streams.total > before

    lines = [*_opened_lines(opened), *tunnel_lines(tunnel), f"  {url}"]
    if found.secure:
        lines.append("Its certificate is for that host: the browser may warn you of it.")
    is_shown = parsed.options["browser"] is not False and await browser.show(
        found, url, tunnel, used
    )
    if not is_shown:
        lines.append(_ASKS[found.server.protection].format(host=plain(tunnel.host)))
    data = {"tunnel": tunnel.as_dict(), "url": url, "server": asdict(found.server)}
    return tunnel, Answer(data, tuple(lines))


async def _stop(engines: Engines, host: TunnelRequest, destination: str | None) -> Answer:
    """End a server, and close what leads to it."""
    client = await engines.one(start=True)
    found, closed = await stop_jupyter(client, host, destination, person=engines.person)
    server = found.server
    where = f"{plain(server.destination)} on {plain(host.host or '')}"
    lines = (
        f"The Jupyter at {where}, in {plain(server.root_dir)}, has ended.",
        *(f"{plain(tunnel.name)} is closed." for tunnel in closed),
    )
    data = {"server": asdict(server), "closed": [tunnel.as_dict() for tunnel in closed]}
    return Answer(data, lines)


async def _set_password(engines: Engines, host: TunnelRequest) -> Answer:
    """Ask for a password, and set it there.

    :raises NeedsUser: it cannot be asked for, or is not given.
    """
    client, there = await engines.one(start=True), plain(host.host or "")
    await client.exec(host, ["true"], person=engines.person)  # what SSH asks comes before
    label = f"New password for your Jupyter servers on {there}: "
    password = await new_password(engines.face, label)
    with told_by_ctrl_c(f"{NOT_KNOWN} on {there}. Set it again."):
        done = await set_password(client, host, password, person=engines.person)
    lines = [f"The password is set on {there}, by `{'` and `'.join(done.tools)}` there."]
    if done.others:
        files = " and ".join(done.others)
        lines.append(f"But {files} there sets another one, which may count in its place.")
        lines.append("Take that out there.")
    else:
        lines.append("It counts for the Jupyter servers that are started from now on.")
    data = {"host": host.host, "tools": done.tools, "others": done.others}
    return Answer(data, tuple(lines), ok=not done.others)


def _opened_lines(opened: _Opened) -> Sequence[str]:
    tunnel, server = opened.tunnel, opened.found.server
    how = "is open" if opened.created else "was open already"
    what = "a new Jupyter" if opened.started else "Jupyter"
    where = f"{plain(server.destination)} on {plain(tunnel.host)}"
    first = f"{plain(tunnel.name)} {how}: {what} at {where}, in {plain(server.root_dir)}"
    if tunnel.ends_server:
        close = f"jupyter tunnel close {plain(tunnel.name)}"
        return [first, f"It ends with the last of its tunnels. This one is closed by: {close}"]
    if opened.started:
        end = f"jupyter tunnel jupyter {plain(tunnel.host)} --stop"
        return [first, f"It stays there when this is closed, and ends by: {end}"]
    return [first]


def _listed(found: Found, parsed: Parsed) -> Answer:
    """What runs on a host."""
    problems = tuple(map(ErrorStatus.of, found.problems))
    none = [] if found.servers or problems else [f"No Jupyter server of yours on {found.host}."]
    open_one = [f"Open one: {parsed.prog} jupyter {found.host}:PORT"] if found.servers[1:] else []
    rows = tuple(
        (
            *map(plain, (one.destination, one.root_dir, one.url, one.version, one.started or "")),
            _SHORTLY[one.protection],
        )
        for one in found.servers
    )
    return Answer(
        {
            "host": found.host,
            "jupyters": [asdict(server) for server in found.servers],
            "problems": [asdict(problem) for problem in problems],
        },
        (*none, *(line for problem in problems for line in error_lines(problem)), *open_one),
        Table(("Where", "Folder", "URL there", "Version", "Started", "Asks for"), rows),
    )
