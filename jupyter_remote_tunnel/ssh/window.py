"""How much each stream may send us before its reader here takes it: the windows of SSH channels,
out of one budget of bytes for the process.

A window costs memory only when its reader stops, but then all of it, and a peer cannot be asked to
give it back. So a window starts small and doubles while it is what holds the stream up: while as
much as it allows goes by in less than two round trips. When the budget is spent, windows grow no
more, and new streams get the least that works.

asyncssh renews a channel's window by itself, but counts what its reader has not taken as taken when
it is read again, so that twice the window can pile up. `Window` does it in its place, and earlier,
so that on a long link the sender need not wait.
"""

import math
from collections.abc import Callable

START = 256 << 10
"""Bytes that a stream may send before it has shown that it needs more."""

LEAST = 64 << 10
"""What a stream gets when the budget is spent: two packets, so that it still flows."""

_ROUND_TRIPS = 2
_RENEWED_AT = 4  # when a quarter is taken


class ByteBudget:
    """Bytes that the windows of all streams may add up to; `granted` is what they do.

    It is exceeded only by streams that get the `LEAST`.
    """

    def __init__(self, total: int = 64 << 20) -> None:
        self.total = total
        self.granted = 0

    def window(self, round_trip: Callable[[], float | None], size: int | None = None) -> "Window":
        """The window of a new stream.

        :param round_trip: tells the seconds of a round trip to the stream's far end, None while
            nobody knows.
        :param size: in bytes, where it is not to be chosen here.
        """
        if size is None:
            size = START if self.granted + START <= self.total else LEAST
        return Window(self, size, round_trip)


class Window:
    """The receive window of one stream: `size` in bytes. `close` gives it back to the budget."""

    def __init__(
        self, budget: ByteBudget, size: int, round_trip: Callable[[], float | None]
    ) -> None:
        self.size = size
        self._budget = budget
        self._round_trip = round_trip
        self._outstanding = size  # what may still come, and what has come and was not taken
        self._taken = 0
        self._since = -math.inf
        budget.granted += size

    def take(self, count: int, now: float) -> int:
        """Count bytes that the reader took, at the time `now` (seconds); how many more may be sent
        from now on.
        """
        self._outstanding -= count
        self._taken += count
        if self._taken >= self.size:
            took, self._since, self._taken = now - self._since, now, 0
            self._grow_after(took)
        room = self.size - self._outstanding
        if room * _RENEWED_AT < self.size:
            return 0
        self._outstanding = self.size
        return room

    def _grow_after(self, took: float) -> None:
        """Grow, if the sender was held up: it sent `size` bytes in `took` seconds."""
        round_trip = self._round_trip()
        if round_trip is None or took > _ROUND_TRIPS * round_trip:
            return
        if self._budget.granted + self.size <= self._budget.total:
            self._budget.granted += self.size
            self.size *= 2

    def close(self) -> None:
        """The stream has ended. May be called again."""
        self._budget.granted -= self.size
        self.size = 0
