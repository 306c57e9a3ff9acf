"""Compression (-C), with a limit to what one packet becomes.

asyncssh unpacks a packet to whatever length it has: one of 256 KiB may hold 256 MiB of zeros. Here
such a packet ends the connection. To import this is to put it in the place of asyncssh's own, for
every connection of the process.
"""

import zlib

import asyncssh
from asyncssh.compression import Compressor, Decompressor, register_compression_alg
from typing_extensions import override

ALGORITHM = "zlib@openssh.com"

LONGEST = 256 << 10
"""Bytes of a packet, unpacked: OpenSSH sends and takes no more."""


class _Compressor(Compressor):
    def __init__(self) -> None:
        self._zlib = zlib.compressobj()

    @override
    def compress(self, data: bytes) -> bytes:
        return self._zlib.compress(data) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


class _Decompressor(Decompressor):
    def __init__(self) -> None:
        self._zlib = zlib.decompressobj()

    @override
    def decompress(self, data: bytes) -> bytes:
        """:raises asyncssh.CompressionError: it is too long, or not compressed."""
        try:
            found = self._zlib.decompress(data, LONGEST + 1)
        except zlib.error:
            raise asyncssh.CompressionError("a packet cannot be decompressed") from None
        if len(found) > LONGEST:
            raise asyncssh.CompressionError(
                f"a packet has more than {LONGEST >> 10} KiB when it is decompressed"
            )
        return found


# Not as one of asyncssh's defaults: it stands among them already.
register_compression_alg(
    ALGORITHM.encode(), _Compressor, _Decompressor, after_auth=True, default=False
)
