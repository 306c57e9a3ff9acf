"""The user's identity files: the keys in them, and those that a passphrase locks.

Like `ssh`, a locked key is offered by its public half, and the passphrase asked for when the host
takes it.
"""

import asyncio
import base64
import copy
import hashlib
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import asyncssh
from typing_extensions import override

from .files import is_file

_OPENSSH_MAGIC = b"openssh-key-v1\0"
_LARGEST_KEY_FILE = 1 << 20

Unlock = Callable[[], Awaitable[asyncssh.SSHKey | None]]


class Keyring:
    """The keys that a passphrase has opened, and which the user wants to stay open, by their files.

    They are nowhere but in the memory of this process, and go with it.
    """

    def __init__(self) -> None:
        self._keys: dict[str, tuple[asyncssh.SSHKey, bytes]] = {}

    def keep(self, path: str, key: asyncssh.SSHKey, content: bytes) -> None:
        """Keep a key open for as long as its file has this content."""
        self._keys[path] = (key, _digest(content))

    def key(self, path: str, content: bytes) -> asyncssh.SSHKey | None:
        """The open key of a file that has this content."""
        key, kept = self._keys.get(path, (None, b""))
        return key if kept == _digest(content) else None


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


class LockedKey(asyncssh.SSHKeyPair):
    """A key of which only the public half is known until it has to sign."""

    _key_type = "local"

    def __init__(self, public: asyncssh.SSHKey, unlock: Unlock) -> None:
        super().__init__(
            public.algorithm,
            public.algorithm,
            public.sig_algorithms,
            public.sig_algorithms,
            public.public_data,
            public.get_comment_bytes(),
        )
        self._unlock = unlock

    async def sign_async(self, data: bytes) -> bytes:
        """Sign; asyncssh prefers this to `sign`.

        :raises ValueError: it stays locked. asyncssh goes on to the next key.
        """
        key = await self._unlock()
        if key is None:
            raise ValueError("the key stays locked")
        # RSA takes a while.
        return await asyncio.to_thread(key.sign, data, self.sig_algorithm)

    @override
    def sign(self, data: bytes) -> bytes:
        raise NotImplementedError


def content_of(path: str) -> bytes:
    """What a file holds, as far as a key can be long.

    :raises OSError: it cannot be read.
    """
    _require_file(path)
    with Path(path).open("rb") as file:
        return file.read(_LARGEST_KEY_FILE)


def _require_file(path: str) -> None:
    """:raises OSError: it is not there, or might be read without end."""
    if not stat.S_ISREG(Path(path).stat().st_mode):
        raise OSError("no regular file")


def key_pair(path: str) -> asyncssh.SSHKeyPair | None:
    """The key of a file; None if there is no such file.

    :raises asyncssh.KeyImportError: it holds no key, or one under a passphrase (`is_locked`).
    :raises OSError: it cannot be read.
    """
    try:
        _require_file(path)
    except FileNotFoundError:
        return None
    return asyncssh.load_keypairs([asyncssh.read_private_key(path)])[0]


def is_locked(error: asyncssh.KeyImportError) -> bool:
    """Whether it takes a passphrase to read the key."""
    return str(error).startswith("Passphrase")


def unlocked(content: bytes, passphrase: str) -> asyncssh.SSHKey | None:
    """The key in an identity file of this content, None if that is not its passphrase."""
    try:
        return asyncssh.import_private_key(content, passphrase)
    except ValueError:  # of asyncssh's errors about keys, each is one
        return None


class PublicParts(NamedTuple):
    """What anybody may know of an identity: the public half of its key, and the certificate beside
    it."""

    key: asyncssh.SSHKey | None
    certificate: asyncssh.SSHCertificate | None


def public_parts(path: str) -> PublicParts:
    """Those of an identity file, which need not be there: its key may be in the agent."""
    return PublicParts(_public_half(path), certificate_in(f"{path}-cert.pub"))


def _public_half(path: str) -> asyncssh.SSHKey | None:
    """From the .pub beside it, or out of the file, where that needs no passphrase."""
    for candidate in (f"{path}.pub", path):
        if not is_file(candidate):
            continue
        try:
            return asyncssh.read_public_key(candidate)
        except (OSError, ValueError, asyncssh.KeyImportError):
            continue
    try:
        return _openssh_public_half(content_of(path))
    except (OSError, ValueError, IndexError):
        return None


def _openssh_public_half(content: bytes) -> asyncssh.SSHKey | None:
    """The public key in an OpenSSH private key (PROTOCOL.key): magic, cipher, kdf, kdf options,
    count, public key."""
    lines = [line for line in content.splitlines() if line and not line.startswith(b"-----")]
    blob = base64.b64decode(b"".join(lines), validate=True)
    if not blob.startswith(_OPENSSH_MAGIC):
        return None
    position = len(_OPENSSH_MAGIC)
    for _ in range(3):
        position += 4 + int.from_bytes(blob[position : position + 4])
    position += 4
    length = int.from_bytes(blob[position : position + 4])
    public = blob[position + 4 : position + 4 + length]
    name = public[4 : 4 + int.from_bytes(public[:4])]
    return asyncssh.import_public_key(name + b" " + base64.b64encode(public))


def certificate_in(path: str) -> asyncssh.SSHCertificate | None:
    """The certificate in a file, None if there is none."""
    if not is_file(path):
        return None
    try:
        return asyncssh.read_certificate(path)
    except (OSError, ValueError, asyncssh.KeyImportError):
        return None


def certified(
    pair: asyncssh.SSHKeyPair, certificate: asyncssh.SSHCertificate | None
) -> list[asyncssh.SSHKeyPair]:
    """A key pair as it is shown with a certificate; none if that is for another key."""
    if certificate is None or certificate.key.public_data != pair.key_public_data:
        return []
    shown = copy.copy(pair)
    shown.set_certificate(certificate)
    return [shown]
