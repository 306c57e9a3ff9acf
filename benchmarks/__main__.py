"""``python -m benchmarks``: each figure of ours beside OpenSSH's of the same run, as one table.

Every group of figures is a module with ``measure(bench)``, which gives its rows.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from benchmarks import (
    connections,
    idle,
    interference,
    lab_start,
    latency,
    long_link,
    memory,
    opening,
    start,
    throughput,
    view,
)
from benchmarks.bench import Bench, private_home
from benchmarks.figures import Row, table
from benchmarks.processes import machine
from jupyter_remote_tunnel.model.errors import RemoteTunnelError
from tests.support.process import PeerError, program


class Group(NamedTuple):
    """Some figures, and the programs of this machine without which they cannot be had."""

    measure: Callable[[Bench], Iterator[Row]]
    about: str
    needs: tuple[str, ...] = ("ssh", "sshd", "ssh-keygen", "setpriv")


GROUPS = {
    "throughput": Group(throughput.measure, "one stream at full speed, and its processor time"),
    "view": Group(view.measure, "an application's view beside the raw forward"),
    "latency": Group(latency.measure, "the round trip of a message"),
    "long-link": Group(long_link.measure, "one stream at 100 ms round trip"),
    "connections": Group(connections.measure, "new connections, new tunnels"),
    "opening": Group(opening.measure, "a new tunnel over REST"),
    "memory": Group(memory.measure, "idle tunnels, readers that stopped"),
    "interference": Group(interference.measure, "a busy Jupyter server and a busy tunnel"),
    "idle": Group(idle.measure, "wake-ups of an engine with nothing to do"),
    "start": Group(start.measure, "the start of a Jupyter server", ()),
    "lab-start": Group(lab_start.measure, "the start of JupyterLab's page", ("chromium",)),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the command line says and print the table; 1 if a group has failed."""
    asked = _parser().parse_args(argv)
    bench = Bench(rounds=asked.rounds or (1 if asked.quick else 5), quick=asked.quick)
    begin = time.monotonic()
    about = machine()
    rows: dict[str, list[Row]] = {name: [] for name in asked.only or GROUPS}
    failed = False
    with private_home():
        for name, found in rows.items():
            try:
                found.extend(_measured(bench, name))  # those before an error stay
            except (PeerError, OSError, RemoteTunnelError, psutil.Error) as error:
                failed = True
                bench.note(f"FAILED: {name} ({GROUPS[name].about}): {error}")
    print(table([row for group in rows.values() for row in group]))
    print()
    print(_about(bench, about, time.monotonic() - begin))
    for note in bench.notes:
        print(f"- {note}")
    if asked.json:
        groups = {name: [row.as_dict() for row in group] for name, group in rows.items()}
        asked.json.write_text(
            json.dumps({"machine": about, "groups": groups, "notes": bench.notes}, indent=1) + "\n"
        )
    return int(failed)


def _measured(bench: Bench, name: str) -> Iterator[Row]:
    """The rows of a group; a note instead of those that cannot be had on this machine."""
    group = GROUPS[name]
    missing = [need for need in group.needs if not _is_there(need)]
    if missing:
        bench.note(f"left out: {name} ({group.about}), for want of {', '.join(missing)}")
        return
    bench.say(f"{name}: {group.about} …")
    yield from group.measure(bench)


def _is_there(name: str) -> bool:
    with contextlib.suppress(PeerError):
        return bool(program(name))
    return False


def _about(bench: Bench, about: dict[str, Any], seconds: float) -> str:
    size = "SMALL SIZES, the figures mean nothing; " if bench.quick else ""
    versions = ", ".join(f"{name} {value}" for name, value in about.items())
    return (
        f"Medians of {bench.rounds} interleaved rounds ({size}{seconds:.0f} s in all). {versions}"
        f" → {', '.join(f'{load:.2f}' for load in os.getloadavg())} (our own work included)."
    )


def _parser() -> argparse.ArgumentParser:
    groups = "\n".join(f"  {name:13} {group.about}" for name, group in GROUPS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure our tunnels beside OpenSSH's client, in the same run.",
        epilog=f"The groups of figures:\n{groups}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=GROUPS, metavar="NAME", help="these groups")
    parser.add_argument("--rounds", type=_positive, help="how often each is measured (default 5)")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work at all?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every sample, for programs")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    # A SIGTERM unwinds as Ctrl-C does: nothing that was started stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Ended before there was a table.")
