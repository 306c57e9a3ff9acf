"""What ssh would use for a host, found without OpenSSH: from what is typed, the user's ssh_config
and the system's.

It is what `ssh -G` would say, or an error that names file and line: what only OpenSSH can do
(`CanonicalizeHostname`, `Match localnetwork` …) is refused where it would count, never guessed.
asyncssh has a parser of its own, which leaves out or misreads too much to be that.
"""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace

from ..model.address import is_ipv6
from ..model.errors import BadInput
from ..model.spec import SshOptions
from ..model.ssh_option import split_option, words_of
from ..model.text import plain
from .config_lines import Line, lines_of
from .config_values import IGNORED, KINDS, OTHER_NAMES, set_value
from .expand import Tokens, expand, home_directory, local_user, user_shell
from .files import Files
from .keywords import Configuration
from .patterns import fits_one
from .walking import Found, Runs, Walk

MATCH_TIMEOUT = 10.0
"""Seconds that the commands of `Match exec` may take, all together."""

_KEYS = ("rsa", "ecdsa", "ecdsa_sk", "ed25519", "ed25519_sk", "xmss", "dsa")
_FILES = ("known_hosts", "known_hosts2")

# What ssh proposes where nothing is configured; the first of these that the host has is used.
_CERTIFIED = (
    *("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    *("sk-ssh-ed25519", "sk-ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"),
)
_SIGNING = tuple(f"{name}@openssh.com" if name.startswith("sk-") else name for name in _CERTIFIED)
_KEY_ALGORITHMS = ",".join((*(f"{name}-cert-v01@openssh.com" for name in _CERTIFIED), *_SIGNING))
_ALGORITHMS = {
    "ciphers": "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,"
    "aes128-gcm@openssh.com,aes256-gcm@openssh.com",
    "macs": "umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,"
    "hmac-sha2-512-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-64@openssh.com,"
    "umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1",
    "kexalgorithms": "sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,curve25519-sha256,"
    "curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
    "diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,"
    "diffie-hellman-group18-sha512,diffie-hellman-group14-sha256",
    "hostkeyalgorithms": _KEY_ALGORITHMS,
    "pubkeyacceptedalgorithms": _KEY_ALGORITHMS,
    "casignaturealgorithms": ",".join(_SIGNING),
}


async def configurations(host: str, options: SshOptions) -> tuple[Configuration, Configuration]:
    """What ssh would use for a host, and what it would use without any configuration.

    :raises BadInput: a file cannot be read, with its line.
    :raises Transient: a file is on a drive that does not answer.
    """
    usual = usual_configuration(host)
    lines = await lines_of(options.config_file)
    commands = Commands(host)
    # In a thread of its own: it may wait for a command.
    found = await Files().look_at(
        f"Match exec for {host}", lambda _: evaluate(host, options, lines, usual, commands.run)
    )
    return found, usual


def usual_configuration(host: str) -> Configuration:
    """What ssh uses where nothing is configured, as far as it matters here."""
    folder = f"{home_directory()}/.ssh"
    return {
        "host": [host],
        "user": [local_user()],
        "hostname": [host],
        "port": ["22"],
        **{keyword: [names] for keyword, names in _ALGORITHMS.items()},
        "identityfile": [f"~/.ssh/id_{kind}" for kind in _KEYS],
        "userknownhostsfile": [" ".join(f"{folder}/{name}" for name in _FILES)],
        "globalknownhostsfile": [" ".join(f"/etc/ssh/ssh_{name}" for name in _FILES)],
    }


def evaluate(
    host: str, options: SshOptions, lines: Sequence[Line], usual: Configuration, runs: Runs
) -> Configuration:
    """What lines of ssh_config say of a host, behind what was typed.

    :param usual: what ssh uses where nothing is configured, and what lists of algorithms change.
    :param runs: runs what `Match exec` names.
    :raises BadInput: a line cannot be read, or only by OpenSSH.
    """
    reading = _Reading(host, usual, runs)
    reading.typed(options)
    reading.walk(lines)
    return reading.result()


class Commands:
    """Runs the commands of `Match exec`, by the user's shell as ssh does, all within a time."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._end = time.monotonic() + MATCH_TIMEOUT

    def run(self, command: str) -> bool:
        """Whether a command succeeds.

        :raises BadInput: the time is over.
        """
        process = subprocess.Popen(
            [user_shell(), "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(max(0.0, self._end - time.monotonic())) == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise BadInput(
                f"It took more than {MATCH_TIMEOUT:g} s to read the configuration of ssh for"
                f" {self._host}.",
                hint="Does a “Match exec” hang?",
            ) from None


class _Reading:
    """One host's way through the lines, with every keyword."""

    def __init__(self, host: str, usual: Configuration, runs: Runs) -> None:
        self._walk = Walk(host, self._take, runs)
        self._usual = usual

    def walk(self, lines: Sequence[Line]) -> None:
        """Take what applies."""
        self._walk.walk(lines)

    def typed(self, options: SshOptions) -> None:
        """Take what was typed, which counts before all that is read."""
        flags = (
            ("user", options.user),
            ("port", None if options.port is None else str(options.port)),
            ("proxyjump", options.jump),
            ("bindaddress", options.bind_address),
            ("ciphers", options.ciphers),
            ("macs", options.macs),
            ("compression", "yes" if options.compression else None),
            (
                "addressfamily",
                None if options.address_family == "any" else options.address_family,
            ),
        )
        lines = [Line.typed(key, value) for key, value in flags if value is not None]
        lines += [Line.typed("identityfile", path) for path in options.identities]
        for option in options.options:
            key, value = split_option(option)
            lines.append(
                replace(Line.typed(key, value), words=tuple(words_of(value)), file=f"-o {option}")
            )
        for line in lines:
            if line.keyword in ("host", "match", "include"):
                raise line.error(f"{line.keyword} belongs into a file.")
            self._take(self._walk, line, True)

    def _take(self, walk: Walk, line: Line, active: bool) -> None:
        keyword = OTHER_NAMES.get(line.keyword, line.keyword)
        if keyword in IGNORED:
            return
        if keyword not in KINDS:
            if fits_one(line.keyword, (walk.first("ignoreunknown") or "").lower().split(",")):
                return
            raise line.error(
                f"“{plain(line.keyword, 60)}” is no keyword of ssh_config.",
                "Is it spelt right? IgnoreUnknown would have it passed over.",
            )
        line = replace(line, keyword=keyword)
        set_value(walk.found, line, self._usual, active=active)
        if active and keyword == "canonicalizehostname" and walk.first(keyword) != "false":
            raise line.error(
                "host names are made canonical by OpenSSH only.",
                "Install OpenSSH, or write the HostName of the host.",
            )

    def result(self) -> Configuration:
        """What was found, as `ssh -G` prints it, and what is usual for the rest."""
        walk, found = self._walk, self._walk.found
        tokens, name = walk.tokens, walk.host_name
        # ssh leaves an address as it is, and takes what holds a “%” for one.
        found["hostname"] = [name if is_ipv6(name) or "%" in name else name.lower()]
        if (alias := walk.first("hostkeyalias")) is not None:
            found["hostkeyalias"] = [alias.lower()]
        _settle_update(found)
        if walk.first("proxyjump") == "none":
            del found["proxyjump"]
        elif "proxyjump" in found:
            found.pop("proxycommand", None)
        if walk.first("clearallforwardings") == "yes":
            for key in ("localforward", "remoteforward", "dynamicforward"):
                found.pop(key, None)
        tokens = replace(tokens, host=found["hostname"][0])
        for key in ("identityagent", "controlpath", "forwardagent", "userknownhostsfile"):
            if key in found:
                found[key] = [self._full(key, value, tokens) for value in found[key]]
        whole = {**self._usual, **found}
        return {key: values for key, values in whole.items() if values}

    @staticmethod
    def _full(key: str, value: str, tokens: Tokens) -> str:
        """A value whose paths ssh has spelt out when it prints it."""
        if key == "userknownhostsfile":
            return " ".join(expand(path, tokens) for path in value.split(" "))
        if key == "forwardagent" and value.lower() in _YES_NO:
            return _YES_NO[value.lower()]
        special = value in ("none", "SSH_AUTH_SOCK") or (value[:1] == "$" and value[:2] != "${")
        return value if special else expand(value, tokens)


_YES_NO = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}


def _settle_update(found: Found) -> None:
    """Keys that a host announces are learnt unasked only where the files and checks are usual."""
    asks = found.get("updatehostkeys") == ["ask"]
    if asks and found.get("batchmode") == ["yes"]:
        found["updatehostkeys"] = ["false"]
    unusual = "userknownhostsfile" in found or found.get("verifyhostkeydns", ["false"]) != ["false"]
    if unusual:
        found.setdefault("updatehostkeys", ["false"])
