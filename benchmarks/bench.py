"""What every group of figures is given: how much to measure, and where to say what.

`private_home()` makes this process a user of its own: home, Jupyter's folders, runtime and
temporary files lie in one folder that goes with it. What a group starts inherits that.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.process import MARK, MARK_VALUE, environment

_FOLDERS = {
    "HOME": "home",
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
    "IPYTHONDIR": "ipython",
    "XDG_RUNTIME_DIR": "run",
    "TMPDIR": "tmp",
}


@dataclass
class Bench:
    """One run.

    :param rounds: how often each contender is measured.
    :param quick: small sizes: to see that it works, not to believe the figures.
    """

    rounds: int
    quick: bool = False
    notes: list[str] = field(default_factory=list)

    def size(self, full: int, quick: int) -> int:
        """One of both: bytes, connections, messages, tunnels."""
        return quick if self.quick else full

    def seconds(self, full: float, quick: float) -> float:
        """One of both."""
        return quick if self.quick else full

    def say(self, text: str) -> None:
        """Tell who waits how far it is."""
        print(text, file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Have a line under the table: a check, or what was left out and why."""
        self.notes.append(text)


@contextlib.contextmanager
def private_home() -> Iterator[Path]:
    """The folder. Programs of this environment come first on the PATH."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="jrt-bench-") as name:
        folder = Path(name)
        for inner in _FOLDERS.values():
            (folder / inner).mkdir(mode=0o700)
        own = {variable: str(folder / inner) for variable, inner in _FOLDERS.items()}
        path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
        os.environ.clear()
        os.environ.update(environment({**own, "PATH": path, MARK: MARK_VALUE}))
        tempfile.tempdir = None  # it remembers the folder of before
        try:
            yield folder
        finally:
            os.environ.clear()
            os.environ.update(before)
            tempfile.tempdir = None
