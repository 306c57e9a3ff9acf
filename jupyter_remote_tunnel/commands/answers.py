"""What a command found out, in three forms: data for programs, lines and a table for people.

All that a remote host can name passes `plain` here, so that the faces need only escape it for
their own markup.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..apps.applications import Application
from ..model.offer import said_of_port
from ..model.state import State
from ..model.status import ErrorStatus, FarLeg, ForwardStatus, TunnelStatus
from ..model.text import plain

_UNITS = ("B", "kB", "MB", "GB", "TB")
_SOURCES = {
    "config": "from the server’s configuration.",
    "saved": "restored from an earlier session.",
}


@dataclass(frozen=True)
class Table:
    """Rows of text under headings; `numeric` names the columns that are aligned to the right.

    Where the place is narrow, the columns of `spare` can be left out, and then the first `about`
    ones, which are empty where they would say the same again, can have a line of their own.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    spare: frozenset[int] = frozenset()
    about: int = 0

    def without_spare(self) -> "Table":
        """The table without the columns of `spare`."""
        kept = [column for column in range(len(self.headings)) if column not in self.spare]
        return Table(
            tuple(self.headings[column] for column in kept),
            tuple(tuple(row[column] for column in kept) for row in self.rows),
            frozenset(kept.index(column) for column in self.numeric - self.spare),
            about=self.about,
        )


@dataclass(frozen=True)
class Answer:
    """`data` is plain JSON, `lines` says the same in sentences, `table` in rows. `ok`: nothing is
    wrong with what was looked at.
    """

    data: Any
    lines: tuple[str, ...] = ()
    table: Table | None = None
    ok: bool = True


def labels(named: Sequence[TunnelStatus | Application]) -> list[str]:
    """What each is called: its name, and the id where several have that name."""
    count = Counter(one.name for one in named)
    return [plain(one.name) + (f" ({one.id})" if count[one.name] > 1 else "") for one in named]


def _labelled(tunnels: Sequence[TunnelStatus]) -> Iterator[tuple[str, TunnelStatus]]:
    """Each tunnel behind what it is called."""
    return zip(labels(tunnels), tunnels, strict=True)


def choice(tunnel: TunnelStatus) -> str:
    """The id of a tunnel, and what a person knows of it who has to choose one of several."""
    source = f", {_SOURCES[tunnel.source].rstrip('.')}" if tunnel.source in _SOURCES else ""
    return f"{tunnel.id} on {plain(tunnel.host)} ({tunnel.state}{source})"


def tunnel_table(tunnels: Sequence[TunnelStatus], servers: Sequence[str] = ()) -> Table:
    """One row for each forward; one for all the channels of a kernel.

    :param servers: who holds each of them; shown where that is not the same for all.
    """
    differ = len(set(servers)) > 1
    held_by = [(plain(server),) for server in servers] if differ else [()] * len(tunnels)
    rows = [
        row
        for (label, tunnel), server in zip(_labelled(tunnels), held_by, strict=True)
        for row in _rows(tunnel, (label, plain(tunnel.host), _state(tunnel), *server))
    ]
    about = ("Name", "Host", "State", *(["Server"] if differ else []))
    headings = (*about, "Here", "", "There", "Streams", "In", "Out")
    counts = frozenset(range(len(headings) - 3, len(headings)))
    return Table(headings, tuple(rows), numeric=counts, spare=counts, about=len(about))


def _state(tunnel: TunnelStatus) -> str:
    """That of all its legs: one that is open as far as the gateway may lead to nothing there."""
    legs = [forward.far.state for forward in tunnel.forwards if forward.far is not None]
    if tunnel.state != State.OPEN or not legs:
        return tunnel.state
    found = (said for state, said in _LEGS.items() if state in legs)
    return next(found, tunnel.state)


_LEGS = {"down": "far leg down", "no_application": "no application"}


