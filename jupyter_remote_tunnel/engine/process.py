"""One life of an engine's process, as its holder sees it: start, watch, end."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Self

from ..model.errors import RemoteTunnelError, Transient
from .client import EngineClient, Event
from .start import StartLine, engine_environment

# Seconds: for its imports and its first answer; to close everything when it is told to end.
_START_LIMIT = 60.0
_END_LIMIT = 5.0


class EngineProcess:
    """A running engine: its process and the holder's connection to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._client: EngineClient | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def client(self) -> EngineClient:
        """The holder's connection."""
        assert self._client is not None, "it has been greeted"
        return self._client

    @classmethod
    async def start(
        cls,
        listener: socket.socket,
        socket_path: Path,
        line: StartLine,
        *,
        log: int | None,
        on_event: Callable[[Event], None],
    ) -> Self:
        """Start an engine on `listener` and return when it has answered.

        :param log: a descriptor for its standard error; None is ours.
        :param on_event: called for each event, from the very first.
        :raises RemoteTunnelError: it ended, or did not answer; nothing of it is left.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # a file in the working directory is no module of the engine
                "-m",
                "jupyter_remote_tunnel.engine",
                str(listener.fileno()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                pass_fds=(listener.fileno(),),
                env=engine_environment(),
                start_new_session=True,  # Ctrl-C in the terminal is for the holder
            )
        except OSError as error:
            raise Transient(f"The engine cannot be started: {error}.", code="engine_died") from None
        made = cls(process)
        try:
            await made._greet(socket_path, line, on_event)
        except BaseException:
            await made.end()
            raise
        return made

    async def _greet(
        self, socket_path: Path, line: StartLine, on_event: Callable[[Event], None]
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode())
        with contextlib.suppress(ConnectionError):  # it ended: `_first` finds out
            await self._process.stdin.drain()
        connect = EngineClient.connect(
            socket_path, "holder", timeout=_START_LIMIT, on_event=on_event
        )
        client = await _first(greeting=connect, end=self._process.wait())
        if not isinstance(client, EngineClient):
            raise self._death()
        self._client = client

    async def watch(self, ping_every: float, silent_after: float) -> RemoteTunnelError:
        """Return when it has ended, or has to be ended as it is silent: with the reason.

        Silence is counted in pings that *we* had the time to send, each `ping_every` seconds: if
        our own loop stood still, or the machine slept, the engine is not to blame.
        """
        patience = max(1, round(silent_after / ping_every))
        await _first(silence=self._silence(ping_every, patience), end=self._process.wait())
        if self._process.returncode is not None:
            return self._death()
        self.kill()
        return Transient(
            f"The engine of the tunnels (pid {self.pid}) was silent for {silent_after:g} s"
            " and was ended.",
            code="engine_died",
        )

    async def _silence(self, ping_every: float, patience: int) -> None:
        loop = asyncio.get_running_loop()
        while not self.client.lost.is_set():
            ping = loop.create_task(self.client.ping(), name="ping")
            try:
                for _ in range(patience):
                    await asyncio.sleep(ping_every)
                    if ping.done():
                        break
                else:
                    return
            finally:
                ping.cancel()
                await asyncio.wait([ping])
                if not ping.cancelled():
                    ping.exception()  # `engine_died`: `lost` says it too
        await self._hung_up(ping_every * patience)

    async def _hung_up(self, seconds: float) -> None:
        """It has closed our connection, so it is ending: by itself within `seconds`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), seconds)

    async def end(self) -> None:
        """Let go of the life line, wait for the engine's end, and insist if it takes too long."""
        if self._client is not None:
            await self._client.close()
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _END_LIMIT)
        except TimeoutError:
            self.kill()
            await self._process.wait()
        except asyncio.CancelledError:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def _death(self) -> RemoteTunnelError:
        status = self._process.returncode
        assert status is not None
        how = f"status {status}" if status >= 0 else f"signal {_signal_name(-status)}"
        return Transient(
            f"The engine of the tunnels (pid {self.pid}) ended with {how}.",
            code="engine_died",
            hint="The log says more.",
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


async def _first(**jobs: Coroutine[Any, Any, Any]) -> Any:
    """The result of the job that ends first; the others are cancelled and awaited."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(job, name=f"engine's {name}") for name, job in jobs.items()]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
