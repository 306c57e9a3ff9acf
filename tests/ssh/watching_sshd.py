"""A real sshd at the end of a ProxyCommand, and what it saw of one connection.

`Watch(folder).proxy_command` runs `sshd -i`, whose log (DEBUG2) is of that connection only;
`Watch.seen()` reads it when sshd has ended.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.support.process import program, wait_until
from tests.support.sshd import make_key

_SERVER = """\
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
AcceptEnv *
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PermitUserRC no
SetEnv HOME={folder} SHLVL=1
PrintMotd no
LogLevel DEBUG2
PidFile none
MaxAuthTries 20
"""

# Deaf to SIGHUP, and in a session of its own: sshd finishes its log, though who asked for it ends
# the command, ssh by that signal and we by another.
_PROXY = """\
#!/bin/sh
trap '' HUP
folder=$1; shift
printf '%s\\n' "$@" > "$folder/arguments"
exec setsid -w sh -c '"$1" -i -f "$0/sshd_config" -E "$0/log"; touch "$0/over"' "$folder" {sshd}
"""


@dataclass(frozen=True)
class Seen:
    """What sshd and the ProxyCommand saw.

    `named` is what %h, %p, %r, %n and %k stood for; `proposed` the algorithms by their kind in
    sshd's words; `offered` the keys and certificates, `environment` what was set for the command.
    """

    named: tuple[str, ...]
    user: str
    proposed: dict[str, list[str]]
    offered: list[str]
    environment: dict[str, str]
    agent: bool


class Watch:
    """Where one sshd writes down what it sees; `user_key` lets in, and `known_hosts` holds its key
    under any name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user_key = make_key(folder / "user_key")
        key = make_key(folder / "host_key").with_suffix(".pub").read_text()
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text(f"* {key}")
        (folder / "sshd_config").write_text(_SERVER.format(folder=folder))
        script = folder / "proxy"
        script.write_text(_PROXY.format(sshd=program("sshd")))
        script.chmod(0o700)
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it
        self.proxy_command = f"{script} {folder} %h %p %r %n %k"

    def forget(self) -> None:
        """Before the next connection."""
        for name in ("log", "over", "arguments"):
            (self.folder / name).unlink(missing_ok=True)

    def seen(self) -> Seen:
        """What there was to see, when the connection is over."""
        wait_until((self.folder / "over").exists, "the end of sshd")
        log = (self.folder / "log").read_text()
        return Seen(
            named=tuple((self.folder / "arguments").read_text().splitlines()),
            user=_all(r"userauth-request for user (.*) service", log)[0],
            proposed=_proposed(log),
            offered=_all(r"publickey test pkalg (\S+ pkblob \S+ SHA256:\S+)", log),
            environment=dict(line.split("=", 1) for line in _all(r"Setting env \d+: (.*=.*)", log)),
            agent="auth-agent-req@openssh.com" in log,
        )


def _all(pattern: str, log: str) -> list[str]:
    """What the first group of a pattern holds, each once."""
    return list(dict.fromkeys(found[1] for found in re.finditer(pattern, log, re.MULTILINE)))


def _proposed(log: str) -> dict[str, list[str]]:
    """The client's first proposal: "ciphers ctos" → its algorithms."""
    _, _, rest = log.partition("peer client KEXINIT proposal")
    found: dict[str, list[str]] = {}
    for line in re.finditer(r"debug2: ([A-Za-z ]+): (\S*) \[preauth\]", rest):
        found.setdefault(line[1], line[2].split(","))
    return found
