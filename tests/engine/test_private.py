import contextlib
import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from jupyter_remote_tunnel.engine import private
from jupyter_remote_tunnel.engine.private import PrivateDirectory, is_held
from jupyter_remote_tunnel.model.errors import Fatal
from tests.engine.conftest import ROOT, Folders
from tests.support.other_uid import OTHER_UID, python_as_other_user
from tests.support.process import child

MAKE = """
import signal
from jupyter_remote_tunnel.engine.private import PrivateDirectory
print("made", PrivateDirectory.make().path, flush=True)
signal.pause()
"""


@pytest.fixture
def temporary(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder that everybody may write, and no XDG_RUNTIME_DIR."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return use_as_temporary(short_dir, 0o1777, monkeypatch)


def use_as_temporary(folder: Path, mode: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder.chmod(mode)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def made_by_a_dead_process(env: dict[str, str]) -> Path:
    with child([sys.executable, "-c", MAKE], cwd=ROOT, env={**os.environ, **env}) as maker:
        path = Path(maker.wait_for_line(r"^made (.*)$")[1])
        assert is_held(path)
        maker.send_signal(signal.SIGKILL)
        maker.wait()
    return path


def test_it_is_ours_alone_and_names_its_maker(folders: Folders) -> None:
    made = PrivateDirectory.make()
    status = made.path.lstat()
    assert made.path.parent == folders.private
    assert stat.S_IMODE(status.st_mode) == 0o700
    assert status.st_uid == os.geteuid()
    assert (made.path / "pid").read_text() == f"{os.getpid()}\n"
    assert is_held(made.path)
    made.remove()
    assert not made.path.exists()
    assert not is_held(made.path)


def test_paths_of_sockets_in_it_are_short(temporary: Path) -> None:
    made = PrivateDirectory.make()
    assert len(os.fsencode(made.path / ("n" * 40))) <= 100
    assert len(made.path.name) == len("jrt-XXXXXX")
    made.remove()


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o1777])
def test_a_runtime_folder_that_others_can_enter_is_not_used(
    folders: Folders, mode: int, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folders.private))
    folders.private.chmod(mode)
    made = PrivateDirectory.make()
    assert made.path.parent == temporary
    made.remove()


def test_a_runtime_folder_of_another_user_is_not_used(
    folders: Folders, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folders.private))
    os.chown(folders.private, OTHER_UID, OTHER_UID)
    made = PrivateDirectory.make()
    assert made.path.parent == temporary
    made.remove()


def test_a_shared_folder_where_others_could_rename_it_is_not_used(
    temporary: Path, short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_as_temporary(short_dir, 0o777, monkeypatch)  # not sticky
    made = PrivateDirectory.make()
    assert made.path.parent == Path("/tmp")
    made.remove()


def test_a_temporary_folder_with_a_long_path_is_not_used(
    temporary: Path, short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = short_dir / ("x" * 60)
    long.mkdir()
    use_as_temporary(long, 0o700, monkeypatch)
    made = PrivateDirectory.make()
    assert made.path.parent == Path("/tmp")
    made.remove()


def test_a_network_file_system_is_known_by_the_mount_table(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    numbers = f"{os.major(device)}:{os.minor(device)}"
    table = tmp_path / "mountinfo"
    table.write_text(f"36 35 {numbers} / /home rw shared:1 - nfs4 server:/home rw,vers=4.2\n")
    assert private._on_network(tmp_path, table)
    table.write_text(f"36 35 {numbers} / /home rw - ext4 /dev/sda1 rw\n37 35 0:99 / /n - nfs s rw")
    assert not private._on_network(tmp_path, table)
    assert not private._on_network(tmp_path, tmp_path / "none")


def test_names_that_a_neighbour_has_made_are_not_used(
    temporary: Path, short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private, "_ALPHABET", "ab")  # 64 names: all but one are taken
    monkeypatch.setattr(private, "_SHARED", ())
    script = """
import itertools, os, sys
names = ["".join(name) for name in itertools.product("ab", repeat=6)][1:]
for number, name in enumerate(names):
    path = os.path.join(sys.argv[1], f"jrt-{name}")
    if number % 2:
        os.mkdir(path, 0o777)
    else:
        os.symlink("/etc", path)
"""
    assert python_as_other_user(script, str(temporary)).returncode == 0
    etc = sorted(Path("/etc").iterdir())
    found = None
    while found is None:  # of a hundred names that are tried the free one may not be one
        with contextlib.suppress(Fatal):
            found = PrivateDirectory.make()
    assert found.path.name == "jrt-aaaaaa"
    assert found.path.lstat().st_uid == os.geteuid()
    found.remove()
    assert len(list(temporary.iterdir())) == 63
    assert sorted(Path("/etc").iterdir()) == etc


def test_what_dead_makers_left_is_removed(folders: Folders) -> None:
    path = made_by_a_dead_process(folders.environment)
    (path / "control.sock").touch()
    assert not is_held(path)
    made = PrivateDirectory.make()
    assert not path.exists()
    made.remove()


def test_what_a_living_maker_has_is_kept(folders: Folders) -> None:
    made, other = PrivateDirectory.make(), PrivateDirectory.make()
    assert made.path.exists()
    made.remove()
    other.remove()


def test_what_is_not_a_left_over_of_ours_is_kept(folders: Folders) -> None:
    def folder(name: str, mode: int = 0o700, *, pid: bool = True) -> Path:
        path = folders.private / name
        path.mkdir()
        if pid:
            (path / "pid").write_text("1\n")
        path.chmod(mode)
        return path

    others = folder("jrt-others")
    os.chown(others, OTHER_UID, OTHER_UID)
    kept = [
        others,
        folder("jrt-shared", 0o755),
        folder("jrt-beingm", pid=False),
        folder("jrt-longer-name"),
        folder("xxx-abcdef"),
    ]
    link = folders.private / "jrt-mylink"
    link.symlink_to(kept[-1])
    PrivateDirectory.make().remove()
    assert all((path / "pid").exists() or path.name == "jrt-beingm" for path in kept)
    assert link.is_symlink()
    link.unlink()
    subprocess.run(["rm", "-r", *kept], check=True)


def test_that_there_is_no_fit_folder_is_said(
    temporary: Path, short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private, "_SHARED", ())
    use_as_temporary(short_dir, 0o777, monkeypatch)
    with pytest.raises(Fatal, match="no folder") as caught:
        PrivateDirectory.make()
    assert "XDG_RUNTIME_DIR" in caught.value.hint
