"""The files that somebody names for the web server of a real gateway, before they are shown."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from jupyter_remote_tunnel.engine.client import Output
from jupyter_remote_tunnel.engine.sync import SyncEngine
from jupyter_remote_tunnel.model.errors import Fatal
from jupyter_remote_tunnel.model.publication import Check
from jupyter_remote_tunnel.model.remote_shell import FENCE
from jupyter_remote_tunnel.model.spec import TunnelRequest
from jupyter_remote_tunnel.publish.certificates import make
from jupyter_remote_tunnel.publish.gateway import Shell
from jupyter_remote_tunnel.publish.given_certificate import check_given
from jupyter_remote_tunnel.publish.sites import CertificateFiles
from tests.publish.conftest import GIVEN, NAME, lying
from tests.support.certificates import Pair, WebAuthority
from tests.support.sshd import SshBed
from tests.support.web_gateway import WebGateway

if TYPE_CHECKING:
    from jupyter_remote_tunnel.engine.messages import Who

GW = TunnelRequest(host="gw")


@pytest.fixture
def pair(gateway: WebGateway, authority: WebAuthority) -> Pair:
    """A good one, which stands there."""
    made = authority.issue(NAME)
    gateway.path(GIVEN.key).write_bytes(made.key.read_bytes())
    gateway.path(GIVEN.key).chmod(0o600)
    put(gateway, made.chain.read_bytes())
    return made


def put(gateway: WebGateway, chain: bytes) -> None:
    file = gateway.path(GIVEN.chain)
    file.write_bytes(chain)
    file.chmod(0o644)


def look(
    engine: SyncEngine, files: CertificateFiles = GIVEN, *, insist: bool = False
) -> dict[str, Check]:
    """What is thought of them, over SSH."""
    checks = engine.run(lambda client: check_given(client, GW, files, [NAME], insist=insist))
    return {check.name: check for check in checks}


def verdicts(checks: dict[str, Check]) -> dict[str, str]:
    return {name: check.verdict for name, check in checks.items()}


def test_a_good_one(engine: SyncEngine, pair: Pair) -> None:
    checks = look(engine)
    assert verdicts(checks) == {"certificate": "ok", "key": "ok"}
    assert checks["certificate"].says.startswith(f"{GIVEN.chain} is for {NAME}, until ")
    assert checks["key"].says == f"gw has {GIVEN.key}, which was not read."


def of_ann(gateway: WebGateway, key: bytes) -> None:
    """Put a key there that she alone may read."""
    gateway.path(GIVEN.key).write_bytes(key)
    gateway.type([f"chown ann {GIVEN.key}", f"chmod 600 {GIVEN.key}"])


def test_a_key_that_we_may_read_is_compared(
    engine: SyncEngine, gateway: WebGateway, pair: Pair, authority: WebAuthority
) -> None:
    of_ann(gateway, pair.key.read_bytes())
    assert look(engine)["key"].says == f"{GIVEN.key} on gw is the certificate's key."
    of_ann(gateway, authority.issue("other.example.org").key.read_bytes())
    key = look(engine)["key"]
    assert (key.verdict, key.remedy) == ("failed", "certificate")
    assert key.says == f"{GIVEN.key} is not the key of {GIVEN.chain}."
    assert key.advice.endswith("--certfile FILE --keyfile FILE")


@pytest.mark.parametrize("kind", ["with a passphrase", "DER", "a text", "nothing"])
def test_what_is_no_key_for_a_web_server(
    engine: SyncEngine, gateway: WebGateway, pair: Pair, kind: str
) -> None:
    """Nobody is there to type the passphrase, and nothing waits for that."""
    key = serialization.load_pem_private_key(pair.key.read_bytes(), password=None)
    is_der = kind == "DER"
    secret = serialization.BestAvailableEncryption(b"secret")
    put_there = key.private_bytes(
        serialization.Encoding.DER if is_der else serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption() if is_der else secret,
    )
    of_ann(gateway, {"a text": b"my key\n", "nothing": b""}.get(kind, put_there))
    found = look(engine)["key"]
    assert found.verdict == "failed"
    assert found.says == f"{GIVEN.key} holds no key, or one that needs a passphrase."


class Overheard:
    """A shell that keeps what it is answered."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self.answers: list[Output] = []

    async def exec(
        self,
        request: TunnelRequest | None,
        argv: Sequence[str],
        stdin: bytes = b"",
        *,
        timeout: float = 30.0,
        person: "Who | None" = None,
    ) -> Output:
        done = await self._shell.exec(request, argv, stdin, timeout=timeout, person=person)
        self.answers.append(done)
        return done


