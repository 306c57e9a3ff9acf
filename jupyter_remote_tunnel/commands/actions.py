"""What each command does: `ACTIONS` gives, for its words, an async function that gives an `Answer`.

An action asks `Engines` for the engine that it needs, and raises `RemoteTunnelError` for whatever
a person should read. `open --foreground` and `demo` live in a process of their own: see `cli`.

A shell is there for one command: what takes long to import, and others do not need, the command
that needs it imports.
"""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from pathlib import Path

from ..apps.applications import ApplicationRequest, applications, open_application
from ..model.address import UnixAddress
from ..model.command_line import command_line, parse_command
from ..model.errors import BadInput, Fatal, RemoteTunnelError
from ..model.forward import ForwardKind, ForwardSpec
from ..model.spec import TunnelSpec, check_name
from ..model.state import State
from ..model.status import ForwardStatus, TunnelStatus, not_open
from ..model.text import plain
from .answers import (
    Answer,
    Table,
    labels,
    problem_lines,
    source_lines,
    tunnel_lines,
    tunnel_table,
)
from .engines import Engines, Found
from .grammar import Parsed, usage
from .hosts import hosts
from .offers import held_numbers, offered, offered_answer, with_example, with_silence
from .recipes import by_ssh
from .typed import absolute, from_here, host_request, visit_request
from .units import offer_unit

Action = Callable[[Engines, Parsed], Awaitable[Answer]]

FAR_WITHIN = 2.0
"""Seconds that `open` and `restart` wait to tell of the machine behind a gateway, too. Some hosts
take long to run a command.
"""


async def open_tunnel(engines: Engines, parsed: Parsed) -> Answer:
    """`open`: data is the tunnel's status."""
    spec = wanted(parsed)
    client = await engines.one(start=True)
    tunnel, created = await client.open_tunnel(
        spec.request(), person=engines.person, far_within=FAR_WITHIN
    )
    return opened(spec, tunnel, created=created)


def wanted(parsed: Parsed) -> TunnelSpec:
    """What `open` or `offer` was asked for; paths are absolute, and the caller's agent is named.

    :raises BadInput: it cannot be understood; the error points at the wrong part.
    """
    is_offer = parsed.command == "offer"
    try:
        spec = parse_command(parsed.words)
    except BadInput as error:
        raise (with_example(error) if is_offer else error) from None
    name, on_conflict = parsed.options["name"], parsed.options.get("on_conflict")
    spec = replace(
        spec,
        name=spec.name if name is None else check_name(name),
        on_conflict=on_conflict or spec.on_conflict,
        ssh=from_here(spec.ssh),
        forwards=tuple(map(_absolute_sockets, spec.forwards)),
    )
    return offered(spec, tcp=parsed.options["tcp"]) if is_offer else spec


async def offer(engines: Engines, parsed: Parsed) -> Answer:
    """`offer`: data is the tunnel's status; with --systemd and --print, {"unit": …} and
    {"lines": […]}.
    """
    spec = wanted(parsed)
    if parsed.options["print"]:
        return by_ssh(spec)
    if parsed.options["systemd"]:
        return await _offer_unit(engines, spec)
    client = await engines.lasting()
    tunnel, created = await client.open_tunnel(spec.request(), person=engines.person)
    return await with_silence(spec, opened(spec, tunnel, created=created))


async def _offer_unit(engines: Engines, spec: TunnelSpec) -> Answer:
    answer = offer_unit(spec, engines.say)
    found: list[Found] = []
    with contextlib.suppress(RemoteTunnelError):
        found = await engines.tunnels()
    # One in the foreground may be the unit's own.
    held = [entry.tunnel for entry in found if entry.engine.kind != "foreground"]
    return replace(answer, lines=(*answer.lines, *held_numbers(spec, held)))


def opened(spec: TunnelSpec, tunnel: TunnelStatus, *, created: bool) -> Answer:
    """How `open` and `offer` answer: what was understood, and what came of it."""
    if spec.kind == "offer":
        return offered_answer(spec, tunnel, created=created)
    how = "is open" if created else "was open already"
    first = f"{plain(tunnel.name)} {how}. Understood: {command_line(spec)}"
    return Answer(tunnel.as_dict(), (first, *tunnel_lines(tunnel)))


async def list_tunnels(engines: Engines, parsed: Parsed) -> Answer:
    """`list`: data is {"tunnels": [status, …]} of all engines."""
    found = await engines.tunnels()
    tunnels = [entry.tunnel for entry in found]
    servers = [entry.engine.name for entry in found]
    none = f"No tunnels. Open one: {parsed.prog} open user@host:5006"
    lines = (*problem_lines(tunnels), *source_lines(tunnels)) if tunnels else (none,)
    return Answer(
        {"tunnels": [t.as_dict() for t in tunnels]}, lines, tunnel_table(tunnels, servers)
    )


