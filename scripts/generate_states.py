"""Write docs/states.md from the table of transitions, the only place where it is defined.

python scripts/generate_states.py
"""

from pathlib import Path

from jupyter_remote_tunnel.model.state import TRANSITIONS, State

TARGET = Path(__file__).parents[1] / "docs" / "states.md"

_MEANING = {
    State.CLOSED: "Nothing of it is open; it enters or leaves the list.",
    State.CONNECTING: "The host is resolved, listeners are bound, the connection is being made.",
    State.WAITING_FOR_USER: "A person is asked, or has to restart it: until then it rests.",
    State.OPEN: "Connected; streams flow. A single forward may have an error of its own.",
    State.RECONNECTING: "The connection was lost and is tried again; local ports stay."
    " Or a declared or restored tunnel waits for a local port.",
    State.CLOSING: "It is being closed; with a drain, its streams may end first.",
    State.FAILED: "It stopped and says why, until it is restarted or dismissed.",
}

_HEAD = """\
# The states of a tunnel

Made by `scripts/generate_states.py` from `jupyter_remote_tunnel/model/state.py`.

| state | what it means |
| --- | --- |
"""


def states_page() -> str:
    """The page as Markdown."""
    rows = "".join(f"| `{state}` | {_MEANING[state]} |\n" for state in State)
    arrows = "".join(
        f"    {start} --> {end}: {event}\n" for (start, event), end in TRANSITIONS.items()
    )
    return f"{_HEAD}{rows}\n```mermaid\nstateDiagram-v2\n    [*] --> closed\n{arrows}```\n"


if __name__ == "__main__":
    TARGET.write_text(states_page())
