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
from jupyter_remote_tunnel.ssh.host_keys import HostKeyJudge
from jupyter_remote_tunnel.ssh.known_hosts import KnownKeys
from tests.ssh.support import connect, route_to
from tests.support.authority import Authority
from tests.support.process import program
from tests.support.sshd import SshBed, fingerprint, make_key

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


HOP = Hop("gpu01", "gpu01", 22, "me")


async def test_algorithms_of_known_keys_come_first(tmp_path: Path) -> None:
    found = await known(tmp_path, f"* {line(OTHER)}\n")
    assert found.algorithms(HOP)[0] == "ecdsa-sha2-nistp256"
    found = await known(tmp_path, "")
    assert found.algorithms(HOP)[0] == "ssh-ed25519"
    found = await known(tmp_path, f"* {line(KEY)}\n@cert-authority * {line(OTHER)}\n")
    first = found.algorithms(HOP)
    assert first[0] == "ssh-ed25519-cert-v01@openssh.com"
    assert first.index("ssh-ed25519") < first.index("rsa-sha2-512")


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("HostKeyAlgorithms +ssh-rsa", "rsa-sha2-512"),
        ("HostKeyAlgorithms -ecdsa*", "rsa-sha2-512"),
        ("HostKeyAlgorithms ^ssh-ed25519", "ssh-ed25519"),
        ("HostKeyAlgorithms ssh-ed25519,ssh-rsa,rsa-sha2-512", "ssh-ed25519"),
    ],
)
async def test_known_keys_come_first_unless_the_configuration_has_an_order_of_its_own(
    ssh_bed: SshBed, line: str, first: str
) -> None:
    """As ssh: who adds an old algorithm for some hosts has not lost the key that is known."""
    key = make_key(ssh_bed.folder / "key", kind="rsa").with_suffix(".pub").read_text()
    ssh_bed.known_hosts.write_text(f"* {key}")
    ssh_bed.host("gpu01", client=[line], known=False, start=False)
    (hop,) = await route_to(ssh_bed, "gpu01")
    assert (await KnownKeys.of(hop, Files())).algorithms(hop)[0] == first


async def test_a_host_shows_the_key_that_is_known_where_algorithms_are_added(
    ssh_bed: SshBed,
) -> None:
    sshd = ssh_bed.host("gpu01", client=["HostKeyAlgorithms +ssh-rsa"], known=False, start=False)
    key = make_key(sshd.folder / "other_key", kind="rsa")
    sshd.configure([f"HostKey {key}"])
    sshd.start()
    ssh_bed.known_hosts.write_text(f"* {key.with_suffix('.pub').read_text()}")
    ssh_bed.ssh("gpu01", "true")
    async with connect(ssh_bed, "gpu01") as connection:
        assert connection.host_key == fingerprint(key)


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
    with pytest.raises(Fatal, match=r"not known: .* Its certificate is not valid: ") as caught:
        async with connect(ssh_bed, "gpu01"):
            pass
    assert caught.value.code == "host_key_unknown"


@pytest.mark.parametrize(
    ("signed_for", "valid", "by"),
    [
        ("127.0.0.1", "-3d:-1d", "authority"),
        ("another.example.org", "-1d:+1d", "authority"),
        ("127.0.0.1", "-1d:+1d", "other"),
    ],
)
async def test_a_known_key_counts_though_its_certificate_does_not(
    ssh_bed: SshBed, signed_for: str, valid: str, by: str
) -> None:
    trusted = Authority(ssh_bed.folder)
    signs = trusted if by == "authority" else Authority(ssh_bed.folder, by)
    sshd = ssh_bed.host("gpu01", start=False)
    sshd.configure([signs.sign_host(sshd, [signed_for], valid=valid)])
    sshd.start()
    ssh_bed.known_hosts.write_text(trusted.trusted_by_client + sshd.known_hosts_line)
    ssh_bed.ssh("gpu01", "true")
    async with connect(ssh_bed, "gpu01") as connection:
        assert connection.host_key == sshd.fingerprint


@pytest.mark.parametrize("revoked", ["authority", "host_key"])
async def test_a_known_key_does_not_count_where_its_certificate_is_revoked(
    ssh_bed: SshBed, revoked: str
) -> None:
    authority = Authority(ssh_bed.folder)
    sshd = ssh_bed.host("gpu01", start=False)
    sshd.configure([authority.sign_host(sshd, [sshd.address])])
    sshd.start()
    key = authority.key if revoked == "authority" else sshd.host_key
    known = authority.trusted_by_client + sshd.known_hosts_line
    ssh_bed.known_hosts.write_text(f"{known}@revoked * {Path(f'{key}.pub').read_text()}")
    assert ssh_bed.ssh("gpu01", "true", check=False).returncode != 0
    with pytest.raises(Fatal) as caught:
        async with connect(ssh_bed, "gpu01"):
            pass
    assert caught.value.code == "host_key_revoked"


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
    with pytest.raises(Fatal, match="cannot be read: it is damaged") as caught:
        await revoking(tmp_path, b"SSHKRL\n\0\0\0\0\1")
    assert caught.value.code == "unsupported"
    with pytest.raises(Fatal, match="cannot be read"):
        await KnownKeys.of(Hop("gpu01", "gpu01", 22, "me", None, (), "/nowhere/revoked"), Files())


async def test_a_name_behind_which_several_hosts_take_turns(ssh_bed: SshBed) -> None:
    """Each of their keys is the name's; as with ssh, another one has changed."""
    alias = ["HostKeyAlias cluster"]
    turns = [ssh_bed.host(f"node{n}", client=alias, known=False) for n in range(3)]
    keys = [line.known_hosts_line.partition(" ")[2] for line in turns]
    ssh_bed.known_hosts.write_text(f"cluster {keys[0]}cluster {keys[1]}")
    for sshd in turns[:2]:
        async with connect(ssh_bed, sshd.alias) as connection:
            assert connection.host_key == sshd.fingerprint
    with pytest.raises(Fatal, match=re.escape(turns[2].fingerprint)) as caught:
        async with connect(ssh_bed, "node2"):
            pass
    assert caught.value.code == "host_key_changed"


async def test_a_file_that_is_too_large_is_not_read_in_part(tmp_path: Path) -> None:
    """Behind what was read could stand the key that has changed."""
    with pytest.raises(Fatal, match="larger than 16 MiB") as caught:
        await known(tmp_path, "#" * (16 << 20) + f"\ngpu01.example.org {line(KEY)}\n")
    assert caught.value.code == "unsupported"


NOTHING_IS_KEPT = [
    ("/dev/null", "kept nowhere"),
    ("/dev/../dev//null", "kept nowhere"),
    ("{tmp}/link", "run “ssh "),  # to /dev/null: it holds nothing, whatever its name is
]


@pytest.mark.parametrize(
    ("written", "file", "hint"),
    [
        *[
            (written, *place)
            for written in ("no", "off", "false", "ask")
            for place in [("{tmp}/known", "run “ssh "), *NOTHING_IS_KEPT]
        ],
        # What it takes, it has to remember.
        *[("accept-new", *place) for place in NOTHING_IS_KEPT],
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
