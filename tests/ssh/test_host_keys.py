"""known_hosts files, written by OpenSSH's own tools where it can, and the judgement of keys."""

import inspect
import re
import subprocess
from pathlib import Path

import asyncssh
import pytest

from jupyter_remote_tunnel.model.errors import Fatal
from jupyter_remote_tunnel.ssh.files import Files
from jupyter_remote_tunnel.ssh.hop import Hop
from jupyter_remote_tunnel.ssh.host_keys import HostKeyJudge, KnownKeys
from tests.ssh.support import connect
from tests.support.process import program
from tests.support.sshd import SshBed, make_key

KEY = asyncssh.generate_private_key("ssh-ed25519").convert_to_public()
OTHER = asyncssh.generate_private_key("ecdsa-sha2-nistp256").convert_to_public()


def line(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


async def known(
    tmp_path: Path, text: str, *, port: int = 22, alias: str | None = None
) -> KnownKeys:
    file = tmp_path / "known_hosts"
    file.write_text(text)
    hop = Hop("gpu01", "Gpu01.example.org", port, "me", alias, (str(file), "/nowhere"))
    return await KnownKeys.of(hop, Files())


async def trusted(tmp_path: Path, text: str, *, port: int = 22) -> list[asyncssh.SSHKey]:
    return [entry.key for entry in (await known(tmp_path, text, port=port)).trusted]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("gpu01.example.org", True),
        ("other,gpu01.example.org", True),
        ("*.example.org", True),
        ("gpu0?.example.org", True),
        ("*.example.org,!gpu01.example.org", False),
        ("!gpu01.example.org,*", False),
        ("*", True),
        ("gpu0[1].example.org", False),
        ("[gpu01.example.org]:2222", False),
        ("other", False),
        ("|1|broken", False),
        ("|1|!!!|!!!", False),
    ],
)
async def test_names(tmp_path: Path, names: str, found: bool) -> None:
    assert await trusted(tmp_path, f"{names} {line(KEY)} comment\n") == ([KEY] if found else [])


async def test_names_that_openssh_hashed(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"gpu01.example.org {line(KEY)}\n[gpu01.example.org]:2222 {line(OTHER)}\n")
    hash_names(file)
    text = file.read_text()
    assert "example" not in text
    assert await trusted(tmp_path, text) == [KEY]
    assert await trusted(tmp_path, text, port=2222) == [OTHER]


def hash_names(file: Path) -> None:
    subprocess.run([program("ssh-keygen"), "-q", "-H", "-f", file], check=True)


async def test_another_port_falls_back_to_the_name_alone(tmp_path: Path) -> None:
    plain = f"gpu01.example.org {line(KEY)}\n"
    own = f"[gpu01.example.org]:2222 {line(OTHER)}\n"
    assert await trusted(tmp_path, plain, port=2222) == [KEY]
    assert await trusted(tmp_path, plain + own, port=2222) == [OTHER]


async def test_an_alias_stands_for_name_and_port(tmp_path: Path) -> None:
    text = f"cluster {line(KEY)}\ngpu01.example.org {line(OTHER)}\n"
    found = await known(tmp_path, text, port=2222, alias="cluster")
    assert [entry.key for entry in found.trusted] == [KEY]


async def test_lines_that_say_nothing_are_passed_over(tmp_path: Path) -> None:
    text = (
        f"# gpu01.example.org {line(OTHER)}\n\n   \ngpu01.example.org\n"
        "gpu01.example.org ssh-ed25519 AAAA\n@unknown * ssh-ed25519\n\xff\xfe\n"
        f"  gpu01.example.org {line(KEY)}\n"
    )
    found = await known(tmp_path, text)
    assert [(entry.key, entry.line) for entry in found.trusted] == [(KEY, 8)]


async def test_a_revoked_key_is_not_trusted(tmp_path: Path) -> None:
    found = await known(tmp_path, f"* {line(KEY)}\n@revoked * {line(KEY)}\n")
    judge = HostKeyJudge(Hop("gpu01", "gpu01", 22, "me"), found)
    assert not judge.is_trusted(KEY)


async def test_algorithms_of_known_keys_come_first(tmp_path: Path) -> None:
    found = await known(tmp_path, f"* {line(OTHER)}\n")
    assert found.algorithms()[0] == "ecdsa-sha2-nistp256"
    found = await known(tmp_path, "")
    assert found.algorithms()[0] == "ssh-ed25519"
    found = await known(tmp_path, f"* {line(KEY)}\n@cert-authority * {line(OTHER)}\n")
    first = found.algorithms()
    assert first[0] == "ssh-ed25519-cert-v01@openssh.com"
    assert first.index("ssh-ed25519") < first.index("rsa-sha2-512")


def test_the_judgement_is_never_a_coroutine() -> None:
    """asyncssh takes the truth of what it gets, and a coroutine is true."""
    assert not inspect.iscoroutinefunction(HostKeyJudge.is_trusted)
    assert not inspect.iscoroutinefunction(HostKeyJudge.is_authority)


