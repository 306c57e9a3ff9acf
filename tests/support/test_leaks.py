"""The look-outs see what there is: processes that left the tree, sockets, another user."""

import os
import socket
import sys
from pathlib import Path

import pytest

from tests.support import echo
from tests.support.leaks import assert_gone, listening, marked_processes, no_new_processes
from tests.support.other_uid import OTHER_UID, python_as_other_user, run_as_other_user
from tests.support.ports import ReservedPort, unused_port
from tests.support.process import PeerError, child, descendants, kill_all

_ORPHAN = """
import subprocess
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
sleeper = subprocess.Popen(["sleep", "1000"], start_new_session=True, **quiet)
print("orphan", sleeper.pid, flush=True)
"""


def _leave_an_orphan() -> int:
    with child([sys.executable, "-c", _ORPHAN]) as parent:
        pid = int(parent.wait_for_line(r"orphan (\d+)")[1])
        parent.wait()
    return pid


def test_an_orphan_is_found_by_its_mark() -> None:
    pid = _leave_an_orphan()
    orphans = [process for process in marked_processes() if process.pid == pid]
    assert orphans
    with pytest.raises(AssertionError, match="sleep 1000"):
        assert_gone(orphans, 0.1)
    kill_all(orphans)
    assert_gone(orphans)


def test_no_new_processes_complains() -> None:
    with pytest.raises(AssertionError, match="still running"), no_new_processes(patience=0.1):
        _leave_an_orphan()
    kill_all([process for process in marked_processes() if process.name() == "sleep"])


def test_a_child_takes_its_descendants_with_it() -> None:
    with child(["sh", "-c", "sleep 1000 & echo ready; wait"]) as shell:
        shell.wait_for_line("ready")
        family = descendants(shell.pid)
        assert family
    assert_gone(family)


def test_a_child_that_ends_early_says_so_with_its_output() -> None:
    with child(["sh", "-c", "echo broken >&2; exit 3"]) as shell:
        with pytest.raises(PeerError, match="broken"):
            shell.wait_for_line("ready")
        assert shell.wait() == 3


def test_listening_sockets_are_named(short_dir: Path) -> None:
    path = short_dir / "s"
    with echo.serve("echo") as server, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))
        assert str(path) not in listening(os.getpid(), family=False)
        unix.listen()
        found = listening(os.getpid(), family=False)
    assert str(path) in found
    assert f"127.0.0.1:{server.port}" in found


def test_a_reserved_port_is_ours_while_nothing_listens() -> None:
    with ReservedPort() as one, unused_port() as other:
        assert one.number != other
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", other))


def test_the_other_user_is_another_user(short_dir: Path) -> None:
    done = python_as_other_user("import os; print(os.getuid(), os.getgid(), os.getgroups())")
    assert done.stdout == f"{OTHER_UID} {OTHER_UID} []\n", done.stderr
    secret = short_dir / "secret"
    secret.write_text("secret")
    assert run_as_other_user(["cat", str(secret)]).returncode != 0
