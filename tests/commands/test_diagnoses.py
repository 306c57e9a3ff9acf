"""The doctor's steps as a person reads them."""

import pytest

from jupyter_remote_tunnel.commands.diagnoses import Report
from jupyter_remote_tunnel.model.diagnosis import Step

WELL = Step("connect", "gw (hop 1 of 2)", "ok", "gw answers.", seconds=0.0124)
ILL = Step(
    "tcp_forward",
    "gpu01 (hop 2 of 2)",
    "failed",
    "gpu01 forwards nothing.",
    ("It says “no”.",),
    "Ask who runs it.",
    "forward_refused",
    1.25,
)


def test_each_hop_is_named_once_and_advice_stands_last() -> None:
    report = Report()
    assert report.lines_of(WELL) == [
        "gw (hop 1 of 2):",
        "ok      connection        12 ms  gw answers.",
    ]
    assert report.lines_of(WELL) == ["ok      connection        12 ms  gw answers."]
    assert report.lines_of(ILL) == [
        "gpu01 (hop 2 of 2):",
        "FAILED  TCP forwards      1.2 s  gpu01 forwards nothing.",
        "        It says “no”.",
        "        → Ask who runs it.",
    ]
    assert len(report.lines) == 7
    assert report.last_line() == "1 of 3 steps failed: TCP forwards."
    report.lines_of(ILL)
    assert report.last_line() == "2 of 4 steps failed: TCP forwards."


def test_a_note_is_not_a_failure() -> None:
    report = Report()
    report.lines_of(Step("resolve", "gpu01", "note", "It is.", advice="That is slow.", seconds=3))
    assert report.lines[1:] == [
        "note    name              3.0 s  It is.",
        "        → That is slow.",
    ]
    assert report.last_line() == "Nothing failed."


@pytest.mark.parametrize(("seconds", "shown"), [(0.0, "0 ms"), (0.9994, "999 ms"), (1, "1.0 s")])
def test_times_are_short(seconds: float, shown: str) -> None:
    step = Step("login", "gpu01", "ok", "Yes.", seconds=seconds)
    assert f" {shown}  Yes." in Report().lines_of(step)[1]


def test_whatever_an_engine_says_is_one_plain_line() -> None:
    step = Step("login", "gpu\x1b[2J", "ok", "a\nb\x1b]0;x\x07", ("c\u202ed",), "e\rf")
    assert all(line.isprintable() for line in Report().lines_of(step))
