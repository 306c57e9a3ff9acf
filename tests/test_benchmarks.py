"""`python -m benchmarks` runs, and has a figure for everything. What the figures are is no matter
here: nothing that takes time is judged by a test."""

import json
import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.__main__ import GROUPS
from benchmarks.figures import Row, difference, interleave, ours, ratio, table
from tests.support.leaks import assert_gone
from tests.support.process import Child, engines_below, environment, wait_until

ROOT = Path(__file__).parents[1]
CHEAP = ("latency", "idle")
COMMAND = (sys.executable, "-m", "benchmarks", "--quick", "--rounds", "1")


@pytest.fixture
def home(short_dir: Path) -> Iterator[Path]:
    """Where a run has its private folders. Nothing of it may be left, nor any process."""
    yield short_dir
    assert list(short_dir.iterdir()) == []
    assert_gone([process for process in psutil.process_iter() if _lives_in(short_dir, process)])


def _lives_in(folder: Path, process: psutil.Process) -> bool:
    try:
        return process.environ().get("HOME", "").startswith(str(folder))
    except psutil.Error:
        return False  # it has ended, or is another user's


def _run(home: Path, file: Path, *groups: str) -> dict[str, Any]:
    """What the run wrote as JSON; the table is on its standard output."""
    done = subprocess.run(
        [*COMMAND, "--json", file, "--only", *groups],
        env=environment({"TMPDIR": str(home)}),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(file.read_text())
    rows = [row for group in found["groups"].values() for row in group]
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [line.split("|")[1].strip() for line in lines[2:]] == [row["what"] for row in rows]
    return found


def _have_figures(found: dict[str, Any], *groups: str) -> None:
    assert [name for name, rows in found["groups"].items() if rows] == list(groups)
    assert not [note for note in found["notes"] if "left out" in note]
    for rows in found["groups"].values():
        for row in rows:
            assert row["ours"], row
            assert len(row["ours"]) == len(row["ssh"]), row
            assert all(map(math.isfinite, row["ours"] + row["ssh"])), row
    assert found["machine"]["cpus"] >= 1
    assert found["machine"]["openssh"].startswith("OpenSSH_")


def test_each_row_has_a_figure_of_ours_and_of_ssh(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = _run(home, tmp_path_factory.mktemp("json") / "rows.json", *CHEAP)
    _have_figures(found, *CHEAP)


@pytest.mark.long
def test_all_groups_run(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    found = _run(home, tmp_path_factory.mktemp("json") / "rows.json", *GROUPS)
    _have_figures(found, *GROUPS)


def test_a_terminated_run_leaves_nothing(home: Path) -> None:
    run = Child([*COMMAND, "--only", "idle"], env=environment({"TMPDIR": str(home)}), cwd=ROOT)
    wait_until(lambda: engines_below(run.pid), "its engine")
    run.send_signal(signal.SIGTERM)
    assert run.wait() == 1
    assert "Ended before there was a table." in run.output


def test_what_this_machine_lacks_is_said(home: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--only", "latency"],
        env=environment({"TMPDIR": str(home), "PATH": str(home)}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "left out: latency (the round trip of a message), for want of ssh, " in done.stdout


def test_a_row_says_whether_its_target_is_met() -> None:
    def target_of(row: Row) -> str:
        return row.cells()[4]

    fast, slow = (30.0, 10.0, 20.0), (10.0, 8.0, 12.0)
    assert target_of(Row("x", "MB/s", fast, slow, ratio("≥", 2))) == "≥ 2 ×"
    assert target_of(Row("x", "MB/s", slow, fast, ratio("≥", 0.6))) == "≥ 0.6 × **missed**"
    assert target_of(Row("x", "ms", slow, fast, ratio("≤", 0.5))) == "≤ 0.5 ×"
    assert target_of(Row("x", "ms", slow, fast, ours("≤", 9.9))) == "≤ 9.9 ms **missed**"
    assert target_of(Row("x", "ms", fast, slow, difference(10))) == "≤ +10 ms"
    assert target_of(Row("x", "ms", fast, slow, difference(9))) == "≤ +9 ms **missed**"
    assert target_of(Row("x", "ms", fast, slow)) == ""


def test_a_row_shows_medians_and_spread() -> None:
    row = Row("x", "ms", (1.5, 300.0, 2.25), (4.0, 4.0, 5.0), beside="with a session")
    assert row.cells() == (
        "x",
        "2.25 ms",
        "4.00 ms (with a session)",
        "0.562",
        "",
        "1.50–300; 4.00–5.00",
    )
    assert Row("x", "/min", (80.0,), (0.0,)).cells()[3] == "–"
    assert len({len(line) for line in table([row]).splitlines()}) == 1


def test_every_round_begins_with_another_contender() -> None:
    order: list[str] = []

    def contender(name: str) -> int:
        order.append(name)
        return len(order)

    found = interleave(3, {name: partial(contender, name) for name in "ab"})
    assert "".join(order) == "abbaab"
    assert found == {"a": [1, 4, 5], "b": [2, 3, 6]}
