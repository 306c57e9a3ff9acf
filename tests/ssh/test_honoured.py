"""What a configuration says beyond the beginning of a connection, met by a real sshd."""

import contextlib
import re
import socket
from dataclasses import replace
from typing import Any

import pytest

from jupyter_remote_tunnel.model.errors import Fatal, RemoteTunnelError, Transient
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.ssh.config import resolve
from jupyter_remote_tunnel.ssh.connecting import open_connection
from jupyter_remote_tunnel.ssh.hop import Hop
from tests.ssh.person import Person
from tests.ssh.test_connecting import new_host_key
from tests.support.authority import Authority
from tests.support.sshd import SshBed, Sshd, fingerprint


async def hop_of(bed: SshBed, *lines: str, **settings: Any) -> Hop:
    """The hop of gpu01 with lines of ssh_config before those of the bed."""
    bed.write_config("".join(f"{line}\n" for line in lines))
    own = EngineSettings(ssh_config=str(bed.config_file), **settings)
    return (await resolve("gpu01", SshOptions(), own))[-1]


async def test_the_socket_is_as_configured(ssh_bed: SshBed, sshd: Sshd) -> None:
    for lines, service, alive in (
        ((), 0, 1),
        (("IPQoS cs1 af21", "TCPKeepAlive no"), 0x48, 0),
        (("IPQoS none",), 0, 1),
    ):
        connection = await open_connection(await hop_of(ssh_bed, *lines), via=None)
        opened = connection._ssh.get_extra_info("socket")
        assert opened.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == service
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == alive
        await connection.close()


@pytest.mark.parametrize(
    "line", ["ForwardAgent yes", "ForwardAgent {agent}", "ForwardAgent $JRT_AGENT"]
)
async def test_a_command_on_the_host_uses_the_agent_that_is_lent_to_it(
    ssh_bed: SshBed, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    with ssh_bed.agent() as agent:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent) if line.endswith("yes") else "")
        monkeypatch.setenv("JRT_AGENT", str(agent))
        connection = await open_connection(
            await hop_of(ssh_bed, line.format(agent=agent)), via=None
        )
        for _ in range(2):
            listed = await connection.exec(["ssh-add", "-l"])
            assert fingerprint(ssh_bed.user_key) in listed.stdout.decode()
        agent.unlink()
        assert (await connection.exec(["ssh-add", "-l"])).status != 0
        assert (await connection.exec(["true"])).status == 0
        await connection.close()


