"""Connecting to real sshds: logging in, refusing, losing, and short commands."""

import asyncio
import contextlib
import os
import re
import shutil
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from asyncssh.constants import MSG_KEXINIT
from asyncssh.packet import String, UInt32

from jupyter_remote_tunnel.model.errors import Fatal, NeedsUser, RemoteTunnelError, Transient
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.ssh.connecting import open_connection
from jupyter_remote_tunnel.ssh.connection import Connection
from tests.ssh.support import (
    connect,
    descriptors,
    looks,
    no_channels,
    open_channels,
    route_to,
    task_names,
)
from tests.support.netns import Namespace
from tests.support.process import wait_until
from tests.support.relay import Relay
from tests.support.sshd import SshBed, Sshd, fingerprint, make_key


async def failing(bed: SshBed, alias: str, options: SshOptions | None = None) -> RemoteTunnelError:
    """The error with which connecting fails; nothing may be left of the attempt."""
    before = descriptors(), task_names()
    with pytest.raises(RemoteTunnelError) as caught:
        async with connect(bed, alias, options):
            pass
    assert (descriptors(), task_names()) == before
    return caught.value


async def test_the_host_key_is_told(connection: Connection, sshd: Sshd) -> None:
    assert connection.host_key == sshd.fingerprint


async def test_aes_gcm_comes_first(connection: Connection) -> None:
    for direction in ("send_cipher", "recv_cipher"):
        assert connection._ssh.get_extra_info(direction) == "aes128-gcm@openssh.com"


@pytest.mark.parametrize(
    ("client", "cipher"),
    [
        (["Ciphers aes256-ctr,aes128-ctr"], "aes256-ctr"),
        (["Ciphers chacha20-poly1305@openssh.com", "MACs hmac-sha2-256"], "chacha20-poly1305@op"),
        (["Compression yes"], "aes128-gcm@openssh.com"),
    ],
)
async def test_configured_algorithms_are_used(
    ssh_bed: SshBed, client: list[str], cipher: str
) -> None:
    ssh_bed.host("gpu01", client=client)
    async with connect(ssh_bed, "gpu01") as connection:
        assert connection._ssh.get_extra_info("send_cipher").startswith(cipher)
        compression = connection._ssh.get_extra_info("send_compression")
        assert (compression != "none") == ("Compression yes" in client)
        assert (await connection.exec(["cat"], b"data" * 50_000)).stdout == b"data" * 50_000