async def close(engines: Engines, parsed: Parsed) -> Answer:
    """`close`: data is {"tunnels": [last status, …]}."""
    names, everything = parsed.options["tunnels"], parsed.options["all"]
    if bool(names) == everything:
        raise BadInput("Give the names of the tunnels to close, or --all.")
    drain = parsed.options["drain"]
    if drain is not None and not 0 <= drain <= 86400:
        raise BadInput("--drain takes seconds, from 0 to 86400.")
    found = (
        await engines.tunnels() if everything else [await engines.tunnel(name) for name in names]
    )
    closed = [await entry.client.close_tunnel(entry.tunnel.id, drain) for entry in found]
    lines = [_closed(before.tunnel, tunnel) for before, tunnel in zip(found, closed, strict=True)]
    return Answer(
        {"tunnels": [tunnel.as_dict() for tunnel in closed]}, tuple(lines or ["No tunnels."])
    )


def _closed(before: TunnelStatus, tunnel: TunnelStatus) -> str:
    said = f"{plain(tunnel.name)} is closed."
    if not tunnel.ends_server:
        return said
    if before.state != State.OPEN:
        return f"{said} The Jupyter that it led to ends by itself, when it is not held any more."
    return f"{said} The Jupyter that it led to ends, unless another tunnel holds it."


async def restart(engines: Engines, parsed: Parsed) -> Answer:
    """`restart`: data is the tunnel's status.

    :raises RemoteTunnelError: it is not open again, though it may be tried further.
    """
    tunnel, client, _ = await engines.tunnel(parsed.options["tunnel"])
    restarted = await client.restart_tunnel(tunnel.id, person=engines.person, far_within=FAR_WITHIN)
    if restarted.state != State.OPEN:
        raise not_open(restarted)
    lines = (f"{plain(restarted.name)} is {restarted.state}.", *tunnel_lines(restarted))
    return Answer(restarted.as_dict(), lines)


async def url(engines: Engines, parsed: Parsed) -> Answer:
    """`url`: data is {"url": "http://127.0.0.1:5006"}."""
    found = url_of((await engines.tunnel(parsed.options["tunnel"])).tunnel, parsed.prog)
    return Answer({"url": found}, (found,))


def url_of(tunnel: TunnelStatus, prog: str = "jupyter tunnel") -> str:
    """Where code on this machine finds what the tunnel leads to.

    :raises RemoteTunnelError: it listens on no TCP port here, or not now; the hint proposes what to
        do, or to type behind `prog`.
    """
    if tunnel.kind == "kernel":
        raise Fatal(
            f"{plain(tunnel.name)} is a kernel, to which no URL leads.",
            code="unsupported",
            hint=f"Use its connection file: jupyter console --existing {tunnel.connection_file}",
        )
    bound = bound_tcp(tunnel)
    if bound is None and tunnel.forwards[0].kind != "local":
        first = tunnel.forwards[0]
        raise Fatal(
            f"{plain(tunnel.name)} leads to no application: it is {first.spec}.",
            code="unsupported",
            hint=f"It listens on {plain(first.bound or first.asked)}.",
        )
    if bound is None and any(map(_wants_port, tunnel.forwards)):
        raise not_open(tunnel)
    if bound is None:
        destination = next((f.destination for f in tunnel.forwards if f.destination), "…")
        raise Fatal(
            f"{plain(tunnel.name)} has no port on this machine: it listens on a private socket.",
            code="unsupported",
            hint=f"This gives it one: {prog} open -L 0:{plain(destination)} {plain(tunnel.host)}",
        )
    return f"http://{bound}"


def bound_tcp(tunnel: TunnelStatus) -> str | None:
    """`host:port` of its first local forward with a port here; None if it has none."""
    for forward in tunnel.forwards:
        if forward.kind == "local" and forward.bound and "/" not in forward.bound:
            return forward.bound
    return None


def _wants_port(forward: ForwardStatus) -> bool:
    return forward.kind == "local" and forward.asked != "private" and "/" not in forward.asked


async def apps_list(engines: Engines, parsed: Parsed) -> Answer:
    """`apps list`: data is {"apps": [application, …]}, as `GET …/api/apps` lists them, of all
    engines that a Jupyter server holds.
    """
    apps = [
        app
        for tunnel, _, engine in await engines.tunnels()
        if engine.url
        for app in applications(tunnel, engine.url)
    ]
    rows = (
        (label, *map(plain, (app.host, app.destination, app.state, app.url)))
        for label, app in zip(labels(apps), apps, strict=True)
    )
    none = f"No applications. Open one: {parsed.prog} apps open user@host:5006"
    return Answer(
        {"apps": [asdict(app) for app in apps]},
        () if apps else (none,),
        Table(("Name", "Host", "Destination", "State", "URL"), tuple(rows)),
    )


