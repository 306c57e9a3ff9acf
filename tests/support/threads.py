"""An asynchronous peer for tests that are not asynchronous, such as those with Playwright.

::

    with in_thread(serve(path)) as seen: ...

It runs on an event loop of its own, which ends as `asyncio.run` ends one: also a connection that
came in at the last moment is closed.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


@contextlib.contextmanager
def in_thread(peer: contextlib.AbstractAsyncContextManager[_T]) -> Iterator[_T]:
    """Enter `peer` in a thread, leave it there at the end; gives what entering it gave."""
    entered: Future[tuple[_T, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        leave = asyncio.Event()
        async with peer as value:
            entered.set_result((value, asyncio.get_running_loop(), leave))
            await leave.wait()

    with ThreadPoolExecutor(1, "peer") as pool:
        ran = pool.submit(asyncio.run, run())
        ran.add_done_callback(lambda _: entered.cancel())  # unless it was entered
        try:
            value, loop, leave = entered.result()
        finally:
            if entered.cancelled():
                ran.result()  # says why
        try:
            yield value
        finally:
            loop.call_soon_threadsafe(leave.set)
            ran.result()
