"""What each command does: `ACTIONS` gives, for its words, an async function that gives an `Answer`.

An action asks `Engines` for the engine that it needs, and raises `RemoteTunnelError` for whatever
a person should read. `open --foreground` and `demo` live in a process of their own: see `cli`.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ..apps.applications import ApplicationRequest, applications, open_application
from ..kernels import connect
from ..model.address import UnixAddress
from ..model.command_line import command_line, parse_command
from ..model.errors import BadInput, Fatal, RemoteTunnelError, Transient
from ..model.forward import ForwardKind, ForwardSpec
from ..model.spec import SshOptions, TunnelRequest, TunnelSpec, check_name
from ..model.state import State
from ..model.status import TunnelStatus
from ..model.text import plain
from .answers import Answer, Table, problem_lines, source_lines, tunnel_lines, tunnel_table
from .engines import Engines
from .grammar import Parsed

Action = Callable[[Engines, Parsed], Awaitable[Answer]]


async def open_tunnel(engines: Engines, parsed: Parsed) -> Answer:
    """`open`: data is the tunnel's status."""
    spec = wanted(parsed)
    client = await engines.one(start=True)
    tunnel, created = await client.open_tunnel(spec.request())
    return opened(spec, tunnel, created=created)


def wanted(parsed: Parsed) -> TunnelSpec:
    """What `open` was asked for; paths are absolute, and the caller's agent is named.

    :raises BadInput: it cannot be understood; the error points at the wrong part.
    """
    spec = parse_command(parsed.words)
    name, on_conflict = parsed.options["name"], parsed.options.get("on_conflict")
    return replace(
        spec,
        name=spec.name if name is None else check_name(name),
        on_conflict=on_conflict or spec.on_conflict,
        ssh=_from_here(spec.ssh),
        forwards=tuple(map(_absolute_sockets, spec.forwards)),
    )


def opened(spec: TunnelSpec, tunnel: TunnelStatus, *, created: bool) -> Answer:
    """How `open` answers: what was understood, and what came of it."""
    how = "is open" if created else "was open already"
    first = f"{plain(tunnel.name)} {how}. Understood: {command_line(spec)}"
    return Answer(tunnel.as_dict(), (first, *tunnel_lines(tunnel)))


async def list_tunnels(engines: Engines, parsed: Parsed) -> Answer:
    """`list`: data is {"tunnels": [status, …]} of all engines."""
    tunnels = [entry.tunnel for entry in await engines.tunnels()]
    none = f"No tunnels. Open one: {parsed.prog} open user@host:5006"
    lines = (*problem_lines(tunnels), *source_lines(tunnels)) if tunnels else (none,)
    return Answer({"tunnels": [t.as_dict() for t in tunnels]}, lines, tunnel_table(tunnels))


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
    lines = [f"{plain(tunnel.name)} is closed." for tunnel in closed]
    return Answer(
        {"tunnels": [tunnel.as_dict() for tunnel in closed]}, tuple(lines or ["No tunnels."])
    )


async def restart(engines: Engines, parsed: Parsed) -> Answer:
    """`restart`: data is the tunnel's status.

    :raises RemoteTunnelError: it is not open again, though it may be tried further.
    """
    tunnel, client, _ = await engines.tunnel(parsed.options["tunnel"])
    restarted = await client.restart_tunnel(tunnel.id)
    if restarted.state != State.OPEN:
        raise not_open(restarted)
    lines = (f"{plain(restarted.name)} is {restarted.state}.", *tunnel_lines(restarted))
    return Answer(restarted.as_dict(), lines)


def not_open(tunnel: TunnelStatus) -> RemoteTunnelError:
    """The state of a tunnel as the error that it is to who wants it open."""
    state = f"{plain(tunnel.name)} is {tunnel.state.replace('_', ' ')}"
    if tunnel.error is None:
        return Transient(f"{state}.")
    cause = tunnel.error.as_exception()
    return type(cause)(f"{state}: {cause.message}", code=cause.code, hint=cause.hint, hop=cause.hop)


async def url(engines: Engines, parsed: Parsed) -> Answer:
    """`url`: data is {"url": "http://127.0.0.1:5006"}."""
    found = url_of((await engines.tunnel(parsed.options["tunnel"])).tunnel)
    return Answer({"url": found}, (found,))


