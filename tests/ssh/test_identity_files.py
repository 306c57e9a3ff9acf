"""Keys under a passphrase, in every format that OpenSSH writes."""

import asyncio
import logging
import shutil
import subprocess
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.errors import Fatal, NeedsUser
from jupyter_remote_tunnel.model.prompt import Answer
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.ssh.connecting import Memory
from tests.ssh.person import CANCELLED, Person, Thinker, begin, connected, failing
from tests.ssh.support import descriptors, looks, route_to, task_names
from tests.support.authority import Authority
from tests.support.process import program, wait_until
from tests.support.sshd import SshBed, make_key

SECRET = "correct horse"
KEEP = Answer((SECRET,), remember=True)

FORMATS = ["ed25519", "ecdsa", "rsa", "old ecdsa", "old rsa", "pkcs8 ecdsa", "pkcs8 rsa"]


def locked_key(bed: SshBed, form: str = "ed25519") -> Path:
    """A key under a passphrase, which the host gpu01 takes from now on."""
    how, _, kind = form.rpartition(" ")
    key = make_key(bed.folder / "locked", passphrase=SECRET, kind=kind, old_format=how == "old")
    if how == "pkcs8":
        change(key, "-m", "PKCS8", "-N", SECRET)
        assert key.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY")
    shutil.copy(f"{key}.pub", bed.hosts["gpu01"].authorized_keys)
    return key


def change(key: Path, *how: str) -> None:
    """Write a key under SECRET anew, in another format or with another passphrase."""
    keygen = [program("ssh-keygen"), "-q", "-p", "-P", SECRET, *how, "-f", str(key)]
    subprocess.run(keygen, check=True)


def by(bed: SshBed, *identities: Path) -> SshOptions:
    """To log in with these."""
    return SshOptions(config_file=str(bed.config_file), identities=tuple(map(str, identities)))


@pytest.mark.parametrize("public_file", [True, False], ids=["pub", "no pub"])
@pytest.mark.parametrize("form", FORMATS)
async def test_a_passphrase_opens_it(ssh_bed: SshBed, form: str, public_file: bool) -> None:
    ssh_bed.host("gpu01")
    key = locked_key(ssh_bed, form)
    if not public_file:
        Path(f"{key}.pub").unlink()
    person = Person("wrong", SECRET)
    async with connected(ssh_bed, "gpu01", person, options=by(ssh_bed, key)) as connection:
        assert (await connection.exec(["echo", "in"])).stdout == b"in\n"
    first, second = person.asked
    assert (first.kind, first.path, first.tries, second.tries) == ("passphrase", str(key), 1, 2)
    assert first.says == ""
    assert [field.echo for field in first.fields] == [False]


