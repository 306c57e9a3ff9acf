"""One SSH connection to one hop, directly or over the connection to the hop before.

`open_connection` connects and logs in (with `client`, `auth` and `host_keys`); `Connection` is what
the rest of the program sees of asyncssh's connection: its end (`lost`), channels for streams,
listeners on the remote host, and short commands there.
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
from ..model.text import plain
from .auth import Login
from .client import Client, options
from .errors import (
    again,
    channel_error,
    closed_error,
    connect_error,
    file_error,
    lost_error,
    timeout_error,
)
from .exec import ExecResult, Output
from .files import Files
from .flow import Flow
from .hop import Hop
from .host_keys import HostKeyJudge, KnownKeys
from .window import LEAST, ByteBudget, Window
from .wire import Command, Dialler, Direct, Through

MAX_PACKET = 32 << 10
"""Larger packets do nothing with OpenSSH."""

_MARK = "jupyter_remote_tunnel"

_RTT_TIMEOUT = 10.0
_CLOSE_TIMEOUT = 5.0

Channel = asyncssh.SSHTCPChannel[bytes] | asyncssh.SSHUNIXChannel[bytes]
SessionFactory = Callable[[], Any]
T = TypeVar("T")


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
        self.hop = hop
        self.lost = lost
        self.flow = flow
        self._ssh = ssh
        self._dialler = dialler
        self._budget = budget
        self._opening: set[asyncio.Task[Any]] = set()
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

    def new_window(self, size: int | None = None) -> Window:
        """The window of a new stream, of `size` bytes or as many as the budget has for one."""
        return self._budget.window(lambda: self.round_trip, size)

    def open_channel(
        self,
        destination: Address,
        session: SessionFactory,
        *,
        originator: tuple[str, int] = ("127.0.0.1", 0),
        window: int = LEAST,
    ) -> "asyncio.Task[Channel]":
        """Open a stream to a destination as the remote host sees it.

        The task is owned here and must not be cancelled: asyncssh would forget the channel, which
        would then stay open for ever. Who loses interest aborts the channel when it is there.
        It fails with asyncssh's ChannelOpenError.
        """
        name = f"open a channel to {destination} on {self.hop.alias}"
        task = asyncio.get_running_loop().create_task(
            self._open_channel(destination, session, originator, window), name=name
        )
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return task

    async def _open_channel(
        self,
        destination: Address,
        session: SessionFactory,
        originator: tuple[str, int],
        window: int,
    ) -> Channel:
        channel: Channel
        if isinstance(destination, TcpAddress):
            channel, _ = await self._ssh.create_connection(
                session,
                destination.host,
                destination.port,
                *originator,
                encoding=None,
                window=window,
                max_pktsize=MAX_PACKET,
            )
        else:
            channel, _ = await self._ssh.create_unix_connection(
                session, destination.path, encoding=None, window=window, max_pktsize=MAX_PACKET
            )
        return channel

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
            f"The channel to {destination} on {self.hop.place} failed: {plain(str(error))}",
            hop=self.hop.place,
        )

    async def listen_tcp(
        self, host: str, port: int, accept: Callable[[str, int], Awaitable[Any]]
    ) -> asyncssh.SSHListener:
        """Have the remote host listen on a port (0: any; the listener tells which). Streams begin
        with the window `LEAST`.

        :param accept: given the originator, makes the session of a stream, or raises
            ChannelOpenError (and nothing else: asyncssh would end the connection).
        :raises Fatal: forward_refused, it does not, or does not answer in time.
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
            raise Fatal(
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
        """Run a command on the remote host, by the user's login shell there.

        :raises Fatal: too_many, when stdout or stderr exceeds 1 MiB; forward_refused, when the host
            runs no commands.
        :raises Transient: the connection was lost.
        """
        output = Output()
        try:
            async with asyncio.timeout(self.hop.connect_timeout):
                channel, _ = await self._unless_lost(
                    self._ssh.create_session(
                        lambda: output, shlex.join(argv), encoding=None, request_pty=False
                    )
                )
        except TimeoutError:
            raise self._silent("run a command") from None
        except asyncssh.ChannelOpenError as error:
            raise Fatal(
                f"{self.hop.place} runs no command for us: {plain(error.reason)}",
                code="forward_refused",
                hint="It may allow forwards only, or no more sessions (MaxSessions).",
                hop=self.hop.place,
            ) from None
        try:
            # It may have ended already, without reading: `output` knows.
            with contextlib.suppress(OSError):
                channel.write(stdin)
                channel.write_eof()
            return await self._unless_lost(output.result(argv[0], self.hop))
        finally:
            channel.abort()

    async def hurry(self) -> bool:
        """Have sshd send small answers at once: it does so (TCP_NODELAY) from the first session of
        a connection on. Returns whether the host ran the command, not one that it has in its place.

        :raises Fatal: it runs none.
        :raises Transient: the connection was lost, or there was no answer in time.
        """
        try:
            async with asyncio.timeout(self.hop.connect_timeout):
                found = await self.exec(["echo", _MARK])
        except TimeoutError:
            raise self._silent("run a command") from None
        return _MARK.encode() in found.stdout

    async def read_file(self, path: str) -> bytes:
        """A file of at most 1 MiB; "~/" is the home directory there.

        :raises Fatal: not_found, when it cannot be read; too_many, when it is larger.
        :raises Transient: the connection was lost.
        """
        try:
            async with asyncio.timeout(self.hop.connect_timeout):
                # A command starts in the home directory.
                found = await self.exec(["cat", "--", path.removeprefix("~/")])
        except TimeoutError:
            raise self._silent(f"read {plain(path)}") from None
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


async def open_connection(
    hop: Hop, *, via: Connection | None, budget: ByteBudget | None = None
) -> Connection:
    """Connect and log in with keys and agent, the host key verified, within `hop.connect_timeout`
    seconds. The connection to the hop before is not closed with this one.

    :param budget: what its streams share with those of other connections; None is one of its own.
    :raises Transient: connect_failed, connect_timeout, host_unresolved, network_unreachable.
    :raises Fatal: host_key_unknown, host_key_changed, host_key_revoked, auth_failed, unsupported.
    :raises NeedsUser: the host asks for a password or code, or the key for a passphrase.
    """
    files = Files()
    try:
        async with asyncio.timeout(hop.connect_timeout):
            return await _open_connection(hop, via, files, budget or ByteBudget())
    except TimeoutError:
        if files.waiting_for is not None:
            raise file_error(hop.shown(files.waiting_for), hop.connect_timeout, hop.place) from None
        raise timeout_error(hop, "connect and log in to") from None


async def _open_connection(
    hop: Hop, via: Connection | None, files: Files, budget: ByteBudget
) -> Connection:
    known = await KnownKeys.of(hop, files)
    judge = HostKeyJudge(hop, known)
    login = Login(hop, files)
    flow = Flow(below=via.flow if via else None)
    dialler = _dialler(hop, flow, via)
    lost: asyncio.Future[RemoteTunnelError] = asyncio.get_running_loop().create_future()

    def on_lost(error: Exception | None) -> None:
        if not lost.done():
            lost.set_result(lost_error(error, hop))

    async with contextlib.AsyncExitStack() as undo:
        undo.push_async_callback(dialler.close)
        try:
            ssh = await asyncssh.connect(
                hop.host,
                hop.port,
                tunnel=dialler,
                client_factory=lambda: Client(judge, login, on_lost),
                server_host_key_algs=known.algorithms(),
                known_hosts=([], [], [entry.key for entry in known.revoked]),
                **options(hop),
            )
        except Exception as error:
            raise _login_error(error, hop, via, judge, login) from error
        finally:
            await login.close()
        undo.pop_all()
    flow.logged_in = True
    return Connection(hop, ssh, lost, dialler, flow, budget)


def _login_error(
    error: Exception, hop: Hop, via: Connection | None, judge: HostKeyJudge, login: Login
) -> RemoteTunnelError:
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return judge.error(error.reason)
    if isinstance(error, asyncssh.PermissionDenied):
        return login.error()
    if via is not None and via.lost.done():
        return again(via.lost.result())
    return connect_error(error, hop, via.hop if via else None)


def _dialler(hop: Hop, flow: Flow, via: Connection | None) -> Dialler:
    if via is not None:
        return Through(hop, flow, via)
    if hop.proxy_command is not None:
        return Command(hop, flow)
    return Direct(hop, flow)
