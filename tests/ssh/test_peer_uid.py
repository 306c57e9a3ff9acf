"""Whose a connection is: real connections of this user and of another one."""

import asyncio
import errno
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from jupyter_remote_tunnel import peer_uid
from jupyter_remote_tunnel.model.errors import Fatal
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.ssh.connection import Connection
from tests.ssh.support import Forwarding, ask
from tests.support.echo import serve
from tests.support.other_uid import (
    OTHER_UID,
    as_other_user,
    other_users_python,
    python_as_other_user,
)
from tests.support.process import child

CLIENT = """
import socket, sys
family = {"4": socket.AF_INET, "6": socket.AF_INET6}[sys.argv[1]]
with socket.socket(family) as client:
    client.connect((sys.argv[2], int(sys.argv[3])))
    client.sendall(b"hello")
    print("connected", flush=True)
    try:
        print("got", client.recv(100), flush=True)
    except ConnectionResetError:
        print("reset", flush=True)
"""


@pytest.mark.parametrize(
    ("listens", "family", "connects"),
    [
        ("127.0.0.1", "4", "127.0.0.1"),
        ("127.0.0.1", "6", "::ffff:127.0.0.1"),
        ("::1", "6", "::1"),
        ("::", "4", "127.0.0.1"),
        ("::", "6", "::1"),
    ],
)
def test_the_other_end_of_a_connection(listens: str, family: str, connects: str) -> None:
    version = socket.AF_INET6 if ":" in listens else socket.AF_INET
    with socket.socket(version) as server:
        if version == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind((listens, 0))
        server.listen()
        server.settimeout(30)
        port = str(server.getsockname()[1])
        with child([sys.executable, "-I", "-c", CLIENT, family, connects, port]):
            accepted, peer = server.accept()
            with accepted:
                assert peer_uid.peer_uid(accepted.getsockname(), peer) == os.getuid()
        with ThreadPoolExecutor() as pool:
            pool.submit(python_as_other_user, CLIENT, family, connects, port)
            accepted, peer = server.accept()
            with accepted:
                assert peer_uid.peer_uid(accepted.getsockname(), peer) == OTHER_UID


def test_nobody_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = server.getsockname()
        assert peer_uid.peer_uid(ours, ("127.0.0.1", 1)) is None
        # The kernel answers with a listener where there is no connection.
        assert peer_uid.peer_uid(("127.0.0.1", 1), ours) is None


def test_an_answer_to_another_question_is_not_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = server.getsockname()
        with socket.create_connection(ours) as client:
            peer_uid.check()
            left = peer_uid._kernel._socket
            assert left is not None
            question = peer_uid._HEADER.pack(72, 20, 1, 0, 0) + bytes(56)
            left.send(question)  # nobody reads what comes
            with pytest.raises(OSError, match="another request"):
                peer_uid.peer_uid(ours, client.getsockname())
            assert peer_uid.peer_uid(ours, client.getsockname()) == os.getuid()


FORKS = """
import os, socket
from jupyter_remote_tunnel.peer_uid import peer_uid
with socket.create_server(("127.0.0.1", 0)) as server:
    ours = server.getsockname()
    with socket.create_connection(ours) as client:
        mine = client.getsockname()
        assert peer_uid(ours, mine) == os.getuid()
        reads, writes = os.pipe()
        child = os.fork()
        os.read(reads, 1) if child else os.write(writes, b"x")
        for _ in range(20_000):
            assert peer_uid(ours, mine) == os.getuid()
        if child:
            assert os.waitpid(child, 0)[1] == 0
"""


def test_a_fork_asks_for_itself() -> None:
    subprocess.run([sys.executable, "-c", FORKS], check=True, timeout=60)


LISTENS = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as server:
    print("port", server.getsockname()[1], flush=True)
    input()
    connection, _ = server.accept()
    print("accepted", flush=True)
    input()
    connection.sendall(b"evil")
    connection.shutdown(socket.SHUT_WR)
    connection.close()
    print("closed", flush=True)
    input()
"""


@pytest.mark.parametrize("uid", [os.getuid(), OTHER_UID])
def test_whom_a_connection_reaches(uid: int) -> None:
    argv = other_users_python(LISTENS)
    with subprocess.Popen(
        as_other_user(argv) if uid == OTHER_UID else argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = int(server.stdout.readline().split()[1])
        with socket.create_connection(("127.0.0.1", port)) as client:
            ends = client.getsockname(), client.getpeername()
            assert peer_uid.listener_uid(*ends) == uid  # waiting
            print(file=server.stdin, flush=True)
            assert server.stdout.readline() == "accepted\n"
            assert peer_uid.listener_uid(*ends) == uid
            print(file=server.stdin, flush=True)
            assert server.stdout.readline() == "closed\n"
            # What it has sent could still be read, and the listener may be another's by then.
            assert peer_uid.listener_uid(*ends) is None
            print(file=server.stdin, flush=True)
            assert server.wait() == 0
        assert peer_uid.listener_uid(*ends) is None


async def test_another_user_is_refused_before_a_byte(forwarding: Forwarding) -> None:
    with serve("echo") as echo:
        forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
        assert forward.bound is not None
        port = forward.bound.rpartition(":")[2]
        for family, host in (("4", "127.0.0.1"), ("6", "::1"), ("6", "::ffff:127.0.0.1")):
            done = await asyncio.to_thread(python_as_other_user, CLIENT, family, host, port)
            assert "got" not in done.stdout
            assert "reset" in done.stdout + done.stderr.lower()
        await forwarding.until(lambda: forward.streams_open == 0)
        assert echo.accepted == forward.bytes_out == 0
        assert forward.last_error is not None
        assert f"uid {OTHER_UID}" in forward.last_error.message
        assert await ask(forward.bound, b"mine") == b"mine"


async def test_another_user_is_let_in_if_the_settings_say_so(connection: Connection) -> None:
    async with Forwarding(connection, EngineSettings(allow_other_users=True)) as forwarding:
        with serve("echo") as echo:
            forward = await forwarding.open(f"-L 0:localhost:{echo.port}")
            assert forward.bound is not None
            port = forward.bound.rpartition(":")[2]
            done = await asyncio.to_thread(python_as_other_user, CLIENT, "4", "127.0.0.1", port)
            assert "got b'hello'" in done.stdout


async def test_without_look_ups_the_port_is_not_opened(
    forwarding: Forwarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(request: bytes) -> bytes:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(peer_uid, "_ask", denied)
    with pytest.raises(Fatal, match="Other users of this machine") as caught:
        await forwarding.open("-L 0:localhost:1")
    assert caught.value.code == "unsupported"
    forward = await forwarding.open("-L private:localhost:1")
    assert forward.bound is not None

    assert (sys.platform == "linux") == peer_uid.SUPPORTED
