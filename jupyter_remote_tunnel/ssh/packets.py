"""The packets of streams, where the connection is encrypted with AES-GCM and not compressed.

For each packet asyncssh copies all that it has received and not handled yet, copies the packet five
times on its way in and ten times on its way out, sets up the cipher's key, and words a line for a
log that is off. Most of what a transfer costs is that. `PacketConnection` takes the packets of
channels out of what came, and makes those that go, with two copies each. It also opens channels,
for which asyncssh takes two tasks. All else (logging in, exchanging keys, other ciphers) is
asyncssh's, and so is the state of both: one packet may go the short way and the next the long one.

What is used here of asyncssh is private to it. With a version that is not `KNOWN` to have it,
everything goes the long way.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import asyncssh
from asyncssh.channel import SSHForwardChannel
from asyncssh.constants import (
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_OPEN,
    MSG_CHANNEL_OPEN_CONFIRMATION,
    MSG_CHANNEL_OPEN_FAILURE,
    MSG_USERAUTH_LAST,
)
from asyncssh.crypto.cipher import GCMCipher
from asyncssh.encryption import GCMEncryption
from asyncssh.packet import PacketDecodeError, SSHPacket, String, UInt32
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

# AES-GCM's nonce: bytes that stay, and a count of the packets (RFC 5647, 7.1).
_FIXED, _COUNT = 4, 8
_LAST_COUNT = (1 << 8 * _COUNT) - 1

_PADDING = os.urandom(_BLOCK + _LEAST_PADDING)
"""To be arbitrary is all that is asked of it: AES-GCM hides what is always the same."""

_SMALLEST = 256
"""Bytes that a host must take in one packet. Those that are known take 32 KiB."""

_CLOSED = ("close_pending", "closed")

_PIECE = 32 << 10
"""Bytes of a stream that wait together for its reader."""

_ANSWERS = (MSG_CHANNEL_OPEN_CONFIRMATION, MSG_CHANNEL_OPEN_FAILURE)
"""About a channel that is not open yet: the connection handles them."""

_HANDLED = SSHForwardChannel._packet_handlers  # noqa: SLF001
"""What a channel handles."""

Channel = asyncssh.SSHTCPChannel[bytes] | asyncssh.SSHUNIXChannel[bytes]

Session = Callable[[], Any]
"""Makes the session of a channel that has opened."""

_NOBODY = asyncssh.SSHTCPSession[bytes]()
"""Who is told what a host says about a stream that has ended here."""


class Gcm(GCMCipher):
    """asyncssh's AES-GCM, with the key set up once."""

    def __init__(self, cipher: GCMCipher) -> None:
        self._key, self._iv = cipher._key, cipher._iv  # noqa: SLF001
        self._aead = AESGCM(self._key)
        self._fixed, self._count = self._iv[:_FIXED], int.from_bytes(self._iv[_FIXED:])
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
    def _update_iv(self) -> None:
        self._count = (self._count + 1) & _LAST_COUNT
        self._iv = self._fixed + self._count.to_bytes(_COUNT)

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
    """A connection that takes the short way where there is one. See the module.

    `unconfirmed` counts the streams that were aborted here and whose end the host has not confirmed
    yet: until it does, their numbers are not free, and asyncssh keeps what it knows of them.
    """

    unconfirmed = 0

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
        # Without sizes for the agent that is lent to the host.
        if not KNOWN or not sizes:
            return super().create_unix_channel(encoding, errors, *sizes)
        self._update_recv_pktlen(sizes[-1])
        return UnixStream(self, self._loop, encoding, errors, *sizes)

    # Opening a channel

    def open_tcp(
        self,
        session: Session,
        host: str,
        port: int,
        originator: tuple[str, int],
        window: int,
        packet: int,
    ) -> "asyncio.Future[Channel]":
        """Open a stream to a port: the channel, or a ChannelOpenError.

        :param window: what the host may send before more is let in, `packet` the most that it may
            send in one packet, both in bytes.
        """
        if not KNOWN:
            opened = self.create_connection(
                session, host, port, *originator, window=window, max_pktsize=packet
            )
            return self._loop.create_task(_channel_of(opened), name=f"open {host}:{port}")
        back, back_port = originator
        where = (String(host), UInt32(port), String(back), UInt32(back_port))
        return self._open(TcpStream, session, b"direct-tcpip", where, (window, packet))

    def open_unix(
        self, session: Session, path: str, window: int, packet: int
    ) -> "asyncio.Future[Channel]":
        """Open a stream to a Unix socket of the host, likewise."""
        if not KNOWN:
            opened = self.create_unix_connection(session, path, window=window, max_pktsize=packet)
            return self._loop.create_task(_channel_of(opened), name=f"open {path}")
        # OpenSSH wants an originator here too.
        where = (String(path), String(""), UInt32(0))
        kind = b"direct-streamlocal@openssh.com"
        return self._open(UnixStream, session, kind, where, (window, packet))

    def _open(
        self,
        stream_type: "type[TcpStream | UnixStream]",
        session: Session,
        kind: bytes,
        where: tuple[bytes, ...],
        sizes: tuple[int, int],
    ) -> "asyncio.Future[Channel]":
        opening: asyncio.Future[Channel] = self._loop.create_future()
        self._update_recv_pktlen(sizes[-1])
        try:
            stream = stream_type(self, self._loop, None, "strict", *sizes)
        except asyncssh.ChannelOpenError as error:  # the connection has ended
            opening.set_exception(error)
        else:
            stream.open(opening, session, kind, *where)
        return opening

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
        answers = kind in _ANSWERS
        if channel is None or end < _BODY or not (answers or kind in _HANDLED):
            return False
        gcm.taken()
        self._recv_seq = (self._recv_seq + 1) & 0xFFFFFFFF
        if kind == MSG_CHANNEL_DATA and isinstance(channel, _Stream) and channel.take(packet, end):
            return True
        try:
            if answers:
                self.process_packet(kind, self._recv_seq, SSHPacket(packet[_CHANNEL:end]))
            else:
                channel.process_packet(kind, self._recv_seq, SSHPacket(packet[_BODY:end]))
        except PacketDecodeError as error:
            raise asyncssh.ProtocolError(str(error)) from None
        return True

    # Out

    @override
    def send_packet(self, pkttype: int, *args: Any, **more: Any) -> None:
        if not self._send_now(pkttype, *args):
            super().send_packet(pkttype, *args, **more)

    def send_data(self, head: bytes, data: Any) -> None:
        """Send a packet with data of a stream: `send_packet`, without what others need of it."""
        if not self._send_now(MSG_CHANNEL_DATA, head, data):
            self.send_packet(MSG_CHANNEL_DATA, head, data)

    def _send_now(self, pkttype: int, *args: Any) -> bool:
        """Send a packet the short way, if it is open to it."""
        gcm = Gcm.of(self._send_encryption)
        if gcm is None or pkttype <= MSG_USERAUTH_LAST or not self._may_send():
            return False
        padding = -(2 + sum(map(len, args))) % _BLOCK
        if padding < _LEAST_PADDING:
            padding += _BLOCK
        packet = b"".join((bytes((padding, pkttype)), *args, _PADDING[:padding]))
        length = len(packet).to_bytes(_LENGTH)
        sealed = gcm.seal(length, packet)
        if self._transport is not None:
            self._transport.writelines((length, sealed))
        self._send_seq = (self._send_seq + 1) & 0xFFFFFFFF
        self._rekey_bytes_sent += len(packet)
        return True

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
    """A channel that copies no data but what has to wait, and holds little once it is aborted."""

    _conn: PacketConnection | None
    _aborted = False
    _new_session: Session | None = None

    def open(
        self, opening: "asyncio.Future[Any]", session: Session, kind: bytes, *where: bytes
    ) -> None:
        """Ask the host to open it. `opening` is given this channel, or the error."""
        assert self._conn is not None
        assert self._recv_chan is not None
        self._open_waiter, self._new_session = opening, session
        sizes = UInt32(self._recv_window) + UInt32(self._recv_pktsize)
        head = String(kind) + UInt32(self._recv_chan) + sizes
        self._conn.send_packet(MSG_CHANNEL_OPEN, head, *where)

    def take(self, packet: bytes, end: int) -> bool:
        """Take the data out of a packet that is padded from `end` on. If anything is wrong with it,
        it is left to asyncssh to say so."""
        size = int.from_bytes(packet[_BODY:_DATA])
        if self._recv_state != "open" or size != end - _DATA or size > self._recv_window:
            return False
        data = packet[_DATA:end]
        if size and self._session is not None and self._flows():
            self._recv_window -= size
            self._session.data_received(data, None)
        else:
            self._accept_data(data)
        return True

    def _flows(self) -> bool:
        """Whether what comes goes on at once, and asyncssh has no window to renew for it."""
        return (
            not self._recv_paused
            and self._recv_window >= self._init_recv_window / 2
            and self._send_state not in _CLOSED
        )

    @override
    def _accept_data(self, data: bytes, datatype: int | None = None) -> None:
        """What has to wait is joined: asyncssh keeps each packet by itself, and one of a single
        byte takes some 70, and as long to pass on as one that is full."""
        waits = data and self._recv_paused
        if not waits or self._send_state in _CLOSED:
            super()._accept_data(data, datatype)
            return
        self._recv_window -= len(data)
        if self._recv_buf and len(self._recv_buf[-1][0]) < _PIECE:
            cast(bytearray, self._recv_buf[-1][0]).extend(data)
        else:
            self._recv_buf.append((cast(bytes, bytearray(data)), None))

    @override
    def abort(self) -> None:
        super().abort()
        if self._conn is not None and not self._aborted:
            self._aborted = True
            self._conn.unconfirmed += 1
            self._session, self._send_paused = _NOBODY, False

    @override
    def _cleanup(self, exc: Exception | None = None) -> None:
        if self._conn is not None and self._aborted:
            self._conn.unconfirmed -= 1
        super()._cleanup(exc)

    @override
    def process_open_confirmation(
        self, send_chan: int, send_window: int, send_pktsize: int, packet: SSHPacket
    ) -> None:
        _check_packet_size(send_pktsize)
        if self._new_session is None:
            super().process_open_confirmation(send_chan, send_window, send_pktsize, packet)
            return
        packet.check_end()
        # Who waits is given the last of these.
        itself = cast(SSHPacket, self)
        super().process_open_confirmation(send_chan, send_window, send_pktsize, itself)
        make, self._new_session = self._new_session, None
        self._session = make()
        self._session.connection_made(self)
        self._session.session_started()
        if self._recv_paused == "starting":  # else the session has its own mind
            self._recv_paused = False

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
            self._conn.send_data(number + len(piece).to_bytes(4), piece)
        return data


async def _channel_of(opened: Awaitable[tuple[Channel, Any]]) -> Channel:
    channel, _ = await opened
    return channel


def _check_packet_size(size: int) -> None:
    """:raises ProtocolError: a read of a socket would become so many packets of this size that the
    loop stood still meanwhile."""
    if size < _SMALLEST:
        raise asyncssh.ProtocolError(f"The host takes no packet of more than {size} bytes")


class TcpStream(_Stream, asyncssh.SSHTCPChannel[bytes]):
    """A stream to a port."""


class UnixStream(_Stream, asyncssh.SSHUNIXChannel[bytes]):
    """A stream to a Unix socket."""
