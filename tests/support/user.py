"""A person at a shell: Jupyter folders of their own, `jupyter tunnel`, and an engine to speak to.

::

    with User() as user:
        user.tunnel("open", "-F", bed.config_file, "gpu01:5006")   # exit status 0 is checked
        user.tunnel("close", "nope", status=1).stderr
        with user.start("open", "--foreground", …) as process: ...
        with user.engine(EngineSettings(ssh_config=…)) as holder: ...   # held by the test itself

While the block lasts this process is that person too: `os.environ` names the same folders.
With a `namespace` the person sits at a machine of its own, where their commands run.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from jupyter_remote_tunnel.engine.announce import Kind
from jupyter_remote_tunnel.engine.discovery import list_engines
from jupyter_remote_tunnel.engine.holder import Holder
from jupyter_remote_tunnel.engine.sync import LoopThread, SyncEngine
from jupyter_remote_tunnel.model.errors import Fatal
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.status import TunnelStatus
from tests.support.netns import Namespace
from tests.support.process import Child, PeerError, child, environment

_PATIENCE = 60.0


class User:
    """One person; everything of theirs lies in `folder`."""

    def __init__(self, *, namespace: Namespace | None = None) -> None:
        self._namespace = namespace
        self.folder = Path(tempfile.mkdtemp(prefix="jrt-user-"))
        names = {
            "HOME": "home",
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "IPYTHONDIR": "ipython",
            "XDG_RUNTIME_DIR": "run",
            "TMPDIR": "tmp",
        }
        for name in names.values():
            (self.folder / name).mkdir(mode=0o700)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        own = {variable: str(self.folder / name) for variable, name in names.items()}
        self.environment = environment({**own, "PATH": path})
        self._process = pytest.MonkeyPatch()

    @property
    def runtime_dir(self) -> Path:
        """Their JUPYTER_RUNTIME_DIR."""
        return self.folder / "runtime"

    def tunnel(self, *words: str | Path, status: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run `jupyter tunnel` with `words`; another exit status than `status` is an error."""
        # As `jupyter` does, which is one more start of Python: `tests.test_cli` goes by way of it.
        done = subprocess.run(
            self._here("jupyter-tunnel", *words),
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=_PATIENCE,
        )
        if done.returncode != status:
            raise PeerError(f"{done.args} gave {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def start(self, *words: str | Path) -> contextlib.AbstractContextManager[Child]:
        """Start `jupyter tunnel` with `words`, for a command that lasts."""
        # Not by way of `jupyter`, which would be one process more between us and its signals.
        return child(
            self._here(sys.executable, "-m", "jupyter_remote_tunnel.cli", *words),
            env=self.environment,
            cwd=self.folder,
        )

    def _here(self, *words: str | Path) -> list[str]:
        argv = [str(word) for word in words]
        return self._namespace.wrap(argv) if self._namespace else argv

    def tunnels(self) -> list[TunnelStatus]:
        """What `list` would show, to wait for a change: a shell for each look costs more."""
        found: list[TunnelStatus] = []
        for engine in list_engines():
            with contextlib.closing(SyncEngine(engine.socket, "shell")) as client:
                found += client.list_tunnels()
        return found

    @contextlib.contextmanager
    def engine(self, settings: EngineSettings, kind: Kind = "background") -> Iterator[Holder]:
        """An engine of theirs, as the background process or a Jupyter server would hold it."""
        thread = LoopThread("holder")
        try:
            holder = Holder(settings, kind=kind)
            thread.run(holder.open())
            try:
                yield holder
            finally:
                thread.run(holder.close())
        finally:
            thread.close()

    def close(self) -> None:
        """Close the tunnels that are left, so that their engines end, and remove the folder."""
        try:
            for engine in list_engines():
                try:
                    with contextlib.closing(SyncEngine(engine.socket, "shell")) as client:
                        for tunnel in client.list_tunnels():
                            client.close_tunnel(tunnel.id)
                except Fatal:
                    if engine.path.exists():  # else it has just ended, as without a tunnel it does
                        raise
        finally:
            shutil.rmtree(self.folder)

    def __enter__(self) -> Self:
        for name in os.environ.keys() - self.environment.keys():
            self._process.delenv(name)
        for name, value in self.environment.items():
            self._process.setenv(name, value)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        finally:
            self._process.undo()
