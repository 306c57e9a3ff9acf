"""Which passwords are none for the outside."""

import pytest

from jupyter_remote_tunnel.model.errors import BadInput
from jupyter_remote_tunnel.model.password import SHORTEST, guesses, refuse_weak

NAMES = ("ann", "2019777123", "Workstation7.lab.example", "jupyter.example.org", "192.168.1.10")


@pytest.mark.parametrize("password", [word for word in guesses(NAMES) if len(word) >= SHORTEST])
def test_what_is_tried_is_refused(password: str) -> None:
    with pytest.raises(BadInput, match="tried first"):
        refuse_weak(password, NAMES)


@pytest.mark.parametrize(
    "password",
    [
        *("0123456789", "12345678901234", "9876543210", "abcdefghijkl", "qwertyuiopasdf"),
        *("QwertyAsdfgh", "1qaz2wsx3edc", "passwordpassword", "letmeinletmein", "aaaabbbbcccc"),
        *("jupyterjupyter", "Jupyterjupyter1!", "passwordabcdefg", "jupyter2026!!"),
        *("workstation7", "Workstation71", "jupyter.example.org", "JUPYTER.EXAMPLE.ORG2"),
    ],
)
def test_runs_and_repeated_words_are_refused(password: str) -> None:
    with pytest.raises(BadInput, match="tried first"):
        refuse_weak(password, NAMES)


@pytest.mark.parametrize(
    "password",
    [
        *("correct horse", "a n\u00e4w 'word' for $HOME", "82736451920", "my jupyter at home"),
        *("Kq7-abcdef-zW", "passwordless ssh", "k3 annals of tin", "jupyter.elsewhere.org"),
    ],
)
def test_what_holds_something_else_is_taken(password: str) -> None:
    refuse_weak(password, NAMES)
