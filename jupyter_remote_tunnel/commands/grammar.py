"""The words of `jupyter tunnel` and `%tunnel`: one table, one parser.

Options of ssh, and whole pasted lines of it, are not read here: they stay together in `words`, in
their order, for `model.command_line`. What begins with two dashes is ours, wherever it stands.
"""

import argparse
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from .._version import __version__
from ..model.command_line import parse_command
from ..model.errors import BadInput
from ..model.pasted import split, straight, without_surroundings
from .publish_words import PUBLISH
from .words import JSON, NAME, SERVER, Command, argument


@dataclass(frozen=True)
class Parsed:
    """A command line that was understood: the command, its options, and the words for ssh.

    `prog` is how the command was called, for what an answer proposes to type next.
    """

    command: str
    options: dict[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    prog: str = "jupyter tunnel"


_CALLED = "name, id, or the [USER@]HOST:PORT that it leads to"
_TUNNEL = argument("tunnel", metavar="NAME", help=f"a tunnel's {_CALLED}")

COMMANDS = (
    Command(
        "open",
        "Open a tunnel.",
        (
            NAME,
            argument(
                "--on-conflict",
                choices=("fail", "pick"),
                help="when the port is busy: fail (default), or pick a free one",
            ),
            argument(
                "--foreground",
                action="store_true",
                help="hold the tunnel in this process until Ctrl-C, with your ssh configuration and"
                " no setting of a Jupyter server",
            ),
            JSON,
            SERVER,
        ),
        ssh_words="[OPTIONS OF SSH] [USER@]HOST[:PORT]",
        more="What stands behind the options is a line of ssh, or short for one.",
        examples=("ann@gpu01:5006", "ssh -NfL 5006:localhost:5006 ann@gpu01"),
    ),
    Command("list", "List the tunnels of all engines.", (JSON, SERVER)),
    Command(
        "close",
        "Close tunnels.",
        (
            argument("tunnels", metavar="NAME", nargs="*", help=f"each one's {_CALLED}"),
            argument("--all", action="store_true", help="every tunnel of every engine"),
            argument(
                "--drain",
                metavar="SECONDS",
                type=float,
                help="let its streams end by themselves for so long",
            ),
            JSON,
            SERVER,
        ),
    ),
    Command(
        "restart",
        "Open a tunnel's forwards again, and its connection if that is lost.",
        (_TUNNEL, JSON, SERVER),
    ),
    Command("url", "Print the URL at which a tunnel listens here.", (_TUNNEL, JSON, SERVER)),
    Command(
        "hosts",
        "List the hosts to choose from, or show what ssh would use for one.",
        (JSON, SERVER),
        ssh_words="[[OPTIONS OF SSH] [USER@]HOST]",
        more="Listed are the aliases of your ssh configuration and the hosts that have tunnels."
        " Of one host it shows what `ssh -G` prints, and what of it has no effect here.",
        examples=("gpu01 --json",),
    ),
    Command("apps list", "List the applications that Jupyter can show.", (JSON, SERVER)),
    Command(
        "apps open",
        "Open a remote web application in Jupyter, over a private socket instead of a port.",
        (NAME, JSON, SERVER),
        ssh_words="[OPTIONS OF SSH] [USER@]HOST:PORT",
        examples=("gpu01:5006",),
    ),
    Command(
        "kernels connect",
        "Make a kernel that runs on a host reachable here.",
        (JSON, SERVER),
        ssh_words="[OPTIONS OF SSH] [USER@]HOST FILE",
        more="FILE is its connection file there; a bare name is looked for in Jupyter's folder.",
        examples=("gpu01 kernel-1234.json",),
    ),
    Command(
        "jupyter",
        "Open a Jupyter server that runs on a host, logged in, or start one there.",
        (
            argument("--list", action="store_true", help="list them, and open none"),
            argument(
                "--start", action="store_true", help="start one there, where none runs, and open it"
            ),
            argument(
                "--keep",
                action="store_true",
                help="with --start: it stays when the tunnel is closed",
            ),
            argument(
                "--folder", metavar="DIR", help="with --start: its folder there (default: home)"
            ),
            argument(
                "--prelude",
                metavar="LINE",
                help="with --start: what your shell there is told before, as: conda activate lab",
            ),
            argument(
                "--tcp",
                action="store_true",
                help="with --start: it listens on a port of that host, not on a socket",
            ),
            argument("--stop", action="store_true", help="end it there, with its kernels"),
            argument(
                "--set-password",
                action="store_true",
                help="set the password of your Jupyter servers there, and open none",
            ),
            argument(
                "--port",
                metavar="PORT|SOCKET",
                help="which one, where several run: its port there, or the path of its socket",
            ),
            argument(
                "--local-port",
                metavar="PORT",
                type=int,
                help="open this port here, though a Jupyter server runs here that can show it",
            ),
            argument(
                "--browser",
                action=argparse.BooleanOptionalAction,
                default=None,
                help="open it in the browser (default: where no Jupyter server here can show it)",
            ),
            argument(
                "--foreground",
                action="store_true",
                help="open a port here, and hold it in this process until Ctrl-C",
            ),
            NAME,
            JSON,
            SERVER,
        ),
        ssh_words="[OPTIONS OF SSH] [USER@]HOST[:PORT]",
        more="Its token goes from that host to what needs it, and is never shown.",
        examples=("ann@gpu01", "gpu01:8889", "gpu01 --start --prelude 'conda activate lab'"),
    ),
    Command(
        "offer",
        "Offer what runs here, behind a firewall, on a gateway that others reach.",
        (
            NAME,
            argument(
                "--tcp",
                action="store_true",
                help="listen on a port of the gateway, to which its other users can connect; not on"
                " a socket for you alone",
            ),
            argument(
                "--pick",
                dest="on_conflict",
                action="store_const",
                const="pick",
                help="take another port there when that one is busy (with --tcp)",
            ),
            argument(
                "--foreground",
                action="store_true",
                help="hold it in this process until Ctrl-C",
            ),
            argument(
                "--systemd",
                action="store_true",
                help="write a user unit of systemd that offers it whenever this machine runs",
            ),
            argument(
                "--print",
                action="store_true",
                help="print how ssh alone does the same, for a machine without this package",
            ),
            JSON,
            SERVER,
        ),
        ssh_words="[OPTIONS OF SSH] -R PORT:HOST:PORT [USER@]GATEWAY",
        more="It stays when you log out, and reconnects without end. On the other machine, that"
        " port is opened by `jupyter tunnel open [USER@]GATEWAY:PORT`.",
        examples=("-R 5006:localhost:5006 ann@gw", "--systemd -R 8888:localhost:8888 gw"),
    ),
    Command(
        "doctor",
        "Find out why a host or a port there is not reached, step by step, and which forwards it"
        " allows.",
        (
            argument(
                "--gateway-ports",
                action="store_true",
                help="also ask the host to listen on all its interfaces, for a moment",
            ),
            JSON,
            SERVER,
        ),
        ssh_words="[OPTIONS OF SSH] [USER@]HOST[:PORT]",
        more="It connects anew, as a tunnel would, and ends with status 1 if a step fails. A line"
        " of `open` can stand there as it is.",
        examples=("ann@gpu01", "gpu01:5006"),
    ),
    PUBLISH,
    Command(
        "cert",
        "Make a self-signed certificate, with which a Jupyter server speaks https.",
        (
            argument(
                "names",
                metavar="NAME",
                nargs="*",
                help="the names and addresses that browsers will use (default: this machine's name"
                " and its loopback)",
            ),
            argument(
                "--folder",
                help="where NAME.pem and NAME.key are written (default: Jupyter's configuration)",
            ),
            argument(
                "--key-type", choices=("ecdsa", "rsa"), default="ecdsa", help="the kind of key"
            ),
            argument(
                "--days", type=int, default=365, help="how long it is valid (default: %(default)s)"
            ),
            argument("--replace", action="store_true", help="overwrite what stands there"),
            JSON,
            SERVER,
        ),
        more="It prints the two settings that use it. Nobody vouches for such a certificate: who"
        " visits the server compares its fingerprint.",
        examples=("gpu01.example.org 192.0.2.7",),
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


# What lasts, or outlasts the notebook.
_IN_A_TERMINAL = ("demo", "--foreground", "--systemd")


class _Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is an error of ours, with the usage as its hint."""

    def error(self, message: str) -> NoReturn:
        # Which may be a secret, as in --set-password=….
        message = re.sub(
            r"ignored explicit argument .*", "takes no value", message, flags=re.DOTALL
        )
        raise BadInput(f"{message[:1].upper()}{message[1:]}.", hint=self.format_usage().strip())


def parser(prog: str) -> argparse.ArgumentParser:
    """The parser of all commands; `prog` is how they are called ("jupyter tunnel", "%tunnel")."""
    top = _Parser(prog=prog, description="SSH tunnels for Jupyter.", allow_abbrev=False)
    version = f"jupyter_remote_tunnel {__version__}"
    top.add_argument("--version", action="version", version=version, help="print the version")
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
    examples = "".join(f"\n  {prog} {command.words} {line}" for line in command.examples)
    # What a cell cannot do is understood there, to be refused, and not proposed.
    listed = {} if _is_hidden(command.words, prog) else {"help": command.help}
    own = commands.add_parser(
        verb,
        **listed,
        description=" ".join([command.help, command.more]).strip(),
        usage=usage(command.words, prog).replace("%", "%%") if command.ssh_words else None,
        epilog=f"Examples:{examples}" if examples else None,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    own.set_defaults(command=command)
    for flags, options in command.arguments:
        hidden = {"help": argparse.SUPPRESS} if _is_hidden(flags[0], prog) else {}
        own.add_argument(*flags, **{**options, **hidden})


def _is_hidden(word: str, prog: str) -> bool:
    return prog.startswith("%") and word in _IN_A_TERMINAL


class _Formatter(argparse.HelpFormatter):
    """Leaves the lines of the examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith("Examples:") else super()._fill_text(text, width, indent)


def usage(words: str, prog: str) -> str:
    """How the command of these words is called, which takes words of ssh."""
    (ssh_words,) = (command.ssh_words for command in COMMANDS if command.words == words)
    return f"{prog} {words} [OPTIONS] {ssh_words}"


_FLAGS = ("--help", *(f for c in COMMANDS for a in c.arguments for f in a.flags if f[0] == "-"))


def _straight(word: str) -> str:
    """An option of ours with the dashes that were typed."""
    option = straight(word, _FLAGS)
    return option if option.startswith("--") else word


_FIRST_WORDS = {command.words.split()[0] for command in COMMANDS}


def _is_whole_line(words: Sequence[str]) -> bool:
    """Whether a line of ours was pasted with its program, which has the name of a command."""
    return list(words[:2]) == ["jupyter", "tunnel"] and bool(_FIRST_WORDS & {*words[2:3]})


def _without_open(words: Sequence[str], prog: str) -> BadInput | None:
    """What to say where `open` was left out; None where it was not."""
    if not words or (words[0] in _FIRST_WORDS and not _is_whole_line(words)):
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
    if " ".join(words) in ("", *_GROUPS):
        words = [*words, "--help"]
    if _is_whole_line(words):
        line = shlex.join(words[2:])
        raise _without_open(words, prog) or BadInput(
            f"“jupyter tunnel” has no place behind {prog}.", hint=f"Type {prog} {line}"
        )
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
