"""An SSH server that need not keep its word: asyncssh's, in the place of a bed's sshd.

A test derives a `Liar` that says or does what no sshd would::

    class Mute(Liar):
        def server_requested(self, host: str, port: int) -> Any:
            return never()

    sshd = ssh_bed.host("gpu01", start=False)
    async with lying(sshd, Mute()) as liar:
        ...                                 # clients of gpu01 meet it, with the sshd's host key
        liar.connection                     # to the last of them
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import asyncssh
from typing_extensions import override

from tests.support.sshd import Sshd

L = TypeVar("L", bound="Liar")


class Liar(asyncssh.SSHServer):
    """Lets everybody in, and connects and listens as it is asked to, where nothing else is said."""

    connection: asyncssh.SSHServerConnection

    @override
    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connection = conn

    def exchange_keys(self) -> None:
        """Begin another key exchange."""
        self.connection._send_kexinit()
        self.connection._kexinit_sent = True

    @override
    def begin_auth(self, username: str) -> bool:
        return False

    @override
    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Any:
        return True

    @override
    def unix_connection_requested(self, dest_path: str) -> Any:
        return True

    @override
    def server_requested(self, listen_host: str, listen_port: int) -> Any:
        return True

    @override
    def unix_server_requested(self, listen_path: str) -> Any:
        return True


async def never() -> None:
    """What nobody ever answers."""
    await asyncio.get_running_loop().create_future()


@contextlib.asynccontextmanager
async def lying(sshd: Sshd, liar: L) -> AsyncIterator[L]:
    """Serve as `liar` says, where that sshd would."""
    acceptor = await asyncssh.create_server(
        lambda: liar,
        sshd.address,
        sshd.port,
        server_host_keys=[str(sshd.host_key)],
        encoding=None,
        gss_host=None,
    )
    try:
        yield liar
    finally:
        acceptor.close()
        await acceptor.wait_closed()
        if hasattr(liar, "connection"):
            liar.connection.abort()
            await liar.connection.wait_closed()
