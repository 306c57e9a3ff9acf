"""Settings of this Jupyter that keep it from being published, made right: shown, then written.

What is shown is what is written. A change names the file, and what stands there before and after;
who wants it gives back its `seen`, and where the file is another one by then, nothing is written.
Only the user's own file is written, and only where the setting stands nowhere else: what the
command line or a Python file says would count all the same, or was meant by somebody else.

What Jupyter's handlers look up for each request counts at once; the rest when it is started again.

`TunnelManager.allow_public_publish` is not among them. It limits what may be asked for here, in the
browser, in a cell or by a command: what can be lifted by asking limits nothing.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.folders import make_folder, write_private
from ..model.errors import BadInput, Fatal
from ..model.publication import Change, check_prefix
from ..model.text import plain
from .config_files import config_file, dump, elsewhere, is_read, parse, read_own, section

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

TOKEN = "IdentityProvider.token"  # noqa: S105 (its name)
BASE_URL = "ServerApp.base_url"
ALLOW_ORIGIN = "ServerApp.allow_origin"
ALLOW_ORIGIN_PAT = "ServerApp.allow_origin_pat"
DISABLE_CHECK_XSRF = "ServerApp.disable_check_xsrf"

_KEY = secrets.token_bytes()
_AGAIN = "start Jupyter again"


def _now(name: str, value: Any) -> "Callable[[ServerApp], None]":
    """Have a setting count at once that handlers look up in those of the web application."""

    def set_now(server: "ServerApp") -> None:
        setattr(server, name, value)
        if value == "":
            server.web_app.settings.pop(name, None)
        else:
            server.web_app.settings[name] = value

    return set_now


# What each of them has to be, and how it is made to be so at once; None where that cannot be.
_RIGHT: "dict[str, tuple[Any, Callable[[ServerApp], None] | None]]" = {
    ALLOW_ORIGIN: ("", _now("allow_origin", "")),
    ALLOW_ORIGIN_PAT: ("", _now("allow_origin_pat", "")),
    DISABLE_CHECK_XSRF: (False, _now("disable_check_xsrf", False)),
}


@dataclass(frozen=True)
class _Wanted:
    """A setting, and what it has to be.

    :param sections: under which it counts, that of the most general class first.
    :param is_out: whether it has to stand nowhere.
    :param is_usual: whether it has its default now.
    """

    setting: str
    sections: Sequence[str]
    value: Any = None
    is_out: bool = False
    is_usual: bool = False
    now: "Callable[[ServerApp], None] | None" = None

    @property
    def section(self) -> str:
        return self.setting.partition(".")[0]

    @property
    def name(self) -> str:
        return self.setting.partition(".")[2]


@dataclass(frozen=True)
class _Found:
    """A change, and the whole file with it."""

    change: Change
    content: bytes


def look(server: "ServerApp", setting: str, prefix: str = "") -> Change | str:
    """The change that makes a setting right; or, in words, why that is not done from here and what
    to do. Blocks: call it on a thread.

    :param setting: one of the above.
    :param prefix: what the base URL has to be.
    :raises BadInput: that is no prefix.
    """
    found = _look(server, _wanted(server, setting, prefix))
    return found if isinstance(found, str) else found.change


def write(server: "ServerApp", setting: str, seen: str, prefix: str = "") -> Change:
    """Write a change that was shown. Blocks: call it on a thread.

    :param seen: of the change as it was shown.
    :raises BadInput: there is no such setting to be changed.
    :raises Fatal: `conflict`, it is not as it was shown; `not_allowed`, it cannot be written.
    """
    found = _look(server, _wanted(server, setting, prefix))
    if isinstance(found, str):
        raise Fatal(f"{plain(setting, 60)} is not changed. {found}", code="conflict")
    if not hmac.compare_digest(found.change.seen.encode(), seen.encode(errors="replace")):
        raise Fatal(
            f"{found.change.file} is not as it was shown: nothing was written.",
            code="conflict",
            hint="Look at it again.",
        )
    path = Path(found.change.file)
    try:
        make_folder(path.parent)
        write_private(path, found.content, durable=True)
    except OSError as error:
        raise Fatal(
            f"{plain(str(path), 300)} cannot be written ({error.strerror or error}).",
            code="not_allowed",
            hint="It is as it was. Correct its folder's permissions.",
        ) from None
    return found.change


def apply(server: "ServerApp", change: Change) -> None:
    """Have a change count that was written, where that can be. Call it on the server's loop."""
    _, now = _RIGHT.get(change.setting, (None, None))
    if now is not None:
        now(server)


