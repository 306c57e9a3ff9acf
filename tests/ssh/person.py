"""A person who is asked while the code under test connects, and how they answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from typing_extensions import override

from jupyter_remote_tunnel.model.errors import NeedsUser, RemoteTunnelError
from jupyter_remote_tunnel.model.prompt import Answer, Question
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.ssh.connecting import Memory, open_connection
from jupyter_remote_tunnel.ssh.connection import Connection
from jupyter_remote_tunnel.ssh.hop import Hop
from jupyter_remote_tunnel.ssh.interview import Asker
from tests.ssh.support import descriptors, route_to, task_names
from tests.support.sshd import SshBed

ONCE = Answer()
FOR_GOOD = Answer(remember=True)
CANCELLED = NeedsUser("You gave up.")


class Person(Asker):
    """Answers questions in turn: with a text, several, an `Answer`, or by giving up.

    `asked` are the questions, `places` the hops they came from, `notices` what wanted no answer.
    """

    def __init__(self, *answers: str | list[str] | Answer | NeedsUser) -> None:
        self.asked: list[Question] = []
        self.places: list[str] = []
        self.notices: list[str] = []
        self._answers = list(answers)

    @override
    async def ask(self, question: Question, hop: Hop) -> Answer:
        self.asked.append(question)
        self.places.append(hop.place)
        await asyncio.sleep(0)
        answer = self._answers.pop(0)
        if isinstance(answer, NeedsUser):
            raise answer
        if isinstance(answer, Answer):
            return answer
        return Answer((answer,) if isinstance(answer, str) else tuple(answer))

    @override
    def notice(self, question: Question, hop: Hop) -> None:
        self.notices.append(question.says)

    @property
    def kinds(self) -> list[str]:
        """What kinds of questions there were."""
        return [question.kind for question in self.asked]

    @property
    def labels(self) -> list[str]:
        """The labels of all fields."""
        return [field.label for question in self.asked for field in question.fields]


class Thinker(Person):
    """Thinks about the first question until `decided` is set, then answers like a `Person`.

    `begun` is set when the question is there, `withdrawn` when it went before it was answered.
    """

    def __init__(self, *answers: str | list[str] | Answer | NeedsUser) -> None:
        super().__init__(*answers)
        self.begun = asyncio.Event()
        self.decided = asyncio.Event()
        self.withdrawn = asyncio.Event()

    @override
    async def ask(self, question: Question, hop: Hop) -> Answer:
        self.begun.set()
        try:
            # Like a real one, it is not the same task that waits.
            await asyncio.wait_for(self.decided.wait(), None)
        except asyncio.CancelledError:
            for _ in range(5):  # and takes leave in its own time
                await asyncio.sleep(0)
            self.withdrawn.set()
            raise
        return await super().ask(question, hop)


def begin(hop: Hop, person: Asker, via: Connection | None = None) -> asyncio.Task[Connection]:
    """Begin an attempt to connect to one hop."""
    attempt = open_connection(hop, via=via, asker=person)
    return asyncio.get_running_loop().create_task(attempt, name="attempt")


@contextlib.asynccontextmanager
async def connected(
    bed: SshBed,
    alias: str,
    person: Asker | None,
    *,
    memory: Memory | None = None,
    options: SshOptions | None = None,
    max_prompts: int = 10,
) -> AsyncIterator[Connection]:
    """The connection to the last hop of a host's route, with somebody who answers."""
    memory = memory or Memory()
    async with contextlib.AsyncExitStack() as stack:
        via: Connection | None = None
        route = await route_to(bed, alias, options)
        for hop in route:
            via = await open_connection(
                hop,
                via=via,
                asker=person,
                memory=memory if hop is route[-1] else Memory(memory.keyring),
                max_prompts=max_prompts,
            )
            stack.push_async_callback(via.close)
        assert via is not None
        yield via


async def failing(
    bed: SshBed,
    alias: str,
    person: Asker | None,
    *,
    memory: Memory | None = None,
    options: SshOptions | None = None,
    max_prompts: int = 10,
) -> RemoteTunnelError:
    """The error with which connecting fails; nothing may be left of the attempt."""
    before = descriptors(), task_names()
    with pytest.raises(RemoteTunnelError) as caught:
        async with connected(
            bed, alias, person, memory=memory, options=options, max_prompts=max_prompts
        ):
            pass
    assert (descriptors(), task_names()) == before
    return caught.value
