"""A notebook's cell, or another place with IPython, as a place where questions are answered.

`input` and `getpass` ask there, in IPython's own way, and only on the thread that runs the cell.
What a notebook shows of an `input` it also saves: for all that a host asks, `getpass` is used.
"""

import builtins
import contextlib
import getpass
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from .questions import Face, GaveUp
from .terminal import terminal

T = TypeVar("T")


class OnThread(Protocol):
    """Runs a function on the thread that runs the cell."""

    def __call__(self, function: Callable[[], T]) -> Awaitable[T]:
        """What the function returns or raises."""
        raise NotImplementedError


async def directly(function: Callable[[], T]) -> T:
    """For code whose own loop runs on that thread."""
    return function()


class Cell:
    """A `questions.Face`."""

    columns = 80

    def __init__(self, on_thread: OnThread) -> None:
        self._on_thread = on_thread

    async def show(self, lines: Sequence[str]) -> None:
        """Print some lines."""
        text = "\n".join(lines)
        if text:
            await self._on_thread(lambda: print(text, flush=True))  # noqa: T201

    async def ask(self, label: str, *, echo: bool) -> str:  # noqa: ARG002 (the notebook keeps it)
        """What is typed, unseen.

        :raises GaveUp: nothing is, or it cannot be asked here.
        """
        return await self._typed(lambda: getpass.getpass(label))

    async def choose(self, label: str) -> str:
        """A word.

        :raises GaveUp: nothing is typed, or it cannot be asked here.
        """
        return await self._typed(lambda: input(label))

    async def _typed(self, ask: Callable[[], str]) -> str:
        try:
            return await self._on_thread(ask)
        except (EOFError, NotImplementedError, OSError):
            raise GaveUp from None


@contextlib.contextmanager
def face_here(on_thread: OnThread) -> Iterator[Face | None]:
    """Where who runs this code can be asked; None if nobody sits there, as when a notebook is run
    by a program.
    """
    # IPython's, as long as it runs a cell.
    get_ipython = getattr(builtins, "get_ipython", None)
    shell = None if get_ipython is None else get_ipython()
    if shell is not None:
        yield Cell(on_thread) if _can_ask(shell) else None
        return
    with terminal() as face:
        yield face


def _can_ask(shell: object) -> bool:
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return sys.stdin is not None and sys.stdin.isatty()
    # The front end says with each cell whether it can ask. (By default a kernel believes so.)
    possible: bool = getattr(kernel, "_allow_stdin", True)
    return possible
