"""Strict host keys: the judgement of the key that a hop shows, by what the known_hosts files say.

`HostKeyJudge` is asked by the connection, remembers what it saw, and afterwards `error()` says why
a key was refused: `UnknownHostKey` is the one that a person may accept. There is no other way past
it."""

import shlex
from collections.abc import Sequence

import asyncssh
from asyncssh.public_key import (
    SSHOpenSSHCertificate,
    decode_ssh_certificate,
    decode_ssh_public_key,
)

from ..model.errors import Fatal
from ..model.prompt import ShownKey
from ..model.text import plain
from .algorithms import may_certify
from .errors import NOBODY_ASKED
from .hop import Hop
from .known_hosts import KnownKey, KnownKeys


class UnknownHostKey(Fatal):
    """Nothing is known of the host, whose key is in `key`; `certificate` is why the one for it does
    not count, if there is one. `acceptable` is whether a person may accept it."""

    def __init__(
        self, message: str, hint: str, hop: Hop, key: asyncssh.SSHKey, certificate: str
    ) -> None:
        super().__init__(message, code="host_key_unknown", hint=hint, hop=hop.place)
        self.key = key
        self.certificate = certificate
        self.acceptable = hop.strict_host_keys != "yes"

    def shown(self, hop: Hop, file: str | None) -> ShownKey:
        """The key, as the person is shown it; `file` is where it can be remembered."""
        return ShownKey(
            type_name(self.key),
            self.key.get_fingerprint(),
            hop.known_as,
            None if file is None else hop.shown(file),
            self.certificate,
        )


class RefusedCertificate(Exception):
    """The certificate that a host shows does not count; why, in a sentence. Its key may."""


class HostKeyJudge:
    """Judges the keys that one host shows, in one attempt to connect. `trusted` is the one that it
    was recognised by, if that was a key itself."""

    def __init__(self, hop: Hop, known: KnownKeys) -> None:
        self._hop = hop
        self._known = known
        self.trusted: asyncssh.SSHKey | None = None
        self._refused: asyncssh.SSHKey | None = None
        self._authority = False
        self._revoked = False

    def is_trusted(self, key: asyncssh.SSHKey) -> bool:
        """Whether a known_hosts file holds this key and none revokes it. Never asynchronous:
        asyncssh takes the truth of what it gets, and a coroutine is true."""
        if key in _keys(self._known.trusted) and not self._known.is_revoked(key):
            self.trusted = key
            return True
        self._refused = key
        return False

    def is_authority(self, key: asyncssh.SSHKey) -> bool:
        """Whether this key may sign the certificates of the host. Never asynchronous, too."""
        trusted = key in _keys(self._known.authorities) and may_certify(key, self._hop)
        if trusted and not self._known.is_revoked(key):
            return True
        self._refused, self._authority = key, True
        return False

    def refuse_revoked(self, shown: bytes) -> None:
        """Refuse a key or certificate, as the host shows it, that a revocation list holds.

        :raises ValueError: it does; asyncssh expects that.
        """
        revocations = self._known.revocation_list
        if revocations is None:
            return
        try:
            certificate = decode_ssh_certificate(shown)
            if isinstance(certificate, SSHOpenSSHCertificate):
                self._revoked = revocations.holds_certificate(certificate)
        except asyncssh.KeyImportError:
            self._revoked = revocations.holds_key(decode_ssh_public_key(shown))
        if self._revoked:
            raise ValueError("Host key is revoked")

    def entry(self, key: asyncssh.SSHKey) -> KnownKey | None:
        """The first line that holds a key which is trusted."""
        known = (*self._known.trusted, *self._known.authorities)
        return next((entry for entry in known if entry.key == key), None)

    def error(self, cause: str) -> Fatal:
        """Why the host was not trusted; `cause` is what asyncssh says, for what was not judged
        here.

        :raises RefusedCertificate: it showed a certificate, and its key may yet be.
        """
        key = self._refused
        if key is None and "revoked" in cause:
            places = ", ".join(entry.place for entry in self._known.revoked)
            if self._revoked:
                places = self._hop.shown(self._hop.revoked_host_keys or "")
            return self._error("host_key_revoked", f"is revoked ({places}).", _ASK)
        if key is None:
            raise RefusedCertificate(f"Its certificate is not valid: {plain(cause)}.")
        shown = f"{type_name(key)} key {key.get_fingerprint()}"
        if self._authority:
            raise RefusedCertificate(f"Its certificate is signed with the unknown {shown}.")
        if self._known.trusted:
            return self._changed(key, shown)
        return self._unknown(key, shown)

    def _unknown(self, key: asyncssh.SSHKey, shown: str) -> UnknownHostKey:
        hop = self._hop
        message = f"The host key of {hop.place} is not known: it is the {shown}."
        if certificate := self._known.refused_certificate:
            message += f" {certificate}"
        run = (
            f"run “{shlex.join(hop.command)}” once in a terminal, compare the fingerprint with the "
            "one that its owner gives you, and accept it there."
        )
        if hop.strict_host_keys == "yes":
            hint = (
                "By your ssh configuration no key is accepted here (StrictHostKeyChecking yes): "
                f"{run}"
            )
        elif hop.remember_in is None:
            hint = (
                f"{NOBODY_ASKED} By your ssh configuration the key is kept nowhere "
                "(UserKnownHostsFile): name a file there to be asked once."
            )
        else:
            hint = f"{NOBODY_ASKED} Or {run}"
        return UnknownHostKey(message, hint, hop, key, certificate)

    def _changed(self, key: asyncssh.SSHKey, shown: str) -> Fatal:
        same_type = [k for k in self._known.trusted if k.key.get_algorithm() == key.get_algorithm()]
        known = (same_type or self._known.trusted)[0]
        known_key = f"{type_name(known.key)} key {known.key.get_fingerprint()}"
        if not known.file:
            return self._error(
                "host_key_changed",
                f"has changed: it is the {shown}, but what you accepted is the {known_key}.",
                _ASK,
            )
        return self._error(
            "host_key_changed",
            f"has changed: it is the {shown}, but {known.place} holds the {known_key}.",
            "Somebody may be listening in, or the host was set up anew. Ask who runs it; only "
            f"then remove the old key: ssh-keygen -f {known.file} -R '{self._hop.known_as}'",
        )

    def _error(self, code: str, what: str, hint: str) -> Fatal:
        hop = self._hop
        return Fatal(f"The host key of {hop.place} {what}", code=code, hint=hint, hop=hop.place)


_ASK = "Do not connect. Ask who runs the host."


def _keys(known: Sequence[KnownKey]) -> list[asyncssh.SSHKey]:
    return [entry.key for entry in known]


def type_name(key: asyncssh.SSHKey | asyncssh.SSHKeyPair) -> str:
    """As `ssh-keygen -l` names it, with which a person compares: ED25519, ECDSA, ED25519-SK."""
    words = key.get_algorithm().partition("@")[0].split("-")
    kind = next((word for word in words if word not in ("sk", "ssh")), "")
    return f"{kind}-sk".upper() if words[0] == "sk" else kind.upper()
