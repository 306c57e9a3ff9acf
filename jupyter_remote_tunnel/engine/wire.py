"""Lines of the control socket, as both of its ends need them.

One JSON object a line, UTF-8, at most `MAX_LINE` bytes with its end. `Latest` stands between events
and a reader that is slower than they come: the newest value of each key, in memory that is bounded
by the number of keys.
"""

import asyncio
import json
from collections.abc import Hashable, Mapping
from typing import Any, Generic, TypeVar

from ..model.errors import BadInput, Fatal
from .messages import MAX_LINE

Value = TypeVar("Value")


def encode(message: Mapping[str, Any]) -> bytes:
    """A message as its line.

    :raises Fatal: `too_many`, the line would be longer than `MAX_LINE`.
    :raises BadInput: a text in it is not Unicode, e.g. a file name in another encoding.
    """
    try:
        line = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:
        # As "\udcff" it would be sent, and the other end would hang up on it.
        raise BadInput("A text is not UTF-8.", hint="Use names that are.") from None
    if len(line) > MAX_LINE:
        raise Fatal(
            f"A message of {len(line)} bytes is too long for the control socket.",
            code="too_many",
            hint=f"The limit is {MAX_LINE} bytes; ask for less at a time.",
        )
    return line


def event_key(name: str, data: Any) -> Hashable:
    """Of events with one key only the newest matters: the id of a tunnel or a prompt, else the
    event's name.
    """
    if not isinstance(data, Mapping):
        return name
    prompt = data.get("prompt")
    if isinstance(prompt, Mapping):
        prompt = prompt.get("id")
    return data.get("id") or data.get("tunnel") or prompt or name


class Latest(Generic[Value]):
    """A queue that holds one value a key: a newer one takes the place of the older."""

    def __init__(self) -> None:
        self._values: dict[Hashable, Value] = {}
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._values)

    def put(self, key: Hashable, value: Value) -> None:
        """Queue `value`; what stood under `key` is forgotten."""
        self._values.pop(key, None)
        self._values[key] = value
        self._filled.set()

    async def get(self) -> Value:
        """Wait for the next value."""
        await self._filled.wait()
        value = self._values.pop(next(iter(self._values)))
        if not self._values:
            self._filled.clear()
        return value
