"""What others offer on the host of a link: listed once for each connection, in the command that the
link runs there anyway, and again for each tunnel that comes later, and when something is missed."""

import asyncio
import logging
from collections.abc import Mapping

from ..model.errors import Fatal, RemoteTunnelError
from ..model.offer import Offer, offers_in
from ..ssh.connection import Connection
from ..ssh.offered import LISTING, list_offers
from .tasks import Tasks

log = logging.getLogger(__name__)


class Listing:
    """See the module.

    :param runs_commands: whether the host is asked at all. A host that answers a command with
        something else is not asked for one again.
    """

    def __init__(self, runs_commands: bool) -> None:
        self.runs_commands = runs_commands
        self._connection: Connection | None = None
        self._first: asyncio.Task[None] | None = None
        self._text = ""

    def begin(self, connection: Connection, tasks: Tasks) -> None:
        """Ask for it on a new connection, in the background."""
        self._connection = connection
        if self.runs_commands:
            self._first = tasks.begin(self._hurry(connection), f"session {connection.hop}")

    async def _hurry(self, connection: Connection) -> None:
        try:
            said = await connection.hurry(LISTING)
            self.runs_commands = said is not None
            self._text = said or ""
        except RemoteTunnelError as error:
            self.runs_commands = not isinstance(error, Fatal)
            log.debug("%s: no session: %s", connection.hop, error)

    async def offers(self) -> Mapping[int, Offer]:
        """What is offered now; nothing, where the host runs no command for us. It may be waited for
        as long as the host's shell takes to start.
        """
        is_new = self._first is not None and not self._first.done()
        if self._first is not None:
            await asyncio.shield(self._first)
        offers = offers_in(self._text)
        if is_new:
            return offers
        # One may have begun since then, or ended.
        found = await self.look_again()
        return offers if found is None else found

    async def look_again(self) -> Mapping[int, Offer] | None:
        """What is offered now; None where the host does not tell."""
        if self._connection is None or not self.runs_commands:
            return None
        try:
            self._text = await list_offers(self._connection)
        except RemoteTunnelError as error:
            log.debug("%s: its offers are not known: %s", self._connection.hop, error)
            return None
        return offers_in(self._text)
