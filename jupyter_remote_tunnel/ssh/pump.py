"""One stream: what comes from a socket on this machine goes into an SSH channel, and back.

A `Relay` has two ends (`ends`), and either may come first: `local`, an asyncio protocol, and
`remote`, a session of asyncssh. It holds the contract of a stream:

- half-close: the end of one direction is passed on and leaves the other alone;
- back-pressure: who sends faster than the other end takes is made to wait; what waits is bounded by
  the channel's window (remote → local), and by one read of the socket and the channel's buffer
  (local → remote);
- early data: what the local end sends while the channel opens is kept;
- the end: when both directions have ended, both ends close. Whatever else happens resets the local
  end (RST where it is TCP), closes the channel, and keeps the reason.
"""

import asyncio
import contextlib
import select
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from ..model.errors import RemoteTunnelError
from .connection import own_window, renew_window
from .ends import CONNECTION_FULL, OPENING, LocalEnd, RemoteEnd
from .flow import Flow
from .packets import Channel
from .window import Window

LOCAL_BUFFER = 64 << 10
"""Bytes that may wait for a local reader before the channel's window is no longer given back."""

EARLY = 16 << 10
"""Bytes that are taken from a local end whose channel is not open yet."""

_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Greeting:
    """What a proxy's protocol owes its client: a word when the channel is open, and one when it is
    not to be, in place of a reset."""

    accepted: bytes
    refused: Callable[[RemoteTunnelError | None], bytes]


@dataclass(slots=True)
class Tally:
    """What went through a forward. `bytes_in` is remote → local."""

    streams_open: int = 0
    streams_total: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


