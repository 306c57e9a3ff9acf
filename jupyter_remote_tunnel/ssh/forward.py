"""The forwards, as `tunnels/` uses them.

`make_forward` gives the `Forward` (`base_forward`) for a spec: -L and -D listen here
(`local_forward`), -R listens on the remote host (`remote_forward`), and -R offer/PORT where others
find it there (`offering`).
"""

from collections.abc import Callable
from pathlib import Path

from ..model.forward import ForwardKind, ForwardSpec, OfferedPort
from ..model.settings import EngineSettings
from ..model.spec import OnConflict
from .base_forward import Forward
from .local_forward import LocalForward
from .offering import OfferingForward
from .remote_forward import RemoteForward

__all__ = ["Forward", "LocalForward", "make_forward"]


def make_forward(
    spec: ForwardSpec,
    settings: EngineSettings,
    *,
    private_dir: Path,
    on_conflict: OnConflict = "fail",
    proxy_protocol: bool = False,
    on_change: Callable[[], None] = lambda: None,
) -> Forward:
    """The forward for a spec; nothing is opened yet.

    :param private_dir: an existing 0700 directory, for `-L private…`.
    :param on_conflict: "pick" takes another free port when the wanted one is busy.
    :param proxy_protocol: tell the destination of a remote forward who connected there.
    :param on_change: called on the loop when streams, `bound` or `last_error` changed; bytes do not
        count.
    """
    if isinstance(spec.bind, OfferedPort):
        return OfferingForward(spec, settings, on_change, on_conflict, proxy_protocol)
    if spec.kind is ForwardKind.REMOTE:
        return RemoteForward(spec, settings, on_change, on_conflict, proxy_protocol)
    return LocalForward(spec, settings, on_change, private_dir, on_conflict)
