"""One listener → destination mapping, and the streams through it: what `tunnels/` builds on.

`make_forward` gives the `Forward` for a spec: `local_forward` (-L, -D; the listener is here), `remote_forward` (-R; the
listener is on the remote host). `Forward` holds what they share: the counters, the last error, attaching to
a connection and letting go of it, the streams and their end.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from ..engine.settings import EngineSettings
from ..model.errors import RemoteTunnelError
from ..model.forward import ForwardKind, ForwardSpec
from ..model.spec import OnConflict
from .connection import Connection


class Forward(ABC):
    """A forward outlives connections: `listen` once, then `attach` and `detach` as often as a connection comes and
    goes, then `close` (or `drain`). All of it on one event loop.

    `bound` is where it really listens ("127.0.0.1:5006", "[::1]:5006", a path; for -R what the remote
    host told), None before. `bytes_in` counts remote → local. `last_error` is why the last stream (or the
    last attempt to listen) failed; it is cleared when one succeeds.
    """

    spec: ForwardSpec
    bound: str | None
    streams_open: int
    streams_total: int
    bytes_in: int
    bytes_out: int
    last_error: RemoteTunnelError | None

    @abstractmethod
    async def listen(self) -> None:
        """Bind the local listener; nothing to do for -R. Streams that come before `attach` wait.

        :raises Fatal: port_in_use, not_allowed, unsupported; nothing stays bound.
        """

    @abstractmethod
    async def attach(self, connection: Connection) -> None:
        """Use this connection from now on. -R: ask the remote host to listen, on the port that it gave before if
        there was one.

        :raises Fatal: forward_refused, when the remote host does not listen.
        :raises Transient: the connection is lost.
        """

    @abstractmethod
    def detach(self, reason: RemoteTunnelError) -> None:
        """The connection is gone: its streams are reset and `reason` is kept. The local listener stays, and new
        streams wait up to `settings.stream_wait` for the next `attach`."""

    @abstractmethod
    async def drain(self, seconds: float) -> None:
        """Accept no more streams, wait up to `seconds` for those that run, then close."""

    @abstractmethod
    async def close(self) -> None:
        """Stop listening and reset every stream. Returns when no socket, channel or task of it is left. Idempotent."""


def make_forward(
    spec: ForwardSpec,
    settings: EngineSettings,
    *,
    private_dir: Path,
    on_conflict: OnConflict = "fail",
    on_change: Callable[[], None] = lambda: None,
) -> Forward:
    """The forward for a spec; nothing is opened yet.

    :param private_dir: an existing 0700 directory, for `-L private…`.
    :param on_conflict: "pick" takes another free port when the wanted one is busy (-L, -D).
    :param on_change: called on the loop when streams, `bound` or `last_error` changed; bytes do not count.
    """
    raise NotImplementedError
