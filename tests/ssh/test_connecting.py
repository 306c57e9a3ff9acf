"""The host key that nobody knows: who accepts it, for how long, and that it is that very key."""

import asyncio
from pathlib import Path

import pytest
from typing_extensions import override

from jupyter_remote_tunnel.model.errors import Fatal, NeedsUser, Transient
from jupyter_remote_tunnel.model.prompt import Answer, Question
from jupyter_remote_tunnel.ssh.connecting import Memory, open_connection
from jupyter_remote_tunnel.ssh.hop import Hop
from tests.ssh.person import CANCELLED, FOR_GOOD, ONCE, Person, Thinker, begin, connected, failing
from tests.ssh.support import descriptors, looks, no_channels, route_to, task_names
from tests.support.authority import Authority
from tests.support.netns import Namespace
from tests.support.pam_sshd import pam_host
from tests.support.process import wait_until
from tests.support.sshd import SshBed, Sshd, fingerprint, make_key

ASK = ["StrictHostKeyChecking ask"]


def unknown(bed: SshBed, *client: str) -> Sshd:
    """A host whose key nobody knows."""
    return bed.host("gpu01", known=False, client=[*client, *ASK])


def new_host_key(sshd: Sshd, kind: str = "ed25519") -> None:
    """Give a host another key, which it shows from now on."""
    sshd.kill()
    sshd.host_key.unlink()
    make_key(sshd.host_key, kind=kind)
    sshd.start()


async def test_a_person_is_shown_what_they_have_to_compare(ssh_bed: SshBed) -> None:
    sshd = unknown(ssh_bed)
    person = Person(ONCE)
    async with connected(ssh_bed, "gpu01", person) as connection:
        assert (await connection.exec(["echo", "in"])).stdout == b"in\n"
    (question,) = person.asked
    assert (question.kind, question.fields, question.says) == ("host_key", (), "")
    key = question.host_key
    assert key is not None
    assert (key.type, key.fingerprint) == ("ED25519", sshd.fingerprint)
    assert (key.name, key.file) == (f"[127.0.0.1]:{sshd.port}", str(ssh_bed.known_hosts))
    assert person.places == ["gpu01"]


@pytest.mark.parametrize(
    ("kind", "shown"), [("ed25519", "ED25519"), ("ecdsa", "ECDSA"), ("rsa", "RSA")]
)
async def test_a_key_is_named_as_openssh_names_it(ssh_bed: SshBed, kind: str, shown: str) -> None:
    sshd = unknown(ssh_bed)
    new_host_key(sshd, kind)
    person = Person(CANCELLED)
    await failing(ssh_bed, "gpu01", person)
    key = person.asked[0].host_key
    assert key is not None
    assert (key.type, key.fingerprint) == (shown, sshd.fingerprint)


async def test_accepted_once_is_not_written_but_holds_for_the_next_connection(
    ssh_bed: SshBed,
) -> None:
    sshd = unknown(ssh_bed)
    person, memory = Person(ONCE, ONCE), Memory()
    for _ in range(2):
        async with connected(ssh_bed, "gpu01", person, memory=memory) as connection:
            assert connection.host_key == sshd.fingerprint
    assert len(person.asked) == 1
    assert ssh_bed.known_hosts.read_text() == ""
    async with connected(ssh_bed, "gpu01", person):  # somebody else's connection
        assert len(person.asked) == 2


async def test_what_was_accepted_once_and_changes_is_a_stop(ssh_bed: SshBed) -> None:
    sshd = unknown(ssh_bed)
    person, memory = Person(ONCE), Memory()
    async with connected(ssh_bed, "gpu01", person, memory=memory):
        before = sshd.fingerprint
    new_host_key(sshd)
    error = await failing(ssh_bed, "gpu01", person, memory=memory)
    assert (type(error), error.code) == (Fatal, "host_key_changed")
    assert f"what you accepted is the ED25519 key {before}" in error.message
    assert sshd.fingerprint in error.message
    assert "ssh-keygen" not in error.hint
    assert len(person.asked) == 1


@pytest.mark.parametrize("hashed", [False, True])
async def test_accepted_for_good_is_what_openssh_would_have_written(
    ssh_bed: SshBed, hashed: bool
) -> None:
    sshd = unknown(ssh_bed, f"HashKnownHosts {'yes' if hashed else 'no'}")
    before = "# mine\n\nother ssh-ed25519 AAAA what is this\n"
    ssh_bed.known_hosts.write_text(before)
    person = Person(FOR_GOOD)
    async with connected(ssh_bed, "gpu01", person):
        pass
    text = ssh_bed.known_hosts.read_text()
    assert text.startswith(before)
    if hashed:
        assert text.removeprefix(before).startswith("|1|")
        assert "127.0.0.1" not in text
    else:
        assert text == before + sshd.known_hosts_line
    strict = ("-o", "StrictHostKeyChecking=yes")
    assert ssh_bed.ssh(*strict, "gpu01", "echo in").stdout == "in\n"
    async with connected(ssh_bed, "gpu01", None):
        pass


