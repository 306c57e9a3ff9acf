"""What may be opened: plain decisions on a spec, its route and the settings, before anything is
opened."""

import shlex
from collections.abc import Sequence
from os.path import normpath

from ..model.errors import BadInput, Fatal
from ..model.forward import ForwardKind, ForwardSpec, OfferedPort, TcpBind
from ..model.settings import EngineSettings, is_among
from ..model.spec import TunnelSpec
from ..model.text import plain
from ..ssh.hop import Hop


def check(spec: TunnelSpec, settings: EngineSettings, *, from_shell: bool) -> None:
    """Refuse what the settings do not allow.

    :param from_shell: the user typed it in a shell of their own, where ssh could run any program
    too.
    :raises Fatal: code "not_allowed"; the message names the setting.
    """
    check_host(spec, settings, from_shell=from_shell)
    for forward in spec.forwards:
        _check_destination(forward, settings)
        if forward.kind is ForwardKind.REMOTE:
            _check_remote(forward, settings)
        elif _is_public(forward) and not settings.allow_public_bind:
            raise _refused(
                f"“{forward}” would listen on all interfaces of this machine.",
                "Leave the bind address out, or set c.TunnelManager.allow_public_bind = True.",
            )


def check_host(spec: TunnelSpec, settings: EngineSettings, *, from_shell: bool) -> None:
    """The part of `check` that is about the host and the options that lead there."""
    _check_names(spec, settings)
    if not from_shell and not settings.allow_exec_options:
        _check_options(spec)


def check_destinations(spec: TunnelSpec, settings: EngineSettings) -> None:
    """The part of `check` that is about where the local forwards lead."""
    for forward in spec.forwards:
        if forward.kind is ForwardKind.LOCAL:
            _check_destination(forward, settings)


def prelude_for(
    spec: TunnelSpec, wished: str | None, settings: EngineSettings, *, from_shell: bool
) -> str:
    """What is to be run before a Jupyter server is started on the host of `spec`; "" is nothing.

    :param wished: in place of what is configured for the host.
    :raises Fatal: code "not_allowed", who wishes may not say what programs to run.
    :raises BadInput: it is not one line.
    """
    if wished is None:
        found = settings.jupyter_preludes.items()
        return next((prelude for host, prelude in found if is_among(spec.host, (host,))), "")
    if not from_shell and not settings.allow_exec_options:
        raise _refused(
            f"A prelude runs programs on {spec.host}: it is taken from a shell only.",
            "Set c.TunnelManager.jupyter_preludes for that host, or"
            " c.TunnelManager.allow_exec_options = True.",
        )
    if not wished.isprintable() or len(wished) > 4000:
        raise BadInput("A prelude is one line, of at most 4000 characters.")
    return wished


def _check_names(spec: TunnelSpec, settings: EngineSettings) -> None:
    for host in (spec.host, *spec.ssh.hosts):
        if not is_among(host, settings.allowed_hosts):
            raise _refused(
                f"Tunnels to {host} are not allowed here.", "See c.TunnelManager.allowed_hosts."
            )


def check_route(spec: TunnelSpec, route: Sequence[Hop], settings: EngineSettings) -> None:
    """Refuse a host that is another than its name says, where what was typed makes it so.

    `check` has judged the names that were typed. Which host is behind one is the user's affair, as
    their own ssh configuration has it, but not of those who may type options: with
    `CanonicalDomains` a name becomes another one.

    :raises Fatal: code "not_allowed"; the message names the host.
    """
    if not spec.ssh.renaming or is_among(route[-1].host, settings.allowed_hosts):
        return
    raise _refused(
        f"Tunnels to {route[-1].host}, which {spec.host} becomes by"
        f" {' and '.join(spec.ssh.renaming)}, are not allowed here.",
        "See c.TunnelManager.allowed_hosts.",
    )


def check_offers(spec: TunnelSpec, others: Sequence[TunnelSpec], place: str) -> None:
    """Refuse what another tunnel offers as the same port on the same host.

    :param others: of the tunnels that are there, to that host, which is called `place`.
    :raises Fatal: code "conflict"; the hint is the line that closes that one.
    """
    ports = _offered_ports(spec)
    for other in others:
        for port in sorted(ports & _offered_ports(other)):
            raise Fatal(
                f"{port} is offered on {place} already, by the tunnel {other.name}.",
                code="conflict",
                hint="Offer this as another port, or end that one first: jupyter tunnel close"
                f" {shlex.quote(plain(other.name))}",
                hop=place,
            )


def _offered_ports(spec: TunnelSpec) -> set[int]:
    binds = (forward.bind for forward in spec.forwards)
    return {bind.port for bind in binds if isinstance(bind, OfferedPort)}


def _check_options(spec: TunnelSpec) -> None:
    """What the user's own shell may say and nobody else."""
    for named, could in (
        (spec.ssh.executing, "could start programs on this machine"),
        (spec.ssh.trusting, "could have the key of another host taken for this one's"),
        (spec.ssh.lending, "could give the host your agent or environment"),
    ):
        if named:
            instead = "Put it into your ~/.ssh/config"
            if named == ("-F",):
                instead = "Name that file in c.TunnelManager.ssh_config"
            raise _refused(
                f"{' and '.join(named)} {could}: it is taken from a shell only.",
                f"{instead}, or set c.TunnelManager.allow_exec_options = True.",
            )


def _check_destination(forward: ForwardSpec, settings: EngineSettings) -> None:
    wanted = "socks" if forward.destination is None else normpath(str(forward.destination))
    if not is_among(wanted, settings.allowed_destinations):
        raise _refused(
            f"The destination {wanted} is not allowed here.",
            "See c.TunnelManager.allowed_destinations.",
        )


def _check_remote(forward: ForwardSpec, settings: EngineSettings) -> None:
    if not settings.allow_remote_forward:
        raise _refused(
            "Remote forwards are not allowed here.", "See c.TunnelManager.allow_remote_forward."
        )
    if not settings.reaches_own_server(forward):
        return
    if not settings.own_protected:
        raise _refused(
            f"“{forward}” would publish this Jupyter server, which has no password and no token.",
            "Set one first: jupyter server password",
        )
    if not _binds_loopback(forward) and not settings.own_tls:
        raise _refused(
            f"“{forward}” would publish this Jupyter server without TLS.",
            "Let it listen on the remote's loopback, or give this server a certificate.",
        )


def _binds_loopback(forward: ForwardSpec) -> bool:
    return not isinstance(forward.bind, TcpBind) or forward.bind.loopback


def _is_public(forward: ForwardSpec) -> bool:
    return isinstance(forward.bind, TcpBind) and forward.bind.public


def _refused(message: str, hint: str) -> Fatal:
    return Fatal(message, code="not_allowed", hint=hint)
