"""Which passwords are none for a Jupyter that others can reach."""

import string
from collections.abc import Iterable

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


def guesses(names: Iterable[str]) -> tuple[str, ...]:
    """What a hash is tried with, the likely ones first; each costs up to a tenth of a second.

    :param names: that go with the machine.
    """
    first = [*filter(None, names), *_FIRST]
    capital = [word.capitalize() for word in first]
    return tuple(dict.fromkeys((*first, *capital, *_COMMON, *_SHORT)))


def refuse_weak(password: str, names: Iterable[str] = ()) -> None:
    """:param names: that go with the machine, and are tried as well.
    :raises BadInput: it is no password, or one that is guessed fast.
    """
    if not password.isprintable():
        raise BadInput("A password holds no control characters.")
    if len(password) < SHORTEST:
        raise BadInput(f"A password has at least {SHORTEST} characters.")
    known = {word.lower() for word in (*_FIRST, *_COMMON, *names) if word}
    few = len(set(password)) < 4
    if few or password.lower() in known or password.lower().rstrip("0123456789!.") in known:
        raise BadInput("That is one of the passwords that are tried first.")
