"""The dataclasses of REST: those of the control protocol, and a few of its own."""

from dataclasses import dataclass, field

from ..apps.applications import Application, ApplicationRequest
from ..apps.jupyter_files import JupyterServer, Protection
from ..apps.jupyters import JupyterRequest, check_local_port
from ..engine.messages import (
    Empty,
    HostList,
    OneTunnel,
    OpenedTunnel,
    PromptList,
    TunnelList,
    Who,
)
from ..kernels.connect import ConnectedKernel
from ..model.diagnosis import Diagnosis, Step
from ..model.errors import Where
from ..model.publication import Change, Check, Publication, PublishReport, PublishRequest, Way
from ..model.spec import SshOptions, TunnelRequest
from ..model.status import ErrorStatus, TunnelStatus

__all__ = [
    "Application",
    "ApplicationList",
    "ApplicationRequest",
    "ChangeRequest",
    "ConnectedKernel",
    "Diagnosis",
    "DoctorLine",
    "DoctorRequest",
    "Empty",
    "ErrorStatus",
    "HostList",
    "JupyterHost",
    "JupyterList",
    "JupyterPassword",
    "JupyterPasswordSet",
    "JupyterRequest",
    "JupyterStart",
    "JupyterStop",
    "JupyterStopped",
    "KernelList",
    "KernelRequest",
    "OfferedViews",
    "OneChange",
    "OnePublication",
    "OneTunnel",
    "OpenedJupyter",
    "OpenedTunnel",
    "PasswordFile",
    "PasswordRequest",
    "PeriodRequest",
    "Problem",
    "PromptAnswer",
    "PromptList",
    "PublicationList",
    "PublishLine",
    "PublishReport",
    "PublishRequest",
    "TunnelList",
    "TunnelRequest",
    "TunnelStatus",
    "Who",
]


@dataclass(frozen=True)
class Problem(ErrorStatus):
    """Why a request failed; `where` is the part of what was typed that is wrong, if known."""

    where: Where | None = None


@dataclass(frozen=True)
class OfferedViews:
    """How this browser can see applications: whether on an origin of their own, under which host
    names ("{id}.localhost", or ""), and below which path.
    """

    origin: bool
    names: str
    path: str


@dataclass(frozen=True)
class ApplicationList:
    """The applications of all tunnels."""

    apps: tuple[Application, ...]
    views: OfferedViews


@dataclass(frozen=True)
class JupyterHost:
    """Ask `host` which Jupyter servers of the user run there."""

    host: str
    ssh: SshOptions = field(default_factory=SshOptions)


@dataclass(frozen=True)
class JupyterList:
    """The Jupyter servers that run on a host, the newest first. `problems` are files there that
    should be of some and are not.
    """

    jupyters: tuple[JupyterServer, ...]
    problems: tuple[ErrorStatus, ...]


@dataclass(frozen=True)
class OpenedJupyter(Application):
    """The application that a Jupyter server is.

    :param protection: what it asks of those who come to it past the view, which tells its token.
    :param address: where a browser of this machine finds it, if a port here leads there; else null.
    """

    protection: Protection
    address: str | None


@dataclass(frozen=True)
class JupyterStart:
    """Start a Jupyter server on `host`, where none runs, and open it; it ends with its last tunnel,
    or stays (`keep`).

    It listens on a socket, or on a port of that host's loopback (`tcp`). `folder` is where it
    looks, the home directory where that is null. `prelude` is what the login shell there is told
    before, in place of what is configured: with the setting `allow_exec_options` only.
    `local_port` opens a port of this machine in place of a private socket; 0 is any free one.
    """

    host: str
    name: str | None = None
    ssh: SshOptions = field(default_factory=SshOptions)
    keep: bool = False
    folder: str | None = None
    tcp: bool = False
    prelude: str | None = None
    local_port: int | None = None

    def __post_init__(self) -> None:
        check_local_port(self.local_port)


