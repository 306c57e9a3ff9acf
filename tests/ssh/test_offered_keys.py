"""Which of our keys and certificates a host is shown, and in which order: as of ssh itself."""

import asyncio
import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.spec import SshOptions
from tests.ssh.support import connect
from tests.ssh.test_configured import seen_of_ssh, seen_of_us
from tests.ssh.watching_sshd import Watch
from tests.support.authority import Authority
from tests.support.sshd import SshBed, make_key

FILES = "IdentityFile {keys}/0\nIdentityFile {keys}/1\nIdentityFile {keys}/2\n"
NONE = "IdentityFile none\n"
ONLY = "IdentitiesOnly yes\n"
NAMED = "CertificateFile {keys}/certificate.pub\n"


@dataclass(frozen=True)
class Case:
    """A configuration, and the keys that are in the agent (with the certificates beside them), that
    are only there, and that have a certificate beside them. `NAMED` is for the key 0."""

    text: str
    in_agent: Sequence[int] = ()
    only_there: Sequence[int] = ()
    certified: Sequence[int] = ()


@pytest.mark.parametrize(
    "case",
    [
        Case(FILES),
        Case(FILES, in_agent=(2, 0)),
        Case(FILES + ONLY, in_agent=(2, 0, 3)),
        Case(NONE, in_agent=(2, 0)),
        Case("IdentityFile {keys}/1\n", in_agent=(2, 0)),
        Case(FILES + ONLY, in_agent=(3, 1), only_there=(1,)),
        Case("IdentityFile {keys}/1.pub\n" + ONLY, in_agent=(3, 1), only_there=(1,)),
        Case(FILES, certified=(1,)),
        Case(FILES + ONLY, in_agent=(2, 1), certified=(1,)),
        Case(FILES, in_agent=(2, 1), only_there=(1,), certified=(1,)),
        Case(FILES + NAMED, certified=(1,)),
        Case(FILES + NAMED, in_agent=(2, 0)),
        Case(NONE + NAMED, in_agent=(2, 0), only_there=(0,)),
        Case(FILES + NAMED + ONLY, in_agent=(2, 0), only_there=(0,)),
        Case(FILES + NAMED + "PubkeyAcceptedAlgorithms ssh-ed25519\n", in_agent=(2, 0)),
    ],
    ids=str,
)
async def test_the_same_keys_as_of_ssh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    watch, keys = Watch(tmp_path), tmp_path / "keys"
    keys.mkdir()
    config = tmp_path / "config"
    config.write_text(case.text.format(keys=keys))
    options = SshOptions(
        config_file=str(config),
        options=(
            f"ProxyCommand={watch.proxy_command}",
            f"UserKnownHostsFile={watch.known_hosts}",
        ),
    )
    with surroundings(keys, case) as agent:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        theirs = await asyncio.to_thread(seen_of_ssh, "gpu01", options, watch)
        ours = await seen_of_us("gpu01", options, watch)
    assert theirs.offered
    assert ours.offered == theirs.offered


@contextlib.contextmanager
def surroundings(keys: Path, case: Case) -> Iterator[Path | str]:
    """Makes keys 0 to 3 and what else there is of them; the agent's socket."""
    made = [make_key(keys / str(number)) for number in range(4)]
    authority = Authority(keys)
    certificate = authority.sign_user(made[0], ["me"])
    certificate.rename(keys / "certificate.pub")
    for number in case.certified:
        authority.sign_user(made[number], ["me"])
    with SshBed() as bed, contextlib.ExitStack() as stack:
        agent: Path | str = ""
        if case.in_agent:
            agent = stack.enter_context(bed.agent(*(made[number] for number in case.in_agent)))
        for number in case.only_there:
            made[number].unlink()
        yield agent


@pytest.mark.parametrize(
    "text", ["CertificateFile {file}\n", "IdentityFile {key}\nIdentitiesOnly yes\n"]
)
async def test_a_certificate_in_a_file_for_a_key_in_the_agent(ssh_bed: SshBed, text: str) -> None:
    authority = Authority(ssh_bed.folder)
    sshd = ssh_bed.host("gpu01", server=[authority.trusted_by_host])
    sshd.authorized_keys.write_text("")
    key = make_key(ssh_bed.folder / "key")
    beside = Path(f"{key}-cert.pub")
    named = shutil.copy(authority.sign_user(key, [sshd.user]), ssh_bed.folder / "named.pub")
    beside.rename(ssh_bed.folder / "away")
    with ssh_bed.agent(key) as agent:
        key.unlink()
        if "Identity" in text:
            shutil.copy(named, beside)
        config = ssh_bed.folder / "config"
        config.write_text(
            text.format(file=named, key=key)
            + ssh_bed.config_file.read_text().replace("IdentitiesOnly yes", "")
        )
        options = SshOptions(config_file=str(config), agent_socket=str(agent))
        async with connect(ssh_bed, "gpu01", options) as connection:
            assert (await connection.exec(["true"])).status == 0
