"""The client of a control socket: events, calls that fail or wait, sockets without an engine, and
what it costs to import."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_remote_tunnel.engine.client import LOST, EngineClient, Event
from jupyter_remote_tunnel.engine.messages import MAX_LINE
from jupyter_remote_tunnel.model.errors import Fatal, Transient
from tests.engine.talking import Answers
from tests.support.process import engines_below


async def test_events_come_in_order_and_end_with_the_connection(
    answers: Answers, short_dir: Path
) -> None:
    heard: list[Event] = []
    client = await EngineClient.connect(short_dir / "s", "shell", on_event=heard.append)
    events = client.events()
    answers.subscribers[0].event("tunnel", {"id": "a", "state": "open"}, "a")
    assert await anext(events) == Event("tunnel", {"id": "a", "state": "open"})
    answers.subscribers[0].event("removed", {"tunnel": "a"}, "a")
    assert await anext(events) == Event("removed", {"tunnel": "a"})
    await client.close()
    assert [event async for event in events] == []
    assert [event.name for event in heard] == ["tunnel", "removed", LOST.name]
    assert [event async for event in client.events()] == []


async def test_a_call_that_takes_too_long(answers: Answers, short_dir: Path) -> None:
    client = await EngineClient.connect(short_dir / "s", "shell")
    with pytest.raises(Fatal, match=r"did not answer ping in 0\.1 s") as caught:
        await client.call("ping", timeout=0.1)
    assert caught.value.code == "engine_unavailable"
    answers.go.set()
    await client.ping()  # the late answer to the first disturbs nobody
    await client.close()


async def test_a_call_that_waits_when_the_client_closes(answers: Answers, short_dir: Path) -> None:
    client = await EngineClient.connect(short_dir / "s", "shell")
    asking = asyncio.get_running_loop().create_task(client.ping(), name="ping")
    await answers.begun.get()
    await client.close()
    for call in (asking, client.ping()):
        with pytest.raises(Transient) as caught:
            await call
        assert caught.value.code == "engine_died"


async def test_a_request_that_is_too_long_is_not_sent(answers: Answers, short_dir: Path) -> None:
    answers.go.set()
    client = await EngineClient.connect(short_dir / "s", "shell")
    with pytest.raises(Fatal, match="too long"):
        await client.call("ping", {"x": "x" * MAX_LINE})
    await client.ping()
    await client.close()


async def test_nobody_listens(short_dir: Path) -> None:
    with pytest.raises(Fatal, match="Nobody answers") as caught:
        await EngineClient.connect(short_dir / "none", "shell")
    assert caught.value.code == "engine_unavailable"


async def test_a_listener_that_never_answers(short_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(short_dir / "s"))
        listener.listen()
        with pytest.raises(Fatal, match=r"did not answer within 0\.2 s"):
            await EngineClient.connect(short_dir / "s", "shell", timeout=0.2)


async def test_a_listener_that_is_no_engine(short_dir: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(talk, short_dir / "s")
    async with server:
        with pytest.raises(Fatal, match="did not answer"):
            await EngineClient.connect(short_dir / "s", "shell", timeout=0.3)


def test_importing_what_a_server_or_a_kernel_needs_is_cheap() -> None:
    script = """
import sys
before = set(sys.modules)
from jupyter_remote_tunnel.engine import background, client, discovery, holder, sync
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(new - set(sys.stdlib_module_names)))
"""
    shown = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == ["jupyter_remote_tunnel"]


def test_an_engine_is_not_started_by_hand() -> None:
    tried = subprocess.run(
        [sys.executable, "-m", "jupyter_remote_tunnel.engine"],
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode == 1
    assert "not by hand" in tried.stderr
    assert "Traceback" not in tried.stderr
    assert engines_below(os.getpid()) == []