@pytest.mark.parametrize("how", ["two files", "one file", "swapped"])
def test_no_byte_of_the_key_comes_here(
    engine: SyncEngine, gateway: WebGateway, pair: Pair, how: str
) -> None:
    """Even where we may read it."""
    gateway.path(GIVEN.key).chmod(0o644)
    key = pair.key.read_bytes().splitlines()[1]
    files = GIVEN
    if how == "one file":
        put(gateway, pair.key.read_bytes() + pair.chain.read_bytes())
    elif how == "swapped":
        files = CertificateFiles(GIVEN.key, GIVEN.chain)
    answers: list[Output] = []

    async def overheard(client: Shell) -> None:
        shell = Overheard(client)
        await check_given(shell, GW, files, [NAME])
        answers.extend(shell.answers)

    engine.run(overheard)
    said = b"".join(answer.stdout + answer.stderr for answer in answers)
    assert (b"BEGIN CERTIFICATE" in said) == (how != "swapped")
    assert key not in said


@pytest.mark.parametrize("rights", [0o604, 0o602])
def test_a_key_of_all(engine: SyncEngine, gateway: WebGateway, pair: Pair, rights: int) -> None:
    gateway.path(GIVEN.key).chmod(rights)
    key = look(engine)["key"]
    assert key.verdict == "failed"
    assert key.says.startswith(f"All users of gw may reach {GIVEN.key} (")
    assert key.advice.startswith(f"sudo chmod o= {GIVEN.key} there and, ")


def test_a_key_in_a_folder_of_its_owner(
    engine: SyncEngine, gateway: WebGateway, pair: Pair
) -> None:
    """Nobody else comes to it, whatever its own rights are."""
    folder = "/etc/ssl/closed"
    gateway.type([f"rm -rf {folder}", f"install -d -m 0700 {folder}"])
    gateway.type([f"install -m 0644 {GIVEN.key} {folder}/k", f"chown ann {folder}"])
    assert look(engine, CertificateFiles(GIVEN.chain, f"{folder}/k"))["key"].verdict == "ok"


def bad(authority: WebAuthority, folder: Path, kind: str) -> bytes:
    """A file that cannot be shown."""
    good = authority.issue(NAME)
    match kind:
        case "another name":
            return authority.issue("other.example.org").chain.read_bytes()
        case "ended":
            return authority.issue(NAME, days=(-90, -1)).chain.read_bytes()
        case "not yet":
            return authority.issue(NAME, days=(1, 90)).chain.read_bytes()
        case "order":
            leaf, *above = good.chain.read_bytes().split(b"-----BEGIN ")[1:]
            return b"".join(b"-----BEGIN " + one for one in (*above, leaf))
        case "der":
            leaf_only = x509.load_pem_x509_certificate(good.leaf.read_bytes())
            return leaf_only.public_bytes(serialization.Encoding.DER)
        case "key":
            return good.key.read_bytes()
        case "intermediate":
            old = WebAuthority(folder / "old", intermediate_days=(-20, -1))
            return old.issue(NAME).chain.read_bytes()
    assert kind == "self-signed"
    return make([NAME], folder).certificate.read_bytes()


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("another name", "certificate", f"{GIVEN.chain} is not for {NAME}."),
        ("ended", "certificate", f"{GIVEN.chain} ended on "),
        ("not yet", "certificate", f"{GIVEN.chain} begins on "),
        ("order", "certificate", f"{GIVEN.chain} holds the certificates in the wrong order."),
        ("der", "certificate", f"{GIVEN.chain} holds no certificate in PEM."),
        ("key", "certificate", f"{GIVEN.chain} holds no certificate in PEM."),
        ("intermediate", "trust", "One of the certificates that vouch for it is out of date."),
        ("self-signed", "trust", "It is self-signed: "),
    ],
)
def test_a_bad_one(
    engine: SyncEngine,
    gateway: WebGateway,
    pair: Pair,
    authority: WebAuthority,
    tmp_path: Path,
    kind: str,
    name: str,
    says: str,
) -> None:
    put(gateway, bad(authority, tmp_path, kind))
    checks = look(engine)
    assert [one for one, check in checks.items() if check.verdict == "failed"] == [name]
    assert checks[name].says.startswith(says)
    assert checks[name].remedy == "certificate"
    if kind == "self-signed":
        assert look(engine, insist=True)["trust"].verdict == "note"


