"""A child process of the demo: started, ready when it says so, ended with all that it started."""

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

from ..model.errors import Fatal

_START_SECONDS = 60.0
_END_SECONDS = 10.0


class Child:
    """One program, as an async context manager that is entered when the program is ready.

    :param name: what errors call it.
    :param ready: the program is ready when a line of its output matches; `match` keeps the match.
    :param log: a file that takes its output.
    """

    match: re.Match[str]

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        ready: str,
        environ: Mapping[str, str],
        folder: Path,
        log: Path,
    ) -> None:
        self.name = name
        self._argv = argv
        self._ready = re.compile(ready)
        self._environ = environ
        self._folder = folder
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._matched: asyncio.Future[re.Match[str]] | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._matched = loop.create_future()
        # In a session of its own, so that Ctrl-C in the terminal reaches the demo alone.
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environ,
            cwd=self._folder,
            start_new_session=True,
        )
        self._reader = loop.create_task(self._read(), name=f"output of {self.name}")
        try:
            async with asyncio.timeout(_START_SECONDS):
                self.match = await self._matched
        except TimeoutError:
            await self._end()
            raise self._failure(f"was not ready after {_START_SECONDS:.0f} s") from None
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._end()

    async def ended(self) -> Fatal:
        """Wait until it ends by itself, and tell that as an error."""
        assert self._process is not None
        await self._process.wait()
        return self._failure("has ended")

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        assert self._matched is not None
        with self._log.open("ab") as log:
            async for line in self._process.stdout:
                log.write(line)
                log.flush()
                match = self._ready.search(line.decode(errors="replace"))
                if match and not self._matched.done():
                    self._matched.set_result(match)
        if not self._matched.done():
            self._matched.set_exception(self._failure("ended before it was ready"))

    def _failure(self, what: str) -> Fatal:
        last = self._log.read_text(errors="replace").splitlines()[-5:]
        return Fatal(f"{self.name} {what}.", hint="It said last:\n" + "\n".join(last))

    async def _end(self) -> None:
        """SIGTERM, then SIGKILL for what is left of it and its descendants."""
        assert self._process is not None
        assert self._reader is not None
        family = _descendants(self._process.pid)
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _END_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await asyncio.to_thread(_finish, family)
        await self._process.wait()
        await self._reader


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _finish(family: Sequence[psutil.Process]) -> None:
    """Let them end by themselves, as an engine does whose holder went; then kill them."""
    _, alive = psutil.wait_procs(family, timeout=_END_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=_END_SECONDS)
