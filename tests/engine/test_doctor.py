"""The doctor over the control socket: who hears of its steps, and that no answer is kept."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from jupyter_remote_tunnel.engine.holder import Holder
from jupyter_remote_tunnel.engine.messages import Who
from jupyter_remote_tunnel.model.diagnosis import Diagnosis, Step
from jupyter_remote_tunnel.model.errors import BadInput, Fatal
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import SshOptions, TunnelRequest
from tests.engine.conftest import Folders
from tests.support.pam_sshd import pam_host
from tests.support.ports import unused_port
from tests.support.sshd import SshBed

from .test_prompts import Listener, Scene

HOST = TunnelRequest(host="gpu01")


@pytest.fixture
async def scene(ssh_bed: SshBed, folders: Folders) -> AsyncIterator[Scene]:
    host = pam_host(ssh_bed, "gpu01", "keyboard-interactive", asks=("password", "code"))
    settings = EngineSettings(
        ssh_config=str(ssh_bed.config_file), log_level="DEBUG", connect_timeout=60
    )
    with tempfile.TemporaryFile() as log:
        async with Holder(settings, kind="server", log=log.fileno()) as holder:
            yield Scene(holder, host, log)


def visiting(listener: Listener, steps: list[Step]) -> "asyncio.Task[Diagnosis]":
    """Begin a visit that tells its steps, too."""
    visit = listener.client.diagnose(HOST, person=Who(), on_step=steps.append)
    return asyncio.get_running_loop().create_task(visit, name="visit")


async def test_steps_come_at_once_and_to_who_asked(scene: Scene) -> None:
    first: list[Step] = []
    second: list[Step] = []
    async with scene.client("shell") as shell, scene.client("shell") as other:
        one = visiting(shell, first)
        prompt = await shell.asked()
        await shell.client.ping()
        assert first[-1].name == "host_key", "told while the login waits"
        # Only now: of two that begin at once, either may be the first to ask.
        two = visiting(shell, second)
        other_prompt = await shell.asked()
        await shell.client.ping()
        assert second[-1].name == "host_key", "told while the login waits"
        await shell.client.cancel_prompt(prompt.id)
        await shell.client.cancel_prompt(other_prompt.id)
        found = await one, await two
        assert [tuple(first), tuple(second)] == [diagnosis.steps for diagnosis in found]
        assert not any(diagnosis.ok for diagnosis in found)
        await other.client.ping()
        heard = {other.events.get_nowait().name for _ in range(other.events.qsize())}
        assert "step" not in heard


async def test_who_wants_no_steps_hears_none(scene: Scene) -> None:
    async with scene.client("cell") as cell:
        found = await cell.client.diagnose(HOST)
        assert found.steps[-1].code == "needs_user"
        await cell.client.ping()
        heard = {cell.events.get_nowait().name for _ in range(cell.events.qsize())}
        assert "step" not in heard


async def test_no_answer_is_kept(scene: Scene) -> None:
    async with scene.client("shell") as shell:
        steps: list[Step] = []
        visit = visiting(shell, steps)
        await shell.answer("mistyped secret")
        await shell.answer(scene.host.code)
        await shell.answer(scene.host.password)
        await shell.answer(scene.host.code)
        found = await visit
        assert found.ok
        told = str([shell.events.get_nowait() for _ in range(shell.events.qsize())])
    for secret in ("mistyped secret", scene.host.password, scene.host.code):
        assert secret not in scene.logged + told + str(found)


async def test_who_goes_away_ends_the_visit(scene: Scene) -> None:
    async with scene.client("shell") as other:
        async with scene.client("cell") as cell:
            visiting(cell, []).add_done_callback(lambda task: task.exception())
            await cell.asked()
        seen = await other.client.call("prompts.list")
        while seen["others"]:
            await other.client.ping()
            seen = await other.client.call("prompts.list")


async def test_a_visit_that_is_given_up_ends(scene: Scene) -> None:
    async with scene.client("server") as server:
        visit = visiting(server, [])
        await server.asked()
        visit.cancel()
        while await server.client.list_prompts():
            await server.client.ping()


async def test_a_tunnel_is_visited_with_all_that_was_typed_for_it(
    scene: Scene, ssh_bed: SshBed
) -> None:
    ssh_bed.host("other")
    ssh_bed.write_config("Host other\n    HostName nowhere.invalid\n")
    async with scene.client("shell") as shell:
        way = SshOptions(options=("HostName=127.0.0.1",))
        wanted = TunnelRequest(host="other", forwards=("-D 0",), name="way", ssh=way)
        await shell.client.open_tunnel(wanted)
        assert (await shell.client.diagnose(None, tunnel="way")).ok
        assert not (await shell.client.diagnose(TunnelRequest(host="other"))).ok
        for request, tunnel in ((None, None), (HOST, "way")):
            with pytest.raises(BadInput, match="a host, or a tunnel"):
                await shell.client.diagnose(request, tunnel=tunnel)
        with pytest.raises(Fatal, match="no tunnel"):
            await shell.client.diagnose(None, tunnel="nowhere")


async def test_what_nobody_types_is_not_looked_at(scene: Scene) -> None:
    async with scene.client("shell") as shell:
        endless = SshOptions(options=("SetEnv=" + "a " * 200_000,))
        with pytest.raises(BadInput, match="long"):
            await shell.client.diagnose(TunnelRequest(host="gpu01", ssh=endless))


async def test_where_forwards_lead_is_visited_too(scene: Scene, ssh_bed: SshBed) -> None:
    ssh_bed.host("other")
    with unused_port() as nowhere:
        wanted = TunnelRequest(host="other", forwards=(f"-L 0:localhost:{nowhere}", "-D 0"))
        async with scene.client("shell") as shell:
            await shell.client.open_tunnel(replace(wanted, name="way"))
            for request, tunnel in ((wanted, None), (None, "way")):
                found = await shell.client.diagnose(request, tunnel=tunnel)
                (step,) = [step for step in found.steps if step.name == "destination"]
                assert f"could not connect to localhost:{nowhere}" in step.says
            with pytest.raises(BadInput, match="-X"):
                await shell.client.diagnose(TunnelRequest(command="ssh -X gpu01"))
