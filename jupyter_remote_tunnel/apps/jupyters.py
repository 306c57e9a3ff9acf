"""Jupyter servers that run on a remote host: which there are, and a tunnel to one.

What lets a person in (the token, where there is one) is read on the host over SSH whenever it is
needed, by whoever needs it, and kept in no request, status or file: a tunnel of kind "jupyter"
knows only where its server listens, and `enter` finds the rest by that.
"""

import hashlib
import platform
import re
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ..model.address import TcpAddress, parse_address
from ..model.errors import BadInput, Fatal
from ..model.forward import Bind, ForwardKind, ForwardSpec, PrivateSocket, TcpBind
from ..model.remote_shell import FENCE, LIVES, MARKER, RUNTIME_DIR, between_fences, is_folder
from ..model.spec import SshOptions, TunnelRequest
from ..model.status import TunnelStatus, not_open
from ..model.text import plain
from .jupyter_files import SIZE_LIMIT, FoundJupyter, JupyterServer, parse
from .listeners import Listeners

if TYPE_CHECKING:
    from ..engine.client import EngineClient
    from ..engine.messages import Who

_MOST = 50
_NAMED = 5  # of them in a hint

# Prints the runtime directory, the uid and who listens on which port (of Linux; we first, as others
# can have any number of them), and of each server there whose process lives its file's name with
# the process's age, the folder of its keeper, and the file. (`jupyter server list` reads the same
# files, takes a second or two for it, and is not always to be found.)
_FIND = f"""{LIVES}{RUNTIME_DIR}
printf '{FENCE}%s{FENCE}' "$dir"
id -u
awk -v us="$(id -u)" '$4 == "0A" {{ if ($8 == us) print $2, $8; else rest[n++] = $2 " " $8 }}
END {{ for (i = 0; i < n; i++) print rest[i] }}' /proc/net/tcp /proc/net/tcp6 2>/dev/null |
  head -n 5000
printf '{FENCE}'
cd "$dir" 2>/dev/null || exit 0
ls -t | grep -E '^(jp|nb)server-[0-9]+[.]json$' | head -n {_MOST} | while read -r file; do
  pid=${{file#*-}} pid=${{pid%.json}}
  [ -f "$file" ] && lives "$pid" || continue
  echo "$file" $(ps -o etime= -p "$pid" 2>/dev/null)
  echo "$(head -n 1 "{MARKER}$pid" 2>/dev/null)"
  head -c {SIZE_LIMIT + 1} "$file"
  printf '{FENCE}'
done
"""

_ENDED, _NONE = 3, 4

# Ends with the first of these when the process $1 has ended, with the second if there was none, and
# with 0 after some minutes; and when nobody reads any more what it writes.
_WATCH = f"""{LIVES}
lives "$1" || exit {_NONE}
n=0
while [ $n -lt 1500 ]; do
  sleep 0.2 2>/dev/null || sleep 1
  lives "$1" || exit {_ENDED}
  n=$((n + 1))
  [ $((n % 25)) != 0 ] || printf . || exit 1
done
"""
_WATCHED = 400.0
_AGE = re.compile(r"(?:(?:(\d{1,5})-)?(\d{1,2}):)?(\d{1,2}):(\d{2})\Z")


@dataclass(frozen=True)
class JupyterRequest:
    """Open the Jupyter server that runs on the remote `host`, or the one at `destination` there: a
    port, "host:port", or the path of a socket.

    `local_port` opens a port of this machine in place of a private socket, at a loopback address
    that is that host's own where there is one; 0 is any free one.
    """

    host: str
    destination: str | None = None
    name: str | None = None
    ssh: SshOptions = field(default_factory=SshOptions)
    local_port: int | None = None

    def __post_init__(self) -> None:
        check_local_port(self.local_port)


