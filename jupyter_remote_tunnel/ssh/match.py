"""Whether a `Match` line of ssh_config applies."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from ..model.text import plain
from .config_lines import Line
from .expand import Tokens, local_user
from .patterns import fits_one

_TOKEN = re.compile(r"%(.?)")
_WORD = re.compile(r'"([^"]*)"|([^\s="]+)')

# What versions of OpenSSH have that read files here, too, but need what only ssh knows.
_OPENSSH_ONLY = ("localnetwork", "version", "sessiontype", "command")


@dataclass(frozen=True)
class Criteria:
    """What a line is compared with."""

    host: str
    original: str
    user: str
    tag: str
    final: bool


class Verdict(NamedTuple):
    """Whether the line applies, and whether it has all be read a second time."""

    applies: bool
    asks_for_final: bool


def applies(
    line: Line, criteria: Criteria, tokens: Tokens, runs: Callable[[str], bool] | None
) -> Verdict:
    """Compare a line.

    :param runs: runs a command, and tells whether it succeeds; None where the line cannot apply
        anyway.
    :raises BadInput: the line cannot be read, or only by OpenSSH.
    """
    words = _words(line)
    found, final = True, False
    if not words:
        raise line.error("Match has no criterion.")
    if [word.lower() for word in words] in (["all"], ["!all"]):
        return Verdict(words[0].lower() == "all", asks_for_final=False)
    while words:
        word = words.pop(0)
        negated, name = word.startswith("!"), word.removeprefix("!").lower()
        if name == "all":
            raise line.error("“all” stands alone behind Match.")
        if name in ("canonical", "final"):
            final |= name == "final"
            holds = criteria.final
        else:
            if name in _OPENSSH_ONLY:
                raise line.error(f"“Match {name}” needs OpenSSH.", "Install it, or write a Host.")
            if not words:
                raise line.error(f"Match {plain(name, 40)} has no value.")
            value = words.pop(0)
            if name == "exec":
                holds = found and runs is not None and runs(_command(line, value, tokens))
            else:
                holds = _holds(line, name, value, criteria)
        found &= holds is not negated
    return Verdict(found, final)


def _words(line: Line) -> list[str]:
    """The words of the line. Older versions of OpenSSH know only double quotes there, without
    escapes; where newer ones read something else, nobody can tell what is meant."""
    old = [quoted or bare for quoted, bare in _WORD.findall(line.value)]
    comment = next((place for place, word in enumerate(old) if word.startswith("#")), len(old))
    old = old[:comment]
    new = [part for word in line.words for part in _split(word)]
    if old != new:
        raise line.error(
            "versions of OpenSSH read these quotes differently.",
            "Use double quotes only, around the whole value.",
        )
    return new


def _split(word: str) -> list[str]:
    """`host=gpu01` are two words."""
    found = re.fullmatch(r"(!?[A-Za-z]+)=([^\s=\"]+)", word)
    return [word] if found is None else [found[1], found[2]]


def _holds(line: Line, name: str, value: str, criteria: Criteria) -> bool:
    patterns = value.split(",")
    match name:
        case "host":
            return _host_fits(criteria.host, patterns)
        case "originalhost":
            return _host_fits(criteria.original, patterns)
        case "user":
            return fits_one(criteria.user, patterns)
        case "localuser":
            return fits_one(local_user(), patterns)
        case "tagged":
            return fits_one(criteria.tag, patterns)
        case _:
            raise line.error(f"“{plain(name, 40)}” is no criterion of Match.")


def _host_fits(host: str, patterns: list[str]) -> bool:
    return fits_one(host.lower(), [pattern.lower() for pattern in patterns])


def _command(line: Line, value: str, tokens: Tokens) -> str:
    """A command with its tokens replaced."""

    def known(found: re.Match[str]) -> str:
        replaced = tokens.value(found[1])
        if replaced is None:
            raise line.error(f"“{plain(found[0])}” stands for nothing in Match exec.")
        return replaced

    return _TOKEN.sub(known, value)
