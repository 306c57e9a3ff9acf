"""One line more in a known_hosts file, whatever else is going on there."""

import contextlib
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncssh
import pytest

from jupyter_remote_tunnel.ssh import known_hosts
from jupyter_remote_tunnel.ssh.known_hosts import can_remember, remember
from tests.support.other_uid import OTHER_UID
from tests.support.process import environment, program

KEY = asyncssh.generate_private_key("ssh-ed25519").convert_to_public()
LINE = KEY.export_public_key().decode().strip()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The known_hosts of a person with one host."""
    path = tmp_path / "known_hosts"
    path.write_text(f"# mine\nold {LINE}\n")
    return path


def found(file: Path, name: str) -> bool:
    """Whether OpenSSH finds the key under that name."""
    keygen = [program("ssh-keygen"), "-F", name.lower(), "-f", str(file)]  # as ssh looks for it
    done = subprocess.run(keygen, capture_output=True, text=True, check=False)
    return LINE in done.stdout


@pytest.mark.parametrize("hashed", [False, True])
@pytest.mark.parametrize("name", ["Gpu01.example.org", "[gpu01]:2222", "::1"])
def test_openssh_finds_it(file: Path, name: str, hashed: bool) -> None:
    before = file.read_bytes()
    assert can_remember(str(file))
    remember(str(file), name, KEY, hashed=hashed)
    after = file.read_bytes()
    assert after.startswith(before)
    assert after.count(b"\n") == before.count(b"\n") + 1
    assert found(file, name)
    assert (name.lower().encode() in after) == (not hashed)


def test_the_comment_of_a_key_stays_outside(file: Path) -> None:
    commented = asyncssh.import_public_key(f"{LINE} what the host likes to say")
    remember(str(file), "gpu01", commented, hashed=False)
    assert file.read_text().endswith(f"gpu01 {LINE}\n")


def test_a_last_line_without_an_end_stays_a_line(file: Path) -> None:
    file.write_text("# no end")
    remember(str(file), "gpu01", KEY, hashed=False)
    assert file.read_text() == f"# no end\ngpu01 {LINE}\n"


def test_bytes_that_are_no_text_stay(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\0\r\n")
    remember(str(file), "gpu01", KEY, hashed=False)
    assert file.read_bytes() == b"\xff\xfe\0\r\n" + f"gpu01 {LINE}\n".encode()


def test_a_first_file_is_private_as_is_its_folder(tmp_path: Path) -> None:
    file = tmp_path / ".ssh" / "known_hosts"
    assert can_remember(str(file))
    remember(str(file), "gpu01", KEY, hashed=False)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o660])
def test_the_mode_stays(file: Path, mode: int) -> None:
    file.chmod(mode)
    remember(str(file), "gpu01", KEY, hashed=False)
    assert stat.S_IMODE(file.stat().st_mode) == mode


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_one(file: Path, tmp_path: Path, there: bool) -> None:
    (tmp_path / "dotfiles").mkdir()
    target = tmp_path / "dotfiles" / "known"
    if there:
        file.rename(target)
    else:
        file.unlink()
    file.symlink_to("dotfiles/known")
    assert can_remember(str(file))
    remember(str(file), "gpu01", KEY, hashed=False)
    assert file.is_symlink()
    assert not target.is_symlink()
    assert found(target, "gpu01")
    assert found(target, "old") == there


@pytest.mark.parametrize("place", ["folder", "fifo", "link to nowhere", "no/such/folder/file"])
def test_where_nothing_can_be_kept(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link to nowhere").symlink_to("/dev/null")
    file = str(tmp_path / place)
    before = sorted(tmp_path.iterdir())
    assert not can_remember(file)
    with pytest.raises(OSError, match=r".") as caught:
        remember(file, "gpu01", KEY, hashed=False)
    assert caught.value.strerror
    assert sorted(tmp_path.iterdir()) == before
    assert Path("/dev/null").is_char_device()


@contextlib.contextmanager
def an_ordinary_user() -> Iterator[Path]:
    """Be somebody whom modes mean something to, with a folder of their own."""
    folder = Path(tempfile.mkdtemp(prefix="jrt-"))
    was_root = os.getuid() == 0
    if was_root:
        os.chown(folder, OTHER_UID, OTHER_UID)
        os.setresuid(OTHER_UID, OTHER_UID, 0)
    try:
        yield folder
    finally:
        if was_root:
            os.setresuid(0, 0, 0)
        folder.chmod(0o700)
        shutil.rmtree(folder)


@pytest.mark.parametrize("protected", ["file", "folder"])
def test_what_is_write_protected_stays_as_it_is(protected: str) -> None:
    with an_ordinary_user() as folder:
        file = folder / "known_hosts"
        file.write_text("# mine\n")
        (file if protected == "file" else folder).chmod(0o500)
        assert not can_remember(str(file))
        with pytest.raises(PermissionError):
            remember(str(file), "gpu01", KEY, hashed=False)
        assert file.read_text() == "# mine\n"
        assert list(folder.iterdir()) == [file]


def test_who_holds_the_folder_for_ever_holds_up_nobody(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user may, where they can list it."""
    monkeypatch.setattr(known_hosts, "_LOCK_PATIENCE", 0.1)
    with contextlib.ExitStack() as stack:
        folder = os.open(file.parent, os.O_RDONLY)
        stack.callback(os.close, folder)
        fcntl.flock(folder, fcntl.LOCK_EX)
        remember(str(file), "gpu01", KEY, hashed=False)
    assert found(file, "gpu01")


_WRITER = """
import sys
import asyncssh
from jupyter_remote_tunnel.ssh.known_hosts import remember
key = asyncssh.import_public_key(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for number in range(20):
    remember(sys.argv[1], f"{sys.argv[2]}-{number}", key, hashed=False)
"""


def test_two_writers_at_once(file: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(file), name, LINE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment({"PYTHONPATH": os.pathsep.join(sys.path)}),
        )
        for name in ("one", "two")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda writer: writer.communicate("go\n"), writers))
    assert [writer.returncode for writer in writers] == [0, 0]
    lines = file.read_text().splitlines()
    expected = {f"{name}-{number} {LINE}" for name in ("one", "two") for number in range(20)}
    assert lines[:2] == ["# mine", f"old {LINE}"]
    assert len(lines) == 42
    assert set(lines[2:]) == expected


def test_what_ssh_adds_meanwhile_is_kept(file: Path) -> None:
    """ssh appends, and knows nothing of our lock. It is not lost where it comes before the file is
    replaced; a moment is left in which nothing could see it."""
    appended = 0

    def append() -> None:
        nonlocal appended
        with file.open("a") as opened:
            opened.write(f"# {appended}\n")
        appended += 1

    def interfere(event: str, arguments: tuple[object, ...]) -> None:
        # Our new file is made: just then ssh adds its line.
        if event == "tempfile.mkstemp" and watching and appended < 3:
            append()

    watching = True
    sys.addaudithook(interfere)
    remember(str(file), "gpu01", KEY, hashed=False)
    watching = False
    assert appended == 3
    assert file.read_text() == f"# mine\nold {LINE}\n# 0\n# 1\n# 2\ngpu01 {LINE}\n"
