"""Clients that come in masses, or hold a listener up by hardly saying anything: every listener."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from jupyter_remote_tunnel.ssh import socks_ends
from tests.faults.conftest import QUICK, Engine, StartEngine
from tests.ssh.support import PATIENCE, Stream, ask, dialled, forwarding_to
from tests.support.echo import Server, serve
from tests.support.sshd import SshBed, Sshd
from tests.views.lab import Browser, lab

MOST = 10
FLOOD = 200


@pytest.fixture
async def limited(start_engine: StartEngine) -> AsyncIterator[Engine]:
    """An engine that lets `MOST` streams pass a forward."""
    async with start_engine(replace(QUICK, max_streams=MOST)) as engine:
        yield engine


def socks_request(port: int) -> bytes:
    """What a client of SOCKS 5 sends for a port of the remote host."""
    return b"\5\1\0" + b"\5\1\0\1\x7f\0\0\1" + port.to_bytes(2)


@pytest.mark.parametrize(
    "listener", ["tcp", "private", "unix", "socks", "remote", "socks of the remote host"]
)
async def test_more_than_may_pass_are_refused(
    limited: Engine, short_dir: Path, listener: str
) -> None:
    """All of them at once. Those that are in stay, other tunnels do not notice, and it works again
    afterwards.
    """
    with serve("echo") as echo:
        there = f"127.0.0.1:{echo.port}"
        spec = {
            "tcp": f"-L 0:{there}",
            "private": f"-L private:{there}",
            "unix": f"-L {short_dir / 'forward'}:{there}",
            "socks": "-D 0",
            "remote": f"-R 0:{there}",
            "socks of the remote host": "-R 0",
        }[listener]
        tunnel = await limited.open(spec)
        other = await limited.open(f"-L 0:{there}", "-L private:localhost:1")
        bound = dialable(tunnel.forwards[0].bound)
        early = socks_request(echo.port) if "socks" in listener else b""
        async with contextlib.AsyncExitStack() as stack:
            inside = [await stack.enter_async_context(dialled(bound)) for _ in range(MOST)]
            for stream in inside:
                await talk(stream, early, b"hello")
            await asyncio.gather(*(refused(bound) for _ in range(FLOOD)))
            assert (await limited.refusal(tunnel.id)).code == "too_many"
            for stream in inside:
                await talk(stream, b"", b"goes on")
            assert await ask(other.forwards[0].bound, b"other") == b"other"
        await limited.idle(tunnel.id, MOST + FLOOD)
        assert (await ask(bound, early + b"again")).endswith(b"again")
        assert (await limited.idle(tunnel.id)).error is None


def dialable(bound: str | None) -> str:
    """Where a forward listens, also where that is told by name: the remote host is this machine."""
    return (bound or "").replace("localhost", "127.0.0.1")


async def talk(stream: Stream, early: bytes, question: bytes) -> None:
    """Ask an echo, and wait for the answer."""
    reader, writer = stream
    writer.write(early + question)
    async with asyncio.timeout(PATIENCE):
        await reader.readuntil(question)


async def refused(bound: str) -> None:
    """Connect, and see that nothing but an end comes."""
    with contextlib.suppress(ConnectionResetError):  # that soon, even
        async with asyncio.timeout(PATIENCE), dialled(bound) as (reader, _):
            assert await reader.read() == b""


socks = pytest.mark.parametrize("spec", ["-D 0", "-R 0"], ids=["here", "at the remote host"])


@socks
async def test_a_socks_client_that_speaks_without_end(
    ssh_bed: SshBed, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    """A byte now and then does not put off the end of its time."""
    monkeypatch.setattr(socks_ends, "REQUEST_TIMEOUT", 0.3)
    async with forwarding_to(ssh_bed, "gpu01") as forwarding:
        forward = await forwarding.open(spec)
        bound = dialable(forward.bound)
        async with asyncio.timeout(PATIENCE), dialled(bound) as (reader, writer):
            writer.write(b"\4\1\0\x50\x7f\0\0\1")  # and a user's name that does not end
            while not reader.at_eof() and reader.exception() is None:
                writer.write(b"x")
                await asyncio.sleep(0.02)  # slow is what it is meant to be
        await forwarding.until(lambda: forward.streams_open == 0)
        assert forward.last_error is not None
        assert "made no request for 0.3 s" in forward.last_error.message


@socks
async def test_a_socks_client_that_speaks_too_much(ssh_bed: SshBed, sshd: Sshd, spec: str) -> None:
    async with forwarding_to(ssh_bed, "gpu01") as forwarding:
        forward = await forwarding.open(spec)
        for nonsense in (b"\4\1\0\x50\x7f\0\0\1" + b"x" * 1_000_000, b"\xff" * 1_000_000):
            with contextlib.suppress(ConnectionError):
                assert await ask(dialable(forward.bound), nonsense) == b""
            await forwarding.until(lambda: forward.streams_open == 0)
            assert forward.last_error is not None
            assert "SOCKS" in forward.last_error.message
            forward.last_error = None


async def test_more_requests_than_may_pass_to_an_application(limited: Engine) -> None:
    """Each takes a stream of the private socket; this application waits for the end of each."""
    with serve("reply") as waits, lab() as jupyter:
        tunnel = await limited.open(f"-L private:127.0.0.1:{waits.port}")
        async with Browser(jupyter) as browser, asyncio.TaskGroup() as group:
            view = await browser.open(jupyter.add(tunnel.forwards[0].bound))
            waiting = [group.create_task(hang(browser, view), name="hangs") for _ in range(MOST)]
            await asyncio.to_thread(waits.wait_for, all_are_there)
            for _ in range(FLOOD // 10):
                async with browser.get(view) as answer:
                    assert answer.status == 502
            async with browser.http.get(jupyter.url + "api/status") as answer:
                assert answer.status == 200
            assert (await limited.refusal(tunnel.id)).code == "too_many"
            for task in waiting:
                task.cancel()
        await limited.idle(tunnel.id)


def all_are_there(server: Server) -> bool:
    return server.live == MOST


async def hang(browser: Browser, view: str) -> None:
    """A request whose answer never comes."""
    with contextlib.suppress(aiohttp.ClientError):
        async with browser.get(view):
            raise AssertionError("it answered")
