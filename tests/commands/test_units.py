"""The texts of units of systemd, as it reads them."""

import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_remote_tunnel.commands.units import command_of, unit_name, unit_of
from jupyter_remote_tunnel.model.errors import BadInput
from tests.ssh.test_lying_host import HOSTILE
from tests.support.systemd import read_unit

WORDS = (
    *("a b", " ", "", "'", '"', "'a' \"b\"", "\\", "\\x41", "\\n", "a\\", '\\\\ \\"'),
    *("%", "%h", "100%", "%%", "%%h", "$", "$HOME", "${HOME}", "a$HOME", "$$", "$(id)", "`id`"),
    *(";", "\\;", "# no comment", "-x", "@x", "+x", "!x", ":x", "|", "&&", "*", "~", "{a,b}"),
    *('/tmp/Ann\'s files/100% $new "x"', "ü€😀", "\u00a0\u200b\u2028", "[Service]", "A=b"),
)
EXECUTABLES = ("a b", "100%h", "Ann's", 'a"b', "a\\b", "$HOME", "${HOME}", "a=b")


@pytest.mark.parametrize(
    "description",
    [HOSTILE, "x" * 1_000_000, "a\nExecStartPre=evil", "goes on\\", "\u2028[Service]", "%h 100 %"],
)
def test_a_description_is_one_line_and_no_setting(description: str) -> None:
    plainly = unit_of("Offers it", "run").splitlines()
    lines = unit_of(description, "run").splitlines()
    assert [line for line in lines if line not in plainly] == [lines[1]]
    assert len(lines) == len(plainly)
    assert len(lines[1]) < 500
    assert lines[1].startswith("Description=")
    assert lines[1].isprintable()
    assert not lines[1].endswith("\\")
    assert "%" not in lines[1].replace("%%", "")


def written(folder: Path, description: str, command: str) -> Path:
    path = folder / f"{unit_name('a b')}.service"
    path.write_text(unit_of(description, command))
    return path


def test_words_are_what_systemd_runs(tmp_path: Path) -> None:
    path = written(tmp_path, "Offers it", command_of("offer", WORDS))
    own = [sys.executable, "-P", "-m", "jupyter_remote_tunnel.cli", "offer", "--foreground"]
    assert read_unit(path) == [*own, *WORDS]


@pytest.mark.parametrize("folder", EXECUTABLES)
def test_this_interpreter_is_run_wherever_it_lies(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / folder / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    path = written(tmp_path, "Offers it", command_of("offer", ["--name", "a $b"]))
    done = subprocess.run(read_unit(path), capture_output=True, text=True, check=True)
    words = ["-P", "-m", "jupyter_remote_tunnel.cli", "offer", "--foreground", "--name", "a $b"]
    assert done.stdout.splitlines() == words


@pytest.mark.parametrize("description", [HOSTILE, "%q %h 100 %", "goes on\\", "“$HOME” 'x' ;"])
def test_systemd_takes_every_description(description: str, tmp_path: Path) -> None:
    read_unit(written(tmp_path, description, command_of("offer", ["gw"])))


@pytest.mark.parametrize("word", ["a\nb", "a\x00b", "\x7f", "\udcff", "\ufffe", "\ufdd0"])
def test_what_no_unit_can_hold_is_refused(word: str) -> None:
    with pytest.raises(BadInput, match="cannot stand in a unit"):
        command_of("offer", [word])


def test_a_unit_of_the_longest_name_has_a_file(tmp_path: Path) -> None:
    name = ".".join(["x" * 49] * 5)
    (tmp_path / f"{unit_name(f'pull-{name}')}.service").touch()