@dataclass(frozen=True)
class Found:
    """What runs on a host, the newest first; `problems` are files that tell nothing."""

    host: str
    jupyters: tuple[FoundJupyter, ...]
    problems: tuple[Fatal, ...] = ()

    @property
    def servers(self) -> tuple[JupyterServer, ...]:
        """The same without what is secret."""
        return tuple(found.server for found in self.jupyters)

    def choose(self, destination: str | None, *, if_none: str = "") -> FoundJupyter:
        """The one at `destination`, or the only one.

        :param if_none: what to do where none runs, if it is not to start one.
        :raises Fatal: `not_found`.
        :raises BadInput: `ambiguous`.
        """
        among = [one for one in self.jupyters if destination is None or _is_at(one, destination)]
        if len(among) == 1:
            return among[0]
        if among:
            listed = "; ".join(
                f"{one.destination} ({one.root_dir})" for one in self.servers[:_NAMED]
            )
            ports = [one.address.port for one in among if isinstance(one.address, TcpAddress)]
            example = f" For example: {self.host}:{ports[0]}" if ports else ""
            raise BadInput(
                f"Several Jupyter servers run on {self.host}.",
                code="ambiguous",
                hint=f"Say which by its port or its socket: {listed}.{example}",
            )
        if self.problems and not self.jupyters:
            raise self.problems[0]
        where = "" if destination is None else f" at {plain(destination)}"
        listed = ", ".join(one.destination for one in self.servers[:_NAMED])
        start = f"Start one there: jupyter tunnel jupyter {plain(self.host)} --start"
        raise Fatal(
            f"No Jupyter server of yours runs on {self.host}{where}.",
            code="not_found",
            hint=f"There are: {listed}." if listed else if_none or start,
        )


def _is_at(found: FoundJupyter, destination: str) -> bool:
    """Whether a server is meant by what somebody typed."""
    known = {found.server.destination}
    if isinstance(found.address, TcpAddress):
        port = found.address.port
        known |= {str(port), f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"}
    return destination in known


async def find(
    client: "EngineClient", way: TunnelRequest | TunnelStatus, *, person: "Who | None" = None
) -> Found:
    """Ask a host which Jupyter servers of the user run there.

    :param way: the host and how to log in to it, no forwards; or a tunnel to it.
    :param person: who can be asked for what the host wants to know.
    :raises RemoteTunnelError: the host is out of reach, or tells nothing that is understood.
    """
    name, argv = way.host or "", ["sh", "-c", _FIND]
    if isinstance(way, TunnelStatus):
        answer = await client.exec(None, argv, tunnel=way.id, person=person)
    else:
        answer = await client.exec(way, argv, person=person)
    parts = between_fences(answer.stdout)
    if len(parts) < 3 or not is_folder(parts[0]):
        raise Fatal(
            f"{name} does not tell where its Jupyter keeps what runs.",
            code="not_found",
            hint="Does it run commands? `jupyter --runtime-dir` there prints the folder.",
        )
    listeners = Listeners.parse(parts[1])
    jupyters: list[FoundJupyter] = []
    problems: list[Fatal] = []
    for record in parts[2 : 2 + _MOST]:
        first, _, rest = record.partition("\n")
        keeper, newline, data = rest.partition("\n")
        if not newline:
            continue  # what stands behind the last one
        file, _, age = first.partition(" ")
        where = f"{plain(file, 60)} on {name}"
        try:
            found = parse(data, where, listeners, _started(age.strip()), keeper)
        except Fatal as error:
            problems.append(error)
        else:
            # Of two at one place the newer one: that of a killed server stays, and another process
            # may have its number by now.
            places = {known.address for known in jupyters}
            jupyters += [] if found is None or found.address in places else [found]
    return Found(name, tuple(jupyters), tuple(problems))


def _started(age: str) -> str | None:
    """When a process began whose `ps -o etime` is `age`: its host's clock plays no part."""
    read = _AGE.match(age)
    if read is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in read.groups())
    lived = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return (datetime.now(UTC) - lived).isoformat(timespec="seconds")


