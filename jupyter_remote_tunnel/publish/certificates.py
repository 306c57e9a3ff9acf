"""Self-signed certificates, for a Jupyter server that browsers reach by https.

What a browser shows for one is a warning, as nobody vouches for it: whoever sees that compares the
fingerprint, once. `cryptography` does the work.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..engine.folders import write_private
from ..model.errors import BadInput, Fatal
from ..model.host_name import published_name
from ..model.text import plain

KeyKind = Literal["ecdsa", "rsa"]

RSA_BITS = 3072
LONGEST = 3650
"""Days."""

# Clocks differ: one that is slow would take a certificate of this moment for one of the future.
_EARLIER = timedelta(hours=1)
_LONGEST_COMMON_NAME = 64  # X.520

_PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, in files. `fingerprint` is SHA-256, as browsers show it."""

    certificate: Path
    key: Path
    names: tuple[str, ...]
    fingerprint: str
    until: datetime


def make(
    names: Sequence[str],
    folder: Path,
    *,
    kind: KeyKind = "ecdsa",
    days: int = 365,
    replace: bool = False,
) -> Certificate:
    """Make a key and a certificate for it, and write them to `folder`, as NAME.pem and NAME.key of
    the first name. Nobody but their owner may read the key.

    :param names: host names and addresses for which browsers take it; "*.example.org", too.
    :param days: how long it is valid, from now.
    :param replace: overwrite what stands there.
    :raises BadInput: a name is none, or `days` is out of range.
    :raises Fatal: there is a file already, or it cannot be written.
    """
    if not 1 <= days <= LONGEST:
        raise BadInput(f"A certificate is valid for 1 to {LONGEST} days, not for {days}.")
    subjects = tuple(dict.fromkeys(map(_subject, names)))
    if not subjects:
        raise BadInput("Give a host name or an address that browsers will use.")
    shown = tuple(str(subject.value) for subject in subjects)
    stem = shown[0].replace("*", "_").replace(":", "_")
    certificate_file, key_file = folder / f"{stem}.pem", folder / f"{stem}.key"
    for path in (certificate_file, key_file):
        if path.exists() and not replace:
            raise Fatal(
                f"{plain(str(path), 300)} is there already.",
                code="conflict",
                hint="--replace overwrites it; --folder names another place.",
            )
    key = _make_key(kind)
    certificate = _sign(subjects, key, days)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(key_file, _pem_of(key))
        write_private(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
    except OSError as error:
        raise Fatal(
            f"{plain(str(folder), 300)} cannot be written to: {error.strerror}.",
            code="not_allowed",
            hint="--folder names another place.",
        ) from None
    return Certificate(
        certificate_file,
        key_file,
        shown,
        certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
        certificate.not_valid_after_utc,
    )


def _subject(name: str) -> x509.DNSName | x509.IPAddress:
    """A name as a certificate has it.

    :raises BadInput: it is none.
    """
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    address: IPv4Address | IPv6Address | None = None
    with contextlib.suppress(ValueError):
        address = ip_address(bare)
    if address is not None:
        return x509.IPAddress(address)
    star, host = ("*.", name[2:]) if name.startswith("*.") else ("", name)
    return x509.DNSName(star + published_name(host))


def _make_key(kind: KeyKind) -> _PrivateKey:
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    return ec.generate_private_key(ec.SECP256R1())


def _sign(
    subjects: Sequence[x509.DNSName | x509.IPAddress], key: _PrivateKey, days: int
) -> x509.Certificate:
    now = datetime.now(UTC)
    common_name = str(subjects[0].value)[:_LONGEST_COMMON_NAME]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    public = key.public_key()
    usage = x509.KeyUsage(
        digital_signature=True,
        key_encipherment=isinstance(key, rsa.RSAPrivateKey),
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(subjects), critical=False)
        # No authority: who trusts it trusts it for these names, and for nothing that it signs.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _pem_of(key: _PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
