"""The aliases in the user's and the system's ssh_config, for a list to choose from.

Needs the standard library only, so that a server and a shell can list them without an engine.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..model.address import check_host
from ..model.errors import BadInput, RemoteTunnelError
from ..model.forward import ForwardSpec
from .config_lines import Line, lines_of
from .offers import KINDS
from .walking import Walk

_WANTED = ("hostname", "user", "port", "tag", "clearallforwardings", *KINDS)

_MOST_STEPS = 300_000
"""Lines, times aliases, that are gone through; more would take over a second."""


@dataclass(frozen=True)
class Alias:
    """A name that `ssh` knows. `host_name`, `user` and `port` are those of the configuration, None
    where it does not say or only OpenSSH can tell; `forwards` are the ones that it names."""

    name: str
    host_name: str | None = None
    user: str | None = None
    port: int | None = None
    forwards: tuple[ForwardSpec, ...] = ()


@dataclass(frozen=True)
class AliasList:
    """Every alias, in the order of the files. `problem` is why there may be more of them."""

    aliases: tuple[Alias, ...] = ()
    problem: RemoteTunnelError | None = None


async def list_aliases(config_file: str | None) -> AliasList:
    """The aliases of the user's and the system's file, or of `config_file`, as `ssh -F` has it.

    Patterns with wildcards, and negated ones, are none.
    """
    try:
        lines = await lines_of(config_file)
    except RemoteTunnelError as error:
        return AliasList(problem=error)
    return AliasList(await asyncio.to_thread(aliases_in, lines))


def aliases_in(lines: Sequence[Line]) -> tuple[Alias, ...]:
    """The aliases, each with what the lines say of it."""
    names = dict.fromkeys(_names(lines))
    wanted = _only_wanted(lines)
    if len(names) * _count(wanted) > _MOST_STEPS:
        return tuple(map(Alias, names))
    return tuple(_alias(name, wanted) for name in names)


def _names(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        for included in line.included:
            yield from _names(included)
        if line.keyword == "host":
            yield from filter(_is_name, line.words)


def _is_name(pattern: str) -> bool:
    try:
        return not set("*?!") & set(pattern) and bool(check_host(pattern, pattern, 0))
    except BadInput:
        return False  # ssh, too, connects to no such host


def _only_wanted(lines: Sequence[Line]) -> list[Line]:
    """The lines that can say something of an alias."""
    kept = []
    for line in lines:
        if line.keyword == "include":
            files = tuple(tuple(_only_wanted(file)) for file in line.included)
            kept.append(Line(line.file, line.number, "include", line.value, line.words, files))
        elif line.keyword in (*_WANTED, "host", "match"):
            kept.append(line)
    return kept


def _count(lines: Sequence[Line]) -> int:
    return sum(1 + sum(map(_count, line.included)) for line in lines)


def _alias(name: str, lines: Sequence[Line]) -> Alias:
    forwards: list[ForwardSpec] = []

    def take(walk: Walk, line: Line, active: bool) -> None:
        if not active or not line.words:
            return
        if line.keyword in KINDS:
            forwards.extend(_forward(line, forwards))
        elif line.keyword != "port" or line.words[0].isdecimal():
            walk.found.setdefault(line.keyword, [line.words[0]])

    walk = Walk(name, take, _runs_nothing)
    try:
        walk.walk(lines)
    except (BadInput, _OnlyBySsh):
        return Alias(name)
    port = walk.first("port")
    return Alias(
        name,
        walk.host_name if "hostname" in walk.found else None,
        walk.first("user"),
        int(port) if port is not None else None,
        () if walk.first("clearallforwardings") == "yes" else tuple(forwards),
    )


def _forward(line: Line, known: Sequence[ForwardSpec]) -> Iterator[ForwardSpec]:
    """The forward that a line names, if it can be opened here and is a new one."""
    try:
        forward = ForwardSpec.parse_body(KINDS[line.keyword], ":".join(line.words))
    except BadInput:
        return
    if forward not in known:
        yield forward


class _OnlyBySsh(Exception):
    """To tell would start a program."""


def _runs_nothing(_command: str) -> bool:
    raise _OnlyBySsh