def _wanted(server: "ServerApp", setting: str, prefix: str) -> _Wanted:
    sections = type(server).section_names()
    if setting in _RIGHT:
        value, now = _RIGHT[setting]
        return _Wanted(setting, sections, value, now=now)
    if setting == BASE_URL and prefix:
        check_prefix(prefix)
        value = f"{prefix.rstrip('/')}/"
        return _Wanted(setting, sections, value, is_usual=server.base_url == "/")
    if setting == TOKEN:
        # That of the server is the name that it had before.
        names = [*sections, *type(server.identity_provider).section_names()]
        return _Wanted(setting, names, is_out=True)
    raise BadInput(f"“{plain(setting, 60)}” is not changed from here.")


def _look(server: "ServerApp", wanted: _Wanted) -> _Found | str:
    others = elsewhere(server, wanted.sections, wanted.name)
    if others:
        return f"It is set by {' and '.join(others)}: change it there, and {_AGAIN}."
    if not is_read(server):
        file = plain(server.config_file, 300)
        return f"This Jupyter was started with --config {file}: change it there, and {_AGAIN}."
    path = config_file(server)
    try:
        content = read_own(path)
        config = parse(content) if content else {}
        known = {name: section(config, name) for name in wanted.sections if name in config}
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"{plain(str(path), 300)} is not changed from here ({reason}): do it by hand."
    before = {name: one[wanted.name] for name, one in known.items() if wanted.name in one}
    is_right = not before if wanted.is_out else bool(before) and _all(before, wanted.value)
    if is_right:
        return f"Jupyter’s configuration is right by now: {_AGAIN}."
    if not before and not wanted.is_usual:
        return "Where it is set was not found: it is in no file of Jupyter’s configuration."
    for name in before or [wanted.section]:
        if wanted.is_out:
            del known[name][wanted.name]
        else:
            section(config, name)[wanted.name] = wanted.value
    after = dump(config)
    change = Change(
        setting=wanted.setting,
        file=str(path),
        lines=tuple(_lines(wanted, before)),
        at_once=wanted.now is not None,
        seen=_seal(wanted.setting, str(path), content, after),
    )
    return _Found(change, after)


def _all(before: dict[str, Any], value: Any) -> bool:
    return all(type(one) is type(value) and one == value for one in before.values())


def _lines(wanted: _Wanted, before: dict[str, Any]) -> list[str]:
    """The change, as in a diff."""
    if wanted.is_out:  # a secret
        return [f"- {name}.{wanted.name} = …" for name in before]
    lines = []
    for name in before or [wanted.section]:
        if name in before:
            lines.append(f"- {name}.{wanted.name} = {_json(before[name])}")
        lines.append(f"+ {name}.{wanted.name} = {_json(wanted.value)}")
    return lines


def _json(value: Any) -> str:
    return plain(json.dumps(value, ensure_ascii=False), 300)


def _seal(*parts: str | bytes) -> str:
    """Stands for all of these, and tells nothing of them."""
    told = hmac.new(_KEY, digestmod=hashlib.sha256)
    for part in parts:
        data = part.encode(errors="surrogateescape") if isinstance(part, str) else part
        told.update(len(data).to_bytes(8) + data)
    return told.hexdigest()