async def test_algorithms_without_anything_in_common(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", server=["Ciphers aes128-ctr"], client=["Ciphers aes256-ctr"])
    error = await failing(ssh_bed, "gpu01")
    assert (error.code, error.hop) == ("unsupported", "gpu01")
    assert "aes128-ctr" in error.message


async def test_a_host_whose_key_is_of_no_type_that_is_asked_for(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", known=False, start=False)
    key = make_key(sshd.folder / "rsa_key", kind="rsa")
    sshd.configure([f"HostKey {key}", "HostKeyAlgorithms ssh-rsa"])
    sshd.start()
    ssh_bed.known_hosts.write_text(f"* {Path(f'{key}.pub').read_text()}")
    error = await failing(ssh_bed, "gpu01")
    assert (type(error), error.code, error.hop) == (Fatal, "unsupported", "gpu01")
    assert error.message.endswith("it offers ssh-rsa.")
    assert "HostKeyAlgorithms +ssh-rsa" in error.hint
    sshd.client = ["HostKeyAlgorithms +ssh-rsa"]
    ssh_bed.write_config()
    async with connect(ssh_bed, "gpu01") as connection:
        assert connection.host_key == fingerprint(key)


async def test_what_a_host_said_counts_though_it_hung_up_at_once(ssh_bed: SshBed) -> None:
    async def say_and_leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        names = [b"curve25519-sha256", b"ssh-ed25519", *[b"rot13"] * 2, *[b"hmac-sha2-256"] * 2]
        lists = b"".join(map(String, [*names, b"none", b"none", b"", b""]))
        payload = bytes([MSG_KEXINIT]) + bytes(16) + lists + bytes(5)
        padding = 4 + -(len(payload) + 9) % 8
        packet = UInt32(len(payload) + padding + 1) + bytes([padding]) + payload + bytes(padding)
        writer.write(b"SSH-2.0-brief\r\n" + packet)
        writer.close()

    sshd = ssh_bed.host("gpu01", start=False)
    async with await asyncio.start_server(say_and_leave, sshd.address, sshd.port):
        error = await failing(ssh_bed, "gpu01")
    assert error.code == "unsupported"
    assert "rot13" in error.message


async def test_a_host_that_offers_only_groups_of_its_own_is_left(ssh_bed: SshBed) -> None:
    """Group exchange: to check a large group would hold up every tunnel for minutes."""
    ssh_bed.host("gpu01", server=["KexAlgorithms diffie-hellman-group-exchange-sha256"])
    error = await failing(ssh_bed, "gpu01")
    assert error.code == "unsupported"


async def test_a_command_gets_its_words_and_input_as_they_are(connection: Connection) -> None:
    done = await connection.exec(["printf", "%s|", "a b", "$HOME", "; exit 3"])
    assert (done.stdout, done.status) == (b"a b|$HOME|; exit 3|", 0)
    done = await connection.exec(["sh", "-c", "cat >&2; exit 7"], b"to stderr")
    assert (done.stdout, done.stderr, done.status) == (b"", b"to stderr", 7)
    assert (await connection.exec(["sh", "-c", "kill -9 $$"])).status == 128


async def test_a_command_that_says_too_much(connection: Connection) -> None:
    with pytest.raises(Fatal, match="more than 1 MiB") as caught:
        await connection.exec(["cat", "/dev/zero"])
    assert caught.value.code == "too_many"
    await no_channels(connection)


async def test_a_host_without_commands(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", server=["MaxSessions 0"])
    async with connect(ssh_bed, "gpu01") as connection:
        with pytest.raises(Fatal, match="runs no command") as caught:
            await connection.exec(["true"])
        assert caught.value.code == "forward_refused"


async def test_read_file(connection: Connection, tmp_path: Path) -> None:
    file = tmp_path / "a b'c"
    file.write_bytes(b"\0data")
    assert await connection.read_file(str(file)) == b"\0data"
    with pytest.raises(Fatal, match="No such file") as caught:
        await connection.read_file(str(tmp_path / "missing"))
    assert caught.value.code == "not_found"
    file.write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(Fatal, match="more than 1 MiB"):
        await connection.read_file(str(file))


async def test_a_file_that_never_ends_is_given_up(connection: Connection, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    connection.hop = replace(connection.hop, connect_timeout=0.5)
    with pytest.raises(Transient, match=r"did not read .*fifo within 0.5 s") as caught:
        await connection.read_file(str(tmp_path / "fifo"))
    assert caught.value.code == "connect_timeout"
    os.close(os.open(tmp_path / "fifo", os.O_RDWR))  # and the remote command ends


async def test_no_file_that_was_named_is_waited_for(ssh_bed: SshBed, sshd: Sshd) -> None:
    fifo = str(ssh_bed.folder / "fifo")
    os.mkfifo(fifo)
    (hop,) = await route_to(ssh_bed, "gpu01")
    with pytest.raises(Fatal) as caught:
        await open_connection(replace(hop, known_hosts=(fifo,)), via=None)
    assert caught.value.code == "host_key_unknown"
    with pytest.raises(Fatal, match="fifo cannot be read") as caught:
        await open_connection(replace(hop, identities=(fifo,)), via=None)
    assert caught.value.code == "auth_failed"


async def test_close_is_told_and_idempotent(connection: Connection) -> None:
    await connection.close()
    await connection.close()
    assert connection.lost.result().code == "closed"
    with pytest.raises(Fatal, match="was closed"):
        await connection.rtt()
    with pytest.raises(Fatal, match="was closed"):
        await connection.exec(["true"])


async def test_a_killed_sshd_is_a_lost_connection(connection: Connection, sshd: Sshd) -> None:
    sshd.kill()
    error = await connection.lost
    assert isinstance(error, Transient)
    assert (error.code, error.hop) == ("connection_lost", "gpu01")


async def test_losing_a_jump_host_loses_what_went_through_it(ssh_bed: SshBed) -> None:
    gateway = ssh_bed.host("gw")
    ssh_bed.host("gpu01", client=["ProxyJump gw"])
    async with connect(ssh_bed, "gpu01") as connection:
        gateway.kill()
        assert isinstance(await connection.lost, Transient)


@pytest.mark.parametrize("count", [1, 2])
async def test_a_silent_line_is_noticed_after_interval_times_count(
    ssh_bed: SshBed, count: int
) -> None:
    interval = 2.0
    words = [f"ServerAliveInterval {interval:.0f}", f"ServerAliveCountMax {count}"]
    sshd = ssh_bed.host("gpu01", client=words)
    async with connect(ssh_bed, "gpu01") as connection:
        loop = asyncio.get_running_loop()
        with sshd.paused():
            paused = loop.time()
            error = await connection.lost
            waited = loop.time() - paused
        assert interval * (count - 0.5) < waited < interval * (count + 0.9)
        assert isinstance(error, Transient)
        assert "not responding" in error.message


async def test_a_line_on_which_nobody_says_anything_is_not_lost(ssh_bed: SshBed) -> None:
    """Where only one sign of life may be waited for, too: it is asked for in time."""
    words = ["ServerAliveInterval 1", "ServerAliveCountMax 1"]
    sshd = ssh_bed.host("gpu01", server=["LogLevel DEBUG1"], client=words)
    async with connect(ssh_bed, "gpu01") as connection:

        def asked() -> bool:
            return connection.lost.done() or sshd.log.count("rtype keepalive@openssh.com") > 2

        await asyncio.to_thread(wait_until, asked, "questions")
        assert not connection.lost.done()


async def test_the_round_trip_is_that_of_the_line(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", start=False)
    sshd.start()
    with Relay("127.0.0.1", sshd.port) as wire:
        options = SshOptions(
            port=wire.port,
            options=(f"HostKeyAlias=[127.0.0.1]:{sshd.port}",),
            config_file=str(ssh_bed.config_file),
        )
        async with connect(ssh_bed, "gpu01", options) as connection:
            assert await connection.rtt() < 0.03
            wire.delay = 0.1
            assert 0.2 <= await connection.rtt() < 0.4


async def test_an_unknown_host_key_is_refused_with_its_fingerprint(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", known=False)
    error = await failing(ssh_bed, "gpu01")
    assert isinstance(error, Fatal)
    assert (error.code, error.hop) == ("host_key_unknown", "gpu01")
    assert sshd.fingerprint in error.message
    assert f"-F {ssh_bed.config_file} gpu01”" in error.hint


async def test_a_changed_host_key_is_refused_with_both_fingerprints(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", start=False)
    before = sshd.fingerprint
    for file in (sshd.host_key, sshd.host_key.with_suffix(".pub")):
        file.unlink()
    make_key(sshd.host_key)
    sshd.start()
    error = await failing(ssh_bed, "gpu01")
    assert (error.code, error.hop) == ("host_key_changed", "gpu01")
    assert sshd.fingerprint in error.message
    assert before in error.message
    assert f"{ssh_bed.known_hosts} line 1" in error.message
    assert "ssh-keygen" in error.hint


async def test_a_changed_key_of_another_type_is_changed_too(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", start=False)
    sshd.host_key.unlink()
    make_key(sshd.host_key, kind="ecdsa")
    sshd.start()
    assert (await failing(ssh_bed, "gpu01")).code == "host_key_changed"


async def test_a_revoked_host_key(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01")
    with ssh_bed.known_hosts.open("a") as file:
        file.write(f"@revoked * {' '.join(sshd.known_hosts_line.split()[1:])}\n")
    error = await failing(ssh_bed, "gpu01")
    assert error.code == "host_key_revoked"
    assert "line 2" in error.message


async def test_an_unknown_jump_host_is_named_with_its_place(ssh_bed: SshBed) -> None:
    ssh_bed.host("gw", known=False)
    ssh_bed.host("gpu01", client=["ProxyJump gw"])
    error = await failing(ssh_bed, "gpu01")
    assert (error.code, error.hop) == ("host_key_unknown", "gw (hop 1 of 2)")


async def test_a_key_that_the_host_does_not_take(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01")
    sshd.authorized_keys.write_text("")
    error = await failing(ssh_bed, "gpu01")
    assert isinstance(error, Fatal)
    assert (error.code, error.hop) == ("auth_failed", "gpu01")
    assert "1 tried" in error.message


@pytest.mark.parametrize(
    ("server", "what"),
    [
        (["PasswordAuthentication yes"], "a password"),
        (["KbdInteractiveAuthentication yes", "UsePAM yes"], "a password or code"),
    ],
)
async def test_a_host_that_would_ask_needs_the_user(
    ssh_bed: SshBed, server: list[str], what: str
) -> None:
    sshd = ssh_bed.host("gpu01", server=[*server, "PermitRootLogin yes"])
    sshd.authorized_keys.write_text("")
    error = await failing(ssh_bed, "gpu01")
    assert isinstance(error, NeedsUser)
    assert what in error.message
    assert "ssh-copy-id" in error.hint


async def test_a_host_that_takes_no_keys_is_offered_none(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", server=["PubkeyAuthentication no", "PasswordAuthentication yes",
                                  "PermitRootLogin yes"])  # fmt: skip
    error = await failing(ssh_bed, "gpu01")
    assert isinstance(error, NeedsUser)
    assert re.fullmatch(r"gpu01 accepts no keys, and would ask \w+ for a password\.", error.message)
    assert "PubkeyAuthentication in the sshd of gpu01" in error.hint
    assert "ssh-copy-id" not in error.hint


async def test_a_second_factor_needs_the_user(ssh_bed: SshBed) -> None:
    ssh_bed.host(
        "gpu01",
        server=["AuthenticationMethods publickey,password", "PasswordAuthentication yes",
                "PermitRootLogin yes"],
    )  # fmt: skip
    assert isinstance(await failing(ssh_bed, "gpu01"), NeedsUser)


async def test_a_key_with_a_passphrase_needs_the_user_or_an_agent(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01")
    locked = make_key(ssh_bed.folder / "locked", passphrase="secret")
    shutil.copy(f"{locked}.pub", sshd.authorized_keys)
    options = SshOptions(config_file=str(ssh_bed.config_file), identities=(str(locked),))
    error = await failing(ssh_bed, "gpu01", options)
    assert isinstance(error, NeedsUser)
    assert f"{locked} has a passphrase" in error.message
    assert f"ssh-add {locked}" in error.hint


@pytest.mark.parametrize("public_file", [True, False])
async def test_the_agent_signs_for_a_file_that_cannot_be_read(
    ssh_bed: SshBed, public_file: bool
) -> None:
    """With IdentitiesOnly the agent's keys count where the configuration names them: known by the
    file's public half, which an OpenSSH key shows without its passphrase.
    """
    sshd = ssh_bed.host("gpu01")
    named = make_key(ssh_bed.folder / "named")
    shutil.copy(f"{named}.pub", sshd.authorized_keys)
    with ssh_bed.agent(ssh_bed.user_key, named) as agent:
        again = make_key_with_passphrase(named)
        if not public_file:
            Path(f"{again}.pub").unlink()
        options = SshOptions(
            config_file=str(ssh_bed.config_file),
            identities=(str(again),),
            agent_socket=str(agent),
        )
        async with connect(ssh_bed, "gpu01", options) as connection:
            assert (await connection.exec(["true"])).status == 0


def make_key_with_passphrase(key: Path) -> Path:
    """The same key under a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", key], check=True)
    return key


async def test_an_agent_that_is_gone_is_told(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01")
    sshd.authorized_keys.write_text("")
    options = SshOptions(config_file=str(ssh_bed.config_file), agent_socket="/nowhere/agent")
    assert "the agent at /nowhere/agent" in (await failing(ssh_bed, "gpu01", options)).message


async def test_nobody_listens(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", start=False)
    error = await failing(ssh_bed, "gpu01")
    assert isinstance(error, Transient)
    assert error.code == "connect_failed"
    assert f"127.0.0.1:{sshd.port}" in error.message


async def test_nobody_listens_behind_the_jump_host(ssh_bed: SshBed) -> None:
    ssh_bed.host("gw")
    ssh_bed.host("gpu01", client=["ProxyJump gw"], start=False)
    error = await failing(ssh_bed, "gpu01")
    assert isinstance(error, Transient)
    assert error.hop == "gpu01 (hop 2 of 2)"
    assert "gw (hop 1 of 2) could not connect" in error.message


async def test_a_jump_host_that_forbids_to_go_on(ssh_bed: SshBed) -> None:
    ssh_bed.host("gw", server=["PermitOpen none"])
    ssh_bed.host("gpu01", client=["ProxyJump gw"])
    error = await failing(ssh_bed, "gpu01")
    assert (error.code, error.hop) == ("forward_refused", "gw (hop 1 of 2)")


@pytest.mark.parametrize("name", ["no-such-host.invalid", ".Ç¬"])  # one that DNS cannot even hold
async def test_a_host_name_that_does_not_exist(ssh_bed: SshBed, name: str) -> None:
    ssh_bed.host("gpu01")
    options = SshOptions(config_file=str(ssh_bed.config_file), options=(f"HostName={name}",))
    error = await failing(ssh_bed, "gpu01", options)
    assert (error.code, type(error)) == ("host_unresolved", Transient)


async def test_a_black_hole_ends_after_the_timeout(ssh_bed: SshBed) -> None:
    with Namespace() as namespace:
        ssh_bed.host("gpu01", namespace=namespace, client=["ConnectTimeout 1"])
        namespace.link_down()
        error = await failing(ssh_bed, "gpu01")
        assert isinstance(error, Transient)
        assert error.code in ("connect_timeout", "network_unreachable")


async def test_a_server_that_says_nothing_ends_after_the_timeout(ssh_bed: SshBed) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        ssh_bed.host("gpu01", start=False)
        options = SshOptions(
            port=mute.getsockname()[1],
            config_file=str(ssh_bed.config_file),
            options=("ConnectTimeout=1",),
        )
        error = await failing(ssh_bed, "gpu01", options)
        assert (error.code, error.hop) == ("connect_timeout", "gpu01")


async def test_what_is_not_an_ssh_server(ssh_bed: SshBed) -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-1.5-old\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(web, "127.0.0.1", 0) as server:
        ssh_bed.host("gpu01", start=False)
        options = SshOptions(
            port=server.sockets[0].getsockname()[1], config_file=str(ssh_bed.config_file)
        )
        error = await failing(ssh_bed, "gpu01", options)
    assert error.code == "unsupported"
    assert "not an SSH 2 server" in error.message


@pytest.mark.parametrize("moment", ["begun", "asked to go on", "reached"])
async def test_a_cancelled_attempt_leaves_nothing(ssh_bed: SshBed, moment: str) -> None:
    gateway = ssh_bed.host("gw")
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.setblocking(False)
        ssh_bed.host("gpu01", client=["ProxyJump gw"], start=False)
        options = SshOptions(port=mute.getsockname()[1], config_file=str(ssh_bed.config_file))
        first, last = await route_to(ssh_bed, "gpu01", options)
        gate = await open_connection(first, via=None)
        before = descriptors(), task_names()
        with gateway.paused() if moment == "asked to go on" else contextlib.nullcontext():
            attempt = loop.create_task(open_connection(last, via=gate), name="attempt")
            if moment == "begun":
                await asyncio.sleep(0)
            elif moment == "asked to go on":
                await asyncio.to_thread(wait_until, lambda: open_channels(gate), "the question")
            else:
                connected, _ = await loop.sock_accept(mute)
                connected.close()
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt
        await no_channels(gate)
        await asyncio.to_thread(wait_until, lambda: not looks(), "the end of the look at a file")
        assert (descriptors(), task_names()) == before
        await gate.close()


async def test_a_proxy_command_of_the_users_configuration(ssh_bed: SshBed) -> None:
    gateway = ssh_bed.host("gw")
    jump = f"ssh -F {ssh_bed.config_file} -W %h:%p gw"
    ssh_bed.host("gpu01", client=[f"ProxyCommand {jump}"])
    async with connect(ssh_bed, "gpu01") as connection:
        assert (await connection.exec(["echo", "hi"])).stdout == b"hi\n"
        gateway.kill()
        assert isinstance(await connection.lost, Transient)


async def test_a_proxy_command_that_fails(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", client=["ProxyCommand false"])
    error = await failing(ssh_bed, "gpu01")
    assert isinstance(error, Transient)
    assert error.hop == "gpu01"
