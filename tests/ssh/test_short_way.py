"""The short way of the packets of streams: who takes it, and that its cipher is asyncssh's."""

import logging
import re
from collections.abc import Iterator

import asyncssh
import pytest
from asyncssh.crypto.cipher import GCMCipher
from asyncssh.encryption import GCMEncryption
from hypothesis import given
from hypothesis import strategies as st

from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.ssh import packets
from jupyter_remote_tunnel.ssh.packets import Gcm
from tests.ssh.support import Forwarding, ask, connection_of, dialled, forwarding_to
from tests.support.echo import digest, pattern, serve
from tests.support.sshd import SshBed

SIZE = 256 << 10
"""Bytes of a transfer. Each that goes the long way is printed here."""

_DATA_PACKET = re.compile(r"(Sent|Received) (?:MSG_CHANNEL_DATA \(94\)|packet type 94),")


@pytest.fixture
def packet_log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The log, with a line for each packet that asyncssh takes or makes itself."""
    asyncssh.set_debug_level(3)
    with caplog.at_level(logging.DEBUG, "asyncssh"):
        yield caplog
    asyncssh.set_debug_level(1)


def data_packets(log: pytest.LogCaptureFixture) -> set[str]:
    """In which directions packets with the data of streams went the long way."""
    found = (_DATA_PACKET.search(record.getMessage()) for record in log.records)
    return {match[1] for match in found if match}


async def channels_of(forwarding: Forwarding) -> set[type]:
    """What carries streams to a port and to a Unix socket, after a transfer over each."""
    found = set()
    for unix in (False, True):
        with serve("echo", unix=unix) as echo:
            destination = echo.path if unix else f"localhost:{echo.port}"
            forward = await forwarding.open(f"-L 0:{destination}")
            assert digest(await ask(forward.bound, pattern(SIZE))) == digest(pattern(SIZE))
            async with dialled(forward.bound) as (reader, writer):
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"
                found |= {type(channel) for channel in all_channels(forwarding)}
    return found


def all_channels(forwarding: Forwarding) -> list[object]:
    return list(connection_of(forwarding)._ssh._channels.values())


def ciphers_of(forwarding: Forwarding) -> set[type]:
    """What encrypts each direction."""
    ssh = connection_of(forwarding)._ssh
    found = set()
    for encryption in (ssh._recv_encryption, ssh._send_encryption):
        assert isinstance(encryption, GCMEncryption)
        found.add(type(encryption._cipher))
    return found


async def test_streams_go_the_short_way(
    ssh_bed: SshBed, packet_log: pytest.LogCaptureFixture
) -> None:
    assert packets.KNOWN, "the tests are to be run with a version that is said to have passed them"
    ssh_bed.host("gpu01")
    async with forwarding_to(ssh_bed, "gpu01") as forwarding:
        assert await channels_of(forwarding) == {packets.TcpStream, packets.UnixStream}
        assert ciphers_of(forwarding) == {Gcm}
    assert data_packets(packet_log) == set()


async def test_with_an_asyncssh_that_is_not_known_they_go_the_long_way(
    ssh_bed: SshBed, packet_log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packets, "KNOWN", False)
    ssh_bed.host("gpu01")
    async with forwarding_to(ssh_bed, "gpu01") as forwarding:
        assert await channels_of(forwarding) == {asyncssh.SSHTCPChannel, asyncssh.SSHUNIXChannel}
        assert ciphers_of(forwarding) == {GCMCipher}
    assert data_packets(packet_log) == {"Sent", "Received"}


@pytest.mark.parametrize(
    ("cipher", "compression"), [("chacha20-poly1305@openssh.com", False), (None, True)]
)
async def test_what_is_not_plain_gcm_goes_the_long_way(
    ssh_bed: SshBed,
    packet_log: pytest.LogCaptureFixture,
    cipher: str | None,
    compression: bool,
) -> None:
    ssh_bed.host("gpu01")
    options = SshOptions(
        config_file=str(ssh_bed.config_file), ciphers=cipher, compression=compression
    )
    async with forwarding_to(ssh_bed, "gpu01", options) as forwarding:
        await channels_of(forwarding)
    assert data_packets(packet_log) == {"Sent", "Received"}


# The cipher.

KEY = st.binary(min_size=16, max_size=16) | st.binary(min_size=32, max_size=32)
IV = st.binary(min_size=12, max_size=12) | st.just(b"\xff" * 12)
LENGTH = st.binary(min_size=4, max_size=4)
PACKET = st.binary(max_size=80)


def both(key: bytes, iv: bytes) -> tuple[Gcm, GCMCipher]:
    """Ours and theirs, of the same key."""
    name = f"aes{len(key) * 8}-gcm"
    return Gcm(GCMCipher(name, key, iv)), GCMCipher(name, key, iv)


@given(KEY, IV, st.lists(st.tuples(st.booleans(), LENGTH, PACKET)))
def test_it_seals_as_asyncssh_does(
    key: bytes, iv: bytes, steps: list[tuple[bool, bytes, bytes]]
) -> None:
    ours, theirs = both(key, iv)
    for short, length, packet in steps:
        expected = theirs.encrypt_and_sign(length, packet)
        if short:
            assert length + ours.seal(length, packet) == b"".join(expected)
        else:
            assert ours.encrypt_and_sign(length, packet) == expected


@given(KEY, IV, st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans(), PACKET)))
def test_it_opens_as_asyncssh_does(
    key: bytes, iv: bytes, steps: list[tuple[int, bool, bool, bytes]]
) -> None:
    """However often a packet is looked at, whoever takes it then, and if it is forged."""
    ours, theirs = both(key, iv)
    _, sender = both(key, iv)
    for looks, short, forged, packet in steps:
        length = len(packet).to_bytes(4)
        whole, tag = sender.encrypt_and_sign(length, packet)
        if forged:
            tag = bytes([tag[0] ^ 1]) + tag[1:]
        expected = theirs.verify_and_decrypt(length, whole[4:], tag)
        assert expected == (None if forged else packet)
        for _ in range(looks):
            assert ours.look(memoryview(length), memoryview(whole[4:] + tag)) == expected
        if looks and short:
            ours.taken()
        else:
            assert ours.verify_and_decrypt(length, whole[4:], tag) == expected
