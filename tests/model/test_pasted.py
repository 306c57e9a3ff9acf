"""What stands around a command that was copied from somewhere, and what is none of our business."""

import re
import shlex
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_remote_tunnel.model.command_line import parse_command
from jupyter_remote_tunnel.model.errors import BadInput
from jupyter_remote_tunnel.model.pasted import split
from tests.support.fuzzing import share

LINE = "ssh -NfL 5006:localhost:5006 ann@gpu01"


@pytest.mark.parametrize(
    "prompt",
    [
        "$ ",
        "# ",
        "% ",
        "> ",
        ">>> ",
        "me@laptop:~$ ",
        "me@laptop:~/my work$ ",
        "root@laptop:/# ",
        "[me@laptop ~]$ ",
        "(base) me@laptop ~ % ",
        "(.venv) me@laptop:~$ nohup ",
        "bash-5.2$ exec ",
        "➜  src git:(main) ✗ ",
        "❯ ",
        "PS C:\\> ",
        "PS C:\\Users\\me> ",
        "C:\\Users\\me>",
        "In [3]: !",
        "In [3]: %tunnel open ",
        "!jupyter tunnel open ",
        "me@laptop:~$ jupyter tunnel open --json --foreground ",
        "jupyter-tunnel open --on-conflict fail ",
        "# The plots:\n# on gpu01\n\nme@laptop:~$ ",
    ],
)
def test_a_prompt_is_taken_off(prompt: str) -> None:
    assert parse_command(prompt + LINE) == parse_command(LINE)


@pytest.mark.parametrize("prompt", ["$", "me@laptop:~$", "(base) me@laptop ~ %", "[me@laptop ~]$"])
def test_a_prompt_of_which_a_shell_made_words_is_taken_off(prompt: str) -> None:
    assert parse_command(f"{prompt} {LINE}".split()) == parse_command(LINE)


@pytest.mark.parametrize(
    "end",
    [
        " &",
        ";",
        " > /dev/null",
        " > /dev/null 2>&1 &",
        " &>/dev/null &",
        " >& /dev/null",
        " </dev/null >>/dev/null 2>/dev/null & disown",
        " <&- >&- 2>&-",
        " >/dev/null # to the plots",
        " & # keep it; it's the one | with `x` > y",
        " \\\n  > /dev/null 2>&1 &",
        "\nme@laptop:~$ ",
        "\n# done\n",
        " &\r\n# done\r\n\r\nme@laptop:~$ ",
        "\u00a0",
    ],
)
def test_what_a_shell_does_behind_the_command_is_taken_off(end: str) -> None:
    assert parse_command(LINE + end) == parse_command(LINE)


@pytest.mark.parametrize(
    "line",
    [
        "ssh –NfL 5006:localhost:5006 ann@gpu01",
        "ssh —N ‑f −L 5006:localhost:5006 ann@gpu01",
        "ssh -NfL “5006:localhost:5006” ann@gpu01",
        "ssh -Nf -L“5006:localhost:5006” ‘ann@gpu01’",
        "ssh -Nf -o LocalForward=“5006 localhost:5006” ann@gpu01",
        "ssh\u00a0-NfL\u202f5006:localhost:5006\u2003ann@gpu01",
        "\ufeffssh -NfL 5006:\u200blocalhost:5006 ann@gpu01",
        "ssh -Nf \\\n> -L 5006:localhost:5006 \\\n> ann@gpu01",
        "ssh -Nf \\  \n    -L 5006:localhost:5006 \\\r\n    ann@gpu01",
        "ssh -Nf `\n  -L 5006:localhost:5006 ^\n  ann@gpu01",
        "ssh -NfL 5006:local\\\nhost:5006 ann@gpu01",
    ],
)
def test_what_a_page_or_a_mail_made_of_it_is_mended(line: str) -> None:
    assert parse_command(line) == parse_command(LINE)


def test_autossh_and_our_own_options_have_their_dashes_mended_too() -> None:
    assert parse_command(f"autossh –M 0 {LINE[4:]}") == parse_command(LINE)
    named = f"jupyter tunnel open —name=plot —on-conflict pick {LINE[4:]}"
    assert parse_command(named) == parse_command(named.replace("—", "--"))


def test_our_own_line_is_known_without_its_program() -> None:
    assert parse_command("tunnel open gpu01:5006") == parse_command("gpu01:5006")
    assert parse_command(f"tunnel open --name plot {LINE}").name == "plot"
    assert parse_command("tunnel -L 1:a:2").host == "tunnel"
    assert parse_command("tunnel:5006").host == "tunnel"


