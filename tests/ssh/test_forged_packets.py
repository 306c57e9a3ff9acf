"""Packets that somebody on the way has altered: nothing of them arrives, nor of what comes after
them, and their connection ends."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable

import pytest

from jupyter_remote_tunnel.model.spec import SshOptions
from tests.ssh.packet_scene import GCM, MiB, elsewhere, lied_to, lost, rest_of
from tests.ssh.support import MANY, PATIENCE, Forwarding, dialled, forwarding_to
from tests.support.echo import pattern, serve
from tests.support.relay import Relay
from tests.support.sshd import SshBed

pytestmark = pytest.mark.usefixtures("no_traceback")


def flipped(at: int, bit: int) -> Callable[[list[bytes]], list[bytes]]:
    """One bit of the first packet is another."""

    def flip(packets: list[bytes]) -> list[bytes]:
        first = bytearray(packets[0])
        first[at] ^= bit
        return [bytes(first), *packets[1:]]

    return flip


FORGED: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "a longer length": flipped(3, 0x10),
    "a shorter length": flipped(3, 0x30),
    "the length of the padding": flipped(4, 1),
    "the type": flipped(5, 1),
    "the channel": flipped(9, 1),
    "the data": flipped(20, 0x80),
    "the padding": flipped(-17, 1),
    "the first of the tag": flipped(-16, 1),
    "the last of the tag": flipped(-1, 1),
    "one left out": lambda packets: packets[1:],
    "one sent again": lambda packets: [packets[0], *packets],
    "two changed over": lambda packets: [packets[1], packets[0], *packets[2:]],
}


@pytest.mark.parametrize("what", FORGED)
async def test_what_is_forged_ends_the_connection(ssh_bed: SshBed, what: str) -> None:
    async with lied_to(ssh_bed) as scene:
        liar, reader = scene.liar, scene.stream[0]
        liar.connection._send(b"".join(liar.pieces()))
        assert (await reader.readexactly(9 * 7)).endswith(b"piece 7piece 8")
        liar.connection._send(b"".join(FORGED[what](liar.pieces())))
        error = await lost(scene.forwarding, scene.forward)
        assert "MAC verification failed" in error.message
        assert await rest_of(reader) in good(what)


def good(what: str) -> tuple[bytes, ...]:
    """What may arrive: whatever came before, or nothing where the reset was faster."""
    return (b"piece 0", b"") if what == "one sent again" else (b"",)


FOUND = r"MAC verification failed|A packet of \d+ bytes|Max packet size exceeded"
"""The last two if the bit is one of a length."""


class Flip:
    """Flips one bit of a stream of bytes, `at` bytes from where it is put into it."""

    def __init__(self, at: int) -> None:
        self._left = at

    def __call__(self, data: bytes) -> bytes:
        at, self._left = self._left, self._left - len(data)
        if not 0 <= at < len(data):
            return data
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@contextlib.asynccontextmanager
async def through(wire: Relay, bed: SshBed, options: SshOptions) -> AsyncIterator[Forwarding]:
    """Forwards over a connection to gpu01 that passes a relay."""
    key = f"[127.0.0.1]:{bed.hosts['gpu01'].port}"
    bed.write_config(f"Host gpu01\n    Port {wire.port}\n    HostKeyAlias {key}\n")
    async with forwarding_to(bed, "gpu01", options) as forwarding:
        yield forwarding


@pytest.mark.parametrize("at", [5 * MiB, 9 * MiB + 7, 20 * MiB + 12345])
@pytest.mark.parametrize("cipher", [GCM, "chacha20-poly1305@openssh.com"])
async def test_a_bit_that_flips_on_the_way_is_found(ssh_bed: SshBed, cipher: str, at: int) -> None:
    """Nothing of the packet that it is in arrives, nor what comes after it."""
    sshd = ssh_bed.host("gpu01")
    options = SshOptions(config_file=str(ssh_bed.config_file), ciphers=cipher)
    with serve("source", size=MANY) as source, Relay("127.0.0.1", sshd.port) as wire:
        async with elsewhere(ssh_bed), through(wire, ssh_bed, options) as forwarding:
            forward = await forwarding.open(f"-L 0:localhost:{source.port}")
            wire.spoil = Flip(at)
            async with asyncio.timeout(PATIENCE), dialled(forward.bound) as stream:
                error, got = await asyncio.gather(lost(forwarding, forward), rest_of(stream[0]))
        assert re.search(f"gpu01 was lost: ({FOUND})", error.message)
        assert 0 < len(got) < at
        assert pattern(MANY).startswith(got)
