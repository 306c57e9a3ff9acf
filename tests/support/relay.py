"""A wire with faults: a TCP relay between a client and a server, with knobs for a live line.

`delay` (seconds, each way) makes a long line; `freeze` holds every byte back and loses none (a
black hole as the ends see it); `spoil` alters what the server sends; `cut` resets all connections;
`refuse` takes the listener away and `accept` brings the same port back. It runs an event loop on a
thread of its own::

    with Relay("127.0.0.1", sshd.port) as wire:
        wire.delay = 0.1
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.support.echo import reset_at_close

_T = TypeVar("_T")


class Relay:
    """See the module's docstring; clients connect to ``127.0.0.1:port``."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.delay = 0.0
        self.spoil: Callable[[bytes], bytes] = lambda data: data
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"relay to {port}")
        self._thread.start()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._serving: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._server: asyncio.Server | None = None
        self.accept()

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def accept(self) -> None:
        """Serve on `port`, again after `refuse`."""

        async def listen() -> None:
            if self._listener.fileno() < 0:
                self._listener = socket.create_server(("127.0.0.1", self.port))
            self._server = await asyncio.start_server(self._serve, sock=self._listener)

        self._run(listen())

    def refuse(self) -> None:
        """Close the listener: new connections are refused, live ones go on."""

        async def close() -> None:
            assert self._server is not None
            self._server.close()

        self._run(close())

    def freeze(self) -> None:
        """Deliver nothing, in either direction, until `thaw`."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def thaw(self) -> None:
        """Deliver what was held back, and go on."""
        self._loop.call_soon_threadsafe(self._flowing.set)

    def cut(self) -> None:
        """Reset every live connection, towards both ends."""

        async def abort() -> None:
            for writer in list(self._writers):
                reset_at_close(writer.get_extra_info("socket"))
                writer.transport.abort()

        self._run(abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._writers.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            far_reader, far = await asyncio.open_connection(*self._target)
            self._writers.add(far)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, far), name="relay out")
                group.create_task(self._carry(far_reader, writer, back=True), name="relay back")
        except* OSError:
            pass
        finally:
            self._serving.discard(task)
            for end in (writer, far):
                if end is not None:
                    self._writers.discard(end)
                    end.close()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool = False
    ) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(256)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliver(queue, writer), name="relay deliver")
            while data := await reader.read(64 * 1024):
                arrived = self.spoil(data) if back else data
                await queue.put((self._loop.time() + self.delay, arrived))
            await queue.put((self._loop.time() + self.delay, b""))

    async def _deliver(
        self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            await self._flowing.wait()
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    def close(self) -> None:
        """End listener, connections, loop and thread."""

        async def end() -> None:
            assert self._server is not None
            self._server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        with contextlib.suppress(OSError):
            self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