async def test_by_an_alias_it_is_remembered_under_that(ssh_bed: SshBed) -> None:
    sshd = unknown(ssh_bed, "HostKeyAlias Cluster")
    async with connected(ssh_bed, "gpu01", Person(FOR_GOOD)):
        pass
    assert ssh_bed.known_hosts.read_text().split()[0] == "cluster"
    assert sshd.known_hosts_line.split()[1] in ssh_bed.known_hosts.read_text()
    async with connected(ssh_bed, "gpu01", None):
        pass


async def test_not_accepted(ssh_bed: SshBed) -> None:
    unknown(ssh_bed)
    person = Person(CANCELLED)
    error = await failing(ssh_bed, "gpu01", person)
    assert isinstance(error, NeedsUser)
    assert error.message == CANCELLED.message
    assert ssh_bed.known_hosts.read_text() == ""


class Swapper(Person):
    """Accepts, but the host has another key by then."""

    def __init__(self, sshd: Sshd, answer: Answer) -> None:
        super().__init__(answer)
        self._sshd = sshd

    @override
    async def ask(self, question: Question, hop: Hop) -> Answer:
        await asyncio.to_thread(new_host_key, self._sshd)
        return await super().ask(question, hop)


@pytest.mark.parametrize("answer", [ONCE, FOR_GOOD], ids=["once", "for good"])
async def test_the_key_that_was_shown_and_no_other(ssh_bed: SshBed, answer: Answer) -> None:
    sshd = unknown(ssh_bed)
    shown = sshd.fingerprint
    swapper = Swapper(sshd, answer)
    error = await failing(ssh_bed, "gpu01", swapper)
    assert (type(error), error.code) == (Fatal, "host_key_changed")
    assert shown in error.message
    assert sshd.fingerprint in error.message
    assert swapper.kinds == ["host_key"]
    assert "Accepted" not in sshd.log


