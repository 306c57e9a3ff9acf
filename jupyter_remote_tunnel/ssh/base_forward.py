"""What every forward has: counters, the last error, its streams and their end."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime

from ..model.address import Address
from ..model.errors import Fatal, RemoteTunnelError
from ..model.forward import ForwardSpec
from ..model.settings import EngineSettings
from ..model.status import FarLeg
from .connection import Connection
from .descriptors import fits_stream
from .packets import Channel
from .pump import Relay, Tally

LOOK_EVERY = 5.0
"""Seconds between two looks at clients that are not read."""

UNCONFIRMED = 2000
"""Streams of a connection that may have ended here and not yet on the remote host."""


class Forward(ABC):
    """One listener → destination mapping. It outlives connections: `listen` once, then `attach` and
    `detach` as often as a connection comes and goes, then `close` (or `drain`). All on one loop.

    `bound` is where it really listens ("127.0.0.1:5006", "[::1]:5006", a path; for -R as the remote
    host told), None before. `last_error` is why the last stream (or the last attempt to listen)
    failed; it is cleared when one succeeds. `failed_at` is when that stream failed; None where it
    is the listening that fails. `note` is what a person should know of where it listens.
    """

    far: FarLeg | None = None
    """The other leg, where it leads to what is offered on a gateway."""

    def __init__(
        self, spec: ForwardSpec, settings: EngineSettings, on_change: Callable[[], None]
    ) -> None:
        self.spec = spec
        self.bound: str | None = None
        self.last_error: RemoteTunnelError | None = None
        self.failed_at: datetime | None = None
        self.note: str | None = None
        self._settings = settings
        self._on_change = on_change
        self._tally = Tally()
        self._relays: set[Relay] = set()
        # Only of a forward that ends: a thousand that are idle would have some MiB of them.
        self._relay_ended: asyncio.Event | None = None
        self._connection: Connection | None = None
        self._look: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def streams_open(self) -> int:
        """Streams that run, or wait for their channel."""
        return self._tally.streams_open

    @property
    def streams_total(self) -> int:
        """Streams since the beginning, refused ones included."""
        return self._tally.streams_total

    @property
    def bytes_in(self) -> int:
        """Bytes from the remote host."""
        return self._tally.bytes_in

    @property
    def bytes_out(self) -> int:
        """Bytes to the remote host."""
        return self._tally.bytes_out

    @abstractmethod
    async def listen(self) -> None:
        """Bind the local listener; nothing to do for -R. Streams that come before `attach` wait.

        :raises Fatal: port_in_use, conflict, not_allowed, unsupported; nothing stays bound.
        :raises BadInput: the bind address is none of this machine's.
        """

    @abstractmethod
    async def attach(self, connection: Connection) -> None:
        """Use this connection from now on. -R: ask the remote host to listen, on the port that it
        gave before if there was one.

        :raises Fatal: forward_refused, when the remote host does not listen.
        :raises Transient: the connection is lost.
        """

    def detach(self, reason: RemoteTunnelError) -> None:
        """The connection is gone: its streams are reset. The local listener stays, and new streams
        wait up to `settings.stream_wait` for the next `attach`; `reason` is why they fail then."""
        self._connection = None
        for relay in [relay for relay in self._relays if relay.attached]:
            relay.fail(reason)

    async def drain(self, seconds: float) -> None:
        """Accept no more streams, wait up to `seconds` for those that run, then close."""
        await self._stop_listening()
        try:
            async with asyncio.timeout(seconds):
                await self._streams_gone(lambda _: True)
        except TimeoutError:
            pass
        await self.close()

    async def close(self) -> None:
        """Stop listening and reset every stream; returns when no socket of it is left. Idempotent.

        A channel that the remote host has not opened yet is closed when it is.
        """
        self._closed = True
        if self._look is not None:
            self._look.cancel()
        await self._stop_listening()
        for relay in list(self._relays):
            relay.fail(None)
        await self._streams_gone(lambda relay: not relay.opening)

    @abstractmethod
    async def _stop_listening(self) -> None:
        """Close the listener; streams go on. Idempotent."""

    async def _streams_gone(self, counts: Callable[[Relay], bool]) -> None:
        if self._relay_ended is None:
            self._relay_ended = asyncio.Event()
        while any(map(counts, self._relays)):
            self._relay_ended.clear()
            await self._relay_ended.wait()

    def _new_relay(self) -> Relay:
        relay = Relay(self._tally, self._ended, self._held)
        self._relays.add(relay)
        self._tally.streams_open += 1
        self._tally.streams_total += 1
        self._on_change()
        return relay

    def _ended(self, relay: Relay) -> None:
        self._relays.discard(relay)
        self._tally.streams_open -= 1
        if relay.error is not None:
            self._stream_failed(relay.error)
        if self._relay_ended is not None:
            self._relay_ended.set()
        self._on_change()

    def _held(self) -> None:
        """A stream waits: look now and then whether its client is still there."""
        if self._look is None and not self._closed:
            self._look = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look_after)

    def _look_after(self) -> None:
        self._look = None
        still_held = [relay.look_after() for relay in list(self._relays)]
        if any(still_held):
            self._held()

    def _stream_failed(self, error: RemoteTunnelError) -> None:
        self.last_error, self.failed_at = error, datetime.now(UTC)

    def _succeeded(self) -> None:
        if self.last_error is not None:
            self.last_error = self.failed_at = None
            self._on_change()

    def _too_many(self, descriptor: int) -> Fatal | None:
        """Why there is no room for the stream that was just counted, None if there is.

        :param descriptor: of its socket, or what that is going to be.
        """
        if not fits_stream(descriptor):
            return Fatal(
                f"A stream through {self.spec} was refused: the engine of the tunnels has as many"
                " files and sockets open as it may.",
                code="too_many",
                hint="Who connects so often? If that is as it should be, raise the limit of open"
                " files (ulimit -n) and restart what holds the engine.",
            )
        if self._connection is not None and self._connection.unconfirmed >= UNCONFIRMED:
            hop = self._connection.hop
            return Fatal(
                f"A stream through {self.spec} was refused: {hop.place} still holds {UNCONFIRMED}"
                " streams that have ended here.",
                code="too_many",
                hint="Does something there not read what it was sent? Close the tunnels to"
                f" {hop.alias} and open them again to be rid of them.",
            )
        if self._tally.streams_open <= self._settings.max_streams:
            return None
        return Fatal(
            f"More than {self._settings.max_streams} streams at a time through {self.spec}.",
            code="too_many",
            hint="See c.TunnelManager.max_streams.",
        )

    def _connect(
        self,
        relay: Relay,
        connection: Connection,
        destination: Address,
        originator: tuple[str, int],
    ) -> None:
        """Open the channel of a stream. One that is not open in time fails; it counts as open until
        the remote host answers, which it may never do."""
        window = connection.new_window()
        opening = connection.open_channel(
            destination, lambda: relay.remote, originator=originator, window=window.size
        )
        relay.expect_channel(
            opening,
            lambda error: self._explain(connection, error, destination),
            connection.flow,
            window,
        )
        opening.add_done_callback(self._channel_opened)
        timer = asyncio.get_running_loop().call_later(
            connection.hop.connect_timeout,
            lambda: self._fail_unopened(relay, connection.not_opened(destination)),
        )
        opening.add_done_callback(lambda _: timer.cancel())

    def _explain(
        self, connection: Connection, error: BaseException | None, destination: Address
    ) -> RemoteTunnelError:
        """Why a stream was not opened."""
        return connection.explain(error, destination)

    def _fail_unopened(self, relay: Relay, error: RemoteTunnelError) -> None:
        if not relay.over:
            relay.fail(error)
            self._stream_failed(error)
            self._on_change()

    def _channel_opened(self, opening: "asyncio.Future[Channel]") -> None:
        if not opening.cancelled() and opening.exception() is None:
            self._succeeded()
