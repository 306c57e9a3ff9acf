"""Run something as another user of this machine: uid 65534 (nobody), no groups. Needs root."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache

from tests.support.process import PeerError, child, environment, program

#: The other user's uid and gid.
OTHER_UID = 65534

_SQUAT = """
import signal, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
squat = socket.create_server((sys.argv[1], int(sys.argv[2])), family=family)
print("listens on", squat.getsockname()[1], flush=True)
signal.pause()
"""


def as_other_user(argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` as the other user; for `Child`, `subprocess` …"""
    if os.getuid() != 0:
        raise PeerError("tests with a hostile neighbour have to run as root (or in a container)")
    ids = [f"--reuid={OTHER_UID}", f"--regid={OTHER_UID}", "--clear-groups"]
    return [program("setpriv"), *ids, "--", *argv]


def run_as_other_user(
    argv: Sequence[str], *, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a command as the other user, to its end; in ``/``, with an environment of its own."""
    return subprocess.run(
        as_other_user(argv),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=environment({"HOME": "/nonexistent"}),
        stdin=subprocess.DEVNULL,
        timeout=timeout,
    )


def python_as_other_user(snippet: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `snippet` (standard library only; `arguments` in ``sys.argv[1:]``) as the other user."""
    return run_as_other_user(other_users_python(snippet, *arguments))


def other_users_python(snippet: str, *arguments: str) -> list[str]:
    """The command line of `snippet`, for `as_other_user`."""
    return [_python(), "-I", "-c", snippet, *arguments]


@contextlib.contextmanager
def squatter(host: str, port: int = 0) -> Iterator[tuple[int, int]]:
    """A process of the other user that listens on a port of one address (0: any that is free there)
    and never accepts; its pid, and the port.
    """
    with child(as_other_user(other_users_python(_SQUAT, host, str(port)))) as running:
        yield running.pid, int(running.wait_for_line(r"listens on (\d+)")[1])


@cache
def _python() -> str:
    """A Python that the other user may execute: ours may stand in a private home."""
    base = getattr(sys, "_base_executable", sys.executable)
    for candidate in (base, "/usr/bin/python3", "/usr/local/bin/python3"):
        if run_as_other_user([candidate, "-I", "-c", "pass"]).returncode == 0:
            return str(candidate)
    raise PeerError("no Python that another user may execute, such as /usr/bin/python3")
