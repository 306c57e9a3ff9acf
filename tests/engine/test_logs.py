import subprocess
import sys

import pytest

SCRIPT = """
import logging, sys
from jupyter_remote_tunnel.engine.logs import log_to_stderr
log_to_stderr(sys.argv[1])
ours = logging.getLogger("jupyter_remote_tunnel.engine")
others = logging.getLogger("asyncssh")
for _ in range(int(sys.argv[2])):
    for log in (ours, others):
        log.debug("debug %s", log.name)
        log.info("info %s", log.name)
        log.warning("warning %s", log.name)
print("done", flush=True)
"""


@pytest.mark.parametrize(
    ("level", "ours"),
    [("DEBUG", ["debug", "info", "warning"]), ("WARNING", ["warning"]), ("LOUD", ["warning"])],
)
def test_our_level_is_chosen_and_others_only_warn(level: str, ours: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, level, "1"], capture_output=True, text=True, check=True
    )
    said = [line.partition("] ")[2] for line in run.stderr.splitlines()]
    assert said == [f"{word} jupyter_remote_tunnel.engine" for word in ours] + ["warning asyncssh"]


def test_what_a_host_said_gives_no_orders_to_a_terminal() -> None:
    script = """
import logging
from jupyter_remote_tunnel.engine.logs import log_to_stderr
log_to_stderr("WARNING")
try:
    raise ValueError("\x1b[2J\u202e" + "x" * 1_000_000)
except ValueError:
    logging.getLogger("jupyter_remote_tunnel").exception("unforeseen")
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "\x1b" not in run.stderr
    assert "\u202e" not in run.stderr
    assert '\n  File "<string>", line 6' in run.stderr
    assert "ValueError: [2J xxx" in run.stderr
    assert len(run.stderr) < 10_000


def test_a_reader_that_stands_still_stops_nothing() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "DEBUG", "5000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "done\n"  # nobody has read its standard error yet
        assert "debug" in process.stderr.readline()


def test_a_reader_that_has_gone_stops_nothing() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "DEBUG", "10"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stderr.close()
        assert process.stdout.readline() == "done\n"
    assert process.returncode == 0
