"""One SSH connection to one hop, directly or over the connection to the hop before."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ..engine.settings import EngineSettings
from ..model.errors import RemoteTunnelError
from .hop import Hop


@dataclass(frozen=True)
class ExecResult:
    """What a command on the remote host left: its output and exit status (128 + n where a signal n ended it)."""

    stdout: bytes
    stderr: bytes
    status: int


class Connection:
    """An open connection. `host_key` is the fingerprint "SHA256:…" that the host proved to hold.

    `lost` is done when the connection is gone, and its result (never an exception) says why: `Transient`
    when it broke, `Fatal` of code "closed" after `close()`.
    """

    hop: Hop
    host_key: str
    lost: asyncio.Future[RemoteTunnelError]

    async def close(self) -> None:
        """Close it and every channel in it. Idempotent."""

    async def exec(self, argv: Sequence[str], stdin: bytes = b"") -> ExecResult:
        """Run a command on the remote host, by the user's login shell there.

        :raises Fatal: too_many, when stdout or stderr exceeds 1 MiB; forward_refused, when the host runs no
            commands.
        :raises Transient: the connection was lost.
        """

    async def read_file(self, path: str) -> bytes:
        """A file of at most 1 MiB; "~/" is the home directory there.

        :raises Fatal: not_found, when it cannot be read; too_many, when it is larger.
        :raises Transient: the connection was lost.
        """

    async def rtt(self) -> float:
        """Seconds that a question and its answer take.

        :raises Transient: the connection was lost.
        """


async def open_connection(hop: Hop, *, via: Connection | None, settings: EngineSettings) -> Connection:
    """Connect and log in with keys and agent, the host key verified, within `hop.connect_timeout` seconds.

    The connection to the hop before is not closed with this one.

    :raises Transient: connect_failed, connect_timeout, host_unresolved, network_unreachable.
    :raises Fatal: host_key_unknown, host_key_changed, host_key_revoked, auth_failed, unsupported.
    :raises NeedsUser: the host asks for a password or code, or the key for a passphrase.
    """
    raise NotImplementedError
