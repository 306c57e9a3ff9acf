"""A network drive that dies: a file system in memory (FUSE) that answers, until it is told not to.

After `die()` whoever looks at a file of it waits, in a system call, until `revive()` or the end.
While `broken` is set it answers with an error::

    with DeadDrive() as drive:
        known_hosts = drive.add("known_hosts", b"…")
        drive.die()

It speaks the kernel's protocol (linux/fuse.h) itself, for one folder of files that are only read.
"""

import ctypes
import errno
import os
import select
import stat
import struct
import tempfile
import threading
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.process import PeerError

_REQUEST = struct.Struct("=IIQQIIIHH")  # length, operation, number, node, uid, gid, pid, …
_REPLY = struct.Struct("=IiQ")  # length, -errno, number
_ATTRIBUTES = struct.Struct("=6Q10I")
_LONGEST = 1 << 20
_ROOT = 1
_NO_SET_ID_NO_DEVICES = 2 | 4
_DETACH = 2


class _Operation(IntEnum):
    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    OPEN = 14
    READ = 15
    RELEASE = 18
    FLUSH = 25
    INIT = 26
    INTERRUPT = 36
    BATCH_FORGET = 42


_NOT_ANSWERED = (_Operation.FORGET, _Operation.INTERRUPT, _Operation.BATCH_FORGET)


class DeadDrive:
    """See the module's docstring. Its files belong to the user who runs this, 0600."""

    def __init__(self) -> None:
        self.broken = False
        self.folder = Path(tempfile.mkdtemp(prefix="jrt-drive-"))
        self._names: list[str] = []
        self._contents: list[bytes] = []
        self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        self._wake_read, self._wake = os.pipe()
        self._ending = threading.Event()
        self._alive = threading.Event()
        self._alive.set()
        self._mount()
        self._serve_one()  # the kernel's greeting
        self._thread = threading.Thread(target=self._serve, name=f"drive {self.folder}")
        self._thread.start()

    def add(self, name: str, content: bytes) -> Path:
        """One more file."""
        self._contents.append(content)
        self._names.append(name)
        return self.folder / name

    def die(self) -> None:
        """Answer nothing from now on."""
        self._alive.clear()

    def revive(self) -> None:
        """Answer again, first who waits."""
        self._alive.set()

    def close(self) -> None:
        """End it. Who waits for it gets an error."""
        self._ending.set()
        os.write(self._wake, b"x")
        self._alive.set()
        self._thread.join()
        for descriptor in (self._device, self._wake_read, self._wake):
            os.close(descriptor)
        _check(_libc.umount2(os.fsencode(self.folder), _DETACH), "umount2")
        self.folder.rmdir()

    def _mount(self) -> None:
        options = f"fd={self._device},rootmode=40700,user_id={os.getuid()},group_id={os.getgid()}"
        path = os.fsencode(self.folder)
        flags = _NO_SET_ID_NO_DEVICES
        _check(_libc.mount(b"drive", path, b"fuse", flags, options.encode()), "mount")

    def _serve(self) -> None:
        while not self._ending.is_set():
            if self._device in select.select([self._device, self._wake_read], [], [])[0]:
                self._serve_one()

    def _serve_one(self) -> None:
        request = os.read(self._device, _LONGEST)
        _, operation, number, node, *_ = _REQUEST.unpack_from(request)
        if operation in _NOT_ANSWERED:
            return
        self._alive.wait()
        if self._ending.is_set():
            return
        try:
            body, error = self._answer(operation, node, request[_REQUEST.size :]), 0
        except OSError as reason:
            body, error = b"", -(reason.errno or errno.EIO)
        os.write(self._device, _REPLY.pack(_REPLY.size + len(body), error, number) + body)

    def _answer(self, operation: int, node: int, body: bytes) -> bytes:
        if self.broken:
            raise OSError(errno.EIO, "broken")
        match operation:
            case _Operation.INIT:
                # Version 7.31; the rest is left to the kernel's choice.
                return struct.pack("=IIIIHHI", 7, 31, 0, 0, 0, 0, 4096) + bytes(40)
            case _Operation.LOOKUP:
                found = self._node(body.rstrip(b"\0").decode())
                return struct.pack("=4Q2I", found, 0, 0, 0, 0, 0) + self._attributes(found)
            case _Operation.GETATTR:
                return struct.pack("=QII", 0, 0, 0) + self._attributes(node)
            case _Operation.OPEN:
                direct = 1  # nothing is kept by the kernel
                return struct.pack("=QII", 0, direct, 0)
            case _Operation.READ:
                _, offset, size = struct.unpack_from("=QQI", body)
                return self._contents[node - _ROOT - 1][offset : offset + size]
            case _Operation.RELEASE | _Operation.FLUSH:
                return b""
            case _:
                raise OSError(errno.ENOSYS, "not spoken here")

    def _node(self, name: str) -> int:
        if name not in self._names:
            raise FileNotFoundError(errno.ENOENT, name)
        return _ROOT + 1 + self._names.index(name)

    def _attributes(self, node: int) -> bytes:
        if node == _ROOT:
            mode, size = stat.S_IFDIR | 0o700, 0
        else:
            mode, size = stat.S_IFREG | 0o600, len(self._contents[node - _ROOT - 1])
        owner = (os.getuid(), os.getgid())
        return _ATTRIBUTES.pack(node, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, *owner, 0, 4096, 0)

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


def _check(result: int, what: str) -> None:
    if result != 0:
        raise PeerError(f"{what}: {os.strerror(ctypes.get_errno())}")
