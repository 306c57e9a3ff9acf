"""The Jupyter of a workstation ends, and another user there waits for its port."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Iterator

import pytest
import websockets

from jupyter_remote_tunnel.model.settings import EngineSettings
from tests.publish.conftest import NAME
from tests.publish.pulled import FRIENDLY, PULL, SITE, state
from tests.publish.test_published import printed
from tests.support.ann import Ann, Workstation
from tests.support.certbot import issue
from tests.support.certificates import WebAuthority
from tests.support.jupyter import Jupyter, jupyter
from tests.support.other_uid import as_other_user, other_users_python
from tests.support.outsider import Outsider
from tests.support.process import BY_COMMAND, Child, child, environment, wait_until
from tests.support.web_gateway import WebGateway

LOGIN = SITE.prefix + "login"

# Takes a port as soon as it is free, and gives who comes an answer without an end. Prints what
# becomes of it.
IMPOSTOR = """
import socket, sys, threading, time
def answer(visitor):
    print("met", flush=True)
    try:
        visitor.recv(65536)
        visitor.sendall(b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")
        while True:
            visitor.sendall(b"1\\r\\n.\\r\\n")
            time.sleep(0.05)  # as slow as a page that goes on
    except OSError:
        print("cut", flush=True)
while True:
    port = socket.socket()
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        port.bind(("127.0.0.1", int(sys.argv[1])))
        break
    except OSError:
        port.close()
        time.sleep(0.001)  # nothing tells that a port is free
port.listen()
print("took", flush=True)
while True:
    threading.Thread(target=answer, args=(port.accept()[0],)).start()
"""


@pytest.fixture
def shown(
    gateway: WebGateway, authority: WebAuthority, machine: Workstation, ann: Ann
) -> Iterator[Jupyter]:
    """A Jupyter of the workstation, shown by nginx."""
    issue(gateway, authority.issue(NAME), NAME)
    with gateway.nginx(), jupyter(base_url=SITE.prefix, traits=FRIENDLY) as server:
        machine.has(server)
        gateway.type(printed(ann.publish(*PULL, "--site", "nginx")))
        ann.publish(*PULL)
        yield server


@pytest.fixture
def trusted(authority: WebAuthority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.root))


@contextlib.contextmanager
def another_process(server: Jupyter) -> Iterator[Child]:
    """One that stands in the file of that Jupyter as its own."""
    (file,) = server.runtime_dir.glob("jpserver-*.json")
    told = json.loads(file.read_text())
    with child([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        file.write_text(json.dumps({**told, "pid": process.pid}))
        yield process


def streams(ann: Ann) -> int:
    """How many visitors have open."""
    return sum(visitor["streams"] for visitor in ann.publications()[0]["visitors"])


def test_nobody_stays_with_who_takes_its_port(ann: Ann, outsider: Outsider, shown: Jupyter) -> None:
    argv = as_other_user(other_users_python(IMPOSTOR, str(shown.port)))
    with child(argv, env=environment()) as impostor:
        # It is not waited for: what is left of it has a number still.
        os.kill(shown.process.pid, signal.SIGKILL)
        ended = time.monotonic()
        impostor.wait_for_line("took")
        # Who comes now meets the impostor, and would stay.
        wait_until(lambda: outsider.status(LOGIN, "-m", "5") == 502, "the end of it")
        assert time.monotonic() - ended < 4
        wait_until(lambda: state(ann) == "held_back", "a look at who is there", pause=BY_COMMAND)
        said = impostor.output.split()
        wait_until(lambda: impostor.output.count("cut") == said.count("met"), "the end of streams")
        assert streams(ann) == 0
        assert outsider.status(LOGIN) == 502


async def test_streams_are_cut_when_it_ends(
    gateway: WebGateway, ann: Ann, shown: Jupyter, trusted: ssl.SSLContext
) -> None:
    """Whoever answers them, which here is a Jupyter that was not the one that has ended."""
    ann.publish("--stop")
    with another_process(shown) as process:
        ann.publish(*PULL)
        async with websockets.connect(
            f"wss://{NAME}{SITE.prefix}api/events/subscribe",
            additional_headers={"Authorization": f"token {shown.token}"},
            host=gateway.address,
            port=443,
            ssl=trusted,
            proxy=None,
        ) as websocket:
            assert streams(ann) == 1
            process.kill()
            with pytest.raises(websockets.ConnectionClosed):
                await websocket.recv()
        # The checks ask that Jupyter by the same way, and have streams of their own meanwhile.
        await asyncio.to_thread(
            wait_until, lambda: streams(ann) == 0, "the end of all streams", pause=BY_COMMAND
        )
        # As it is there, whatever its file says, it is looked at and shown again.
        await asyncio.to_thread(
            wait_until, lambda: state(ann) == "shown", "it to be shown again", pause=BY_COMMAND
        )


def test_refused_streams_do_not_have_it_looked_at_all_the_time(
    gateway: WebGateway, machine: Workstation, ann: Ann, shown: Jupyter
) -> None:
    at = str(gateway.path(SITE.socket))
    asks = f"GET {SITE.prefix}api HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:

        def visit() -> tuple[bool, socket.socket]:
            visitor = stack.enter_context(socket.socket(socket.AF_UNIX))
            visitor.settimeout(30)
            visitor.connect(at)
            with contextlib.suppress(ConnectionError):
                visitor.sendall(asks)
                return bool(visitor.recv(4096)), visitor
            return False, visitor

        held = []
        while (came := visit())[0]:
            held.append(came[1])
        assert len(held) == EngineSettings().max_streams
        end = time.monotonic() + 6
        looks = machine.sshd.log.count("Starting session")
        refused = 0
        while time.monotonic() < end:
            held.pop().close()
            wait_until(lambda: visit()[0], "room for another")
            refused += not visit()[0]
        assert refused > 20
        assert machine.sshd.log.count("Starting session") - looks <= 2
        assert state(ann) == "shown"
