"""Folders of their own for engines, holders in this process and in others, and a control socket
without an engine."""

import contextlib
import json
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_remote_tunnel.engine.announce import Announcement
from jupyter_remote_tunnel.engine.control import ControlServer
from jupyter_remote_tunnel.engine.holder import Holder, News
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.tunnels.tasks import Tasks
from tests.engine.talking import Answers
from tests.support.leaks import files_below
from tests.support.process import MARK, MARK_VALUE, Child, child, environment

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Folders:
    """Where holders of one test put what they make."""

    private: Path
    runtime: Path
    data: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "XDG_RUNTIME_DIR": str(self.private),
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            "JUPYTER_DATA_DIR": str(self.data),
        }

    def left(self) -> list[str]:
        """What stands in them, but for the empty lock file of background processes."""
        found = files_below(self.private) + files_below(self.runtime)
        return [name for name in found if name != "remote-tunnel-background.lock"]


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Folders]:
    """This process, and what it starts, use new folders; at the end they are empty."""
    base = Path(tempfile.mkdtemp(prefix="engines-"))
    made = Folders(base / "run", base / "jupyter", base / "data")
    made.private.mkdir(mode=0o700)
    for name, value in {**made.environment, MARK: MARK_VALUE}.items():
        monkeypatch.setenv(name, value)
    for name in ("JUPYTER_REMOTE_TUNNEL", "JPY_PARENT_PID"):
        monkeypatch.delenv(name, raising=False)
    yield made
    left = made.left()
    shutil.rmtree(base)
    assert not left


@dataclass(frozen=True)
class OtherHolder:
    """A holder in a process of its own."""

    process: Child
    announcement: Announcement


StartHolder = Callable[..., OtherHolder]


@pytest.fixture
def start_holder(folders: Folders) -> Iterator[StartHolder]:
    """Start `tests.engine.holding` with `options` (keyword arguments of `Holder`)."""
    with contextlib.ExitStack() as stack:

        def start(**options: Any) -> OtherHolder:
            argv = [sys.executable, "-m", "tests.engine.holding", json.dumps(options)]
            env = environment(folders.environment)
            process = stack.enter_context(child(argv, cwd=ROOT, env=env))
            path = process.wait_for_line(r"^holding (.*)$")[1]
            return OtherHolder(process, Announcement.read(Path(path)))

        yield start


@dataclass
class Held:
    """A holder in this process, and all that it told."""

    holder: Holder
    news: list[News]

    @property
    def engine(self) -> psutil.Process:
        """The engine's process."""
        pid = self.holder.announcement.engine_pid
        assert pid is not None
        return psutil.Process(pid)


@contextlib.asynccontextmanager
async def holding(**options: Any) -> AsyncIterator[Held]:
    """An open holder in this process; `options` as of `Holder`."""
    news: list[News] = []
    holder = Holder(EngineSettings(), **{"kind": "foreground", "on_news": news.append, **options})
    async with holder:
        yield Held(holder, news)


@pytest.fixture
async def held(folders: Folders) -> AsyncIterator[Held]:
    """An open holder in this process."""
    async with holding() as made:
        yield made


@pytest.fixture
async def answers(short_dir: Path) -> AsyncIterator[Answers]:
    """A service, at the control socket `short_dir`/s."""
    service, tasks = Answers(), Tasks()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(short_dir / "s"))
        listener.listen()
        listener.setblocking(False)
        server = ControlServer(service, listener)
        tasks.start(server.serve(), "server")
        yield service
        await tasks.close()
        await server.close()
