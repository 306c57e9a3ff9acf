"""Units of a user as systemd reads them, and as it runs them, on a machine that it has not booted.

::

    words = read_unit(path)                      # what it would run; PeerError with its complaint
    with user_manager(environment) as manager:
        manager.type("systemctl --user start x")
"""

import contextlib
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.process import Child, PeerError, child, descendants, program

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


# In folders and with processes of its own, whatever runs on the machine. It wants one more that
# says that systemd has booted it.
_MANAGER = """
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
mkdir -m 0700 /run/manager
export XDG_RUNTIME_DIR=/run/manager
/lib/systemd/systemd --user &
while [ "$(systemctl --user is-system-running 2>&1)" != running ]; do sleep 0.1; done
echo runs
wait
"""


class UserManager:
    """What a user of systemd has from log-in to log-out."""

    def __init__(self, process: Child, environment: Mapping[str, str]) -> None:
        self._process = process
        self._environment = {**environment, "XDG_RUNTIME_DIR": "/run/manager"}

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line of a shell there."""
        first = min(descendants(self._process.pid), key=lambda process: process.create_time())
        into = [program("nsenter"), f"--target={first.pid}", "--mount", "--pid", "--"]
        return subprocess.run(
            [*into, "sh", "-c", line], env=self._environment, capture_output=True, text=True
        )

    def type(self, line: str) -> str:
        """What that line prints; one that fails is an error."""
        done = self.run(line)
        if done.returncode != 0:
            raise PeerError(f"{line} gave {done.returncode}:\n{done.stderr}{self._process.output}")
        return done.stdout


@contextlib.contextmanager
def user_manager(environment: Mapping[str, str]) -> Iterator[UserManager]:
    """One of root, as long as the block lasts; its units have that environment."""
    own = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with child([program("unshare"), *own, "sh", "-ec", _MANAGER], env=environment) as process:
        process.wait_for_line("runs")
        yield UserManager(process, environment)
