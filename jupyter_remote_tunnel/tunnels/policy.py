"""What may be opened: plain decisions on a spec, its route and the settings, before anything is
opened."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from os.path import normpath, realpath

from ..model.address import TcpAddress
from ..model.errors import Fatal
from ..model.forward import ForwardKind, ForwardSpec, TcpBind
from ..model.settings import EngineSettings
from ..model.spec import TunnelSpec
from ..ssh.hop import Hop

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104 (compared, not bound)


def check(spec: TunnelSpec, settings: EngineSettings, *, from_shell: bool) -> None:
    """Refuse what the settings do not allow.

    :param from_shell: the user typed it in a shell of their own, where ssh could run any program
    too.
    :raises Fatal: code "not_allowed"; the message names the setting.
    """
    _check_host(spec, settings)
    if not from_shell and not settings.allow_exec_options:
        _check_options(spec)
    for forward in spec.forwards:
        _check_destination(forward, settings)
        if forward.kind is ForwardKind.REMOTE:
            _check_remote(forward, settings)
        elif _is_public(forward) and not settings.allow_public_bind:
            raise _refused(
                f"“{forward}” would listen on all interfaces of this machine.",
                "Leave the bind address out, or set c.TunnelManager.allow_public_bind = True.",
            )


def _check_host(spec: TunnelSpec, settings: EngineSettings) -> None:
    allowed = settings.allowed_hosts
    if allowed is None:
        return
    for host in (spec.host, *spec.ssh.hosts):
        if not _matches(host, allowed):
            raise _refused(
                f"Tunnels to {host} are not allowed here.", "See c.TunnelManager.allowed_hosts."
            )


def check_route(spec: TunnelSpec, route: Sequence[Hop], settings: EngineSettings) -> None:
    """Refuse a host that is another than its name says, where what was typed makes it so.

    `check` has judged the names that were typed. Which host is behind one is the user's affair, as
    their own ssh configuration has it, but not of who may type options: with `CanonicalDomains` a
    name becomes another one.

    :raises Fatal: code "not_allowed"; the message names the host.
    """
    allowed = settings.allowed_hosts
    if allowed is None or not spec.ssh.renaming or _matches(route[-1].host, allowed):
        return
    raise _refused(
        f"Tunnels to {route[-1].host}, which {spec.host} becomes by"
        f" {' and '.join(spec.ssh.renaming)}, are not allowed here.",
        "See c.TunnelManager.allowed_hosts.",
    )


def _check_options(spec: TunnelSpec) -> None:
    """What the user's own shell may say and nobody else."""
    for named, could in (
        (spec.ssh.executing, "could start programs on this machine"),
        (spec.ssh.trusting, "could have the key of another host taken for this one's"),
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
    allowed = settings.allowed_destinations
    if allowed is None:
        return
    wanted = "socks" if forward.destination is None else normpath(str(forward.destination))
    if not _matches(wanted, allowed):
        raise _refused(
            f"The destination {wanted} is not allowed here.",
            "See c.TunnelManager.allowed_destinations.",
        )


def _check_remote(forward: ForwardSpec, settings: EngineSettings) -> None:
    if not settings.allow_remote_forward:
        raise _refused(
            "Remote forwards are not allowed here.", "See c.TunnelManager.allow_remote_forward."
        )
    if not _reaches_own_server(forward, settings):
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


def _reaches_own_server(forward: ForwardSpec, settings: EngineSettings) -> bool:
    """SOCKS on the remote reaches every port here, this server's among them."""
    if forward.destination is None:
        return bool(settings.own_ports)
    # Whatever the host's name: it may be one of this machine's, and a wrong guess would publish it.
    to = forward.destination
    if isinstance(to, TcpAddress):
        return to.port in settings.own_ports
    return settings.own_socket is not None and realpath(to.path) == realpath(settings.own_socket)


def _binds_loopback(forward: ForwardSpec) -> bool:
    if not isinstance(forward.bind, TcpBind):
        return True
    return forward.bind.host is None or forward.bind.host in _LOOPBACK_NAMES[:3]


def _is_public(forward: ForwardSpec) -> bool:
    return isinstance(forward.bind, TcpBind) and forward.bind.public


def _matches(value: str, patterns: Iterable[str]) -> bool:
    """Only “*” and “?” stand for anything: a “[” is that of an IPv6 address."""
    globs = (pattern.lower().replace("[", "[[]") for pattern in patterns)
    return any(fnmatchcase(value.lower(), glob) for glob in globs)


def _refused(message: str, hint: str) -> Fatal:
    return Fatal(message, code="not_allowed", hint=hint)
