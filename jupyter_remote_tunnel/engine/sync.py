"""An engine for code without `await`: the shell, and notebook cells, where a loop runs already.

`SyncEngine` runs an `EngineClient` on a thread of its own and waits for each answer there.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..model.spec import TunnelRequest
from ..model.status import Source, TunnelStatus
from .client import EngineClient, Output
from .messages import Client

Result = TypeVar("Result")


class _Job(Generic[Result]):
    """A coroutine that can be cancelled also before its task has begun."""

    def __init__(self, coroutine: Coroutine[Any, Any, Result]) -> None:
        self._coroutine = coroutine
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False

    async def run(self) -> Result:
        self._task = asyncio.current_task()
        if self._cancelled:
            self._coroutine.close()
            raise asyncio.CancelledError
        return await self._coroutine

    def cancel(self) -> None:
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()


class LoopThread:
    """An event loop on a thread of its own, for callers that have none to share."""

    def __init__(self, name: str = "tunnels") -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run `coroutine` there and wait for its result; Ctrl-C cancels it."""
        job = _Job(coroutine)
        try:
            return asyncio.run_coroutine_threadsafe(job.run(), self._loop).result()
        except KeyboardInterrupt:
            # It may have come before there was a future to cancel.
            self._loop.call_soon_threadsafe(job.cancel)
            raise

    def close(self) -> None:
        """Stop the loop and wait for the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class SyncEngine:
    """An engine for code without `await`: each call waits for its answer.

    After the engine died, the next call connects to the one that took its place.
    """

    def __init__(self, socket_path: str | Path, role: Client = "cell") -> None:
        """Connect, as `EngineClient.connect` does and with its errors."""
        self.socket_path = socket_path
        self._role: Client = role
        self._client: EngineClient | None = None
        self._thread = LoopThread()
        try:
            self._thread.run(self._connected())
        except BaseException:
            self.close()
            raise

    async def _connected(self) -> EngineClient:
        if self._client is None or self._client.lost.is_set():
            await self._disconnect()
            self._client = await EngineClient.connect(self.socket_path, self._role)
        return self._client

    async def _disconnect(self) -> None:
        if self._client is not None:
            await self._client.close()

    def run(self, ask: Callable[[EngineClient], Awaitable[Result]]) -> Result:
        """What `ask(client)` gives, run on the thread: `engine.run(lambda client: client.ping())`.

        :raises RemoteTunnelError: as the method of `EngineClient` does.
        """

        async def answer() -> Result:
            return await ask(await self._connected())

        return self._thread.run(answer())

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """`EngineClient.call`."""
        return self.run(lambda client: client.call(method, params))

    def list_tunnels(self) -> list[TunnelStatus]:
        """`EngineClient.list_tunnels`."""
        return self.run(lambda client: client.list_tunnels())

    def get_tunnel(self, tunnel: str) -> TunnelStatus:
        """`EngineClient.get_tunnel`."""
        return self.run(lambda client: client.get_tunnel(tunnel))

    def open_tunnel(
        self, request: TunnelRequest, source: Source = "user"
    ) -> tuple[TunnelStatus, bool]:
        """`EngineClient.open_tunnel`."""
        return self.run(lambda client: client.open_tunnel(request, source))

    def close_tunnel(self, tunnel: str, drain: float | None = None) -> TunnelStatus:
        """`EngineClient.close_tunnel`."""
        return self.run(lambda client: client.close_tunnel(tunnel, drain))

    def restart_tunnel(self, tunnel: str) -> TunnelStatus:
        """`EngineClient.restart_tunnel`."""
        return self.run(lambda client: client.restart_tunnel(tunnel))

    def exec(self, request: TunnelRequest, argv: Sequence[str], stdin: bytes = b"") -> Output:
        """`EngineClient.exec`."""
        return self.run(lambda client: client.exec(request, argv, stdin))

    def read_file(self, request: TunnelRequest, path: str) -> bytes:
        """`EngineClient.read_file`."""
        return self.run(lambda client: client.read_file(request, path))

    def close(self) -> None:
        """Hang up. The tunnels stay open."""
        try:
            self._thread.run(self._disconnect())
        finally:
            self._thread.close()
