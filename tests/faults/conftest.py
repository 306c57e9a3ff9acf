"""A whole engine in a process of its own, held by the test, with an sshd to open tunnels to."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import psutil
import pytest

from jupyter_remote_tunnel.engine.client import EngineClient
from jupyter_remote_tunnel.engine.holder import Holder, News
from jupyter_remote_tunnel.model.errors import RemoteTunnelError
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import TunnelRequest
from jupyter_remote_tunnel.model.status import ErrorStatus, ForwardStatus, TunnelStatus
from tests.support.sshd import SshBed, Sshd
from tests.support.user import User

QUICK = EngineSettings(
    connect_timeout=10, backoff_first=0.05, backoff_max=0.2, keepalive_interval=1, keepalive_count=2
)


Holds = Callable[[list[TunnelStatus]], bool]


class Engine:
    """A running engine, one client of it, and what its holder told."""

    def __init__(self, holder: Holder, client: EngineClient, news: list[News]) -> None:
        self.holder = holder
        self.client = client
        self.news = news

    @property
    def process(self) -> psutil.Process:
        """The engine's process, as it is now."""
        pid = self.holder.announcement.engine_pid
        assert pid is not None
        return psutil.Process(pid)

    async def connect_again(self) -> None:
        """Be a client of the engine that takes the place of one that died."""
        await self.client.close()
        await self.holder.start()
        self.client = await EngineClient.connect(self.holder.socket_path, "server")

    async def open(self, *forwards: str, host: str = "gpu01") -> TunnelStatus:
        """Open a tunnel."""
        tunnel, _ = await self.client.open_tunnel(TunnelRequest(host=host, forwards=forwards))
        return tunnel

    async def until(self, holds: Holds) -> list[TunnelStatus]:
        """The tunnels, as soon as that holds; it is asked again after every event."""
        events = self.client.events()
        async with contextlib.aclosing(events):
            while not holds(tunnels := await self.client.list_tunnels()):
                await anext(events)
        return tunnels

    async def told(self, words: str) -> RemoteTunnelError:
        """Wait until the holder tells an error with these words; that error."""
        while True:
            for item in self.news:
                if item.error is not None and words in item.error.message:
                    return item.error
            await self.client.ping()

    async def refusal(self, tunnel_id: str) -> ErrorStatus:
        """Wait until a tunnel's first forward has refused a stream; why."""
        while (error := (await self.client.get_tunnel(tunnel_id)).forwards[0].error) is None:
            pass
        return error

    async def idle(self, tunnel_id: str, total: int = 0) -> ForwardStatus:
        """Wait until a tunnel's first forward had `total` streams, or more, and none is open; what
        is told of it then.

        Streams are no events, so it asks again and again.
        """
        while True:
            forward = (await self.client.get_tunnel(tunnel_id)).forwards[0]
            if forward.streams.open == 0 and forward.streams.total >= total:
                return forward


def port_of(tunnel: TunnelStatus, number: int = 0) -> int:
    """The local port of one of its forwards."""
    return int((tunnel.forwards[number].bound or "").rpartition(":")[2])


def all_are(state: str) -> Holds:
    """Whether every tunnel is in that state."""
    return lambda tunnels: all(tunnel.state == state for tunnel in tunnels)


def some_are(state: str) -> Holds:
    """Whether any tunnel is in that state."""
    return lambda tunnels: any(tunnel.state == state for tunnel in tunnels)


StartEngine = Callable[..., contextlib.AbstractAsyncContextManager[Engine]]


@pytest.fixture
def start_engine(user: User, ssh_bed: SshBed, sshd: Sshd) -> StartEngine:
    """Starts engines that know the bed's hosts, `sshd` (gpu01) among them."""

    @contextlib.asynccontextmanager
    async def start(settings: EngineSettings = QUICK, **options: Any) -> AsyncIterator[Engine]:
        settings = replace(settings, ssh_config=str(ssh_bed.config_file))
        news: list[News] = []
        async with Holder(settings, kind="foreground", on_news=news.append, **options) as holder:
            await holder.start()
            running = Engine(holder, await EngineClient.connect(holder.socket_path, "server"), news)
            try:
                yield running
            finally:
                await running.client.close()

    return start


@pytest.fixture
async def engine(start_engine: StartEngine) -> AsyncIterator[Engine]:
    """One engine with short times."""
    async with start_engine() as running:
        yield running
