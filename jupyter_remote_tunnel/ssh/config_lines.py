"""The lines of ssh_config files, split into words as ssh splits them; `Include` is followed.

Nothing is judged here but what no later line can mend: a file that others can write, a quote that
is not closed. Each error names file and line.
"""

import asyncio
import glob
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from ..model.errors import BadInput
from ..model.ssh_option import has_open_quote, words_of
from ..model.text import plain
from .expand import home_directory
from .files import Files, file_error

SYSTEM_FILE = "/etc/ssh/ssh_config"

READ_TIMEOUT = 10.0
"""Seconds that the files may take."""

_MAX_DEPTH = 16
_LARGEST_FILE = 1 << 20
_LINE = re.compile(r"[ \t\r]*([A-Za-z][A-Za-z0-9]*)(?:[ \t]*=[ \t]*|[ \t]+)(.*)")
_TYPED = "the command line"


@dataclass(frozen=True)
class Line:
    """One keyword (in lower case) with its value, as it stands there and in words.

    `included` holds, for an Include, the lines of each file.
    """

    file: str
    number: int
    keyword: str
    value: str
    words: tuple[str, ...]
    included: tuple[tuple["Line", ...], ...] = field(default=(), repr=False)

    @classmethod
    def typed(cls, keyword: str, value: str) -> "Line":
        """What somebody typed as an option, one word."""
        return cls(_TYPED, 0, keyword.lower(), value, (value,))

    @property
    def place(self) -> str:
        """As errors name it."""
        return f"{plain(self.file, 300)} line {self.number}" if self.number else self.file

    def error(self, what: str, hint: str = "") -> BadInput:
        """The error that says what is wrong with it."""
        return BadInput(f"{self.place}: {what}", hint=hint)


def user_file() -> str:
    """The user's own ssh_config."""
    return f"{home_directory()}/.ssh/config"


def read(path: str, *, users: bool, required: bool = False) -> tuple[Line, ...]:
    """The lines of a file; a look. A file that is not there has none.

    :param users: it is a user's: relative paths in it begin in ~/.ssh, and it may name `~`.
    :param required: whether it has to be there.
    :raises BadInput: it, or one that it includes, cannot be read.
    """
    # As ssh, who takes a file that somebody has named as it is.
    checked = users and not required
    return _Reader(users=users).read(path, depth=0, required=required, checked=checked)


async def lines_of(config_file: str | None) -> list[Line]:
    """The lines of the user's file and the system's, or of the one that is named instead.

    :raises BadInput: a file cannot be read.
    :raises Transient: a file is on a drive that does not answer.
    """
    if config_file is not None and config_file.lower() == "none":
        return []
    files = Files()
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            if config_file is not None:
                given = partial(read, users=True, required=True)
                return [*await files.look_at(config_file, given)]
            own = await files.look_at(user_file(), partial(read, users=True))
            return [*own, *await files.look_at(SYSTEM_FILE, partial(read, users=False))]
    except TimeoutError:
        waiting_for = files.waiting_for or "A file"
        raise file_error(waiting_for, READ_TIMEOUT, "the configuration of ssh") from None


class _Reader:
    def __init__(self, *, users: bool) -> None:
        self._users = users

    def read(self, path: str, *, depth: int, required: bool, checked: bool) -> tuple[Line, ...]:
        try:
            text = _text_of(path, checked=checked)
        except FileNotFoundError:
            if required:
                raise BadInput(f"The ssh configuration {plain(path, 300)} is not there.") from None
            return ()
        except OSError as error:
            raise BadInput(
                f"The ssh configuration {plain(path, 300)} cannot be read: {error.strerror}."
            ) from None
        found = (_line(path, number, line) for number, line in enumerate(text.split("\n"), 1))
        return tuple(self._with_included(line, depth) for line in found if line is not None)

    def _with_included(self, line: Line, depth: int) -> Line:
        if line.keyword != "include":
            return line
        if depth >= _MAX_DEPTH:
            raise line.error("too many files that include one another.")
        files = [
            self.read(path, depth=depth + 1, required=False, checked=True)
            for pattern in line.words
            for path in self._matches(line, pattern)
        ]
        return replace(line, included=tuple(files))

    def _matches(self, line: Line, pattern: str) -> Sequence[str]:
        """The files that a pattern of Include stands for, in ssh's order."""
        if pattern.startswith("~") and not self._users:
            raise line.error(f"{plain(pattern)} is in nobody's home directory.")
        if "$" in pattern or "%" in pattern:
            raise line.error(
                "variables and tokens in Include are only known to newer versions of OpenSSH.",
                "Write the path in full.",
            )
        folder = f"{home_directory()}/.ssh" if self._users else str(Path(SYSTEM_FILE).parent)
        if pattern == "~" or pattern.startswith("~/"):
            pattern = home_directory() + pattern[1:]
        elif pattern.startswith("~"):
            pattern = str(Path(pattern).expanduser())
        elif not pattern.startswith("/"):
            pattern = f"{folder}/{pattern}"
        # Path.glob would match hidden files, too.
        return sorted(glob.glob(pattern), key=os.fsencode)  # noqa: PTH207


def _text_of(path: str, *, checked: bool) -> str:
    """What a file holds. `checked`: nobody but its owner, or root, may have written it.

    :raises OSError: it cannot be read.
    :raises BadInput: somebody else could have written it, or it is too large.
    """
    with Path(path).open("rb") as opened:
        status = os.fstat(opened.fileno())
        if not (stat.S_ISREG(status.st_mode) or path == os.devnull):
            raise OSError(0, "it is no regular file")
        others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if checked and (others or status.st_uid not in (0, os.getuid())) and path != os.devnull:
            raise BadInput(
                f"Others can write the ssh configuration {plain(path, 300)}, so ssh does not read"
                " it.",
                hint=f"Take that from them: chmod go-w {plain(path, 300)}",
            )
        content = opened.read(_LARGEST_FILE + 1)
    if len(content) > _LARGEST_FILE:
        raise BadInput(f"The ssh configuration {plain(path, 300)} is too large.")
    return content.decode(errors="surrogateescape")


def _line(file: str, number: int, text: str) -> Line | None:
    """One line; None if nothing stands in it."""
    text = text.rstrip(" \t\r\f").lstrip(" \t")
    if not text or text.startswith("#"):
        return None
    found = _LINE.fullmatch(text)
    if found is None or not found[2]:
        bare = Line(file, number, "", text, ())
        raise bare.error(f"“{plain(text, 60)}” is no keyword with a value.")
    keyword, value = found[1].lower(), found[2]
    line = Line(file, number, keyword, value, tuple(words_of(value)))
    if has_open_quote(value):
        raise line.error("a quote is not closed.")
    return line