@dataclass(frozen=True)
class JupyterStop:
    """End the Jupyter server that runs on `host`, or the one at `destination` there: a port,
    "host:port", or the path of a socket. Its kernels end, too.
    """

    host: str
    destination: str | None = None
    ssh: SshOptions = field(default_factory=SshOptions)


@dataclass(frozen=True)
class JupyterStopped:
    """A Jupyter server that has ended; the tunnels that led to it are closed."""

    server: JupyterServer
    closed: tuple[TunnelStatus, ...]


@dataclass(frozen=True)
class JupyterPassword:
    """Set the password of the Jupyter servers that the user starts on `host` from now on."""

    host: str
    password: str = field(repr=False)
    ssh: SshOptions = field(default_factory=SshOptions)


@dataclass(frozen=True)
class JupyterPasswordSet:
    """How a password was set on a host.

    :param tools: what did it there: ["jupyter server password"].
    :param others: the files there that have another one, which may count in its place.
    """

    tools: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class KernelRequest:
    """Connect to the kernel of the connection file `file` (its path or bare name) on `host`."""

    host: str
    file: str
    ssh: SshOptions = field(default_factory=SshOptions)


@dataclass(frozen=True)
class KernelList:
    """The tunnels to remote kernels."""

    kernels: tuple[TunnelStatus, ...]


@dataclass(frozen=True)
class DoctorRequest:
    """Walk to `host` as a tunnel would, or as the tunnel of that id or name does, and find out what
    fails. With `gateway_ports` the host is asked, for a moment, to listen on all its interfaces."""

    host: str = ""
    ssh: SshOptions = field(default_factory=SshOptions)
    tunnel: str | None = None
    gateway_ports: bool = False


@dataclass(frozen=True)
class DoctorLine:
    """A line of the answer for clients that want to see each step as soon as it is over: a step;
    the last line is the diagnosis, with all steps again, or why there is none."""

    step: Step | None = None
    diagnosis: Diagnosis | None = None
    error: Problem | None = None


@dataclass(frozen=True)
class PromptAnswer:
    """Answer a question: as many answers as it has fields, in their order. To trust a host key
    takes none.

    `remember`: a host key is written to known_hosts, not only taken for once; a passphrase opens
    its key until the engine ends.
    """

    answers: tuple[str, ...] = field(default=(), repr=False)
    remember: bool = False


@dataclass(frozen=True)
class PublicationList:
    """What is published of this Jupyter now.

    :param ways: in which it may be published here.
    :param hours: after which a publication ends by itself, where nobody says another time.
    :param password_file: where a new password would be written.
    :param outside: whether this request came from outside: it can end what is published, not widen
        it.
    """

    publications: tuple[Publication, ...]
    ways: tuple[Way, ...]
    hours: float
    password_file: str
    outside: bool


@dataclass(frozen=True)
class OnePublication:
    """What became of one."""

    publication: Publication


@dataclass(frozen=True)
class PublishLine:
    """A line of the answer for clients that want to see each check as soon as it is over: a check;
    the last line is the report, with all checks again, or why there is none."""

    check: Check | None = None
    report: PublishReport | None = None
    error: Problem | None = None


@dataclass(frozen=True)
class PeriodRequest:
    """Have a publication end so many hours from now; null is as the server is set, and never sooner
    than it would."""

    hours: float | None = None


@dataclass(frozen=True)
class PasswordRequest:
    """Set the password of this Jupyter server."""

    password: str = field(repr=False)


@dataclass(frozen=True)
class ChangeRequest:
    """Write a change to Jupyter's configuration that a check has shown: its `setting` and `seen`,
    and the `prefix` of the request that was checked.
    """

    setting: str
    seen: str
    prefix: str = ""


@dataclass(frozen=True)
class OneChange:
    """What was written."""

    change: Change


@dataclass(frozen=True)
class PasswordFile:
    """Where the password was written."""

    file: str