async def test_a_changed_key_is_not_asked_about(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", client=ASK)
    new_host_key(sshd)
    person = Person()
    error = await failing(ssh_bed, "gpu01", person)
    assert (type(error), error.code) == (Fatal, "host_key_changed")
    assert f"{ssh_bed.known_hosts} line 1" in error.message
    assert person.asked == []


async def test_one_of_several_known_keys_is_enough(ssh_bed: SshBed) -> None:
    """One name for several hosts, which take turns."""
    sshd = ssh_bed.host("gpu01", client=ASK)
    for kind in ("ed25519", "ecdsa"):
        new_host_key(sshd, kind)
        ssh_bed.know(sshd)
        async with connected(ssh_bed, "gpu01", Person()):
            pass


async def test_a_revoked_key_is_not_asked_about(ssh_bed: SshBed) -> None:
    sshd = unknown(ssh_bed)
    ssh_bed.known_hosts.write_text(f"@revoked * {' '.join(sshd.known_hosts_line.split()[1:])}\n")
    person = Person()
    error = await failing(ssh_bed, "gpu01", person)
    assert (type(error), error.code) == (Fatal, "host_key_revoked")
    assert person.asked == []


async def test_a_certificate_needs_no_question(ssh_bed: SshBed) -> None:
    sshd = unknown(ssh_bed)
    authority = Authority(ssh_bed.folder)
    sshd.kill()
    sshd.configure([authority.sign_host(sshd, [sshd.address])])
    sshd.start()
    ssh_bed.known_hosts.write_text(authority.trusted_by_client)
    async with connected(ssh_bed, "gpu01", Person()) as connection:
        assert connection.host_key == sshd.fingerprint


async def test_a_certificate_that_does_not_count_is_told_to_who_is_asked(
    ssh_bed: SshBed,
) -> None:
    sshd = unknown(ssh_bed)
    authority, other = (Authority(ssh_bed.folder, name) for name in ("authority", "other"))
    sshd.kill()
    sshd.configure([authority.sign_host(sshd, [sshd.address])])
    sshd.start()
    ssh_bed.known_hosts.write_text(other.trusted_by_client)
    person = Person(FOR_GOOD)
    async with connected(ssh_bed, "gpu01", person) as connection:
        assert connection.host_key == sshd.fingerprint
    key = person.asked[0].host_key
    assert key is not None
    signed_by = f"the unknown ED25519 key {fingerprint(authority.key)}"
    assert (key.fingerprint, key.certificate) == (
        sshd.fingerprint,
        f"Its certificate is signed with {signed_by}.",
    )
    async with connected(ssh_bed, "gpu01", person) as connection:
        assert connection.host_key == sshd.fingerprint
    assert person.kinds == ["host_key"]


async def test_a_host_without_a_certificate_of_a_known_authority_is_asked_about(
    ssh_bed: SshBed,
) -> None:
    unknown(ssh_bed)
    ssh_bed.known_hosts.write_text(Authority(ssh_bed.folder).trusted_by_client)
    person = Person(FOR_GOOD)
    async with connected(ssh_bed, "gpu01", person):
        assert person.kinds == ["host_key"]


async def test_strict_host_key_checking_yes_asks_nobody(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", known=False, client=["StrictHostKeyChecking yes"])
    person = Person()
    error = await failing(ssh_bed, "gpu01", person)
    assert isinstance(error, Fatal)
    assert error.code == "host_key_unknown"
    assert "StrictHostKeyChecking yes" in error.hint
    assert person.asked == []


async def test_strict_host_key_checking_no_asks_all_the_same(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", known=False, client=["StrictHostKeyChecking no"])
    person = Person(CANCELLED)
    assert isinstance(await failing(ssh_bed, "gpu01", person), NeedsUser)
    assert person.kinds == ["host_key"]


async def test_accept_new_remembers_unasked_and_stops_at_a_changed_key(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", known=False, client=["StrictHostKeyChecking accept-new"])
    async with connected(ssh_bed, "gpu01", None):
        pass
    assert ssh_bed.known_hosts.read_text() == sshd.known_hosts_line
    new_host_key(sshd)
    assert (await failing(ssh_bed, "gpu01", Person())).code == "host_key_changed"


NOWHERE = ["/dev/null", "{tmp}/link", "{tmp}/folder", "{tmp}/no/such/folder/known_hosts"]


@pytest.mark.parametrize("file", NOWHERE)
@pytest.mark.parametrize("checking", ["ask", "accept-new"])
async def test_a_key_that_nothing_would_hold_is_asked_about_and_not_remembered(
    ssh_bed: SshBed, tmp_path: Path, file: str, checking: str
) -> None:
    (tmp_path / "link").symlink_to("/dev/null")
    (tmp_path / "folder").mkdir()
    ssh_bed.host("gpu01", known=False)
    ssh_bed.write_config(
        f"StrictHostKeyChecking {checking}\nUserKnownHostsFile {file.format(tmp=tmp_path)}\n"
    )
    person = Person(FOR_GOOD, CANCELLED)
    async with connected(ssh_bed, "gpu01", person):
        pass
    key = person.asked[0].host_key
    assert key is not None
    assert key.file is None
    assert Path("/dev/null").is_char_device()
    assert isinstance(await failing(ssh_bed, "gpu01", person), NeedsUser)  # asked again
    assert not (tmp_path / "no").exists()


async def test_each_hop_asks_for_itself(ssh_bed: SshBed) -> None:
    gateway = ssh_bed.host("gw", known=False, client=ASK)
    with Namespace() as far:
        host = ssh_bed.host("gpu01", known=False, client=["ProxyJump gw", *ASK], namespace=far)
        person = Person(FOR_GOOD, FOR_GOOD)
        async with connected(ssh_bed, "gpu01", person):
            pass
        assert person.places == ["gw (hop 1 of 2)", "gpu01 (hop 2 of 2)"]
        shown = [question.host_key for question in person.asked]
        assert [key and key.fingerprint for key in shown] == [
            gateway.fingerprint,
            host.fingerprint,
        ]
        assert ssh_bed.known_hosts.read_text() == gateway.known_hosts_line + host.known_hosts_line
        host.kill()


async def test_no_secret_is_asked_for_before_the_key_is_accepted(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", "password", known=False, client=ASK)

    person = Person(CANCELLED)
    await failing(ssh_bed, "gpu01", person)
    assert person.kinds == ["host_key"]
    person = Person(ONCE, host.password)
    async with connected(ssh_bed, "gpu01", person):
        assert person.kinds == ["host_key", "password"]
    await asyncio.to_thread(wait_until, lambda: host.attempts, "the login in sshd's log")
    assert host.attempts == ["Accepted password"]


async def test_the_time_limit_stands_still_while_a_person_thinks(ssh_bed: SshBed) -> None:
    unknown(ssh_bed, "ConnectTimeout 3")
    person = Thinker(ONCE)
    (hop,) = await route_to(ssh_bed, "gpu01")
    attempt = begin(hop, person)
    await person.begun.wait()
    await asyncio.sleep(3.2)  # the limit passes: time itself is what is tried
    person.decided.set()
    connection = await attempt
    await connection.close()


async def test_and_goes_on_when_they_have_answered(ssh_bed: SshBed) -> None:
    sshd = unknown(ssh_bed, "ConnectTimeout 3")
    person = Thinker(ONCE)
    (hop,) = await route_to(ssh_bed, "gpu01")
    attempt = begin(hop, person)
    await person.begun.wait()
    with sshd.paused():
        person.decided.set()
        with pytest.raises(Transient) as caught:
            await attempt
    assert caught.value.code == "connect_timeout"


@pytest.mark.parametrize("jump", [False, True])
async def test_cancelled_while_a_person_is_asked_about_a_key(ssh_bed: SshBed, jump: bool) -> None:
    ssh_bed.host("gw")
    ssh_bed.host("gpu01", known=False, client=[*["ProxyJump gw"] * jump, *ASK])
    *before, hop = await route_to(ssh_bed, "gpu01")
    gate = await open_connection(before[0], via=None) if before else None
    left = descriptors(), task_names()
    person = Thinker()
    attempt = begin(hop, person, gate)
    await person.begun.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert person.withdrawn.is_set()
    if gate is not None:
        await no_channels(gate)
    await asyncio.to_thread(wait_until, lambda: not looks(), "the end of the look at a file")
    assert (descriptors(), task_names()) == left
    if gate is not None:
        await gate.close()
