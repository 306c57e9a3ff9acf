import asyncio
import os
import signal
import threading
from collections.abc import Iterator

import psutil
import pytest

from jupyter_remote_tunnel.engine.client import EngineClient
from jupyter_remote_tunnel.engine.sync import LoopThread, SyncEngine
from jupyter_remote_tunnel.model.errors import BadInput, Fatal
from tests.engine.conftest import Folders, StartHolder


@pytest.fixture
def engine(start_holder: StartHolder) -> Iterator[SyncEngine]:
    made = SyncEngine(start_holder().announcement.socket)
    yield made
    made.close()


def test_it_asks_and_waits(engine: SyncEngine) -> None:
    assert engine.list_tunnels() == []
    assert engine.call("ping") == {}
    with pytest.raises(Fatal, match="no tunnel"):
        engine.close_tunnel("none")
    with pytest.raises(BadInput):
        engine.call("tunnels.burn")


async def test_it_works_where_a_loop_runs_already(engine: SyncEngine) -> None:
    assert engine.list_tunnels() == []  # as in a notebook's cell


def test_after_the_engine_died_the_next_call_finds_the_new_one(engine: SyncEngine) -> None:
    async def pid(client: EngineClient) -> int:
        return client.welcome.pid

    async def lost(client: EngineClient) -> None:
        await client.lost.wait()

    first = engine.run(pid)
    psutil.Process(first).kill()
    engine.run(lost)
    assert engine.list_tunnels() == []
    assert engine.run(pid) != first


def test_where_nobody_listens_no_thread_is_left(folders: Folders) -> None:
    before = threading.active_count()
    with pytest.raises(Fatal, match="Nobody answers"):
        SyncEngine(folders.private / "none")
    assert threading.active_count() == before


def test_ctrl_c_cancels_what_it_waits_for() -> None:
    thread = LoopThread()
    begun, ended = threading.Event(), threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    def press() -> None:
        begun.wait()
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        thread.run(wait())
    assert ended.wait(10)
    presser.join()
    thread.close()
