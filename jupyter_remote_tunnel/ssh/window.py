"""How much each stream may send us before its reader here takes it: the windows of SSH channels,
out of one budget of bytes for the process.

A window costs memory only when its reader stops, but then all of it, and a peer cannot be asked to
give it back. What it allows beyond what the link carries in a round trip waits in sshd, which some
tens of MiB bring to a crawl. So a window starts small, and grows to twice what goes by in a round
trip: while it is what holds the stream up, that is more than it has. When the budget is spent,
windows grow no more, and new streams get the least that works.

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

_HEADROOM = 2  # times what goes by in a round trip
_LONGEST = 1.0  # seconds of a round trip: who takes longer to answer is busy, or lies
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
        self._grow(now)
        room = self.size - self._outstanding
        if room * _RENEWED_AT < self.size:
            return 0
        self._outstanding = self.size
        return room

    def _grow(self, now: float) -> None:
        """Grow by what went by since the last time, a round trip ago or more."""
        round_trip = self._round_trip()
        if round_trip is None or now - self._since < round_trip:
            return
        passed = self._taken * min(round_trip, _LONGEST) / (now - self._since)
        self._since, self._taken = now, 0
        most = min(2 * self.size, self.size + self._budget.total - self._budget.granted)
        more = min(int(_HEADROOM * passed), most) - self.size
        if more > 0:
            self._budget.granted += more
            self.size += more

    def close(self) -> None:
        """The stream has ended. May be called again."""
        self._budget.granted -= self.size
        self.size = 0
