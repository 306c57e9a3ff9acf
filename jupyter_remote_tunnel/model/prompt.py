"""What a person is asked while a connection is made, and what they answer.

A `Question` is what SSH wants to know; a `Prompt` is one that waits, with all that a front end
needs to show it. What the remote host said in it is plain text already, and capped: `said` and
`asked` see to that.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .errors import BadInput
from .text import plain

QuestionKind = Literal[
    "host_key", "password", "keyboard_interactive", "new_password", "passphrase", "notice"
]

SAYS_LIMIT = 2000
"""Characters of what a server says."""

LABEL_LIMIT = 200
"""Characters of the last line of a field's label. What goes before it may be SAYS_LIMIT."""


@dataclass(frozen=True)
class Field:
    """One line to type. `echo` is whether it may be seen while it is typed.

    `label` is the server's, in lines: the last one is the question. What stands before it, PAM
    wanted to be read first ("You are required to change your password immediately").
    """

    label: str
    echo: bool = False


@dataclass(frozen=True)
class ShownKey:
    """A host key nobody knows yet: "ED25519", "SHA256:…", the name that known_hosts would hold it
    under, the file it would be written to (None: it cannot be), and why a certificate that the host
    has for it does not count ("": it showed none)."""

    type: str
    fingerprint: str
    name: str
    file: str | None
    certificate: str = ""


@dataclass(frozen=True)
class Question:
    """What SSH wants to know.

    host_key: whether to trust `host_key`; any answer is a yes.
    password, passphrase: one answer. `path` is the identity file.
    keyboard_interactive: an answer for each of `fields`.
    new_password: the old password and the new one, twice.
    notice: nothing; the server only says something. Where it says nothing, a security key waits to
        be touched.

    `says` is the server's own text in lines. `tries` counts from 1: 2 is right after a wrong
    answer, of several questions in one try only the first.
    """

    kind: QuestionKind
    says: str = ""
    fields: tuple[Field, ...] = ()
    tries: int = 1
    host_key: ShownKey | None = None
    path: str | None = None

    @property
    def answers(self) -> int:
        """How many answers it takes."""
        return len(self.fields)


@dataclass(frozen=True)
class Prompt:
    """A question that waits for a person.

    :param id: 12 hexadecimal digits.
    :param hop: where it comes from, as "gw (hop 1 of 2)".
    :param login: "user@host:22".
    :param tunnels: the ids of the tunnels that wait for the answer.
    :param expires: when nobody needs to answer any more, ISO 8601 UTC; "" where nobody needs to
        answer at all.
    """

    id: str
    hop: str
    login: str
    tunnels: tuple[str, ...]
    expires: str
    question: Question

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Prompt":
        """The prompt again that `as_dict` wrote."""
        asked = dict(data["question"])
        key = asked["host_key"]
        asked["host_key"] = None if key is None else ShownKey(**key)
        asked["fields"] = tuple(Field(**each) for each in asked["fields"])
        return cls(**{**data, "tunnels": tuple(data["tunnels"]), "question": Question(**asked)})


@dataclass(frozen=True)
class Answer:
    """What a person answered, in the order of the question's fields.

    :param remember: a host key is written to known_hosts; a passphrase opens its key until the
        engine ends.
    :raises BadInput: an answer is no text (JSON can hold half of a character).
    """

    answers: tuple[str, ...] = field(default=(), repr=False)
    remember: bool = False

    def __post_init__(self) -> None:
        try:
            "".join(self.answers).encode()
        except UnicodeEncodeError:
            # From None: that error holds the answers.
            raise BadInput("What was answered holds characters that are none.") from None


def said(text: str) -> str:
    """What a server says, fit to be shown: its lines, plain and capped."""
    head = text[: SAYS_LIMIT * 4]
    lines = [plain(line, SAYS_LIMIT) for line in head.splitlines()]
    shown = "\n".join(lines).strip("\n")
    if len(shown) > SAYS_LIMIT or len(text) > len(head):
        shown = shown[: SAYS_LIMIT - 1] + "…"
    return shown


def asked(text: str) -> str:
    """What a server wants typed, fit to be a field's label: however much it says before it, the
    question is there."""
    before, _, question = text.rstrip().rpartition("\n")
    return f"{said(before)}\n{plain(question, LABEL_LIMIT)}".strip("\n")
