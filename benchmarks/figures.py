"""Rounds, figures and the table.

A *contender* is measured once a round, all of them in turn, so that whatever else the machine does
meets them alike; each round begins with another one. A `Row` holds two contenders' samples, one a
round. What is shown is their median and, behind it, the lowest and the highest; the ratio is that
of the medians.
"""

import contextlib
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

_Sample = TypeVar("_Sample")

_HEAD = ("what", "ours", "ssh", "ratio", "target", "min–max (ours; ssh)")


@dataclass(frozen=True)
class Target:
    """What a figure is to reach: `of` is the ratio, our own figure, or ours minus the other's."""

    of: Literal["ratio", "ours", "difference"]
    sign: Literal["≥", "≤"]
    limit: float

    def met_by(self, row: "Row") -> bool:
        """Whether the medians of `row` reach it."""
        figure = {"ratio": row.ratio, "ours": row.median, "difference": row.difference}[self.of]
        return figure >= self.limit if self.sign == "≥" else figure <= self.limit

    def text(self, unit: str) -> str:
        """For a table: ``≥ 0.75``, ``≤ 5 ms``, ``≤ +20 ms``."""
        if self.of == "ratio":
            return f"{self.sign} {self.limit:g} ×"
        return f"{self.sign} {'+' * (self.of == 'difference')}{self.limit:g} {unit}"


def ratio(sign: Literal["≥", "≤"], limit: float) -> Target:
    """A target for ours divided by the other's."""
    return Target("ratio", sign, limit)


def ours(sign: Literal["≥", "≤"], limit: float) -> Target:
    """A target for our own figure, in the unit of its row."""
    return Target("ours", sign, limit)


def difference(limit: float) -> Target:
    """A target for what ours has more than the other, in the unit of its row."""
    return Target("difference", "≤", limit)


@dataclass(frozen=True)
class Row:
    """One line of the table; the samples are in `unit`.

    :param beside: what the other samples are of, where that is not a plain ``ssh -N -L``.
    """

    what: str
    unit: str
    samples: Sequence[float]
    other: Sequence[float]
    target: Target | None = None
    beside: str = ""

    @property
    def median(self) -> float:
        """Ours."""
        return statistics.median(self.samples)

    @property
    def other_median(self) -> float:
        """The other's."""
        return statistics.median(self.other)

    @property
    def ratio(self) -> float:
        """Ours divided by the other's; infinite where that is nothing."""
        return self.median / self.other_median if self.other_median else float("inf")

    @property
    def difference(self) -> float:
        """Ours minus the other's."""
        return self.median - self.other_median

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        return None if self.target is None else self.target.met_by(self)

    def cells(self) -> tuple[str, ...]:
        """As in the table."""
        target = ""
        if self.target is not None:
            target = f"{self.target.text(self.unit)}{'' if self.met else ' **missed**'}"
        other = f"{_number(self.other_median)} {self.unit}"
        return (
            self.what,
            f"{_number(self.median)} {self.unit}",
            f"{other} ({self.beside})" if self.beside else other,
            _number(self.ratio) if self.other_median else "–",
            target,
            f"{_spread(self.samples)}; {_spread(self.other)}",
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON, with every sample."""
        return {
            "what": self.what,
            "unit": self.unit,
            "ours": list(self.samples),
            "ssh": list(self.other),
            "beside": self.beside or "ssh -N -L",
            "ratio": self.ratio if self.other_median else None,
            "target": self.target.text(self.unit) if self.target else None,
            "met": self.met,
        }


def interleave(
    rounds: int, contenders: Mapping[str, Callable[[], _Sample]]
) -> dict[str, list[_Sample]]:
    """The samples of each contender, by name; each round begins with the next one."""
    return interleave_anew(rounds, lambda: contextlib.nullcontext(contenders))


def interleave_anew(
    rounds: int,
    start: Callable[[], contextlib.AbstractContextManager[Mapping[str, Callable[[], _Sample]]]],
) -> dict[str, list[_Sample]]:
    """The same, each round with contenders that `start` has started for it: where a process is
    faster or slower for as long as it runs, by what the system gave it at its start."""
    found: dict[str, list[_Sample]] = {}
    for number in range(rounds):
        with start() as contenders:
            names = list(contenders)
            first = number % len(names)
            for name in names[first:] + names[:first]:
                found.setdefault(name, []).append(contenders[name]())
    return found


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(rows: Sequence[Row]) -> str:
    """Markdown, its columns aligned for a terminal."""
    lines = [_HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in lines
    )


def _spread(samples: Sequence[float]) -> str:
    return f"{_number(min(samples))}–{_number(max(samples))}"


def _number(value: float) -> str:
    """Three digits that count."""
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:#.3g}".rstrip(".")
