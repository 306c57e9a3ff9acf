"""Debian's Chromium, driven by Playwright; the package's own browser is never downloaded. It is the
one without anything around a page (chromium-headless-shell), which takes a fifth less work.

Chromium breaks off what it loads (ERR_NETWORK_CHANGED) when an interface of the machine comes or
goes, and tests beside it make some. It hears of them by netlink: here it is told that there is no
such thing. For that this file is also a program, ``chromium.py PROGRAM …``, which becomes the other
one.
"""

import contextlib
import ctypes
import errno
import os
import platform
import shlex
import socket
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.netns import Namespace

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _FILTER = 22, 38, 2
_SOCKET = {"x86_64": 41, "aarch64": 198}  # the number of the system call
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _FIRST_ARGUMENT = 0, 16  # where they stand in what a filter sees
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000

_ARGUMENTS = [
    "--no-sandbox",  # the tests may run as root
    # The last of these counts. Playwright's own turns the partitioning of storage off, and a frame
    # of another site would have none at all: a JupyterLab in it loads again without end. This one
    # saves work: no page has a process in reserve.
    "--disable-features=SpareRendererForSitePerProcess",
    # No page lives for so long that the slower compilers of JavaScript would be worth their work.
    "--js-flags=--no-opt --no-maglev",
]


@contextlib.contextmanager
def chromium(*arguments: str, namespace: "Namespace | None" = None) -> Iterator["Browser"]:
    """Run it, in that network."""
    # Not above: what forbids netlink needs nothing but Python.
    from playwright.sync_api import sync_playwright

    from tests.support.process import program

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        start = Path(folder, "chromium")
        argv = [sys.executable, __file__, program("chromium-headless-shell")]
        command = shlex.join(namespace.wrap(argv) if namespace else argv)
        start.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        start.chmod(0o700)
        browser = playwright.chromium.launch(
            executable_path=start, headless=True, args=[*_ARGUMENTS, *arguments]
        )
        yield browser
        browser.close()


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def _forbid_netlink() -> None:
    """Let `socket(AF_NETLINK, …)` fail in this process and all that it becomes or starts, on the
    processors whose numbers of system calls are known here."""
    number = _SOCKET.get(platform.machine())
    if number is None:
        return
    steps = [
        (_LOAD, 0, 0, _NUMBER),
        (_IF_EQUAL, 0, 3, number),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_IF_EQUAL, 0, 1, socket.AF_NETLINK),
        (_RETURN, 0, 0, _FAIL | errno.EAFNOSUPPORT),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = _Program(len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for what in (
        (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0),
    ):
        if libc.prctl(*what) != 0:
            raise OSError(ctypes.get_errno(), "no filter of system calls can be set")


if __name__ == "__main__":
    _forbid_netlink()
    os.execv(sys.argv[1], sys.argv[1:])
