"""The engine's log: to standard error, and never waiting for it."""

import contextlib
import logging
import os
import select

from typing_extensions import override

from ..model.text import plain

_STDERR = 2
# What a pipe that is reported writable takes without blocking.
_PIPE_BUF = 4096
_LONGEST_LINE, _LONGEST_INDENT = 4000, 20  # characters


class _Stderr:
    """Standard error, dropping what it does not take at once.

    Its reader is the holder's terminal or log: stopped with Ctrl-S, say, it must not stop tunnels.
    """

    def write(self, text: str) -> None:
        data = text.encode(errors="replace")
        with contextlib.suppress(OSError):  # it has gone
            for start in range(0, len(data), _PIPE_BUF):
                if not select.select([], [_STDERR], [], 0)[1]:
                    return
                os.write(_STDERR, data[start : start + _PIPE_BUF])

    def flush(self) -> None:
        """Nothing is kept back."""


class _Plain(logging.Formatter):
    """What a remote host said gives no orders to the terminal that shows it."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(_plain, super().format(record).split("\n")))


def _plain(line: str) -> str:
    indented = len(line) - len(line.lstrip(" "))
    return min(indented, _LONGEST_INDENT) * " " + plain(line, _LONGEST_LINE)


def log_to_stderr(level: str) -> None:
    """Log our own messages from `level` on ("DEBUG", …; what is unknown is "WARNING").

    Of others only warnings: asyncssh's more talkative levels name users, hosts and requests.
    """
    handler = logging.StreamHandler(_Stderr())
    handler.setFormatter(_Plain("[%(levelname).1s %(asctime)s %(name)s] %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    known = logging.getLevelNamesMapping()
    logging.getLogger("jupyter_remote_tunnel").setLevel(known.get(level, logging.WARNING))
