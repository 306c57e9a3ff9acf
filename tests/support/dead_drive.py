"""A network drive that dies: a real file system (FUSE) that answers, until it is told not to.

After `die()` whoever looks at a file of it waits, in a system call, until `revive()` or the end;
after `break_()` they get an error::

    with DeadDrive() as drive:
        known_hosts = drive.add("known_hosts", b"…")
        drive.die()
"""

import ctypes
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.process import PeerError, environment

_ROOT = Path(__file__).parents[2]
_NO_SET_ID_NO_DEVICES = 2 | 4
_DETACH = 2


class DeadDrive:
    """See the module's docstring. Its files are in `folder`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="jrt-drive-"))
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        try:
            self._mount(device)
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.support.fuse_server", str(device)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[device],
                cwd=_ROOT,
                env=environment(),
            )
        finally:
            os.close(device)

    def _mount(self, device: int) -> None:
        options = f"fd={device},rootmode=40700,user_id={os.getuid()},group_id={os.getgid()}"
        path = os.fsencode(self.folder)
        mounted = _libc.mount(b"drive", path, b"fuse", _NO_SET_ID_NO_DEVICES, options.encode())
        if mounted != 0:
            raise PeerError(f"FUSE cannot be mounted here: {os.strerror(ctypes.get_errno())}")

    def add(self, name: str, content: bytes) -> Path:
        """One more file."""
        self._order(add=name, content=content.hex())
        return self.folder / name

    def die(self) -> None:
        """Answer nothing from now on."""
        self._order(mode="dead")

    def revive(self) -> None:
        """Answer again, first who waits."""
        self._order(mode="alive")

    def break_(self) -> None:
        """Answer everything with an error (EIO), first who waits."""
        self._order(mode="broken")

    def _order(self, **order: str) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(order).encode() + b"\n")
        self._server.stdin.flush()
        if self._server.stdout.readline() != b"\n":
            raise PeerError("the server of a drive has ended")

    def close(self) -> None:
        """End it. Who waits for it gets an error."""
        self._server.communicate()
        _libc.umount2(os.fsencode(self.folder), _DETACH)
        self.folder.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


_libc = ctypes.CDLL(None, use_errno=True)