def _rows(tunnel: TunnelStatus, about: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if tunnel.kind == "kernel":
        yield (*about, "a kernel’s channels", "→", "the kernel", *_counts(*tunnel.forwards))
        return
    for forward in tunnel.forwards:
        yield (*about, *map(plain, ends(forward)), *_counts(forward))
        about = ("",) * len(about)


def _counts(*forwards: ForwardStatus) -> tuple[str, str, str]:
    """Streams and bytes of all of them together."""
    is_open = sum(forward.streams.open for forward in forwards)
    total = sum(forward.streams.total for forward in forwards)
    received = sum(forward.bytes["in"] for forward in forwards)
    sent = sum(forward.bytes["out"] for forward in forwards)
    return f"{is_open}/{total}", size(received), size(sent)


def problem_lines(tunnels: Sequence[TunnelStatus]) -> tuple[str, ...]:
    """What is wrong with each tunnel and each forward, and what to do about it: said once for all
    tunnels that it is true of, as of those to a host that is lost.
    """
    of: dict[ErrorStatus, list[str]] = {}
    for label, tunnel in _labelled(tunnels):
        for error in problems(tunnel):
            of.setdefault(error, []).append(label)
    lines: list[str] = []
    for error, labels in of.items():
        first, *more = error_lines(error)
        lines += [f"{', '.join(labels)}: {first.strip()}", *more]
    return tuple(lines)


def problems(tunnel: TunnelStatus) -> list[ErrorStatus]:
    """What is wrong with a tunnel and its forwards, each thing once; that a kernel has ended is one
    thing, though each of its channels tells it.
    """
    far = [forward.far.error for forward in tunnel.forwards if forward.far is not None]
    errors = [tunnel.error, *(forward.error for forward in tunnel.forwards), *far]
    found = list(dict.fromkeys(error for error in errors if error is not None))
    refused = [error for error in found if error.code == "forward_refused"]
    if tunnel.kind != "kernel" or not refused:
        return found
    first = refused[0]
    ended = replace(
        first,
        message=f"{first.message.rstrip('.')}. The kernel has probably ended.",
        hint=f"Close its tunnel: jupyter tunnel close {tunnel.name}; or connect to another kernel:"
        f" jupyter tunnel kernels connect {tunnel.host} FILE",
    )
    return [ended if error is first else error for error in found if error not in refused[1:]]


def source_lines(tunnels: Sequence[TunnelStatus]) -> tuple[str, ...]:
    """Where those tunnels come from that nobody has just asked for."""
    return tuple(
        f"{label}: {_SOURCES[tunnel.source]}"
        for label, tunnel in _labelled(tunnels)
        if tunnel.source in _SOURCES
    )


def ends(forward: ForwardStatus) -> tuple[str, str, str]:
    """This end, which way its streams go, the remote end: "127.0.0.1:5006", "→", "db:5432"."""
    listener = forward.bound or forward.asked
    if forward.asked.partition("/")[0] == "private":
        listener = "a private socket"  # its path is of no use to a person
    destination = forward.destination or "any (SOCKS)"
    if forward.kind == "remote":
        return destination, "←", listener
    if forward.far is not None:
        state = _FAR_STATES.get(forward.far.state, forward.far.state)
        destination += f" ({forward.far.by or 'the far leg'} {state})"
    return listener, "→", destination


def size(count: int) -> str:
    """Bytes in three digits: "0 B", "12.3 MB"."""
    amount = float(count)
    for unit in _UNITS:
        if amount < 999.5 or unit == _UNITS[-1]:
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 99.95 else f"{amount:.1f} {unit}"


def tunnel_lines(tunnel: TunnelStatus) -> tuple[str, ...]:
    """Each forward of a tunnel in a sentence, and what is wrong with it, indented."""
    lines: list[str] = []
    for forward in tunnel.forwards:
        here, arrow, there = map(plain, ends(forward))
        lines.append(f"  {here} {arrow} {plain(tunnel.host)}: {there}")
        if (port := _taken_port(forward)) is not None:
            where = there if forward.kind == "remote" else here
            lines.append(f"  Port {port} was taken: {where} instead.")
        if forward.note is not None:
            lines.append(f"  {plain(forward.note, 500)}")
        if forward.far is not None:
            lines.append(f"  {far_leg(forward.far)}")
            if not forward.far.at.startswith("/"):
                lines.append(f"  {said_of_port(plain(tunnel.host), 'that machine')}.")
    return (*lines, *(line for error in problems(tunnel) for line in error_lines(error)))


_FAR_STATES = {
    "up": "is up",
    "down": "is down",
    "no_application": "is up, without the application",
    "unknown": "is not known",
}


def far_leg(far: FarLeg) -> str:
    """The other leg of a forward in a sentence."""
    state = _FAR_STATES.get(far.state, far.state)
    if not far.by:
        return f"It is offered there at {plain(far.at)}. That leg {plain(state)}."
    where = f"{plain(far.by)}, where it is {plain(far.destination)}"
    return f"It is offered there by {where}. That leg {plain(state)}."


def _taken_port(forward: ForwardStatus) -> str | None:
    """The port that was asked for, where another one was picked."""
    asked = forward.asked.removeprefix("offer/").removeprefix("tcp/").rpartition(":")[2]
    bound = (forward.bound or "").rpartition(":")[2]
    picked = asked.isdecimal() and bound.isdecimal()
    return asked if picked and asked not in ("0", bound) else None


def error_lines(error: ErrorStatus) -> Sequence[str]:
    """An error and what to do about it, indented."""
    return [f"  {plain(text, 500)}" for text in (error.message, error.hint) if text]
