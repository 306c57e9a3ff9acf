"""Self-signed certificates, as a client of TLS takes or refuses them."""

import asyncio
import hashlib
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from jupyter_remote_tunnel.model.errors import BadInput, Fatal
from jupyter_remote_tunnel.publish.certificates import Certificate, KeyKind, make

KINDS: tuple[KeyKind, ...] = ("ecdsa", "rsa")
NAMES = ("GPU01.example.org.", "*.apps.example.org", "192.0.2.7", "[2001:db8::7]", "Bücher.example")


@asynccontextmanager
async def serving(made: Certificate) -> AsyncIterator[int]:
    """A TLS server with the certificate; its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate, made.key)

    def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def greeted(port: int, name: str, trusted: Path) -> bytes:
    """What a client hears that trusts the certificate and asks for `name`."""
    context = ssl.create_default_context(cafile=str(trusted))
    # As clients of Python 3.13 do.
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=name
    )
    heard = await reader.read()
    writer.close()
    return heard


@pytest.mark.parametrize("kind", KINDS)
async def test_clients_take_it_for_its_names_only(tmp_path: Path, kind: KeyKind) -> None:
    made = make(NAMES, tmp_path / "new", kind=kind, days=30)
    assert made.names == (
        *("gpu01.example.org", "*.apps.example.org"),
        *("192.0.2.7", "2001:db8::7", "xn--bcher-kva.example"),
    )
    assert timedelta(29) < made.until - datetime.now(UTC) < timedelta(31)
    async with serving(made) as port:
        for name in (*made.names, "any.apps.example.org"):
            if "*" not in name:
                assert await greeted(port, name, made.certificate) == b"hello"
        for other in ("gpu02.example.org", "192.0.2.8", "apps.example.org"):
            with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
                await greeted(port, other, made.certificate)


def test_no_key_is_one_that_can_be_broken(tmp_path: Path) -> None:
    """NIST SP 800-57: 128 bits of security."""
    public = {
        kind: x509.load_pem_x509_certificate(
            make(["localhost"], tmp_path / kind, kind=kind).certificate.read_bytes()
        ).public_key()
        for kind in KINDS
    }
    assert isinstance(public["rsa"], rsa.RSAPublicKey)
    assert public["rsa"].key_size >= 3072
    assert isinstance(public["ecdsa"], ec.EllipticCurvePublicKey)
    assert public["ecdsa"].key_size >= 256


def test_the_fingerprint_is_the_one_that_browsers_show(tmp_path: Path) -> None:
    made = make(["localhost"], tmp_path)
    der = ssl.PEM_cert_to_DER_cert(made.certificate.read_text())
    assert hashlib.sha256(der).hexdigest() == made.fingerprint.replace(":", "").lower()


def test_nobody_else_reads_the_key(tmp_path: Path) -> None:
    made = make(["localhost"], tmp_path)
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["localhost.key", "localhost.pem"]


def test_what_is_there_stays_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    first = make(["localhost"], tmp_path)
    files = (first.certificate, first.key)
    before = [file.read_bytes() for file in files]
    with pytest.raises(Fatal, match=r"localhost.pem is there already"):
        make(["localhost"], tmp_path)
    assert [file.read_bytes() for file in files] == before
    second = make(["localhost"], tmp_path, replace=True)
    assert second.fingerprint != first.fingerprint
    assert all(file.read_bytes() != old for file, old in zip(files, before, strict=True))


@pytest.mark.parametrize(
    ("names", "days", "said"),
    [
        ([], 30, "Give a host name"),
        (["two words"], 30, "cannot hold ' '"),
        (["-h"], 30, "cannot begin"),
        (["*.*.example.org"], 30, "cannot hold"),
        ([f"{'a' * 64}.example.org"], 30, "is no name of a host"),
        (["a..b"], 30, "is no name of a host"),
        (["example.org:8888"], 30, "is no name of a host"),
        (["localhost"], 0, "1 to 3650 days"),
        (["localhost"], 4000, "1 to 3650 days"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    tmp_path: Path, names: list[str], days: int, said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        make(names, tmp_path / "new", days=days)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Fatal, match="cannot be written to"):
        make(["localhost"], tmp_path / "file" / "folder")
