"""The process behind `tests.support.dead_drive`: one folder of files, served to the kernel (FUSE).

`python -m tests.support.fuse_server FD`: `FD` is /dev/fuse, already mounted. Orders come on
standard input, one JSON object a line, and each is answered by an empty line when it is carried
out: ``{"add": "name", "content": "hex"}``, ``{"mode": "alive" | "dead" | "broken"}``. While it is
dead it takes the kernel's requests and keeps the answers to itself; broken, it answers EIO. It ends
with its standard input, and when it was dead for `LIMIT` seconds: who waits then gets an error (a
process that waits here cannot be killed).

The protocol is that of linux/fuse.h, as far as files are only read.
"""

import errno
import json
import os
import select
import stat
import struct
import sys
from enum import IntEnum

LIMIT = 60.0

_REQUEST = struct.Struct("=IIQQIIIHH")  # length, operation, number, node, uid, gid, pid, …
_REPLY = struct.Struct("=IiQ")  # length, -errno, number
_ATTRIBUTES = struct.Struct("=6Q10I")
_LONGEST = 1 << 20
_ROOT = 1
_STDIN, _STDOUT = 0, 1


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


class Server:
    """The folder; its files belong to the user who runs this, 0600."""

    def __init__(self, device: int) -> None:
        self._device = device
        self._mode = "alive"
        self._held: list[bytes] = []
        self._names: list[str] = []
        self._contents: list[bytes] = []

    def run(self) -> None:
        """Serve until standard input ends."""
        while True:
            limit = LIMIT if self._mode == "dead" else None
            ready, _, _ = select.select([self._device, _STDIN], [], [], limit)
            if self._device in ready:
                self._take(os.read(self._device, _LONGEST))
            elif _STDIN not in ready or not self._obey(sys.stdin.buffer.readline()):
                return

    def _obey(self, line: bytes) -> bool:
        if not line:
            return False
        order = json.loads(line)
        if "add" in order:
            self._names.append(order["add"])
            self._contents.append(bytes.fromhex(order["content"]))
        else:
            self._mode = order["mode"]
            held, self._held = self._held, []
            for request in held:
                self._take(request)
        os.write(_STDOUT, b"\n")
        return True

    def _take(self, request: bytes) -> None:
        _, operation, number, node, *_ = _REQUEST.unpack_from(request)
        if operation in _NOT_ANSWERED:
            return
        if self._mode == "dead":
            self._held.append(request)
            return
        try:
            body, error = self._answer(operation, node, request[_REQUEST.size :]), 0
        except OSError as reason:
            body, error = b"", -(reason.errno or errno.EIO)
        os.write(self._device, _REPLY.pack(_REPLY.size + len(body), error, number) + body)

    def _answer(self, operation: int, node: int, body: bytes) -> bytes:
        if self._mode == "broken":
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
                direct = 1  # the kernel keeps nothing
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


if __name__ == "__main__":
    Server(int(sys.argv[1])).run()
