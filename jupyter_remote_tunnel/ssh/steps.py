"""Making the doctor's steps: how long each took, and what it may be where that is long."""

import time
from collections.abc import Callable, Sequence

from ..model.diagnosis import Step, StepName
from ..model.errors import RemoteTunnelError

Tell = Callable[[Step], None]
"""Given each step when it is over."""

# Seconds that a step may take, and what it may be that took longer.
_SLOW: dict[StepName, tuple[float, str]] = {
    "configuration": (1.0, "Is it a “Match exec” or a network drive in your ssh configuration?"),
    "resolve": (1.0, "Look at the name servers of this machine, and its VPN."),
    "connect": (
        1.0,
        "The network is slow. Addresses that fail first are left out by AddressFamily.",
    ),
    "key_exchange": (2.0, "The host is far away or busy. Only a new connection waits for this."),
    "login": (
        5.0,
        "Its sshd may look up your address (UseDNS), or IdentitiesOnly would save tries.",
    ),
    "destination": (1.0, "The destination is far away or busy. Every new stream waits for this."),
    "tcp_forward": (1.0, "The host is far away or busy. Every new stream waits for this."),
}


class Timer:
    """Seconds since it was made, not counting those in which a person is asked."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._asking = False
        self._passed = 0.0

    def asking(self, waits: bool) -> None:
        """A person is asked from now on, or was until now."""
        if waits != self._asking:
            self._passed = self.seconds
            self._since = time.monotonic()
            self._asking = waits

    @property
    def seconds(self) -> float:
        """How many they are now."""
        since = 0.0 if self._asking else time.monotonic() - self._since
        return round(self._passed + since, 4)


def done(name: StepName, hop: str, says: str, timer: Timer, details: Sequence[str] = ()) -> Step:
    """A step that went well, though perhaps slowly."""
    seconds = timer.seconds
    limit, advice = _SLOW.get(name, (float("inf"), ""))
    if seconds <= limit:
        return Step(name, hop, "ok", says, tuple(details), seconds=seconds)
    return Step(name, hop, "note", says, tuple(details), f"That is slow. {advice}", "", seconds)


def failed(
    name: StepName, hop: str, error: RemoteTunnelError, timer: Timer, details: Sequence[str] = ()
) -> Step:
    """A step that failed."""
    return Step(
        name, hop, "failed", error.message, tuple(details), error.hint, error.code, timer.seconds
    )
