"""The other keys of a host, which it tells of and proves to hold."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest
from asyncssh.constants import MSG_REQUEST_FAILURE, MSG_REQUEST_SUCCESS
from asyncssh.packet import String

from jupyter_remote_tunnel.model.prompt import Answer
from tests.ssh.person import Person, connected
from tests.ssh.support import connect
from tests.support.lying_host import Liar, lying
from tests.support.process import program, wait_until
from tests.support.sshd import SshBed, Sshd, make_key

LEARN = "UpdateHostKeys yes"


def host_with_two_keys(bed: SshBed, *client: str, known: bool = True) -> tuple[Sshd, str]:
    """A host, and the fingerprint of the key that nobody knows."""
    path = make_key(bed.folder / "second_key", kind="ecdsa")
    sshd = bed.host("gpu01", server=[f"HostKey {path}"], client=client, known=known)
    return sshd, asyncssh.read_public_key(f"{path}.pub").get_fingerprint()


def fingerprints(bed: SshBed, sshd: Sshd) -> set[str]:
    """Of what OpenSSH finds for a host in the bed's known_hosts."""
    name = f"[{sshd.address}]:{sshd.port}"
    command = [program("ssh-keygen"), "-l", "-f", str(bed.known_hosts), "-F", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line.split() for line in done.stdout.splitlines() if not line.startswith("#")]
    return {word for words in lines for word in words if word.startswith("SHA256:")}


@pytest.mark.parametrize("hashed", [False, True])
async def test_they_are_written_beside_the_one_that_is_known(ssh_bed: SshBed, hashed: bool) -> None:
    client = [LEARN, f"HashKnownHosts {'yes' if hashed else 'no'}"]
    sshd, second = host_with_two_keys(ssh_bed, *client)
    before = ssh_bed.known_hosts.read_text()
    async with connect(ssh_bed, "gpu01") as connection:
        await _until(lambda: second in fingerprints(ssh_bed, sshd))
        assert fingerprints(ssh_bed, sshd) == {connection.host_key, second}
    text = ssh_bed.known_hosts.read_text()
    assert text.startswith(before)
    assert text.removeprefix(before).startswith("|1|") == hashed
    async with connect(ssh_bed, "gpu01") as connection:
        await connection.exec(["true"])
    assert ssh_bed.known_hosts.read_text() == text


async def _until(ask: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_until, ask, "the second key to be known")


async def test_a_host_that_has_changed_to_it_is_no_stranger(ssh_bed: SshBed) -> None:
    sshd, second = host_with_two_keys(ssh_bed, LEARN)
    async with connect(ssh_bed, "gpu01"):
        await _until(lambda: second in fingerprints(ssh_bed, sshd))
    sshd.stop()
    config = sshd.folder / "sshd_config"
    config.write_text(config.read_text().replace(f"HostKey {sshd.host_key}\n", ""))
    sshd.start()
    async with connect(ssh_bed, "gpu01") as connection:
        assert connection.host_key == second


@pytest.mark.parametrize("client", [["UpdateHostKeys no"], ["UpdateHostKeys ask"], []])
async def test_only_where_the_configuration_says_so(ssh_bed: SshBed, client: list[str]) -> None:
    """By default ssh does so for its usual known_hosts, which the bed's is not."""
    host_with_two_keys(ssh_bed, *client)
    before = ssh_bed.known_hosts.read_text()
    async with connect(ssh_bed, "gpu01") as connection:
        await connection.exec(["true"])
    assert ssh_bed.known_hosts.read_text() == before


@pytest.mark.parametrize("for_good", [True, False])
async def test_who_accepted_the_host_for_once_learns_none(ssh_bed: SshBed, for_good: bool) -> None:
    ask = "StrictHostKeyChecking ask"
    sshd, second = host_with_two_keys(ssh_bed, LEARN, ask, known=False)
    person = Person(Answer(remember=for_good))
    async with connected(ssh_bed, "gpu01", person) as connection:
        if for_good:
            await _until(lambda: second in fingerprints(ssh_bed, sshd))
        else:
            await connection.exec(["true"])
            assert ssh_bed.known_hosts.read_text() == ""


# Hosts that lie.


@asynccontextmanager
async def announcing(bed: SshBed) -> AsyncIterator[Liar]:
    """A host that tells what the test has it tell; at the end known_hosts is as before."""
    liar = Liar()
    async with lying(bed.host("gpu01", client=[LEARN], start=False), liar):
        before = bed.known_hosts.read_text()
        async with connect(bed, "gpu01") as connection:
            yield liar
            await connection.rtt()  # it lives
        assert bed.known_hosts.read_text() == before


async def announced(liar: Liar, keys: Sequence[asyncssh.SSHKey]) -> int:
    """Tell of keys; the kind of packet that answers."""
    packed = [String(key.public_data) for key in keys]
    kind, _ = await liar.connection._make_global_request(b"hostkeys-00@openssh.com", *packed)
    return kind


def some_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


async def test_a_key_that_is_not_proved_is_not_learnt(ssh_bed: SshBed) -> None:
    async with announcing(ssh_bed) as liar:
        assert await announced(liar, [some_key()]) == MSG_REQUEST_SUCCESS


async def test_a_proof_by_another_key_is_none(ssh_bed: SshBed) -> None:
    async with announcing(ssh_bed) as liar:
        stranger = some_key()
        (own,) = liar.connection._server_host_keys.values()
        liar.connection._all_server_host_keys[stranger.public_data] = own
        assert await announced(liar, [stranger]) == MSG_REQUEST_SUCCESS


async def test_more_than_a_host_needs_are_not_written(ssh_bed: SshBed) -> None:
    """Though they are proved: it could tell of others in each connection."""
    async with announcing(ssh_bed) as liar:
        strangers = [some_key() for _ in range(20)]
        pairs = zip(strangers, asyncssh.load_keypairs(strangers), strict=True)
        held = liar.connection._all_server_host_keys
        held.update({key.public_data: pair for key, pair in pairs})
        assert await announced(liar, strangers) == MSG_REQUEST_SUCCESS


async def test_it_is_heard_once(ssh_bed: SshBed) -> None:
    async with announcing(ssh_bed) as liar:
        assert await announced(liar, [some_key()]) == MSG_REQUEST_SUCCESS
        assert await announced(liar, [some_key()]) == MSG_REQUEST_FAILURE


async def test_more_keys_than_a_host_has_are_not_looked_at(ssh_bed: SshBed) -> None:
    async with announcing(ssh_bed) as liar:
        assert await announced(liar, [some_key()] * 400) == MSG_REQUEST_FAILURE


async def test_a_file_that_cannot_be_written_ends_nothing(
    ssh_bed: SshBed, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Path(ssh_bed.folder, "no file")
    folder.mkdir()
    files = f'UserKnownHostsFile "{folder}" {ssh_bed.known_hosts}'
    host_with_two_keys(ssh_bed, LEARN, files)
    async with connect(ssh_bed, "gpu01") as connection:
        await _until(lambda: "it is no regular file" in caplog.text)
        assert await connection.rtt() > 0
