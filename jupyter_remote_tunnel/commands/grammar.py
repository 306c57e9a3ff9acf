"""The words of `jupyter tunnel` and `%tunnel`: one table, one parser.

Options of ssh, and whole pasted lines of it, are not read here: they stay together in `words`, in
their order, for `model.command_line`. What begins with two dashes is ours, wherever it stands.
"""

import argparse
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from ..model.command_line import parse_command
from ..model.errors import BadInput
from ..model.pasted import split, straight, without_surroundings


class Argument(NamedTuple):
    """The arguments of `ArgumentParser.add_argument`."""

    flags: tuple[str, ...]
    options: dict[str, Any]


def argument(*flags: str, **options: Any) -> Argument:
    """`argument("--drain", type=float)`."""
    return Argument(flags, options)


@dataclass(frozen=True)
class Command:
    """One command: its words ("kernels connect"), what it does, its own arguments.

    `ssh_words` is how the usage shows what is left for ssh's grammar; "" where nothing is.
    """

    words: str
    help: str
    arguments: tuple[Argument, ...] = ()
    ssh_words: str = ""
    example: str = ""


@dataclass(frozen=True)
class Parsed:
    """A command line that was understood: the command, its options, and the words for ssh.

    `prog` is how the command was called, for what an answer proposes to type next.
    """

    command: str
    options: dict[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    prog: str = "jupyter tunnel"


_JSON = argument("--json", action="store_true", help="print data for programs")
_SERVER = argument(
    "--server",
    metavar="PID|URL|FILE",
    help="the engine to use, where several run: its process, its Jupyter server, or its file",
)
_NAME = argument("--name", help="the tunnel's name (default: HOST:PORT)")
_TUNNEL = argument("tunnel", metavar="NAME", help="a tunnel's name or id")

COMMANDS = (
    Command(
        "open",
        "Open a tunnel.",
        (
            _NAME,
            argument(
                "--on-conflict",
                choices=("fail", "pick"),
                help="when the local port is busy: fail (default), or pick a free one",
            ),
            argument(
                "--foreground",
                action="store_true",
                help="hold the tunnel in this process until Ctrl-C",
            ),
            _JSON,
            _SERVER,
        ),
        ssh_words="[OPTIONS OF SSH] [USER@]HOST[:PORT]",
        example="gpu01:5006   or a whole line: ssh -NfL 5006:localhost:5006 ann@gpu01",
    ),
    Command("list", "List the tunnels of all engines.", (_JSON, _SERVER)),
    Command(
        "close",
        "Close tunnels.",
        (
            argument("tunnels", metavar="NAME", nargs="*", help="names or ids"),
            argument("--all", action="store_true", help="every tunnel of every engine"),
            argument(
                "--drain",
                metavar="SECONDS",
                type=float,
                help="let its streams end by themselves for so long",
            ),
            _JSON,
            _SERVER,
        ),
    ),
    Command(
        "restart",
        "Open a tunnel's forwards again, and its connection if that is lost.",
        (_TUNNEL, _JSON, _SERVER),
    ),
    Command("url", "Print the URL at which a tunnel listens here.", (_TUNNEL, _JSON, _SERVER)),
    Command("hosts", "List the hosts that have tunnels.", (_JSON, _SERVER)),
    Command("apps list", "List the applications that Jupyter can show.", (_JSON, _SERVER)),
    Command(
        "apps open",
        "Open a remote web application in Jupyter, over a private socket instead of a port.",
        (_NAME, _JSON, _SERVER),
        ssh_words="[OPTIONS OF SSH] [USER@]HOST:PORT",
        example="gpu01:5006",
    ),
    Command(
        "kernels connect",
        "Make a kernel that runs on a host reachable here.",
        (_JSON, _SERVER),
        ssh_words="[OPTIONS OF SSH] [USER@]HOST FILE",
        example="gpu01 kernel-1234.json   (a bare name is looked for in Jupyter's folder there)",
    ),
    Command(
        "demo",
        "Try it all: an SSH host of its own, a Bokeh application and a kernel on it, a JupyterLab.",
        (
            argument(
                "--check", action="store_true", help="try it without a browser, and say how it went"
            ),
            argument(
                "--browser",
                action=argparse.BooleanOptionalAction,
                default=False,
                help="open JupyterLab in the browser (default: print its URL)",
            ),
        ),
    ),
)
_GROUPS = {
    "apps": "Applications of remote hosts.",
    "kernels": "Kernels of remote hosts.",
}


class _Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is an error of ours, with the usage as its hint."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message[:1].upper()}{message[1:]}.", hint=self.format_usage().strip())


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of all commands; `prog` is how they are called ("jupyter tunnel", "%tunnel")."""
    top = _Parser(prog=prog, description="SSH tunnels for Jupyter.", allow_abbrev=False)
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    groups: dict[str, Any] = {}
    for command in COMMANDS:
        group, _, verb = command.words.rpartition(" ")
        if group and group not in groups:
            whole = commands.add_parser(group, help=_GROUPS[group], description=_GROUPS[group])
            groups[group] = whole.add_subparsers(metavar="COMMAND", required=True)
        _add(groups.get(group, commands), verb, command, prog)
    return top


def _add(commands: Any, verb: str, command: Command, prog: str) -> None:
    usage = f"{prog} {command.words} [OPTIONS] {command.ssh_words}".replace("%", "%%")
    example = f"Example: {prog} {command.words} {command.example}" if command.example else None
    own = commands.add_parser(
        verb,
        help=command.help,
        description=command.help,
        usage=usage if command.ssh_words else None,
        epilog=example,
        allow_abbrev=False,
    )
    own.set_defaults(command=command)
    for flags, options in command.arguments:
        own.add_argument(*flags, **options)


_FLAGS = ("--help", *(f for c in COMMANDS for a in c.arguments for f in a.flags if f[0] == "-"))


def _straight(word: str) -> str:
    """An option of ours with the dashes that were typed."""
    option = straight(word, _FLAGS)
    return option if option.startswith("--") else word


def _without_open(words: Sequence[str], prog: str) -> BadInput | None:
    """What to say where `open` was left out; None where it was not."""
    if not words or words[0] in {command.words.split()[0] for command in COMMANDS}:
        return None
    try:
        parse_command(words)
    except BadInput:
        return None
    line = shlex.join(without_surroundings(words))
    return BadInput(
        f"“{words[0]}” is no command of {prog}.", hint=f"To open that tunnel: {prog} open {line}"
    )


def words_of(line: str) -> list[str]:
    """The words of a line that holds a command, perhaps with a pasted line behind it.

    :raises BadInput: it holds what only a shell could do.
    """
    for command in COMMANDS:
        words = command.words.split()
        if command.ssh_words and (found := re.match(r"\s*" + r"\s+".join(words) + r"\s", line)):
            rest = line[found.end() :]
            return [*words, *split(rest)] if rest.strip() else words
    return split(line)


def parse(words: Sequence[str], prog: str) -> Parsed:
    """Understand a command line without its program.

    :raises BadInput: it is none of ours; the hint is the usage.
    :raises SystemExit: after help was asked for, and printed.
    """
    words = [_straight(word) for word in words]
    try:
        found, rest = parser(prog).parse_known_args(words)
    except BadInput as error:
        raise _without_open(words, prog) or error from None
    options = vars(found)
    command: Command = options.pop("command")
    if rest and not command.ssh_words:
        raise BadInput(
            f"“{rest[0]}” is not understood by {prog} {command.words}.",
            hint=f"{prog} {command.words} --help shows what is.",
        )
    return Parsed(command.words, options, tuple(rest), prog)
