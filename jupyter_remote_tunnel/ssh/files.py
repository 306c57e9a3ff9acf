"""Looking at the user's files without holding up the loop.

A file may lie on a network drive that is gone: even to ask whether it is there then waits for ever,
and nothing can end the wait. So every look has a thread of its own, not one of those with which the
loop resolves names. While one hangs no other is begun at the same file: there are never more
threads than files, however often it is tried.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_running: dict[str, "Future[Any]"] = {}


class Files:
    """The files that one attempt (to resolve, to connect) looks at.

    `waiting_for` is the one that it looks at now. Where the attempt was ended meanwhile, that is
    the one that did not answer.
    """

    def __init__(self) -> None:
        self.waiting_for: str | None = None

    async def look_at(self, path: str, look: Callable[[str], T]) -> T:
        """What `look(path)` returns or raises; it runs in a thread, and has no time limit."""
        self.waiting_for = path
        while (earlier := _running.get(path)) is not None:
            await asyncio.gather(asyncio.wrap_future(earlier), return_exceptions=True)
        looking = asyncio.wrap_future(_start(path, look))
        try:
            return await looking
        finally:
            if not looking.cancelled():
                self.waiting_for = None


def _start(path: str, look: Callable[[str], T]) -> "Future[T]":
    thread = ThreadPoolExecutor(1, thread_name_prefix=f"look at {path}")
    looking = thread.submit(look, path)
    _running[path] = looking
    looking.add_done_callback(lambda _: _running.pop(path))
    thread.shutdown(wait=False)  # it ends when it has looked
    return looking


def exists(path: str) -> bool:
    """Whether there is such a file, socket or folder, as far as can be seen; a look."""
    try:
        return Path(path).exists()
    except OSError:
        return False


def is_file(path: str) -> bool:
    """Whether there is such a regular file, as far as can be seen; a look."""
    try:
        return Path(path).is_file()
    except OSError:
        return False
