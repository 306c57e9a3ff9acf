"""Whatever is said to the control socket, the engine goes on: each client is answered in the
protocol or hung up on, nobody else notices, nothing is left of it, and the log holds no traceback.
"""

import asyncio
import json
import os
import reprlib
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from jupyter_remote_tunnel.engine.client import EngineClient
from jupyter_remote_tunnel.engine.control import ControlServer
from jupyter_remote_tunnel.engine.holder import Holder
from jupyter_remote_tunnel.engine.messages import EVENTS, MAX_LINE, METHODS
from jupyter_remote_tunnel.engine.service import Service
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import TunnelRequest
from jupyter_remote_tunnel.tunnels.tasks import Tasks
from tests.engine.conftest import Folders
from tests.engine.talking import HELLO
from tests.support.fuzzing import json_values, mutated_bytes, mutated_json, share
from tests.support.process import wait_until
from tests.support.sshd import SshBed

# Seconds in which a client is answered, or hung up on, or another one served.
BOUND = 30

# What a client may say.

REQUEST = {
    "host": "gpu01",
    "forwards": ["-L 0:localhost:9", "-D 0"],
    "name": "work",
    "ssh": {
        "user": "ann",
        "port": 22,
        "jump": "gpu01",
        "identities": ["/nowhere/key"],
        "options": ["Compression=yes"],
        "address_family": "inet",
    },
    "on_conflict": "pick",
}
WANTED = {
    "id": "0123456789ab",
    "request": {"host": "gpu01", "forwards": ["-L private:localhost:9"]},
    "source": "saved",
    "bound": ["127.0.0.1:0"],
    "opened": False,
}
PARAMS: dict[str, list[dict[str, Any]]] = {
    "hello": [HELLO["params"]],  # type: ignore[list-item]  # its params are such a dictionary
    "ping": [{}],
    "tunnels.list": [{}, {"request": {"host": "gpu01", "ssh": {"user": "ann"}}}],
    "hosts.list": [{}],
    "tunnels.open": [
        {"request": REQUEST, "source": "user", "person": {"login": "ann", "name": "Ann"}},
        {"request": {"command": "ssh -NfL 0:localhost:9 -J gpu01 gpu01 -p 22"}},
        {"request": {"host": "gpu01", "forwards": ["-R 0:localhost:9"], "kind": "application"}},
        {"request": {"host": "gpu01", "forwards": ["-L private/k-1:/r/k"], "id": "0123456789ab"}},
    ],
    "tunnels.get": [{"tunnel": "work"}],
    "tunnels.close": [{"tunnel": "work", "drain": 0.01}, {"tunnel": "0123456789ab"}],
    "tunnels.restart": [{"tunnel": "0123456789ab"}, {"tunnel": "work", "person": {}}],
    "exec": [
        {"request": {"host": "gpu01"}, "argv": ["true"], "stdin": "YQ==", "timeout": 1.0},
        {"request": {"host": "gpu01"}, "argv": ["true"], "stdin": "ä"},
        {"tunnel": "work", "argv": ["true"]},
    ],
    "jupyters.how_to_start": [
        {"request": {"host": "gpu01"}},
        {"request": {"host": "gpu01"}, "prelude": "conda activate lab"},
    ],
    "read_file": [{"request": {"host": "gpu01"}, "path": "/nowhere"}],
    "hosts.resolve": [{"request": {"host": "gpu01"}}],
    "doctor": [
        {"request": {"host": "gpu01"}, "walk": "1", "steps": True, "person": {"login": "ann"}}
    ],
    "doctor.end": [{"walk": "1"}],
    "prompts.list": [{"person": {"login": "ann"}}, {}],
    "prompts.answer": [
        {"prompt": "0123456789ab", "person": {}, "answers": ["secret"], "remember": True}
    ],
    "prompts.cancel": [{"prompt": "0123456789ab", "person": {"login": "ann"}}],
    "server.ask": [{"ask": "1", "question": "publish.list", "params": {"name": "x"}}],
    "server.tell": [{"ask": "1", "line": {"check": {}}}],
    "server.answer": [
        {"ask": "1", "result": {"ok": True}},
        {"ask": "1", "error": {"code": "closed", "message": "No.", "hint": "", "hop": None}},
    ],
    "holder.restore": [{"tunnels": [WANTED, {**WANTED, "id": "ba9876543210"}]}],
}
MESSAGES = [
    {"id": number, "method": method, "params": params}
    for number, (method, kinds) in enumerate(PARAMS.items())
    for params in kinds
]


