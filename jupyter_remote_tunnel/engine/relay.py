"""What a client asks the Jupyter server that holds this engine, and what that answers.

The engine understands nothing of it. So a shell and a cell reach the Jupyter server over the
control socket alone, and need no token.
"""

import asyncio
import itertools
from collections.abc import Callable, Collection
from typing import Any, NamedTuple, Protocol

from ..model.errors import BadInput, Fatal, RemoteTunnelError
from . import messages
from .messages import Caller


class Subscriber(Protocol):
    """A client that hears events."""

    caller: Caller

    def event(self, name: str, data: dict[str, Any], key: str) -> None:
        """Send an event."""


class _Waiting(NamedTuple):
    """Who asked, by which name, whom, and what comes of it."""

    asker: Subscriber
    ask: str
    server: Subscriber
    answer: "asyncio.Future[dict[str, Any]]"


class Relay:
    """What waits for an answer.

    :param subscribers: all clients there are; looked at again for each question.
    :param patience: seconds until the server has come, too.
    """

    def __init__(self, subscribers: Collection[Subscriber], patience: float = 10.0) -> None:
        self._subscribers = subscribers
        self._patience = patience
        self._waiting: dict[str, _Waiting] = {}
        self._numbers = itertools.count(1)
        self._entered = asyncio.Event()
        self.methods: dict[str, Callable[..., Any]] = {
            "server.ask": self._ask,
            "server.tell": self._tell,
            "server.answer": self._answer,
        }

    def enter(self) -> None:
        """There is one client more."""
        self._entered.set()
        self._entered = asyncio.Event()

    def leave(self, subscriber: Subscriber) -> None:
        """A client has gone: what it was asked will not be answered."""
        for waiting in self._waiting.values():
            if waiting.server is subscriber and not waiting.answer.done():
                waiting.answer.set_exception(_gone())

    async def _ask(self, params: messages.AskServer, caller: Caller) -> messages.ServerAnswer:
        asker = self._by_session(caller.session)
        server = await self._server()
        if asker is None:
            raise _no_server()
        ask, answer = str(next(self._numbers)), asyncio.get_running_loop().create_future()
        self._waiting[ask] = _Waiting(asker, params.ask, server, answer)
        asked = {"question": params.question, "client": caller.client, "params": params.params}
        server.event("asked", {"ask": ask, **asked}, f"asked {ask}")
        try:
            return messages.ServerAnswer(await answer)
        except asyncio.CancelledError:
            server.event("ask_ended", {"ask": ask}, f"ask_ended {ask}")
            raise
        finally:
            del self._waiting[ask]

    async def _server(self) -> Subscriber:
        """The server's session, which may come a moment after the engine was started.

        :raises Fatal: none comes.
        """
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    for one in self._subscribers:
                        if one.caller.client == "server":
                            return one
                    await self._entered.wait()
        except TimeoutError:
            raise _no_server() from None

    async def _tell(self, params: messages.TellAsker, caller: Caller) -> messages.Empty:
        if (waiting := self._waiting_for(params.ask, caller)) is not None:
            data = {"ask": waiting.ask, "line": params.line}
            waiting.asker.event("told", data, f"told {next(self._numbers)}")
        return messages.Empty()

    async def _answer(self, params: messages.AnswerAsker, caller: Caller) -> messages.Empty:
        waiting = self._waiting_for(params.ask, caller)
        if (params.result is None) == (params.error is None):
            raise BadInput("server.answer: give a result, or an error.")
        if waiting is not None and not waiting.answer.done():
            if params.result is not None:
                waiting.answer.set_result(params.result)
            elif params.error is not None:
                waiting.answer.set_exception(params.error.as_exception())
        return messages.Empty()

    def _waiting_for(self, ask: str, caller: Caller) -> _Waiting | None:
        """What waits for an answer of that client; None where nobody does any more."""
        waiting = self._waiting.get(ask)
        is_theirs = waiting is not None and waiting.server.caller.session == caller.session
        return waiting if is_theirs else None

    def _by_session(self, session: int) -> Subscriber | None:
        return next((one for one in self._subscribers if one.caller.session == session), None)


def _no_server() -> RemoteTunnelError:
    return Fatal(
        "No Jupyter server holds this engine: there is nothing to ask.",
        code="engine_unavailable",
        hint="Start JupyterLab with this extension, and ask again.",
    )


def _gone() -> RemoteTunnelError:
    return Fatal(
        "The Jupyter server ended before it answered.",
        code="engine_unavailable",
        hint="Its log says more.",
    )
