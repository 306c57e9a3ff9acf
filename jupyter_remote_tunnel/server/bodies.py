"""The dataclasses of REST: those of the control protocol, and a few of its own."""

from dataclasses import dataclass, field

from ..apps.applications import Application, ApplicationRequest
from ..engine.messages import HostList, OneTunnel, OpenedTunnel, TunnelList
from ..kernels.connect import ConnectedKernel
from ..model.errors import Where
from ..model.spec import SshOptions, TunnelRequest
from ..model.status import ErrorStatus, TunnelStatus

__all__ = [
    "Application",
    "ApplicationList",
    "ApplicationRequest",
    "ConnectedKernel",
    "HostList",
    "KernelList",
    "KernelRequest",
    "OfferedViews",
    "OneTunnel",
    "OpenedTunnel",
    "Problem",
    "TunnelList",
    "TunnelRequest",
    "TunnelStatus",
]


@dataclass(frozen=True)
class Problem(ErrorStatus):
    """Why a request failed; `where` is the part of what was typed that is wrong, if known."""

    where: Where | None = None


@dataclass(frozen=True)
class OfferedViews:
    """How this browser can see applications: on an origin of their own, and below which path."""

    origin: bool
    path: str


@dataclass(frozen=True)
class ApplicationList:
    """The applications of all tunnels."""

    apps: tuple[Application, ...]
    views: OfferedViews


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
