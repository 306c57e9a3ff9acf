"""The control socket, as its server keeps it: whatever is said to it, by whom, however much and
however slowly it is read, one client's nonsense is no other's trouble."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from jupyter_remote_tunnel._version import __version__
from jupyter_remote_tunnel.engine import control
from jupyter_remote_tunnel.engine.client import EngineClient
from jupyter_remote_tunnel.engine.messages import MAX_LINE
from jupyter_remote_tunnel.model.errors import Fatal
from tests.engine.conftest import Held
from tests.engine.talking import HELLO, OPEN, Answers, Wire
from tests.support.other_uid import OTHER_UID, python_as_other_user
from tests.support.process import wait_until

# Nonsense.

NONSENSE = [
    b"\n",
    b"GET / HTTP/1.1\r\n",
    b"\x00\xff\xfe\n",
    b'{"id": 1, "method": "\xff"}\n',
    b"{}\n",
    b"[]\n",
    b"null\n",
    b'"hello"\n',
    b'{"id": 1}\n',
    b'{"id": 1, "method": 2}\n',
    b'{"id": null, "method": "ping"}\n',
    b'{"id": -1, "method": "ping"}\n',
    b'{"id": 1e400, "method": "ping"}\n',
    b'{"id": ' + b"9" * 100_000 + b', "method": "ping"}\n',
    b'{"id": [1], "method": "ping"}\n',
    b'{"id": 1, "method": "ping", "params": []}\n',
    b'{"id": 1, "method": "ping", "more": 1}\n',
    b'{"id": 1, "method": "ping", "params": ' + b'{"a":' * 50_000 + b"\n",
    b"[" * 500_000 + b"\n",
    b'{"id": 1, "method": "' + b"m" * 200 + b'"}\n',
    b"x" * (MAX_LINE + 10) + b"\n",
    b'{"id": 1, "method": "ping"}\x00\n',
]


@pytest.mark.parametrize("greeted", [True, False])
@pytest.mark.parametrize("line", NONSENSE, ids=range(len(NONSENSE)))
async def test_a_line_that_is_no_request_ends_its_session_only(
    answers: Answers, short_dir: Path, line: bytes, greeted: bool
) -> None:
    answers.go.set()
    good = await Wire.connect(short_dir / "s")
    wire = await Wire.connect(short_dir / "s", hello=greeted)
    answer = await wire.say(line)
    assert answer["id"] is None
    assert answer["error"]["code"] == "bad_input"
    assert len(answer["error"]["message"]) < 500
    assert await wire.hear() is None
    wire.close()
    assert (await good.ask({"id": 7, "method": "ping"})) == {"id": 7, "result": {}}
    good.close()


async def test_all_nonsense_is_borne_by_one_engine(held: Held) -> None:
    await held.holder.start()
    for line in NONSENSE * 10:
        wire = await Wire.connect(held.holder.socket_path, hello=False)
        wire.writer.write(line)
        wire.close()
    engine = held.engine
    await asyncio.to_thread(
        wait_until, lambda: len(engine.net_connections("unix")) < 10, "the end of the sessions"
    )
    wire = await Wire.connect(held.holder.socket_path)
    assert (await wire.ask({"id": 1, "method": "tunnels.list"}))["result"] == {"tunnels": []}
    wire.close()


@pytest.mark.parametrize(
    ("method", "params", "said"),
    [
        ("tunnels.burn", {}, "no method 'tunnels.burn'"),
        ("hello", HELLO["params"], "no method 'hello'"),
        ("ping", {"loud": True}, "“loud”"),
        ("tunnels.get", {}, "tunnel"),
        ("tunnels.get", {"tunnel": 5}, "tunnel"),
        ("tunnels.open", {"request": {"host": "h", "prots": []}}, "“prots”"),
        ("tunnels.open", {"request": {"host": "h", "ssh": {"prot": 1}}}, "“prot”"),
        ("tunnels.open", {"request": {"host": 5}}, "host"),
        ("tunnels.open", {"request": {"host": "h"}, "source": "elsewhere"}, "source"),
        ("tunnels.close", {"tunnel": "t", "drain": "long"}, "drain"),
    ],
)
async def test_a_request_that_is_wrong_is_answered_so(
    answers: Answers, short_dir: Path, method: str, params: dict[str, Any], said: str
) -> None:
    answers.go.set()
    wire = await Wire.connect(short_dir / "s")
    answer = await wire.ask({"id": 3, "method": method, "params": params})
    assert answer["id"] == 3
    assert answer["error"]["code"] == "bad_input"
    assert said in answer["error"]["message"]
    assert answer["error"]["message"].endswith(".")
    assert (await wire.ask({"id": 4, "method": "ping"})) == {"id": 4, "result": {}}
    wire.close()


async def test_the_first_request_is_hello(answers: Answers, short_dir: Path) -> None:
    wire = await Wire.connect(short_dir / "s", hello=False)
    answer = await wire.ask({"id": 1, "method": "tunnels.list"})
    assert "hello" in answer["error"]["message"]
    assert await wire.hear() is None
    wire.close()


async def test_another_version_is_told_so(held: Held) -> None:
    wire = await Wire.connect(held.holder.socket_path, hello=False)
    hello = {**HELLO, "params": {"version": "0.0.9\x1b[2J", "client": "shell", "pid": 1}}
    error = (await wire.ask(hello))["error"]
    assert error["message"].isprintable()
    assert "0.0.9" in error["message"]
    assert __version__ in error["message"]
    assert "Restart" in error["hint"]
    assert await wire.hear() is None
    wire.close()


# Other users.

CONNECT = """
import socket, sys
with socket.socket(socket.AF_UNIX) as client:
    client.connect(sys.argv[1])
    client.sendall(b'{"id":1,"method":"ping"}\\n')
    print(repr(client.recv(100)))
