"""The certificate of a real gateway, brought here over SSH."""

import contextlib
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_remote_tunnel.commands.publish_answers import check_lines
from jupyter_remote_tunnel.engine.sync import SyncEngine
from jupyter_remote_tunnel.model.errors import Fatal
from jupyter_remote_tunnel.model.publication import Check
from jupyter_remote_tunnel.model.remote_shell import FENCE
from jupyter_remote_tunnel.model.spec import TunnelRequest
from jupyter_remote_tunnel.publish.fetching import Fetched, fetch
from jupyter_remote_tunnel.publish.installing import certbot_commands, copy_commands
from jupyter_remote_tunnel.publish.sites import CertificateFiles, Site
from tests.publish.conftest import NAME, lying
from tests.support.certificates import Pair, WebAuthority
from tests.support.process import PeerError
from tests.support.sshd import SshBed
from tests.support.web_gateway import WebGateway

GW = TunnelRequest(host="gw")
SITE = Site(NAME, "ann")
LIVE = f"/etc/letsencrypt/live/{NAME}"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WebAuthority:
    """One that this machine trusts."""
    made = WebAuthority(tmp_path / "authority")
    monkeypatch.setenv("SSL_CERT_FILE", str(made.root))
    return made


@pytest.fixture(autouse=True)
def lineage(gateway: WebGateway) -> Iterator[Path]:
    """Where certbot keeps the certificate: it is root's alone."""
    folder = gateway.path(LIVE)
    folder.parent.mkdir(mode=0o700, parents=True)
    folder.mkdir()
    yield folder
    gateway.type(["rm -r /etc/letsencrypt", "rm -rf /var/lib/jupyter-remote-tunnel"])


def renew(gateway: WebGateway, pair: Pair) -> None:
    """What certbot does, with the hook that we give it."""
    for path, name in ((pair.chain, "fullchain.pem"), (pair.key, "privkey.pem")):
        gateway.path(f"{LIVE}/{name}").write_bytes(path.read_bytes())
        gateway.path(f"{LIVE}/{name}").chmod(0o600)
    *before, certbot = certbot_commands(SITE, "standalone", None, for_us=True)
    hook = certbot.partition("--deploy-hook ")[2].strip("'")
    gateway.type([*before, f"RENEWED_LINEAGE={LIVE}", hook])


def fetched(
    engine: SyncEngine, folder: Path, site: Site = SITE, *, insist: bool = False
) -> Fetched:
    return engine.run(lambda client: fetch(client, GW, site, folder, insist=insist))


def public_keys(file: Path) -> tuple[str, str]:
    """The public key of the certificate in a file, and that of the key in it, by OpenSSL."""
    words = (["x509", "-noout", "-pubkey"], ["pkey", "-pubout"])
    shown = [
        subprocess.run(
            ["openssl", *word, "-in", str(file)], check=True, capture_output=True, text=True
        ).stdout
        for word in words
    ]
    return shown[0], shown[1]


