"""Starting a Jupyter server on a remote host, and ending one that runs there.

What starts it is `jupyter_keeper`, a program that is sent to the host. It is run in the environment
of the user's own Jupyter: by the shell as every command is, where `jupyter` is found so and nothing
else was wished; else by the login shell, behind the prelude.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from ..model.errors import BadInput, Fatal, RemoteTunnelError, Transient
from ..model.forward import Bind
from ..model.remote_shell import FENCE, MARKER, RUNTIME_DIR, between_fences
from ..model.spec import TunnelRequest
from ..model.status import TunnelStatus
from ..model.text import plain
from .jupyter_files import FoundJupyter
from .jupyters import Found, find, open_jupyter

if TYPE_CHECKING:
    from ..engine.client import EngineClient, Output
    from ..engine.messages import Starting, Who

_KEEPER = Path(__file__).with_name("jupyter_keeper.py")

# Says why, in the shells of the family of sh. What the prelude prints is for those who look for its
# mistake.
_RUN = f"""
if [ -n "$JRT_PRELUDE" ]; then
  {{ eval "$JRT_PRELUDE"; }} 1>&2 || {{
    failed=$?
    printf '{FENCE}{{"problem": "prelude", "detail": "%s"}}{FENCE}' "$failed"
    exit
  }}
fi
unset JRT_PRELUDE JRT_RUN
for python in python3 python; do
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null || continue
  exec "$python" -c 'import os; exec(os.environ.pop("JRT_KEEPER"))' jupyter_remote_tunnel
done
printf '{FENCE}{{"problem": "no_python"}}{FENCE}'
"""
_START = f"""{RUNTIME_DIR}
export JRT_RUNTIME="$dir" JRT_PRELUDE JRT_RUN JRT_KEEPER JRT_WISH
if [ -z "$JRT_PRELUDE" ] && command -v jupyter >/dev/null 2>&1; then
  eval "$JRT_RUN"
else
  case ${{SHELL##*/}} in
    *csh | fish | "") shell=$(command -v bash || command -v sh) ;;
    *) shell=$SHELL ;;
  esac
  "$shell" -lc 'eval "$JRT_RUN"' </dev/null
fi
"""
# The program itself comes by standard input, out of every list of processes, and past login shells
# that do not like its lines.
_SHELL = ("sh", "-c", 'eval "$(cat)"')

# $1 is the pid. What has that pid must be a Jupyter, and one that has ended can wait to be reaped.
_STOP = (
    'case $(ps -o args= -p "$1") in *jupyter*|*notebook*) ;; *) exit 0 ;; esac;'
    ' kill -TERM "$1" || exit 1; n=0; while [ "$n" -lt 75 ]; do'
    ' case $(ps -o stat= -p "$1") in ""|*Z*) exit 0 ;; esac; sleep 0.2; n=$((n+1)); done; exit 2'
)

_SLACK = 30.0
"""Seconds for all that comes before and after the server's own start."""

_ASKED = 5.0
"""Seconds that a host has to tell whether it is the one that has just answered."""

_TAIL = 12
"""Lines of a log that are shown."""

_TOKEN = re.compile(r"(token=)[^\s&\"']+", re.IGNORECASE)


@dataclass(frozen=True)
class Start:
    """How a Jupyter server is to be started, where none runs.

    :param keep: whether it stays when no tunnel holds it any more.
    :param folder: its root folder there; None is the home directory.
    :param tcp: listen on a port of that host's loopback, and not on a socket.
    :param prelude: what its shell is told before; None is what is configured for the host.
    """

    keep: bool = False
    folder: str | None = None
    tcp: bool = False
    prelude: str | None = None

    def __post_init__(self) -> None:
        folder = self.folder
        if folder is not None and not (0 < len(folder) <= 1000 and folder.isprintable()):
            raise BadInput("A folder is one line of at most 1000 characters.")


