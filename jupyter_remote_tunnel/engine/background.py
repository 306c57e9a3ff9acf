"""The holder for `jupyter tunnel open` where no Jupyter server runs: a process of its own.

`start_background` starts it, or finds the one that somebody else has just started. It lives while
it has tunnels or clients: it ends, and takes everything with it, `LINGER` seconds after the last
one is gone, or if nobody comes in the first `FIRST_CLIENT` seconds, or on SIGTERM. Its log stands
beside its announcement; it stays there if the engine was given up.

    python -m jupyter_remote_tunnel.engine.background

reads one line of settings, leaves its session and its parent, and answers with one line of JSON
when it listens: {"announcement": path} or {"error": {…}}.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from ..model.errors import Fatal, RemoteTunnelError, from_dict
from ..model.settings import EngineSettings
from .announce import Announcement, announcements
from .folders import make_folder, runtime_dir
from .holder import Holder, News, Phase
from .peer import require_unix

if sys.platform != "win32":
    import fcntl

FIRST_CLIENT = 60.0
LINGER = 1.0


async def start_background(settings: EngineSettings | None = None) -> Announcement:
    """Start a background holder, or find the one that runs.

    :raises RemoteTunnelError: it does not start.
    """
    require_unix()
    async with _alone():
        for found in announcements():
            if found.kind == "background":
                return found
        return await _start(settings or EngineSettings())


@contextlib.asynccontextmanager
async def _alone() -> AsyncIterator[None]:
    """Two shells at once start one background process, not two."""
    path = runtime_dir() / "remote-tunnel-background.lock"
    try:
        make_folder(path.parent)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        hint = "It needs a runtime directory of Jupyter that can be written."
        raise _not_started(error, hint) from None
    try:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


async def _start(settings: EngineSettings) -> Announcement:
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            __spec__.name,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        told, _ = await process.communicate(json.dumps(settings.as_dict()).encode() + b"\n")
        said = json.loads(told)
        if "announcement" in said:
            return Announcement.read(Path(said["announcement"]))
    except OSError as error:
        raise _not_started(error, "Try again.") from None
    except ValueError:
        raise _not_started("it said nothing", "Its own words stand above.") from None
    raise from_dict(said["error"])


def _not_started(reason: object, hint: str) -> Fatal:
    return Fatal(
        f"The background process for tunnels did not start: {reason}.",
        code="engine_unavailable",
        hint=hint,
    )


def main() -> None:
    """The background process."""
    settings = EngineSettings.from_dict(json.loads(sys.stdin.buffer.readline()))
    log = leave()
    gave_up = asyncio.run(_Background(settings).run())
    if not gave_up:
        log.unlink(missing_ok=True)


def leave() -> Path:
    """Leave our parent and its folder; the log, which is our standard error from now on."""
    if os.fork():
        os._exit(0)  # so that whoever started us has no child, and no zombie
    os.chdir("/")
    log = runtime_dir() / f"remote-tunnel-{os.getpid()}.log"
    make_folder(log.parent)
    _replace(sys.stderr.fileno(), log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW)
    return log


def answer(message: dict[str, Any]) -> None:
    """Tell who started us."""
    os.write(sys.stdout.fileno(), json.dumps(message).encode() + b"\n")
    _replace(sys.stdout.fileno(), Path(os.devnull), os.O_RDWR)


def _answer(message: dict[str, Any]) -> None:
    """Tell who started us, and let go of their terminal."""
    answer(message)
    _replace(sys.stdin.fileno(), Path(os.devnull), os.O_RDWR)


def _replace(descriptor: int, path: Path, flags: int) -> None:
    """Let a standard stream be the file `path`."""
    file = os.open(path, flags, 0o600)
    os.dup2(file, descriptor)
    os.close(file)


class _Background:
    """Holds an engine until nobody needs it."""

    def __init__(self, settings: EngineSettings) -> None:
        self._over = asyncio.Event()
        self._must_end = False
        self._holder = Holder(settings, kind="background", on_news=self._hear, on_use=self._wait)

    async def run(self) -> bool:
        """Run to the end; whether the engine was given up."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._end)
        self._end_in(FIRST_CLIENT)
        try:
            await self._holder.open()
        except RemoteTunnelError as error:
            _answer({"error": error.as_dict()})
            return False
        try:
            _answer({"announcement": str(self._holder.announcement.path)})
            await self._until_needless()
            return self._holder.phase is Phase.GIVEN_UP
        finally:
            await self._holder.close()

    async def _until_needless(self) -> None:
        while True:
            await self._over.wait()
            if self._must_end:
                return
            self._over.clear()
            if await self._holder.withdraw():
                return
            if self._holder.phase is Phase.STARTING:
                self._end_in(LINGER)  # unless that is for somebody, of whom we hear then

    def _end(self) -> None:
        self._must_end = True
        self._over.set()

    def _end_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._over.set)

    def _wait(self, in_use: bool) -> None:
        self._timer.cancel()
        if not in_use:
            self._end_in(LINGER)

    def _hear(self, news: News) -> None:
        if news.error is not None:
            print(news.error, file=sys.stderr, flush=True)  # noqa: T201
        if news.phase is Phase.GIVEN_UP:
            self._end()


if __name__ == "__main__":
    main()
