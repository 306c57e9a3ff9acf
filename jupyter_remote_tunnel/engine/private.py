"""The private directory: the control socket and the private sockets of one holder stand in it.

`PrivateDirectory.make` gives `$XDG_RUNTIME_DIR/jrt-XXXXXX` if that folder is ours alone, else
`jrt-XXXXXX` in the temporary folder; mode 0700, on a local file system, and so short that
`{directory}/{name of 40 characters}` has at most 100 bytes (a socket's path has 104 on macOS).

Its maker holds a lock (flock) on the directory for as long as it lives. The lock is what tells a
live directory from a left-over one, as pids are given again; systemd-tmpfiles heeds it too. A file
`pid` in it names the maker. What dead makers left is removed when the next directory is made.
"""

import os
import secrets
import shutil
import stat
import string
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from ..model.errors import Fatal
from .peer import require_unix

if sys.platform != "win32":
    import fcntl

_PREFIX = "jrt-"
_RANDOM = 6
_LONGEST_PATH = 100
_LONGEST_NAME = 40
_ALPHABET = string.ascii_lowercase + string.digits
# For a TMPDIR that is too long. Others write there too: see `_nobody_can_rename_in`.
_SHARED = ("/tmp", "/var/tmp")  # noqa: S108
_NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "afs", "9p", "ceph", "lustre", "gpfs", "fuse.sshfs")


class PrivateDirectory:
    """A directory that is ours alone, until `remove`."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def make(cls) -> Self:
        """Make one, and remove those whose makers died.

        :raises Fatal: `engine_unavailable`, no folder is fit for it; `unsupported`, on Windows.
        """
        require_unix()
        bases = [base for base in _bases() if _fit(base)]
        for base in bases:
            _remove_left_over(base)
        for base in bases:
            if (made := cls._make_in(base)) is not None:
                return made
        raise Fatal(
            "There is no folder for private sockets.",
            code="engine_unavailable",
            hint="Set XDG_RUNTIME_DIR or TMPDIR to a local folder of your own with a short path.",
        )

    @classmethod
    def _make_in(cls, base: Path) -> Self | None:
        """A new directory in `base`, or None if it cannot be made or locked there."""
        for _ in range(100):
            path = base / (_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM)))
            try:
                path.mkdir(mode=0o700)  # fails on whatever has that name, a link included
            except FileExistsError:
                continue
            except OSError:
                return None
            lock = _lock(path)
            if lock is None:
                path.rmdir()
                return None
            (path / "pid").write_text(f"{os.getpid()}\n")
            return cls(path, lock)
        return None

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def is_held(path: Path) -> bool:
    """Whether the maker of the private directory `path` lives."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Shared, so that two who look at once do not take each other for the maker.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def _lock(path: Path) -> int | None:
    """A descriptor that holds the lock of `path`, or None where that is not ours alone."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if _ours_alone(os.fstat(handle)):
            fcntl.flock(handle, fcntl.LOCK_EX)  # at most somebody looks, for an instant
            return handle
    except OSError:
        pass
    os.close(handle)
    return None


def _bases() -> Iterator[Path]:
    """Folders to make it in, the best first."""
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        path = Path(runtime)
        if path.is_absolute() and path.is_dir() and _ours_alone(path.stat()):
            yield path
    for temporary in dict.fromkeys((tempfile.gettempdir(), *_SHARED)):
        path = Path(temporary)
        if path.is_dir() and _nobody_can_rename_in(path.stat()):
            yield path


def _ours_alone(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) & 0o777 == 0o700


def _nobody_can_rename_in(status: os.stat_result) -> bool:
    """Whether a directory that we make there stays what it is."""
    if status.st_uid not in (0, os.geteuid()):
        return False
    return bool(status.st_mode & stat.S_ISVTX) or not status.st_mode & 0o022


def _fit(base: Path) -> bool:
    longest = base / f"{_PREFIX}{'x' * _RANDOM}" / ("x" * _LONGEST_NAME)
    return len(os.fsencode(longest)) <= _LONGEST_PATH and not _on_network(base)


def _on_network(base: Path, mount_table: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether `base` lies on a network file system; False where that cannot be known."""
    device = base.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = mount_table.read_text(errors="replace").splitlines()
    except OSError:
        return False
    for mount in mounts:
        fields, _, tail = mount.partition(" - ")
        if fields.split(" ")[2] == wanted and tail.startswith(_NETWORK_FILE_SYSTEMS):
            return True
    return False


def _remove_left_over(base: Path) -> None:
    for path in base.glob(_PREFIX + "?" * _RANDOM):
        if _is_left_over(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_left_over(path: Path) -> bool:
    """Whether `path` is a private directory of ours whose maker died.

    One without a pid file is being made; the file comes after the lock.
    """
    try:
        status = path.lstat()
        ours = stat.S_ISDIR(status.st_mode) and _ours_alone(status)
        return ours and (path / "pid").exists() and not is_held(path)
    except OSError:
        return False
