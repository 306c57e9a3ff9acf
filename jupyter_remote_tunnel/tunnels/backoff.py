"""How long to wait before the next try, and before the first where many begin."""

import random
from collections.abc import Iterator

STEP = 0.2
SPREAD = 2.0


def turns(count: int) -> Iterator[float]:
    """Seconds after which each of `count` begins that should not all begin at once: the first now,
    then one after the other, with jitter, every `STEP` or as often as puts the last within
    `SPREAD`.
    """
    step = min(STEP, SPREAD / max(1, count))
    for number in range(count):
        jitter = random.uniform(0.0, 0.5) if number else 0.0  # noqa: S311 (spreads load, guards nothing)
        yield step * (number + jitter)


def backoff(first: float, longest: float) -> Iterator[float]:
    """Seconds to wait, without end: doubled from `first` to `longest`, each with jitter.

    The jitter takes up to half away, so that many tunnels that lost one host do not knock together.
    Make a new one after a success that lasts: that is the reset.
    """
    wait = first
    while True:
        yield wait * random.uniform(0.5, 1.0)  # noqa: S311 (spreads load, guards nothing)
        wait = min(wait * 2, longest)
