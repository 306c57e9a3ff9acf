"""Jupyter's folders, and files in them that only their owner may read.

The rules are jupyter_core's; they stand here again for environments without it (a kernel's).
"""

import contextlib
import os
import stat
import sys
import tempfile
from pathlib import Path

_OFF = ("no", "n", "false", "off", "0", "0.0")
# Where every field of a small JSON file of ours fits a hundred times over.
LARGEST_FILE = 1 << 24


def data_dir() -> Path:
    """`jupyter_core.paths.jupyter_data_dir()`, also where jupyter_core is not installed."""
    try:
        from jupyter_core.paths import jupyter_data_dir
    except ImportError:
        return _data_dir()
    return Path(jupyter_data_dir())


def runtime_dir() -> Path:
    """`jupyter_core.paths.jupyter_runtime_dir()`, also where jupyter_core is not installed."""
    chosen = os.environ.get("JUPYTER_RUNTIME_DIR")
    return Path(chosen) if chosen else data_dir() / "runtime"


def config_dir() -> Path:
    """`jupyter_core.paths.jupyter_config_dir()`, also where jupyter_core is not installed."""
    try:
        from jupyter_core.paths import jupyter_config_dir
    except ImportError:
        return Path(os.environ.get("JUPYTER_CONFIG_DIR") or Path.home() / ".jupyter")
    return Path(jupyter_config_dir())


def _data_dir() -> Path:
    if chosen := os.environ.get("JUPYTER_DATA_DIR"):
        return Path(chosen)
    home = Path.home().resolve()
    if sys.platform == "darwin":
        platform_dirs = os.environ.get("JUPYTER_PLATFORM_DIRS", "no").lower() not in _OFF
        return home / "Library" / ("Application Support/Jupyter" if platform_dirs else "Jupyter")
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "jupyter"


def make_folder(path: Path) -> None:
    """Make `path` and its parents; `path` itself with mode 0700 if it is not there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)


def write_private(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write a file with mode 0600 as a whole or not at all; what stood there is replaced.

    :param durable: return only when it would survive a loss of power.
    :raises OSError: it could not be written; the old file is as it was.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(handle)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def read_private(path: Path) -> bytes:
    """The content of a file that nobody but this user could have written.

    :raises OSError: it cannot be read, is no plain file, or another user could write it.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise PermissionError(f"{path} is not a plain file")
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise PermissionError(f"{path} can be written by others")
        return file.read(LARGEST_FILE)
