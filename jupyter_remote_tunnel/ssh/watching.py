"""What happens on the way into one hop, told while it happens.

An attempt to connect tells its `Watcher`. This one does nothing with it; the doctor's writes it
down.
"""

import asyncio
from collections.abc import Sequence

import asyncssh

from .known_hosts import KnownKey


class Watcher:
    """Hears of one attempt to connect to one hop. None of these may block or raise.

    A host whose key is accepted by a person, or whose certificate does not count, is met again, so
    all up to `key_shown` may be told several times. `errors` is where a ProxyCommand's complaints
    go.
    """

    errors: int = asyncio.subprocess.DEVNULL

    def resolved(self, addresses: Sequence[str]) -> None:
        """The host's name stands for these addresses."""

    def not_reached(self, address: str, error: OSError) -> None:
        """One of them is not to be connected to."""

    def connected(self, connection: asyncssh.SSHClientConnection) -> None:
        """There is a transport, over which nothing was said yet."""

    def greeted(self) -> None:
        """The host has said which SSH it speaks. It says so again whenever keys are exchanged."""

    def key_shown(self, key: asyncssh.SSHKey, known: KnownKey | None, *, signed: bool) -> None:
        """Keys are exchanged, and this is the host's, or (`signed`) the authority's that signed its
        certificate; `known` is where it is trusted, None if it is not."""

    def certificate_refused(self, why: str) -> None:
        """What it showed is a certificate that does not count. Its key is looked at next."""

    def passed_over(self, what: str, why: str) -> None:
        """Something that could have let us in is not tried."""

    def offered(self, key: asyncssh.SSHKeyPair, path: str | None) -> None:
        """The host is offered a key, of that file or of the agent (None)."""

    def tried(self, method: str) -> None:
        """The host is given, or not, what `method` (“password”, “keyboard-interactive”, “gssapi”)
        takes."""

    def refused(self, methods: Sequence[str], *, partly: bool) -> None:
        """What was tried last did not let us in; `partly`: it is not enough alone. The host says
        that it takes `methods`."""

    def let_in(self) -> None:
        """What was tried last let us in."""