"""


async def test_another_user_cannot_connect(held: Held) -> None:
    await held.holder.start()
    path = str(held.holder.socket_path)
    tried = await asyncio.to_thread(python_as_other_user, CONNECT, path)
    assert "PermissionError" in tried.stderr


async def test_another_user_is_hung_up_on_though_the_folder_lets_them_in(held: Held) -> None:
    await held.holder.start()
    path = held.holder.socket_path
    path.chmod(0o777)
    for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
        folder.chmod(0o755)
    tried = await asyncio.to_thread(python_as_other_user, CONNECT, str(path))
    # It may connect; what it says then meets a closed socket, or its end.
    ends = ("ConnectionResetError", "BrokenPipeError")
    assert tried.stdout == "b''\n" or any(end in tried.stderr for end in ends)


LISTEN = """
import os, socket, sys
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1] + ".new")
    os.chmod(sys.argv[1] + ".new", 0o777)
    listener.listen()
    os.rename(sys.argv[1] + ".new", sys.argv[1])  # it is there when it listens
    print("ready", flush=True)
    client = listener.accept()[0]
    print(repr(client.recv(100)), flush=True)
"""


async def test_a_client_tells_another_users_socket_nothing(short_dir: Path) -> None:
    short_dir.chmod(0o1777)
    path = short_dir / "control.sock"
    listening = asyncio.get_running_loop().create_task(
        asyncio.to_thread(python_as_other_user, LISTEN, str(path)), name="listener"
    )
    await asyncio.to_thread(wait_until, path.is_socket, "the neighbour's socket")
    with pytest.raises(Fatal, match="not held by a process of yours"):
        await EngineClient.connect(path, "shell")
    assert (await listening).stdout == "ready\nb''\n"
    assert path.stat().st_uid == OTHER_UID


# Who asks much, reads slowly or goes away.


async def test_a_mistake_of_the_engine_is_logged_and_not_shown(
    answers: Answers, short_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answers.go.set()
    wire = await Wire.connect(short_dir / "s")
    with caplog.at_level(logging.ERROR):
        error = (await wire.ask({"id": 1, "method": "hosts.list"}))["error"]
    assert error["code"] == "internal"
    assert "secret" not in str(error)
    assert "ZeroDivisionError" in caplog.text
    wire.close()


async def test_requests_run_side_by_side_and_not_too_many(
    answers: Answers, short_dir: Path
) -> None:
    wire, other = await Wire.connect(short_dir / "s"), await Wire.connect(short_dir / "s")
    places = 2 * control.REQUESTS
    for number in range(places + 10):
        wire.writer.write(json.dumps({"id": number, "method": "ping"}).encode() + b"\n")
    for _ in range(places):
        await answers.begun.get()
    # What another asks later is begun before the rest, which waits for a place.
    other.writer.write(b'{"id": 1, "method": "tunnels.list"}\n')
    assert await answers.begun.get() == "tunnels.list"
    assert answers.begun.empty()
    answers.go.set()
    heard = {(await wire.hear())["id"] for _ in range(places + 10)}
    assert heard == set(range(places + 10))
    wire.close()
    other.close()


async def test_hosts_that_do_not_answer_hold_up_nothing_else(
    answers: Answers, short_dir: Path
) -> None:
    wire = await Wire.connect(short_dir / "s")
    read = {"method": "read_file", "params": {"request": {"host": "h"}, "path": "/x"}}
    for number in range(control.REQUESTS):
        wire.writer.write(json.dumps({"id": number, **read}).encode() + b"\n")
        await answers.begun.get()
    refused = await wire.ask({"id": 1000, **read})
    assert refused["error"]["code"] == "too_many"
    wire.writer.write(b'{"id": 1001, "method": "ping"}\n')
    assert await answers.begun.get() == "ping"
    wire.close()


async def test_what_a_client_that_left_had_begun_is_done(answers: Answers, short_dir: Path) -> None:
    wire = await Wire.connect(short_dir / "s")
    wire.writer.write(json.dumps({"id": 1, "method": "tunnels.open", "params": OPEN}).encode())
    wire.writer.write(b"\n")
    assert await answers.begun.get() == "tunnels.open"
    wire.close()
    await asyncio.to_thread(wait_until, lambda: not answers.subscribers, "the session's end")
    answers.go.set()
    assert await answers.ended.get() == "done"


async def test_what_a_client_that_left_had_asked_is_not_answered(
    answers: Answers, short_dir: Path
) -> None:
    wire = await Wire.connect(short_dir / "s")
    wire.writer.write(b'{"id": 1, "method": "tunnels.list"}\n')
    await answers.begun.get()
    wire.close()
    assert await answers.ended.get() == "cancelled"


async def test_an_answer_that_is_too_long_becomes_an_error(
    answers: Answers, short_dir: Path
) -> None:
    answers.go.set()
    answers.result = {"data": "x" * MAX_LINE}
    wire = await Wire.connect(short_dir / "s")
    error = (await wire.ask({"id": 1, "method": "ping"}))["error"]
    assert error["code"] == "too_many"
    answers.result = {}
    assert await wire.ask({"id": 2, "method": "ping"}) == {"id": 2, "result": {}}
    wire.close()


async def test_a_slow_reader_gets_the_newest_of_each_tunnel(
    answers: Answers, short_dir: Path
) -> None:
    wire = await Wire.connect(short_dir / "s")
    session = answers.subscribers[0]
    assert isinstance(session, control.Session)
    padding = "x" * 1000
    for round_ in range(5000):  # 15 MB, of which nothing is read meanwhile
        for tunnel in "abc":
            data = {"id": tunnel, "round": round_, "padding": padding}
            session.event("tunnel", data, tunnel)
        await asyncio.sleep(0)  # it writes what is taken
        assert len(session._outgoing) <= 3
    heard: dict[str, int] = {}
    count = 0
    while set(heard.values()) != {4999}:
        event = await wire.hear()
        assert event["data"]["round"] > heard.get(event["data"]["id"], -1)
        heard[event["data"]["id"]] = event["data"]["round"]
        count += 1
    assert count < 5000
    wire.close()


async def test_a_reader_of_nothing_is_hung_up_on(
    answers: Answers, short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "UNREAD", 100)
    wire = await Wire.connect(short_dir / "s")
    other = await Wire.connect(short_dir / "s")
    session = answers.subscribers[0]
    for number in range(5000):
        session.event("removed", {"tunnel": str(number), "padding": "x" * 1000}, str(number))
        if number % 100 == 0:
            await asyncio.sleep(0)  # it writes what is taken
    await asyncio.to_thread(wait_until, lambda: len(answers.subscribers) == 1, "its end")
    answers.go.set()
    assert await other.ask({"id": 2, "method": "ping"}) == {"id": 2, "result": {}}
    wire.close()
    other.close()


async def test_there_are_not_too_many_clients_but_always_a_holder(
    answers: Answers, short_dir: Path
) -> None:
    wires = [await Wire.connect(short_dir / "s") for _ in range(control.CLIENTS)]
    with pytest.raises(Fatal, match="64 clients already") as caught:
        await EngineClient.connect(short_dir / "s", "shell")
    assert caught.value.code == "too_many"
    holder = await EngineClient.connect(short_dir / "s", "holder")
    await holder.close()
    wires.pop().close()
    await asyncio.to_thread(
        wait_until, lambda: len(answers.subscribers) == control.CLIENTS - 1, "a free place"
    )
    wires.append(await Wire.connect(short_dir / "s"))
    for wire in wires:
        wire.close()


async def test_a_client_that_does_not_say_hello_is_hung_up_on(
    answers: Answers, short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "HELLO_LIMIT", 0.1)
    wire = await Wire.connect(short_dir / "s", hello=False)
    assert await wire.hear() is None
    wire.close()
