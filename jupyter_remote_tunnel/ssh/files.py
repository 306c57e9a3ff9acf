"""Looking at the user's files without holding up the loop.

A file may lie on a network drive that is gone: even to ask whether it is there then waits for ever,
and nothing can end the wait. So each file has a thread of its own while it is looked at, not one of
those with which the loop resolves names. The looks at one file come one after the other: there are
never more threads than files, however often it is tried.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ..model.errors import Transient
from ..model.text import plain

T = TypeVar("T")

DEAD_DRIVE = "Is it on a network drive that does not answer?"
"""A hint."""

_MOST_THREADS = 4096

# A thread that has nothing to look at waits for the next file: it takes longer to start one than
# to look.
_threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="looks at files")
_waiting: dict[str, deque[Callable[[], None]]] = {}  # looks, by the file that is looked at
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
    looking: Future[T] = Future()

    def run() -> None:
        if not looking.set_running_or_notify_cancel():
            return
        try:
            found = look(path)
        except BaseException as error:  # noqa: BLE001 (it is raised where the look was asked for)
            looking.set_exception(error)
        else:
            looking.set_result(found)

    with _lock:
        is_looked_at = path in _waiting
        _waiting.setdefault(path, deque()).append(run)
    if not is_looked_at:
        _threads.submit(_look, path)
    return looking


def _look(path: str) -> None:
    """Run the looks at a file that wait, until there is none."""
    thread = threading.current_thread()
    idle, thread.name = thread.name, f"look at {path}"
    while True:
        with _lock:
            if not _waiting[path]:
                del _waiting[path]
                break
            run = _waiting[path].popleft()
        run()
    thread.name = idle


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


def file_error(file: str, seconds: float, place: str) -> Transient:
    """A file of this machine could not be looked at in time; `place` is the host or hop that it was
    needed for."""
    return Transient(
        f"{plain(file)} of this machine, which is needed for {place}, could not be read within "
        f"{seconds:g} s.",
        code="connect_timeout",
        hint=DEAD_DRIVE,
        hop=place,
    )
