"""A key on a PKCS#11 token: SoftHSM's, as there is no smart card here."""

import logging
import os
import subprocess
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.errors import NeedsUser
from jupyter_remote_tunnel.model.spec import SshOptions
from tests.ssh.person import CANCELLED, Person, connected, failing
from tests.support.authority import Authority
from tests.support.process import program
from tests.support.sshd import SshBed, Sshd, make_key

PIN = "271828"
ACCEPTED = "Accepted publickey"


def _library() -> Path:
    """SoftHSM's provider: it lies where the system keeps libraries."""
    found = (Path(root) / "softhsm/libsofthsm2.so" for root in ("/usr/lib", "/usr/local/lib"))
    return next(filter(Path.exists, found))


class Token:
    """A token with one key, `public_key`; `provider` is the library through which it is reached."""

    def __init__(self, folder: Path) -> None:
        self.provider = _library()
        (folder / "tokens").mkdir()
        config = folder / "softhsm2.conf"
        config.write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
        # The provider is loaded into this process, and reads that.
        os.environ["SOFTHSM2_CONF"] = str(config)
        key = make_key(folder / "key", kind="rsa")
        self.public_key = key.with_suffix(".pub").read_text()
        (folder / "key.pub").rename(folder / "public")
        pkcs8 = ["-q", "-p", "-P", "", "-N", "", "-m", "PKCS8", "-f", str(key)]
        subprocess.run([program("ssh-keygen"), *pkcs8], check=True)
        self._util("--init-token", "--free", "--so-pin", PIN)
        self._util("--import", str(key), "--token", "test", "--id", "01")
        key.unlink()

    @staticmethod
    def _util(*words: str) -> None:
        command = [program("softhsm2-util"), *words, "--label", "test", "--pin", PIN]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Token:
    return Token(tmp_path_factory.mktemp("token"))


@pytest.fixture
def sshd(ssh_bed: SshBed, token: Token) -> Sshd:
    """A host that takes the key of the token, and no other."""
    lines = [f"PKCS11Provider {token.provider}", "IdentityFile none"]
    host = ssh_bed.host("gpu01", client=lines)
    host.authorized_keys.write_text(token.public_key)
    return host


async def test_a_pin_opens_it(ssh_bed: SshBed, sshd: Sshd, token: Token) -> None:
    person = Person(PIN)
    async with connected(ssh_bed, "gpu01", person) as connection:
        assert (await connection.exec(["true"])).status == 0
    assert person.kinds == ["passphrase"]
    assert person.asked[0].path == str(token.provider)
    assert sshd.log.count(ACCEPTED) == 1


async def test_a_certificate_for_its_key(ssh_bed: SshBed, sshd: Sshd, token: Token) -> None:
    authority = Authority(ssh_bed.folder)
    key = ssh_bed.folder / "of_token"
    key.with_suffix(".pub").write_text(token.public_key)
    certificate = authority.sign_user(key, [sshd.user])
    sshd.kill()
    sshd.configure([authority.trusted_by_host])
    sshd.authorized_keys.write_text("")
    sshd.start()
    options = SshOptions(
        config_file=str(ssh_bed.config_file), options=(f"CertificateFile={certificate}",)
    )
    async with connected(ssh_bed, "gpu01", Person(PIN), options=options):
        assert "RSA-CERT" in sshd.log


async def test_a_wrong_pin_is_not_asked_for_again(ssh_bed: SshBed, sshd: Sshd) -> None:
    """A few of them would lock it."""
    person = Person("314159", PIN)
    error = await failing(ssh_bed, "gpu01", person)
    assert len(person.asked) == 1
    assert (error.code, "314159" in str(error)) == ("auth_failed", False)
    assert "cannot be read" in error.message


async def test_who_gives_up_is_asked_nothing_more(ssh_bed: SshBed, sshd: Sshd) -> None:
    person = Person(CANCELLED)
    assert await failing(ssh_bed, "gpu01", person) is CANCELLED
    assert len(person.asked) == 1


async def test_it_needs_a_person_where_nobody_is_there(
    ssh_bed: SshBed, sshd: Sshd, token: Token
) -> None:
    """A tunnel then waits for one, and tries nothing."""
    error = await failing(ssh_bed, "gpu01", None)
    assert isinstance(error, NeedsUser)
    assert f"{token.provider} has a PIN" in error.message
    assert f"ssh-add -s {token.provider}" in error.hint


async def test_without_a_pin_it_goes_on_with_the_next_key(ssh_bed: SshBed, sshd: Sshd) -> None:
    sshd.authorized_keys.write_text(Path(f"{ssh_bed.user_key}.pub").read_text())
    options = SshOptions(config_file=str(ssh_bed.config_file), identities=(str(ssh_bed.user_key),))
    person = Person("")
    async with connected(ssh_bed, "gpu01", person, options=options):
        assert len(person.asked) == 1


async def test_a_pin_stands_nowhere(
    ssh_bed: SshBed, sshd: Sshd, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with connected(ssh_bed, "gpu01", Person(PIN)):
        pass
    wrong = await failing(ssh_bed, "gpu01", Person("314159"))
    assert caplog.text
    for text in (caplog.text, sshd.log, str(wrong), repr(wrong.__cause__)):
        assert PIN not in text
        assert "314159" not in text


async def test_a_provider_that_is_not_there(ssh_bed: SshBed, sshd: Sshd) -> None:
    sshd.client = ["PKCS11Provider /nonexistent/token.so", "IdentityFile none"]
    ssh_bed.write_config()
    error = await failing(ssh_bed, "gpu01", Person())
    assert "/nonexistent/token.so cannot be read" in error.message
