"""What each command does: `ACTIONS` gives, for its words, an async function that gives an `Answer`.

An action asks `Engines` for the engine that it needs, and raises `RemoteTunnelError` for whatever
a person should read. `open --foreground` and `demo` live in a process of their own: see `cli`.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..kernels import connect
from ..model.address import UnixAddress
from ..model.command_line import command_line, parse_command
from ..model.errors import BadInput, Fatal
from ..model.forward import ForwardKind, ForwardSpec, PrivateSocket
from ..model.spec import SshOptions, TunnelRequest, TunnelSpec
from ..model.status import TunnelStatus
from ..model.text import plain
from .answers import Answer, Table, problem_lines, tunnel_lines, tunnel_table
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
    options = parsed.options
    spec = parse_command([*_long_options(options, "name", "on_conflict"), *parsed.words])
    return replace(
        spec, ssh=_from_here(spec.ssh), forwards=tuple(map(_absolute_sockets, spec.forwards))
    )


def opened(spec: TunnelSpec, tunnel: TunnelStatus, *, created: bool) -> Answer:
    """How `open` answers: what was understood, and what came of it."""
    how = "is open" if created else "was open already"
    first = f"{plain(tunnel.name)} {how}. Understood: {command_line(spec)}"
    return Answer(tunnel.as_dict(), (first, *tunnel_lines(tunnel)))


async def list_tunnels(engines: Engines, _: Parsed) -> Answer:
    """`list`: data is {"tunnels": [status, …]} of all engines."""
    tunnels = [entry[1] for entry in await engines.tunnels()]
    lines = problem_lines(tunnels) if tunnels else ("No tunnels. Open one: open user@host:5006",)
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
    closed = [await client.close_tunnel(tunnel.id, drain) for client, tunnel in found]
    lines = [f"{plain(tunnel.name)} is closed." for tunnel in closed]
    return Answer(
        {"tunnels": [tunnel.as_dict() for tunnel in closed]}, tuple(lines or ["No tunnels."])
    )


async def restart(engines: Engines, parsed: Parsed) -> Answer:
    """`restart`: data is the tunnel's status."""
    client, tunnel = await engines.tunnel(parsed.options["tunnel"])
    restarted = await client.restart_tunnel(tunnel.id)
    lines = (f"{plain(restarted.name)} is {restarted.state}.", *tunnel_lines(restarted))
    return Answer(restarted.as_dict(), lines)


async def url(engines: Engines, parsed: Parsed) -> Answer:
    """`url`: data is {"url": "http://127.0.0.1:5006"}."""
    _, tunnel = await engines.tunnel(parsed.options["tunnel"])
    found = url_of(tunnel)
    return Answer({"url": found}, (found,))


def url_of(tunnel: TunnelStatus) -> str:
    """Where code on this machine finds what the tunnel leads to.

    :raises Fatal: it listens on no TCP port here.
    """
    bound = bound_tcp(tunnel)
    if bound is None:
        destination = next((f.destination for f in tunnel.forwards if f.destination), "…")
        raise Fatal(
            f"{plain(tunnel.name)} has no port on this machine: it listens on a private socket.",
            code="unsupported",
            hint=f"Open one: open -L 0:{plain(destination)} {plain(tunnel.host)}",
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
        tunnel = entry[1]
        by_host.setdefault(tunnel.host, []).append(tunnel)
    rows = [
        (plain(host), " → ".join(map(plain, found[0].route)), str(len(found)))
        for host, found in by_host.items()
    ]
    return Answer(
        {"hosts": [{"host": h, "tunnels": [t.id for t in found]} for h, found in by_host.items()]},
        () if rows else ("No host has a tunnel.",),
        Table(("Host", "Route", "Tunnels"), tuple(rows), frozenset({2})),
    )


async def apps_list(engines: Engines, _: Parsed) -> Answer:
    """`apps list`: data is {"apps": [{"id", "name", "host", "destination", "tunnel", "state",
    "url"}, …]}."""
    engine = engines.find()
    client = await engines.one()
    apps = [
        app for tunnel in await client.list_tunnels() for app in applications(tunnel, engine.url)
    ]
    rows = tuple(
        tuple(plain(app[key] or "") for key in ("name", "host", "destination", "state", "url"))
        for app in apps
    )
    return Answer(
        {"apps": apps},
        () if apps else ("No applications. Open one: apps open user@host:5006",),
        Table(("Name", "Host", "Destination", "State", "URL"), rows),
    )


def applications(tunnel: TunnelStatus, server_url: str) -> list[dict[str, str | None]]:
    """The local forwards of a tunnel, as Jupyter can show them: as `GET …/api/apps` lists them."""
    if tunnel.kind == "kernel":
        return []
    local = [forward for forward in tunnel.forwards if forward.kind == "local"]
    base = f"{server_url.rstrip('/')}/remote-tunnel/open"
    found: list[dict[str, str | None]] = []
    for number, forward in enumerate(local, 1):
        ident = tunnel.id if number == 1 else f"{tunnel.id}-{number}"
        found.append(
            {
                "id": ident,
                "name": tunnel.name,
                "host": tunnel.host,
                "destination": forward.destination,
                "tunnel": tunnel.id,
                "state": tunnel.state,
                "url": f"{base}/{ident}" if server_url else None,
            }
        )
    return found


async def apps_open(engines: Engines, parsed: Parsed) -> Answer:
    """`apps open`: data is the application's record, as in `apps list`."""
    spec = wanted(parsed)
    if len(spec.forwards) != 1 or spec.forwards[0].kind is not ForwardKind.LOCAL:
        raise BadInput("Give one application: HOST:PORT, or one -L.")
    forward = replace(spec.forwards[0], bind=PrivateSocket())
    spec = replace(spec, forwards=(forward,), kind="application")
    engine = engines.find()
    if not engine.url:
        raise Fatal(
            "Applications are shown by a Jupyter server, and the engine here has none.",
            code="unsupported",
            hint="Start JupyterLab, or give the application a port: open HOST:PORT",
        )
    client = await engines.one()
    tunnel, created = await client.open_tunnel(spec.request())
    app = applications(tunnel, engine.url)[0]
    how = "is open" if created else "was open already"
    lines = (f"{plain(tunnel.name)} {how}. Understood: {command_line(spec)}", f"  {app['url']}")
    return Answer(app, lines)


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
    )
    return Answer(kernel.as_dict(), lines)


def host_request(words: list[str]) -> TunnelRequest:
    """A host with the options of ssh that lead to it, and nothing to forward.

    :raises BadInput: it is not that.
    """
    # ssh's grammar, which wants a forward, is given one.
    spec = parse_command(["-L", "private:localhost:1", *words])
    if len(spec.forwards) > 1:
        raise BadInput("Give the host alone, without a port or forwards.")
    return TunnelRequest(host=spec.host, ssh=_from_here(spec.ssh))


def _long_options(options: Mapping[str, Any], *names: str) -> list[str]:
    """Our own options as the words that `model.command_line` reads."""
    given = [(name, options.get(name)) for name in names]
    return [f"--{name.replace('_', '-')}={value}" for name, value in given if value is not None]


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
