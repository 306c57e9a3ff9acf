"""The table of transitions, as the design tells it."""

import pytest

from jupyter_remote_tunnel.model.state import (
    TRANSITIONS,
    Event,
    IllegalTransition,
    State,
    next_state,
)


def test_an_event_without_a_row_is_refused() -> None:
    for state in State:
        for event in Event:
            if (state, event) in TRANSITIONS:
                assert next_state(state, event) is TRANSITIONS[state, event]
            else:
                with pytest.raises(IllegalTransition, match=f"{event} in state {state}"):
                    next_state(state, event)


def test_every_state_can_be_reached_and_closed() -> None:
    reached = {State.CLOSED}
    while True:
        more = {to for (start, _), to in TRANSITIONS.items() if start in reached} - reached
        if not more:
            break
        reached |= more
    assert reached == set(State)
    for state in set(State) - {State.CLOSED, State.CLOSING}:
        assert next_state(state, Event.CLOSE) is State.CLOSING
