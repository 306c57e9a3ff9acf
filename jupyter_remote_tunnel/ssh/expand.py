"""What `ssh -G` leaves unexpanded in its values: `~`, `${VARIABLE}` and the tokens of
ssh_config(5)."""

import getpass
import hashlib
import os
import pwd
import re
import socket
from dataclasses import dataclass
from pathlib import Path

from ..model.errors import BadInput
from ..model.text import plain

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_TOKEN = re.compile(r"%(.)")


@dataclass(frozen=True)
class Tokens:
    """What the tokens stand for: `%n` the alias as typed, `%h` host name, `%p` port, `%r` remote
    user, `%k` key alias."""

    alias: str
    host: str
    port: int
    user: str
    host_key_alias: str

    def value(self, letter: str) -> str | None:
        """What `%letter` stands for, None where ssh_config(5) knows no such token here."""
        plain_ones = {
            "%": "%",
            "d": home_directory(),
            "h": self.host,
            "i": str(os.getuid()),
            "j": "",
            "k": self.host_key_alias,
            "L": socket.gethostname().partition(".")[0],
            "l": socket.gethostname(),
            "n": self.alias,
            "p": str(self.port),
            "r": self.user,
            "u": local_user(),
        }
        if letter == "C":
            joined = "".join(plain_ones[part] for part in "lhprj")
            return hashlib.sha1(joined.encode(), usedforsecurity=False).hexdigest()
        return plain_ones.get(letter)


def expand(text: str, tokens: Tokens, *, home: bool = True) -> str:
    """`text` with its tokens and environment variables (and, if `home`, its `~`) replaced.

    :raises BadInput: it names an environment variable that is not set, or a user whom nobody knows.
    """
    if home:
        if text == "~" or text.startswith("~/"):
            text = home_directory() + text[1:]
        elif text.startswith("~"):
            text = _home_of_another(text)
        text = _VARIABLE.sub(_environment, text)
    return _TOKEN.sub(lambda found: _known(tokens.value(found[1]), found[0]), text)


class Expander:
    """`expand` for one host. It remembers how it was written what names an environment variable:
    `written` holds that by what it is expanded to. The one who asked may not know its value."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.written: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        """`text` expanded.

        :raises BadInput: as `expand`.
        """
        expanded = expand(text, self.tokens)
        if _VARIABLE.search(text):
            self.written[expanded] = text
        return expanded

    def variable(self, name: str) -> str:
        """The value of `$NAME`, "" if it has none."""
        value = os.environ.get(name.removeprefix("$"), "")
        self.written[value] = name
        return value

    def shown(self, path: str) -> str:
        """A path as an error may name it."""
        return self.written.get(path, path)


def _home_of_another(text: str) -> str:
    try:
        return str(Path(text).expanduser())
    except RuntimeError:
        user = plain(text[1:].partition("/")[0])
        raise BadInput(f"The configuration of ssh names ~{user}, a user unknown here.") from None


def _known(value: str | None, token: str) -> str:
    return token if value is None else value


def _environment(found: re.Match[str]) -> str:
    value = os.environ.get(found[1])
    if value is None:
        raise BadInput(
            f"The configuration of ssh names the variable {found[1]}, which is not set here.",
        )
    return value


def home_directory() -> str:
    """Where ssh looks for `~`: the password database says so, not HOME."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return str(Path("~").expanduser())


def local_user() -> str:
    """The name of the user who runs this.

    :raises BadInput: this machine has no name for them.
    """
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        pass
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise BadInput(
            "This machine has no name for your user id.", hint="Type user@host."
        ) from None


def user_shell() -> str:
    """The shell that ssh runs a ProxyCommand with."""
    return os.environ.get("SHELL") or "/bin/sh"
