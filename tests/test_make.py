"""What `make` does on a machine that has little, and what it says where that is too little."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.process import environment, only

ROOT = Path(__file__).parent.parent

# What every machine has on which Python was installed, for the rules of the Makefile.
_PLAIN = ("bash", "sh", "make", "git", "env", "uname", "cat", "tar", "gzip", "find", "touch", "id")


def _make(
    folder: Path, path: str, *arguments: str, home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    env = environment({"PATH": path, "HOME": str(home or folder)})
    # Whoever runs these tests by `make` has not asked for what is asked here.
    env = {name: value for name, value in env.items() if not name.startswith("MAKE")}
    return subprocess.run(
        [f"{path}/make", *arguments],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture
def makefile(tmp_path: Path) -> Path:
    """A folder in which there is nothing but the Makefile."""
    folder = tmp_path / "clone"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    return folder


@pytest.mark.parametrize(
    ("unfit", "said"),
    [
        pytest.param("sys.version_info", "Python 3.11 or newer is needed", id="too old"),
        pytest.param("ensurepip", "sudo apt install python3-venv", id="no environments"),
    ],
)
def test_a_python_that_does_not_do_is_named_first(
    makefile: Path, tmp_path: Path, unfit: str, said: str
) -> None:
    """One that fails at what is asked of it, and is this one otherwise."""
    python = tmp_path / "unfit"
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *{unfit}*) exit 1;; esac\nexec {sys.executable} "$@"\n'
    )
    python.chmod(0o700)
    done = _make(makefile, only(tmp_path, *_PLAIN), "install", f"PYTHON={python}")
    assert done.returncode != 0
    assert said in done.stdout
    assert [path.name for path in makefile.iterdir()] == ["Makefile"]


def test_what_the_tests_need_is_named_where_it_cannot_be_installed(
    makefile: Path, tmp_path: Path
) -> None:
    done = _make(
        makefile, only(tmp_path, *_PLAIN), "system-packages", "SYSTEM=make:make jrt-no:jrt-package"
    )
    assert done.returncode != 0
    assert "The tests need: jrt-package. Please install them." in done.stdout


@pytest.mark.long
def test_the_demo_from_a_clone_without_node_and_ssh(tmp_path: Path) -> None:
    """`make demo` sets up all that it needs: here it is the first command after `git clone`."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    python = Path(sys.base_prefix, "bin", "python3")
    done = _make(
        clone, only(tmp_path, *_PLAIN), "demo", "ARGS=--check", f"PYTHON={python}", home=tmp_path
    )
    assert done.returncode == 0, done.stdout
    assert "patch" in done.stdout
