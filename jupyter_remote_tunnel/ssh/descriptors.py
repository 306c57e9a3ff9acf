"""File descriptors: how many this process may open, and what streams have to leave of them.

Each stream takes one. Were they to take all, no connection that was lost could come back, nobody
could be asked who connects, and no client of the engine would be let in.
"""

import os
import sys

if sys.platform != "win32":
    import resource

KEPT = 256
"""Descriptors that streams leave; a quarter where there are few."""

ENOUGH = 1 << 16
"""No more are asked for: some programs that we start look at each one that they might have."""


def ask_for_more() -> None:
    """Let this process open as many as it may: the limit that it begins with (often 1,024) is meant
    for programs that wait with `select`.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if most == resource.RLIM_INFINITY else min(most, ENOUGH)
    if 0 <= _limit() < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def fits_stream(descriptor: int) -> bool:
    """Whether a stream may have this one. The system gives the lowest one that is free, so streams
    that have low ones only leave the others.
    """
    limit = _limit()
    return limit < 0 or descriptor < limit - min(KEPT, limit // 4)


def lowest_free() -> int:
    """The one that would be given now; one that fits nothing if there is none."""
    try:
        lowest = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return sys.maxsize
    os.close(lowest)
    return lowest


def _limit() -> int:
    """Negative where there is none."""
    if sys.platform == "win32":
        return -1
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return -1 if soft == resource.RLIM_INFINITY else soft