async def test_no_agent_is_lent_where_nobody_says_so(
    ssh_bed: SshBed, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ssh_bed.agent() as agent:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        connection = await open_connection(await hop_of(ssh_bed), via=None)
        assert (await connection.exec(["printenv", "SSH_AUTH_SOCK"])).status == 1
        await connection.close()


@pytest.mark.parametrize(
    ("line", "comes_from"),
    [
        ("BindAddress 127.0.0.77", "127.0.0.77"),
        ("BindInterface lo", "127.0.0.1"),
        ("BindAddress localhost", "127.0.0.1"),
    ],
)
async def test_it_is_connected_from_where_the_configuration_says(
    ssh_bed: SshBed, sshd: Sshd, line: str, comes_from: str
) -> None:
    connection = await open_connection(await hop_of(ssh_bed, line), via=None)
    seen = await connection.exec(["printenv", "SSH_CLIENT"])
    assert seen.stdout.decode().split()[0] == comes_from
    await connection.close()


async def test_addresses_of_another_family_are_not_tried(ssh_bed: SshBed, sshd: Sshd) -> None:
    await (await open_connection(await hop_of(ssh_bed, "AddressFamily inet"), via=None)).close()
    with pytest.raises(Transient) as caught:
        await open_connection(await hop_of(ssh_bed, "AddressFamily inet6"), via=None)
    assert caught.value.code == "host_unresolved"


async def test_keys_are_exchanged_anew_after_as_many_bytes_as_configured(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", server=["LogLevel DEBUG2"])
    hop = await hop_of(ssh_bed, "RekeyLimit 100K")
    assert (hop.rekey_bytes, hop.rekey_seconds) == (100 << 10, 0)
    async with contextlib.AsyncExitStack() as stack:
        connection = await open_connection(hop, via=None)
        stack.push_async_callback(connection.close)
        await connection.exec(["wc", "-c"], bytes(500 << 10))
        assert sshd.log.count("SSH2_MSG_KEXINIT received") > 3


@pytest.mark.parametrize(
    ("lines", "methods"),
    [
        ((), ("publickey", "keyboard-interactive", "password")),
        (("PasswordAuthentication no",), ("publickey", "keyboard-interactive")),
        (("PubkeyAuthentication no", "KbdInteractiveAuthentication no"), ("password",)),
        (
            ("PreferredAuthentications hostbased,password,publickey",),
            ("password", "publickey"),
        ),
    ],
)
async def test_only_what_is_configured_is_tried(
    ssh_bed: SshBed, lines: tuple[str, ...], methods: tuple[str, ...]
) -> None:
    sshd = ssh_bed.host(
        "gpu01", server=["LogLevel DEBUG2", "PasswordAuthentication yes", "MaxAuthTries 20"]
    )
    hop = await hop_of(ssh_bed, *lines)
    assert hop.methods == methods
    sshd.authorized_keys.unlink()
    with pytest.raises(RemoteTunnelError):
        await open_connection(hop, via=None, asker=Person("a", "b", "c"))
    tried = re.findall(r"ssh-connection method (\S+)", sshd.log)
    assert set(tried) - {"none"} == set(methods) - {"keyboard-interactive"}


async def test_no_way_to_log_in_is_left(ssh_bed: SshBed, sshd: Sshd) -> None:
    with pytest.raises(Fatal, match="leaves no way to log in") as caught:
        await hop_of(ssh_bed, "PreferredAuthentications hostbased")
    assert "PreferredAuthentications" in caught.value.hint


UNKNOWN = ("diffie-hellman-group-exchange-sha256", "made-up")


@pytest.mark.parametrize(
    "changed",
    [
        {"ciphers": UNKNOWN},
        {"macs": UNKNOWN},
        {"key_exchanges": UNKNOWN},
        {"host_key_algorithms": UNKNOWN},
        {"key_algorithms": UNKNOWN},
    ],
    ids=lambda changed: next(iter(changed)),
)
async def test_no_algorithm_is_left(ssh_bed: SshBed, sshd: Sshd, changed: dict[str, Any]) -> None:
    hop = replace(await hop_of(ssh_bed), **changed)
    with pytest.raises(Fatal, match="made-up") as caught:
        await open_connection(hop, via=None)
    assert caught.value.code == "unsupported"
    assert "group-exchange" not in caught.value.hint


async def test_an_authority_with_another_algorithm_is_not_trusted(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", start=False)
    authority = Authority(ssh_bed.folder)
    sshd.configure([authority.sign_host(sshd, ["127.0.0.1"])])
    sshd.start()
    ssh_bed.known_hosts.write_text(authority.trusted_by_client)
    await (await open_connection(await hop_of(ssh_bed), via=None)).close()
    hop = await hop_of(ssh_bed, "CASignatureAlgorithms rsa-sha2-512")
    with pytest.raises(Fatal, match="signed with the unknown ED25519 key"):
        await open_connection(hop, via=None)


async def test_checks_that_are_off_take_a_new_key_only_where_a_setting_allows_it(
    ssh_bed: SshBed,
) -> None:
    sshd = ssh_bed.host("gpu01", known=False)
    off = "StrictHostKeyChecking no"
    with pytest.raises(Fatal) as caught:
        await open_connection(await hop_of(ssh_bed, off), via=None)
    assert caught.value.code == "host_key_unknown"
    hop = await hop_of(ssh_bed, off, allow_unasked_host_keys=True)
    await (await open_connection(hop, via=None)).close()
    assert ssh_bed.known_hosts.read_text() == sshd.known_hosts_line
    new_host_key(sshd)
    with pytest.raises(Fatal) as caught:
        await open_connection(hop, via=None)
    assert caught.value.code == "host_key_changed"
