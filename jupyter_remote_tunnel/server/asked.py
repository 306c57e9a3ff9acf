"""What a shell and a cell ask this Jupyter server, by way of the engine: `QUESTIONS`.

Who asks is a process of this user, so it needs no login. What the gateway wants to know is asked by
who asks, before: the connection is shared.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ..engine.client import EngineClient, Event
from ..model.errors import Fatal, RemoteTunnelError
from ..model.publication import Check, PublishRequest
from ..model.status import ErrorStatus
from ..model.text import plain

if TYPE_CHECKING:
    import logging

    from .publishing import Publishing

T = TypeVar("T")
Line = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Nothing:
    """Takes nothing."""


@dataclass(frozen=True)
class Named:
    """One publication, by id or name; `hours` from now on, where its end is meant."""

    publication: str
    hours: float | None = None


@dataclass(frozen=True)
class Password:
    """A new password; `name` is the one that it is to be published under, if that is known."""

    password: str = field(repr=False)
    name: str = ""


@dataclass(frozen=True)
class Below:
    """The path below which it is to be found; "" is as it is."""

    prefix: str = ""


@dataclass(frozen=True)
class Write:
    """A change that was shown, to be written."""

    setting: str
    seen: str
    prefix: str = ""


class Asked:
    """Answers what the engine's other clients ask.

    :param publishing: gives who publishes.
    :param questions: what can be asked of it; None is `QUESTIONS`.
    """

    def __init__(
        self,
        publishing: Callable[[], object],
        log: "logging.Logger",
        questions: "Questions | None" = None,
    ) -> None:
        self._publishing = publishing
        self._log = log
        self._questions = QUESTIONS if questions is None else questions
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def hear(self, client: EngineClient, event: Event) -> None:
        """An event of the engine, on the connection that takes the answer."""
        if event.name == "asked":
            ask = event.data["ask"]
            answer = self._answer(client, ask, event.data["question"], event.data["params"])
            task = asyncio.get_running_loop().create_task(answer, name=f"answer {ask}")
            self._tasks[ask] = task
            task.add_done_callback(lambda _: self._tasks.pop(ask, None))
        elif event.name == "ask_ended" and event.data["ask"] in self._tasks:
            self._tasks[event.data["ask"]].cancel()

    async def finish(self) -> bool:
        """Wait for what is being answered; whether there was something."""
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks)
        return bool(tasks)

    async def close(self) -> None:
        """Answer nothing more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _answer(
        self, client: EngineClient, ask: str, question: str, params: Mapping[str, Any]
    ) -> None:
        said: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        telling = loop.create_task(_tell(client, ask, said), name=f"lines of answer {ask}")
        try:
            answer = {"ask": ask, **await self._outcome(question, params, said.put_nowait)}
            said.put_nowait(None)
            await telling  # what is told comes before the answer
            await client.call("server.answer", answer)
        except RemoteTunnelError:
            pass  # the engine has ended: nobody waits
        finally:
            telling.cancel()

    async def _outcome(
        self, question: str, params: Mapping[str, Any], line: Line
    ) -> dict[str, Any]:
        try:
            return {"result": await self._result(question, params, line)}
        except RemoteTunnelError as error:
            return {"error": vars(ErrorStatus.of(error))}
        except Exception:  # noqa: BLE001 (it is logged, and who asked is told)
            self._log.exception("%s failed", question)
            mistake = Fatal("The Jupyter server made a mistake of its own.", hint="See its log.")
            return {"error": vars(ErrorStatus.of(mistake))}

    async def _result(self, question: str, params: Mapping[str, Any], line: Line) -> dict[str, Any]:
        from ..engine.checking import read

        known = self._questions.get(question)
        if known is None:
            raise Fatal(f"This server does not know “{plain(question, 60)}”.", code="unsupported")
        kind, answer = known
        return await answer(self._publishing(), read(kind, dict(params), question), line)


async def _tell(
    client: EngineClient, ask: str, said: "asyncio.Queue[dict[str, Any] | None]"
) -> None:
    while (line := await said.get()) is not None:
        await client.call("server.tell", {"ask": ask, "line": line})


def _each(line: Line) -> Callable[[Check], None]:
    return lambda check: line({"check": check.as_dict()})


async def _list(publishing: "Publishing", _: Nothing, __: Line) -> dict[str, Any]:
    return {"publications": [one.as_dict() for one in publishing.list()]}


async def _check(publishing: "Publishing", asked: PublishRequest, line: Line) -> dict[str, Any]:
    return (await publishing.check(asked, None, _each(line))).as_dict()


async def _publish(publishing: "Publishing", asked: PublishRequest, line: Line) -> dict[str, Any]:
    return (await publishing.publish(asked, None, _each(line))).as_dict()


async def _site(publishing: "Publishing", asked: PublishRequest, _: Line) -> dict[str, Any]:
    return await publishing.installation(asked, None)


async def _stop(publishing: "Publishing", asked: Named, _: Line) -> dict[str, Any]:
    return {"publication": (await publishing.stop(asked.publication)).as_dict()}


async def _extend(publishing: "Publishing", asked: Named, _: Line) -> dict[str, Any]:
    return {"publication": publishing.extend(asked.publication, asked.hours).as_dict()}


async def _password_file(publishing: "Publishing", _: Nothing, __: Line) -> dict[str, Any]:
    return {"file": str(publishing.password_file)}


async def _set_password(publishing: "Publishing", asked: Password, _: Line) -> dict[str, Any]:
    return {"file": str(await publishing.set_password(asked.password, asked.name))}


async def _settings(publishing: "Publishing", asked: Below, _: Line) -> dict[str, Any]:
    wrong = await publishing.wrong_settings(asked.prefix)
    return {"checks": [check.as_dict() for check in wrong]}


async def _change(publishing: "Publishing", asked: Write, _: Line) -> dict[str, Any]:
    change = await publishing.change_setting(asked.setting, asked.seen, asked.prefix)
    return {"change": change.as_dict()}


Questions = Mapping[str, tuple[type[Any], Callable[..., Awaitable[dict[str, Any]]]]]

QUESTIONS: Questions = {
    "publish": (PublishRequest, _publish),
    "publish.check": (PublishRequest, _check),
    "publish.site": (PublishRequest, _site),
    "publish.list": (Nothing, _list),
    "publish.stop": (Named, _stop),
    "publish.extend": (Named, _extend),
    "publish.password_file": (Nothing, _password_file),
    "publish.set_password": (Password, _set_password),
    "publish.settings": (Below, _settings),
    "publish.change": (Write, _change),
}
"""What can be asked: what it takes, and who answers."""
