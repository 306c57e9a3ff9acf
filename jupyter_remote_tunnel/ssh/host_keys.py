"""Strict host keys: what the known_hosts files say about a hop, and the judgement of the key it
shows.

`KnownKeys.of` reads the files (hashed names, wildcards, `[host]:port`, HostKeyAlias, @revoked,
@cert-authority). `HostKeyJudge` is asked by the connection, remembers what it saw, and afterwards
`error()` says why a key was refused. Nothing is ever written, and there is no "accept anyway"."""

import base64
import binascii
import fnmatch
import hashlib
import hmac
import os
import re
import shlex
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import asyncssh

from ..model.errors import Fatal
from ..model.ssh_option import is_nowhere
from ..model.text import plain
from .files import Files, is_file
from .hop import Hop

_LARGEST_FILE = 16 << 20
_BINARY_REVOCATION_LIST = b"SSHKRL\n\0"

# The types of keys that asyncssh verifies by default, the best first: RSA signs with SHA-2 only.
_CERTIFICATE_SUFFIX = "-cert-v01@openssh.com"
_KEY_ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ssh-ed448",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)


@dataclass(frozen=True)
class KnownKey:
    """One key of a known_hosts file (as errors name it), and the line that holds it."""

    key: asyncssh.SSHKey
    file: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.file} line {self.line}"


@dataclass
class KnownKeys:
    """What is known of one host."""

    trusted: list[KnownKey] = field(default_factory=list)
    authorities: list[KnownKey] = field(default_factory=list)
    revoked: list[KnownKey] = field(default_factory=list)

    @classmethod
    async def of(cls, hop: Hop, files: Files) -> "KnownKeys":
        """Read the known_hosts files of a hop. A file that is missing holds nothing.

        :raises Fatal: unsupported, for a list of revoked keys that cannot be read.
        """
        known = cls()
        await known._add(hop, hop.known_as, files)
        if not (known.trusted or known.authorities) and hop.known_as.startswith("["):
            # As ssh: a host on another port may be known without its port.
            await known._add(hop, hop.host, files)
        if hop.revoked_host_keys is not None:
            shown = hop.shown(hop.revoked_host_keys)
            read = partial(_revocation_list, shown=shown, place=hop.place)
            known.revoked += await files.look_at(hop.revoked_host_keys, read)
        return known

    async def _add(self, hop: Hop, name: str, files: Files) -> None:
        lists = {"": self.trusted, "@cert-authority": self.authorities, "@revoked": self.revoked}
        for path in hop.known_hosts:
            read = partial(_keys_of, name=name.lower(), shown=hop.shown(path))
            for marker, key in await files.look_at(path, read):
                if marker in lists:
                    lists[marker].append(key)

    def algorithms(self) -> list[str]:
        """The algorithms to ask of the host, those of known keys first so that it shows one of
        them."""
        types = {known.key.get_algorithm() for known in self.trusted}
        first = [name for name in _KEY_ALGORITHMS if _key_type(name) in types]
        rest = [name for name in _KEY_ALGORITHMS if name not in first]
        certificates = [_certificate(name) for name in _KEY_ALGORITHMS] if self.authorities else []
        supported = {name.decode() for name in asyncssh.public_key.get_public_key_algs()}
        supported |= {name.decode() for name in asyncssh.public_key.get_certificate_algs()}
        return [name for name in (*certificates, *first, *rest) if name in supported]


def _key_type(algorithm: str) -> str:
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def _certificate(algorithm: str) -> str:
    return algorithm.removesuffix("@openssh.com") + _CERTIFICATE_SUFFIX


def _keys_of(file: str, name: str, shown: str) -> list[tuple[str, KnownKey]]:
    """The keys that a known_hosts file holds for `name` (in lower case), with the markers of their
    lines; `shown` is how errors name the file."""
    if not is_file(file):
        return []  # a FIFO would never end; /dev/null is as good as empty
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(_LARGEST_FILE)
    except OSError:
        return []
    found: list[tuple[str, KnownKey]] = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        marker, names, text = _entry(line.decode(errors="surrogateescape").strip())
        if _matches(names, name) and (key := _read_key(text)) is not None:
            found.append((marker, KnownKey(key, shown, number)))
    return found


def _entry(line: str) -> tuple[str, str, str]:
    """A line's marker, names and key, each of them "" where there is none."""
    marker = line.split(None, 1)[0] if line.startswith("@") else ""
    words = line.removeprefix(marker).split(None, 1)
    if len(words) < 2 or line.startswith("#"):
        return marker, "", ""
    return marker, words[0], words[1]


def _read_key(text: str) -> asyncssh.SSHKey | None:
    try:
        return asyncssh.import_public_key(text.encode(errors="surrogateescape"))
    except (asyncssh.KeyImportError, ValueError):
        return None


def _key_of_certificate(text: str) -> asyncssh.SSHKey | None:
    try:
        return asyncssh.import_certificate(text.encode(errors="surrogateescape")).key
    except (asyncssh.KeyImportError, ValueError):
        return None


def _matches(names: str, name: str) -> bool:
    """Whether the names of a line hold `name` (in lower case)."""
    if names.startswith("|"):
        return _matches_hash(names, name)
    found = False
    for pattern in names.lower().split(","):
        if pattern.startswith("!"):
            if _matches_pattern(pattern[1:], name):
                return False
        elif _matches_pattern(pattern, name):
            found = True
    return found


