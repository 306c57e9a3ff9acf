"""The hosts to choose from: the aliases of ssh_config, and those that have tunnels. No engine is
needed to list them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..model.settings import is_among
from ..model.status import ErrorStatus
from ..ssh.aliases import Alias, list_aliases
from .messages import Host, HostList


class TunnelOf(NamedTuple):
    """A tunnel, by the host that was typed for it ("ann@gpu01"), and the way there."""

    host: str
    id: str
    route: tuple[str, ...]


async def list_hosts(
    config_file: str | None,
    tunnels: Iterable[TunnelOf] = (),
    *,
    allowed: Sequence[str] | None = None,
) -> HostList:
    """Every alias, with its tunnels, and then the other hosts that have some.

    :param config_file: what is read in place of the user's and the system's ssh_config.
    :param allowed: the setting `allowed_hosts`: what tunnels may not go to is no alias to choose.
    """
    found = await list_aliases(config_file)
    aliases = {alias.name: alias for alias in found.aliases if is_among(alias.name, allowed)}
    of_host: dict[str, list[TunnelOf]] = {name: [] for name in aliases}
    for tunnel in tunnels:
        of_host.setdefault(tunnel.host, []).append(tunnel)
    hosts = tuple(_host(name, aliases.get(name), some) for name, some in of_host.items())
    return HostList(hosts, None if found.problem is None else ErrorStatus.of(found.problem))


def _host(name: str, alias: Alias | None, tunnels: list[TunnelOf]) -> Host:
    ids = tuple(tunnel.id for tunnel in tunnels)
    route = tunnels[0].route if tunnels else ()
    if alias is None:
        return Host(name, ids, route)
    return Host(
        name,
        ids,
        route,
        alias=True,
        host_name=alias.host_name,
        user=alias.user,
        port=alias.port,
        offers=tuple(map(str, alias.forwards)),
    )


def merged(lists: Sequence[HostList]) -> HostList:
    """What several engines list, as one: a host that stands in several has the tunnels of all."""
    hosts: dict[str, Host] = {}
    for host in (host for one in lists for host in one.hosts):
        known = hosts.get(host.host)
        if known is None:
            hosts[host.host] = host
        else:
            first = known if known.alias else host
            hosts[host.host] = replace(
                first, tunnels=known.tunnels + host.tunnels, route=known.route or host.route
            )
    problems = (one.problem for one in lists if one.problem is not None)
    return HostList(tuple(hosts.values()), next(problems, None))
