"""The control socket's end in the engine.

`ControlServer` accepts clients of this user; each gets a `Session`, which reads requests, has the
service answer them side by side, and sends answers and events. Nothing a client does, or leaves
undone, costs more than bounded memory or reaches another client:

- A line that is no request, or too long, ends the session, with one error that says why.
- At most `REQUESTS` of a session are under way: the next line is read when one has been answered.
- Events for a slow reader are coalesced, the newest of each tunnel. One who reads nothing while
  `UNREAD` of them gather is hung up on.
- At most `CLIENTS` sessions beside the holder's, and as many that have not said hello; one of these
  is ended after `HELLO_LIMIT` seconds.

When a client goes away, what it asked for and alters something (`LASTING`) is done to its end: a
tunnel that was being opened is opened, as the shell's user may have closed the terminal. (Who wants
it closed then, e.g. `open --foreground`, holds an engine of its own.) But nobody is asked any more:
a question that waits for this client alone ends, and with it what had to ask it.
"""

import asyncio
import contextlib
import itertools
import logging
import socket
from collections.abc import Callable
from typing import Annotated, Any, Protocol

import msgspec

from ..model.errors import BadInput, Fatal, RemoteTunnelError
from ..model.text import plain
from ..tunnels.tasks import Tasks
from .checking import read
from .messages import MAX_LINE, METHODS, Caller, Hello
from .peer import same_user
from .wire import Latest, encode

log = logging.getLogger(__name__)

CLIENTS = 64
REQUESTS = 64
UNREAD = 10_000
HELLO_LIMIT = 10.0
# These answer at once. They have places of their own beside those that wait for a remote host.
QUICK = frozenset(
    {"ping", "tunnels.list", "tunnels.get", "tunnels.close", "hosts.list"}
    | {"prompts.list", "prompts.answer", "prompts.cancel", "doctor.end"}
    | {"server.tell", "server.answer"}
)
LASTING = frozenset({"tunnels.open", "tunnels.close", "tunnels.restart", "holder.restore"})

# Seconds for the last word to a client that is hung up on.
_LAST_WORD_LIMIT = 1.0


class Subscriber(Protocol):
    """What the service sees of a session."""

    caller: Caller

    def event(self, name: str, data: dict[str, Any], key: str) -> None:
        """Send an event. A newer one of the same `key` replaces one not yet sent."""


class Answering(Protocol):
    """What a session needs of the service."""

    def subscribe(self, subscriber: Subscriber) -> None:
        """Send it every event from now on."""

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Send it nothing more."""

    async def call(self, method: str, params: Any, caller: Caller) -> dict[str, Any]:
        """Do what is asked: `params` is of the method's class, the result plain JSON."""
        raise NotImplementedError


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """One line from a client."""

    id: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    method: Annotated[str, msgspec.Meta(max_length=100)]
    params: dict[str, Any] = {}


