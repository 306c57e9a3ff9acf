"""Questions over the control socket: who hears of them, who answers, and that no answer is kept."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import pytest

from jupyter_remote_tunnel.engine.client import EngineClient, Event
from jupyter_remote_tunnel.engine.holder import Holder
from jupyter_remote_tunnel.engine.messages import AnswerPrompt, Client, Who
from jupyter_remote_tunnel.engine.sync import SyncEngine
from jupyter_remote_tunnel.engine.wire import event_key
from jupyter_remote_tunnel.model.errors import BadInput, Fatal, NeedsUser
from jupyter_remote_tunnel.model.prompt import Answer, Prompt
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import TunnelRequest
from jupyter_remote_tunnel.model.status import TunnelStatus
from tests.engine.conftest import Folders
from tests.support.pam_sshd import PamSshd, pam_host
from tests.support.process import wait_until
from tests.support.sshd import SshBed

SOCKS = TunnelRequest(host="gpu01", forwards=("-D 0",))
ME = Who()


@dataclass
class Scene:
    """An engine that logs all it can, and a host that takes a password and a code."""

    holder: Holder
    host: PamSshd
    log: BinaryIO

    @property
    def logged(self) -> str:
        self.log.seek(0)
        return self.log.read().decode()

    @asynccontextmanager
    async def client(self, role: Client) -> AsyncIterator["Listener"]:
        heard: asyncio.Queue[Event] = asyncio.Queue()
        client = await EngineClient.connect(
            self.holder.socket_path, role, on_event=heard.put_nowait
        )
        yield Listener(client, heard)
        await client.close()


@dataclass
class Listener:
    """A client, and the events that it hears."""

    client: EngineClient
    events: asyncio.Queue[Event]

    def opening(self, who: Who | None = ME) -> "asyncio.Task[tuple[TunnelStatus, bool]]":
        work = self.client.open_tunnel(SOCKS, person=who)
        return asyncio.get_running_loop().create_task(work, name="open")

    async def next(self, name: str) -> Any:
        """What the next event of that name holds."""
        async with asyncio.timeout(60):
            while (event := await self.events.get()).name != name:
                pass
        return event.data

    async def asked(self) -> Prompt:
        return Prompt.from_dict((await self.next("prompt"))["prompt"])

    async def answer(self, *answers: str) -> None:
        await self.client.answer_prompt((await self.asked()).id, Answer(answers))


@pytest.fixture
def log() -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        yield file


@pytest.fixture
async def scene(ssh_bed: SshBed, folders: Folders, log: BinaryIO) -> AsyncIterator[Scene]:
    host = pam_host(ssh_bed, "gpu01", "keyboard-interactive", asks=("password", "code"))
    settings = EngineSettings(
        ssh_config=str(ssh_bed.config_file), log_level="DEBUG", connect_timeout=60
    )
    async with Holder(settings, kind="server", log=log.fileno()) as holder:
        yield Scene(holder, host, log)


async def test_only_who_asks_hears_the_question_and_answers_it(scene: Scene) -> None:
    async with scene.client("shell") as shell, scene.client("shell") as other:
        task = shell.opening()
        prompt = await shell.asked()
        assert prompt.question.fields[0].label == "Password:"
        assert await shell.client.list_prompts() == [prompt]
        seen = await other.client.call("prompts.list")
        (tunnel,) = await other.client.list_tunnels()
        assert tunnel.state == "waiting_for_user"
        assert seen == {
            "prompts": [],
            "others": [
                {
                    "id": prompt.id,
                    "hop": "gpu01",
                    "tunnels": [tunnel.id],
                    "waits_for": ["a terminal"],
                }
            ],
        }
        for refused in (
            other.client.answer_prompt(prompt.id, Answer((scene.host.password,))),
            other.client.cancel_prompt(prompt.id),
        ):
            with pytest.raises(Fatal) as caught:
                await refused
            assert caught.value.code == "not_allowed"
        with pytest.raises(BadInput, match="1 answers, not 2"):
            await shell.client.answer_prompt(prompt.id, Answer(("a", "b")))
        await shell.client.answer_prompt(prompt.id, Answer((scene.host.password,)))
        assert await shell.next("prompt_closed") == {"prompt": prompt.id}
        await shell.answer(scene.host.code)
        status, _ = await task
        assert status.state == "open"
        await other.client.ping()
        heard = {other.events.get_nowait().name for _ in range(other.events.qsize())}
        assert not heard & {"prompt", "prompt_closed"}
    logged = scene.logged
    assert "Engine" in logged, "it says something"
    assert scene.host.password not in logged
    assert scene.host.code not in logged


async def test_the_logins_of_a_server_have_one_connection(scene: Scene) -> None:
    ann, bob = Who("ann", "Ann"), Who("bob", "Bob\x1b[1m")
    async with scene.client("server") as server:
        task = server.opening(ann)
        data = await server.next("prompt")
        assert data["login"] == "ann"
        prompt_id = data["prompt"]["id"]

        async def listed(who: Who) -> dict[str, Any]:
            return await server.client.call("prompts.list", {"person": vars(who)})

        assert [prompt["id"] for prompt in (await listed(ann))["prompts"]] == [prompt_id]
        seen = await listed(bob)
        assert seen["prompts"] == []
        assert seen["others"][0]["waits_for"] == ["Ann"]
        assert "question" not in seen["others"][0]
        params = {"prompt": prompt_id, "answers": [scene.host.password], "person": vars(bob)}
        with pytest.raises(Fatal) as caught:
            await server.client.call("prompts.answer", params)
        assert caught.value.code == "not_allowed"
        second = server.opening(bob)  # the same tunnel: both wait for it now
        assert (await server.next("prompt"))["login"] == "bob"
        assert (await listed(ann))["prompts"] == (await listed(bob))["prompts"]
        await server.client.call("prompts.cancel", {"prompt": prompt_id, "person": vars(bob)})
        for waiting in (task, second):
            with pytest.raises(NeedsUser, match="cancelled"):
                await waiting


async def test_who_goes_away_is_waited_for_no_longer(scene: Scene) -> None:
    async with scene.client("shell") as other:
        async with scene.client("cell") as cell:
            cell.opening().add_done_callback(lambda task: task.exception())
            await cell.asked()
        await other.next("removed")
        assert await other.client.list_tunnels() == []
        assert scene.host.failures == 0


async def test_the_command_on_a_host_asks_too(scene: Scene) -> None:
    async with scene.client("cell") as cell:
        work = cell.client.exec(TunnelRequest(host="gpu01"), ["echo", "in"], person=ME)
        task = asyncio.get_running_loop().create_task(work, name="exec")
        prompt = await cell.asked()
        assert prompt.tunnels == ()
        await cell.client.answer_prompt(prompt.id, Answer((scene.host.password,)))
        await cell.answer(scene.host.code)
        assert (await task).stdout == b"in\n"
        # The connection stays for a while, for the next one.
        reading = cell.client.read_file(TunnelRequest(host="gpu01"), "/etc/hostname")
        with pytest.raises(Fatal, match="hostname"):
            await reading


async def test_where_nobody_is_named_nobody_is_asked(scene: Scene) -> None:
    async with scene.client("shell") as shell:
        with pytest.raises(NeedsUser) as caught:
            await shell.opening(None)
        assert "would ask alice for a password or code" in caught.value.message


async def test_code_without_await(scene: Scene) -> None:
    await asyncio.to_thread(_without_await, scene)


def _without_await(scene: Scene) -> None:
    engine = SyncEngine(scene.holder.socket_path, "shell")
    with contextlib.closing(engine), ThreadPoolExecutor() as threads:
        opening = threads.submit(engine.open_tunnel, SOCKS, person=ME)
        for answer in (scene.host.password, scene.host.code):
            (prompt,) = wait_until(engine.list_prompts, "a question")
            engine.answer_prompt(prompt.id, Answer((answer,)))
        tunnel = opening.result()[0].id
        scene.host.drop_connections()
        wait_until(lambda: engine.get_tunnel(tunnel).state == "waiting_for_user", "its loss")
        restarting = threads.submit(engine.restart_tunnel, tunnel, person=ME)
        (prompt,) = wait_until(engine.list_prompts, "a question")
        engine.cancel_prompt(prompt.id)
        with pytest.raises(NeedsUser):
            restarting.result()


def test_an_answer_is_not_shown() -> None:
    assert "secret" not in repr(AnswerPrompt("0123456789ab", answers=("secret",)))


def test_news_of_a_prompt_replaces_news_of_that_prompt_only() -> None:
    shown = {"login": "", "prompt": {"id": "a"}}
    assert event_key("prompt", shown) == event_key("prompt_closed", {"prompt": "a"}) == "a"
    assert event_key("prompt", {"prompt": {"id": "b"}}) == "b"
    assert event_key("clients", {"count": 1}) == "clients"
