"""Key revocation lists, as `ssh-keygen -k` writes them (PROTOCOL.krl of OpenSSH).

`RevocationList.parse` reads one; it says of a key or a certificate whether it is revoked, as
`ssh-keygen -Q` does. Signatures in it are not looked at: the file is the user's own.
"""

import hashlib
from dataclasses import dataclass, field

import asyncssh
from asyncssh.packet import PacketDecodeError, SSHPacket
from asyncssh.public_key import SSHOpenSSHCertificate

MAGIC = b"SSHKRL\n\0"

_VERSION = 1
_CERTIFICATES, _KEYS, _SHA1, _SIGNATURE, _SHA256, _EXTENSION = 1, 2, 3, 4, 5, 255
_SERIALS, _RANGE, _BITMAP, _KEY_IDS, _EXTENSION_OF_CERTIFICATES = 0x20, 0x21, 0x22, 0x23, 0x39


@dataclass
class _Certificates:
    """What is revoked of one authority: ranges of serial numbers (both ends count), numbers from
    which on each bit stands for one, and ids."""

    ranges: list[tuple[int, int]] = field(default_factory=list)
    bitmaps: list[tuple[int, int]] = field(default_factory=list)
    ids: set[bytes] = field(default_factory=set)

    def read(self, kind: int, part: SSHPacket) -> None:
        """Take a part of a section.

        :raises ValueError: it is of a kind that is not known.
        """
        if kind == _EXTENSION_OF_CERTIFICATES:
            _pass_over(part)
        elif kind not in (_SERIALS, _RANGE, _BITMAP, _KEY_IDS):
            raise ValueError(f"it has a section {kind:#x} of certificates, which is not known")
        elif kind == _RANGE:
            self.ranges.append((part.get_uint64(), part.get_uint64()))
        elif kind == _BITMAP:
            self.bitmaps.append((part.get_uint64(), part.get_mpint()))
        while part and kind == _SERIALS:
            number = part.get_uint64()
            self.ranges.append((number, number))
        while part and kind == _KEY_IDS:
            self.ids.add(part.get_string())

    def holds(self, serial: int, key_id: bytes) -> bool:
        """Whether it revokes a certificate. None has the serial number 0."""
        if key_id in self.ids:
            return True
        if not serial:
            return False
        return any(low <= serial <= high for low, high in self.ranges) or any(
            serial >= start and bits >> (serial - start) & 1 for start, bits in self.bitmaps
        )


@dataclass
class RevocationList:
    """Public keys (as SSH encodes them), hashes of such, and certificates by their authority, b""
    for any."""

    keys: set[bytes] = field(default_factory=set)
    sha1: set[bytes] = field(default_factory=set)
    sha256: set[bytes] = field(default_factory=set)
    certificates: dict[bytes, _Certificates] = field(default_factory=dict)

    @classmethod
    def parse(cls, content: bytes) -> "RevocationList":
        """The list in a file that begins with `MAGIC`.

        :raises ValueError: it is damaged, or holds what is not known here.
        """
        found = cls()
        try:
            found._read(SSHPacket(content.removeprefix(MAGIC)))
        except PacketDecodeError as error:
            raise ValueError("it is damaged") from error
        return found

    def holds_key(self, key: asyncssh.SSHKey) -> bool:
        """Whether it revokes a public key."""
        blob = key.public_data
        sha1 = hashlib.sha1(blob, usedforsecurity=False).digest()
        return (
            blob in self.keys or sha1 in self.sha1 or hashlib.sha256(blob).digest() in self.sha256
        )

    def holds_certificate(self, certificate: SSHOpenSSHCertificate) -> bool:
        """Whether it revokes a certificate, its key or its authority."""
        authority = certificate.signing_key
        if self.holds_key(certificate.key) or self.holds_key(authority):
            return True
        serial, key_id = certificate._serial, certificate._key_id.encode()  # noqa: SLF001
        lists = (self.certificates.get(blob) for blob in (authority.public_data, b""))
        return any(of and of.holds(serial, key_id) for of in lists)

    def _read(self, packet: SSHPacket) -> None:
        if packet.get_uint32() != _VERSION:
            raise ValueError("it is of a version that is not known")
        packet.get_bytes(24)  # its own version, its date, flags
        packet.get_string()
        packet.get_string()  # a comment
        blobs = {_KEYS: self.keys, _SHA1: self.sha1, _SHA256: self.sha256}
        while packet:
            kind, section = packet.get_byte(), SSHPacket(packet.get_string())
            if kind == _CERTIFICATES:
                self._read_certificates(section)
            elif kind in blobs:
                while section:
                    blobs[kind].add(section.get_string())
            elif kind == _SIGNATURE:
                packet.get_string()
            elif kind == _EXTENSION:
                _pass_over(section)
            else:
                raise ValueError(f"it has a section {kind}, which is not known")

    def _read_certificates(self, section: SSHPacket) -> None:
        of = self.certificates.setdefault(section.get_string(), _Certificates())
        section.get_string()
        while section:
            kind, part = section.get_byte(), SSHPacket(section.get_string())
            of.read(kind, part)


def _pass_over(extension: SSHPacket) -> None:
    """:raises ValueError: it is one that must be known."""
    name, critical = extension.get_string(), extension.get_boolean()
    if critical:
        raise ValueError(f"it has the extension {name!r}, which is not known")
