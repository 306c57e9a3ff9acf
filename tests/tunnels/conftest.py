"""A manager with short times, and a listener that can be waited on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.command_line import parse_command
from jupyter_remote_tunnel.model.prompt import Prompt
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import TunnelSpec
from jupyter_remote_tunnel.model.state import State
from jupyter_remote_tunnel.tunnels.manager import Manager, Wanted
from jupyter_remote_tunnel.tunnels.prompts import Person
from jupyter_remote_tunnel.tunnels.tunnel import Tunnel
from tests.support.sshd import SshBed

QUICK = EngineSettings(
    connect_timeout=10, backoff_first=0.05, backoff_max=0.2, keepalive_interval=1, keepalive_count=2
)


class Recorder:
    """Hears of every change; `until` waits for one without polling."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, State]] = []
        self.removed: list[str] = []
        self.prompts: dict[str, Prompt] = {}
        self.asked: list[tuple[str, Person]] = []
        self._news = asyncio.Event()

    def tunnel_changed(self, tunnel: Tunnel) -> None:
        self.seen.append((tunnel.id, tunnel.state))
        self._news.set()

    def tunnel_removed(self, tunnel: Tunnel) -> None:
        self.removed.append(tunnel.id)
        self._news.set()

    def prompt_shown(self, prompt: Prompt, people: Collection[Person]) -> None:
        self.prompts[prompt.id] = prompt
        self.asked += [(prompt.id, person) for person in people]
        self._news.set()

    def prompt_closed(self, prompt_id: str, people: Collection[Person]) -> None:
        self.prompts.pop(prompt_id, None)
        self._news.set()

    async def prompt(self) -> Prompt:
        """The question that waits, or the first to come."""
        await self.until(lambda: bool(self.prompts))
        return next(iter(self.prompts.values()))

    def states(self, tunnel: Tunnel) -> list[State]:
        """The states of a tunnel in their order, each change once."""
        mine = [state for tunnel_id, state in self.seen if tunnel_id == tunnel.id]
        return [s for n, s in enumerate(mine) if n == 0 or mine[n - 1] is not s]

    async def until(self, holds: Callable[[], bool], patience: float = 30) -> None:
        """Wait until `holds()`; it is asked after every change."""
        async with asyncio.timeout(patience):
            while not holds():
                self._news.clear()
                await self._news.wait()


class Rig:
    """A manager, its recorder, and specs for the hosts of a bed."""

    def __init__(self, bed: SshBed, private_dir: Path, settings: EngineSettings = QUICK) -> None:
        self.bed = bed
        self.recorder = Recorder()
        self.manager = Manager(settings, private_dir, self.recorder)

    def spec(self, line: str) -> TunnelSpec:
        """What a line typed in the user's own shell asks for, with the bed's configuration."""
        return parse_command(f"-F {self.bed.config_file} {line}")

    async def open(self, line: str) -> Tunnel:
        """Open a tunnel from the user's own shell."""
        tunnel, _ = await self.manager.open(self.spec(line), from_shell=True)
        return tunnel

    def wanted(self) -> list[Wanted]:
        """What to open again after an end that nobody asked for."""
        return [Wanted.of(tunnel) for tunnel in self.manager.tunnels]


def port_of(tunnel: Tunnel) -> int:
    """The local port of its first forward."""
    bound = tunnel.bound[0]
    assert bound is not None
    return int(bound.rpartition(":")[2])


@pytest.fixture
async def rig(ssh_bed: SshBed, short_dir: Path) -> AsyncIterator[Rig]:
    """A `Rig` whose every tunnel is closed at the end, with no link left."""
    made = Rig(ssh_bed, short_dir)
    yield made
    await made.manager.close_all()
    assert made.manager.pool.size == 0
    assert made.manager.tunnels == []
