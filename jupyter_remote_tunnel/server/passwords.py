"""The password of this Jupyter: whether it is one of those that are tried first, and a new one.
What is none for the outside, `model.password` says.

A new one is hashed and written as `jupyter server password` does it, and counts at once.
"""

import getpass
import socket
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider
from jupyter_server.auth.security import passwd, passwd_check

from ..engine.folders import make_folder, write_private
from ..model.errors import Fatal
from ..model.password import FIRST, refuse_weak
from ..model.text import plain
from .config_files import config_file, dump, parse, read_own, section

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

_CLASS = PasswordIdentityProvider.__name__


def guesses(*names: str) -> tuple[str, ...]:
    """What would be tried first: common passwords, and names that go with this machine."""
    words = [*_names_here(), *names]
    return tuple(dict.fromkeys((*FIRST, *filter(None, words))))


def _names_here() -> Iterable[str]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # without a name
        user = ""
    return user, socket.gethostname()


def is_guessed(hashed: str, words: Iterable[str]) -> bool:
    """Whether one of `words` is the password. Takes some seconds: call it on a thread."""
    return any(_is(hashed, word) for word in words)


@lru_cache(maxsize=256)
def _is(hashed: str, word: str) -> bool:
    return bool(passwd_check(hashed, word))  # type: ignore[no-untyped-call]


def set_password(server: "ServerApp", password: str) -> Path:
    """Set it for this server, now and when it is started again. Blocks: call it on a thread.

    :returns: the file that it was written to.
    :raises BadInput: it is no password for the outside.
    :raises Fatal: this server has no password of its own, or the file cannot be written.
    """
    provider = server.identity_provider
    if not isinstance(provider, PasswordIdentityProvider):
        raise _decided_elsewhere(provider)
    refuse_weak(password, _names_here())
    hashed: str = passwd(password)  # type: ignore[no-untyped-call]
    path = config_file(server)
    try:
        _write(path, hashed)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Fatal(
            f"The password is not set: {plain(str(path), 300)} cannot be written ({reason}).",
            code="not_allowed",
            hint="Correct that file, or its folder's permissions. Where it is a link, put the file"
            " itself there.",
        ) from None
    provider.hashed_password = hashed
    return path


def _write(path: Path, hashed: str) -> None:
    """:raises OSError: it cannot be read or written, or others can write it.
    :raises ValueError: what stands there is no configuration, or a link.
    """
    content = read_own(path)
    config = parse(content) if content else {}
    section(config, "IdentityProvider")["hashed_password"] = hashed
    # Where the file has it under the name of the class, that one counts.
    if _CLASS in config and "hashed_password" in section(config, _CLASS):
        section(config, _CLASS)["hashed_password"] = hashed
    make_folder(path.parent)
    write_private(path, dump(config))


def _decided_elsewhere(provider: IdentityProvider) -> Fatal:
    return Fatal(
        f"Who may enter this Jupyter is decided by {type(provider).__name__}, not by a password of"
        " its own.",
        code="unsupported",
        hint="Set the password where that keeps it.",
    )