def _line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


lines = st.one_of(
    st.sampled_from(MESSAGES).flatmap(mutated_json).map(_line),
    st.sampled_from(MESSAGES).flatmap(mutated_json).map(_line),
    st.sampled_from(MESSAGES).map(_line),
    st.sampled_from(MESSAGES).map(_line).flatmap(mutated_bytes),
    json_values.map(_line),
    st.binary(max_size=60),
    st.sampled_from([b"x" * (MAX_LINE + 1), b"\n" * 1000, b'{"id":' * 300_000 + b"\n"]),
)
greetings = st.one_of(
    *[st.just({**HELLO, "params": {**PARAMS["hello"][0], "client": who}})
      for who in ("shell", "server", "cell", "holder")],
    mutated_json(HELLO),
).map(_line)  # fmt: skip


cut = reprlib.Repr()
cut.maxother = 2000


@dataclass(frozen=True)
class Visit:
    """What one client says, where that is cut in packets, and how it goes."""

    said: bytes
    cuts: list[int]
    ends: str

    def __repr__(self) -> str:
        """Not all of a line of megabytes: Hypothesis would warn of it in place of the failure."""
        return f"Visit({len(self.said)} bytes: {cut.repr(self.said)}, {self.cuts}, {self.ends})"


@st.composite
def visits(draw: st.DrawFn) -> Visit:
    greeting = draw(greetings) if draw(st.integers(0, 9)) else b""
    said = b"".join([greeting, *draw(st.lists(lines, max_size=6))])
    cuts = draw(st.lists(st.integers(0, len(said)), max_size=3).map(sorted))
    return Visit(said, cuts, draw(st.sampled_from(["waits", "half", "leaves", "resets"])))


def test_every_method_is_among_them() -> None:
    assert PARAMS.keys() == METHODS.keys()


# What becomes of it.


LAST = {"id": 2**53, "method": "ping"}


async def say(path: Path, visit: Visit) -> bytes:
    """All that the engine answers until the visit ends."""
    async with asyncio.timeout(BOUND):
        reader, writer = await asyncio.open_unix_connection(path, limit=2 * MAX_LINE)
        try:
            for start, stop in zip([0, *visit.cuts], [*visit.cuts, None], strict=True):
                writer.write(visit.said[start:stop])
                await writer.drain()
            return await hear(reader, writer, visit)
        except ConnectionError:
            return b""  # it hung up
        finally:
            if visit.ends == "resets":
                writer.transport.abort()
            writer.close()


async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, visit: Visit) -> bytes:
    """What it says to one who waits until the last request is answered, or until it hangs up."""
    match visit.ends:
        case "waits":
            gap = b"" if visit.said.endswith(b"\n") else b"\n"
            writer.write(gap + _line(LAST))
        case "half":
            writer.write_eof()
        case _:
            return b""
    heard = b""
    while line := await reader.readline():
        heard += line
        if json.loads(line).get("id") == LAST["id"]:
            break
    return heard


def judge(heard: bytes) -> None:
    """Each line is an answer, an event, or a last word."""
    for line in heard.splitlines():
        message = json.loads(line)
        if "event" in message:
            assert message.keys() == {"event", "data"}
            assert message["event"] in EVENTS
            continue
        assert message.keys() in ({"id", "result"}, {"id", "error"})
        if "error" in message:
            error = message["error"]
            assert error.keys() == {"code", "message", "hint", "hop", "where"}
            assert error["code"] != "internal", error
            assert error["message"].isprintable(), error
            assert 0 < len(error["message"]) < 1500, error
            assert error["message"].endswith((".", "?", "!")), error
        else:
            assert message["id"] is not None


