"""What a tunnel has a host run to hold a server, tried in a real shell."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_remote_tunnel.tunnels.holding import hold_argv, let_go_argv
from tests.support.other_uid import OTHER_UID


@pytest.fixture
def keeper(short_dir: Path) -> Path:
    folder = short_dir / "jupyter-kept-abcd1234"
    folder.mkdir(mode=0o700)
    os.mkfifo(folder / "line", 0o600)
    return folder


@contextlib.contextmanager
def listening(keeper: Path) -> Iterator[int]:
    line = os.open(keeper / "line", os.O_RDWR | os.O_NONBLOCK)
    try:
        yield line
    finally:
        os.close(line)


def said(argv: list[str]) -> int:
    return subprocess.run(argv, input=b"hold me\n", timeout=60, check=False).returncode


def test_a_keeper_is_told(keeper: Path) -> None:
    with listening(keeper) as line:
        assert said(hold_argv(str(keeper))) == 0
        assert said(let_go_argv(str(keeper), "me")) == 0
        assert os.read(line, 100) == b"hold me\nend me\n"


@pytest.mark.parametrize("by_link", [False, True])
def test_a_folder_of_another_user_is_told_nothing(keeper: Path, by_link: bool) -> None:
    os.chown(keeper, OTHER_UID, OTHER_UID)
    place = keeper
    if by_link:
        place = keeper.with_name("link")
        place.symlink_to(keeper)
    with listening(keeper) as line:
        for argv in (hold_argv(str(place)), let_go_argv(str(place), "me")):
            assert said(argv) != 0
        with pytest.raises(BlockingIOError):
            os.read(line, 100)


def test_what_is_no_line_is_not_written(keeper: Path) -> None:
    (keeper / "line").unlink()
    (keeper / "line").write_text("mine")
    assert said(hold_argv(str(keeper))) != 0
    assert said(let_go_argv(str(keeper), "me")) != 0
    assert (keeper / "line").read_text() == "mine"
