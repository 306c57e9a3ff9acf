"""A certificate authority for the web: a root, an intermediate one, and certificates by it.

::

    ca = WebAuthority(folder)
    pair = ca.issue("jupyter.example.org", days=(-1, 90))   # files of the chain, and of the key
    monkeypatch.setenv("SSL_CERT_FILE", str(ca.root))       # and OpenSSL trusts it
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from jupyter_remote_tunnel.engine.folders import write_private

_Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Pair:
    """Files: the certificate (with the intermediate one behind it), it alone, and its key."""

    chain: Path
    leaf: Path
    key: Path


class WebAuthority:
    """See the module's docstring. `intermediate_days`: from and until when that one is valid."""

    def __init__(
        self,
        folder: Path,
        name: str = "Test Root",
        *,
        intermediate_days: tuple[int, int] = (-10, 1000),
    ) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        root = _sign(_name(name), key.public_key(), _name(name), key, (-1000, 1000), ca=True)
        self.root = folder / "root.pem"
        self.root.write_bytes(_pem(root))
        self.root_key = folder / "root.key"
        write_private(self.root_key, _key_pem(key))
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._issuer = _name(f"{name} Intermediate")
        self.intermediate = _sign(
            self._issuer, self._key.public_key(), root.subject, key, intermediate_days, ca=True
        )
        self._count = 0

    def issue(self, *names: str, days: tuple[int, int] = (-1, 90)) -> Pair:
        """A certificate for DNS names, valid from and until so many days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _sign(_name(names[0]), key.public_key(), self._issuer, self._key, days, names=names)
        self._count += 1
        stem = self._folder / str(self._count)
        pair = Pair(*(stem.with_suffix(end) for end in (".chain.pem", ".leaf.pem", ".key")))
        pair.chain.write_bytes(_pem(leaf) + _pem(self.intermediate))
        pair.leaf.write_bytes(_pem(leaf))
        write_private(pair.key, _key_pem(key))
        return pair


def _key_pem(key: _Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _name(text: str) -> x509.Name:
    longest = 64  # of a common name
    kind = NameOID.COMMON_NAME if len(text) <= longest else NameOID.ORGANIZATION_NAME
    return x509.Name([x509.NameAttribute(kind, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _sign(
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    key: _Key,
    days: tuple[int, int],
    *,
    names: Sequence[str] = (),
    ca: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    begin, end = (now + timedelta(days=day) for day in days)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(key, hashes.SHA256())
