"""How bytes pass one SSH connection: many small pieces as few large ones, and no more than it
takes.

asyncssh writes each packet by itself (and an empty one before it), and hands over the payload of
each by itself. `Flow` gathers, within one *batch*, what is written to the connection and what came
out of it, and passes both on at the end of the batch: a system call for a batch, not for a packet.
A batch is the handling of one piece of input (`cork` … `uncork`). What is written outside of one
goes out in the loop's next turn.

It also knows when the connection is full, which asyncssh does not ask. Streams wait then. Answers
to what the host asks cannot: a host that asks without end and reads nothing would fill the memory,
and is given up.
"""

import asyncio
from collections.abc import Callable
from typing import Any

ANSWERS = 16 << 20
"""Bytes of answers that may wait for a host that does not read. The most honest one has is an open
and a close of each of its streams, of some 100 bytes."""

_PACKET = 64  # what each costs besides its content


class Flow:
    """The flow of one connection; `below` is that of the connection that carries it.

    `ended` is true as soon as nothing passes any more, before any channel hears of it; `logged_in`
    and `asking` (a person answers what the host has asked) are set by the one that logs in.
    `on_deaf` is called, once, when more than `ANSWERS` wait to be sent.
    Who writes to the connection looks at `full` afterwards, and stops until `when_free` calls.
    """

    def __init__(self, below: "Flow | None" = None) -> None:
        self.transport: Any = None
        self.ended = False
        self.logged_in = False
        self.asking = False
        self.on_deaf: Callable[[], None] | None = None
        self._below = below
        self._full = False
        self._exchanging = False
        self._answers = 0
        self._waiting: list[Callable[[], None]] = []
        self._depth = 0
        self._out: list[bytes] = []
        self._in: list[Callable[[], None]] = []

    # Batches

    @property
    def corked(self) -> bool:
        """Whether a batch runs: what comes out of the connection is to be gathered."""
        return self._depth > 0

    def cork(self) -> None:
        """Begin a batch; batches nest."""
        if self._below is not None:
            self._below.cork()
        self._depth += 1

    def uncork(self) -> None:
        """End it: what was gathered is passed on."""
        if self._depth == 1:
            self._deliver()
            self.flush()
        self._depth -= 1
        if self._below is not None:
            self._below.uncork()

    def deliver_at_end(self, deliver: Callable[[], None]) -> None:
        """Call `deliver` at the end of the batch: it passes on what came out of the connection."""
        self._in.append(deliver)

    def _deliver(self) -> None:
        while self._in:
            self._in.pop()()

    def write(self, *pieces: bytes) -> None:
        """Send to the transport, with the rest of the batch."""
        if not self._out and not self._depth:
            asyncio.get_running_loop().call_soon(self.flush)
        self._out += pieces

    def flush(self) -> None:
        """Send what was gathered."""
        if not self._out:
            return
        gathered, self._out = self._out, []
        if not self.transport.is_closing():
            try:  # noqa: SIM105 (a context manager for each message is what one byte waits for)
                self.transport.write(b"".join(gathered))
            except ConnectionError:
                pass  # a channel raises where a socket's transport would tell later

    # Back-pressure

    @property
    def full(self) -> bool:
        """Whether writers should wait."""
        return self._stopped or (self._below is not None and self._below.full)

    @property
    def _stopped(self) -> bool:
        return self._full or self._exchanging

    def when_free(self, tell: Callable[[], None]) -> None:
        """Call `tell` once, when it is not full any more."""
        self._waiting.append(tell)
        if not self._stopped and self._below is not None:
            self._below.when_free(self._tell)

    def change(self, *, full: bool) -> None:
        """The transport became full, or took what it held."""
        self._full = full
        if not full:
            self._tell()

    def exchange_keys(self, *, ended: bool) -> None:
        """New keys are being agreed on (or were): what is written meanwhile waits in asyncssh."""
        self._exchanging = not ended
        if ended:
            self._tell()

    def answered(self, size: int) -> None:
        """A packet was written that no stream has sent, with `size` bytes in it."""
        if not self.full:
            self._answers = 0
            return
        self._answers += size + _PACKET
        if self._answers > ANSWERS and self.on_deaf is not None:
            tell, self.on_deaf = self.on_deaf, None
            tell()

    def _tell(self) -> None:
        if self._stopped or not self._waiting:
            return
        if self._below is not None and self._below.full:
            self._below.when_free(self._tell)
            return
        waiting, self._waiting = self._waiting, []
        for tell in waiting:
            tell()
