"""Whose is the other end of a TCP connection on this machine? Linux answers by NETLINK_SOCK_DIAG.

The look-up is exact (one socket by its four coordinates, not a dump), takes a few microseconds and
no privilege. It answers None where nobody can tell: the peer is on another machine, or has closed
its socket by now and the kernel has forgotten whose it was."""

import errno
import ipaddress
import os
import socket
import struct
import sys
import threading
from functools import lru_cache
from typing import Any, NamedTuple

SUPPORTED = sys.platform == "linux"

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLMSG_ERROR = 2
_NLM_F_REQUEST = 1
_ANY_STATE = 0xFFFFFFFF
_NO_COOKIE = b"\xff" * 8
_TCP_ESTABLISHED = 1
_TCP_SYN_RECV = 3
_TCP_LISTEN = 10

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port id
_REQUEST = struct.Struct("=BBBxI")  # inet_diag_req_v2: family, protocol, extensions, states; an id
_ID = struct.Struct("!HH16s16s4s8s")  # inet_diag_sockid: ports, addresses, interface, cookie
_ANSWER = struct.Struct("=BBxx48sIIIII")  # inet_diag_msg: family, state, id, …, uid, inode
_ERROR = struct.Struct("=i")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def check() -> None:
    """Find out whether look-ups work here.

    :raises OSError: they do not.
    """
    nowhere = ("127.0.0.1", 1)
    peer_uid(nowhere, nowhere)


def peer_uid(ours: tuple[Any, ...], peer: tuple[Any, ...]) -> int | None:
    """The uid of the peer's end of an accepted connection, None where it cannot be told.

    :param ours: the connection's `getsockname()`, :param peer: its `getpeername()`.
    :raises OSError: look-ups do not work here.
    """
    found = _connected(peer, ours)
    # Of a socket that its process has closed older kernels only say that it is nobody's, as 0.
    return None if found is None or (found.uid == 0 and found.inode == 0) else found.uid


def listener_uid(ours: tuple[Any, ...], peer: tuple[Any, ...]) -> int | None:
    """The uid of the process that a connection of ours has reached, None where it cannot be told.

    While nobody has accepted the connection, it is the uid of the listener.

    :param ours: the connection's `getsockname()`, :param peer: its `getpeername()`.
    :raises OSError: look-ups do not work here.
    """
    # In this order: with its listener, a connection that waits there ends. So the listener of a
    # moment ago is the one at which it still waits, and not one that came after a stranger's.
    listener = _look_up(peer, (ours[0], 0))
    found = _connected(peer, ours)
    if found is None:
        return None
    if found.inode != 0:
        return found.uid
    waits = found.state in (_TCP_ESTABLISHED, _TCP_SYN_RECV)  # else it was accepted and closed
    return listener.uid if waits and listener is not None else None


class _Found(NamedTuple):
    state: int
    coordinates: tuple[int, int, Address, Address]
    uid: int
    inode: int  # 0: of no process


def _connected(end: tuple[Any, ...], other: tuple[Any, ...]) -> _Found | None:
    """The socket at `end` of a connection with `other`."""
    found = _look_up(end, other)
    wanted = (end[1], other[1], _address(end[0]), _address(other[0]))
    if found is None or found.state == _TCP_LISTEN or found.coordinates != wanted:
        return None  # the kernel answers with a listener where there is no connection
    return found


def _look_up(end: tuple[Any, ...], other: tuple[Any, ...]) -> _Found | None:
    """The socket at `end` that gets what `other` sends: of their connection, or a listener."""
    there, here = _address(end[0]), _address(other[0])
    family = socket.AF_INET if there.version == 4 else socket.AF_INET6
    wanted = _ID.pack(end[1], other[1], _packed(there), _packed(here), bytes(4), _NO_COOKIE)
    answer = _ask(_REQUEST.pack(family, socket.IPPROTO_TCP, 0, _ANY_STATE) + wanted)
    if answer is None:
        return None
    found_family, state, found, _, _, _, uid, inode = _ANSWER.unpack_from(answer)
    return _Found(state, _coordinates(found, found_family), uid, inode)


class _Kernel:
    """The socket on which this process asks. It stays open: to make one takes longer than to ask,
    and when many streams are open there may be no descriptor left for it."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._asked = 0
        self._one_at_a_time = threading.Lock()

    def ask(self, request: bytes) -> bytes:
        """The kernel's answer to one request.

        :raises OSError: there is none.
        """
        with self._one_at_a_time:
            try:
                return self._answer(request)
            except OSError:
                self.forget()
                raise

    def _answer(self, request: bytes) -> bytes:
        if self._socket is None:
            kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK  # the answer is there when `send` returns
            self._socket = socket.socket(socket.AF_NETLINK, kind, _NETLINK_SOCK_DIAG)
        self._asked = (self._asked + 1) & 0xFFFFFFFF
        length = _HEADER.size + len(request)
        header = _HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, self._asked, 0)
        self._socket.send(header + request)
        answer = self._socket.recv(4096)
        if _HEADER.unpack_from(answer)[3] != self._asked:
            raise OSError(errno.EPROTO, "the answer is to another request")
        return answer

    def forget(self) -> None:
        """Ask on a new socket from now on."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


_kernel = _Kernel()
if SUPPORTED:
    os.register_at_fork(after_in_child=_kernel.forget)  # the answers of both would come to both


def _ask(request: bytes) -> bytes | None:
    """The kernel's answer to one request, None for "no such socket"."""
    answer = _kernel.ask(request)
    _, kind, _, _, _ = _HEADER.unpack_from(answer)
    body = answer[_HEADER.size :]
    if kind == _NLMSG_ERROR:
        code = -_ERROR.unpack_from(body)[0]
        if code == errno.ENOENT:
            return None
        raise OSError(code, os.strerror(code))
    return body


def _coordinates(packed: bytes, family: int) -> tuple[int, int, Address, Address]:
    source_port, peer_port, source, peer, _, _ = _ID.unpack(packed)
    size = 4 if family == socket.AF_INET else 16
    return source_port, peer_port, _unpacked(source[:size]), _unpacked(peer[:size])


@lru_cache(maxsize=64)
def _address(text: str) -> Address:
    return _plain(ipaddress.ip_address(text.partition("%")[0]))


@lru_cache(maxsize=64)
def _unpacked(packed: bytes) -> Address:
    return _plain(ipaddress.ip_address(packed))


def _plain(address: Address) -> Address:
    """IPv4 as IPv4, also where an IPv6 socket speaks it."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _packed(address: Address) -> bytes:
    return address.packed.ljust(16, b"\0")
