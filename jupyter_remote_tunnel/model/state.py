"""The states of a tunnel and the one table of transitions between them.

`next_state` is the only way from one to another; an event that the table does not know in a state
is refused and changes nothing. The diagram in the documentation is made from `TRANSITIONS`.
"""

from enum import StrEnum


class State(StrEnum):
    """What a tunnel is doing."""

    CLOSED = "closed"
    CONNECTING = "connecting"
    WAITING_FOR_USER = "waiting_for_user"
    OPEN = "open"
    RECONNECTING = "reconnecting"
    CLOSING = "closing"
    FAILED = "failed"


class Event(StrEnum):
    """What happens to a tunnel."""

    OPEN = "open"  # somebody wants it
    OPENED = "opened"  # connected, and its forwards listen
    ASK = "ask"  # the connection needs a person
    ANSWERED = "answered"
    LOSE = "lose"  # the connection went away, and will be tried again
    FAIL = "fail"  # it stops, and says why
    RESTART = "restart"
    CLOSE = "close"
    CLOSED = "closed"  # everything of it is gone


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.CLOSED, Event.OPEN): State.CONNECTING,
    (State.CONNECTING, Event.OPENED): State.OPEN,
    (State.CONNECTING, Event.ASK): State.WAITING_FOR_USER,
    (State.CONNECTING, Event.LOSE): State.RECONNECTING,
    (State.CONNECTING, Event.FAIL): State.FAILED,
    (State.CONNECTING, Event.CLOSE): State.CLOSING,
    (State.WAITING_FOR_USER, Event.ANSWERED): State.CONNECTING,
    (State.WAITING_FOR_USER, Event.FAIL): State.FAILED,
    (State.WAITING_FOR_USER, Event.RESTART): State.CONNECTING,
    (State.WAITING_FOR_USER, Event.CLOSE): State.CLOSING,
    (State.OPEN, Event.LOSE): State.RECONNECTING,
    (State.OPEN, Event.RESTART): State.CONNECTING,
    (State.OPEN, Event.FAIL): State.FAILED,
    (State.OPEN, Event.CLOSE): State.CLOSING,
    (State.RECONNECTING, Event.OPENED): State.OPEN,
    (State.RECONNECTING, Event.ASK): State.WAITING_FOR_USER,
    (State.RECONNECTING, Event.FAIL): State.FAILED,
    (State.RECONNECTING, Event.RESTART): State.CONNECTING,
    (State.RECONNECTING, Event.CLOSE): State.CLOSING,
    (State.FAILED, Event.RESTART): State.CONNECTING,
    (State.FAILED, Event.CLOSE): State.CLOSING,
    (State.CLOSING, Event.CLOSED): State.CLOSED,
}


class IllegalTransition(Exception):
    """An event that means nothing in this state: a mistake of the program, never of the user."""


def next_state(state: State, event: Event) -> State:
    """The state after `event`.

    :raises IllegalTransition: the table has no such row.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(f"{event} in state {state}") from None
