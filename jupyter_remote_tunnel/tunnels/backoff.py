"""How long to wait before the next try."""

import random
from collections.abc import Iterator


def backoff(first: float, longest: float) -> Iterator[float]:
    """Seconds to wait, without end: doubled from `first` to `longest`, each with jitter.

    The jitter takes up to half away, so that many tunnels that lost one host do not knock together.
    Make a new one after a success: that is the reset.
    """
    wait = first
    while True:
        yield wait * random.uniform(0.5, 1.0)  # noqa: S311 (spreads load, guards nothing)
        wait = min(wait * 2, longest)