async def apps_open(engines: Engines, parsed: Parsed) -> Answer:
    """`apps open`: data is the application, as in `apps list`."""
    spec = wanted(parsed)
    if len(spec.forwards) != 1 or spec.forwards[0].kind is not ForwardKind.LOCAL:
        raise BadInput(
            "Give one application: HOST:PORT, or one -L.",
            hint=f"usage: {usage(parsed.command, parsed.prog)}",
        )
    url = _server_url(engines)
    client = await engines.one()
    request = ApplicationRequest(
        host=spec.host,
        destination=str(spec.forwards[0].destination),
        name=parsed.options["name"],
        ssh=spec.ssh,
    )
    tunnel, created = await open_application(client, request, person=engines.person)
    app = applications(tunnel, url)[0]
    how = "is open" if created else "was open already"
    what = f"{plain(app.name)} {how}: {plain(app.destination)} on {plain(app.host)}"
    return Answer(asdict(app), (what, f"  {app.url}"))


def _server_url(engines: Engines) -> str:
    """The Jupyter server that shows the applications of the engine that is meant.

    :raises Fatal: none runs.
    """
    try:
        url = engines.find().url
    except Fatal as error:
        if error.code != "engine_unavailable":
            raise
        url = ""
    if not url:
        raise Fatal(
            "Applications are shown by a Jupyter server, and none is running.",
            code="engine_unavailable",
            hint="Start JupyterLab, or give the application a port: open HOST:PORT",
        )
    return url


async def kernels_connect(engines: Engines, parsed: Parsed) -> Answer:
    """`kernels connect`: data as `ConnectedKernel.as_dict`."""
    from ..kernels import connect

    if len(parsed.words) < 2:
        raise BadInput(
            "Give a host and the kernel's connection file there.",
            hint=f"usage: {usage(parsed.command, parsed.prog)}",
        )
    *words, file = parsed.words
    host = host_request(words)
    client = await engines.one(start=True)
    kernel = await connect(client, host, file, person=engines.person)
    name = Path(kernel.connection_file).name
    lines = (
        f"The kernel of {plain(kernel.remote_file)} on {plain(host.host or '')} is within reach.",
        f"  jupyter console --existing {name}",
        f"  {kernel.connection_file}",
        "Leave that console by Ctrl-D: exit would shut the remote kernel down.",
    )
    return Answer(kernel.as_dict(), lines)


async def doctor(engines: Engines, parsed: Parsed) -> Answer:
    """`doctor`: data is the diagnosis, as `POST …/api/doctor` gives it."""
    from .diagnoses import follow

    if not parsed.words:
        raise BadInput("Give a host.", hint=f"usage: {usage(parsed.command, parsed.prog)}")
    request = visit_request(parsed.words)
    client = await engines.one(start=True)
    diagnosis, lines = await follow(
        client,
        request,
        engines.say,
        gateway_ports=parsed.options["gateway_ports"],
        person=engines.person,
    )
    return Answer(diagnosis.as_dict(), lines, ok=diagnosis.ok)


async def jupyter(engines: Engines, parsed: Parsed) -> Answer:
    """`jupyter`: see there."""
    from . import jupyters

    return await jupyters.jupyter(engines, parsed)


async def publish(engines: Engines, parsed: Parsed) -> Answer:
    """`publish`: see there."""
    from . import publishing

    return await publishing.publish(engines, parsed)


async def cert(engines: Engines, parsed: Parsed) -> Answer:
    """`cert`: see there."""
    from . import cert

    return await cert.cert(engines, parsed)


def _absolute_sockets(forward: ForwardSpec) -> ForwardSpec:
    """The forward with this machine's socket paths made absolute; the remote's are not ours."""
    if forward.kind is ForwardKind.REMOTE:
        if isinstance(forward.destination, UnixAddress):
            path = absolute(forward.destination.path)
            return replace(forward, destination=UnixAddress(path))
    elif isinstance(forward.bind, UnixAddress):
        return replace(forward, bind=UnixAddress(absolute(forward.bind.path)))
    return forward


ACTIONS: dict[str, Action] = {
    "open": open_tunnel,
    "list": list_tunnels,
    "close": close,
    "restart": restart,
    "url": url,
    "hosts": hosts,
    "apps list": apps_list,
    "apps open": apps_open,
    "jupyter": jupyter,
    "kernels connect": kernels_connect,
    "offer": offer,
    "doctor": doctor,
    "publish": publish,
    "cert": cert,
}


async def run(engines: Engines, parsed: Parsed) -> Answer:
    """Do what was asked.

    :raises RemoteTunnelError: why it could not be done.
    """
    return await ACTIONS[parsed.command](engines, parsed)
