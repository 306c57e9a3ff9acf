"""Questions in a notebook's cell, in a real kernel, by IPython's own way to ask."""

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from jupyter_remote_tunnel.commands.questions import GaveUp
from jupyter_remote_tunnel.engine.sync import CallingThread, LoopThread, SyncEngine
from jupyter_remote_tunnel.model.settings import EngineSettings
from tests.support.kernel import Kernel, client, ipykernel
from tests.support.pam_sshd import PamSshd, pam_host
from tests.support.process import PATIENCE, wait_until
from tests.support.sshd import SshBed
from tests.support.terminal import at_terminal
from tests.support.user import User

ASK = ["StrictHostKeyChecking ask"]
OPEN = "%tunnel open -D 0 gpu01 --name socks"


@pytest.fixture
def host(ssh_bed: SshBed) -> PamSshd:
    """Nobody knows its key; it takes a password."""
    return pam_host(ssh_bed, "gpu01", "password", known=False, client=ASK)


@pytest.fixture
def engine(user: User, ssh_bed: SshBed) -> Iterator[SyncEngine]:
    settings = EngineSettings(
        ssh_config=str(ssh_bed.config_file), connect_timeout=60, prompt_timeout=5
    )
    with (
        user.engine(settings) as holder,
        closing(SyncEngine(holder.socket_path, "shell")) as looking,
    ):
        yield looking


@pytest.fixture
def kernel(user: User) -> Iterator[Kernel]:
    with ipykernel(env=user.environment) as running:
        yield running


class Notebook:
    """A front end that answers what the kernel asks with `answers`, in turn, and keeps `asked` and
    what cells show.
    """

    def __init__(self, kernel: BlockingKernelClient) -> None:
        self._kernel = kernel
        self.answers: list[str] = []
        self.asked: list[tuple[str, bool]] = []
        self.shown = ""
        self.run("%load_ext jupyter_remote_tunnel")

    def run(self, code: str, *answers: str, can_ask: bool = True) -> str:
        """Run a cell; how it ended."""
        self.answers = list(answers)
        reply = self._kernel.execute_interactive(
            code,
            timeout=PATIENCE,
            allow_stdin=can_ask,
            output_hook=self._hear,
            stdin_hook=self._answer,
        )
        status: str = reply["content"]["status"]
        return status

    def _answer(self, message: dict[str, Any]) -> None:
        content = message["content"]
        self.asked.append((content["prompt"], content["password"]))
        if self.answers:
            self._kernel.input(self.answers.pop(0))
        else:
            self.shown += "[nobody answers]"

    def _hear(self, message: dict[str, Any]) -> None:
        content = message["content"]
        self.shown += content.get("text", "")
        self.shown += content.get("data", {}).get("text/plain", "")
        self.shown += "".join(content.get("traceback", []))


@pytest.fixture
def notebook(kernel: Kernel) -> Iterator[Notebook]:
    with client(kernel.connection_file) as found:
        yield Notebook(found)


def test_the_cell_asks(
    notebook: Notebook, engine: SyncEngine, ssh_bed: SshBed, host: PamSshd
) -> None:
    assert notebook.run(OPEN, "remember", "wrong-horse", host.password) == "ok", notebook.shown
    accept, *passwords = notebook.asked
    assert accept[0].startswith("Accept it")
    assert accept[1] is False
    assert passwords == [("Password: ", True)] * 2
    assert host.fingerprint in notebook.shown
    assert "That was not the right one." in notebook.shown
    assert "socks is open" in notebook.shown
    assert host.known_hosts_line in ssh_bed.known_hosts.read_text()
    for secret in ("wrong-horse", host.password):
        assert secret not in notebook.shown
    host.drop_connections()
    wait_until(lambda: engine.list_tunnels()[0].state == "waiting_for_user", "its loss")
    assert notebook.run("%tunnel restart socks", host.password) == "ok", notebook.shown


@pytest.mark.parametrize("block", ["with", "async with"])
def test_the_context_manager_asks(
    notebook: Notebook, engine: SyncEngine, host: PamSshd, block: str
) -> None:
    code = (
        f"import jupyter_remote_tunnel as j\n{block} j.tunnel('-D 0 gpu01') as t: print(t.status)"
    )
    assert notebook.run(code, "yes", host.password) == "ok", notebook.shown
    assert "state='open'" in notebook.shown
    assert engine.list_tunnels() == []


def test_where_nobody_can_be_asked_it_says_what_to_do(
    notebook: Notebook, engine: SyncEngine, ssh_bed: SshBed, host: PamSshd
) -> None:
    ssh_bed.know(host)
    for code in (OPEN, "import jupyter_remote_tunnel as j\nwith j.tunnel('-D 0 gpu01'): pass"):
        notebook.shown = ""
        assert notebook.run(code, can_ask=False) == "error"
        assert "in the sidebar or in a terminal" in notebook.shown
    assert notebook.asked == []
    assert host.failures == 0