def url_of(tunnel: TunnelStatus) -> str:
    """Where code on this machine finds what the tunnel leads to.

    :raises Fatal: it listens on no TCP port here.
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
    if bound is None:
        destination = next((f.destination for f in tunnel.forwards if f.destination), "…")
        raise Fatal(
            f"{plain(tunnel.name)} has no port on this machine: it listens on a private socket.",
            code="unsupported",
            hint="This gives it one: jupyter tunnel open"
            f" -L 0:{plain(destination)} {plain(tunnel.host)}",
        )
    return f"http://{bound}"


def bound_tcp(tunnel: TunnelStatus) -> str | None:
    """`host:port` of its first local forward with a port here; None if it has none."""
    for forward in tunnel.forwards:
        if forward.kind == "local" and forward.bound and "/" not in forward.bound:
            return forward.bound
    return None


async def hosts(engines: Engines, _: Parsed) -> Answer:
    """`hosts`: data is {"hosts": [{"host", "tunnels": [id, …]}, …]} of all engines."""
    by_host: dict[str, list[TunnelStatus]] = {}
    for entry in await engines.tunnels():
        by_host.setdefault(entry.tunnel.host, []).append(entry.tunnel)
    rows = [
        (plain(host), " → ".join(map(plain, found[0].route)), str(len(found)))
        for host, found in by_host.items()
    ]
    return Answer(
        {"hosts": [{"host": h, "tunnels": [t.id for t in found]} for h, found in by_host.items()]},
        () if rows else ("No host has a tunnel.",),
        Table(("Host", "Route", "Tunnels"), tuple(rows), frozenset({2})),
    )


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
        tuple(map(plain, (app.name, app.host, app.destination, app.state, app.url))) for app in apps
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
        raise BadInput("Give one application: HOST:PORT, or one -L.")
    url = _server_url(engines)
    client = await engines.one()
    request = ApplicationRequest(
        host=spec.host,
        destination=str(spec.forwards[0].destination),
        name=parsed.options["name"],
        ssh=spec.ssh,
    )
    tunnel, created = await open_application(client, request)
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
    if len(parsed.words) < 2:
        raise BadInput("Give a host and the kernel's connection file there.")
    *words, file = parsed.words
    host = host_request(words)
    client = await engines.one(start=True)
    kernel = await connect(client, host, file)
    name = Path(kernel.connection_file).name
    lines = (
        f"The kernel of {plain(kernel.remote_file)} on {plain(host.host or '')} is within reach.",
        f"  jupyter console --existing {name}",
        f"  {kernel.connection_file}",
        "Leave that console by Ctrl-D: exit would shut the remote kernel down.",
    )
    return Answer(kernel.as_dict(), lines)


def host_request(words: Sequence[str]) -> TunnelRequest:
    """A host with the options of ssh that lead to it, and nothing to forward.

    :raises BadInput: it is not that.
    """
    # ssh's grammar, which wants a forward, is given one.
    spec = parse_command([*words, "-L", "private:localhost:1"])
    if len(spec.forwards) > 1:
        raise BadInput("Give the host alone, without a port or forwards.")
    return TunnelRequest(host=spec.host, ssh=_from_here(spec.ssh))


def _from_here(ssh: SshOptions) -> SshOptions:
    """The same options for a process that has another working directory and another agent."""
    return replace(
        ssh,
        identities=tuple(map(_absolute, ssh.identities)),
        config_file=None if ssh.config_file is None else _absolute(ssh.config_file),
        agent_socket=ssh.agent_socket or os.environ.get("SSH_AUTH_SOCK"),
    )


def _absolute(path: str) -> str:
    """An absolute path; one with ssh's own tokens (%d) or "none" is left to ssh."""
    if path.startswith("%") or path == "none":
        return path
    return str(Path(path).expanduser().absolute())


def _absolute_sockets(forward: ForwardSpec) -> ForwardSpec:
    """The forward with this machine's socket paths made absolute; the remote's are not ours."""
    if forward.kind is ForwardKind.REMOTE:
        if isinstance(forward.destination, UnixAddress):
            path = _absolute(forward.destination.path)
            return replace(forward, destination=UnixAddress(path))
    elif isinstance(forward.bind, UnixAddress):
        return replace(forward, bind=UnixAddress(_absolute(forward.bind.path)))
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
    "kernels connect": kernels_connect,
}


async def run(engines: Engines, parsed: Parsed) -> Answer:
    """Do what was asked.

    :raises RemoteTunnelError: why it could not be done.
    """
    return await ACTIONS[parsed.command](engines, parsed)
