"""Background tasks that have an owner: it names them, hears of their failure and ends them."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")


class Tasks:
    """The tasks of one owner. `close()` cancels those that still run and waits for their end."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        """Run `coroutine`, which nobody awaits: what it raises is logged."""
        _ = self.begin(coroutine, name)

    def begin(self, coroutine: Coroutine[Any, Any, T], name: str) -> "asyncio.Task[T]":
        """The same, of a task that the caller may cancel."""
        task = self.spawn(coroutine, name)
        task.add_done_callback(_log_failure)
        return task

    def spawn(self, coroutine: Coroutine[Any, Any, T], name: str) -> "asyncio.Task[T]":
        """Run `coroutine` in a task that the caller awaits."""
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def close(self) -> None:
        """End every task but the one that calls this."""
        current = asyncio.current_task()
        ending = [task for task in self._running if task is not current]
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s failed", task.get_name(), exc_info=error)
