"""A host on which nothing runs yet and Jupyter Server can be started: `gpu01`, a real sshd.

::

    with jupyter_there(bed, short_dir) as there:
        … jupyter tunnel jupyter gpu01 --start …
        there.holding           # the processes that hold it for a tunnel
        there.is_left           # whether anything of it is left
"""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.support.process import kill_all
from tests.support.sshd import SshBed


class There:
    """The user on `gpu01`: their folders, and what runs for them."""

    def __init__(self, bed: SshBed, folder: Path, *, lab: bool, tools: Path | None) -> None:
        self.folder = folder
        self.runtime = folder / "runtime"
        self.config = folder / "config"
        self.config.mkdir()
        (folder / "tmp").mkdir()
        if tools is None:
            tools = folder / "tools"
            tools.mkdir()
            for name in ("jupyter", "jupyter-server", *(["jupyter-lab"] if lab else [])):
                (tools / name).symlink_to(Path(sys.executable).with_name(name))
        # Without what it does not serve here a server is there a second sooner.
        off = ["notebook", "jupyter_lsp", "jupyter_remote_tunnel"]
        off += [] if lab else ["jupyterlab", "notebook_shim"]
        settings = {
            "ServerApp": {"jpserver_extensions": dict.fromkeys(off, False)},
            "LabApp": {"news_url": None, "extension_manager": "readonly"},
        }
        (self.config / "jupyter_server_config.json").write_text(json.dumps(settings))
        self.host = bed.host("gpu01", env=self._environment(f"{tools}:/usr/bin:/bin"))

    def _environment(self, path: str) -> dict[str, str | Path]:
        return {
            "JUPYTER_RUNTIME_DIR": self.runtime,
            "JUPYTER_CONFIG_DIR": self.config,
            "JUPYTER_DATA_DIR": self.folder / "data",
            "IPYTHONDIR": self.folder / "ipython",
            "TMPDIR": self.folder / "tmp",
            "PATH": path,
            "SHELL": "/bin/bash",
        }

    def lose_jupyter(self) -> None:
        """From now on it is not on the PATH."""
        self.host.kill()
        self.host.configure(env=self._environment("/usr/bin:/bin"))
        self.host.start()

    @property
    def keepers(self) -> list[Path]:
        """The folders of what keeps a server alive."""
        places = (self.runtime, self.folder / "tmp")
        found = [path for place in places for path in place.glob("jupyter-kept-*")]
        return [path for path in found if path.is_dir()]

    @property
    def is_left(self) -> bool:
        """Whether anything of a server is there."""
        files = [*self.runtime.glob("jpserver-*"), *self.runtime.glob("jupyter-kept-*")]
        return bool(self.keepers or files)

    @property
    def holding(self) -> set[int]:
        """The processes that hold it for a tunnel, and have said so."""
        (keeper,) = self.keepers
        return {
            process.pid
            for process in psutil.process_iter(["name"])
            if process.info["name"] == "cat" and _wrote_to(process, keeper / "line")
        }


def _wrote_to(process: psutil.Process, path: Path) -> bool:
    try:
        is_there = Path(f"/proc/{process.pid}/fd/1").readlink() == path
        return is_there and process.io_counters().write_chars > 0
    except (OSError, psutil.Error):
        return False  # it has ended


@contextlib.contextmanager
def jupyter_there(
    bed: SshBed, folder: Path, *, lab: bool = False, tools: Path | None = None
) -> Iterator[There]:
    """Such a host; what was started on it is ended.

    :param folder: of the user there, with a short path.
    :param lab: whether JupyterLab is there, too.
    :param tools: the folder of the programs of its Jupyter, if it has another one than this.
    """
    there = There(bed, folder, lab=lab, tools=tools)
    try:
        yield there
    finally:
        temporary = str(there.folder / "tmp")
        kill_all([one for one in psutil.process_iter() if _has(one, temporary)])


def _has(process: psutil.Process, temporary: str) -> bool:
    """Whether that is its folder for temporary files."""
    try:
        return process.environ().get("TMPDIR") == temporary
    except psutil.Error:
        return False  # it has ended
