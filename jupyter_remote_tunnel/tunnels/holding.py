"""Holding what was started on a host for as long as a tunnel leads to it.

Its keeper there (`apps.jupyter_keeper`) ends it when no tunnel has said for a while that it holds
it. So the tunnel says so again and again, on each of its connections; who closes the tunnel has it
say that it lets go; and a tunnel that is lost says nothing any more.
"""

import asyncio
import contextlib
import logging

from ..model.errors import RemoteTunnelError
from ..ssh.connection import Connection
from .tasks import Tasks

log = logging.getLogger(__name__)

_LONGEST = 15.0
"""Seconds between two words, where the keeper waits long."""

_LET_GO_LIMIT = 5.0
"""Seconds in which a host that is there has heard that it is let go."""

# $1 is the keeper's folder. When that has gone another user may have made one of its name, with a
# link to any file of ours in it: only what is in a folder of ours is written to, and that is looked
# at from within. Opened for both directions, as opening a FIFO for one waits for the other, and the
# keeper may have been killed.
_ENTER = 'cd "$1" && test -O . && test -p line'
_HOLD = f"{_ENTER} && exec cat 1<>line"
_LET_GO = f'{_ENTER} && echo "end $2" 1<>line'


class Hold:
    """What one tunnel holds.

    :param name: the tunnel's, for keepers.
    :param grace: seconds for which a keeper waits for a word.
    """

    def __init__(self, name: str, grace: float, tasks: Tasks) -> None:
        self._name = name
        self._every = min(_LONGEST, grace / 4)
        self._tasks = tasks
        self._held: tuple[Connection, str] | None = None
        self._holding: asyncio.Task[None] | None = None

    def begin(self, connection: Connection | None, keeper: str | None) -> None:
        """Hold what has that keeper, and nothing else, until the connection is lost."""
        self._stop()
        if connection is not None and keeper is not None:
            self._held = connection, keeper
            self._holding = self._tasks.begin(self._hold(connection, keeper), f"hold {keeper}")

    def _stop(self) -> None:
        if self._holding is not None:
            self._holding.cancel()
        self._holding = self._held = None

    async def let_go(self) -> None:
        """Hold it no more. What cannot be said is found out by the keeper."""
        held = self._held
        self._stop()
        if held is None or held[0].lost.done():
            return
        connection, keeper = held
        with contextlib.suppress(RemoteTunnelError, TimeoutError):
            async with asyncio.timeout(_LET_GO_LIMIT):
                await connection.exec(let_go_argv(keeper, self._name))

    async def _hold(self, connection: Connection, keeper: str) -> None:
        """Say so until the connection is lost, or nothing is there to be held."""
        word = f"hold {self._name}\n".encode()
        while True:
            try:
                await connection.feed(hold_argv(keeper), word, self._every)
            except RemoteTunnelError as error:
                if connection.lost.done():
                    return
                log.warning("%s is not held, and tried again: %s", keeper, error)
            else:
                return
            await asyncio.sleep(self._every)


def hold_argv(keeper: str) -> list[str]:
    """The command that passes on what it is told to a keeper."""
    return ["sh", "-c", _HOLD, "sh", keeper]


def let_go_argv(keeper: str, name: str) -> list[str]:
    """The command that says who holds it no more."""
    return ["sh", "-c", _LET_GO, "sh", keeper, name]