async def test_nobody_is_asked_about_a_key_that_the_host_does_not_take(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01")
    key = locked_key(ssh_bed)
    sshd.authorized_keys.write_text("")
    person = Person()
    error = await failing(ssh_bed, "gpu01", person, options=by(ssh_bed, key))
    assert error.code == "auth_failed"
    assert person.asked == []


async def test_an_empty_passphrase_goes_on_to_the_next_key(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01")
    key = locked_key(ssh_bed)
    with sshd.authorized_keys.open("a") as file:
        file.write(Path(f"{ssh_bed.user_key}.pub").read_text())
    person = Person("")
    options = by(ssh_bed, key, ssh_bed.user_key)
    async with connected(ssh_bed, "gpu01", person, options=options):
        assert person.kinds == ["passphrase"]


async def test_who_gives_up_is_not_let_in_by_the_next_key(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01")
    key = locked_key(ssh_bed)
    with sshd.authorized_keys.open("a") as file:
        file.write(Path(f"{ssh_bed.user_key}.pub").read_text())
    person = Person(CANCELLED)
    error = await failing(ssh_bed, "gpu01", person, options=by(ssh_bed, key, ssh_bed.user_key))
    assert isinstance(error, NeedsUser)
    assert error.message == CANCELLED.message
    assert "Accepted publickey" not in sshd.log


async def test_three_wrong_passphrases(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01")
    key = locked_key(ssh_bed)
    person = Person("no", "no", "no")
    error = await failing(ssh_bed, "gpu01", person, options=by(ssh_bed, key))
    assert isinstance(error, Fatal)
    assert error.code == "auth_failed"
    assert f"{key} has a passphrase" in error.message


async def test_it_is_asked_for_each_time_unless_it_is_to_be_kept(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01")
    key, memory = locked_key(ssh_bed), Memory()
    person = Person(SECRET, KEEP)
    for asked in (1, 2, 2):
        async with connected(ssh_bed, "gpu01", person, memory=memory, options=by(ssh_bed, key)):
            assert len(person.asked) == asked
    # And then it is of use where nobody is there.
    async with connected(ssh_bed, "gpu01", None, memory=memory, options=by(ssh_bed, key)):
        pass


async def test_another_key_in_its_place_is_not_open(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01")
    key, memory = locked_key(ssh_bed), Memory()
    async with connected(ssh_bed, "gpu01", Person(KEEP), memory=memory, options=by(ssh_bed, key)):
        pass
    for file in (key, Path(f"{key}.pub")):
        file.unlink()
    locked_key(ssh_bed)
    error = await failing(ssh_bed, "gpu01", None, memory=memory, options=by(ssh_bed, key))
    assert isinstance(error, NeedsUser)
    person = Person(SECRET)
    async with connected(ssh_bed, "gpu01", person, memory=memory, options=by(ssh_bed, key)):
        assert person.kinds == ["passphrase"]


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
async def test_a_certificate_for_a_locked_key(ssh_bed: SshBed, kind: str) -> None:
    authority = Authority(ssh_bed.folder)
    sshd = ssh_bed.host("gpu01", server=[authority.trusted_by_host])
    key = locked_key(ssh_bed, kind)
    authority.sign_user(key, [sshd.user])
    sshd.authorized_keys.write_text("")
    person = Person(SECRET)
    async with connected(ssh_bed, "gpu01", person, options=by(ssh_bed, key)):
        assert len(person.asked) == 1


async def test_who_skips_a_certificate_is_not_asked_about_its_key(ssh_bed: SshBed) -> None:
    authority = Authority(ssh_bed.folder)
    sshd = ssh_bed.host("gpu01", server=[authority.trusted_by_host])
    key = locked_key(ssh_bed)
    authority.sign_user(key, [sshd.user])
    person = Person("")
    assert isinstance(await failing(ssh_bed, "gpu01", person, options=by(ssh_bed, key)), Fatal)
    assert len(person.asked) == 1


async def test_what_the_agent_holds_needs_no_passphrase(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01")
    key = locked_key(ssh_bed)
    plain = ssh_bed.folder / "plain"
    shutil.copy(key, plain)
    plain.chmod(0o600)
    change(plain, "-N", "")
    with ssh_bed.agent(plain) as agent:
        options = SshOptions(
            config_file=str(ssh_bed.config_file),
            identities=(str(key),),
            agent_socket=str(agent),
        )
        async with connected(ssh_bed, "gpu01", Person(), options=options):
            pass


@pytest.mark.parametrize("form", ["ed25519", "old rsa"])
async def test_cancelled_while_a_person_is_asked(ssh_bed: SshBed, form: str) -> None:
    """Before the host takes the key, too: of the old formats nothing is known without it."""
    ssh_bed.host("gpu01")
    key = locked_key(ssh_bed, form)
    Path(f"{key}.pub").unlink()
    (hop,) = await route_to(ssh_bed, "gpu01", by(ssh_bed, key))
    left = descriptors(), task_names()
    person = Thinker()
    attempt = begin(hop, person)
    await person.begun.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert person.withdrawn.is_set()
    await asyncio.to_thread(wait_until, lambda: not looks(), "the end of the look at a file")
    assert (descriptors(), task_names()) == left


async def test_a_passphrase_stands_nowhere(
    ssh_bed: SshBed, caplog: pytest.LogCaptureFixture
) -> None:
    ssh_bed.host("gpu01")
    key, memory = locked_key(ssh_bed), Memory()
    person = Person("wrong but dear", KEEP)
    with caplog.at_level(logging.DEBUG):
        async with connected(ssh_bed, "gpu01", person, memory=memory, options=by(ssh_bed, key)):
            shown = repr([person.asked, vars(memory), vars(memory.keyring)])
    assert caplog.records
    shown += "".join(map(logging.Formatter().format, caplog.records))
    assert SECRET not in shown
    assert "wrong but dear" not in shown
    assert "PRIVATE" not in shown