def _matches_pattern(pattern: str, name: str) -> bool:
    if "*" not in pattern and "?" not in pattern:
        return pattern == name
    # ssh has no [sets]: a bracket stands for itself.
    return re.fullmatch(fnmatch.translate(pattern.replace("[", "[[]")), name) is not None


def _matches_hash(names: str, name: str) -> bool:
    """`|1|salt|HMAC-SHA1 of the name`, as HashKnownHosts writes it."""
    parts = names.split("|")
    if len(parts) != 4 or parts[1] != "1":
        return False
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in parts[2:])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), hashlib.sha1), digest)


def _unreadable(file: str, reason: str | None, place: str) -> Fatal:
    return Fatal(
        f"The revoked host keys {file} cannot be read: {reason}.",
        code="unsupported",
        hint="No host is trusted without them. Mend RevokedHostKeys in your ssh configuration.",
        hop=place,
    )


def _revocation_list(file: str, shown: str, place: str) -> list[KnownKey]:
    """A RevokedHostKeys file: public keys or certificates, one a line; `shown` and `place` are how
    errors name it and the hop."""
    if file == os.devnull:
        return []
    try:
        if not stat.S_ISREG(Path(file).stat().st_mode):
            raise _unreadable(shown, "it is no regular file", place)
        content = Path(file).read_bytes()
    except OSError as error:
        raise _unreadable(shown, error.strerror, place) from error
    if content.startswith(_BINARY_REVOCATION_LIST):
        raise Fatal(
            f"The revoked host keys {shown} are a binary list, which is not supported.",
            code="unsupported",
            hint="A list of public keys, one a line, is.",
            hop=place,
        )
    revoked: list[KnownKey] = []
    for number, text in enumerate(content.decode(errors="surrogateescape").splitlines(), start=1):
        line = text.strip()
        if line and not line.startswith("#"):
            key = _read_key(line) or _key_of_certificate(line)
            if key is None:
                raise _unreadable(shown, f"line {number} is no public key", place)
            revoked.append(KnownKey(key, shown, number))
    return revoked


class HostKeyJudge:
    """Judges the keys that one host shows, in one attempt to connect."""

    def __init__(self, hop: Hop, known: KnownKeys) -> None:
        self._hop = hop
        self._known = known
        self._refused: asyncssh.SSHKey | None = None
        self._authority = False

    def is_trusted(self, key: asyncssh.SSHKey) -> bool:
        """Whether a known_hosts file holds this key and none revokes it. Never asynchronous:
        asyncssh takes the truth of what it gets, and a coroutine is true."""
        if key in _keys(self._known.trusted) and key not in _keys(self._known.revoked):
            return True
        self._refused = key
        return False

    def is_authority(self, key: asyncssh.SSHKey) -> bool:
        """Whether this key may sign the certificates of the host. Never asynchronous, too."""
        if key in _keys(self._known.authorities) and key not in _keys(self._known.revoked):
            return True
        self._refused, self._authority = key, True
        return False

    def error(self, cause: str) -> Fatal:
        """Why the host was not trusted; `cause` is what asyncssh says, for what was not judged
        here."""
        hop, key = self._hop, self._refused
        if key is None and "revoked" in cause:
            places = ", ".join(entry.place for entry in self._known.revoked)
            return self._error("host_key_revoked", f"is revoked ({places}).", _ASK)
        if key is None:
            return Fatal(
                f"The host certificate of {hop.place} is not valid: {plain(cause)}",
                code="host_key_unknown",
                hint="Ask who runs the host.",
                hop=hop.place,
            )
        shown = f"{_type_name(key)} key {key.get_fingerprint()}"
        if self._authority:
            return self._error(
                "host_key_unknown",
                f"is a certificate that is signed with the unknown {shown}.",
                _ASK,
            )
        if self._known.trusted:
            return self._changed(key, shown)
        if any(map(is_nowhere, hop.known_hosts[:1])):
            return self._error(
                "host_key_unknown",
                f"is not known: it is the {shown}.",
                "Keys are always verified here, and by your ssh configuration those of "
                f"{hop.alias} are kept nowhere (UserKnownHostsFile): name a file there.",
            )
        return self._error(
            "host_key_unknown",
            f"is not known: it is the {shown}.",
            f"Run “{shlex.join(hop.command)}” once in a terminal, compare the fingerprint with the "
            "one that its owner gives you, and accept it there.",
        )

    def _changed(self, key: asyncssh.SSHKey, shown: str) -> Fatal:
        same_type = [k for k in self._known.trusted if k.key.get_algorithm() == key.get_algorithm()]
        known = (same_type or self._known.trusted)[0]
        return self._error(
            "host_key_changed",
            f"has changed: it is the {shown}, but {known.place} holds the"
            f" {_type_name(known.key)} key {known.key.get_fingerprint()}.",
            "Somebody may be listening in, or the host was set up anew. Ask who runs it; only "
            f"then remove the old key: ssh-keygen -f {known.file} -R '{self._hop.known_as}'",
        )

    def _error(self, code: str, what: str, hint: str) -> Fatal:
        hop = self._hop
        return Fatal(f"The host key of {hop.place} {what}", code=code, hint=hint, hop=hop.place)


_ASK = "Do not connect. Ask who runs the host."


def _keys(known: Sequence[KnownKey]) -> list[asyncssh.SSHKey]:
    return [entry.key for entry in known]


def _type_name(key: asyncssh.SSHKey) -> str:
    return key.get_algorithm().removeprefix("ssh-").removeprefix("ecdsa-sha2-").upper()
