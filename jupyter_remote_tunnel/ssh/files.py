"""Looking at the user's files without holding up the loop.

A file may lie on a network drive that is gone: even to ask whether it is there then waits for ever,
and nothing can end the wait. So each file has a thread of its own while it is looked at, not one of
those with which the loop resolves names. The looks at one file come one after the other: there are
never more threads than files, however often it is tried.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_threads: dict[str, ThreadPoolExecutor] = {}
_looks: Counter[str] = Counter()  # that are not over, by file
_lock = threading.Lock()  # looks end in their threads


class Files:
    """The files that one attempt (to resolve, to connect) looks at.

    `waiting_for` is the one that it looks at now. Where the attempt was ended meanwhile, that is
    the one that did not answer.
    """

    def __init__(self) -> None:
        self.waiting_for: str | None = None

    async def look_at(
        self, path: str, look: Callable[[str], T], drop: Callable[[T], None] = lambda _: None
    ) -> T:
        """What `look(path)` returns or raises; it runs in a thread, and has no time limit.

        :param drop: given what it returns when nobody waits for that any more.
        """
        self.waiting_for = path
        looking = _start(path, look)
        try:
            found = await asyncio.wrap_future(looking)
        except asyncio.CancelledError:
            looking.add_done_callback(lambda _: _drop(looking, drop))
            raise
        except BaseException:
            self.waiting_for = None
            raise
        self.waiting_for = None
        return found


def _start(path: str, look: Callable[[str], T]) -> "Future[T]":
    with _lock:
        if path not in _threads:
            _threads[path] = ThreadPoolExecutor(1, thread_name_prefix=f"look at {path}")
        _looks[path] += 1
        looking = _threads[path].submit(look, path)
    looking.add_done_callback(lambda _: _end(path))
    return looking


def _end(path: str) -> None:
    """One look less; the thread ends with the last."""
    with _lock:
        _looks[path] -= 1
        if not _looks[path]:
            del _looks[path]
            _threads.pop(path).shutdown(wait=False)


def _drop(looking: "Future[T]", drop: Callable[[T], None]) -> None:
    if not looking.cancelled() and looking.exception() is None:
        drop(looking.result())


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
