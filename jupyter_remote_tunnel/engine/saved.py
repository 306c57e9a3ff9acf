"""The saved set: the wanted tunnels on disk, so that a later server can open them again.

`{data_dir}/remote-tunnel/tunnels.json` (0600 in 0700) holds {"version": 1, "tunnels": […]}, each
tunnel a `messages.WantedTunnel`; there are no secrets in it. One holder at a time has it, by a lock
on `tunnels.lock` beside it: that one restores and writes. Tunnels that the configuration declares
are not saved: they come back from there.

A file that cannot be understood is moved aside, never overwritten. A write happens as a whole or
not at all.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import Any

from ..model.errors import Fatal, RemoteTunnelError
from .folders import data_dir, make_folder, read_private, write_private

if sys.platform != "win32":
    import fcntl

VERSION = 1
_NOT_SAVED = ("kernel", "publish")


class SavedSet:
    """The file and its lock."""

    def __init__(self, path: Path | None = None) -> None:
        """:param path: of the file; None is its usual place."""
        self.path = path or data_dir() / "remote-tunnel" / "tunnels.json"
        self._lock: int | None = None

    @property
    def claimed(self) -> bool:
        """Whether it is ours to read and write."""
        return self._lock is not None

    def claim(self) -> None:
        """Take it, until `release` or the end of this process.

        :raises Fatal: `conflict`, another holder has it: the message says who; `internal`, it
            cannot be locked.
        """
        try:
            make_folder(self.path.parent)
            lock = os.open(
                self.path.with_suffix(".lock"),
                os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC,
                0o600,
            )
        except OSError as error:
            raise _failed("locked", self.path, error) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"pid {os.getpid()} on {gethostname()}".encode(), 0)
        except BlockingIOError:
            owner = os.pread(lock, 300, 0).decode(errors="replace")
            os.close(lock)
            raise Fatal(
                f"The saved tunnels are kept and restored by another Jupyter server ({owner}).",
                code="conflict",
                hint="Tunnels of this server are not saved.",
            ) from None
        except OSError as error:
            os.close(lock)
            raise _failed("locked", self.path, error) from None
        self._lock = lock

    def release(self) -> None:
        """Let another holder have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read(self) -> list[dict[str, Any]]:
        """What was saved: plain JSON of `messages.WantedTunnel`; [] if nothing was.

        :raises Fatal: `internal`, the file is not understood; it was moved aside, and the message
            says where. If it cannot even be moved or read, the claim is given up, so that nothing
            writes over it.
        """
        try:
            return _parse(read_private(self.path))
        except FileNotFoundError:
            return []
        except OSError as error:
            self.release()
            raise _failed("read", self.path, error) from None
        except (ValueError, RecursionError) as error:
            raise self._put_aside(error) from None

    def _put_aside(self, reason: Exception) -> Fatal:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
        aside = self.path.with_name(f"{self.path.stem}-{stamp}.json")
        try:
            self.path.rename(aside)
        except OSError as error:
            self.release()
            return _failed("moved aside", self.path, error)
        return Fatal(
            f"The saved tunnels in {self.path} are not understood ({reason}).",
            hint=f"The file was kept as {aside}.",
        )

    def write(self, tunnels: Sequence[dict[str, Any]]) -> None:
        """Save `tunnels`. Blocks until they are on the disk.

        :raises Fatal: `internal`, they are not saved; what was saved before is as it was.
        """
        content = {"version": VERSION, "tunnels": list(tunnels)}
        try:
            make_folder(self.path.parent)
            write_private(self.path, json.dumps(content, indent=1).encode(), durable=True)
        except OSError as error:
            raise _failed("written", self.path, error) from None


class Saver:
    """Writes the saved set when it changes, off the loop, the newest version only."""

    def __init__(self, saved: SavedSet, tell: Callable[[RemoteTunnelError], None]) -> None:
        """:param tell: called on the loop with what a person should hear of."""
        self._saved = saved
        self._tell = tell
        self._unwritten: list[dict[str, Any]] | None = None
        self._news = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def open(self, *, restore: bool) -> list[dict[str, Any]]:
        """Claim the set. What it holds, if that is to be restored, else []."""
        found: list[dict[str, Any]] = []
        try:
            self._saved.claim()
            if restore:
                found = [{**tunnel, "source": "saved"} for tunnel in self._saved.read()]
        except RemoteTunnelError as error:
            self._tell(error)
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._write(), name="saved set")
        return found

    def put(self, wanted: Sequence[dict[str, Any]]) -> None:
        """Save `wanted` soon, but for what is declared; for kernels: their keys are secrets, which
        are not stored, and without them a restored tunnel is of no use; and for what is published,
        which nobody publishes again but a person.
        """
        self._unwritten = [
            tunnel
            for tunnel in wanted
            if tunnel["source"] != "config" and tunnel["request"].get("kind") not in _NOT_SAVED
        ]
        self._news.set()

    async def _write(self) -> None:
        closing = False
        while not closing:
            await self._news.wait()
            self._news.clear()
            closing = self._closing
            await self._write_newest()

    async def _write_newest(self) -> None:
        tunnels = self._unwritten
        if tunnels is None or not self._saved.claimed:
            return
        try:
            await asyncio.to_thread(self._saved.write, tunnels)
        except RemoteTunnelError as error:
            # Once more at the end, if nothing newer comes: the disk may be full for a while only.
            self._tell(error)
            return
        if self._unwritten is tunnels:
            self._unwritten = None

    async def close(self) -> None:
        """Write what is not written yet, and let another holder have the set."""
        self._closing = True
        self._news.set()
        if self._task is not None:
            await asyncio.wait([self._task])
        self._saved.release()


def _parse(content: bytes) -> list[dict[str, Any]]:
    """:raises ValueError: it is not a saved set of a version that we know."""
    data = json.loads(content)
    _require(isinstance(data, dict), "it is no object")
    _require(data.get("version") == VERSION, f"its version is {data.get('version')!r}")
    tunnels: list[dict[str, Any]] = data.get("tunnels")
    _require(isinstance(tunnels, list), "it holds no list of tunnels")
    for tunnel in tunnels:
        _require(isinstance(tunnel, dict), "a tunnel in it is no object")
        _require(isinstance(tunnel.get("id"), str), "a tunnel in it has no id")
        _require(isinstance(tunnel.get("request"), dict), "a tunnel in it has no request")
    return tunnels


def _require(fine: bool, otherwise: str) -> None:
    if not fine:
        raise ValueError(otherwise)


def _failed(what: str, path: Path, error: OSError) -> Fatal:
    return Fatal(
        f"The saved tunnels cannot be {what} ({path}: {error.strerror or error}).",
        hint="The tunnels that are open stay open.",
    )
