"""Whether a name leads to the gateway: what DNS says of it, beside the addresses that the gateway
has and the one by which SSH reached it.

A gateway behind a router or in a cloud does not know its public address, so the one that SSH uses
counts as its own; through a jump host, not even that is known.
"""

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from ..model.app_domain import AppDomain
from ..model.publication import Check
from ..model.spec import TunnelRequest
from ..model.text import plain
from .gateway import Ip

if TYPE_CHECKING:
    from ..engine.client import EngineClient

_SHOWN = 8
_PATIENCE = 10.0


@dataclass(frozen=True)
class Resolved:
    """What a name stands for. `canonical` is the name at the end of its aliases, or ""."""

    addresses: tuple[Ip, ...]
    canonical: str = ""


Resolver = Callable[[str], Awaitable[Resolved]]
"""Raises OSError (or UnicodeError) where the name stands for nothing."""


async def ask_system(name: str) -> Resolved:
    """What the system of this machine says, its /etc/hosts included."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_PATIENCE):
        found = await loop.getaddrinfo(
            name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME
        )
    addresses = dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found)
    canonical = next((entry[3] for entry in found if entry[3]), "")
    return Resolved(tuple(addresses), canonical.lower().rstrip("."))


async def reached_addresses(
    client: "EngineClient", host: TunnelRequest, resolve: Resolver = ask_system
) -> tuple[Ip, ...]:
    """The addresses by which SSH reaches a host; () where another one stands between.

    :raises RemoteTunnelError: the host is not allowed, or its configuration cannot be read.
    """
    options = (await client.resolve_host(host))["options"]
    if any(options.get(word, "none") != "none" for word in ("proxyjump", "proxycommand")):
        return ()
    try:
        return (await resolve(str(options["hostname"]))).addresses
    except (OSError, UnicodeError):
        return ()


async def check_name(
    name: str,
    gateway: str,
    ours: Iterable[Ip],
    *,
    here: bool = False,
    resolve: Resolver = ask_system,
) -> Check:
    """Whether browsers that ask for `name` come to the gateway.

    :param name: as DNS has it, or an IPv4 address.
    :param gateway: how it is called.
    :param ours: its addresses, with those by which SSH reached it.
    :param here: whether this machine is the gateway.
    """
    own = set(ours)
    try:
        found = await resolve(name)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "there is no answer"
        return Check(
            "name",
            "failed",
            f"{name} has no address: {plain(reason, 100)}.",
            advice=f"Have who runs DNS for it add one: {_record(name, gateway, own)}",
            details=(f"Addresses of {gateway}: {_listed(own)}",),
        )
    if (cdn := _cdn(found)) is not None:
        return _proxied(name, gateway, found, cdn, own)
    others = [address for address in found.addresses if address not in own]
    if not others:
        return _led_here(name, gateway, found, own)
    if all(address.is_loopback for address in others):
        if here:
            return _loopback_here(name, found)
        return Check(
            "name",
            "failed",
            f"{name} is {_listed(others)} on this machine: not {gateway}, but itself.",
            advice="Is it in /etc/hosts here? Take it out there.",
        )
    # Behind a router it may know its public address in one family, and not in the other.
    known = {address.version for address in own if address.is_global}
    if not any(address.version in known for address in others):
        return _unknown(name, gateway, found, own)
    if len(others) < len(found.addresses):
        return Check(
            "name",
            "failed",
            f"{name} is {gateway}, and {_listed(others)} as well, which is not.",
            advice="Visitors led there do not come here: have these addresses taken out of DNS.",
        )
    return _elsewhere(name, gateway, found, own)


def any_app(domain: AppDomain) -> str:
    """A host name below the domain of applications that nobody has asked for, and that has none."""
    return domain.host(f"probe-{secrets.token_hex(10)}")


async def check_app_names(
    domain: AppDomain, gateway: str, ours: Iterable[Ip], *, resolve: Resolver = ask_system
) -> Check:
    """Whether browsers that ask for the name of an application come to the gateway; arguments as
    for `check_name`."""
    host = any_app(domain)
    found = await check_name(domain.wildcard, gateway, ours, resolve=lambda _: resolve(host))
    return about_apps(replace(found, name="app names"))


def about_apps(found: Check) -> Check:
    """What is thought of the names of applications: nothing that is wrong keeps Jupyter from being
    shown."""
    if found.verdict != "failed":
        return found
    before = found.advice
    if before and not before.endswith((".", "?")):
        before += "."
    advice = f"{before} Until then applications are shown in sandboxed pages.".lstrip()
    return replace(found, verdict="note", advice=advice, remedy="")


def _led_here(name: str, gateway: str, found: Resolved, own: set[Ip]) -> Check:
    says = f"{name} is {_listed(found.addresses)}, which is {gateway}"
    private = [ip for ip in found.addresses if not (ip.is_global or ip.is_loopback)]
    if not private:
        return Check("name", "ok", f"{says}.")
    return Check(
        "name",
        "note",
        f"{says}. None but its own network reaches {_listed(private)}: that is no public address.",
        advice="Visitors from elsewhere, and Let's Encrypt, need another record in DNS:"
        f" {_record(name, gateway, own)}",
    )


def _loopback_here(name: str, found: Resolved) -> Check:
    return Check(
        "name",
        "note",
        f"{name} is {_listed(found.addresses)} on this machine, perhaps by /etc/hosts: where it"
        " leads others is not known.",
        advice="Ask for it on another machine, for example by `getent hosts`.",
    )


def _compared(name: str, gateway: str, found: Resolved, own: set[Ip]) -> str:
    return f"{name} is {_listed(found.addresses)}; {gateway} is {_listed(own)}."


def _unknown(name: str, gateway: str, found: Resolved, own: set[Ip]) -> Check:
    compared = _compared(name, gateway, found, own)
    return Check(
        "name",
        "note",
        f"It is not known whether {name} leads to {gateway}. {compared}",
        advice="Its public address is not known to it, as it stands behind a router or a jump"
        " host. Whether the way through the name leads here is tried at the end.",
    )


def _elsewhere(name: str, gateway: str, found: Resolved, own: set[Ip]) -> Check:
    return Check(
        "name",
        "failed",
        f"{name} leads to another host: {_compared(name, gateway, found, own)}",
        advice=f"Have who runs DNS for it change that: {_record(name, gateway, own)}"
        " Old answers may be kept for a while (their TTL).",
    )


def _proxied(name: str, gateway: str, found: Resolved, cdn: str, own: set[Ip]) -> Check:
    return Check(
        "name",
        "failed",
        f"{name} leads to a proxy of {cdn}: {_listed(found.addresses)}.",
        advice="It would read all that passes, and limits uploads and websockets. Have the name"
        f" lead to {gateway} itself (“DNS only” with Cloudflare, whose cloud is grey then).",
        details=(f"Addresses of {gateway}: {_listed(own)}",),
    )


def _listed(addresses: Iterable[Ip]) -> str:
    every = sorted(map(str, addresses))
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more or "not known"


def _record(name: str, gateway: str, own: set[Ip]) -> str:
    """The line of a zone that is lacking, as far as a public address is known."""
    public = sorted((address for address in own if address.is_global), key=str)
    if public:
        return f"{name} {'A' if public[0].version == 4 else 'AAAA'} {public[0]}."
    only = f" (which is none of {_listed(own)})" if own else ""
    return f"{name} A, with the public address of {gateway}{only}."


def _cdn(found: Resolved) -> str | None:
    """Whose proxy it is, as far as that is known."""
    for ending, cdn in _CDN_NAMES.items():
        if f".{found.canonical}".endswith(ending):
            return cdn
    for cdn, networks in _CDN_NETWORKS.items():
        if any(address in network for address in found.addresses for network in networks):
            return cdn
    return None


_CDN_NAMES = {
    ".cdn.cloudflare.net": "Cloudflare",
    ".cloudfront.net": "Amazon CloudFront",
    ".akamaiedge.net": "Akamai",
    ".akamai.net": "Akamai",
    ".edgekey.net": "Akamai",
    ".edgesuite.net": "Akamai",
    ".fastly.net": "Fastly",
    ".fastlylb.net": "Fastly",
    ".azureedge.net": "Azure Front Door",
    ".azurefd.net": "Azure Front Door",
    ".b-cdn.net": "bunny.net",
}


def _networks(*texts: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(map(ip_network, texts))


# As they publish them; they change seldom.
_CDN_NETWORKS = {
    "Cloudflare": _networks(
        *("173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22", "103.31.4.0/22"),
        *("141.101.64.0/18", "108.162.192.0/18", "190.93.240.0/20", "188.114.96.0/20"),
        *("197.234.240.0/22", "198.41.128.0/17", "162.158.0.0/15", "104.16.0.0/13"),
        *("104.24.0.0/14", "172.64.0.0/13", "131.0.72.0/22"),
        *("2400:cb00::/32", "2606:4700::/32", "2803:f800::/32", "2405:b500::/32"),
        *("2405:8100::/32", "2a06:98c0::/29", "2c0f:f248::/32"),
    ),
    "Fastly": _networks(
        *("23.235.32.0/20", "43.249.72.0/22", "103.244.50.0/24", "103.245.222.0/23"),
        *("103.245.224.0/24", "104.156.80.0/20", "140.248.64.0/18", "140.248.128.0/17"),
        *("146.75.0.0/17", "151.101.0.0/16", "157.52.64.0/18", "167.82.0.0/17"),
        *("167.82.128.0/20", "167.82.160.0/20", "167.82.224.0/20", "172.111.64.0/18"),
        *("185.31.16.0/22", "199.27.72.0/21", "199.232.0.0/16"),
        *("2a04:4e40::/32", "2a04:4e42::/32"),
    ),
}
