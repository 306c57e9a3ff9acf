"""A user unit of systemd that offers or shows something whenever this machine runs."""

import os
import re
import shlex
import sys
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from ..engine.folders import make_folder, write_private
from ..model.errors import BadInput, Fatal
from ..model.spec import TunnelSpec
from ..model.text import plain
from .answers import Answer
from .offers import offer_words

_LONGEST_DESCRIPTION = 400
_LONGEST_NAME = 200  # of what stands for it in the name of a file

# systemd runs no program in whose path one of these stands, or looks for another one.
_NOT_IN_PATHS = "\"'\\$"

_UNIT = """\
[Unit]
Description={description}
StartLimitIntervalSec=0

[Service]
ExecStart={command}
Restart={restart}
RestartSec=10

[Install]
WantedBy=default.target
"""


def write_unit(name: str, text: str, host: str, say: Callable[[str], None] | None) -> Answer:
    """Show a unit, and write it; data is {"unit": path, "text": …}. Its user starts it.

    :param name: as of `unit_name`.
    :param host: what has to let it in.
    :param say: shows lines of an answer before the rest is done; None where they have to wait.
    :raises Fatal: this machine has no systemd, its folder cannot be written, or another unit of
        that name is there.
    """
    if sys.platform != "linux":
        raise Fatal(
            "Units of systemd are for Linux.",
            code="unsupported",
            hint="Have launchd run the same with --foreground in place of --systemd.",
        )
    path = _folder() / f"{name}.service"
    if _content(path) not in (None, text):
        raise Fatal(
            f"There is another unit {path} already.",
            code="conflict",
            hint="Choose another --name, or remove that file.",
        )
    shown = f"{path}:\n\n{text}"
    if say is not None:
        say(shown)
    try:
        make_folder(path.parent)
        write_private(path, text.encode())
    except OSError as error:
        raise Fatal(
            f"{path} cannot be written: {error.strerror}.",
            code="not_allowed",
            hint="Its folder is that of XDG_CONFIG_HOME, or ~/.config.",
        ) from None
    lines = (
        *([] if say is not None else shown.splitlines()),
        "That is written. To start it, now and at each log-in:",
        f"  {starting(path.name)}",
        "To see what it says:",
        f"  {shlex.join(['journalctl', '--user', '-u', path.name])}",
        "To have it run while nobody is logged in:",
        f"  {LINGERING}",
        f"It has no agent and nobody to ask: {host} must take a key without a passphrase.",
    )
    return Answer({"unit": str(path), "text": text}, lines)


LINGERING = "loginctl enable-linger"
"""Has the units of a user run while nobody is logged in."""


def starting(unit: str) -> str:
    """The line that starts a user unit, now and at each log-in."""
    enable = shlex.join(["systemctl", "--user", "enable", "--now", unit])
    return f"systemctl --user daemon-reload && {enable}"


def offer_unit(spec: TunnelSpec, say: Callable[[str], None] | None) -> Answer:
    """The unit that offers a tunnel: as `write_unit`."""
    text = offer_of(spec, command_of("offer", offer_words(spec)))
    return write_unit(unit_name(spec.name), text, "the gateway", say)


def unit_name(name: str) -> str:
    """The name of the unit for what has that name; “@” would make it a template."""
    return f"jupyter-remote-tunnel-{re.sub('[^A-Za-z0-9_.-]+', '-', name)[:_LONGEST_NAME]}"


def command_of(command: str, words: Sequence[str]) -> str:
    """What a unit runs: this interpreter, and what was typed, in the foreground.

    :raises BadInput: a word cannot stand there.
    """
    own = [sys.executable, "-P", "-m", "jupyter_remote_tunnel.cli", command, "--foreground"]
    if any(character in _NOT_IN_PATHS for character in sys.executable):
        own = ["/bin/sh", "-c", 'exec "$0" "$@"', *own]
    return " ".join(map(quoted, [*own, *words]))


def offer_of(spec: TunnelSpec, command: str) -> str:
    """The unit of a command that offers a tunnel."""
    return unit_of(f"Offers {spec.name} on {spec.host}", command)


def unit_of(description: str, command: str, restart: str = "always") -> str:
    """The unit that runs a command for as long as this machine runs.

    :param description: a line that people read, whatever it holds.
    :param restart: when it is started again; "on-failure" if it may end by itself.
    """
    # What ends with a backslash would go on in the next line, with another setting.
    text = plain(description, _LONGEST_DESCRIPTION).replace("%", "%%").rstrip("\\")
    return _UNIT.format(description=text, command=command, restart=restart)


def quoted(word: str) -> str:
    """A word of ExecStart=, in which systemd would take “%”, “$” and “\\” for its own.

    :raises BadInput: it has control characters (a line break would begin another setting), or is no
        text.
    """
    if any(map(_has_no_place, word)):
        raise BadInput(
            f"“{plain(word, 200)}” cannot stand in a unit: it has a line break, another control"
            " character, or what is no character.",
            hint="Type it without.",
        )
    for special, plainly in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(special, plainly)
    return f'"{word}"'


def _has_no_place(character: str) -> bool:
    """Whether systemd would leave out the line in which it stands, or end it there."""
    number = ord(character)
    is_none = number & 0xFFFE == 0xFFFE or 0xFDD0 <= number <= 0xFDEF
    return is_none or unicodedata.category(character) in ("Cc", "Cs")


def _folder() -> Path:
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "systemd" / "user"


def _content(path: Path) -> str | None:
    """What stands in a file; None where there is none."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None
