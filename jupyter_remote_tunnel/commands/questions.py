"""The engine's questions, put to the person who typed a command.

A `Desk` stands between a client and a `Face` (the terminal, or a notebook's cell): it takes each
question as the engine sends it, one after the other, and gives back what was answered. One that the
engine withdraws meanwhile, as somebody else has answered it or the host has gone, is taken away.
Whoever sits here is asked about their own command only.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from ..engine.client import EngineClient, Event
from ..model.errors import BadInput, NeedsUser, RemoteTunnelError
from ..model.password import refuse_weak
from ..model.prompt import Answer, Prompt, Question
from ..model.text import framed, plain

_YES = ("yes", "y")
_NO = ("no", "n", "")
_REMEMBER = ("remember", "r")
_FINGERPRINT = "sha256:"

NOT_KNOWN = "It is not known whether the password was set"
"""Of one whose setting was interrupted."""


class GaveUp(Exception):
    """The person, or whatever sits there, does not answer."""


class Face(Protocol):
    """Where a person reads and types."""

    @property
    def columns(self) -> int:
        """How many characters stand in a row there."""

    async def show(self, lines: Sequence[str]) -> None:
        """Show some lines."""

    async def ask(self, label: str, *, echo: bool) -> str:
        """What is typed behind `label`; seen, if `echo` is true and nothing keeps it.

        :raises GaveUp: nothing is.
        :raises BadInput: it is no text.
        """
        raise NotImplementedError

    async def choose(self, label: str) -> str:
        """A word that is no secret.

        :raises GaveUp: nothing is typed.
        """
        raise NotImplementedError


async def new_password(face: Face | None, label: str) -> str:
    """A password, typed twice.

    :raises NeedsUser: it cannot be asked for, or is not given: Ctrl-C is told, too.
    :raises BadInput: it is one that is guessed fast, or the second one is another.
    """
    if face is None:
        raise NeedsUser(
            "A password is typed, and there is nowhere to type it.",
            hint="Run this in a terminal, or in a notebook's cell.",
        )
    none = "No password was typed: it is as it was."
    try:
        with told_by_ctrl_c(none):
            password = await face.ask(label, echo=False)
            refuse_weak(password)  # before it is typed again
            again = await face.ask("The same again: ", echo=False)
    except GaveUp:
        raise NeedsUser(none) from None
    if password != again:
        raise BadInput("The two passwords differ: it is as it was.")
    return password


@contextlib.contextmanager
def told_by_ctrl_c(message: str) -> Iterator[None]:
    """Tell whoever ends this block by Ctrl-C what became of it, of which nothing else is seen."""
    try:
        yield
    except asyncio.CancelledError:
        raise NeedsUser(message) from None


class Desk:
    """Asks what the engine asks of the holder of `client`, until it is closed."""

    def __init__(self, client: EngineClient, face: Face) -> None:
        self._client = client
        self._face = face
        self._one_at_a_time = asyncio.Lock()
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._end = client.subscribe(self._hear)

    async def close(self) -> None:
        """Ask nothing more."""
        self._end()
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        if asking:
            await asyncio.wait(asking)

    def _hear(self, event: Event) -> None:
        if event.name == "prompt":
            prompt = Prompt.from_dict(event.data["prompt"])
            if prompt.id not in self._asking:
                loop = asyncio.get_running_loop()
                task = loop.create_task(self._put(prompt), name=f"question {prompt.id}")
                self._asking[prompt.id] = task
                task.add_done_callback(lambda task: task.cancelled() or task.exception())
        elif event.name == "prompt_closed" and event.data["prompt"] in self._asking:
            self._asking.pop(event.data["prompt"]).cancel()

    async def _put(self, prompt: Prompt) -> None:
        async with self._one_at_a_time:
            # What is not waited for any more has another answer: that to the command.
            with contextlib.suppress(RemoteTunnelError):
                try:
                    answer = await answer_to(prompt, self._face)
                except GaveUp:
                    await self._client.cancel_prompt(prompt.id)
                    return
                if answer is not None:
                    await self._client.answer_prompt(prompt.id, answer)


async def answer_to(prompt: Prompt, face: Face) -> Answer | None:
    """What the person at `face` answers; None where it takes no answer.

    :raises GaveUp: they do not.
    """
    question = prompt.question
    await face.show(lines_of(prompt, face.columns))
    if question.kind == "notice":
        return None
    if question.kind == "host_key":
        return await _judgement(question, face)
    while True:
        try:
            given = [await _typed(question, number, face) for number in range(question.answers)]
            answer = Answer(tuple(given))
        except BadInput as error:
            await face.show([error.message])
            continue
        if question.kind == "passphrase" and given != [""]:
            return Answer(answer.answers, await _keeps(face))
        return answer


async def _judgement(question: Question, face: Face) -> Answer:
    """What becomes of a host key. As with ssh, its fingerprint is a yes: whoever types that, or
    pastes what ssh-keygen printed on the host, has it compared."""
    key = question.host_key
    assert key is not None
    can_remember = key.file is not None
    words = "yes, remember, no" if can_remember else "yes, no"
    while True:
        typed = await face.choose(f"Accept it ({words}, or its fingerprint)? ")
        word = typed.strip().lower()
        if word in _YES or key.fingerprint in typed.split():
            return Answer()
        if word in _REMEMBER and can_remember:
            return Answer(remember=True)
        if word in _NO:
            raise GaveUp
        if _FINGERPRINT in word:
            await face.show(["That is the fingerprint of another key. Ask who runs the host."])
        else:
            await face.show([f"Please type one of these words: {words}. Or the fingerprint."])


async def _typed(question: Question, number: int, face: Face) -> str:
    """The answer to one field. What a host asks is framed, so that it cannot pose as ours."""
    field = question.fields[number]
    if question.kind != "keyboard_interactive":
        return await face.ask(f"{field.label}: ", echo=field.echo)
    *before, label = framed(field.label.split("\n"), face.columns)
    await face.show(before)
    return await face.ask(f"{label} ", echo=field.echo)


async def _keeps(face: Face) -> bool:
    word = await face.choose("Keep this key open until the engine of the tunnels ends (yes, no)? ")
    return word.strip().lower() in _YES


def lines_of(prompt: Prompt, columns: int) -> list[str]:
    """What a person has to know before they answer."""
    question, hop, login = prompt.question, plain(prompt.hop), plain(prompt.login)
    lines = framed(question.says.splitlines(), columns)
    if lines:
        lines.insert(0, f"{hop} says:")
    again = question.tries > 1
    match question.kind:
        case "host_key":
            return _about_key(question, hop, login)
        case "password":
            wrong = ["That was not the right one."] if again else []
            return [*lines, *wrong, f"{hop} asks for the password of {login}."]
        case "new_password":
            wrong = ["The new passwords were not the same."] if again else []
            return [*lines, *wrong, f"{hop} wants another password for {login}."]
        case "passphrase":
            wrong = ["That did not open it."] if again else []
            return [*lines, *wrong, f"{hop} takes the key {plain(question.path or '')}."]
        case "keyboard_interactive":
            return [*lines, f"{hop} asks {login}{' again' if again else ''}:"]
        case "notice":
            return lines or [f"Touch your security key, for {hop}."]


def _about_key(question: Question, hop: str, login: str) -> list[str]:
    key = question.host_key
    assert key is not None
    lines = [
        f"The host key of {hop} ({login}) is not known. It is the {plain(key.type)} key",
        f"  {plain(key.fingerprint)}",
        *([plain(key.certificate)] if key.certificate else []),
        "Compare that with the fingerprint that you have from whoever runs the host.",
    ]
    once = "“yes” trusts it while its tunnels are open"
    if key.file is None:
        lines.append(f"{once}.")
    else:
        where = f"{plain(key.file, 1000)} as {plain(key.name)}"
        lines.append(f"{once}; “remember” also writes it to {where}.")
    return lines