async def start_jupyter(
    client: "EngineClient",
    host: TunnelRequest,
    wanted: Start,
    *,
    name: str | None = None,
    bind: Callable[[FoundJupyter], Bind] | None = None,
    person: "Who | None" = None,
) -> tuple[TunnelStatus, bool, FoundJupyter, bool]:
    """Start a Jupyter server on a host and open a tunnel to it. One that runs already is opened.

    :param host: the host and how to log in to it, no forwards.
    :param bind: where the tunnel listens; None is a private socket.
    :returns: the tunnel and whether it is a new one, the server and whether it is a new one.
    :raises RemoteTunnelError: there is no server, or no tunnel to it; what was started is ended.
    """
    # Also where one runs: whoever may not say so is told so.
    how = await client.how_to_start(host, wanted.prelude)
    found = await find(client, host, person=person)
    pid = None
    if not found.servers:
        pid = await _start(client, host, wanted, how, person)
        found = await find(client, host, person=person)
    server = _started(found, pid)
    try:
        tunnel, created = await open_jupyter(
            client, host, server, name=name, bind=bind and bind(server), person=person
        )
    except RemoteTunnelError:
        if pid is not None:
            with contextlib.suppress(RemoteTunnelError):
                await _end(client, host, server, person)
        raise
    return tunnel, created, server, pid is not None


def _started(found: Found, pid: int | None) -> FoundJupyter:
    """The server of that pid, or the only one."""
    ours = [one for one in found.jupyters if one.server.pid == pid]
    return ours[0] if ours else found.choose(None)


async def _start(
    client: "EngineClient",
    host: TunnelRequest,
    wanted: Start,
    how: "Starting",
    person: "Who | None",
) -> int | None:
    """Have it started: its pid; None where another one was started at the same time."""
    wish = {
        "fence": FENCE,
        "marker": MARKER,
        "keep": wanted.keep,
        "folder": wanted.folder or "~",
        "tcp": wanted.tcp,
        "grace": how.grace,
        "patience": how.patience,
    }
    values = {
        "JRT_PRELUDE": how.prelude,
        "JRT_RUN": _RUN,
        "JRT_KEEPER": _KEEPER.read_text(),
        "JRT_WISH": json.dumps(wish),
    }
    script = "".join(f"{key}={quote(value)}\n" for key, value in values.items()) + _START
    # Somebody else may be starting one: that is waited for as long.
    limit = min(2 * how.patience + _SLACK, 600.0)
    answer = await client.exec(host, _SHELL, script.encode(), timeout=limit, person=person)
    told = _report(answer)
    if told.get("running") is True:
        return None
    pid = told.get("pid")
    if type(pid) is int:
        return pid
    raise _why_not(host.host or "", told, answer, how)


def _report(answer: "Output") -> dict[str, Any]:
    """What the keeper has told; {} where it has told nothing."""
    parts = between_fences(answer.stdout)
    try:
        told = json.loads(parts[0]) if len(parts) > 1 else {}
    except (ValueError, RecursionError):
        told = {}
    return told if isinstance(told, dict) else {}


def _why_not(
    name: str, told: dict[str, Any], answer: "Output", how: "Starting"
) -> RemoteTunnelError:
    """What the keeper has told, in words; or that it could not even tell."""
    detail = plain(str(told.get("detail", "")), 300)
    said = _tail(answer.stderr.decode(errors="replace"))
    log = _tail(str(told.get("log", ""))) or "It said nothing."
    prelude = "a prelude that puts it on the PATH (--prelude, or c.TunnelManager.jupyter_preludes)"
    match told.get("problem"):
        case "prelude":
            return Fatal(
                f"The prelude failed on {name}, with status {detail}: {plain(how.prelude)}",
                code="unsupported",
                hint=_lines("Try it there, in a login shell.", said),
            )
        case "no_jupyter":
            return Fatal(
                f"No Jupyter was found on {name}.",
                code="not_found",
                hint=_lines(
                    f"Install it there, or give {prelude}, such as: conda activate lab",
                    f"The PATH was {detail}",
                    said,
                ),
            )
        case "no_python":
            return Fatal(
                f"No Python was found on {name} that could start Jupyter.",
                code="not_found",
                hint=_lines(f"It takes python3 (3.6 or newer), or {prelude}.", said),
            )
        case "no_folder":
            return Fatal(f"{name} has no folder {detail}.", code="not_found")
        case "open":
            return Fatal(
                f"Jupyter on {name} asks for nothing, as its configuration says, and every user of"
                " that host could have connected to its port: it was ended again.",
                code="not_allowed",
                hint="Take the empty token out of its configuration there, or set a password:"
                f" jupyter tunnel jupyter {name} --set-password",
            )
        case "ended":
            return Fatal(
                f"Jupyter ended on {name} as soon as it was started, with status {detail}.",
                code="unsupported",
                hint=log,
            )
        case "silent":
            return Transient(
                f"Jupyter did not answer on {name} within {how.patience:g} s, and was ended again.",
                code="connect_timeout",
                hint=_lines("It may take longer: c.TunnelManager.jupyter_start_timeout", log),
            )
        case "busy":
            return Transient(
                f"Another Jupyter is being started on {name}, and does not answer yet.",
                code="connect_timeout",
                hint="Try again, to open that one.",
            )
    reason = detail or f"the command ended with status {answer.status}"
    return Fatal(
        f"Jupyter could not be started on {name}: {reason}.",
        code="unsupported",
        hint=_lines("Is its prelude right?" if how.prelude else "", said),
    )


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _tail(text: str) -> str:
    """The last lines of what a program there has said; "" where it said nothing."""
    lines = [plain(_TOKEN.sub(r"\1…", line), 300) for line in text[-8000:].splitlines()]
    kept = [line for line in lines if line][-_TAIL:]
    return _lines("The last that it said:", *kept) if kept else ""


