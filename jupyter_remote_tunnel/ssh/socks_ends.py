"""The SOCKS part of a stream, before it is a plain relay: at the local end (-D), and in the channel
(-R without a destination)."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncssh
from typing_extensions import override

from ..model.address import Address
from ..model.errors import BadInput, RemoteTunnelError
from .ends import LocalEnd
from .packets import Channel
from .pump import Greeting, Relay
from .socks import Refusal, SocksError, SocksRequest

REQUEST_TIMEOUT = 10.0
"""Seconds within which a client states its request."""


def greeting(request: SocksRequest) -> Greeting:
    """What SOCKS owes the client of a request."""
    return Greeting(request.accepted(), lambda error: request.refused(_refusal(error)))


def _refusal(error: RemoteTunnelError | None) -> Refusal:
    if error is None or error.code != "forward_refused":
        return Refusal.FAILED
    if "not allow" in error.message:
        return Refusal.NOT_ALLOWED
    if "refused" in error.message:
        return Refusal.CONNECTION_REFUSED
    return Refusal.UNREACHABLE


def _too_slow() -> BadInput:
    return BadInput(f"A SOCKS client made no request for {REQUEST_TIMEOUT:g} s.")


class LocalSocks(asyncio.Protocol):
    """Speaks SOCKS to an accepted connection, then leaves it to the relay.

    :param let_in: called with the destination; it opens the channel, or has the stream wait for it.
    """

    def __init__(
        self, relay: Relay, transport: asyncio.Transport, let_in: Callable[[Address], None]
    ) -> None:
        self._relay = relay
        self._transport = transport
        self._let_in = let_in
        self._request = SocksRequest()
        self._timer = asyncio.get_running_loop().call_later(
            REQUEST_TIMEOUT, lambda: relay.fail(_too_slow())
        )
        transport.set_protocol(self)

    @override
    def data_received(self, data: bytes) -> None:
        try:
            self._transport.write(self._request.feed(data))
        except SocksError as error:
            self._timer.cancel()
            self._relay.refuse(BadInput(str(error)), error.reply)
            return
        if self._request.destination is None:
            return
        self._timer.cancel()
        self._relay.greeting = greeting(self._request)
        self._transport.set_protocol(self._relay.local)
        if self._request.rest:
            self._relay.local.data_received(self._request.rest)
        self._let_in(self._request.destination)

    @override
    def eof_received(self) -> bool:
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._relay.local_lost()


Dial = Callable[
    [Address, Callable[[], LocalEnd], Callable[[RemoteTunnelError], None]], "asyncio.Task[None]"
]
"""Connects to a destination on this machine with the local end that is made for it, or tells why
not. The task is the forward's."""


class RemoteSocks(asyncssh.SSHTCPSession[bytes]):
    """Speaks SOCKS in a channel that the remote host opened, then passes everything to the
    relay."""

    def __init__(self, relay: Relay, dial: Dial) -> None:
        self._relay = relay
        self._dial = dial
        self._request = SocksRequest()
        self._channel: Channel | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(
            REQUEST_TIMEOUT, lambda: relay.fail(_too_slow())
        )

    @override
    def connection_made(self, chan: Any) -> None:
        self._channel = chan
        self._relay.channel_made(chan)
        if not self._relay.over:
            chan.resume_reading()

    @override
    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        if self._dialling is not None:
            self._relay.remote.data_received(data)
            return
        assert self._channel is not None
        self._relay.took(len(data))
        try:
            self._channel.write(self._request.feed(data))
        except SocksError as error:
            self._refuse(BadInput(str(error)), error.reply)
            return
        if self._request.destination is not None:
            self._timer.cancel()
            self._channel.pause_reading()
            self._dialling = self._dial(self._request.destination, self._local_end, self._refused)

    def _local_end(self) -> LocalEnd:
        assert self._channel is not None
        return _Dialled(self._relay, self._channel, self._request)

    def _refused(self, error: RemoteTunnelError) -> None:
        self._refuse(error, self._request.refused(_refusal(error)))

    def _refuse(self, error: RemoteTunnelError, last_word: bytes) -> None:
        self._timer.cancel()
        if self._channel is not None and not self._channel.is_closing():
            self._channel.write(last_word)
            self._channel.close()
        self._relay.fail(error)

    @override
    def eof_received(self) -> bool:
        if self._dialling is None:
            self._relay.fail(None)
        return self._relay.remote.eof_received()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._relay.remote.connection_lost(exc)

    @override
    def pause_writing(self) -> None:
        self._relay.remote.pause_writing()

    @override
    def resume_writing(self) -> None:
        self._relay.remote.resume_writing()


class _Dialled(LocalEnd):
    """The local end of a stream for which SOCKS was spoken in the channel: the client hears that it
    is there before anything comes from it, and what the client has sent already goes into it
    first."""

    def __init__(self, relay: Relay, channel: Channel, request: SocksRequest) -> None:
        super().__init__(relay)
        self._channel = channel
        self._request = request

    @override
    def connection_made(self, transport: Any) -> None:
        if not self._relay.over:
            self._channel.write(self._request.accepted())
            self._relay.tally.bytes_in += len(self._request.rest)
            transport.write(self._request.rest)
        super().connection_made(transport)
