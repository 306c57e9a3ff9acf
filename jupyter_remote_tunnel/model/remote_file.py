"""A file of a remote host that holds one JSON object: data of that host, checked field by field."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from .errors import Fatal


@dataclass(frozen=True)
class FileKind:
    """What a file should be.

    :param name: in errors: "the connection file of a kernel".
    :param writer: who writes such files: "kernel".
    :param hint: what to do where it is none.
    :param largest: such a file, in bytes or characters.
    :param longest: a line of text in it, in characters.
    """

    name: str
    writer: str
    hint: str
    largest: int
    longest: int


class Fields:
    """Typed access to the object in a file.

    :param where: names the file in errors ("kernel-1.json on gpu01").
    :raises Fatal: `unsupported`, that is no such file; so does each method.
    """

    def __init__(self, data: str | bytes, where: str, kind: FileKind) -> None:
        self._where = where
        self._kind = kind
        if len(data) > kind.largest:
            self.refuse("it is larger than any such file")
        try:
            values = json.loads(data)
        except (ValueError, RecursionError):
            self.refuse("it is not JSON")
        if not isinstance(values, dict):
            self.refuse("it is not a JSON object")
        self._values: Mapping[str, Any] = values

    def refuse(self, why: str) -> NoReturn:
        """Say why it is no such file."""
        raise Fatal(
            f"{self._where} is not {self._kind.name}: {why}.",
            code="unsupported",
            hint=self._kind.hint,
        )

    def text(self, name: str, default: str | None = None) -> str:
        """A line of text."""
        value = self._values.get(name, default)
        is_line = isinstance(value, str) and len(value) <= self._kind.longest
        if not is_line or not value.isprintable():
            self.refuse(f"“{name}” is missing or is not a line of text")
        return str(value)

    def matching(self, name: str, pattern: re.Pattern[str], default: str | None = None) -> str:
        """A line of text that is the default or matches."""
        value = self.text(name, default)
        if value != default and not pattern.match(value):
            self.refuse(f"“{name}” has a value that no {self._kind.writer} writes")
        return value

    def flag(self, name: str) -> bool:
        """True or false; false where it is missing."""
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            self.refuse(f"“{name}” is neither true nor false")
        return value

    def number(self, name: str, least: int, most: int) -> int:
        """A whole number."""
        value = self._values.get(name)
        if type(value) is not int or not least <= value <= most:
            self.refuse(f"“{name}” is missing or out of range")
        return value