async def stop_jupyter(
    client: "EngineClient",
    host: TunnelRequest,
    destination: str | None,
    *,
    person: "Who | None" = None,
) -> tuple[FoundJupyter, list[TunnelStatus]]:
    """End the Jupyter server at `destination` there, or the only one, with its kernels; and close
    the tunnels of this engine that lead to it.

    :returns: what it was, and these tunnels.
    :raises RemoteTunnelError: there is none, or it does not end.
    """
    found = await find(client, host, person=person)
    server = found.choose(destination, if_none="There is nothing to stop.")
    await _end(client, host, server, person)
    ours = {tunnel.id for tunnel in await client.list_tunnels(host)}
    tunnels = [
        tunnel
        for tunnel in await client.list_tunnels()
        if tunnel.kind == "jupyter"
        and tunnel.host in (host.host, f"{host.ssh.user}@{host.host}")
        and tunnel.forwards[0].destination == str(server.address)
    ]
    # At once: whoever takes that port there now would be sent what is meant for the server.
    closings = (_close(client, tunnel, is_known=tunnel.id in ours) for tunnel in tunnels)
    closed = await asyncio.gather(*closings)
    return server, [tunnel for tunnel, is_closed in zip(tunnels, closed, strict=True) if is_closed]


async def _close(client: "EngineClient", tunnel: TunnelStatus, *, is_known: bool) -> bool:
    """Close a tunnel that leads to a server that was ended: whether it does.

    :param is_known: whether that is known. Else its host is asked.
    """
    if not is_known and not await _leads_nowhere(client, tunnel):
        return False
    with contextlib.suppress(RemoteTunnelError):  # somebody was faster
        await client.close_tunnel(tunnel.id)
    return True


async def _leads_nowhere(client: "EngineClient", tunnel: TunnelStatus) -> bool:
    """Whether the host of this tunnel has no Jupyter where it leads: all hosts that are called
    `localhost` behind their jump hosts may have one at the same port.
    """
    try:
        async with asyncio.timeout(_ASKED):
            found = await find(client, tunnel)
    except (RemoteTunnelError, TimeoutError):
        return False  # it is not the host that has just answered
    return all(one.destination != tunnel.forwards[0].destination for one in found.servers)


async def _end(
    client: "EngineClient", host: TunnelRequest, found: FoundJupyter, person: "Who | None"
) -> None:
    argv = ["sh", "-c", _STOP, "sh", str(found.server.pid)]
    answer = await client.exec(host, argv, person=person)
    if answer.status == 0:
        return
    where = f"process {found.server.pid} on {host.host}"
    if answer.status == 1:
        said = plain(answer.stderr.decode(errors="replace"))
        raise Fatal(f"The Jupyter server cannot be ended, {where}: {said}", code="not_allowed")
    raise Transient(
        f"The Jupyter server was told to end, and still runs after 15 s: {where}.",
        code="connect_timeout",
        hint=f"If it hangs: ssh {plain(host.host or '')} kill -KILL {found.server.pid}",
    )
