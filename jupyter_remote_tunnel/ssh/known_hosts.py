"""The known_hosts files: what they say about a hop, and one line more.

`KnownKeys.of` reads them (hashed names, wildcards, `[host]:port`, HostKeyAlias, @revoked,
@cert-authority); `remember` writes keys that a person has accepted, or the host has proved."""

import base64
import binascii
import contextlib
import errno
import fcntl
import fnmatch
import hashlib
import hmac
import os
import re
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import asyncssh

from ..model.errors import Fatal
from .algorithms import certificate, kept, of_key, supported
from .files import Files, is_file
from .hop import Hop
from .revocation_list import MAGIC, RevocationList

_LARGEST_FILE = 16 << 20

_LOCK_PATIENCE = 2.0  # s: each of us holds it for a moment

# The types of keys that asyncssh verifies by default, the best first: RSA signs with SHA-2 only.
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
    """One key of a known_hosts file (as errors name it), and the line that holds it. A key that was
    accepted for once stands in no file: "".
    """

    key: asyncssh.SSHKey
    file: str
    line: int

    @property
    def place(self) -> str:
        """As errors name it."""
        return f"{self.file} line {self.line}"


@dataclass
class KnownKeys:
    """What is known of one host. `refused_certificate` is why a certificate that it showed does not
    count, in a sentence."""

    trusted: list[KnownKey] = field(default_factory=list)
    authorities: list[KnownKey] = field(default_factory=list)
    revoked: list[KnownKey] = field(default_factory=list)
    revocation_list: RevocationList | None = None
    refused_certificate: str = ""

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
            revoked = await files.look_at(hop.revoked_host_keys, read)
            if isinstance(revoked, RevocationList):
                known.revocation_list = revoked
            else:
                known.revoked += revoked
        return known

    def is_revoked(self, key: asyncssh.SSHKey) -> bool:
        """Whether a key must not be trusted, whatever else is known of it."""
        revocations = self.revocation_list
        return any(entry.key == key for entry in self.revoked) or (
            revocations is not None and revocations.holds_key(key)
        )

    def accept(self, key: asyncssh.SSHKey) -> None:
        """Trust a key that a person has accepted."""
        self.trusted.append(KnownKey(key, "", 0))

    def refuse_certificate(self, why: str) -> None:
        """Ask for no certificate any more: the host's key counts by itself."""
        self.authorities.clear()
        self.refused_certificate = why

    async def _add(self, hop: Hop, name: str, files: Files) -> None:
        lists = {"": self.trusted, "@cert-authority": self.authorities, "@revoked": self.revoked}
        for path in hop.known_hosts:
            read = partial(_keys_of, name=name.lower(), shown=hop.shown(path))
            for marker, key in await files.look_at(path, read):
                if marker in lists:
                    lists[marker].append(key)

    def algorithms(self, hop: Hop) -> list[str]:
        """The algorithms to ask of the host: those of known keys first so that it shows one of
        them, unless the configuration has an order of its own.

        Certificates are asked for where an authority is known: of one that does not count,
        asyncssh makes nothing, where ssh takes the key in it.

        :raises Fatal: unsupported, none that is configured is known here.
        """
        wanted = supported(hop.host_key_algorithms, "hostkeyalgorithms", "host keys", hop)
        if not wanted:
            certificates = map(certificate, _KEY_ALGORITHMS)
            wanted = kept("hostkeyalgorithms", (*certificates, *_KEY_ALGORITHMS))
        of_keys = [name for name in wanted if of_key(name) == name]
        wanted = wanted if self.authorities else of_keys or wanted
        if not hop.known_keys_first:
            return wanted
        types = {known.key.get_algorithm() for known in self.trusted}
        return sorted(
            wanted, key=lambda name: of_key(name) == name and _key_type(name) not in types
        )


def _key_type(algorithm: str) -> str:
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def _keys_of(file: str, name: str, shown: str) -> list[tuple[str, KnownKey]]:
    """The keys that a known_hosts file holds for `name` (in lower case), with the markers of their
    lines; `shown` is how errors name the file."""
    if not is_file(file):
        return []  # a FIFO would never end; /dev/null is as good as empty
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(_LARGEST_FILE + 1)
    except OSError:
        return []
    if len(content) > _LARGEST_FILE:
        # A key behind that could have changed unseen.
        raise Fatal(
            f"{shown} is larger than {_LARGEST_FILE >> 20} MiB, and is not read.",
            code="unsupported",
            hint="Take out what is not needed any more: no host is trusted without all of it.",
        )
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


