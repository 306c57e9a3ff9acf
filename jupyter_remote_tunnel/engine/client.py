"""Speaking to an engine: standard library only, so that a kernel of any environment can.

`EngineClient` is one connection, for code with an event loop; `sync.SyncEngine` is the same for
code without one.

When an engine dies, its holder starts another behind the same socket. A connection is not carried
over: what was asked and not answered fails with `engine_died` (it may have been done, so it is not
asked again unseen), `lost` is set, and whoever goes on connects again. `connect` itself waits for
an engine that is starting.

Who gives a `person` with a request has to look out for the event `prompt` while it runs, and to
answer it: without one, nobody is asked.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from .._version import __version__
from ..model.diagnosis import Diagnosis, Step
from ..model.errors import Fatal, RemoteTunnelError, Transient, from_dict
from ..model.prompt import Answer, Prompt
from ..model.spec import TunnelRequest
from ..model.status import ErrorStatus, Source, TunnelStatus
from .messages import MAX_LINE, Client, Hello, Host, HostList, Starting, Welcome, Who
from .peer import require_unix, same_user
from .wire import Latest, encode, event_key

# Seconds to wait for an engine that is being started: its imports, on a busy machine.
CONNECT_TIMEOUT = 30.0


@dataclass(frozen=True)
class Event:
    """What the engine says unasked: `name` and `data` as in `messages.EVENTS`, plain JSON."""

    name: str
    data: Any


# The last event of every subscription.
LOST = Event("lost", None)


@dataclass(frozen=True)
class Output:
    """What a remote command left: its exit status and both streams, in bytes."""

    status: int
    stdout: bytes
    stderr: bytes


class EngineClient:
    """One connection to an engine. Made by `connect`; close it.

    `welcome` is the engine's answer to the hello (its pid, its private directory). `lost` is set
    when the connection has ended, from whichever side.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._callbacks: list[Callable[[Event], None]] = []
        self.lost = asyncio.Event()
        self.welcome = Welcome("", 0, "")
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._read(), name="answers of the engine")

    @classmethod
    async def connect(
        cls,
        socket_path: str | Path,
        role: Client,
        *,
        timeout: float = CONNECT_TIMEOUT,
        on_event: Callable[[Event], None] | None = None,
    ) -> Self:
        """Connect to the engine behind `socket_path` and introduce ourselves as `role`.

        :param timeout: seconds to wait; an engine that is not running yet is started by its holder
            meanwhile.
        :param on_event: subscribed from the start, so that no event is missed.
        :raises Fatal: `engine_unavailable`, nobody listens there, it belongs to another user, or
            there is no answer in time; `too_many`, it has all the clients that it takes;
            `unsupported`, on Windows.
        :raises BadInput: it is of another version.
        """
        require_unix()
        try:
            async with asyncio.timeout(timeout):
                while True:
                    client = await cls._try_to_connect(socket_path, role, on_event)
                    if client is not None:
                        return client
                    await asyncio.sleep(0.05)  # it died while it started: its holder tries again
        except TimeoutError:
            raise _unavailable(f"The engine did not answer within {timeout:g} s.") from None

    @classmethod
    async def _try_to_connect(
        cls, socket_path: str | Path, role: Client, on_event: Callable[[Event], None] | None
    ) -> Self | None:
        """A client, or None if the engine went away before it answered."""
        try:
            reader, writer = await asyncio.open_unix_connection(socket_path, limit=MAX_LINE)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise _unavailable(f"Nobody answers at {socket_path}: {reason}.") from None
        if not same_user(writer.get_extra_info("socket")):
            await _hang_up(writer)
            raise _unavailable(f"{socket_path} is not held by a process of yours.")
        client = cls(reader, writer)
        if on_event is not None:
            client.subscribe(on_event)
        try:
            await client._greet(role)
        except Transient:
            await client.close()
            return None
        except BaseException:
            await client.close()
            raise
        return client

    async def _greet(self, role: Client) -> None:
        welcome = await self.call("hello", asdict(Hello(__version__, role, os.getpid())))
        self.welcome = Welcome(welcome["version"], welcome["pid"], welcome["private_dir"])

    async def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Ask, and wait for the answer: plain JSON of the shapes in `messages.METHODS`.

        :param timeout: seconds; None is as long as the engine lives (its holder ends a silent one).
            A call that is cancelled or timed out may still be done.
        :raises RemoteTunnelError: the engine's own error; `Transient` with `engine_died` when the
            connection ended before the answer came; `engine_unavailable` after `timeout`.
        """
        number = next(self._ids)
        line = encode({"id": number, "method": method, "params": dict(params or {})})
        if self.lost.is_set():
            raise _died()
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(timeout):
                self._writer.write(line)
                with contextlib.suppress(ConnectionError):  # `_read` finds out, and says so
                    await self._writer.drain()
                return await answer
        except TimeoutError:
            raise _unavailable(f"The engine did not answer {method} in {timeout:g} s.") from None
        finally:
            del self._waiting[number]

    def _ask_unanswered(self, method: str, params: Mapping[str, Any]) -> None:
        """Ask, and wait for no answer."""
        if not self.lost.is_set():
            request = {"id": next(self._ids), "method": method, "params": dict(params)}
            self._writer.write(encode(request))

    async def ping(self) -> None:
        """Return when the engine has answered."""
        await self.call("ping")

    async def list_tunnels(self, host: TunnelRequest | None = None) -> list[TunnelStatus]:
        """The tunnels of this engine, in the order in which they were opened.

        :param host: only those that log in just as this does, which has no forwards; None is all.
        """
        request = None if host is None else host.as_dict()
        answer = await self.call("tunnels.list", {"request": request})
        return [TunnelStatus.from_dict(item) for item in answer["tunnels"]]

    async def get_tunnel(self, tunnel: str) -> TunnelStatus:
        """The tunnel of that id or name.

        :raises Fatal: `not_found`.
        """
        answer = await self.call("tunnels.get", {"tunnel": tunnel})
        return TunnelStatus.from_dict(answer["tunnel"])

    async def open_tunnel(
        self,
        request: TunnelRequest,
        source: Source = "user",
        *,
        person: Who | None = None,
        far_within: float = 0.0,
    ) -> tuple[TunnelStatus, bool]:
        """Open a tunnel and return when it is open: its status, and whether it is a new one.

        :param far_within: seconds to wait then for what the status says of far legs.

        If the caller goes away meanwhile, the tunnel is opened all the same, if nothing has to be
        asked.

        :raises RemoteTunnelError: why it is not open; nothing of it is left.
        """
        params = {"request": request.as_dict(), "source": source, "far_within": far_within}
        answer = await self.call("tunnels.open", {**params, **_asking(person)})
        return TunnelStatus.from_dict(answer["tunnel"]), answer["created"]

    async def close_tunnel(self, tunnel: str, drain: float | None = None) -> TunnelStatus:
        """Close the tunnel of that id or name, and return its last status.

        :param drain: seconds that its streams have to end by themselves; None is none.
        :raises Fatal: `not_found`.
        """
        answer = await self.call("tunnels.close", {"tunnel": tunnel, "drain": drain or 0.0})
        return TunnelStatus.from_dict(answer["tunnel"])

    async def restart_tunnel(
        self, tunnel: str, *, person: Who | None = None, far_within: float = 0.0
    ) -> TunnelStatus:
        """Open the forwards of a tunnel again, and its connection if that is not open.

        :param far_within: as in `open_tunnel`.
        :raises RemoteTunnelError: `not_found`, or why it is not open.
        """
        params = {"tunnel": tunnel, "far_within": far_within}
        answer = await self.call("tunnels.restart", {**params, **_asking(person)})
        return TunnelStatus.from_dict(answer["tunnel"])

    async def list_hosts(self) -> HostList:
        """The aliases of the ssh configuration, and the other hosts that have tunnels."""
        answer = await self.call("hosts.list")
        hosts = (Host(**_with_tuples(item)) for item in answer["hosts"])
        problem = answer["problem"]
        return HostList(tuple(hosts), None if problem is None else ErrorStatus(**problem))

    async def resolve_host(self, request: TunnelRequest) -> dict[str, Any]:
        """What ssh would use for the host of `request` (without forwards): `ResolvedHost`, plain.

        :raises RemoteTunnelError: it is not allowed, or its configuration cannot be read.
        """
        return await self.call("hosts.resolve", {"request": request.as_dict()})

    async def exec(
        self,
        request: TunnelRequest | None,
        argv: Sequence[str],
        stdin: bytes = b"",
        *,
        tunnel: str | None = None,
        timeout: float = 30.0,
        person: Who | None = None,
    ) -> Output:
        """Run `argv` on the host of `request` (without forwards); `timeout` in seconds.

        :param tunnel: the id or name of a tunnel whose host it is; `request` is None then.
        :raises RemoteTunnelError: the host is not reached, the command takes longer, or says more
            than a message holds.
        """
        params = {
            "request": None if request is None else request.as_dict(),
            "tunnel": tunnel,
            "argv": list(argv),
            "stdin": base64.b64encode(stdin).decode(),
            "timeout": timeout,
            **_asking(person),
        }
        answer = await self.call("exec", params)
        stdout, stderr = (base64.b64decode(answer[stream]) for stream in ("stdout", "stderr"))
        return Output(answer["status"], stdout, stderr)

    async def how_to_start(self, request: TunnelRequest, prelude: str | None) -> Starting:
        """How a Jupyter server is to be started on the host of `request` (without forwards).

        :param prelude: what is wished to be run before; None is what is configured.
        :raises RemoteTunnelError: the host, or this wish, is not allowed.
        """
        params = {"request": request.as_dict(), "prelude": prelude}
        return Starting(**await self.call("jupyters.how_to_start", params))

    async def read_file(
        self, request: TunnelRequest, path: str, *, person: Who | None = None
    ) -> bytes:
        """The content of a small file on the host of `request` (without forwards).

        :raises RemoteTunnelError: the host is not reached, the file not read, or too large.
        """
        params = {"request": request.as_dict(), "path": path, **_asking(person)}
        answer = await self.call("read_file", params)
        return base64.b64decode(answer["data"])

    async def diagnose(
        self,
        request: TunnelRequest | None,
        *,
        tunnel: str | None = None,
        gateway_ports: bool = False,
        person: Who | None = None,
        on_step: Callable[[Step], None] | None = None,
    ) -> Diagnosis:
        """Have the doctor walk to the host of `request` and to where its local forwards lead, if it
        has some, or as a tunnel does. It ends when the caller goes away.

        :param tunnel: the id or name of that tunnel; `request` is None then.
        :param gateway_ports: whether the host is asked to listen on all its interfaces, for a
            moment.
        :param on_step: called on the loop with each step when it is over.
        :raises Fatal: the host is not allowed. What is wrong with it is a step that failed.
        """
        walk = str(next(self._ids))

        def hear(event: Event) -> None:
            if on_step is not None and event.name == "step" and event.data["walk"] == walk:
                on_step(Step.from_dict(event.data["step"]))

        params = {
            "request": None if request is None else request.as_dict(),
            "tunnel": tunnel,
            "gateway_ports": gateway_ports,
            "walk": walk,
            "steps": on_step is not None,
            **_asking(person),
        }
        end = self.subscribe(hear)
        try:
            return Diagnosis.from_dict(await self.call("doctor", params))
        except asyncio.CancelledError:
            self._ask_unanswered("doctor.end", {"walk": walk})
            raise
        finally:
            end()

    async def list_prompts(self) -> list[Prompt]:
        """The questions that wait for the holder of this connection, the oldest first."""
        answer = await self.call("prompts.list")
        return [Prompt.from_dict(item) for item in answer["prompts"]]

    async def answer_prompt(self, prompt: str, answer: Answer) -> None:
        """Answer the question of that id.

        :raises Fatal: `not_found`, it waits no more.
        :raises BadInput: it takes another number of answers.
        """
        params = {"prompt": prompt, "answers": answer.answers, "remember": answer.remember}
        await self.call("prompts.answer", params)

    async def cancel_prompt(self, prompt: str) -> None:
        """Give up what the question of that id is asked for.

        :raises Fatal: `not_found`, it waits no more.
        """
        await self.call("prompts.cancel", {"prompt": prompt})

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call `callback` on the loop for each event, and with `LOST` as the last one.

        The returned function ends that.
        """
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    def events(self) -> AsyncGenerator[Event, None]:
        """The events from this call on, until the connection is lost. Close what this gives.

        A reader that is slower than they come gets the newest of each tunnel.
        """
        news: Latest[Event] = Latest()
        end = self.subscribe(lambda event: news.put(event_key(event.name, event.data), event))
        if self.lost.is_set():
            news.put(LOST.name, LOST)
        return _until_lost(news, end)

    async def close(self) -> None:
        """Hang up. Calls that wait fail with `engine_died`; what they asked for goes on."""
        self._task.cancel()
        await asyncio.wait([self._task])
        await _hang_up(self._writer)

    async def _read(self) -> None:
        try:
            while line := await self._reader.readline():
                self._take(json.loads(line))
        except (OSError, ValueError, RecursionError):
            pass  # a line that is no message, or too long: not an engine of ours
        finally:
            self.lost.set()
            self._writer.close()
            self._fail_all(_died())
            self._tell(LOST)

    def _take(self, message: Mapping[str, Any]) -> None:
        if "event" in message:
            self._tell(Event(message["event"], message.get("data")))
            return
        error = message.get("error")
        if message.get("id") is None and error is not None:
            self._fail_all(from_dict(error))  # about the connection: the engine hangs up after it
            return
        answer = self._waiting.get(message["id"])
        if answer is None or answer.done():
            return  # nobody waits for it any more
        if error is not None:
            answer.set_exception(from_dict(error))
        else:
            answer.set_result(message["result"])

    def _tell(self, event: Event) -> None:
        loop = asyncio.get_running_loop()
        for callback in tuple(self._callbacks):
            loop.call_soon(callback, event)  # one that raises ends neither us nor the others

    def _fail_all(self, error: RemoteTunnelError) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(error)


async def _until_lost(news: Latest[Event], end: Callable[[], None]) -> AsyncGenerator[Event, None]:
    try:
        while (event := await news.get()) is not LOST:
            yield event
    finally:
        end()


def _with_tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a dataclass whose lists are tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}


def _asking(person: Who | None) -> dict[str, Any]:
    return {"person": None if person is None else asdict(person)}


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _unavailable(message: str) -> Fatal:
    return Fatal(
        message,
        code="engine_unavailable",
        hint="See the log of the Jupyter server, or start `jupyter tunnel open` anew.",
    )


def _died() -> Transient:
    return Transient(
        "The engine of the tunnels ended before it answered.",
        code="engine_died",
        hint="It is started again by itself. Look at the list, then try again.",
    )
