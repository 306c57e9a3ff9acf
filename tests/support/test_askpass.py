"""OpenSSH's client gets the answers one by one, and its questions are kept."""

import pytest

from tests.support.askpass import ssh_with_answers
from tests.support.sshd import SshBed, make_key


@pytest.mark.parametrize(
    ("kind", "old_format", "header"),
    [
        ("ed25519", False, "OPENSSH"),
        ("ecdsa", False, "OPENSSH"),
        ("rsa", False, "OPENSSH"),
        ("ecdsa", True, "EC"),
        ("rsa", True, "RSA"),
    ],
)
def test_a_key_with_a_passphrase(ssh_bed: SshBed, kind: str, old_format: bool, header: str) -> None:
    key = make_key(ssh_bed.folder / "locked", passphrase="secret", kind=kind, old_format=old_format)
    assert key.read_text().startswith(f"-----BEGIN {header} PRIVATE KEY-----\n")
    sshd = ssh_bed.host("gpu01", client=[f"IdentityFile {key}", "BatchMode no"])
    sshd.authorized_keys.write_text(key.with_suffix(".pub").read_text())
    done = ssh_with_answers(ssh_bed, "gpu01", "echo", "in", answers=["wrong", "secret"])
    assert done.stdout == "in\n"
    assert done.questions == 2 * [f"Enter passphrase for key '{key}': "]
    done = ssh_with_answers(ssh_bed, "gpu01", "true", answers=["wrong"])
    assert done.returncode == 255