def test_the_wrong_way_round(engine: SyncEngine, gateway: WebGateway, pair: Pair) -> None:
    checks = look(engine, files=CertificateFiles(GIVEN.key, GIVEN.chain))
    assert list(checks) == ["key"]
    assert checks["key"].says == f"{GIVEN.chain} is a certificate, and no key."
    assert "wrong way round" in checks["key"].advice


def test_one_alone(engine: SyncEngine, gateway: WebGateway, pair: Pair) -> None:
    """An authority that browsers know may have signed it itself: that is not known."""
    put(gateway, pair.leaf.read_bytes())
    trust = look(engine)["trust"]
    assert (trust.verdict, "does not hold the certificate of its issuer" in trust.says) == (
        "note",
        True,
    )
    assert "fullchain.pem" in trust.advice


@pytest.mark.parametrize("path", ["/nope.pem", "/etc/passwd/x.pem", "/home/ann/leads-nowhere"])
def test_one_that_is_not_there(
    engine: SyncEngine, gateway: WebGateway, pair: Pair, path: str
) -> None:
    gateway.type(["ln -sfn /nowhere /home/ann/leads-nowhere"])
    found = look(engine, CertificateFiles(path, GIVEN.key))
    assert found["certificate"].says == f"gw has no {path}."
    assert verdicts(found) == {"certificate": "failed"}
    found = look(engine, CertificateFiles(GIVEN.chain, path))
    assert found["key"].says == f"gw has no {path}."
    assert verdicts(found) == {"certificate": "ok", "key": "failed"}


def test_one_that_is_a_folder(engine: SyncEngine, pair: Pair) -> None:
    found = look(engine, CertificateFiles("/etc/ssl", "/etc/ssl"))
    assert found["certificate"].says == "/etc/ssl is no file on gw."


@pytest.mark.parametrize("closed", ["file", "folder", "behind a link"])
def test_one_that_only_root_may_read(
    engine: SyncEngine, gateway: WebGateway, pair: Pair, closed: str
) -> None:
    """As certbot leaves its own: then nothing is known, and that is said."""
    folder, link = "/etc/ssl/of-root", "/home/ann/link"
    gateway.type([f"rm -rf {folder}", f"install -d -m 0700 {folder}", f"ln -sfn {folder} {link}"])
    gateway.type([f"cp {GIVEN.chain} {folder}/c.pem", f"cp {GIVEN.key} {folder}/c.key"])
    at = link if closed == "behind a link" else folder
    files = CertificateFiles(f"{at}/c.pem", f"{at}/c.key")
    if closed == "file":
        gateway.path(GIVEN.chain).chmod(0o600)
        files = GIVEN
    found = look(engine, files)
    assert found["certificate"].verdict == "note"
    assert found["certificate"].says == (
        f"You cannot read {files.chain} on gw: whether it is for {NAME}, and until when, is not"
        " known."
    )
    assert found["key"].verdict == ("ok" if closed == "file" else "note")
    assert "look again then" in found["certificate"].advice


@pytest.mark.parametrize("said", ["", f"{FENCE}/etc/shadow{FENCE}open", 9 * f"{FENCE}/etc/shadow"])
def test_an_answer_about_something_else(module_bed: SshBed, gateway: WebGateway, said: str) -> None:
    with lying(module_bed, gateway, said) as engine, pytest.raises(Fatal) as caught:
        look(engine)
    assert caught.value.message == "gw does not tell which files it has."
