"""A host's way through the lines of ssh_config: which of them apply to it."""

from collections.abc import Callable, Sequence

from .config_lines import Line
from .expand import Tokens, local_user
from .match import Criteria, applies
from .patterns import fits_one

Found = dict[str, list[str]]
"""What was found up to now: keyword → its values. None at all: it is set to nothing."""

Runs = Callable[[str], bool]
"""Runs a command of `Match exec`, and tells whether it succeeds."""


class Walk:
    """Goes through lines for one host. `found` is what they say of it.

    `host` is what `Host` is compared with, `original` what was typed.

    :param take: takes what a line says into `found`; only checks it, if it is not active.
    """

    def __init__(self, host: str, take: "Take", runs: Runs) -> None:
        self.found: Found = {}
        self.host = self.original = host
        self._take = take
        self._runs = runs
        self._final = self._wants_final = False

    def walk(self, lines: Sequence[Line]) -> None:
        """Take what applies. `Match final` has all be read again, for the host name found first.

        :raises BadInput: a line cannot be read, or only by OpenSSH.
        """
        self._go_through(lines, active=True)
        if self._wants_final:
            self.host = self.host_name
            self._final = True
            self._go_through(lines, active=True)

    @property
    def host_name(self) -> str:
        """The host name, as far as it is known by now."""
        name = self.first("hostname")
        if name is None:
            return self.original
        return name.replace("%%", "\0").replace("%h", self.original).replace("\0", "%")

    @property
    def tokens(self) -> Tokens:
        """What tokens stand for, as far as it is known by now."""
        return Tokens(
            alias=self.original,
            host=self.host_name,
            port=int(self.first("port") or 22),
            user=self.first("user") or local_user(),
            host_key_alias=self.first("hostkeyalias") or self.original,
        )

    def first(self, key: str) -> str | None:
        """The value of a keyword, None where it has none by now."""
        return next(iter(self.found.get(key, [])), None)

    def _go_through(self, lines: Sequence[Line], *, active: bool) -> None:
        """Take nothing, if not `active`, but check every line."""
        applying = active
        for line in lines:
            if line.keyword == "host":
                applying = active and self._is_meant(line)
            elif line.keyword == "match":
                applying = self._matches(line, active=active)
            elif line.keyword == "include":
                for included in line.included:
                    self._go_through(included, active=applying)
            else:
                self._take(self, line, applying)

    def _is_meant(self, line: Line) -> bool:
        if not all(line.words):
            raise line.error("Host has an empty pattern.")
        return fits_one(self.host, line.words)

    def _matches(self, line: Line, *, active: bool) -> bool:
        criteria = Criteria(
            host=self.host if self._final else self.host_name,
            original=self.original,
            user=self.first("user") or local_user(),
            tag=self.first("tag") or "",
            final=self._final,
        )
        verdict = applies(line, criteria, self.tokens, self._runs if active else None)
        self._wants_final |= verdict.asks_for_final
        return active and verdict.applies


Take = Callable[[Walk, Line, bool], None]
