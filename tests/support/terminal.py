"""A command on a real terminal, with somebody who reads and types there.

::

    with at_terminal(["jupyter", "tunnel", "open", …], env=…) as terminal:
        terminal.read("Password: ")
        assert not terminal.echoes
        terminal.type("secret")
        assert terminal.wait() == 0
        assert "secret" not in terminal.screen
"""

import contextlib
import os
import pty
import subprocess
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.process import PATIENCE, PeerError, descendants, kill_all, program

_INTERRUPT = "\x03"
_END = "\x04"


class AtTerminal:
    """One command. `screen` is all that the terminal has shown so far."""

    def __init__(self, argv: Sequence[str | Path], env: Mapping[str, str], cwd: Path) -> None:
        self._ours, theirs = pty.openpty()
        # `setsid --ctty` makes it the terminal of a session of its own, so that Ctrl-C reaches it.
        command = [program("setpriv"), "--pdeathsig", "KILL", program("setsid"), "--ctty", *argv]
        self._process = subprocess.Popen(
            list(map(str, command)), stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=cwd
        )
        os.close(theirs)
        self.screen = ""
        self._read = 0
        self._ended = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._watch, name="screen", daemon=True)
        self._reader.start()

    def _watch(self) -> None:
        with contextlib.suppress(OSError):  # all who had it open have ended
            while data := os.read(self._ours, 4096):
                with self._news:
                    self.screen += data.decode(errors="replace")
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def read(self, text: str) -> None:
        """Wait until `text` is shown behind what was read before."""
        with self._news:
            self._news.wait_for(lambda: text in self.screen[self._read :] or self._ended, PATIENCE)
            at = self.screen.find(text, self._read)
            if at < 0:
                raise PeerError(f"{text!r} is not shown:\n{self.screen}")
            self._read = at + len(text)

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._ours, f"{line}\n".encode())

    def begin(self, text: str) -> None:
        """Type, without ending the line."""
        os.write(self._ours, text.encode())

    def interrupt(self) -> None:
        """Type Ctrl-C."""
        os.write(self._ours, _INTERRUPT.encode())

    def end_input(self) -> None:
        """Type Ctrl-D."""
        os.write(self._ours, _END.encode())

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._ours)[3] & termios.ECHO)

    def wait(self) -> int:
        """Wait for the command's end; its exit status."""
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        """End the command with all its descendants."""
        family = descendants(self._process.pid)
        self._process.kill()
        kill_all(family)
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        os.close(self._ours)


@contextlib.contextmanager
def at_terminal(
    argv: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path
) -> Iterator[AtTerminal]:
    """Run a command on a terminal of its own; it is ended at the end of the block."""
    terminal = AtTerminal(argv, env, cwd)
    try:
        yield terminal
    finally:
        terminal.close()
