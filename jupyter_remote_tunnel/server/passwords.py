"""The password of this Jupyter: whether it is one of those that are tried first, and a new one.
What is none for the outside, `model.password` says.

A new one is hashed and written as `jupyter server password` does it, and counts at once. So that it
counts when Jupyter is started again, too, one by an older name goes from the user's own file, and
where anything but that file has set one, the new one stands under the name that goes before that.
"""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider
from jupyter_server.auth.security import passwd, passwd_check

from ..engine.folders import make_folder, write_private
from ..model.errors import Fatal
from ..model.password import guesses as all_guesses
from ..model.password import names_here, refuse_weak
from ..model.text import plain
from .config_files import config_file, dump, elsewhere, is_read, parse, read_own, section

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

_NAME = "hashed_password"
_OLD_NAME = "password"  # of the server, and of Notebook up to 6


def guesses(*names: str) -> tuple[str, ...]:
    """What would be tried first: common passwords, and names that go with this machine."""
    return all_guesses((*names_here(), *names))


def is_guessed(hashed: str, words: Iterable[str]) -> bool:
    """Whether one of `words` is the password. Takes some seconds: call it on a thread."""
    others = _others(hashed)
    for word in words:
        if word not in others:
            if passwd_check(hashed, word):  # type: ignore[no-untyped-call]
                return True
            others.add(word)
    return False


@lru_cache(maxsize=16)
def _others(hashed: str) -> set[str]:  # noqa: ARG001 (the key of the cache)
    """Words that are known not to be that password."""
    return set()


def set_password(server: "ServerApp", password: str, *names: str) -> Path:
    """Set it for this server, now and when it is started again. Blocks: call it on a thread.

    :param names: under which it is published, or is to be.
    :returns: the file that it was written to.
    :raises BadInput: it is no password for the outside.
    :raises Fatal: this server has no password of its own, or the file cannot be written, or what
        it says would not count.
    """
    provider = server.identity_provider
    if not isinstance(provider, PasswordIdentityProvider):
        raise _decided_elsewhere(provider)
    refuse_weak(password, (*names_here(), *names))
    _refuse_overruled(server)
    hashed: str = passwd(password)  # type: ignore[no-untyped-call]
    path = config_file(server)
    try:
        _write(server, path, hashed)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Fatal(
            f"The password is not set: {plain(str(path), 300)} cannot be written ({reason}).",
            code="not_allowed",
            hint="Correct that file, or its folder's permissions. Where it is a link, put the file"
            " itself there.",
        ) from None
    provider.hashed_password = hashed
    # Refused is what is guessed, so that nobody has to try it.
    _others(hashed).update(guesses(*names))
    return path


def _write(server: "ServerApp", path: Path, hashed: str) -> None:
    """:raises OSError: it cannot be read or written, or others can write it.
    :raises ValueError: what stands there is no configuration, or a link.
    """
    content = read_own(path)
    config = parse(content) if content else {}
    # Jupyter has copied one by an older name, wherever it stands, to the name of the class.
    overruled = {name for name in _sections(server) if _NAME in server.config.get(name, {})}
    for name in _old_sections(server):
        if name in config:
            section(config, name).pop(_OLD_NAME, None)
    for name in _sections(server):
        there = section(config, name) if name in config else {}
        if name == IdentityProvider.__name__ or name in overruled or _NAME in there:
            section(config, name)[_NAME] = hashed
    make_folder(path.parent)
    write_private(path, dump(config))


def _refuse_overruled(server: "ServerApp") -> None:
    """:raises Fatal: what the own file says does not count when this server is started again."""
    places = [
        *elsewhere(server, _sections(server), _NAME, above=True),
        *elsewhere(server, _old_sections(server), _OLD_NAME, above=True),
    ]
    if not is_read(server):
        places.append(f"--config {plain(server.config_file, 300)}")
    if places:
        raise Fatal(
            "The password is not set: when Jupyter is started again, it would be the one of"
            f" {' and '.join(dict.fromkeys(places))}.",
            code="conflict",
            hint="Change that there, and start Jupyter again.",
        )


def _sections(server: "ServerApp") -> list[str]:
    """Under which a hash counts; that of the most special class goes before the others."""
    return type(server.identity_provider).section_names()


def _old_sections(server: "ServerApp") -> list[str]:
    """Under which one counts by its older name; Notebook 7 and JupyterLab know their own, too."""
    extensions = server.extension_manager.extension_apps.values()
    apps = [type(app).__name__ for several in extensions for app in several]
    return list(dict.fromkeys((*type(server).section_names(), "NotebookApp", *apps)))


def _decided_elsewhere(provider: IdentityProvider) -> Fatal:
    return Fatal(
        f"Who may enter this Jupyter is decided by {type(provider).__name__}, not by a password of"
        " its own.",
        code="unsupported",
        hint="Set the password where that keeps it.",
    )
