"""Which passwords are none for a Jupyter that others can reach."""

import getpass
import socket
import string
from collections.abc import Iterable
from itertools import pairwise

from .errors import BadInput

SHORTEST = 10
"""Characters of a password."""

# What every list of passwords begins with, and what people think of in front of a Jupyter.
_FIRST = (
    *("123456", "password", "12345678", "qwerty", "123456789", "1234", "abc123", "letmein"),
    *("admin", "secret", "test", "changeme", "password123", "jupyter", "jupyterlab", "notebook"),
)
_COMMON = (
    *("12345", "111111", "1234567", "123123", "1234567890", "654321", "123321", "000000"),
    *("dragon", "baseball", "football", "monkey", "shadow", "master", "qwertyuiop", "mustang"),
    *("superman", "1qaz2wsx", "qazwsx", "123qwe", "killer", "trustno1", "zxcvbnm", "asdfgh"),
    *("iloveyou", "welcome", "root", "passw0rd", "p@ssw0rd", "sunshine", "princess", "starwars"),
    *("python", "anaconda", "jupyterhub", "jupyternotebook", "qwertyuiop123", "1q2w3e4r5t"),
)


# Nothing, and what one key types.
_SHORT = ("", *string.ascii_lowercase, *string.digits)


def names_here() -> tuple[str, str]:
    """The user and this machine, after which passwords are called."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # without a name
        user = ""
    return user, socket.gethostname()


def guesses(names: Iterable[str]) -> tuple[str, ...]:
    """What a hash is tried with, the likely ones first; each costs up to a tenth of a second.

    :param names: that go with the machine.
    """
    first = [*filter(None, names), *_FIRST]
    capital = [word.capitalize() for word in first]
    return tuple(dict.fromkeys((*first, *capital, *_COMMON, *_SHORT)))


# What a finger runs along, to and fro.
_ROWS = (
    *("1234567890", "0123456789", string.ascii_lowercase),
    *("qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx3edc4rfv5tgb"),
)
_NEIGHBOURS = {pair for row in _ROWS for one in (row, row[::-1]) for pair in pairwise(one)}
_LEAST_RUN = 4
_AT_ITS_END = string.digits + "!."


def refuse_weak(password: str, names: Iterable[str] = ()) -> None:
    """Refuses what is in `guesses`, and more, as the password itself is at hand here.

    :param names: that go with the machine, and are tried as well.
    :raises BadInput: it is no password, or one that is guessed fast.
    """
    if not password.isprintable():
        raise BadInput("A password holds no control characters.")
    if len(password) < SHORTEST:
        raise BadInput(f"A password has at least {SHORTEST} characters.")
    typed = password.lower()
    if len(set(typed)) < 4 or _is_common(typed, names):
        raise BadInput("That is one of the passwords that are tried first.")


def _is_common(typed: str, names: Iterable[str]) -> bool:
    """Whether it is made of common words, names and runs alone, and what people put at the end.

    :param typed: in lower case.
    """
    names = tuple(names)
    # Digits alone are of an address: without them, little is left of many a good password.
    labels = (label for name in names for label in name.split(".") if not label.isdigit())
    words = {word.lower() for word in (*_FIRST, *_COMMON, *names, *labels) if word}
    rest = typed
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "")
    rest = _without_runs(rest)
    return rest != typed and not rest.strip(_AT_ITS_END)


def _without_runs(typed: str) -> str:
    runs: list[str] = []
    for one in typed:
        if runs and (runs[-1][-1], one) in _NEIGHBOURS:
            runs[-1] += one
        else:
            runs.append(one)
    return "".join(run for run in runs if len(run) < _LEAST_RUN)
