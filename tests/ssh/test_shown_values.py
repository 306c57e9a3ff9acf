"""Errors name a path as it was written: who may ask for a tunnel may not read the environment."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.errors import RemoteTunnelError
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.ssh import making_hops
from jupyter_remote_tunnel.ssh.connecting import open_connection
from tests.ssh.support import connect, route_to
from tests.support.dead_drive import DeadDrive
from tests.support.process import program
from tests.support.sshd import SshBed

SECRET = "s3cr3t-value"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose name is a secret, which stands in the variable MY_SECRET."""
    made = tmp_path / SECRET
    made.mkdir()
    (made / "nonsense").write_text("no key\n")
    locked = [program("ssh-keygen")]
    locked += ["-q", "-t", "ed25519", "-N", "pass", "-f", str(made / "locked")]
    subprocess.run(locked, check=True)
    monkeypatch.setenv("MY_SECRET", str(made))
    return made


def options(bed: SshBed, *typed: str) -> SshOptions:
    return SshOptions(config_file=str(bed.config_file), options=typed, user="nobody-known")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("RevokedHostKeys=${MY_SECRET}/none", "keys ${MY_SECRET}/none cannot be read"),
        ("RevokedHostKeys=${MY_SECRET}/nonsense", "keys ${MY_SECRET}/nonsense cannot be read"),
        ("RevokedHostKeys=${MY_SECRET}", "keys ${MY_SECRET} cannot be read"),
        ('RevokedHostKeys="${MY_SECRET}/none"', "keys ${MY_SECRET}/none cannot be read"),
        ("IdentityFile=${MY_SECRET}/nonsense", "${MY_SECRET}/nonsense cannot be read"),
        ("IdentityFile='${MY_SECRET}/locked'", "${MY_SECRET}/locked has a passphrase"),
        ("IdentityAgent=${MY_SECRET}/none", "the agent at ${MY_SECRET}/none does not answer"),
        ("IdentityAgent=$MY_SECRET", "the agent at $MY_SECRET does not answer"),
        ("UserKnownHostsFile=${MY_SECRET}/changed", "but ${MY_SECRET}/changed line 1 holds"),
        ("GlobalKnownHostsFile=${MY_SECRET}/changed", "but ${MY_SECRET}/changed line 1 holds"),
    ],
)
@pytest.mark.parametrize("by_ssh", [True, False])
async def test_the_value_of_a_variable_is_not_told(
    ssh_bed: SshBed,
    folder: Path,
    option: str,
    said: str,
    by_ssh: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sshd = ssh_bed.host("gpu01")
    public = (folder / "locked.pub").read_text()
    (folder / "changed").write_text(f"[{sshd.address}]:{sshd.port} {public}")
    typed = [option]
    if option.startswith("Global"):
        typed.append(f"UserKnownHostsFile={folder.parent}/none")
    asked = options(ssh_bed, *typed)
    if not by_ssh:
        monkeypatch.setenv("PATH", "/nowhere")
        known = f"UserKnownHostsFile={ssh_bed.known_hosts}"
        more = (f"HostName={sshd.address}", *([] if "KnownHosts" in option else [known]))
        asked = replace(asked, port=sshd.port, options=(*typed, *more))
    with pytest.raises(RemoteTunnelError) as caught:
        async with connect(ssh_bed, "gpu01", asked):
            pass
    assert said in caught.value.message
    assert SECRET not in str(caught.value.as_dict())


async def test_a_path_that_ssh_has_spelt_out_is_known_again(ssh_bed: SshBed, folder: Path) -> None:
    ssh_bed.host("gpu01", start=False)
    (hop,) = await route_to(ssh_bed, "gpu01", options(ssh_bed, "IdentityAgent=${MY_SECRET}/a"))
    assert hop.agent == f"{folder}/a"
    assert hop.shown(hop.agent) == "${MY_SECRET}/a"
    assert SECRET not in repr(replace(hop, agent=None))


async def test_nor_is_it_where_a_drive_does_not_answer(
    ssh_bed: SshBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making_hops, "READ_TIMEOUT", 1.0)
    ssh_bed.host("gpu01")
    with DeadDrive() as drive:
        monkeypatch.setenv("MY_SECRET", str(drive.folder))
        asked = options(ssh_bed, "UserKnownHostsFile=${MY_SECRET}/a ${MY_SECRET}/b")
        (hop,) = await route_to(ssh_bed, "gpu01", asked)
        drive.die()
        with pytest.raises(RemoteTunnelError, match="MY_SECRET}/a of this machine") as resolving:
            await route_to(ssh_bed, "gpu01", asked)
        hop = replace(hop, connect_timeout=1.0)
        with pytest.raises(RemoteTunnelError, match="MY_SECRET}/a of this machine") as connecting:
            await open_connection(hop, via=None)
    for caught in (resolving, connecting):
        assert str(drive.folder) not in str(caught.value.as_dict())


async def test_a_user_whom_nobody_knows(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", start=False)
    with pytest.raises(RemoteTunnelError, match="~nobody-known, a user unknown here"):
        await route_to(ssh_bed, "gpu01", options(ssh_bed, "IdentityFile=~nobody-known/key"))
