"""The questions that wait for a person, and who may answer each.

An attempt to connect has an `Audience`: who asked for it, and who joins while it runs. `Inquiry`
puts the questions of one attempt to its audience, `Prompts` holds those of all attempts until they
are answered, cancelled, withdrawn or too old. Nobody else may answer, or see what is asked. Where
nobody is left who may, the question ends at once.
"""

import asyncio
import secrets
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from typing_extensions import override

from ..model.errors import BadInput, Fatal, NeedsUser, RemoteTunnelError
from ..model.prompt import Answer, Prompt, Question
from ..ssh.errors import NOBODY_ASKED
from ..ssh.hop import Hop
from ..ssh.host_keys import UnknownHostKey
from ..ssh.interview import Asker

T = TypeVar("T")


@dataclass(frozen=True)
class Person:
    """Who can be asked.

    :param session: the number of the control connection by which they are reached.
    :param login: which login, where that is a Jupyter server with many; "" where it is one person.
    :param name: how others are told of them.
    """

    session: int
    login: str = ""
    name: str = field(default="", compare=False)


class NobodyThere(NeedsUser):
    """Nobody was there to be asked, or is any more."""

    def __init__(self, hop: Hop) -> None:
        super().__init__(
            f"{hop.place} asks for an answer, and nobody is there to give it.",
            hint=NOBODY_ASKED,
            hop=hop.place,
        )


def needs_person(error: RemoteTunnelError) -> bool:
    """Whether an attempt failed that could go on with a person who can be asked."""
    return isinstance(error, NeedsUser) or (isinstance(error, UnknownHostKey) and error.acceptable)


class Audience:
    """Those who can be asked in one attempt. It may grow while the attempt runs."""

    def __init__(self, changed: Callable[[], None], person: Person | None) -> None:
        """:param changed: called when it has grown."""
        self._changed = changed
        self._people: set[Person] = set() if person is None else {person}
        self._parts: list[Audience] = []

    def add(self, person: Person) -> None:
        """Have this person asked too."""
        self._people.add(person)
        self._changed()

    def include(self, part: "Audience") -> None:
        """Have those of `part` asked too, and who joins it later."""
        if part not in self._parts:
            self._parts.append(part)
            self._changed()

    def __iter__(self) -> Iterator[Person]:
        yield from self._people
        for part in self._parts:
            yield from part


class Listener(Protocol):
    """Who brings prompts to people. Neither may block or raise."""

    def prompt_shown(self, prompt: Prompt, people: Collection[Person]) -> None:
        """These people are asked, or what they see of it has changed."""

    def prompt_closed(self, prompt_id: str, people: Collection[Person]) -> None:
        """They are not asked any more: somebody answered, or it is of no use now."""


@dataclass(eq=False)
class _Waiting:
    """A question that waits; `answer` and `refuse` end that, once.

    `shown` is what was last told, and to whom.
    """

    id: str
    question: Question
    hop: Hop
    audience: Audience
    tunnels: Callable[[], tuple[str, ...]]
    expires: str
    answer: Callable[[Answer], None]
    refuse: Callable[[NeedsUser], None]
    people: frozenset[Person] = frozenset()
    shown: Prompt | None = None

    def prompt(self) -> Prompt:
        """As it is now."""
        return Prompt(
            self.id, self.hop.place, str(self.hop), self.tunnels(), self.expires, self.question
        )


@dataclass(frozen=True)
class Asked:
    """A prompt, and who is asked."""

    prompt: Prompt
    people: Collection[Person]


