"""The terminal as a place where questions are answered: the one of this process, whatever its
standard streams are, as ssh and getpass have it.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence

from ..model.errors import BadInput
from .questions import GaveUp

if sys.platform != "win32":
    import termios

_LINE = 4096  # a terminal's longest
_COLUMNS = 80


@contextlib.contextmanager
def terminal(before: Callable[[], None] = lambda: None) -> "Iterator[Terminal | None]":
    """The terminal, as long as the block lasts; None if there is none, or this process is in its
    background.

    :param before: called when something is asked.
    """
    descriptor = None if sys.platform == "win32" else _foreground()
    if descriptor is None:
        yield None
        return
    try:
        yield Terminal(descriptor, before)
    finally:
        os.close(descriptor)


def _foreground() -> int | None:
    """A descriptor of the terminal that this process is in the foreground of."""
    try:
        # Not all systems can wait for /dev/tty itself.
        path = next((os.ttyname(number) for number in (0, 2, 1) if os.isatty(number)), "/dev/tty")
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if os.tcgetpgrp(descriptor) == os.getpgrp():
            return descriptor
    except OSError:
        pass  # it is not this session's
    os.close(descriptor)
    return None


class Terminal:
    """A `questions.Face`. Ctrl-C is the process's, Ctrl-D gives up."""

    def __init__(self, descriptor: int, before: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._before = before

    @property
    def columns(self) -> int:
        """Characters in a row; a terminal may not say, and may be made smaller."""
        return os.get_terminal_size(self._descriptor).columns or _COLUMNS

    async def show(self, lines: Sequence[str]) -> None:
        """Write some lines."""
        self._before()
        self._write("".join(f"{line}\n" for line in lines))

    async def choose(self, label: str) -> str:
        """A word.

        :raises GaveUp: nothing is typed.
        """
        return await self.ask(label, echo=True)

    async def ask(self, label: str, *, echo: bool) -> str:
        """What is typed until the end of the line.

        :raises GaveUp: nothing is.
        :raises BadInput: it is no text.
        """
        loop = asyncio.get_running_loop()
        typed: asyncio.Future[str] = loop.create_future()
        usual = termios.tcgetattr(self._descriptor)
        wanted = [*usual]
        if not echo:
            wanted[3] = usual[3] & ~termios.ECHO
        # What was typed before the question is no answer to it.
        termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, wanted)
        loop.add_reader(self._descriptor, self._read, typed)
        line_ended = echo
        try:
            self._write(label)
            return await typed
        except asyncio.CancelledError:
            line_ended = False
            # Half a password must not be the beginning of what a shell reads next.
            termios.tcflush(self._descriptor, termios.TCIFLUSH)
            raise
        finally:
            loop.remove_reader(self._descriptor)
            if not echo:
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, usual)
            if not line_ended:
                self._write("\n")

    def _read(self, typed: "asyncio.Future[str]") -> None:
        if typed.done():
            return
        try:
            line = os.read(self._descriptor, _LINE)
            if line:
                typed.set_result(line.decode().removesuffix("\n"))
                return
        except OSError:
            pass  # it has been closed
        except UnicodeDecodeError:
            # Without that error, which holds what was typed.
            typed.set_exception(BadInput("That is no text in UTF-8."))
            return
        typed.set_exception(GaveUp())

    def _write(self, text: str) -> None:
        os.write(self._descriptor, text.encode(errors="replace"))
