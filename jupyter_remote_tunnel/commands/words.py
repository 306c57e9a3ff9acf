"""One command of `jupyter tunnel` and `%tunnel`, and what several of them take."""

from dataclasses import dataclass
from typing import Any, NamedTuple


class Argument(NamedTuple):
    """The arguments of `ArgumentParser.add_argument`."""

    flags: tuple[str, ...]
    options: dict[str, Any]


def argument(*flags: str, **options: Any) -> Argument:
    """`argument("--drain", type=float)`."""
    return Argument(flags, options)


@dataclass(frozen=True)
class Command:
    """One command: its words ("kernels connect"), what it does, its own arguments.

    `ssh_words` is how the usage shows what is left for ssh's grammar; "" where nothing is. `more`
    is said by its own help only; `examples` are what may stand behind its words.
    """

    words: str
    help: str
    arguments: tuple[Argument, ...] = ()
    ssh_words: str = ""
    more: str = ""
    examples: tuple[str, ...] = ()


JSON = argument("--json", action="store_true", help="print data for programs")
SERVER = argument(
    "--server",
    metavar="PID|URL|FILE",
    help="the engine to use, where several run: its process, its Jupyter server, or its file",
)
NAME = argument("--name", help="the tunnel's name (default: [USER@]HOST:PORT)")
