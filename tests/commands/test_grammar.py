"""The words of the commands: ours are read, ssh's are left together and in order."""

import pytest

from jupyter_remote_tunnel._version import __version__
from jupyter_remote_tunnel.commands.actions import wanted
from jupyter_remote_tunnel.commands.grammar import COMMANDS, parse, words_of
from jupyter_remote_tunnel.commands.words import Command
from jupyter_remote_tunnel.model.errors import BadInput

PROG = "jupyter tunnel"


@pytest.mark.parametrize(
    "words",
    [
        "ssh -NfL localhost:5006:localhost:5006 user@remote.host",
        "autossh -M 0 -4 -p 2222 -L 1:a:2 host",
        "-4 -L 1:a:2 -6 host",
        "-o ProxyCommand=none -i ~/key -J gw -D 1080 -- host",
        "-D1080 -vvv -qTnx -p2222 host",
    ],
)
def test_words_of_ssh_stay_as_they_are(words: str) -> None:
    parsed = parse(["open", "--json", *words.split()], PROG)
    assert list(parsed.words) == words.split()
    assert parsed.options["json"] is True


@pytest.mark.parametrize(
    "words",
    ["--name mine ssh -L 1:a:2 h", "ssh -L 1:a:2 --name=mine h", "-L 1:a:2 h --name mine"],
)
def test_a_name_may_stand_anywhere(words: str) -> None:
    spec = wanted(parse(["open", *words.split(), "--on-conflict", "pick"], PROG))
    assert (spec.name, spec.host, spec.on_conflict) == ("mine", "h", "pick")


def test_paths_of_the_caller_are_absolute(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    line = "-i key -i %d/id -F config -L ./a.sock:./b.sock -R ./c.sock:./d.sock h"
    spec = wanted(parse(["open", *line.split()], PROG))
    assert spec.ssh.identities == (str(folder / "key"), "%d/id")
    assert spec.ssh.config_file == str(folder / "config")
    assert spec.ssh.agent_socket == "/agent"
    local, remote = map(str, spec.forwards)
    assert local == f"-L {folder}/a.sock:./b.sock"
    assert remote == f"-R ./c.sock:{folder}/d.sock"


@pytest.mark.parametrize(
    "line",
    ["frobnicate", "apps --json", "list gpu01", "close --drain soon", "open --fore x",
     "open --on-conflict ask h:1", "url", "restart a b"],
)  # fmt: skip
def test_what_is_not_understood_is_bad_input(line: str) -> None:
    with pytest.raises(BadInput) as caught:
        wanted(parse(line.split(), PROG))
    assert caught.value.hint or caught.value.text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("list —json", ["list", "—json"]),
        ("open h:1", ["open", "h:1"]),
        (" apps  open me@laptop:~$ ssh -L 1:a:2 h &", ["apps", "open", "ssh", "-L", "1:a:2", "h"]),
        ("open %tunnel open h:1  # the plots", ["open", "%tunnel", "open", "h:1"]),
        ("kernels connect 'h' a\\ b.json", ["kernels", "connect", "h", "a b.json"]),
        ("open ", ["open"]),
    ],
)
def test_a_line_of_a_cell_may_hold_a_pasted_one(line: str, words: list[str]) -> None:
    assert words_of(line) == words


def test_dashes_of_our_own_options_are_mended() -> None:
    assert parse(["list", "—json"], PROG).options["json"] is True
    parsed = parse(["open", "—name=x", "—key", "–L", "1:a:2"], PROG)
    assert (parsed.options["name"], parsed.words) == ("x", ("—key", "–L", "1:a:2"))


@pytest.mark.parametrize(
    ("line", "proposed"),
    [
        ("gpu01:5006", "open gpu01:5006"),
        ("ssh -NL 1:a:2 ann@h", "open -NL 1:a:2 ann@h"),
        ("%tunnel open h:1", "open h:1"),
        ("jupyter tunnel open --name x h:1", "open --name x h:1"),
    ],
)
def test_a_line_without_open_is_told_what_to_type(line: str, proposed: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(line.split(), PROG)
    assert caught.value.hint.endswith(f": {PROG} {proposed}")


def test_a_whole_line_of_ours_is_told_what_to_type() -> None:
    with pytest.raises(BadInput) as caught:
        parse(["jupyter", "tunnel", "list", "--json"], "%tunnel")
    assert caught.value.hint == "Type %tunnel list --json"
    assert parse(["jupyter", "tunnel"], PROG).words == ("tunnel",), "a host"


@pytest.mark.parametrize(
    ("line", "lists"), [("", "restart"), ("apps", "list"), ("kernels", "connect")]
)
def test_what_is_not_a_whole_command_lists_the_commands(
    line: str, lists: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(line.split(), PROG)
    assert caught.value.code == 0
    assert f"\n    {lists} " in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--version"], PROG)
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"jupyter_remote_tunnel {__version__}\n"


@pytest.mark.parametrize(("prog", "known"), [(PROG, True), ("%tunnel", False)])
@pytest.mark.parametrize(("line", "word"), [("", "demo"), ("open", "--foreground")])
def test_a_cell_is_not_told_of_what_only_a_terminal_can(
    prog: str, known: bool, line: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse([*line.split(), "--help"], prog)
    assert (f"  {word} " in capsys.readouterr().out) is known


@pytest.mark.parametrize("prog", [PROG, "%tunnel"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.words)
def test_every_command_explains_itself(
    command: Command, prog: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse([*command.words.split(), "--help"], prog)
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert f"usage: {prog} {command.words}" in shown
    for example in command.examples:
        assert f"\n  {prog} {command.words} {example}\n" in shown
