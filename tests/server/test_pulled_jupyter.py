"""What answers as a Jupyter of another host may be anything."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from jupyter_remote_tunnel.apps.jupyter_files import FoundJupyter, JupyterServer
from jupyter_remote_tunnel.model.address import TcpAddress
from jupyter_remote_tunnel.model.publication import Check, PublishRequest
from jupyter_remote_tunnel.server.pulled_jupyter import PulledJupyter

SERVER = JupyterServer("http://x/", "127.0.0.1:8888", "/home/ann", "2", 7, "token")
TOKEN = "0123456789abcdef" * 3
FOUND = FoundJupyter(SERVER, TcpAddress("127.0.0.1", 8888), "/", False, TOKEN)
REQUEST = PublishRequest(gateway="ws", name="j.example.org")
API = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"version": "2"}'
REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"


@contextlib.asynccontextmanager
async def answering(
    path: Path, answers: Mapping[bytes, bytes], other: bytes
) -> AsyncIterator[None]:
    """Whoever asks for a path gets those bytes, and then the end of the connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(answers.get(head.split()[1], other))
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, path)
    try:
        yield
    finally:
        server.close()


async def judge(path: Path, answers: Mapping[bytes, bytes], other: bytes = REFUSED) -> list[Check]:
    async with answering(path, answers, other):
        return [check async for check in PulledJupyter(FOUND, str(path), REQUEST, "ws").checks()]


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\0" * 100,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000,
        b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"version":1}',
        b'HTTP/1.1 500 No\r\nContent-Length: 16\r\n\r\n{"version": "2"}',
        b"HTTP/1.1 302 Found\r\nLocation: /api\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
    ],
)
async def test_what_is_no_jupyter(short_dir: Path, said: bytes) -> None:
    (only,) = await judge(short_dir / "s", {}, said)
    assert (only.name, only.verdict) == ("jupyter", "failed")
    assert only.says.isprintable()
    assert len(only.says) < 500


async def test_what_it_says_is_plain(short_dir: Path) -> None:
    version = b'{"version": "\\u001b[31m\\u202e' + b"9" * 1000 + b'"}'
    said = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(version), version)
    allowed = b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: https://\xff\x7f\r\n\r\n"
    checks = await judge(short_dir / "s", {b"/api": said, b"/login": allowed})
    assert checks[0].verdict == "ok"
    for check in checks:
        assert check.says.isprintable(), check
        assert len(check.says) < 500


async def test_one_that_takes_everything(short_dir: Path) -> None:
    """Files and tokens alike: it asks for nothing."""
    checks = await judge(short_dir / "s", {}, API)
    assert "password" in [check.name for check in checks if check.verdict == "failed"]


async def test_one_that_does_not_tell(short_dir: Path) -> None:
    """Whether it would let anybody in."""
    broken = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    checks = await judge(short_dir / "s", {b"/api": API}, broken)
    (password,) = [check for check in checks if check.name == "password"]
    assert password.verdict == "failed"
    assert "500" in password.says


async def test_nobody_is_there(short_dir: Path) -> None:
    (only,) = [
        check async for check in PulledJupyter(FOUND, f"{short_dir}/s", REQUEST, "ws").checks()
    ]
    assert only.verdict == "failed"
    assert "No such file" in only.says
