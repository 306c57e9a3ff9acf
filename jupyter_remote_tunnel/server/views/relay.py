"""A body on its way: streamed in both directions, kept in neither.

tornado stands towards the browser, `client` towards the application. `Body` hands the request's
chunks from one to the other, a few at a time; `copy` does it for the response and waits for the
browser after each chunk. So whoever is slower sets the pace, and a gigabyte passes through memory
that does not grow with it.
"""

import asyncio
from collections.abc import AsyncIterator

from tornado.web import RequestHandler

_HELD = 4
"""Chunks (of 64 KiB at most) that wait to be sent: to go from the one who reads to the one who
writes takes two turns of the loop, which they share."""


class Unanswered(Exception):
    """The application gave no HTTP answer, or not the whole of it: nothing of our user
    listens there, or it hung up.
    """


class Body:
    """The body of one request on its way from tornado to the client; holds a few chunks at most."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._ready = asyncio.Event()
        self._taken = asyncio.Event()
        self._ended = self._unwanted = False

    async def put(self, chunk: bytes) -> None:
        """Hand on a chunk, and return when there is room for another (or nobody wants it)."""
        if self._unwanted:
            return
        self._chunks.append(chunk)
        self._ready.set()
        if len(self._chunks) >= _HELD:
            self._taken.clear()
            await self._taken.wait()

    def end(self) -> None:
        """That was all."""
        self._ended = True
        self._ready.set()

    def refuse(self) -> None:
        """Nothing of it is wanted any more; what still comes is thrown away."""
        self._unwanted = True
        self._chunks.clear()
        self._taken.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await self._ready.wait()
            self._ready.clear()
            chunks, self._chunks = self._chunks, []
            for chunk in chunks:
                yield chunk
            self._taken.set()
            if self._ended and not self._chunks:
                return


async def copy(chunks: AsyncIterator[bytes], handler: RequestHandler) -> None:
    """Send the handler's headers and then each chunk as it comes; the caller finishes.

    :raises Unanswered: it broke off. What was sent is only a part, so the browser's connection must
        be cut.
    :raises tornado.iostream.StreamClosedError: the browser went away.
    """
    await handler.flush()
    async for chunk in chunks:
        handler.write(chunk)
        await handler.flush()