def _revocation_list(file: str, shown: str, place: str) -> list[KnownKey] | RevocationList:
    """A RevokedHostKeys file: public keys or certificates, one a line, or what `ssh-keygen -k`
    made; `shown` and `place` are how errors name it and the hop."""
    if file == os.devnull:
        return []
    try:
        if not stat.S_ISREG(Path(file).stat().st_mode):
            raise _unreadable(shown, "it is no regular file", place)
        content = Path(file).read_bytes()
    except OSError as error:
        raise _unreadable(shown, error.strerror, place) from error
    if content.startswith(MAGIC):
        try:
            return RevocationList.parse(content)
        except ValueError as error:
            raise _unreadable(shown, str(error), place) from error
    revoked: list[KnownKey] = []
    for number, text in enumerate(content.decode(errors="surrogateescape").splitlines(), start=1):
        line = text.strip()
        if line and not line.startswith("#"):
            key = _read_key(line) or _key_of_certificate(line)
            if key is None:
                raise _unreadable(shown, f"line {number} is no public key", place)
            revoked.append(KnownKey(key, shown, number))
    return revoked


def can_remember(file: str) -> bool:
    """Whether `remember` would work, as far as can be seen; a look."""
    path = Path(os.path.realpath(file))
    try:
        _require_writable(path)
    except OSError:
        return False
    # ~/.ssh may not be there yet.
    return os.access(path.parent if path.parent.exists() else path.parent.parent, os.W_OK)


def remember(file: str, name: str, *keys: asyncssh.SSHKey, hashed: bool) -> None:
    """Add keys of a host to a known_hosts file, which is made if it is not there; a look.

    Nobody ever sees half a file, its other lines stay as they are, and of two that write at once
    neither is lost.

    :param name: as `Hop.known_as`.
    :param hashed: whether the name is to be hidden, as HashKnownHosts does.
    :raises OSError: it cannot be written.
    """
    # A link to a file elsewhere stays one.
    path = Path(os.path.realpath(file))
    path.parent.mkdir(mode=0o700, exist_ok=True)
    _require_writable(path)
    name = name.lower()
    lines = b"".join(
        b"%s %s\n" % ((_hashed(name) if hashed else name).encode(), _exported(key)) for key in keys
    )
    with _locked(path.parent):
        while not _added(path, lines):
            pass  # somebody else, such as ssh, which knows nothing of our lock, was faster


def _require_writable(path: Path) -> None:
    """:raises OSError: what is there is no file, or not to be written."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):  # such as /dev/null, which must not give way to a file
        raise OSError(errno.EINVAL, "it is no regular file")
    if not os.access(path, os.W_OK):  # which a rename would not mind
        raise PermissionError(errno.EACCES, "it is write-protected")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Be the only one of us who writes in a folder. Its own lock leaves no file behind.

    Who may list the folder may hold it, too, and be another user: after a while it is done without.
    `_added` then sees who was faster.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    end = time.monotonic() + _LOCK_PATIENCE
    try:
        while not _is_locked(descriptor) and time.monotonic() < end:
            time.sleep(0.01)  # to wait for a lock would have no end
        yield
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _added(path: Path, lines: bytes) -> bool:
    """Put a file with these lines more in the place of this one, if it does not change
    meanwhile."""
    before = _stat(path)
    content = b"" if before is None else path.read_bytes()
    if content and not content.endswith(b"\n"):
        content += b"\n"
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as written:
            written.write(content + lines)
            written.flush()
            os.fchmod(descriptor, 0o600 if before is None else stat.S_IMODE(before.st_mode))
            os.fsync(descriptor)
        if _version(_stat(path)) != _version(before):
            return False
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _version(found: os.stat_result | None) -> tuple[int, ...]:
    """What changes with a file's content."""
    return () if found is None else (found.st_ino, found.st_size, found.st_mtime_ns)


def _hashed(name: str) -> str:
    """A name (in lower case) as `_matches_hash` reads it."""
    salt = secrets.token_bytes(20)
    digest = hmac.digest(salt, name.encode(), hashlib.sha1)
    return "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, digest))


def _exported(key: asyncssh.SSHKey) -> bytes:
    """The type and the key in base64, without a comment."""
    kind, data, *_ = key.export_public_key("openssh").split()
    return kind + b" " + data
