"""`-o` options by their meaning, and OpenSSH asked what it takes them for."""

import subprocess
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.errors import BadInput
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.model.ssh_option import is_nowhere, split_option, words_of
from tests.support.process import program


def by_ssh(option: str, keyword: str) -> str | None:
    """What OpenSSH makes of an option; None if it refuses it."""
    command = [program("ssh"), "-G", "-F", "none", "-o", option, "--", "h"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [line for line in done.stdout.splitlines() if line.startswith(f"{keyword} ")]
    return found[0].partition(" ")[2] if done.returncode == 0 else None


def refused(option: str) -> bool:
    """Whether it is refused for that."""
    try:
        SshOptions(options=(option,)).check()
    except BadInput as error:
        return "always verified" in error.message and error.where is not None
    return False


@pytest.mark.parametrize(
    ("written", "off"),
    [
        ("StrictHostKeyChecking=no", True),
        ("StrictHostKeyChecking=NO", True),
        ("StrictHostKeyChecking=off", True),
        ("StrictHostKeyChecking=false", True),
        ("stricthostkeychecking no", True),
        ("  StrictHostKeyChecking  =  no  ", True),
        ("StrictHostKeyChecking='no'", True),
        ('StrictHostKeyChecking="no"', True),
        ("StrictHostKeyChecking=n'o'", True),
        ("StrictHostKeyChecking=\"n\"'o'", True),
        ("StrictHostKeyChecking=''no", True),
        ("StrictHostKeyChecking=no #yes", True),
        ("StrictHostKeyChecking=yes", False),
        ("StrictHostKeyChecking='yes'", False),
        ("StrictHostKeyChecking=ask", False),
        ("StrictHostKeyChecking=accept-new", False),
        ("StrictHostKeyChecking=yes #no", False),
    ],
)
def test_ssh_would_not_verify_and_it_is_refused(written: str, off: bool) -> None:
    taken = by_ssh(written, "stricthostkeychecking")
    assert taken is not None
    assert (taken == "false") == off
    assert refused(written) == off


@pytest.mark.parametrize("keyword", ["UserKnownHostsFile", "GlobalKnownHostsFile"])
@pytest.mark.parametrize(
    ("written", "nowhere"),
    [
        ("/dev/null", True),
        ("'/dev/null'", True),
        ('"/dev/null"', True),
        ("/dev/'null'", True),
        ("/dev/null /dev/null", True),
        ("'/dev/null' \"/dev/null\"", True),
        ("/etc/known_hosts /dev/null", True),
        ("/dev//null", True),
        ("//dev/null", True),
        ("///dev/null", True),
        ("/dev/./null", True),
        ("/dev/../dev/null", True),
        ("/dev/null/.", True),
        ("none", True),
        ("'none'", True),
        ("/etc/known_hosts", False),
        ("/tmp/dev/null", False),
        ("/run/../dev/null", True),
        ("/dev/nullify", False),
        ("'/dev/null known'", False),
        (r"/dev/null\ known", False),
    ],
)
def test_known_hosts_that_know_nothing(keyword: str, written: str, nowhere: bool) -> None:
    option = f"{keyword}={written}"
    taken = by_ssh(option, keyword.lower())
    assert taken == " ".join(words_of(written))
    assert refused(option) == nowhere


@pytest.mark.parametrize("written", ["yes", "'yes'", "TRUE"])
def test_no_host_is_taken_without_a_look(written: str) -> None:
    assert refused(f"NoHostAuthenticationForLocalhost={written}")
    assert not refused("NoHostAuthenticationForLocalhost=no")


def test_a_path_that_cannot_be_told_without_looking_is_left_to_who_looks(tmp_path: Path) -> None:
    link = tmp_path / "known_hosts"
    link.symlink_to("/dev/null")
    assert not is_nowhere(str(link))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a", ["a"]),
        (" a  b\tc ", ["a", "b", "c"]),
        ("'a b' c", ["a b", "c"]),
        ("a'b c'd", ["ab cd"]),
        (r"a\ b", ["a b"]),
        (r"'a\ b'", [r"a\ b"]),
        (r"\'a\"\\", ["'a\"\\"]),
        (r"a\b", [r"a\b"]),
        ("a\\", ["a\\"]),
        ("a#b #c d", ["a#b"]),
        ("'' b", ["", "b"]),
        ("'a b", ["a b"]),
        ("# all", []),
    ],
)
def test_words_are_those_of_ssh(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize("option", ["Port", "=x", '"Port"=1', "Po\\rt=1", "Port=", "-Port=1"])
def test_what_is_no_key_and_value(option: str) -> None:
    with pytest.raises(BadInput, match="Key=Value"):
        split_option(option)
