"""The packets of streams: whatever the cipher, and however they come, a transfer is whole."""

import asyncio
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.spec import SshOptions
from tests.ssh.support import (
    PATIENCE,
    Forwarding,
    ask,
    connection_of,
    dialled,
    forwarding_to,
    tunnelled,
)
from tests.support.echo import digest, pattern, serve
from tests.support.lying_host import Liar
from tests.support.sshd import SshBed

pytestmark = pytest.mark.usefixtures("no_traceback")

MiB = 1 << 20

GCM = "aes128-gcm@openssh.com"
CHACHA = "chacha20-poly1305@openssh.com"
CIPHERS = (GCM, "aes256-gcm@openssh.com", CHACHA, "aes128-ctr")

WAYS = {
    "-L tcp": "-L 0:localhost:{port}",
    "-R tcp": "-R 0:localhost:{port}",
    "-L unix": "-L 0:{path}",
    "-R unix": "-R {folder}/{number}:{path}",
}


# All ciphers one way, and all ways with one cipher; the others take their time.
each_cipher_and_way = pytest.mark.parametrize(
    ("cipher", "way"),
    [
        pytest.param(
            cipher, way, marks=[] if cipher == GCM or way == "-L tcp" else [pytest.mark.long]
        )
        for cipher in CIPHERS
        for way in WAYS
    ],
)


def options(bed: SshBed, cipher: str = GCM, *, compression: bool = False) -> SshOptions:
    return SshOptions(
        config_file=str(bed.config_file),
        ciphers=cipher,
        macs="hmac-sha2-256",
        compression=compression,
    )


async def assert_whole(
    forwarding: Forwarding, size: int, way: str = "-L tcp", folder: Path | None = None
) -> None:
    """So many bytes go up, and as many come down at the same time, each through a stream."""
    unix = way.endswith("unix")
    with serve("sink", unix=unix) as sink, serve("source", unix=unix, size=size) as source:
        bound = []
        for number, server in enumerate((sink, source)):
            where = {"path": server.path} if unix else {"port": server.port}
            spec = WAYS[way].format(**where, folder=folder, number=number)
            bound.append((await forwarding.open(spec)).bound)
        sent, got = await asyncio.gather(ask(bound[0], pattern(size)), ask(bound[1], b""))
    assert sent.decode() == digest(got) == digest(pattern(size))


@each_cipher_and_way
async def test_a_transfer_is_whole(ssh_bed: SshBed, short_dir: Path, cipher: str, way: str) -> None:
    ssh_bed.host("gpu01")
    async with forwarding_to(ssh_bed, "gpu01", options(ssh_bed, cipher)) as forwarding:
        connection = connection_of(forwarding)
        await connection.rtt()
        assert connection._ssh.get_extra_info("recv_cipher") == cipher
        await assert_whole(forwarding, (64 if "tcp" in way else 8) * MiB, way, short_dir)


@each_cipher_and_way
async def test_a_compressed_transfer_is_whole(
    ssh_bed: SshBed, short_dir: Path, cipher: str, way: str
) -> None:
    ssh_bed.host("gpu01")
    wanted = options(ssh_bed, cipher, compression=True)
    async with forwarding_to(ssh_bed, "gpu01", wanted) as forwarding:
        ssh = connection_of(forwarding)._ssh
        assert ssh.get_extra_info("recv_compression") == "zlib@openssh.com"
        await assert_whole(forwarding, MiB, way, short_dir)


# New keys.


@pytest.mark.parametrize("asked_by", ["sshd", "us", "both"])
@pytest.mark.parametrize("cipher", [GCM, CHACHA])
async def test_new_keys_in_a_transfer_lose_nothing(
    ssh_bed: SshBed, cipher: str, asked_by: str
) -> None:
    limit = [] if asked_by == "us" else ["RekeyLimit 1M"]
    sshd = ssh_bed.host("gpu01", server=[*limit, "LogLevel DEBUG1"])
    async with forwarding_to(ssh_bed, "gpu01", options(ssh_bed, cipher)) as forwarding:
        if asked_by != "sshd":
            connection_of(forwarding)._ssh._rekey_bytes = MiB
        await assert_whole(forwarding, 16 * MiB)
    assert sshd.log.count("rekey in after") > 8


async def test_a_cipher_that_counts_packets_takes_over_at_the_right_number(ssh_bed: SshBed) -> None:
    """With hosts that know no strict key exchange, the numbers of packets go on under new keys."""
    liar = Liar()
    async with tunnelled(ssh_bed, liar, PATIENCE) as forwarding:
        ssh = connection_of(forwarding)._ssh
        for cipher in (GCM, CHACHA, GCM, CHACHA):
            liar.connection._strict_kex = ssh._strict_kex = False
            liar.connection._enc_algs = [cipher.encode()]
            liar.exchange_keys()
            await assert_whole(forwarding, 2 * MiB)
            assert ssh.get_extra_info("recv_cipher") == cipher
            assert ssh.get_extra_info("send_cipher") == cipher


# Pieces.


@pytest.mark.parametrize(
    ("piece", "size"), [(1, 20_000), (15, MiB), (16, MiB), (17, MiB), (31, MiB), (MiB, 16 * MiB)]
)
async def test_packets_come_in_pieces_of_any_size(
    forwarding: Forwarding, piece: int, size: int
) -> None:
    connection_of(forwarding).flow.transport.max_size = piece  # bytes that asyncio reads at once
    await assert_whole(forwarding, size)
    with serve("echo") as echo:
        forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
        async with asyncio.timeout(PATIENCE), dialled(forward.bound) as (reader, writer):
            for length in range(1, 100):  # in packets of every length of padding
                writer.write(pattern(length))
                assert await reader.readexactly(length) == pattern(length)
