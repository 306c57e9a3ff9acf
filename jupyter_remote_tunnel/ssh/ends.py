"""The two ends of a `Relay`: what asyncio and asyncssh call."""

import asyncio
from typing import TYPE_CHECKING, Any

import asyncssh
from typing_extensions import override

if TYPE_CHECKING:
    from .pump import Relay

# Why the local end is not read, as bits.
OPENING, CHANNEL_FULL, CONNECTION_FULL = 1, 2, 4


class LocalEnd(asyncio.Protocol):
    """The end of a relay on this machine: an accepted connection, or one to a destination here."""

    def __init__(self, relay: "Relay") -> None:
        self._relay = relay

    @override
    def connection_made(self, transport: Any) -> None:
        self._relay.local_made(transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._relay.from_local(data)

    @override
    def eof_received(self) -> bool:
        self._relay.local_ended()
        return True

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._relay.local_lost()

    @override
    def pause_writing(self) -> None:
        if self._relay.channel is not None:
            self._relay.channel.pause_reading()

    @override
    def resume_writing(self) -> None:
        self._relay.drained()


class RemoteEnd(asyncssh.SSHTCPSession[bytes]):
    """The end of a relay in the channel; TCP or Unix socket makes no difference to a session."""

    def __init__(self, relay: "Relay") -> None:
        self._relay = relay

    @override
    def connection_made(self, chan: Any) -> None:
        self._relay.channel_made(chan)

    @override
    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        self._relay.from_remote(data)

    @override
    def eof_received(self) -> bool:
        self._relay.remote_ended()
        return True

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._relay.channel_lost(exc)

    @override
    def pause_writing(self) -> None:
        self._relay.hold(CHANNEL_FULL)

    @override
    def resume_writing(self) -> None:
        self._relay.release(CHANNEL_FULL)
