"""The packets of streams, where the connection is encrypted with AES-GCM and not compressed.

For each packet asyncssh copies all that it has received and not handled yet, copies the packet five
times on its way in and ten times on its way out, sets up the cipher's key, and words a line for a
log that is off. Most of what a transfer costs is that. `PacketConnection` takes the packets of open
channels out of what came, and makes those that go, with two copies each. All else (logging in,
exchanging keys, opening channels, other ciphers) is asyncssh's, and so is the state of both: one
packet may go the short way and the next the long one.

What is used here of asyncssh is private to it. With a version that is not `KNOWN` to have it,
everything goes the long way.
"""

import os
import time
from typing import Any, cast

import asyncssh
from asyncssh.channel import SSHForwardChannel
from asyncssh.constants import MSG_CHANNEL_DATA, MSG_USERAUTH_LAST
from asyncssh.crypto.cipher import GCMCipher
from asyncssh.encryption import GCMEncryption
from asyncssh.packet import PacketDecodeError, SSHPacket
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from typing_extensions import override

KNOWN = asyncssh.__version__.startswith("2.24.")
"""Whether this asyncssh is one with which the tests of the short way have passed."""

# A packet is: length | length of the padding, type, body, padding | tag. All but the length and the
# tag are encrypted. A channel's body begins with its number; then, for data, the data's length.
_LENGTH, _TYPE, _CHANNEL, _BODY, _DATA = 4, 1, 2, 6, 10
_BLOCK = _TAG = 16
_LEAST_PADDING = 4

_SMALLEST = 256
"""Bytes that a host must take in one packet. Those that are known take 32 KiB."""


class Gcm(GCMCipher):
    """asyncssh's AES-GCM, with the key set up once."""

    def __init__(self, cipher: GCMCipher) -> None:
        self._key, self._iv = cipher._key, cipher._iv  # noqa: SLF001
        self._aead = AESGCM(self._key)
        self._opened: bytes | None = None

    @classmethod
    def of(cls, encryption: object) -> "Gcm | None":
        """That of one direction of a connection, None where it has another cipher."""
        if not isinstance(encryption, GCMEncryption) or not KNOWN:
            return None
        if not isinstance(encryption._cipher, Gcm):  # noqa: SLF001
            encryption._cipher = Gcm(encryption._cipher)  # noqa: SLF001
        return encryption._cipher  # noqa: SLF001

    def look(self, length: memoryview, sealed: memoryview) -> bytes | None:
        """The next packet without its length, None if it is forged. It stays the next one until it
        is `taken`, here or by asyncssh."""
        try:
            self._opened = self._aead.decrypt(self._iv, sealed, length)
        except InvalidTag:
            self._opened = None
        return self._opened

    def taken(self) -> None:
        """Go on to the packet after it."""
        self._opened = None
        self._update_iv()

    def seal(self, length: bytes, packet: bytes) -> bytes:
        """Encrypt and sign the next packet to go."""
        sealed = self._aead.encrypt(self._iv, packet, length)
        self._update_iv()
        return sealed

    @override
    def encrypt_and_sign(self, header: bytes, data: bytes) -> tuple[bytes, bytes]:
        sealed = self.seal(header, data)
        return header + sealed[:-_TAG], sealed[-_TAG:]

    @override
    def verify_and_decrypt(self, header: bytes, data: bytes, mac: bytes) -> bytes | None:
        opened = self._opened or self.look(memoryview(header), memoryview(data + mac))
        self.taken()
        return opened


