"""One SSH connection to one hop, directly or over the connection to the hop before.

`Connection` is what the rest of the program sees of asyncssh's connection: its end (`lost`),
channels for streams, listeners on the remote host, and short commands there. `connecting` makes it.
"""

import asyncio
import contextlib
import shlex
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import asyncssh
from asyncssh.constants import MSG_CHANNEL_WINDOW_ADJUST
from asyncssh.packet import UInt32

from ..model.address import Address, TcpAddress
from ..model.errors import Fatal, RemoteTunnelError, Transient
from ..model.offer import MARK
from ..model.text import plain
from .errors import (
    again,
    channel_error,
    closed_error,
    reason_of,
)
from .exec import ExecResult, Output
from .flow import Flow
from .hop import Hop
from .packets import Channel, PacketConnection, Session
from .window import LEAST, ByteBudget, Window
from .wire import Dialler

MAX_PACKET = 32 << 10
"""Larger packets do nothing with OpenSSH."""

_RTT_TIMEOUT = 10.0
_CLOSE_TIMEOUT = 5.0

T = TypeVar("T")


class ListenRefused(Fatal):
    """The remote host does not listen for us, and does not say why: see `why_not`."""


class Connection:
    """An open connection. `host_key` is the fingerprint "SHA256:…" that the host proved to hold.

    `lost` is done when the connection is gone, and its result (never an exception) says why:
    `Transient` when it broke, `Fatal` of code "closed" after `close()`. `flow` is how bytes
    pass it, `round_trip` the shortest that `rtt` has seen, in seconds.
    """

    round_trip: float | None = None

    def __init__(
        self,
        hop: Hop,
        ssh: asyncssh.SSHClientConnection,
        lost: "asyncio.Future[RemoteTunnelError]",
        dialler: Dialler,
        flow: Flow,
        budget: ByteBudget,
    ) -> None:
        assert isinstance(ssh, PacketConnection)
        self.hop = hop
        self.lost = lost
        self.flow = flow
        self._ssh = ssh
        self._dialler = dialler
        self._budget = budget
        self._opening: set[asyncio.Future[Any]] = set()
        self._letting_go: asyncio.Task[None] | None = None
        key = ssh.get_server_host_key()
        self.host_key = key.get_fingerprint() if key is not None else ""
        lost.add_done_callback(self._let_go)

    async def close(self) -> None:
        """Close it and every channel in it. Idempotent. A connection that was lost needs no
        `close`."""
        if not self.lost.done():
            self.lost.set_result(closed_error(self.hop))
        self._ssh.close()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._ssh.wait_closed()
        except TimeoutError:
            self._ssh.abort()
        await asyncio.gather(*self._opening, return_exceptions=True)
        if self._letting_go is not None:
            await self._letting_go

    def _let_go(self, lost: "asyncio.Future[RemoteTunnelError]") -> None:
        self._letting_go = lost.get_loop().create_task(
            self._dialler.close(), name=f"let go of the transport to {self.hop.alias}"
        )

    # Streams

    @property
    def unconfirmed(self) -> int:
        """Streams that were aborted here, and that the host has not confirmed as ended."""
        return self._ssh.unconfirmed

    @property
    def unanswered(self) -> int:
        """Streams that the host was asked to open, and has not said yet whether it does."""
        return len(self._opening)

    def new_window(self, size: int | None = None) -> Window:
        """The window of a new stream, of `size` bytes or as many as the budget has for one."""
        return self._budget.window(lambda: self.round_trip, size)

    def open_channel(
        self,
        destination: Address,
        session: Session,
        *,
        originator: tuple[str, int] = ("127.0.0.1", 0),
        window: int = LEAST,
    ) -> "asyncio.Future[Channel]":
        """Open a stream to a destination as the remote host sees it.

        The future is owned here and must not be cancelled: asyncssh would forget the channel, which
        would then stay open for ever. Who loses interest aborts the channel when it is there.
        It fails with asyncssh's ChannelOpenError.
        """
        if isinstance(destination, TcpAddress):
            host, port = destination.host, destination.port
            opening = self._ssh.open_tcp(session, host, port, originator, window, MAX_PACKET)
        else:
            opening = self._ssh.open_unix(session, destination.path, window, MAX_PACKET)
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        return opening

    def not_opened(self, destination: Address) -> Transient:
        """Opening a channel to `destination` takes longer than `hop.connect_timeout`."""
        return self._silent(f"connect to {destination}")

    def explain(self, error: BaseException | None, destination: Address) -> RemoteTunnelError:
        """Why opening a channel to `destination` failed with an exception."""
        if self.lost.done():
            return again(self.lost.result())
        if isinstance(error, asyncssh.ChannelOpenError):
            return channel_error(error, destination, self.hop)
        return Fatal(
            f"The channel to {destination} on {self.hop.place} failed: {reason_of(error)}.",
            hop=self.hop.place,
        )

    async def listen_tcp(
        self, host: str, port: int, accept: Callable[[str, int], Awaitable[Any]]
    ) -> asyncssh.SSHListener:
        """Have the remote host listen on a port (0: any; the listener tells which). Streams begin
        with the window `LEAST`.

        :param accept: given the originator, makes the session of a stream, or raises
            ChannelOpenError (and nothing else: asyncssh would end the connection).
        :raises ListenRefused: it does not.
        :raises Fatal: forward_refused, it does not answer in time.
        :raises Transient: the connection was lost."""
        listener = await self._listen(
            self._ssh.create_server(
                accept,
                host,
                port,
                encoding=None,
                window=LEAST,
                max_pktsize=MAX_PACKET,
            ),
            f"port {port}" if port else "a free port",
        )
        if not 0 < listener.get_port() < 1 << 16:
            listener.close()
            raise self._unheard_of(f"says that it listens on port {listener.get_port()}")
        return listener

    async def listen_unix(
        self, path: str, accept: Callable[[], Awaitable[Any]]
    ) -> asyncssh.SSHListener:
        """The same for a Unix socket of the remote host."""
        return await self._listen(
            self._ssh.create_unix_server(
                accept, path, encoding=None, window=LEAST, max_pktsize=MAX_PACKET
            ),
            path,
        )

    async def _listen(self, asked: Awaitable[T], where: str) -> T:
        try:
            async with asyncio.timeout(self.hop.connect_timeout):
                return await self._unless_lost(asked)
        except TimeoutError:
            seconds = f"{self.hop.connect_timeout:g} s"
            raise self._unheard_of(
                f"did not answer within {seconds} when asked to listen on {where}"
            ) from None
        except asyncssh.ChannelListenError:
            if self.lost.done():
                raise again(self.lost.result()) from None
            raise ListenRefused(
                f"{self.hop.place} does not listen on {where} for us.",
                code="forward_refused",
                hint=f"It may be in use there, or the sshd of {self.hop.alias} forbids it "
                "(AllowTcpForwarding, AllowStreamLocalForwarding, PermitListen).",
                hop=self.hop.place,
            ) from None
        except (asyncssh.ProtocolError, ValueError):
            raise self._unheard_of(f"answered nonsense when asked to listen on {where}") from None

    def _unheard_of(self, what: str) -> Fatal:
        """No sshd does that when it is asked to listen."""
        return Fatal(
            f"{self.hop.place} {what}.",
            code="forward_refused",
            hint=f"Does “ssh -R” to {self.hop.alias} work in a terminal?",
            hop=self.hop.place,
        )

    # Questions and commands

    async def rtt(self) -> float:
        """Seconds that a question and its answer take.

        :raises Transient: the connection was lost, or there was no answer for 10 s.
        """
        try:
            async with asyncio.timeout(_RTT_TIMEOUT):
                # The first answer may come 40 ms late: sshd leaves Nagle's algorithm on.
                found = min([await self._ask(), await self._ask()])
        except TimeoutError:
            raise Transient(
                f"{self.hop.place} did not answer for {_RTT_TIMEOUT:g} s.",
                code="connection_lost",
                hop=self.hop.place,
            ) from None
        self.round_trip = min(found, self.round_trip or found)
        return found

    async def _ask(self) -> float:
        started = time.perf_counter()
        # Any global request is answered. asyncssh has no public one that does nothing else.
        question = self._ssh._make_global_request(b"keepalive@openssh.com")  # noqa: SLF001
        await self._unless_lost(question)
        return time.perf_counter() - started

    async def exec(self, argv: Sequence[str], stdin: bytes = b"") -> ExecResult:
        """Run a command on the remote host; see `_exec`, which waits as long for its end."""
        return await self._exec(shlex.join(argv), argv[0], stdin)

    async def run(self, line: str, doing: str, stdin: bytes = b"") -> ExecResult:
        """The same for a line of the login shell that is soon over: “did not `doing` within …”.

        :raises RemoteTunnelError: as `_exec`; or it was not over within `hop.connect_timeout`.
        """
        try:
            async with asyncio.timeout(self.hop.connect_timeout):
                return await self._exec(line, line.partition(" ")[0], stdin)
        except TimeoutError:
            raise self._silent(doing) from None

    async def _exec(self, line: str, named: str, stdin: bytes) -> ExecResult:
        """Run a line on the remote host, by the user's login shell there, which errors call
        `named`.

        :raises Fatal: too_many, when stdout or stderr exceeds 1 MiB; forward_refused, when the host
            runs no commands.
        :raises Transient: the connection was lost.
        """
        channel, output = await self._begin(line)
        try:
            # It may have ended already, without reading: `output` knows.
            with contextlib.suppress(OSError):
                channel.write(stdin)
                channel.write_eof()
            return await self._unless_lost(output.result(named, self.hop))
        finally:
            channel.abort()

    async def feed(self, argv: Sequence[str], word: bytes, every: float) -> None:
        """Run a command and write `word` to it now and every so many seconds, until it ends.

        :raises RemoteTunnelError: it does not run, or runs no more, as for `exec`.
        """
        channel, output = await self._begin(shlex.join(argv))
        try:
            while True:
                with contextlib.suppress(OSError):
                    channel.write(word)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(every):
                        await self._unless_lost(output.result(argv[0], self.hop))
                        return
        finally:
            channel.abort()

    async def _begin(self, line: str) -> tuple["asyncssh.SSHClientChannel[bytes]", Output]:
        """Have a line run: its channel, and what comes of it."""
        output = Output()
        try:
            async with asyncio.timeout(self.hop.connect_timeout):
                channel, _ = await self._unless_lost(
                    self._ssh.create_session(lambda: output, line, encoding=None, request_pty=False)
                )
        except TimeoutError:
            raise self._silent("run a command") from None
        except asyncssh.ChannelOpenError as error:
            raise Fatal(
                f"{self.hop.place} runs no command for us: {reason_of(error)}.",
                code="forward_refused",
                hint="It may allow forwards only, or no more sessions (MaxSessions).",
                hop=self.hop.place,
            ) from None
        return channel, output

    async def hurry(self, also: str) -> str | None:
        """Have sshd send small answers at once: it does so (TCP_NODELAY) from the first session of
        a connection on. What the line `also` printed in that session; None where the host ran
        something else in its place.

        :raises Fatal: it runs none.
        :raises Transient: the connection was lost, or there was no answer in time.
        """
        found = await self.run(f"echo {MARK} && {also}", "run a command")
        said = found.stdout.decode(errors="replace")
        return said if MARK in said else None

    async def read_file(self, path: str) -> bytes:
        """A file of at most 1 MiB; "~/" is the home directory there.

        :raises Fatal: not_found, when it cannot be read; too_many, when it is larger.
        :raises Transient: the connection was lost.
        """
        # A command starts in the home directory.
        line = shlex.join(["cat", "--", path.removeprefix("~/")])
        found = await self.run(line, f"read {plain(path)}")
        if found.status != 0:
            # "cat: /the/path: No such file or directory"
            words = plain(found.stderr.decode(errors="replace")).rpartition(": ")[2]
            raise Fatal(
                f"{self.hop.place} cannot read {plain(path)}: "
                f"{words or f'exit status {found.status}'}.",
                code="not_found",
                hop=self.hop.place,
            )
        return found.stdout

    def _silent(self, doing: str) -> Transient:
        """It was asked to `doing`, and did not answer."""
        return Transient(
            f"{self.hop.place} did not {doing} within {self.hop.connect_timeout:g} s.",
            code="connect_timeout",
            hint="Is it busy, or does something there wait for ever?",
            hop=self.hop.place,
        )

    async def _unless_lost(self, wanted: Awaitable[T]) -> T:
        """What is wanted, or the reason why the connection was lost meanwhile."""
        try:
            result = await wanted
        except (asyncssh.Error, OSError) as error:
            if self.lost.done():
                raise again(self.lost.result()) from error
            raise
        if self.lost.done():
            raise again(self.lost.result())
        return result


def own_window(channel: Channel) -> None:
    """Have asyncssh leave the channel's receive window to us: it renews one that is half used."""
    channel._init_recv_window = 0  # noqa: SLF001 (there is no public way)


def renew_window(channel: Channel, more: int) -> None:
    """Let the remote end send `more` bytes on the channel."""
    channel._recv_window += more  # noqa: SLF001 (it refuses what exceeds that)
    channel.send_packet(MSG_CHANNEL_WINDOW_ADJUST, UInt32(more))
