"""The announcement: a file in Jupyter's runtime directory by which an engine is found.

`remote-tunnel-<holder's pid>.json`, 0600, is written by the holder when it begins to listen and
removed when it ends. It holds no secret: what guards the socket is its private directory.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import Any, Literal, Self

from .._version import __version__
from ..model.text import plain
from .folders import make_folder, read_private, runtime_dir, write_private
from .private import is_held

Kind = Literal["server", "background", "foreground", "kernel", "publication"]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Announcement:
    """Where an engine is and whose it is.

    `socket` is the path of its control socket; `engine_pid` is None while no engine runs (the first
    client starts it, or, if there are tunnels to be `restored`, its holder is about to); `root_dir`
    and `url` are those of the Jupyter server that holds it, or ""; `ssh_config` is what it reads in
    place of the user's ssh configuration; `started` is ISO 8601, UTC; `host_name` is that of its
    machine, as home folders can be shared.
    """

    socket: str
    holder_pid: int
    kind: Kind
    engine_pid: int | None = None
    restored: bool = False
    root_dir: str = ""
    url: str = ""
    ssh_config: str | None = None
    started: str = field(default_factory=_now)
    host_name: str = field(default_factory=gethostname)
    version: str = __version__

    @property
    def path(self) -> Path:
        """The file that announces it."""
        return runtime_dir() / f"remote-tunnel-{self.holder_pid}.json"

    @property
    def alive(self) -> bool:
        """Whether its holder lives, on this machine (whose host name may have changed)."""
        return is_held(Path(self.socket).parent) and _exists(self.holder_pid)

    @property
    def asleep(self) -> bool:
        """Whether no engine runs and none is needed: there are no tunnels then."""
        return self.engine_pid is None and not self.restored

    @property
    def name(self) -> str:
        """Its holder in short, as `--server` takes it."""
        return self.url or str(self.holder_pid)

    @property
    def label(self) -> str:
        """How a person tells it from others: "http://localhost:8888/ (pid 4711, /home/ann)"."""
        place = f", {self.root_dir}" if self.root_dir else ""
        return plain(f"{self.url or self.kind} (pid {self.holder_pid}{place})", 500)

    def write(self) -> None:
        """Announce it.

        :raises OSError: the runtime directory cannot be written.
        """
        make_folder(self.path.parent)
        write_private(self.path, json.dumps(asdict(self)).encode())

    def remove(self) -> None:
        """Take the file away, unless another one has taken its place."""
        with contextlib.suppress(OSError, ValueError):
            if Announcement.read(self.path).socket == self.socket:
                self.path.unlink()

    @classmethod
    def read(cls, path: Path) -> Self:
        """The announcement in the file `path`.

        :raises OSError: it cannot be read, or another user could have written it.
        :raises ValueError: it is no announcement.
        """
        try:
            data = json.loads(read_private(path))
        except RecursionError as error:
            raise ValueError(str(error)) from None
        if not isinstance(data, dict):
            raise ValueError(f"{path} holds no announcement")  # noqa: TRY004
        known = {f.name: data[f.name] for f in fields(cls) if f.name in data}
        _check(known)
        return cls(**known)


def _check(data: dict[str, Any]) -> None:
    """:raises ValueError: a field is missing or of another type."""
    for name in ("socket", "kind", "started", "host_name", "version"):
        _require(_is_text(data.get(name)), name)
    for name in ("root_dir", "url"):
        _require(_is_text(data.get(name, "")), name)
    _require(data.get("ssh_config") is None or _is_text(data["ssh_config"]), "ssh_config")
    _require(_is_pid(data.get("holder_pid")), "holder_pid")
    _require(data.get("engine_pid") is None or _is_pid(data["engine_pid"]), "engine_pid")
    _require(isinstance(data.get("restored", False), bool), "restored")


def _require(fine: bool, name: str) -> None:
    if not fine:
        raise ValueError(f"{name} of an announcement is not what it should be")


def _is_text(value: object) -> bool:
    """Whether it is one that can be the name of a file."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True


def _is_pid(value: object) -> bool:
    return type(value) is int and value > 0


def _exists(pid: int) -> bool:
    """Whether there is a process `pid` of ours. (A fork of a dead holder may keep its lock.)"""
    try:
        os.kill(pid, 0)
    except (OSError, OverflowError):
        return False
    return True


def announcements() -> Iterator[Announcement]:
    """All live ones of this user on this machine. Files of its dead holders are removed."""
    here = gethostname()
    for path in sorted(runtime_dir().glob("remote-tunnel-*.json")):
        try:
            found = Announcement.read(path)
        except (OSError, ValueError):
            continue  # not ours, or not to be understood: a later version's, perhaps
        if found.alive:
            yield found
        elif found.host_name == here and not is_held(Path(found.socket).parent):
            with contextlib.suppress(OSError):
                path.unlink()
