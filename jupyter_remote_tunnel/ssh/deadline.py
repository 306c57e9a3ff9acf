"""A time limit that stands still while a person is asked."""

import asyncio
import contextlib
from collections.abc import Iterator
from types import TracebackType
from typing import Self


class Deadline:
    """`async with Deadline(seconds)` raises TimeoutError, as `asyncio.timeout` does, when the block
    takes longer: not counting what passes in `standing_still`, which may be in another task."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._timeout = asyncio.timeout(None)
        self._over = False

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._end_at(self._now() + self._left)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over = True
        await self._timeout.__aexit__(kind, error, trace)

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """No time passes in this block. It does not nest."""
        self._left = (self._timeout.when() or self._now()) - self._now()
        self._end_at(None)
        try:
            yield
        finally:
            self._end_at(self._now() + self._left)

    def _end_at(self, when: float | None) -> None:
        # A person may be asked until a moment after the attempt has ended.
        if not (self._over or self._timeout.expired()):
            self._timeout.reschedule(when)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
