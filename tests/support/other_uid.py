"""Run something as another user of this machine: uid 65534 (nobody), no groups. Needs root."""

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache

from tests.support.process import PeerError, environment, program

#: The other user's uid and gid.
OTHER_UID = 65534


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


@cache
def _python() -> str:
    """A Python that the other user may execute: ours may stand in a private home."""
    base = getattr(sys, "_base_executable", sys.executable)
    for candidate in (base, "/usr/bin/python3", "/usr/local/bin/python3"):
        if run_as_other_user([candidate, "-I", "-c", "pass"]).returncode == 0:
            return str(candidate)
    raise PeerError("no Python that another user may execute, such as /usr/bin/python3")
