"""The forwards that a host's configuration names, which are offered as tunnels."""

from collections.abc import Mapping, Sequence

from ..model.errors import BadInput
from ..model.forward import ForwardKind, ForwardSpec

KINDS = {
    "localforward": ForwardKind.LOCAL,
    "remoteforward": ForwardKind.REMOTE,
    "dynamicforward": ForwardKind.DYNAMIC,
}
"""The keywords that name a forward."""


def offered(configuration: Mapping[str, Sequence[str]]) -> tuple[ForwardSpec, ...]:
    """The forwards of what `ssh -G` prints. One that cannot be opened here is left out."""
    found = []
    for keyword, kind in KINDS.items():
        for value in configuration.get(keyword, ()):
            try:
                found.append(_forward(kind, value))
            except BadInput:
                continue
    # For each LocalForward to a socket ssh also prints a DynamicForward that nobody asked for.
    bound = {forward.bind for forward in found if forward.kind is ForwardKind.LOCAL}
    ghosts = [forward for forward in found if forward.destination is None and forward.bind in bound]
    return tuple(forward for forward in found if forward not in ghosts)


def _forward(kind: ForwardKind, printed: str) -> ForwardSpec:
    """`5006 [localhost]:5006`, `/run/a.sock [db]:80`, `1080 [socks]:0`, `1080`."""
    listens, destination = printed, ""
    for behind in (" [", " /"):
        if kind is not ForwardKind.DYNAMIC and behind in printed:
            listens, _, rest = printed.rpartition(behind)
            destination = behind[1:] + rest
            break
    parts = [_escaped(listens)]
    if destination and destination != "[socks]:0":
        parts.append(_escaped(destination))
    return ForwardSpec.parse_body(kind, ":".join(parts))


def _escaped(part: str) -> str:
    """A path may hold what parts a forward."""
    return part.replace("\\", "\\\\").replace(":", "\\:") if part.startswith("/") else part
