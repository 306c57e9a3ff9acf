"""The pauses between tries."""

from itertools import islice

from jupyter_remote_tunnel.tunnels.backoff import backoff


def test_doubles_up_to_the_longest_with_jitter() -> None:
    waits = list(islice(backoff(1, 60), 12))
    ceilings = [min(2.0**n, 60) for n in range(12)]
    assert all(top / 2 <= wait <= top for wait, top in zip(waits, ceilings, strict=True))


def test_two_tunnels_do_not_knock_together() -> None:
    assert list(islice(backoff(1, 60), 8)) != list(islice(backoff(1, 60), 8))