@dataclass(frozen=True)
class Running:
    """An engine, and an honest client of it."""

    path: Path
    honest: EngineClient

    async def bear(self, one: Visit) -> None:
        note(f"{one}")
        heard = await say(self.path, one)
        note(f"heard {cut.repr(heard)}")
        judge(heard)
        async with asyncio.timeout(BOUND):
            await self.honest.ping()

    async def forget(self) -> None:
        """Close what the visits opened."""
        for tunnel in await self.honest.list_tunnels():
            await self.honest.close_tunnel(tunnel.id)


def _settings(bed: SshBed) -> EngineSettings:
    return EngineSettings(
        ssh_config=str(bed.config_file),
        allowed_hosts=("gpu01",),
        max_tunnels=20,
        connect_timeout=2.0,
        refused_attempts=1,
    )


@pytest.fixture
def bed(ssh_bed: SshBed) -> SshBed:
    """With a host on which every command is `true`."""
    ssh_bed.host("gpu01", server=["ForceCommand true"])
    return ssh_bed


@pytest.fixture
def log() -> Iterator[int]:
    """Where an engine logs; no mistake of its own is there at the end."""
    with tempfile.TemporaryFile() as file:
        yield file.fileno()
        file.seek(0)
        said = file.read().decode()
    for sign in ("Traceback", "[E ", "never retrieved", "mistake"):
        assert sign not in said, said[-5000:]


@pytest.fixture
async def running(bed: SshBed, log: int, folders: Folders) -> AsyncIterator[Running]:
    """An engine in a process of its own, which is the same at the end, and as large."""
    async with Holder(_settings(bed), kind="server", log=log) as holder:
        await holder.start()
        pid = holder.announcement.engine_pid
        assert pid is not None
        process = psutil.Process(pid)
        honest = await EngineClient.connect(holder.socket_path, "server")
        # What it opens with its first port, to ask the kernel whose a connection is, stays open.
        first, _ = await honest.open_tunnel(TunnelRequest(host="gpu01", forwards=("-L 0:h:9",)))
        await honest.close_tunnel(first.id)
        before = process.num_fds()
        yield Running(holder.socket_path, honest)
        await Running(holder.socket_path, honest).forget()
        await asyncio.to_thread(
            wait_until, lambda: process.num_fds() <= before, "the end of all that was opened"
        )
        assert holder.announcement.engine_pid == pid
        await honest.close()


@share()
@given(st.lists(visits(), min_size=1, max_size=4))
async def test_an_engine_bears_it(running: Running, together: list[Visit]) -> None:
    async with asyncio.TaskGroup() as group:
        for number, one in enumerate(together):
            group.create_task(running.bear(one), name=f"visit {number}")


@pytest.fixture
async def inside(bed: SshBed, short_dir: Path) -> AsyncIterator[Running]:
    """The same within this process, where tasks can be counted."""
    service, tasks = Service(_settings(bed), short_dir, os.getpid()), Tasks()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(short_dir / "s"))
        listener.listen()
        listener.setblocking(False)
        server = ControlServer(service, listener)
        tasks.start(server.serve(), "server")
        honest = await EngineClient.connect(short_dir / "s", "server")
        loop = asyncio.get_running_loop()
        before = len(asyncio.all_tasks())
        yield Running(short_dir / "s", honest)
        await Running(short_dir / "s", honest).forget()
        await asyncio.to_thread(
            wait_until, lambda: len(asyncio.all_tasks(loop)) <= before, "the end of all tasks"
        )
        await honest.close()
        await tasks.close()
        await server.close()
        await service.close()


@share()
@given(visits())
async def test_nothing_of_it_is_left(
    inside: Running, caplog: pytest.LogCaptureFixture, one: Visit
) -> None:
    await inside.bear(one)
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
