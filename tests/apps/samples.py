"""A tunnel's status with each kind of forward that matters to applications."""

from dataclasses import replace

from jupyter_remote_tunnel.apps.jupyter_files import FoundJupyter, JupyterServer
from jupyter_remote_tunnel.model.address import TcpAddress
from jupyter_remote_tunnel.model.status import (
    ErrorStatus,
    ForwardStatus,
    StreamCount,
    TunnelStatus,
)


def forward(spec: str, bound: str | None, destination: str | None) -> ForwardStatus:
    return ForwardStatus(
        kind="dynamic" if spec.startswith("-D") else "local",
        spec=spec,
        asked=spec[3:].partition(":")[0],
        bound=bound,
        destination=destination,
        streams=StreamCount(0, 0),
        bytes={"in": 0, "out": 0},
    )


TUNNEL = TunnelStatus(
    id="0123456789ab",
    name="gpu01:5006",
    kind="forward",
    host="ann@gpu01",
    route=("ann@gpu01:22",),
    forwards=(
        forward("-D 1080", "127.0.0.1:1080", None),
        forward("-L private:localhost:5006", "/run/jrt/0123456789ab-1", "localhost:5006"),
        forward("-L 0:[::1]:80", "127.0.0.1:4321", "[::1]:80"),
    ),
    state="open",
    since="2026-01-01T00:00:00.000Z",
    host_key="SHA256:abc",
)

WAITING = replace(
    TUNNEL,
    kind="jupyter",
    forwards=(forward("-L 9000:localhost:8888", None, "localhost:8888"),),
    state="reconnecting",
    error=ErrorStatus("port_in_use", "Port 9000 of this machine is in use.", "Choose another."),
)
"""One that waits for its local port."""

JUPYTER = FoundJupyter(
    JupyterServer("http://localhost:8888/", "localhost:8888", "/", "2.21.1", 7, "token"),
    TcpAddress("localhost", 8888),
    base_url="/evil.example/",
    secure=False,
    token="t",
)
"""Its base URL would be a host in a URL without one."""