def test_a_renewed_one_comes_here(
    engine: SyncEngine, gateway: WebGateway, authority: WebAuthority, tmp_path: Path
) -> None:
    folder = tmp_path / "certificates"
    renew(gateway, authority.issue(NAME))
    first = fetched(engine, folder)
    assert first.changed
    assert [check.verdict for check in first.checks] == ["ok", "ok", "ok"]
    assert first.file == folder / f"{NAME}.pem"
    assert stat.S_IMODE(first.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    certificate, key = public_keys(first.file)
    assert certificate == key

    before = first.file.stat()
    again = fetched(engine, folder)
    assert (again.changed, again.checks) == (False, first.checks)
    assert first.file.stat().st_mtime_ns == before.st_mtime_ns

    renew(gateway, authority.issue(NAME))
    assert fetched(engine, folder).changed
    assert public_keys(first.file)[0] not in (certificate, "")
    assert [path.name for path in folder.iterdir()] == [first.file.name]


def test_none_but_its_user_reads_the_copy(gateway: WebGateway, authority: WebAuthority) -> None:
    renew(gateway, authority.issue(NAME))
    for user in ("bob", "www-data"):
        done = gateway.run("cat", f"{SITE.folder}/{NAME}.key", user=user)
        assert (done.returncode, done.stdout) == (1, "")


def test_root_writes_to_no_place_that_the_user_chose(
    gateway: WebGateway, authority: WebAuthority
) -> None:
    """The hook runs as root, in a folder of the user's."""
    renew(gateway, authority.issue(NAME))
    for target in ("/etc/caddy", "/etc/passwd"):
        for end in ("pem", "pem.new"):
            gateway.run("ln", "-sfn", target, f"{SITE.folder}/{NAME}.{end}", user="ann")
        before = gateway.type(["ls -lR /etc/caddy", "ls -l /etc/passwd"])
        with contextlib.suppress(PeerError):
            renew(gateway, authority.issue(NAME))
        assert gateway.type(["ls -lR /etc/caddy", "ls -l /etc/passwd"]) == before


def test_there_is_none(engine: SyncEngine, gateway: WebGateway, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="gw has no certificate of") as caught:
        fetched(engine, tmp_path / "certificates")
    assert caught.value.code == "not_found"
    assert not (tmp_path / "certificates").exists()


def test_what_is_said_gets_it(
    engine: SyncEngine, gateway: WebGateway, authority: WebAuthority, tmp_path: Path
) -> None:
    pair = authority.issue(NAME)
    gateway.path(f"{LIVE}/fullchain.pem").write_bytes(pair.chain.read_bytes())
    gateway.path(f"{LIVE}/privkey.pem").write_bytes(pair.key.read_bytes())
    gateway.type(copy_commands(SITE))
    assert fetched(engine, tmp_path / "certificates").changed


def test_what_is_said_has_its_end() -> None:
    """However long the name is."""
    long_name = ".".join([*(3 * [60 * "a"]), "example.org"])
    site = Site(long_name, "somebody.with.a.long.name")
    commands = certbot_commands(site, "standalone", None, for_us=True)
    shown = check_lines(Check("certificate", "failed", "", tuple(commands)))
    assert shown[-1].endswith(commands[-1])


def test_one_that_only_root_may_read(
    engine: SyncEngine, gateway: WebGateway, authority: WebAuthority, tmp_path: Path
) -> None:
    pair = authority.issue(NAME)
    given = CertificateFiles("/etc/ssl/given.pem", "/etc/ssl/given.key")
    gateway.path(given.chain).write_bytes(pair.chain.read_bytes())
    gateway.path(given.key).write_bytes(pair.key.read_bytes())
    gateway.path(given.key).chmod(0o600)
    site = Site(NAME, "ann", certificate=given)
    with pytest.raises(
        Fatal, match=r"/etc/ssl/given.key cannot be read on gw.*Permission"
    ) as caught:
        fetched(engine, tmp_path / "certificates", site)
    assert caught.value.code == "not_allowed"
    assert "leave you a copy" in caught.value.hint
    own = CertificateFiles(given.chain, "/home/ann/given.key")
    gateway.type([f"install -m 0600 -o ann {given.key} {own.key}"])
    assert fetched(engine, tmp_path / "certificates", Site(NAME, "ann", certificate=own)).changed


def test_an_answer_about_other_files(
    module_bed: SshBed, gateway: WebGateway, tmp_path: Path
) -> None:
    """That is data of the gateway: nobody is led to do anything to a file of its choice."""
    said = "".join(f"{FENCE}{part}" for part in ("/etc/sudoers", "", "/etc/shadow", ""))
    with (
        lying(module_bed, gateway, said) as engine,
        pytest.raises(Fatal, match="gw answers about other files") as caught,
    ):
        fetched(engine, tmp_path / "certificates")
    assert "/etc/" not in f"{caught.value.message} {caught.value.hint}"


def test_what_cannot_be_used_replaces_nothing(
    engine: SyncEngine, gateway: WebGateway, authority: WebAuthority, tmp_path: Path
) -> None:
    folder = tmp_path / "certificates"
    good = authority.issue(NAME)
    renew(gateway, good)
    file = fetched(engine, folder).file
    before = file.read_bytes()
    other = WebAuthority(tmp_path / "other", "Other Root").issue(NAME)
    for pair, says in (
        (authority.issue("other.example.org"), f"is not for {NAME}"),
        (authority.issue(NAME, days=(-90, -1)), "ended on"),
        (Pair(good.chain, good.leaf, other.key), "is not the key of"),
        (Pair(good.key, good.key, good.key), "holds no certificate"),
        (other, "No authority that this machine trusts"),
    ):
        renew(gateway, pair)
        with pytest.raises(Fatal, match=says) as caught:
            fetched(engine, folder)
        assert caught.value.code == "unsupported"
        assert file.read_bytes() == before
        assert [path.name for path in folder.iterdir()] == [file.name]
    assert fetched(engine, folder, insist=True).changed, "the last one is only unknown"