class Relay:
    """One stream.

    :param on_end: called once, when nothing of it is left: no socket, and no channel but one that
        only waits for the remote host to confirm its end.
    :param on_held: called whenever its local end is made to wait: a reset would go unnoticed while
        nobody reads, so `look_after` is to be called now and then.
    """

    def __init__(
        self,
        tally: Tally,
        on_end: "Callable[[Relay], None]",
        on_held: Callable[[], None] = lambda: None,
    ) -> None:
        self.local = LocalEnd(self)
        self.remote = RemoteEnd(self)
        self.tally = tally
        self.error: RemoteTunnelError | None = None
        self.transport: asyncio.Transport | None = None
        self.channel: Channel | None = None
        self.flow: Flow | None = None
        self.window: Window | None = None
        self.greeting: Greeting | None = None
        self._on_end = on_end
        self._on_held = on_held
        self._held = OPENING
        self._reading = True
        self._early: list[bytes] = []
        self._inward: list[bytes] = []
        self._local_ended = self._remote_ended = False
        self._opening = False
        self._over = False
        self._told = False

    @property
    def opening(self) -> bool:
        """Whether the remote host has not yet said if it opens the channel."""
        return self._opening

    @property
    def attached(self) -> bool:
        """Whether it uses a connection."""
        return self._opening or self.channel is not None

    @property
    def over(self) -> bool:
        """Whether it has failed or was stopped: nothing more goes through."""
        return self._over

    # How it comes to be

    def expect_channel(
        self, opening: "asyncio.Future[Channel]", explain: "Explain", flow: Flow, window: Window
    ) -> None:
        """The channel is being opened, with `remote` as its session.

        :param explain: makes an error of the exception with which the opening fails.
        """
        self._opening = True
        self.flow, self.window = flow, window
        opening.add_done_callback(lambda task: self._opened(task, explain))

    def _opened(self, opening: "asyncio.Future[Channel]", explain: "Explain") -> None:
        self._opening = False
        error = None if opening.cancelled() else opening.exception()
        if error is not None or opening.cancelled():
            self.fail(explain(error))
        # Where the stream is over by now, `channel_made` has closed the channel again.
        self._tell_end()

    def local_made(self, transport: asyncio.Transport, early: bytes = b"") -> None:
        """The local end is there, and this is what was read from it already."""
        self.transport = transport
        transport.set_write_buffer_limits(high=LOCAL_BUFFER)
        if self._over:
            self._reset_local()
        elif early:
            self.local.data_received(early)
        if self.channel is not None:
            self._start()

    def channel_made(self, channel: Channel) -> None:
        """The channel is there."""
        self.channel = channel
        own_window(channel)
        if self._over:
            self._abort_channel()
        elif self.transport is not None:
            self._start()
        else:
            channel.pause_reading()

    def _start(self) -> None:
        """Both ends are there: let go what was held."""
        assert self.channel is not None
        if self.greeting is not None and self.transport is not None:
            self.transport.write(self.greeting.accepted)
            self.greeting = None
        early, self._early = b"".join(self._early), []
        if early:
            self._write(early)  # goes with that of the other streams that open in this turn
            self._hold_if_full()
        self.release(OPENING)
        if self._local_ended:
            self.channel.write_eof()
        if self._remote_ended:
            self._end_local()
        self.channel.resume_reading()

    # Local → remote

    def from_local(self, data: bytes) -> None:
        """Data of the local end."""
        if self._held & OPENING:
            self._early.append(data)
            if sum(map(len, self._early)) >= EARLY:
                self.hold(OPENING)
        else:
            self.send(data)

    def send(self, data: bytes) -> None:
        """Write to the channel, and have it sent at once."""
        assert self.flow is not None
        self.flow.cork()
        self._write(data)
        self.flow.uncork()
        self._hold_if_full()

    def _write(self, data: bytes) -> None:
        if self.channel is not None and not self.channel.is_closing():
            self.tally.bytes_out += len(data)
            self.channel.write(data)

    def _hold_if_full(self) -> None:
        assert self.flow is not None
        if self.flow.full:
            self.hold(CONNECTION_FULL)
            self.flow.when_free(self._connection_free)

    def _connection_free(self) -> None:
        self.release(CONNECTION_FULL)

    def hold(self, why: int) -> None:
        """Stop reading the local end."""
        self._held |= why
        if self._reading and self.transport is not None and not self._local_ended:
            self._reading = False
            self.transport.pause_reading()
            self._on_held()

    def look_after(self) -> bool:
        """Find out whether the local end was reset while it is not read; whether it still waits."""
        if self._reading or self.transport is None or self._local_ended:
            return False
        watch = select.poll()
        watch.register(self.transport.get_extra_info("socket").fileno(), 0)
        if any(event & select.POLLERR for _, event in watch.poll(0)):
            self.fail(None)
        return True

    def release(self, why: int) -> None:
        """This reason not to read is gone."""
        self._held &= ~why
        if self._held or self._reading or self._local_ended or self._over:
            return
        assert self.transport is not None
        self._reading = True
        self.transport.resume_reading()

    def local_ended(self) -> None:
        """The local end sends no more."""
        self._local_ended = True
        if self.channel is not None and not self._held & OPENING:
            self.channel.write_eof()
        self._close_if_done()

    # Remote → local

    def from_remote(self, data: bytes) -> None:
        """Data of the channel: into the local end when the batch it came in is read."""
        self._inward.append(data)
        assert self.flow is not None
        if not self.flow.corked:
            self.deliver()
        elif len(self._inward) == 1:
            self.flow.deliver_at_end(self.deliver)

    def deliver(self) -> None:
        """Write to the local end what has come for it."""
        inward, self._inward = self._inward, []
        if inward and self.transport is not None and not self.transport.is_closing():
            data = inward[0] if len(inward) == 1 else b"".join(inward)
            self.tally.bytes_in += len(data)
            self.transport.write(data)
            self.took(len(data))

    def took(self, count: int) -> None:
        """So many bytes of the channel were taken: the remote end may send more."""
        assert self.window is not None
        more = self.window.take(count, asyncio.get_running_loop().time())
        if more and self.channel is not None and not self._remote_ended:
            renew_window(self.channel, more)

    def remote_ended(self) -> None:
        """The channel sends no more, and all it sent was taken."""
        self.deliver()
        self._remote_ended = True
        self._end_local()
        self._close_if_done()

    def _end_local(self) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size():
            # asyncio would do it after the last byte, and log an error if that finds nobody there.
            self.transport.set_write_buffer_limits(high=0)  # `drained` is called after it
            return
        # It may have been reset a moment ago; `local_lost` follows then.
        with contextlib.suppress(OSError):
            self.transport.write_eof()

    def drained(self) -> None:
        """The local end takes more, or has taken all of what came."""
        if self._remote_ended:
            asyncio.get_running_loop().call_soon(self._end_local)
        if self.channel is not None:
            self.channel.resume_reading()

    # The end

    def _close_if_done(self) -> None:
        if not (self._local_ended and self._remote_ended):
            return
        if self.transport is not None:
            self.transport.close()
        if self.channel is not None:
            self.channel.close()

    def channel_lost(self, error: Exception | None) -> None:
        """The channel is gone. If the remote host closed it, all it sent was taken before; it may
        leave out to say that it sends no more.
        """
        self.channel = None
        broken = error is not None or self.flow is None or self.flow.ended
        if self._over:
            pass
        elif broken and not (self._local_ended and self._remote_ended):
            self.fail(None)  # the connection is gone, and who detaches the forward knows why
        else:
            # Nobody takes what the local end might still send, but it gets what it is owed.
            self.deliver()
            if self.transport is not None:
                self.transport.close()
        self._tell_end()

    def local_lost(self) -> None:
        """The local end is gone."""
        self.transport = None
        self._over = True
        self._early.clear()
        if not (self._local_ended and self._remote_ended):
            self._abort_channel()
        self._tell_end()

    def fail(self, error: RemoteTunnelError | None) -> None:
        """End it now: reset the local end (or say the greeting's last word), close the channel.

        :param error: why, None where that is known elsewhere.
        """
        if self.greeting is not None and not self._over:
            self.refuse(error, self.greeting.refused(error))
            return
        self._end_with(error)
        self._reset_local()
        self._tell_end()

    def refuse(self, error: RemoteTunnelError | None, last_word: bytes) -> None:
        """End it with a word to the local end."""
        self._end_with(error)
        if self.transport is not None:
            self.transport.write(last_word)
            self.transport.close()
        self._tell_end()

    def _end_with(self, error: RemoteTunnelError | None) -> None:
        if not self._over:
            self._over = True
            self.error = error
        self._early.clear()
        self._abort_channel()

    def _abort_channel(self) -> None:
        """Close the channel and drop what it holds. The remote host may take long to confirm it: it
        first delivers what it has got.
        """
        if self.channel is not None:
            channel, self.channel = self.channel, None
            channel.abort()

    def _reset_local(self) -> None:
        if self.transport is not None:
            reset(self.transport)

    def _tell_end(self) -> None:
        if self._told or self._opening or self.transport is not None or self.channel is not None:
            return
        self._told = True
        self._over = True
        if self.window is not None:
            self.window.close()
        self._on_end(self)


Explain = Callable[[BaseException | None], RemoteTunnelError]


def reset(transport: asyncio.Transport) -> None:
    """Close a socket so that its peer sees an error (ECONNRESET), if it is TCP, and not an end."""
    opened = transport.get_extra_info("socket")
    if opened is not None and opened.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
