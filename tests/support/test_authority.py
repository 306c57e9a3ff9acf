"""What the authority signs is accepted by OpenSSH, and what it has not is refused."""

import getpass

import pytest

from tests.support.authority import Authority
from tests.support.sshd import SshBed


def test_a_host_that_is_known_by_its_certificate(ssh_bed: SshBed) -> None:
    authority = Authority(ssh_bed.folder)
    sshd = ssh_bed.host("gpu01", known=False, start=False)
    sshd.configure([authority.sign_host(sshd, [sshd.address])])
    sshd.start()
    assert ssh_bed.ssh("gpu01", "true", check=False).returncode == 255
    ssh_bed.known_hosts.write_text(authority.trusted_by_client)
    assert ssh_bed.ssh("gpu01", "true").returncode == 0
    sshd.kill()
    authority.sign_host(sshd, ["another.example.org"])
    sshd.start()
    assert ssh_bed.ssh("gpu01", "true", check=False).returncode == 255


@pytest.mark.parametrize(
    ("principal", "valid", "status"),
    [
        (getpass.getuser(), "-1d:+1d", 0),
        ("nobody", "-1d:+1d", 255),
        (getpass.getuser(), "-2d:-1d", 255),
    ],
    ids=["valid", "for another account", "expired"],
)
def test_a_user_that_is_known_by_a_certificate(
    ssh_bed: SshBed, principal: str, valid: str, status: int
) -> None:
    authority = Authority(ssh_bed.folder)
    sshd = ssh_bed.host("gpu01", server=[authority.trusted_by_host])
    sshd.authorized_keys.write_text("")
    assert ssh_bed.ssh("gpu01", "true", check=False).returncode == 255
    authority.sign_user(ssh_bed.user_key, [principal], valid=valid)
    assert ssh_bed.ssh("gpu01", "true", check=False).returncode == status


def test_what_a_certificate_forbids(ssh_bed: SshBed) -> None:
    authority = Authority(ssh_bed.folder)
    sshd = ssh_bed.host("gpu01", server=[authority.trusted_by_host])
    sshd.authorized_keys.write_text("")
    user = getpass.getuser()
    authority.sign_user(ssh_bed.user_key, [user], options="no-port-forwarding")
    done = ssh_bed.ssh("-W", f"{sshd.address}:{sshd.port}", "gpu01", check=False)
    assert "administratively prohibited" in done.stderr
