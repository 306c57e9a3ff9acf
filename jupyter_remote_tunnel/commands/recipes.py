"""How ssh alone offers the same, on a machine without this package: lines to copy."""

import shlex

from ..model.address import bracketed
from ..model.forward import ForwardSpec, OfferedPort
from ..model.offer import FOLDER, offered_socket
from ..model.spec import TunnelSpec
from .answers import Answer
from .offers import typed_forward
from .units import LINGERING, offer_of, quoted, starting, unit_name

# So that a connection that is gone is noticed, and one without its forward is none.
_LASTING = (
    *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3"),
    *("-o", "ExitOnForwardFailure=yes"),
)


def by_ssh(spec: TunnelSpec) -> Answer:
    """Lines for the shell of the machine that offers something; data is {"lines": [line, …]}."""
    sockets = [forward for forward in spec.forwards if _is_socket(forward)]
    login = [*spec.ssh.words(), bracketed(spec.host)]
    remote = [word for forward in spec.forwards for word in ("-R", typed_forward(forward))]
    line = shlex.join([*_LASTING, *remote, *login])
    by_port = [
        "# On a port of the gateway, to which its other users can connect:",
        f"ssh -NfT {line}",
        f"autossh -M 0 -f -NT {line}",
    ]
    if sockets:
        once, script = _by_socket(spec, sockets, login)
        lines = [
            "# On a Unix socket of the gateway that only you can use. sshd does not remove it, so",
            "# that is done before; with “StreamLocalBindUnlink yes” in its sshd_config it does.",
            once,
            *_for_ever(spec, script),
            *by_port,
        ]
    else:
        lines = [*by_port, *_for_ever(spec, f"exec ssh -NT {line}")]
    return Answer({"lines": lines}, tuple(lines))


def _for_ever(spec: TunnelSpec, script: str) -> list[str]:
    """The unit that runs a line of the shell, and how it is started."""
    unit = f"{unit_name(spec.name)}.service"
    return [
        f"# The same for ever: ~/.config/systemd/user/{unit}",
        *offer_of(spec, f"/bin/sh -c {quoted(script)}").splitlines(),
        "# To start that, now and at each log-in, and to have it run while nobody is logged in:",
        starting(unit),
        LINGERING,
    ]


def _is_socket(forward: ForwardSpec) -> bool:
    return isinstance(forward.bind, OfferedPort) and not forward.bind.tcp


def _by_socket(spec: TunnelSpec, sockets: list[ForwardSpec], login: list[str]) -> tuple[str, str]:
    """The line that does it once, and what a unit runs. The path of a socket must be absolute."""
    files, remote = [], []
    for forward in spec.forwards:
        if forward in sockets and isinstance(forward.bind, OfferedPort):
            files.append(f"{FOLDER}/{forward.bind.port}.*")
            path = offered_socket(FOLDER, forward.bind.port)
            remote.append(f'-R "$home"/{path}:{shlex.quote(str(forward.destination))}')
        else:
            remote.append(shlex.join(["-R", typed_forward(forward)]))
    ready = f"cd && umask 077; mkdir -p {FOLDER} && rm -f {' '.join(files)} && pwd"
    home = f"home=$(ssh {shlex.join([*login, ready])})"
    words = " ".join([shlex.join(_LASTING), *remote, shlex.join(login)])
    return f"{home} && ssh -NfT {words}", f"{home} && exec ssh -NT {words}"
