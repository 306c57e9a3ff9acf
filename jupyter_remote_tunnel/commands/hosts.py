"""`hosts`: the hosts to choose from, and what ssh would use for one."""

import shlex
from dataclasses import asdict
from typing import Any

from ..engine.messages import Host
from ..model.address import bracketed
from ..model.text import plain
from .answers import Answer, Table, error_lines
from .engines import Engines
from .grammar import Parsed
from .typed import host_request

_LONGEST = 4000  # characters of an option's value: there are long lists of algorithms


async def hosts(engines: Engines, parsed: Parsed) -> Answer:
    """`hosts`: data is {"hosts": [host, …], "problem"} of all engines, each as `GET …/api/hosts`
    lists it; `hosts HOST`: {"host", "options", "not_honoured", "offers"}.
    """
    if parsed.words:
        return await _one(engines, parsed)
    found = await engines.hosts()
    problem = [] if found.problem is None else error_lines(found.problem)
    offers = [line for host in found.hosts for line in _offers(host.host, host.offers, parsed.prog)]
    none = [] if found.hosts or problem else ["Your ssh configuration names no host."]
    rows = tuple((plain(host.host), _way(host), str(len(host.tunnels))) for host in found.hosts)
    return Answer(
        asdict(found),
        (*problem, *none, *offers),
        Table(("Host", "Route", "Tunnels"), rows, frozenset({2})),
    )


def _way(host: Host) -> str:
    """How its tunnels get there; without any, what the configuration says of it."""
    if host.route:
        return " → ".join(map(plain, host.route))
    user = "" if host.user is None else f"{host.user}@"
    port = "" if host.port is None else f":{host.port}"
    if not (user or port or host.host_name):
        return ""
    return plain(f"{user}{bracketed(host.host_name or host.host)}{port}")


def _offers(host: str, forwards: Any, prog: str) -> list[str]:
    """What to type for the forwards that the configuration of a host names."""
    typed = bracketed(host)
    return [
        f"{plain(host)} offers: {prog} open {shlex.join([*forward.split(' ', 1), typed])}"
        for forward in forwards
    ]


async def _one(engines: Engines, parsed: Parsed) -> Answer:
    client = await engines.one(start=True)
    found = await client.resolve_host(host_request(parsed.words))
    rows = tuple(
        (plain(keyword), plain(value, _LONGEST))
        for keyword, values in found["options"].items()
        for value in ([values] if isinstance(values, str) else values)
    )
    ignored = [f"Has no effect here: {plain(line, _LONGEST)}" for line in found["not_honoured"]]
    offers = _offers(found["host"], found["offers"], parsed.prog)
    return Answer(found, (*ignored, *offers), Table(("Option", "Value"), rows))
