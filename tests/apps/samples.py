"""A tunnel's status with each kind of forward that matters to applications."""

from jupyter_remote_tunnel.model.status import ForwardStatus, StreamCount, TunnelStatus


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
