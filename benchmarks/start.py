"""What the extension adds to the start of a Jupyter Server, in processor time.

It is the whole price of the extension for whoever opens no tunnel. Servers are started with and
without it in turn, each measured by itself (`benchmarks.start_cost`).
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from benchmarks.bench import Bench
from benchmarks.figures import Row, difference, interleave


def measure(bench: Bench) -> Iterator[Row]:
    """The row of this group."""
    for which in ("with", "without"):
        _start(which)  # writes the bytecode, which an install has
    contenders = {which: partial(_start, which) for which in ("with", "without")}
    found = interleave(bench.rounds * 2, contenders)
    what = "start of a Jupyter Server, processor time"
    yield Row(what, "ms", found["with"], found["without"], difference(50), "without us")


def _start(which: str) -> float:
    """Milliseconds."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.start_cost", which],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
        capture_output=True,
        check=True,
    )
    return float(json.loads(done.stdout)["cpu"]) * 1e3
