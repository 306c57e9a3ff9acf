"""What a holder gives its engine: the first line on the life line, and an environment."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from ..model.settings import EngineSettings

# In the private directory.
CONTROL_SOCKET = "control.sock"

# The engine answers to every client of this user: it has no use for what Jupyter tells its children
# (ports, directories, tokens of a Hub), and neither have the programs that it starts.
_UNWANTED = ("JUPYTER", "JPY_")


@dataclass(frozen=True)
class StartLine:
    """One line of JSON.

    `restore` is the wanted set, each a `messages.WantedTunnel` in plain JSON. `announcement` is the
    path of the holder's file: with `private_dir` it is removed by an engine whose holder died.
    """

    settings: EngineSettings
    holder_pid: int
    private_dir: str
    announcement: str
    restore: Sequence[dict[str, Any]] = ()

    def encode(self) -> bytes:
        """The line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Self:
        """The value again.

        :raises ValueError: it is no such line.
        """
        try:
            data = json.loads(line)
            return cls(**{**data, "settings": EngineSettings.from_dict(data["settings"])})
        except (TypeError, KeyError) as error:
            raise ValueError(str(error)) from None


def engine_environment() -> dict[str, str]:
    """This process's environment as its engine gets it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_UNWANTED)}