async def has_ended(client: "EngineClient", tunnel: str, pid: int) -> bool | None:
    """Wait for the end of a process on the host of that tunnel, some minutes at most: whether it
    has ended; None if there was none.

    :raises RemoteTunnelError: the host does not tell.
    """
    argv = ["sh", "-c", _WATCH, "sh", str(pid)]
    answer = await client.exec(None, argv, tunnel=tunnel, timeout=_WATCHED)
    if answer.status not in (0, _ENDED, _NONE):
        raise Fatal(f"Whether process {pid} runs there is not known.", code="unsupported")
    return None if answer.status == _NONE else answer.status == _ENDED


async def open_jupyter(
    client: "EngineClient",
    host: TunnelRequest,
    found: FoundJupyter,
    *,
    name: str | None = None,
    bind: Bind | None = None,
    person: "Who | None" = None,
) -> tuple[TunnelStatus, bool]:
    """Open a tunnel to a server that was found on `host`, or find the one that leads there.

    :param bind: where it listens; None is a private socket.
    :returns: the tunnel, and whether it is a new one.
    :raises RemoteTunnelError: the tunnel does not open.
    """
    forward = ForwardSpec(ForwardKind.LOCAL, bind or PrivateSocket(), found.address)
    request = replace(
        host, forwards=(str(forward),), name=name, kind="jupyter", keeper=found.keeper
    )
    return await client.open_tunnel(request, person=person)


def check_local_port(port: int | None) -> None:
    """:raises BadInput: it is none, which nobody should have to start a server for to be told."""
    if port is not None and not 0 <= port <= 65535:
        raise BadInput(
            f"{port} is no port.", hint="It lies between 0 and 65535; 0 is any free one."
        )


def port_here(host: TunnelRequest, found: FoundJupyter, asked: int | None) -> TcpBind:
    """A port of this machine for a server of that host.

    :param asked: None is the same one as there; 0 is any free one.
    """
    port = getattr(found.address, "port", 0) if asked is None else asked
    return TcpBind(own_address(host), port)


def own_address(host: TunnelRequest) -> str | None:
    """A loopback address for the Jupyter servers of one host; None where there is only the usual.

    Cookies are kept apart by addresses and not by ports: a Jupyter at 127.0.0.1:9000 is sent the
    login cookie of one at 127.0.0.1:8888, and takes its `_xsrf` for its own. Linux has the whole of
    127.0.0.0/8; the browser of a Windows machine finds only 127.0.0.1 of its WSL.

    What is typed with a name decides which host it is: behind jump hosts all may be called
    `localhost`, and a configuration file, `CanonicalDomains` or `Tag` can make anything of a name.
    So every word for ssh counts: that one host has two addresses costs a login, that two have one
    would tell the one the cookies of the other.
    """
    if sys.platform != "linux" or "microsoft" in platform.release().lower():
        return None
    ssh = host.ssh
    others = replace(ssh, user=None, port=None).words()
    digest = hashlib.sha256(str((host.host, ssh.user, ssh.port, *others)).encode()).digest()
    return ".".join(map(str, (127, *(1 + byte % 254 for byte in digest[:3]))))


def url_here(tunnel: TunnelStatus, found: FoundJupyter) -> str:
    """Where a browser of this machine finds a server behind a tunnel that listens on a port.

    The browser is sent there with what lets a person in, and takes the next word of a URL without
    an address for a host.

    :raises RemoteTunnelError: it listens on none, or not now.
    """
    bound = tunnel.forwards[0].bound
    if bound is None:
        raise not_open(tunnel)
    if not isinstance(parse_address(bound), TcpAddress):
        raise Fatal(f"{plain(tunnel.name)} has no port on this machine.", code="unsupported")
    return f"{'https' if found.secure else 'http'}://{bound}{found.base_url}"


async def enter(
    client: "EngineClient", tunnel: TunnelStatus, *, person: "Who | None" = None
) -> FoundJupyter:
    """What leads into the server of a tunnel of kind "jupyter", asked of its host now.

    :raises RemoteTunnelError: the host is out of reach, or the server does not run any more.
    """
    found = await find(client, tunnel, person=person)
    return found.choose(tunnel.forwards[0].destination)
