"""An engine for code without `await`: the shell, and notebook cells, where a loop runs already.

`SyncEngine` runs an `EngineClient` on a thread of its own and waits for each answer there. What
only the thread that waits can do, it does meanwhile, as the `CallingThread`.
"""

import asyncio
import queue
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..model.diagnosis import Diagnosis
from ..model.prompt import Answer, Prompt
from ..model.spec import TunnelRequest
from ..model.status import Source, TunnelStatus
from .client import EngineClient, Output
from .messages import Client, Who

Result = TypeVar("Result")


# Seconds. A Ctrl-C in the very moment in which a thread begins to wait wakes it not.
_LOOK_UP = 1.0


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


class _Call(Generic[Result]):
    """A function that the calling thread is to run, and who waits for what it gives."""

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function = function
        self._loop = asyncio.get_running_loop()
        self.given: asyncio.Future[Result] = self._loop.create_future()
        self.withdrawn = False

    def run(self) -> None:
        """Run it here, and tell there."""
        try:
            result = self._function()
        except Exception as error:  # noqa: BLE001 (whatever it is, it is raised there)
            self._tell(self.given.set_exception, error)
        else:
            self._tell(self.given.set_result, result)

    def _tell(self, set_outcome: Callable[[Any], None], outcome: object) -> None:
        def tell() -> None:
            if not self.given.done():
                set_outcome(outcome)

        self._loop.call_soon_threadsafe(tell)


class CallingThread:
    """The thread that waits in `LoopThread.run`, for what only it can do: `input()` in a kernel."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[_Call[Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._running: _Call[Any] | None = None
        main = threading.main_thread()
        self._main = main.ident if threading.current_thread() is main else None

    async def __call__(self, function: Callable[[], Result]) -> Result:
        """What `function()` gives on that thread; called on the other one.

        If this is cancelled, the function is interrupted as by Ctrl-C, where it can be.
        """
        call = _Call(function)
        self._calls.put(call)
        try:
            return await call.given
        except asyncio.CancelledError:
            call.withdrawn = True
            self._interrupt(call)
            raise

    def _interrupt(self, call: _Call[Any]) -> None:
        """Interrupt the function, if it runs; once more after a while, in case that it has just
        begun to wait for something."""
        with self._lock:
            if self._running is not call or self._main is None:
                return
            signal.pthread_kill(self._main, signal.SIGINT)
        asyncio.get_running_loop().call_later(_LOOK_UP, self._interrupt, call)

    def work(self) -> None:
        """Run what comes, until `stop`."""
        while True:
            try:
                call = self._calls.get(timeout=_LOOK_UP)
            except queue.Empty:
                continue
            if call is None:
                return
            self._run(call)

    def stop(self) -> None:
        """Let `work` return; from any thread."""
        self._calls.put(None)

    def _run(self, call: _Call[Any]) -> None:
        try:
            with self._lock:
                if call.withdrawn:
                    return
                self._running = call
            try:
                call.run()
            finally:
                # Nobody interrupts it from here on; who just did is heard before the lock is had.
                with self._lock:
                    self._running = None
        except KeyboardInterrupt:
            with self._lock:  # which it may have come before
                self._running = None
            if not call.withdrawn:
                raise


class LoopThread:
    """An event loop on a thread of its own, for callers that have none to share."""

    def __init__(self, name: str = "tunnels") -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(
        self, coroutine: Coroutine[Any, Any, Result], here: CallingThread | None = None
    ) -> Result:
        """Run `coroutine` there and wait for its result; Ctrl-C cancels it.

        :param here: this thread, if the coroutine has something to be done on it.
        """
        job, waiting = _Job(coroutine), here or CallingThread()
        try:
            result = asyncio.run_coroutine_threadsafe(job.run(), self._loop)
            result.add_done_callback(lambda _: waiting.stop())
            waiting.work()
            return result.result()
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
        self, request: TunnelRequest, source: Source = "user", *, person: Who | None = None
    ) -> tuple[TunnelStatus, bool]:
        """`EngineClient.open_tunnel`. With a `person`, another thread answers."""
        return self.run(lambda client: client.open_tunnel(request, source, person=person))

    def close_tunnel(self, tunnel: str, drain: float | None = None) -> TunnelStatus:
        """`EngineClient.close_tunnel`."""
        return self.run(lambda client: client.close_tunnel(tunnel, drain))

    def restart_tunnel(self, tunnel: str, *, person: Who | None = None) -> TunnelStatus:
        """`EngineClient.restart_tunnel`."""
        return self.run(lambda client: client.restart_tunnel(tunnel, person=person))

    def diagnose(self, request: TunnelRequest, *, gateway_ports: bool = False) -> Diagnosis:
        """`EngineClient.diagnose`."""
        return self.run(lambda client: client.diagnose(request, gateway_ports=gateway_ports))

    def list_prompts(self) -> list[Prompt]:
        """`EngineClient.list_prompts`."""
        return self.run(lambda client: client.list_prompts())

    def answer_prompt(self, prompt: str, answer: Answer) -> None:
        """`EngineClient.answer_prompt`."""
        self.run(lambda client: client.answer_prompt(prompt, answer))

    def cancel_prompt(self, prompt: str) -> None:
        """`EngineClient.cancel_prompt`."""
        self.run(lambda client: client.cancel_prompt(prompt))

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
