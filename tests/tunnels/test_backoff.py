"""The pauses between tries."""

from itertools import islice, pairwise

import pytest

from jupyter_remote_tunnel.tunnels.backoff import SPREAD, STEP, backoff, turns


def test_doubles_up_to_the_longest_with_jitter() -> None:
    waits = list(islice(backoff(1, 60), 12))
    ceilings = [min(2.0**n, 60) for n in range(12)]
    assert all(top / 2 <= wait <= top for wait, top in zip(waits, ceilings, strict=True))


def test_two_tunnels_do_not_knock_together() -> None:
    assert list(islice(backoff(1, 60), 8)) != list(islice(backoff(1, 60), 8))


@pytest.mark.parametrize("count", [0, 1, 2, 9, 10, 11, 1000])
def test_turns_come_one_after_the_other_and_soon(count: int) -> None:
    found = list(turns(count))
    assert len(found) == count
    assert found[:1] == [0.0][:count]
    least = min(STEP, SPREAD / max(1, count)) / 2
    assert all(later - earlier >= least * 0.99 for earlier, later in pairwise(found))
    assert all(turn < SPREAD for turn in found)


def test_turns_have_jitter() -> None:
    assert list(turns(5)) != list(turns(5))
