"""Questions and answers as values: what a host says in them is plain, and answers are not shown."""

import json

import pytest

from jupyter_remote_tunnel.model.errors import BadInput
from jupyter_remote_tunnel.model.prompt import (
    LABEL_LIMIT,
    SAYS_LIMIT,
    Answer,
    Field,
    Prompt,
    Question,
    ShownKey,
    asked,
    said,
)

KEY = ShownKey("ED25519", "SHA256:abc", "[gpu01]:2222", "/home/me/.ssh/known_hosts")
QUESTIONS = [
    Question("host_key", host_key=KEY),
    Question("keyboard_interactive", "Hello", (Field("User: ", True), Field("Code")), tries=2),
    Question("passphrase", fields=(Field("Passphrase"),), path="~/.ssh/id"),
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_prompt_is_the_same_after_a_journey(question: Question) -> None:
    prompt = Prompt("0123456789ab", "gw (hop 1 of 2)", "me@gw:22", ("ab",), "2026-01-01", question)
    assert Prompt.from_dict(json.loads(json.dumps(prompt.as_dict()))) == prompt


def test_an_answer_is_not_shown() -> None:
    assert "secret" not in repr(Answer(("secret",)))
    assert "secret" not in f"{[Answer(('secret',), remember=True)]}"


def test_an_answer_is_text() -> None:
    with pytest.raises(BadInput) as caught:
        Answer(("fine", "secret\ud800"))
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_what_a_server_says_keeps_its_lines_and_nothing_else() -> None:
    assert (
        said("\r\n Be\x1b[31m good\r\n\n\u202eor else\u2028go\n\n") == "Be [31m good\n\nor else\ngo"
    )


@pytest.mark.parametrize("text", ["x" * 10**6, "x\n" * 10**6, "\n" * 10**6 + "x"])
def test_what_a_server_says_is_capped(text: str) -> None:
    assert len(said(text)) <= SAYS_LIMIT
    assert said(text).endswith("…")


def test_the_question_is_in_a_label_whatever_stands_before_it() -> None:
    assert asked("Password: ") == "Password:"
    assert asked("Maintenance.\nPassword: ") == "Maintenance.\nPassword:"
    assert asked("Code:\n\n") == "Code:"
    assert asked("") == ""
    label = asked("x" * 10**6 + "\nPassword: ")
    assert label.endswith("…\nPassword:")
    assert len(label) < SAYS_LIMIT + LABEL_LIMIT
    assert len(asked("x" * 10**6)) == LABEL_LIMIT
