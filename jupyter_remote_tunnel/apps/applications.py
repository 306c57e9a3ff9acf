"""The applications of tunnels.

The first local forward of a tunnel is the application with the tunnel's id, the n-th the one with
`<id>-<n>`. The channels of a kernel are none.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..model.address import parse_address
from ..model.forward import ForwardKind, ForwardSpec, PrivateSocket
from ..model.spec import SshOptions, TunnelRequest
from ..model.status import ForwardStatus, TunnelStatus

if TYPE_CHECKING:
    from ..engine.client import EngineClient
    from ..engine.messages import Who


@dataclass(frozen=True)
class Application:
    """A remote web application, or whatever else listens where a local forward leads.

    :param name: the tunnel's name, with the destination where it has several applications.
    :param destination: "host:port" or a path, as seen from the remote host.
    :param tunnel: the id of its tunnel, `state` that tunnel's.
    :param url: where a browser that is logged in to Jupyter sees it; grants nothing by itself.
    """

    id: str
    name: str
    host: str
    destination: str
    tunnel: str
    state: str
    url: str


@dataclass(frozen=True)
class ApplicationRequest:
    """Open the application at `destination` ("host:port", a port, or the path of a socket) of the
    remote `host`.
    """

    host: str
    destination: str
    name: str | None = None
    ssh: SshOptions = field(default_factory=SshOptions)


def forwards_by_id(tunnel: TunnelStatus) -> Iterator[tuple[str, ForwardStatus, str]]:
    """(id, forward, destination) of each application of a tunnel."""
    if tunnel.kind == "kernel":
        return
    local = [forward for forward in tunnel.forwards if forward.kind == "local"]
    for number, forward in enumerate(local, 1):
        if forward.destination is not None:
            app_id = tunnel.id if number == 1 else f"{tunnel.id}-{number}"
            yield app_id, forward, forward.destination


def applications(tunnel: TunnelStatus, server_url: str) -> list[Application]:
    """The applications of a tunnel, as the Jupyter server at `server_url` shows them."""
    found = list(forwards_by_id(tunnel))
    base = f"{server_url.rstrip('/')}/remote-tunnel/open"
    return [
        Application(
            id=app_id,
            name=tunnel.name if len(found) == 1 else f"{tunnel.name} → {destination}",
            host=tunnel.host,
            destination=destination,
            tunnel=tunnel.id,
            state=tunnel.state,
            url=f"{base}/{app_id}",
        )
        for app_id, _, destination in found
    ]


async def open_application(
    client: "EngineClient", wanted: ApplicationRequest, *, person: "Who | None" = None
) -> tuple[TunnelStatus, bool]:
    """Open a tunnel to an application over a private socket, or find the one that does the same.

    :param person: who can be asked for what its hosts want to know.
    :returns: the tunnel, and whether it is a new one.
    :raises RemoteTunnelError: the request is wrong, or the tunnel does not open.
    """
    forward = ForwardSpec(ForwardKind.LOCAL, PrivateSocket(), parse_address(wanted.destination))
    request = TunnelRequest(
        host=wanted.host,
        forwards=(str(forward),),
        name=wanted.name,
        kind="application",
        ssh=wanted.ssh,
    )
    return await client.open_tunnel(request, person=person)
