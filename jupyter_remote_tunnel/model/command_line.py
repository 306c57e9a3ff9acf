"""A command line of ssh, as people paste it, read into a `TunnelSpec`.

Each option of `ssh(1)` stands in exactly one of three tables: `HONOURED`, `NO_EFFECT` (it is about
the terminal or the process, of which there is none here) or `REFUSED` (with the reason). `pasted`
makes words of a line and takes off what stands around the command.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any

from .errors import BadInput
from .forward import ForwardKind, ForwardSpec, TcpBind
from .pasted import OWN_OPTIONS, program_of, refuse_part, split, straight, without_surroundings
from .spec import HostArgument, OnConflict, SshOptions, TunnelKind, TunnelRequest, TunnelSpec

LONGEST = 32 << 10
"""Characters of one tunnel; a hundred forwards between paths have less."""

# Option letter → whether it takes a value.
HONOURED = {
    "L": True, "R": True, "D": True, "J": True, "p": True, "l": True, "i": True, "F": True,
    "o": True, "b": True, "c": True, "m": True, "4": False, "6": False, "C": False, "g": False,
}  # fmt: skip
NO_EFFECT = frozenset("NfnTqvxaky")
REFUSED = {
    "t": "a tunnel has no terminal",
    "X": "X11 is not forwarded here",
    "Y": "X11 is not forwarded here",
    "A": "the agent is forwarded only where your ssh configuration says so (ForwardAgent)",
    "W": "standard input is not forwarded here; open a -L instead",
    "w": "tun devices are not forwarded here",
    "S": "connections are shared here without a control socket",
    "M": "connections are shared here without a control socket",
    "O": "connections are shared here without a control socket",
    "B": "an interface cannot be chosen here; give its address with -b",
    "I": "a PKCS#11 library is a program that would be loaded",
    "K": "GSSAPI is taken from the ssh configuration",
    "P": "tags are taken from the ssh configuration",
    "e": "a tunnel has no terminal",
    "s": "no subsystem is asked for by a tunnel",
    "E": "there is no log file of one tunnel",
    "G": "this asks ssh a question and opens nothing",
    "Q": "this asks ssh a question and opens nothing",
    "V": "this asks ssh a question and opens nothing",
    "1": "version 1 of SSH is gone",
    "2": "version 2 of SSH is the only one; leave it out",
}
_FORWARD_KEYS = {
    "localforward": ForwardKind.LOCAL,
    "remoteforward": ForwardKind.REMOTE,
    "dynamicforward": ForwardKind.DYNAMIC,
}
_FIELD_OF = {
    "J": "jump",
    "l": "user",
    "F": "config_file",
    "b": "bind_address",
    "c": "ciphers",
    "m": "macs",
}


def parse_command(command: str | Sequence[str]) -> TunnelSpec:
    """The tunnel that a command line asks for.

    :param command: a pasted line ("ssh -NfL 5006:localhost:5006 ann@gpu01", "gpu01:5006"), or its
        words (["-L", "5006:localhost:5006", "gpu01"]).
    :raises BadInput: it is not a line of ssh, or asks for what a tunnel cannot do; the message
        names the part.
    """
    return _Command(words_of_ssh(command)).spec()


def words_of_ssh(command: str | Sequence[str]) -> list[str]:
    """The words of a command line of ssh, without what stands around them.

    :param command: as in `parse_command`.
    :raises BadInput: it holds what only a shell could do.
    """
    words = [command] if isinstance(command, str) else list(command)
    _check_length(*words)
    while len(words) == 1 and (parts := split(words[0])) != words:
        words = parts  # a line, which may stand in quotes as a whole
    return without_surroundings(words)


def check_lengths(request: TunnelRequest) -> None:
    """:raises BadInput: what describes the tunnel is longer than anybody types."""
    ssh = (text for value in astuple(request.ssh) for text in _texts(value))
    _check_length(request.host or "", *request.forwards, request.name or "", *ssh)


def spec_of(request: TunnelRequest) -> TunnelSpec:
    """The tunnel that a request asks for, by fields or by a pasted command.

    :raises BadInput: the request holds neither, both, or something that is wrong.
    """
    if request.command is None:
        if not request.host:
            raise BadInput(
                "The host is missing.", hint="Give host and forwards, or a whole command."
            )
        check_lengths(request)
        return TunnelSpec.make(
            request.host,
            tuple(map(ForwardSpec.parse, request.forwards)),
            name=request.name,
            ssh=request.ssh,
            kind=request.kind,
            on_conflict=request.on_conflict,
            connection_file=request.connection_file,
            keeper=request.keeper,
            proxy_protocol=request.proxy_protocol,
        )
    if request.host or request.forwards:
        raise BadInput("Give either a command or a host with forwards, not both.")
    found = parse_command(request.command)
    if request.ssh != SshOptions(agent_socket=request.ssh.agent_socket):
        raise BadInput(
            "The options of ssh stand in the command; “ssh” holds agent_socket at most beside it."
        )
    return TunnelSpec.make(
        found.host,
        found.forwards,
        name=found.name if request.name is None else request.name,
        ssh=replace(found.ssh, agent_socket=request.ssh.agent_socket),
        kind=request.kind,
        on_conflict=found.on_conflict if request.on_conflict == "fail" else request.on_conflict,
        connection_file=request.connection_file,
        keeper=request.keeper,
        proxy_protocol=request.proxy_protocol,
    )


def _texts(value: object) -> tuple[str, ...]:
    """The texts in a field, which may hold one, several or none."""
    return (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()


def _check_length(*texts: str) -> None:
    """What is typed may come from anywhere: what takes long to read, or to show, is not read."""
    length = sum(map(len, texts))
    if length > LONGEST:
        raise BadInput(
            f"This is too long for a tunnel: {length} characters, and {LONGEST} are allowed.",
            hint="Open several tunnels, or put options into your ~/.ssh/config.",
        )


@dataclass
class _Command:
    """Reads words as `ssh` does: options may stand before and behind the host."""

    words: list[str]
    host: str | None = None
    forwards: list[ForwardSpec] = field(default_factory=list)
    name: str | None = None
    on_conflict: OnConflict = "fail"
    kind: TunnelKind = "forward"
    gateway_ports: bool = False
    ssh: SshOptions = field(default_factory=SshOptions)

    def spec(self) -> TunnelSpec:
        while self.words:
            self._next(self.words.pop(0))
        if self.host is None:
            raise BadInput(
                "The host is missing.",
                hint="It stands behind the options: -L 5006:localhost:5006 user@gpu01",
            )
        HostArgument.parse(self.host)
        forwards = tuple(
            map(self._opened_up, self.forwards) if self.gateway_ports else self.forwards
        )
        return TunnelSpec.make(
            self.host, forwards, name=self.name, ssh=self.ssh, on_conflict=self.on_conflict
        )

    def _next(self, typed: str) -> None:
        word = straight(typed, tuple(OWN_OPTIONS))
        if word == "--":
            self._operands(self.words)
            self.words = []
        elif word.startswith("--"):
            self._long(word)
        elif word.startswith("-") and len(word) > 1:
            self._letters(word)
        else:
            self._operands([word])

    def _operands(self, words: list[str]) -> None:
        for word in words:
            if self.host is not None and program_of(word) in ("ssh", "autossh"):
                refuse_part(
                    f"What stands before {word} is not understood.", self.host, 0,
                    hint="Leave it out.",
                )  # fmt: skip
            if self.host is not None:
                refuse_part(
                    "A tunnel runs no command on the remote host.", word, 0,
                    hint="Leave out what stands behind the host.",
                )  # fmt: skip
            self.host = word

    def _long(self, word: str) -> None:
        key, has_value, value = word.partition("=")
        if OWN_OPTIONS.get(word) is False:
            return  # it says how `jupyter tunnel` answers
        if not OWN_OPTIONS.get(key):
            refuse_part(f"There is no option {key}.", word, 0, len(key))
        if not has_value:
            if not self.words:
                refuse_part(f"{key} needs a value.", word, 0, len(word))
            value = self.words.pop(0)
        if key == "--name":
            self.name = value
        elif value in ("fail", "pick"):
            self.on_conflict = "pick" if value == "pick" else "fail"
        else:
            refuse_part("--on-conflict is fail or pick.", value, 0, len(value))

    def _letters(self, word: str) -> None:
        for position, letter in enumerate(word[1:], start=1):
            if letter in NO_EFFECT:
                continue
            if letter in REFUSED:
                refuse_part(
                    f"-{letter} cannot be used: {REFUSED[letter]}.",
                    word,
                    position,
                    1,
                    "Leave it out.",
                )
            if letter not in HONOURED:
                refuse_part(f"ssh has no option -{letter}.", word, position, 1)
            if not HONOURED[letter]:
                self._flag(letter)
                continue
            value = word[position + 1 :]
            if not value:
                if not self.words:
                    refuse_part(f"-{letter} needs a value.", word, position, 1)
                value = self.words.pop(0)
            self._value(letter, value)
            return

    def _flag(self, letter: str) -> None:
        if letter == "g":
            self.gateway_ports = True
        elif letter == "C":
            self.ssh = replace(self.ssh, compression=True)
        else:
            self.ssh = replace(self.ssh, address_family="inet" if letter == "4" else "inet6")

    def _value(self, letter: str, value: str) -> None:
        if letter in "LRD":
            text = f"-{letter} {value}"
            kind = {"L": ForwardKind.LOCAL, "R": ForwardKind.REMOTE, "D": ForwardKind.DYNAMIC}[
                letter
            ]
            self.forwards.append(ForwardSpec.parse_body(kind, value, text, 3))
        elif letter == "o":
            self._option(value)
        elif letter == "i":
            self.ssh = replace(self.ssh, identities=(*self.ssh.identities, value))
        elif letter == "p":
            if not (value.isascii() and value.isdigit() and 0 < int(value[:6]) <= 65535):
                refuse_part(
                    f"“{value}” is not a port.",
                    f"-p {value}",
                    3,
                    len(value),
                    "-p is the port of ssh on the host.",
                )
            self.ssh = replace(self.ssh, port=int(value))
        else:
            chosen: dict[str, Any] = {_FIELD_OF[letter]: value}
            self.ssh = replace(self.ssh, **chosen)

    def _option(self, value: str) -> None:
        """`-o Key=Value`; a forward that is written so is a forward here too."""
        key, _, body = re.sub(r"^\s*(\w+)\s*[=\s]\s*", r"\1=", value).partition("=")
        kind = _FORWARD_KEYS.get(key.lower())
        if kind is None:
            self.ssh = replace(self.ssh, options=(*self.ssh.options, value))
            return
        # ssh_config puts white space where the command line has a colon.
        self.forwards.append(ForwardSpec.parse_body(kind, ":".join(body.split())))

    @staticmethod
    def _opened_up(forward: ForwardSpec) -> ForwardSpec:
        """-g: what would listen on loopback listens on all interfaces."""
        if forward.kind is ForwardKind.REMOTE or not isinstance(forward.bind, TcpBind):
            return forward
        host = "*" if forward.bind.host is None else forward.bind.host
        return replace(forward, bind=TcpBind(host, forward.bind.port))


def command_line(spec: TunnelSpec) -> str:
    """The line that asks for the same: what every answer repeats as understood.

    A line of ssh, or of `jupyter tunnel open` where it says what ssh has no words for.
    `parse_command(command_line(spec))` is `spec` again, but for its kind and the agent's socket.
    """
    ours: list[str] = []
    if not spec.has_default_name:
        ours += ["--name", spec.name]
    if spec.on_conflict != "fail":
        ours += ["--on-conflict", spec.on_conflict]
    words = ["jupyter", "tunnel", "open", *ours] if ours else ["ssh", "-N"]
    for forward in spec.forwards:
        words += str(forward).split(" ", 1)
    words += spec.ssh.words()
    words.append(f"[{spec.host}]" if ":" in spec.host else spec.host)
    return shlex.join(words)