class ControlServer:
    """Accepts clients on `listener`, which stays its holder's: closing this leaves it listening."""

    def __init__(self, service: Answering, listener: socket.socket) -> None:
        self._service = service
        self._listener = listener
        self._sessions = Tasks()
        self._lasting = Tasks()
        self._admitted: set[Session] = set()
        self._unknown: set[socket.socket] = set()
        self._numbers = itertools.count(1)

    async def serve(self) -> None:
        """Accept clients until this is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except OSError as error:  # out of descriptors, or the client has gone already
                log.warning("A client was not accepted: %s", error)
                await asyncio.sleep(0.1)
                continue
            self._sessions.start(self._serve(connection), "session of a client")

    async def _serve(self, connection: socket.socket) -> None:
        if not same_user(connection):
            log.warning("A client of another user was refused")
            connection.close()
            return
        if len(self._unknown) >= CLIENTS:
            connection.close()  # who means well tries again
            return
        self._unknown.add(connection)
        try:
            await self._talk(connection)
        finally:
            self._unknown.discard(connection)

    async def _talk(self, connection: socket.socket) -> None:
        try:
            reader, writer = await asyncio.open_unix_connection(sock=connection, limit=MAX_LINE)
        except BaseException:
            connection.close()
            raise

        def admit(session: Session) -> None:
            self._admit(session)
            self._unknown.discard(connection)

        number = next(self._numbers)
        session = Session(self._service, reader, writer, self._lasting, admit, number)
        try:
            await session.run()
        finally:
            self._admitted.discard(session)

    def _admit(self, session: "Session") -> None:
        """Count a session in, once it has said who it is.

        :raises Fatal: there are too many. The holder always has a place.
        """
        if len(self._admitted) >= CLIENTS and session.caller.client != "holder":
            raise Fatal(
                f"The engine has {CLIENTS} clients already.",
                code="too_many",
                hint="Close some of them: notebooks, terminals, Jupyter servers.",
            )
        self._admitted.add(session)

    async def close(self) -> None:
        """End every session and what they asked for."""
        await self._sessions.close()
        await self._lasting.close()


class Session:
    """One client. `caller` is who it is, by its hello."""

    caller: Caller

    def __init__(
        self,
        service: Answering,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        lasting: Tasks,
        admit: "Callable[[Session], None]",
        number: int,
    ) -> None:
        """:param admit: called when `caller` is known; raises if there is no place for it.
        :param number: which no other session has.
        """
        self._service = service
        self._reader = reader
        self._writer = writer
        self._lasting = lasting
        self._admit = admit
        self._number = number
        self._own = Tasks()
        # Lines, and whether they answer a request.
        self._outgoing: Latest[tuple[bytes, bool]] = Latest()
        self._free = asyncio.Semaphore(2 * REQUESTS)
        self._slow = 0

    async def run(self) -> None:
        """Serve the client until it goes away, or has to."""
        try:
            async with asyncio.timeout(HELLO_LIMIT):
                await self._hello()
            self._own.start(self._write(), "writer to a client")
            self._service.subscribe(self)
            while True:
                await self._free.acquire()
                self._take(await self._request())
        except RemoteTunnelError as error:
            await self._last_word(error)
        except (EOFError, OSError):
            pass  # it has gone, or (TimeoutError) never said who it is
        finally:
            self._service.unsubscribe(self)
            self._writer.transport.abort()
            await self._own.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    def event(self, name: str, data: dict[str, Any], key: str) -> None:
        """Send an event. A newer one of the same `key` replaces one not yet sent."""
        try:
            self._outgoing.put(key or name, (encode({"event": name, "data": data}), False))
        except RemoteTunnelError as error:
            log.error("Event %s is not sent: %s", name, error)  # noqa: TRY400
        if len(self._outgoing) > UNREAD:
            self._writer.transport.abort()  # `run` reads its end

    async def _hello(self) -> None:
        request = await self._request()
        if request.method != "hello":
            raise BadInput("The first request of a client is hello.")
        hello = read(Hello, request.params, "hello")
        self.caller = Caller(hello.client, self._number)
        self._admit(self)
        welcome = await self._service.call("hello", hello, self.caller)
        self._writer.write(encode({"id": request.id, "result": welcome}))
        await self._writer.drain()

    async def _request(self) -> Request:
        """The next request.

        :raises EOFError: there is none.
        :raises BadInput: it is none.
        """
        try:
            line = await self._reader.readuntil(b"\n")
            return msgspec.json.decode(line, type=Request)
        except asyncio.LimitOverrunError:
            raise BadInput(f"A request is longer than {MAX_LINE} bytes.") from None
        except RecursionError:
            raise BadInput("A request is nested too deeply.") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadInput(f"A line is no request: {plain(str(error), 200)}.") from None

    def _take(self, request: Request) -> None:
        tasks = self._lasting if request.method in LASTING else self._own
        tasks.start(self._answer(request), f"answer to {plain(request.method, 40)}")

    async def _answer(self, request: Request) -> None:
        slow = request.method not in QUICK
        self._slow += slow
        try:
            if self._slow > REQUESTS:
                raise _busy()
            line = encode({"id": request.id, "result": await self._result(request)})
        except RemoteTunnelError as error:
            line = encode({"id": request.id, "error": error.as_dict()})
        finally:
            self._slow -= slow
        self._outgoing.put(object(), (line, True))

    async def _result(self, request: Request) -> dict[str, Any]:
        method = METHODS.get(request.method)
        if method is None or request.method == "hello":
            raise BadInput(f"There is no method {plain(request.method, 40)!r}, or not now.")
        params = read(method.params, request.params, request.method)
        try:
            return await self._service.call(request.method, params, self.caller)
        except RemoteTunnelError:
            raise
        except Exception:
            log.exception("%s failed", request.method)
            raise Fatal(
                f"The engine made a mistake of its own in {request.method}.",
                hint="Its log says more. Please report it.",
            ) from None

    async def _write(self) -> None:
        while True:
            line, is_answer = await self._outgoing.get()
            with contextlib.suppress(OSError):  # it has gone: `run` reads its end
                self._writer.write(line)
                await self._writer.drain()
            if is_answer:
                self._free.release()

    async def _last_word(self, error: RemoteTunnelError) -> None:
        with contextlib.suppress(OSError):
            async with asyncio.timeout(_LAST_WORD_LIMIT):
                self._writer.write(encode({"id": None, "error": error.as_dict()}))
                await self._writer.drain()


def _busy() -> Fatal:
    return Fatal(
        f"{REQUESTS} requests wait for remote hosts already.",
        code="too_many",
        hint="A host that does not answer holds them up. Close its tunnels, or wait.",
    )