async def test_a_host_certificate_of_a_known_authority(ssh_bed: SshBed) -> None:
    authority = make_key(ssh_bed.folder / "authority")
    sshd = ssh_bed.host("gpu01", known=False, start=False)
    sign(authority, sshd.host_key, sshd.address)
    sshd.configure([f"HostCertificate {sshd.host_key}-cert.pub"])
    sshd.start()
    public = Path(f"{authority}.pub").read_text()
    ssh_bed.known_hosts.write_text(f"@cert-authority [{sshd.address}]:* {public}")
    async with connect(ssh_bed, "gpu01") as connection:
        assert connection.host_key == sshd.fingerprint


async def test_a_host_certificate_of_another_authority(ssh_bed: SshBed) -> None:
    authority, other = (make_key(ssh_bed.folder / name) for name in ("authority", "other"))
    sshd = ssh_bed.host("gpu01", known=False, start=False)
    sign(authority, sshd.host_key, sshd.address)
    sshd.configure([f"HostCertificate {sshd.host_key}-cert.pub"])
    sshd.start()
    ssh_bed.known_hosts.write_text(f"@cert-authority * {Path(f'{other}.pub').read_text()}")
    with pytest.raises(Fatal, match="signed with the unknown") as caught:
        async with connect(ssh_bed, "gpu01"):
            pass
    assert caught.value.code == "host_key_unknown"


async def test_a_host_certificate_for_another_name(ssh_bed: SshBed) -> None:
    authority = make_key(ssh_bed.folder / "authority")
    sshd = ssh_bed.host("gpu01", known=False, start=False)
    sign(authority, sshd.host_key, "another.example.org")
    sshd.configure([f"HostCertificate {sshd.host_key}-cert.pub"])
    sshd.start()
    ssh_bed.known_hosts.write_text(f"@cert-authority * {Path(f'{authority}.pub').read_text()}")
    with pytest.raises(Fatal, match="certificate of gpu01 is not valid"):
        async with connect(ssh_bed, "gpu01"):
            pass


def sign(authority: Path, host_key: Path, name: str) -> None:
    """Sign a host key for a host name."""
    words = ["-q", "-s", str(authority), "-I", "host", "-h", "-n", name, f"{host_key}.pub"]
    subprocess.run([program("ssh-keygen"), *words], check=True)


async def revoking(tmp_path: Path, content: bytes) -> KnownKeys:
    file = tmp_path / "revoked"
    file.write_bytes(content)
    return await KnownKeys.of(Hop("gpu01", "gpu01", 22, "me", None, (), str(file)), Files())


async def test_revoked_host_keys_one_a_line(tmp_path: Path) -> None:
    found = await revoking(tmp_path, f"# old\n{line(KEY)}\n".encode())
    assert [(entry.key, entry.line) for entry in found.revoked] == [(KEY, 2)]


async def test_a_certificate_revokes_its_key(tmp_path: Path) -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")
    certificate = authority.generate_host_certificate(KEY, "gpu01").export_certificate()
    found = await revoking(tmp_path, certificate)
    assert [entry.key for entry in found.revoked] == [KEY]


@pytest.mark.parametrize("wrong", ["@revoked * {key}", "{half}", "gpu01 {key}"])
async def test_a_revocation_that_is_not_understood_is_not_passed_over(
    tmp_path: Path, wrong: str
) -> None:
    whole = line(KEY)
    text = wrong.format(key=whole, half=whole[: len(whole) // 2])
    with pytest.raises(Fatal, match="line 1 is no public key") as caught:
        await revoking(tmp_path, text.encode())
    assert caught.value.code == "unsupported"


async def test_revoked_host_keys_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="binary list") as caught:
        await revoking(tmp_path, b"SSHKRL\n\0\0\0\0\1")
    assert caught.value.code == "unsupported"
    with pytest.raises(Fatal, match="cannot be read"):
        await KnownKeys.of(Hop("gpu01", "gpu01", 22, "me", None, (), "/nowhere/revoked"), Files())


@pytest.mark.parametrize("written", ["no", "off", "false", "accept-new", "ask"])
@pytest.mark.parametrize(
    ("file", "hint"),
    [
        ("{tmp}/known", "Run “ssh "),
        ("/dev/null", "kept nowhere"),
        ("/dev/../dev//null", "kept nowhere"),
        ("{tmp}/link", "Run “ssh "),  # to /dev/null: it holds nothing, whatever its name is
    ],
)
async def test_what_the_users_configuration_switches_off_is_verified_all_the_same(
    ssh_bed: SshBed, tmp_path: Path, written: str, file: str, hint: str
) -> None:
    (tmp_path / "link").symlink_to("/dev/null")
    file = file.format(tmp=tmp_path)
    sshd = ssh_bed.host("gpu01", known=False)
    ssh_bed.write_config(f"StrictHostKeyChecking {written}\nUserKnownHostsFile {file}\n")
    with pytest.raises(Fatal, match=re.escape(sshd.fingerprint)) as caught:
        async with connect(ssh_bed, "gpu01"):
            pass
    assert caught.value.code == "host_key_unknown"
    assert hint in caught.value.hint
