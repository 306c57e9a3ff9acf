"""Jupyter's configuration: the user's own file of it, and where else a setting may stand.

The own file, `jupyter_server_config.json` in the folder of the user's configuration, is the only
one that is written. A Python file is never run here, nor altered: it is told in which line it names
a setting.
"""

import ast
import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.folders import LARGEST_FILE, read_private
from ..model.text import plain

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

_LONGEST_PATH = 300
# By which the environment has a say.
_VARIABLES = {"token": ("JUPYTER_TOKEN", "JUPYTER_TOKEN_FILE")}


def config_file(server: "ServerApp") -> Path:
    """The user's own file."""
    return Path(server.config_dir) / "jupyter_server_config.json"


def read_own(path: Path) -> bytes:
    """What stands in the own file, which is to be written; b"" where it is not there.

    :raises OSError: it cannot be read, or others can write it.
    :raises ValueError: it is a link.
    """
    if path.is_symlink():
        raise ValueError(f"it is a link to {plain(str(path.readlink()), 300)}")
    try:
        return read_private(path)
    except FileNotFoundError:
        return b""


def parse(content: bytes) -> dict[str, Any]:
    """The configuration in a file.

    :raises ValueError: there is none; what one would lose by writing it again counts, too.
    """
    try:
        config = json.loads(content, object_pairs_hook=_without_doubles)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError("it is no JSON") from None
    if not isinstance(config, dict):
        raise ValueError("it holds no configuration")  # noqa: TRY004 (of the file)
    return config


def section(config: dict[str, Any], name: str) -> dict[str, Any]:
    """What a configuration says of a class; a new section, where it says nothing.

    :raises ValueError: that is no section.
    """
    found = config.setdefault(name, {})
    if not isinstance(found, dict):
        raise ValueError(f"{plain(name, 60)} in it is no section")  # noqa: TRY004 (of the file)
    return found


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it says something twice")
    return found


def dump(config: dict[str, Any]) -> bytes:
    """The content of a file with that configuration."""
    return json.dumps(config, indent=2).encode() + b"\n"


def elsewhere(
    server: "ServerApp", sections: Collection[str], name: str, *, above: bool = False
) -> list[str]:
    """Where a setting stands beside the user's own file, in words: "the command line", a file with
    its line. Blocks: call it on a thread.

    :param sections: the names of the classes under which it counts.
    :param above: only where it goes before the same name in the own file.
    """
    places = []
    if any(name in server.cli_config.get(section, {}) for section in sections):
        places.append("the command line")
    places += [f"${one}" for one in _VARIABLES.get(name, ()) if os.environ.get(one)]
    own = config_file(server)
    for path in _loaded(server):
        if path != own and (not above or path.parent in _folders_above(server)):
            places += _in_file(path, sections, name)
    return places


def _folders_above(server: "ServerApp") -> list[Path]:
    """Whose files go before those of the user's own folder: that is not always the first."""
    folders = [Path(folder) for folder in server.config_file_paths]
    return folders[: folders.index(Path(server.config_dir))]


def is_read(server: "ServerApp") -> bool:
    """Whether this server, when it is started again, looks into the user's own file."""
    return not server.config_file


def _loaded(server: "ServerApp") -> Iterator[Path]:
    """The files that this server and its extensions have read."""
    extensions = server.extension_manager.extension_apps.values()
    apps = [server, *(app for several in extensions for app in several)]
    yield from dict.fromkeys(Path(file) for app in apps for file in app.loaded_config_files)


def _in_file(path: Path, sections: Collection[str], name: str) -> list[str]:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE)
        if path.suffix == ".py":
            lines = sorted({*_lines(content, name)})
            where = ", ".join(map(str, lines[:5]))
            return [f"{_shown(path)}, line {where}"] if lines else []
        config = json.loads(content)
        is_there = any(name in config.get(section, {}) for section in sections)
    except (OSError, ValueError, RecursionError, AttributeError, TypeError):
        return []  # Jupyter could make nothing of it, either
    return [_shown(path)] if is_there else []


def _lines(source: bytes, name: str) -> Iterator[int]:
    """The lines that name a setting: `c.ServerApp.NAME`, or "NAME" as a key."""
    for node in ast.walk(ast.parse(source)):
        is_attribute = isinstance(node, ast.Attribute) and node.attr == name
        if is_attribute or (isinstance(node, ast.Constant) and node.value == name):
            yield node.lineno  # type: ignore[attr-defined]


def _shown(path: Path) -> str:
    return plain(str(path), _LONGEST_PATH)