class Prompts:
    """All questions that wait.

    :param limit: seconds until a question that nobody answers ends.
    """

    def __init__(self, limit: float, listener: Listener) -> None:
        self._limit = limit
        self._listener = listener
        self._sessions: set[int] = set()
        self._waiting: dict[str, _Waiting] = {}

    def enter(self, session: int) -> None:
        """People can be reached by this control connection."""
        self._sessions.add(session)

    def leave(self, session: int) -> None:
        """They cannot any more."""
        self._sessions.discard(session)
        self._look_again()

    def audience(self, person: Person | None = None) -> Audience:
        """A new audience: this person, or nobody yet."""
        return Audience(self._look_again, person)

    def there(self, audience: Iterable[Person]) -> frozenset[Person]:
        """Those of an audience who can be reached."""
        return frozenset(person for person in audience if person.session in self._sessions)

    @property
    def all(self) -> list[Asked]:
        """What waits, the oldest first."""
        return [Asked(waiting.prompt(), waiting.people) for waiting in self._waiting.values()]

    def answer(self, prompt_id: str, answer: Answer, by: Person) -> None:
        """Answer a question.

        :raises Fatal: `not_found`, it waits no more; `not_allowed`, it waits for somebody else.
        :raises BadInput: it takes another number of answers; it goes on waiting.
        """
        waiting = self._of(prompt_id, by)
        wanted, given = waiting.question.answers, len(answer.answers)
        if given != wanted:
            raise BadInput(f"The question takes {wanted} answers, not {given}.")
        if waiting.question.kind == "notice":
            raise BadInput("This takes no answer: it only tells something.")
        self._close(waiting)
        waiting.answer(answer)

    def cancel(self, prompt_id: str, by: Person) -> None:
        """Give up: the attempt that asks ends.

        :raises Fatal: `not_found`, it waits no more; `not_allowed`, it waits for somebody else.
        """
        waiting = self._of(prompt_id, by)
        place = waiting.hop.place
        self._close(waiting)
        hint = _again(waiting.tunnels())
        waiting.refuse(NeedsUser(f"The login to {place} was cancelled.", hint=hint, hop=place))

    def _of(self, prompt_id: str, person: Person) -> _Waiting:
        waiting = self._waiting.get(prompt_id)
        if waiting is None:
            raise Fatal(
                "That question does not wait for an answer any more.",
                code="not_found",
                hint="Somebody has answered it, or it was withdrawn.",
            )
        if person not in waiting.people:
            raise Fatal(
                f"The question of {waiting.hop.place} is not yours to answer.",
                code="not_allowed",
                hint="It waits for the person who opened the tunnel.",
            )
        return waiting

    async def ask(
        self,
        question: Question,
        hop: Hop,
        audience: Audience,
        tunnels: Callable[[], tuple[str, ...]],
    ) -> Answer:
        """The first answer that one of `audience` gives.

        :param tunnels: the ids of those that wait for it.
        :raises NeedsUser: they gave up, did not answer in time, or are not there.
        """
        given: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def answer(answer: Answer) -> None:
            if not given.done():
                given.set_result(answer)

        def refuse(error: NeedsUser) -> None:
            if not given.done():
                given.set_exception(error)

        expires = _iso(datetime.now(UTC) + timedelta(seconds=self._limit))
        waiting = self._show(
            _Waiting(_new_id(), question, hop, audience, tunnels, expires, answer, refuse)
        )
        try:
            async with asyncio.timeout(self._limit):
                return await given
        except TimeoutError:
            raise NeedsUser(
                f"Nobody answered {hop.place} within {self._limit:g} s.",
                hint=_again(tunnels()),
                hop=hop.place,
            ) from None
        finally:
            self._close(waiting)

    def notice(
        self,
        question: Question,
        hop: Hop,
        audience: Audience,
        tunnels: Callable[[], tuple[str, ...]],
        refuse: Callable[[NeedsUser], None],
    ) -> Callable[[], None]:
        """Show what takes no answer until the returned function is called.

        :param refuse: called if somebody gives up.
        """
        waiting = _Waiting(_new_id(), question, hop, audience, tunnels, "", lambda _: None, refuse)
        self._show(waiting)
        return lambda: self._close(waiting)

    def _show(self, waiting: _Waiting) -> _Waiting:
        self._waiting[waiting.id] = waiting
        self._look_again()
        return waiting

    def _close(self, waiting: _Waiting) -> None:
        if self._waiting.pop(waiting.id, None) is not None:
            self._listener.prompt_closed(waiting.id, waiting.people)

    def _look_again(self) -> None:
        """Tell who has come, and end what nobody is left for."""
        for waiting in tuple(self._waiting.values()):
            before, waiting.people = waiting.people, self.there(waiting.audience)
            if not waiting.people:
                waiting.refuse(NobodyThere(waiting.hop))
                continue
            prompt = waiting.prompt()
            new = waiting.people if prompt != waiting.shown else waiting.people - before
            waiting.shown = prompt
            if new:
                self._listener.prompt_shown(prompt, new)


class Inquiry(Asker):
    """What one attempt to connect to one hop asks.

    :param tunnels: the ids of the tunnels that wait for the attempt.
    :param asks: called with whether a person is waited for, when that changes.
    """

    def __init__(
        self,
        prompts: Prompts,
        audience: Audience,
        tunnels: Callable[[], tuple[str, ...]],
        asks: Callable[[bool], None],
    ) -> None:
        self.waits = False
        self._prompts = prompts
        self._audience = audience
        self._tunnels = tunnels
        self._asks = asks
        self._task: asyncio.Task[object] | None = None
        self._refusal: NeedsUser | None = None
        self._withdraw: Callable[[], None] | None = None

    async def run(self, attempt: Coroutine[object, object, T]) -> T:
        """Run the attempt. A person who gives up while it asks nothing ends it all the same.

        :raises NeedsUser: they gave up.
        """
        self._task = asyncio.current_task()
        try:
            return await attempt
        except asyncio.CancelledError:
            if self._refusal is None or (self._task is not None and self._task.uncancel()):
                raise
            raise self._refusal from None
        finally:
            self._task = None
            self._clear()

    @override
    async def ask(self, question: Question, hop: Hop) -> Answer:
        self._clear()
        self._wait(True)
        try:
            return await self._prompts.ask(question, hop, self._audience, self._tunnels)
        finally:
            self._wait(False)

    @override
    def notice(self, question: Question, hop: Hop) -> None:
        self._clear()
        self._wait(True)
        self._withdraw = self._prompts.notice(
            question, hop, self._audience, self._tunnels, self._give_up
        )

    def _give_up(self, error: NeedsUser) -> None:
        if self._task is not None and self._refusal is None:
            self._refusal = error
            self._task.cancel()

    def _clear(self) -> None:
        """What needed no answer is over."""
        if self._withdraw is not None:
            self._withdraw()
            self._withdraw = None
            self._wait(False)

    def _wait(self, waits: bool) -> None:
        self.waits = waits
        self._asks(waits)


def _again(tunnels: tuple[str, ...]) -> str:
    """What to do to be asked again; no tunnel waits where the doctor or a command is asked for."""
    return f"To be asked again, {'open or restart the tunnel' if tunnels else 'begin again'}."


def _new_id() -> str:
    return secrets.token_hex(6)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
