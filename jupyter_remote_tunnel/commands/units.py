"""A user unit of systemd that offers something whenever this machine runs."""

import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from ..engine.folders import make_folder, write_private
from ..model.errors import Fatal
from ..model.spec import TunnelSpec
from ..model.text import plain
from .answers import Answer
from .offers import offer_words

_UNIT = """\
[Unit]
Description=Offers {name} on {host}
StartLimitIntervalSec=0

[Service]
ExecStart={command}
Restart=always
RestartSec=10

[Install]
WantedBy=default.target
"""


def write_unit(spec: TunnelSpec, say: Callable[[str], None] | None) -> Answer:
    """Show the unit, and write it; data is {"unit": path, "text": …}. Its user starts it.

    :param say: shows lines of an answer before the rest is done; None where they have to wait.
    :raises Fatal: this machine has no systemd, its folder cannot be written, or another unit of
        that name is there.
    """
    if sys.platform != "linux":
        raise Fatal(
            "Units of systemd are for Linux.",
            code="unsupported",
            hint="Have launchd run what stands behind: jupyter tunnel offer --foreground …",
        )
    path = _folder() / f"{unit_name(spec.name)}.service"
    text = unit_text(spec)
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
    start = shlex.join(["systemctl", "--user", "enable", "--now", path.name])
    lines = (
        *([] if say is not None else shown.splitlines()),
        "That is written. To start it, now and at each log-in:",
        f"  systemctl --user daemon-reload && {start}",
        "To have it run while nobody is logged in:",
        "  loginctl enable-linger",
        "It has no agent and nobody to ask: the gateway must take a key without a passphrase.",
    )
    return Answer({"unit": str(path), "text": text}, lines)


def unit_name(name: str) -> str:
    """The name of the unit that offers the tunnel of that name; “@” would make it a template."""
    return f"jupyter-remote-tunnel-{re.sub('[^A-Za-z0-9_.-]+', '-', name)}"


def unit_text(spec: TunnelSpec) -> str:
    """The unit: this interpreter, and what was typed."""
    words = [sys.executable, "-P", "-m", "jupyter_remote_tunnel.cli", "offer", "--foreground"]
    return unit_of(spec, " ".join(map(quoted, [*words, *offer_words(spec)])))


def unit_of(spec: TunnelSpec, command: str) -> str:
    """The unit that runs a command for as long as this machine runs."""
    name, host = (plain(text).replace("%", "%%") for text in (spec.name, spec.host))
    return _UNIT.format(name=name, host=host, command=command)


def quoted(word: str) -> str:
    """A word of ExecStart=, in which systemd would take “%”, “$” and “\\” for its own."""
    for special, plainly in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(special, plainly)
    return f'"{word}"'


def _folder() -> Path:
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "systemd" / "user"


def _content(path: Path) -> str | None:
    """What stands in a file; None where there is none."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None
