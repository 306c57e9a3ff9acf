"""The browser of the tests does not hear of the interfaces that tests beside it make."""

import errno
import subprocess
import sys

from tests.support import chromium

_TRY = "import socket; socket.socket(); socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)"


def _tried(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [*argv, sys.executable, "-c", _TRY]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_there_is_no_netlink() -> None:
    assert _tried().returncode == 0
    without = _tried(sys.executable, chromium.__file__)
    assert without.returncode == 1
    assert f"[Errno {errno.EAFNOSUPPORT}]" in without.stderr