class PacketConnection(asyncssh.SSHClientConnection):
    """A connection that takes the short way where there is one. See the module."""

    @override
    def create_tcp_channel(
        self, encoding: str | None = None, errors: str = "strict", *sizes: int
    ) -> asyncssh.SSHTCPChannel[Any]:
        if not KNOWN:
            return super().create_tcp_channel(encoding, errors, *sizes)
        self._update_recv_pktlen(sizes[-1])
        return TcpStream(self, self._loop, encoding, errors, *sizes)

    @override
    def create_unix_channel(
        self, encoding: str | None = None, errors: str = "strict", *sizes: int
    ) -> asyncssh.SSHUNIXChannel[Any]:
        if not KNOWN:
            return super().create_unix_channel(encoding, errors, *sizes)
        self._update_recv_pktlen(sizes[-1])
        return UnixStream(self, self._loop, encoding, errors, *sizes)

    # In

    @override
    def _recv_pkthdr(self) -> bool:
        """Called where a packet begins; False: wait for more."""
        gcm = Gcm.of(self._recv_encryption)
        if gcm is None or self._decompressor or not self._auth_complete:
            return super()._recv_pkthdr()
        got = self._inpbuf
        view = memoryview(got)
        at, end = 0, self._end(view, 0)
        while end <= len(got) and self._take(
            gcm, view[at : at + _LENGTH], view[at + _LENGTH : end]
        ):
            at, end = end, self._end(view, end)
        if self._transport is None:  # what was taken has ended the connection
            return False
        self._inpbuf = got[at:]
        return end <= len(got) and super()._recv_pkthdr()

    def _end(self, view: memoryview, at: int) -> int:
        """Where the packet ends that begins at `at`; more than is there if nobody knows yet.

        :raises ProtocolError: it is larger than asked for, or too small for any.
        """
        if at + _BLOCK > len(view):
            return at + _BLOCK
        size = int.from_bytes(view[at : at + _LENGTH])
        if not _BLOCK <= size <= self._max_recv_pktlen:
            raise asyncssh.ProtocolError(f"A packet of {size} bytes")
        return at + _LENGTH + size + _TAG

    def _take(self, gcm: Gcm, length: memoryview, sealed: memoryview) -> bool:
        """Handle a packet if it is one of an open channel; asyncssh handles any other."""
        packet = gcm.look(length, sealed)
        if packet is None or self._transport is None:
            return False
        kind, end = packet[_TYPE], len(packet) - packet[0]
        channel = self._channels.get(int.from_bytes(packet[_CHANNEL:_BODY]))
        if kind not in SSHForwardChannel._packet_handlers or channel is None or end < _BODY:  # noqa: SLF001
            return False
        gcm.taken()
        self._recv_seq = (self._recv_seq + 1) & 0xFFFFFFFF
        if kind == MSG_CHANNEL_DATA and isinstance(channel, _Stream) and channel.take(packet, end):
            return True
        try:
            channel.process_packet(kind, self._recv_seq, SSHPacket(packet[_BODY:end]))
        except PacketDecodeError as error:
            raise asyncssh.ProtocolError(str(error)) from None
        return True

    # Out

    @override
    def send_packet(self, pkttype: int, *args: Any, **more: Any) -> None:
        gcm = Gcm.of(self._send_encryption)
        if gcm is None or pkttype <= MSG_USERAUTH_LAST or not self._may_send():
            super().send_packet(pkttype, *args, **more)
            return
        padding = -(2 + sum(map(len, args))) % _BLOCK
        if padding < _LEAST_PADDING:
            padding += _BLOCK
        packet = b"".join((bytes((padding, pkttype)), *args, os.urandom(padding)))
        length = len(packet).to_bytes(_LENGTH)
        self._send(length)
        self._send(gcm.seal(length, packet))
        self._send_seq = (self._send_seq + 1) & 0xFFFFFFFF
        self._rekey_bytes_sent += len(packet)

    def _may_send(self) -> bool:
        """Whether packets go out now, as they are: not while keys are exchanged, or have to be."""
        return (
            self._auth_complete
            and self._kex_complete
            and self._compressor is None
            and self._rekey_bytes_sent < self._rekey_bytes
            and not (self._rekey_seconds and time.monotonic() >= self._rekey_time)
        )


class _Stream(SSHForwardChannel[bytes]):
    """A channel that copies no data but what has to wait."""

    def take(self, packet: bytes, end: int) -> bool:
        """Take the data out of a packet that is padded from `end` on. If anything is wrong with it,
        it is left to asyncssh to say so."""
        size = int.from_bytes(packet[_BODY:_DATA])
        if self._recv_state != "open" or size != end - _DATA or size > self._recv_window:
            return False
        self._accept_data(packet[_DATA:end])
        return True

    @override
    def process_open_confirmation(
        self, send_chan: int, send_window: int, send_pktsize: int, packet: SSHPacket
    ) -> None:
        _check_packet_size(send_pktsize)
        super().process_open_confirmation(send_chan, send_window, send_pktsize, packet)

    @override
    def process_open(
        self, send_chan: int, send_window: int, send_pktsize: int, session: Any
    ) -> None:
        try:
            _check_packet_size(send_pktsize)
        except asyncssh.ProtocolError:
            session.close()  # a coroutine that would make it; Python warns of one that never runs
            raise
        super().process_open(send_chan, send_window, send_pktsize, session)

    @override
    def write(self, data: Any, datatype: int | None = None) -> None:
        rest = memoryview(data)
        if self._send_state == "open" and not self._send_buf:
            rest = self._pass(rest)
        if rest:
            super().write(rest, datatype)

    def _pass(self, data: memoryview) -> memoryview:
        """Send what the window has room for; what is left of it."""
        assert self._conn is not None
        assert self._send_chan is not None
        number = self._send_chan.to_bytes(4)
        while data and self._send_window:
            piece = data[: min(self._send_pktsize, self._send_window)]
            self._send_window -= len(piece)
            data = data[len(piece) :]
            head = number + len(piece).to_bytes(4)
            self._conn.send_packet(MSG_CHANNEL_DATA, head, cast(bytes, piece))  # any buffer will do
        return data


def _check_packet_size(size: int) -> None:
    """:raises ProtocolError: a read of a socket would become so many packets of this size that the
    loop stood still meanwhile."""
    if size < _SMALLEST:
        raise asyncssh.ProtocolError(f"The host takes no packet of more than {size} bytes")


class TcpStream(_Stream, asyncssh.SSHTCPChannel[bytes]):
    """A stream to a port."""


class UnixStream(_Stream, asyncssh.SSHUNIXChannel[bytes]):
    """A stream to a Unix socket."""
