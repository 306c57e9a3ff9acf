"""Key revocation lists that ssh-keygen has written, read by us and by ssh-keygen."""

import subprocess
from pathlib import Path

import asyncssh
import pytest
from asyncssh.public_key import SSHOpenSSHCertificate

from jupyter_remote_tunnel.model.errors import Fatal
from jupyter_remote_tunnel.ssh.revocation_list import MAGIC, RevocationList
from tests.ssh.support import connect
from tests.support.process import program
from tests.support.sshd import SshBed, make_key

SERIALS = (0, 1, 7, 8, 64, 65, 1 << 40)


def keygen(*words: str | Path) -> int:
    done = subprocess.run([program("ssh-keygen"), *words], capture_output=True, check=False)
    return done.returncode


def revoke(folder: Path, *lines: str, by: Path | str | None = None) -> Path:
    """The list of what ssh-keygen reads in lines, with `by` the authority of those that name
    certificates; "NONE" is any."""
    text = folder / "lines"
    text.write_text("".join(f"{line}\n" for line in lines))
    authority = [] if by is None else ["-s", "NONE" if by == "NONE" else f"{by}.pub"]
    assert keygen("-q", "-k", *authority, "-f", folder / "list", text) == 0
    return folder / "list"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two authorities, and a key "host" with certificates of the first that differ in serial number
    and id."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("first", "second", "host", "other"):
        make_key(folder / name)
    for by in ("first", "second"):
        for serial in SERIALS:
            sign = ["-q", "-s", str(folder / by), "-h", "-I", f"id{serial}", "-z", str(serial)]
            assert keygen(*sign, folder / "host.pub") == 0
            (folder / "host-cert.pub").rename(folder / f"{by}-{serial}.pub")
    return folder


@pytest.mark.parametrize(
    ("texts", "by"),
    [
        (("serial: 1", "serial: 8", "serial: 65"), "first"),
        (("serial: 7-64",), "first"),
        (tuple(f"serial: {number}" for number in range(1, 200, 2)), "first"),
        (("serial: 1099511627776",), "second"),
        (("serial: 1-1000", "id: id0"), "NONE"),
        (("id: id7", "id: id65"), "first"),
        (("key: {host}",), None),
        (("key: {first}",), None),
        (("sha1: {host}",), None),
        (("sha256: {second}",), None),
        (("hash: {hash}",), None),
        (("key: {other}",), None),
        ((), None),
    ],
)
def test_the_same_is_revoked_as_for_ssh_keygen(
    tmp_path: Path, keys: Path, texts: tuple[str, ...], by: str | None
) -> None:
    words = {path.stem: path.read_text().strip() for path in keys.glob("*.pub")}
    words["hash"] = asyncssh.read_public_key(keys / "host.pub").get_fingerprint()
    lines = [text.format(**words) for text in texts]
    file = revoke(tmp_path, *lines, by=keys / by if by in ("first", "second") else by)
    found = RevocationList.parse(file.read_bytes())
    theirs, ours = [], []
    for path in sorted(keys.glob("*.pub")):
        theirs.append((path.name, keygen("-Q", "-f", file, path) != 0))
        if "-" in path.stem:
            certificate = asyncssh.read_certificate(path)
            assert isinstance(certificate, SSHOpenSSHCertificate)
            ours.append((path.name, found.holds_certificate(certificate)))
        else:
            ours.append((path.name, found.holds_key(asyncssh.read_public_key(path))))
    assert ours == theirs


def test_what_is_not_whole_is_not_believed(tmp_path: Path, keys: Path) -> None:
    lines = ["serial: 1", "serial: 9-99", "id: x"]
    whole = revoke(tmp_path, *lines, by=keys / "first").read_bytes()
    empty = len(revoke(tmp_path).read_bytes())
    for length in set(range(len(MAGIC), len(whole))) - {empty}:
        with pytest.raises(ValueError, match="it is damaged"):
            RevocationList.parse(whole[:length])
    for kind in (9, 77):
        with pytest.raises(ValueError, match=f"a section {kind}, which is not known"):
            RevocationList.parse(whole + bytes([kind, 0, 0, 0, 0]))


@pytest.mark.parametrize("of", ["the host", "another", "its certificate"])
async def test_a_host_that_it_holds_is_not_trusted(ssh_bed: SshBed, of: str) -> None:
    sshd = ssh_bed.host("gpu01", start=False)
    authority, other = (make_key(ssh_bed.folder / name) for name in ("authority", "another"))
    sign = ["-q", "-s", str(authority), "-h", "-I", "gpu01", "-z", "5"]
    assert keygen(*sign, f"{sshd.host_key}.pub") == 0
    if of == "its certificate":
        sshd.configure([f"HostCertificate {sshd.host_key}-cert.pub"])
        public = Path(f"{authority}.pub").read_text()
        ssh_bed.known_hosts.write_text(f"@cert-authority * {public}{sshd.known_hosts_line}")
        file = revoke(ssh_bed.folder, "serial: 5", by=authority)
    else:
        key = sshd.host_key if of == "the host" else other
        file = revoke(ssh_bed.folder, f"key: {Path(f'{key}.pub').read_text().strip()}")
    sshd.client = [f"RevokedHostKeys {file}"]
    ssh_bed.write_config()
    sshd.start()
    if of == "another":
        ssh_bed.ssh("gpu01", "true")
        async with connect(ssh_bed, "gpu01") as connection:
            assert connection.host_key == sshd.fingerprint
        return
    assert ssh_bed.ssh("gpu01", "true", check=False).returncode == 255
    with pytest.raises(Fatal) as caught:
        async with connect(ssh_bed, "gpu01"):
            pass
    assert caught.value.code == "host_key_revoked"
    assert str(file) in caught.value.message
