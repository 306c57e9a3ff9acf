"""Finding an engine while engines come and go."""

import asyncio
import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_remote_tunnel.commands.engines import Engines
from jupyter_remote_tunnel.engine.announce import Announcement
from jupyter_remote_tunnel.engine.background import start_background
from jupyter_remote_tunnel.engine.client import EngineClient
from jupyter_remote_tunnel.engine.discovery import find_engine
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import TunnelRequest
from tests.support.leaks import assert_gone
from tests.support.process import wait_until
from tests.support.sshd import SshBed, Sshd
from tests.support.user import User


async def test_one_that_ends_before_we_speak_to_it_is_replaced(user: User) -> None:
    first = await start_background()

    class Late(Engines):
        """Looks, and is overtaken by the end of what it has found."""

        def find(self) -> Announcement:
            found = super().find()
            if found == first:
                holder = psutil.Process(first.holder_pid)
                holder.terminate()
                assert_gone([holder])
            return found

    async with Late("shell") as engines:
        client = await engines.one(start=True)
        await client.ping()
        assert find_engine().holder_pid not in (first.holder_pid, client.welcome.pid)


async def test_one_that_is_about_to_end_when_we_speak_to_it_is_replaced(user: User) -> None:
    first = await start_background()
    holder = psutil.Process(first.holder_pid)
    early = await EngineClient.connect(first.socket, "shell")  # so that its engine runs

    class Late(Engines):
        """Looks, and what it has found withdraws then, and does not come to its end yet."""

        def find(self) -> Announcement:
            found = super().find()
            if found.holder_pid == first.holder_pid:
                holder.suspend()
                wait_until(lambda: holder.status() == psutil.STATUS_STOPPED, "it to have stopped")
                first.remove()
            return found

    async with Late("shell") as engines:
        client = await engines.one(start=True)
        holder.resume()
        holder.terminate()
        await asyncio.to_thread(assert_gone, [holder])
        await early.close()
        await client.ping()


def announced(user: User) -> tuple[Path, dict[str, Any]]:
    """The one announcement, and what it says."""
    (path,) = user.runtime_dir.glob("remote-tunnel-*.json")
    return path, json.loads(path.read_text())


@pytest.fixture
def words(ssh_bed: SshBed, sshd: Sshd) -> list[str]:
    return ["open", "-F", str(ssh_bed.config_file), "-L", "0:localhost:1", "gpu01", "--json"]


def test_a_list_waits_for_the_engine_that_takes_the_place_of_one_that_died(
    user: User, words: list[str]
) -> None:
    opened = json.loads(user.tunnel(*words).stdout)
    _, first = announced(user)
    psutil.Process(first["engine_pid"]).kill()
    # Where it is seen that none runs, another is on its way; later it has come.
    wait_until(lambda: announced(user)[1]["engine_pid"] != first["engine_pid"], "the end of it")
    for command in ("list", "hosts"):
        assert opened["id"] in user.tunnel(command, "--json").stdout


async def test_who_has_listed_before_lists_again_after_an_engine_died(
    user: User, ssh_bed: SshBed, sshd: Sshd
) -> None:
    request = TunnelRequest(host="gpu01", forwards=("-L 0:localhost:1",))
    with user.engine(EngineSettings(ssh_config=str(ssh_bed.config_file))) as holder:
        async with Engines("shell", str(holder.announcement.path)) as engines:
            client = await engines.one()
            tunnel, _ = await client.open_tunnel(request)
            psutil.Process(client.welcome.pid).kill()
            found = [entry.tunnel.id for entry in await engines.tunnels()]
            assert found == [tunnel.id]


def test_tunnels_of_one_name_in_several_engines_are_told_apart(
    user: User, ssh_bed: SshBed, words: list[str]
) -> None:
    words = [*words, "--name", "plot"]
    with user.engine(EngineSettings()) as holder:
        here = json.loads(user.tunnel(*words).stdout)
        with user.start("open", "--foreground", *words[1:]) as other:
            other.wait_for_line(r"^\{")
            there = json.loads(other.output)
            complaint = user.tunnel("close", "plot", status=2).stderr
            assert complaint.startswith("Several tunnels are plot.\n")
            listed = user.tunnel("list").stdout
            for tunnel in (here, there):
                assert f"{tunnel['id']} on gpu01 (open)" in complaint
                assert f"plot ({tunnel['id']})" in listed
            user.tunnel("close", there["id"])
            assert other.wait() == 0
        assert user.tunnel("close", "plot").stdout == "plot is closed.\n"
        assert holder.wanted == []


async def test_tunnels_of_one_id_are_told_apart_by_their_engines(
    user: User, ssh_bed: SshBed, sshd: Sshd
) -> None:
    settings = EngineSettings(ssh_config=str(ssh_bed.config_file))
    declared = TunnelRequest(host="gpu01", forwards=("-D 0",), id="0123456789ab")
    background = await start_background(settings)
    with user.engine(settings) as holder:
        engines = [holder.announcement, background]
        for engine in engines:
            async with Engines("shell", str(engine.path)) as one:
                await (await one.one()).open_tunnel(declared)
        complaint = user.tunnel("close", "0123456789ab", status=2).stderr
        for engine in engines:
            assert f"pid {engine.holder_pid}" in complaint
            user.tunnel("close", "0123456789ab", "--server", str(engine.holder_pid))


def test_an_engine_that_nobody_needs_is_not_waited_for(user: User) -> None:
    with user.engine(EngineSettings()):
        path, before = announced(user)
        assert (before["engine_pid"], before["restored"]) == (None, False)
        assert json.loads(user.tunnel("list", "--json").stdout) == {"tunnels": []}
        assert announced(user) == (path, before)