def test_a_key_that_is_not_accepted(
    notebook: Notebook, engine: SyncEngine, ssh_bed: SshBed, host: PamSshd
) -> None:
    assert notebook.run(OPEN, "no") == "error"
    assert "The login to gpu01 was cancelled." in notebook.shown
    assert "Traceback" not in notebook.shown
    assert ssh_bed.known_hosts.read_text() == ""


def test_a_question_that_nobody_answers_leaves_the_cell(
    notebook: Notebook, engine: SyncEngine, ssh_bed: SshBed, host: PamSshd
) -> None:
    ssh_bed.know(host)
    assert notebook.run(f"{OPEN}\nprint('not reached')") == "error"
    assert notebook.asked == [("Password: ", True)]
    assert "Nobody answered gpu01 within 5 s." in notebook.shown
    assert "not reached" not in notebook.shown
    assert notebook.run("print('it works')") == "ok"
    assert "it works" in notebook.shown


def test_an_interrupted_cell_cancels_the_attempt(
    user: User, engine: SyncEngine, ssh_bed: SshBed, host: PamSshd
) -> None:
    ssh_bed.know(host)
    code = "import jupyter_remote_tunnel as j\nwith j.tunnel('-D 0 gpu01'): pass\n"
    argv = [sys.executable, "-m", "IPython", "--no-banner", "--simple-prompt"]
    with at_terminal(argv, env=user.environment, cwd=user.folder) as terminal:
        terminal.read("In [1]: ")
        terminal.type(f"exec({code!r})")
        terminal.read("Password: ")
        terminal.interrupt()
        terminal.read("KeyboardInterrupt")
        wait_until(lambda: engine.list_tunnels() == [], "the end of the attempt")
        terminal.type("exit")
        assert terminal.wait() == 0
    assert host.failures == 0


def test_an_interrupted_magic_shows_none_of_its_insides(
    user: User, engine: SyncEngine, ssh_bed: SshBed, host: PamSshd
) -> None:
    ssh_bed.know(host)
    argv = [sys.executable, "-m", "IPython", "--no-banner", "--simple-prompt"]
    with at_terminal(argv, env=user.environment, cwd=user.folder) as terminal:
        terminal.read("In [1]: ")
        terminal.type("%load_ext jupyter_remote_tunnel")
        terminal.read("In [2]: ")
        terminal.type("%tunnel open -D 0 gpu01")
        terminal.read("Password: ")
        terminal.interrupt()
        terminal.read("KeyboardInterrupt")
        terminal.read("In [3]: ")
        assert "getpass" not in terminal.screen
        assert "sync.py" not in terminal.screen
        wait_until(lambda: engine.list_tunnels() == [], "the end of the attempt")
        terminal.type("exit")
        assert terminal.wait() == 0


def test_a_script_asks_in_its_terminal(
    user: User, engine: SyncEngine, ssh_bed: SshBed, host: PamSshd
) -> None:
    ssh_bed.know(host)
    code = (
        "import jupyter_remote_tunnel as j\n"
        "with j.tunnel('-D 0 gpu01') as t: print('it is', t.status.state)\n"
    )
    with at_terminal([sys.executable, "-c", code], env=user.environment, cwd=user.folder) as seen:
        seen.read("Password: ")
        assert not seen.echoes
        seen.type(host.password)
        seen.read("it is open")
        assert seen.wait() == 0
        assert host.password not in seen.screen


def test_what_the_calling_thread_does_and_raises() -> None:
    begun, ended = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        if ended.wait(PATIENCE):
            raise AssertionError("it is interrupted before")

    async def work() -> list[str]:
        found = [await here(lambda: "done")]
        try:
            await here(_give_up)
        except GaveUp:
            found.append("raised")
        waiting = asyncio.get_running_loop().create_task(here(wait), name="waits")
        await asyncio.to_thread(begun.wait)
        waiting.cancel()
        await asyncio.wait([waiting])
        found.append(await here(lambda: "interrupted"))
        return found

    thread, here = LoopThread(), CallingThread()
    start = time.monotonic()
    try:
        assert thread.run(work(), here) == ["done", "raised", "interrupted"]
    finally:
        thread.close()
    assert time.monotonic() - start < PATIENCE / 2


def test_an_interruption_that_is_not_heard_is_repeated() -> None:
    """One that comes in the moment in which a thread begins to wait does not wake it."""
    begun, heard = threading.Event(), threading.Event()

    def wait() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            begun.set()
            heard.wait(PATIENCE)
        if heard.wait(PATIENCE):
            raise AssertionError("it is interrupted before")

    async def work() -> str:
        waiting = asyncio.get_running_loop().create_task(here(wait), name="waits")
        await asyncio.to_thread(begun.wait)
        waiting.cancel()
        await asyncio.wait([waiting])
        return await here(lambda: "interrupted")

    thread, here = LoopThread(), CallingThread()
    start = time.monotonic()
    try:
        assert thread.run(work(), here) == "interrupted"
    finally:
        thread.close()
    assert time.monotonic() - start < PATIENCE / 2


def _give_up() -> None:
    raise GaveUp
