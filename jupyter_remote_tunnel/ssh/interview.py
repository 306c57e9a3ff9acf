"""What SSH asks of a person in one attempt to connect: the questions of one hop, one after the
other.

`Asker` is who can reach a person; this layer does not know how. `Interview` words what asyncssh
hands on, counts the tries, and remembers why a person did not answer: from then on nothing more is
asked or offered, and the attempt ends with that reason.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import asyncssh

from ..model.errors import NeedsUser
from ..model.prompt import Answer, Field, Question, ShownKey, asked, said
from .deadline import Deadline
from .flow import Flow
from .hop import Hop

MAX_FIELDS = 16
"""Answers that a host may want at once. The most that honest ones want is three."""

MAX_PROMPTS = 10
"""Questions in one attempt, where the settings do not say otherwise."""


class Asker(Protocol):
    """Who can reach a person."""

    async def ask(self, question: Question, hop: Hop) -> Answer:
        """The answer, with as many answers as the question has fields.

        :raises NeedsUser: nobody is there, nobody answered in time, or they gave up.
        """
        raise NotImplementedError

    def notice(self, question: Question, hop: Hop) -> None:
        """Show what needs no answer until the next question, or until the attempt is over."""


class Interview:
    """The questions of one attempt to connect to one hop.

    `refusal` is why a person did not answer, and then why the attempt fails; `judged` is whether
    the host was given something that it then had to judge.
    """

    def __init__(
        self, hop: Hop, asker: Asker | None, deadline: Deadline, max_prompts: int = MAX_PROMPTS
    ) -> None:
        self.refusal: NeedsUser | None = None
        self.judged = False
        self._hop = hop
        self._asker = asker
        self._deadline = deadline
        self._left = self._max_prompts = max_prompts
        self._flow = Flow()
        # A host may put another question in the place of one that is not answered yet.
        self._one_at_a_time = asyncio.Lock()
        self._banner = ""
        self._passwords = 0
        self._rounds = 0
        self._tries = 1

    @property
    def possible(self) -> bool:
        """Whether anybody can be asked."""
        return self._asker is not None and self.refusal is None

    def connected(self, flow: Flow) -> None:
        """The connection on whose behalf is asked from now on."""
        self._flow = flow

    def connection_lost(self) -> None:
        """The connection has ended. Where that was in the middle of a question, no answer helps."""
        if self._flow.asking and self.refusal is None:
            self.refusal = NeedsUser(
                f"{self._hop.place} ended the login before it was answered.",
                hint="Restart the tunnel to be asked again. A host does not wait for long, mostly"
                " two minutes (LoginGraceTime of its sshd).",
                hop=self._hop.place,
            )

    async def over(self) -> None:
        """Wait until a question that asyncssh has dropped is withdrawn."""
        async with self._one_at_a_time:
            pass

    def heard(self, banner: str) -> None:
        """The server said something before it asked."""
        self._banner = said(f"{self._banner}\n{banner}")

    async def accepts(self, key: ShownKey) -> bool:
        """Whether the person trusts a host key for good; if not, for this once.

        :raises NeedsUser: they do not trust it, or did not answer.
        """
        self._flow = Flow()  # the connection that showed it is gone, and there is none yet
        answer = await self._ask(Question("host_key", host_key=key))
        if answer is None:
            assert self.refusal is not None
            raise self.refusal
        return answer.remember

    async def password(self) -> str | None:
        """The password, None when there were tries enough."""
        if self._passwords >= self._hop.password_prompts:
            return None
        self._passwords += 1
        question = Question("password", self._said(), (Field("Password"),), tries=self._passwords)
        answer = await self._ask(question)
        if answer is None:
            return None
        self.judged = True
        return answer.answers[0]

    async def new_password(self, prompt: str) -> tuple[str, str] | None:
        """The old and the new password. The server says why in `prompt`."""
        says = self._said(prompt)
        fields = (Field("Old password"), Field("New password"), Field("New password again"))
        tries = 1
        while answer := await self._ask(Question("new_password", says, fields, tries=tries)):
            old, new, again = answer.answers
            if new == again:
                self.judged = True
                return old, new
            tries += 1
        return None

    def begin_round(self) -> bool:
        """Whether to let the host ask what it likes, once more."""
        self._rounds += 1
        self._tries = self._rounds
        return self.possible and self._rounds <= self._hop.password_prompts

    async def challenge(
        self, name: str, instruction: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        """The answers to what a host asks, None if there are none."""
        says = self._said(name, instruction)
        if not prompts:
            # It waits for something else, such as a tap on a phone, or only ends the round.
            self.judged = True
            return [] if not says or self._notice(says) else None
        if len(prompts) > MAX_FIELDS:
            self._stop(f"asks for {len(prompts)} answers at once.")
            return None
        fields = tuple(Field(asked(label), echo) for label, echo in prompts)
        # Only the first question of a round comes after a wrong answer: at the next one it would
        # say so of the answer just given, which may well be right.
        tries, self._tries = self._tries, 1
        answer = await self._ask(Question("keyboard_interactive", says, fields, tries=tries))
        if answer is None:
            return None
        self.judged = True
        return list(answer.answers)

    async def passphrase(self, path: str, tries: int) -> Answer | None:
        """What opens an identity file, and whether to keep it open."""
        return await self._ask(
            Question("passphrase", fields=(Field("Passphrase"),), tries=tries, path=path)
        )

    def touch(self) -> None:
        """A security key waits to be touched."""
        self._notice("")

    def _notice(self, says: str) -> bool:
        """Show what needs no answer, if it is not too much by now."""
        if self._asker is None or not self._may_show():
            return False
        self._asker.notice(Question("notice", says), self._hop)
        return True

    def _said(self, *texts: str) -> str:
        """What the server said up to now, once."""
        said_before, self._banner = self._banner, ""
        return said("\n".join(text for text in (said_before, *texts) if text.strip()))

    async def _ask(self, question: Question) -> Answer | None:
        """The answer; None if there is none, and `refusal` says why.

        :raises asyncssh.ConnectionLost: the host has gone.
        """
        async with self._one_at_a_time:
            if self._asker is None or not self._may_show():
                return None
            if self._flow.ended:
                raise asyncssh.ConnectionLost("nobody there to be answered")
            self._flow.asking = True
            try:
                with self._deadline.standing_still():
                    return await self._asker.ask(question, self._hop)
            except asyncio.CancelledError:
                # What is being typed to us (a passphrase) must not become the answer to the host's
                # next question, however fast that stands in its place.
                if not self._flow.ended:
                    self._stop("took a question back before it was answered.")
                raise
            except NeedsUser as error:
                self.refusal = error
                return None
            finally:
                self._flow.asking = False

    def _may_show(self) -> bool:
        """Whether one more question is shown."""
        if self.refusal is not None:
            return False
        if not self._left:
            self._stop(f"wants to ask more than {self._max_prompts} questions in one login.")
            return False
        self._left -= 1
        return True

    def _stop(self, what: str) -> None:
        """Ask nothing more."""
        self.refusal = NeedsUser(
            f"{self._hop.place} {what}",
            hint=f"Does “ssh {self._hop.alias}” work in a terminal?",
            hop=self._hop.place,
        )
