"""The local connection file of a remote kernel.

Who connects to the kernel writes it, with a copy in the engine's private directory, beside the
sockets of the channels: the file can be deleted by anybody who tidies up, and only it holds the
key. So `restart` writes it again from the copy, which is gone with the tunnel.
"""

import contextlib
from pathlib import Path

from ..model.errors import Fatal
from .folders import make_folder, read_private, write_private


def write(path: Path, data: bytes, private_dir: Path) -> None:
    """Write the file and its copy, for this user alone.

    :raises Fatal: `internal`, it cannot be written.
    """
    try:
        write_private(_copy(path, private_dir), data)
        make_folder(path.parent)
        write_private(path, data)
    except OSError as error:
        raise Fatal(
            f"The connection file {path} cannot be written: {error.strerror}.",
            hint="The runtime directory must be yours; JUPYTER_RUNTIME_DIR names another.",
        ) from error


def renew(path: Path, private_dir: Path) -> None:
    """Write the file again if it is gone and its copy is there.

    :raises Fatal: `internal`, it cannot be written.
    """
    if not path.exists():
        with contextlib.suppress(OSError):
            write(path, read_private(_copy(path, private_dir)), private_dir)


def forget(path: Path, private_dir: Path) -> None:
    """Remove the copy."""
    _copy(path, private_dir).unlink(missing_ok=True)


def _copy(path: Path, private_dir: Path) -> Path:
    return private_dir / f"copy-of-{path.name}"
