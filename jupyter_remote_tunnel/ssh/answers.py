"""What ssh has answered, for as long as it would answer the same.

It takes ssh some milliseconds to start, as many as all else that opens a tunnel to a host that is
connected. What `ssh -G` says follows from what was typed and the files that it reads. So an answer
is good while these files hold the same lines; unless a `Match` asks a program or the network, or
names are looked up: then ssh is asked each time.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from typing import NamedTuple

from ..model.errors import RemoteTunnelError
from .config_lines import Line, lines_of
from .keywords import Configuration

MOST = 256
"""Answers; the one that was not wanted for the longest time goes first."""

# Of `Match`, what no file says.
_ASKS_MORE = ("exec", "localnetwork")


class Resolved(NamedTuple):
    """What ssh would use for a host, and what it would use if nobody had configured anything."""

    configuration: Configuration
    defaults: Configuration


class _Known(NamedTuple):
    lines: Sequence[Line]
    answer: Resolved


_known: dict[Hashable, _Known] = {}


async def answer(
    question: Hashable, config_file: str | None, ask: Callable[[], Awaitable[Resolved]]
) -> Resolved:
    """The answer to a question: the known one if it is still good, or what `ask` says.

    :param question: all that the answer depends on, beside the configuration.
    :param config_file: the configuration that ssh reads; None is the user's and the system's.
    """
    lines = await _lines(config_file)
    known = _known.pop(question, None)
    if known is None or known.lines != lines:
        found = await ask()
        if lines is None or not _follows_from(lines, found):
            return found
        # What was changed while ssh read it is other than `lines` the next time.
        known = _Known(lines, found)
    while len(_known) >= MOST:
        del _known[next(iter(_known))]
    _known[question] = known
    return known.answer


async def _lines(config_file: str | None) -> Sequence[Line] | None:
    """The lines that ssh reads; None where only ssh can tell, or what is wrong with them."""
    try:
        return await lines_of(config_file)
    except RemoteTunnelError:
        return None


def _follows_from(lines: Sequence[Line], found: Resolved) -> bool:
    if found.configuration.get("canonicalizehostname", ["false"]) != ["false"]:
        return False
    matches = (line for line in _all(lines) if line.keyword == "match")
    return not any(name in line.value.lower() for line in matches for name in _ASKS_MORE)


def _all(lines: Sequence[Line]) -> Iterator[Line]:
    for line in lines:
        yield line
        for included in line.included:
            yield from _all(included)