@pytest.mark.parametrize(
    ("line", "part", "said"),
    [
        (f"{LINE} > log", ">", "prints nothing"),
        (f"{LINE} 2>errors", ">", "prints nothing"),
        (f"{LINE} >/dev/nullx", ">", "prints nothing"),
        (f"{LINE} & rm x", "&", "shell"),
        (f"{LINE} && x", "&&", "shell"),
        ("ssh -i $HOME/key -L 1:a:2 h", "$HOME", "shell"),
        ('ssh -i "${HOME}/key" -L 1:a:2 h', "${", "shell"),
        ('ssh -i "\\\\$(x)" -L 1:a:2 h', "$(", "shell"),
        ('ssh -L 1:a:2 "`cat host`"', "`", "shell"),
        ("sudo ssh -L 1:a:2 h", "sudo", "yourself"),
        ("mosh gpu01", "mosh", "not a line of ssh"),
        ("scp a gpu01:", "scp", "not a line of ssh"),
        ("plink.exe -L 1:a:2 h", "plink.exe", "not a line of ssh"),
        ("ls -l", "ls", "not a line of ssh"),
        ("me@laptop:~$ sudo -E ssh -L 1:a:2 h", "sudo", "yourself"),
        ("screen ssh -L 1:a:2 h", "screen", "before ssh"),
        ("ssh -L 1:a:2 'h", "'", "never closed"),
        ("ssh -L 1:a:2 \\", "\\", "goes on"),
        ("%tunnel list", "list", "cannot be given here"),
        ("jupyter tunnel apps open gpu01:5006", "apps", "cannot be given here"),
    ],
)
def test_what_is_not_safe_is_pointed_at(line: str, part: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_command(line)
    where = caught.value.where
    assert where is not None
    assert where["text"][where["start"] : where["end"]] == part
    assert said in caught.value.complaint()


def test_a_second_command_is_refused() -> None:
    for line in (f"{LINE}\n{LINE}", f"{LINE} &\n# and\n{LINE}", f"# two:\n{LINE}\nls"):
        with pytest.raises(BadInput, match="more than one line"):
            parse_command(line)


def test_signs_in_quotes_are_letters() -> None:
    line = """ssh -i 'a; b | c > d & $e `f` # g' -i "h; $ \\$i \\"j\\" — “k”" -L 1:a:2 h"""
    assert parse_command(line).ssh.identities == (
        "a; b | c > d & $e `f` # g",
        'h; $ $i "j" — “k”',
    )


def test_values_keep_their_dashes_and_apostrophes() -> None:
    line = "ssh -i –key -i Ann’s/key -i a#b -i x$ -L 1:a:2 h"
    assert parse_command(line).ssh.identities == ("–key", "Ann’s/key", "a#b", "x$")


@pytest.mark.parametrize(
    "words",
    [
        ["ssh", "-L", "1:a:2", "-i", "x$", "-l", "ssh", "h"],
        ["h", "-L", "1:a:2", "-i", "a$ ssh b"],
        ["h", "-L", "1:a:2", "-i", "x$", "-l", "ssh"],
        ["-L", "1:a:2", "-i", "x$", "ssh"],
        ["h", "-L", "1:a:2", "-l", "jupyter", "-i", "# $"],
    ],
)
def test_what_only_looks_like_a_prompt_stays(words: list[str]) -> None:
    host = "ssh" if words[-1] == "ssh" and words[-2] != "-l" else "h"
    assert parse_command(words).host == host
    assert parse_command(shlex.join(words)) == parse_command(words)


values = st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(" $`;&|<>#'\"\\"))


@given(st.lists(values.filter(lambda value: value.strip()), min_size=1, max_size=3))
def test_a_quoted_line_means_what_its_words_mean(identities: list[str]) -> None:
    words = ["ssh", "-N", "-L", "1:a:2", "h"]
    for identity in identities:
        words += ["-i", identity]
    assert split(shlex.join(words)) == words
    assert parse_command(shlex.join(words)) == parse_command(words)
    assert parse_command(words).ssh.identities == tuple(identities)


@share()
@given(st.lists(st.sampled_from(["a", "-", "#", "=", ":", " ", "'", '"', "\\", "\\\n", "–"])))
def test_words_are_those_of_a_shell(pieces: list[str]) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    line = "ssh " + "".join(pieces)
    command = [bash, "--norc", "-c", f"printf '%s\\0' {line}\n"]
    done = subprocess.run(command, capture_output=True, check=False)
    words = _read(line)
    if words is not None:
        assert done.stdout.decode().split("\0")[:-1] == words
        return
    # bash, too, finds an open quote, waits for more, or has a second command: behind a remark, or
    # behind a break that only seems to be escaped.
    second = re.search(r"#.*\n|(?<!\\)(?:\\\\)+\n", line)
    assert done.returncode != 0 or line.rstrip().endswith("\\") or second


def _read(line: str) -> list[str] | None:
    try:
        return split(line)
    except BadInput:
        return None
