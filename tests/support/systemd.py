"""Units as systemd reads them, on a machine on which it need not run.

::

    words = read_unit(path)    # what it would run; PeerError with what it complains about
"""

import re
import subprocess
from pathlib import Path

from tests.support.process import PeerError, program

_COMMAND = "Command Line: "
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^ ]+)')
_ESCAPED = re.compile(r"\\(.)")


def read_unit(path: Path) -> list[str]:
    """The words that a user unit would run, after all that systemd does to them."""
    folder = path.parent / "run"
    folder.mkdir(mode=0o700, exist_ok=True)
    argv = [program("systemd-analyze"), "--user", "--man=no", "verify", str(path)]
    plain = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    done = subprocess.run(argv, env=plain, capture_output=True, text=True)
    complaints = [line for line in done.stderr.splitlines() if path.name in line]
    if done.returncode or complaints:
        raise PeerError(f"systemd does not take {path.name}:\n{done.stderr}\n{path.read_text()}")
    # To those who want to know more it also says what it has read.
    done = subprocess.run(
        argv, env={**plain, "SYSTEMD_LOG_LEVEL": "debug"}, capture_output=True, text=True
    )
    (line,) = [line for line in done.stdout.split("\n") if _COMMAND in line]
    words = _WORD.findall(line.partition(_COMMAND)[2])
    return [_with_variables(bare or _ESCAPED.sub(r"\1", quoted)) for quoted, bare in words]


def _with_variables(word: str) -> str:
    """What is run in the place of a word: “$$” is a dollar sign, and a single one a variable."""
    *parts, last = word.split("$$")
    if any("$" in part for part in (*parts, last)):
        raise PeerError(f"systemd takes a part of {word!r} for a variable")
    return "$".join((*parts, last))
