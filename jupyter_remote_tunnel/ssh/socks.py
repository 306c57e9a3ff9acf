"""The server's side of SOCKS 4, 4a and 5 (RFC 1928), without I/O: bytes in, bytes out.

CONNECT only, no authentication; IPv4, domain names and IPv6. `SocksRequest` is fed until
`destination` is there; then `accepted()` or `refused(why)` is the reply. What the client sent
behind its request is `rest`."""

import ipaddress
from collections.abc import Callable
from enum import IntEnum

from ..model.address import TcpAddress

MAX_REQUEST = 1024
"""Bytes that any request fits in: three fields of at most 255, and some fixed ones."""

_CONNECT = 1
_NO_AUTHENTICATION = 0
_IPV4, _DOMAIN, _IPV6 = 1, 3, 4


class Refusal(IntEnum):
    """Why a request is refused, as SOCKS 5 numbers it; SOCKS 4 has one number for all."""

    FAILED = 1
    NOT_ALLOWED = 2
    UNREACHABLE = 4
    CONNECTION_REFUSED = 5
    COMMAND = 7
    ADDRESS_TYPE = 8


class SocksError(Exception):
    """The client did not speak SOCKS, or asked for what there is not. `reply` is the last word to
    it."""

    def __init__(self, message: str, reply: bytes = b"") -> None:
        super().__init__(message)
        self.reply = reply


class _Incomplete(Exception):
    """More bytes are needed."""


class SocksRequest:
    """One client's request."""

    def __init__(self) -> None:
        self.destination: TcpAddress | None = None
        self._data = bytearray()
        self._position = 0
        self._step: Callable[[], bytes] = self._version
        self._reply: Callable[[int], bytes] = _reply_5

    def feed(self, data: bytes) -> bytes:
        """Take what the client sent, and return what is to be sent to it (perhaps nothing).

        :raises SocksError: what it sent is refused.
        """
        self._data += data
        answer = b""
        while self.destination is None:
            start = self._position
            try:
                answer += self._step()
            except _Incomplete:
                self._position = start
                if len(self._data) > MAX_REQUEST:
                    raise SocksError("A SOCKS request is too long.") from None
                return answer
        return answer

    @property
    def rest(self) -> bytes:
        """What the client sent behind its request."""
        return bytes(self._data[self._position :])

    def accepted(self) -> bytes:
        """The reply when the destination is connected."""
        return self._reply(0)

    def refused(self, why: Refusal) -> bytes:
        """The reply when it is not."""
        return self._reply(why)

    def _take(self, size: int) -> bytes:
        end = self._position + size
        if len(self._data) < end:
            raise _Incomplete
        taken = bytes(self._data[self._position : end])
        self._position = end
        return taken

    def _take_text(self) -> bytes:
        """The bytes before the next NUL."""
        end = self._data.find(0, self._position)
        if end < 0:
            raise _Incomplete
        taken = self._take(end - self._position)
        self._position += 1
        return taken

    def _version(self) -> bytes:
        version = self._take(1)[0]
        if version == 5:
            self._step = self._greeting_5
        elif version == 4:
            self._reply = _reply_4
            self._step = self._request_4
        elif version in b"GHPCDOT":
            raise SocksError("A client spoke HTTP; this is a SOCKS proxy.", _NOT_HTTP)
        else:
            raise SocksError("A client did not speak SOCKS.")
        return b""

    def _greeting_5(self) -> bytes:
        methods = self._take(self._take(1)[0])
        if _NO_AUTHENTICATION not in methods:
            raise SocksError(
                "A SOCKS client wants to authenticate, which is not needed.", b"\5\xff"
            )
        self._step = self._request_5
        return b"\5\0"

    def _request_5(self) -> bytes:
        version, command, _, kind = self._take(4)
        if version != 5:
            raise SocksError("A SOCKS 5 request has another version.")
        if command != _CONNECT:
            raise SocksError(
                "A SOCKS client asked for another command than CONNECT.", _reply_5(Refusal.COMMAND)
            )
        if kind == _IPV4:
            host = str(ipaddress.IPv4Address(self._take(4)))
        elif kind == _IPV6:
            host = str(ipaddress.IPv6Address(self._take(16)))
        elif kind == _DOMAIN:
            host = self._domain(self._take(self._take(1)[0]))
        else:
            raise SocksError(
                "A SOCKS request has an unknown type of address.", _reply_5(Refusal.ADDRESS_TYPE)
            )
        self._set(host, self._take(2))
        return b""

    def _request_4(self) -> bytes:
        command, port, address = self._take(1)[0], self._take(2), self._take(4)
        self._take_text()  # the user's name
        if command != _CONNECT:
            raise SocksError(
                "A SOCKS client asked for another command than CONNECT.", _reply_4(Refusal.COMMAND)
            )
        if address[:3] == b"\0\0\0" and address[3]:  # 4a: the name follows
            self._set(self._domain(self._take_text()), port)
        else:
            self._set(str(ipaddress.IPv4Address(address)), port)
        return b""

    def _domain(self, name: bytes) -> str:
        text = name.decode("ascii", "replace")
        if not 0 < len(text) < 256 or not text.isascii() or not text.isprintable() or " " in text:
            raise SocksError(
                "A SOCKS request has no proper host name.", self._reply(Refusal.FAILED)
            )
        return text

    def _set(self, host: str, port: bytes) -> None:
        self.destination = TcpAddress(host, int.from_bytes(port))


_NOT_HTTP = (
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"This is a SOCKS proxy. Use it as socks5h://, not as http://.\n"
)


def _reply_5(code: int) -> bytes:
    return bytes((5, code, 0, _IPV4)) + bytes(6)


def _reply_4(code: int) -> bytes:
    return bytes((0, 90 if code == 0 else 91)) + bytes(6)
