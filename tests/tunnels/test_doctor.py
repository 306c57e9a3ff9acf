"""The doctor is sent: who is asked, what is not allowed, and that no tunnel comes of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.diagnosis import Diagnosis, Step
from jupyter_remote_tunnel.model.errors import Fatal
from jupyter_remote_tunnel.model.prompt import Answer
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.ssh.steps import Timer
from jupyter_remote_tunnel.tunnels.prompts import Person
from tests.support.echo import serve
from tests.support.pam_sshd import pam_host
from tests.support.ports import unused_port
from tests.support.process import wait_until
from tests.support.sshd import SshBed, Sshd

from .conftest import QUICK, Rig

ANN = Person(1, "ann", "Ann")
PATIENT = replace(QUICK, connect_timeout=60, prompt_timeout=60)


class Practice:
    """A manager that Ann has connected to, and the steps that it tells."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.told: list[Step] = []
        rig.manager.prompts.enter(ANN.session)

    async def visit(self, line: str, person: Person | None = ANN) -> Diagnosis:
        spec = self.rig.spec(f"{line} -D 0")
        return await self.rig.manager.diagnose(
            spec, self.told.append, person=person, from_shell=True
        )

    def visiting(self, line: str) -> "asyncio.Task[Diagnosis]":
        return asyncio.get_running_loop().create_task(self.visit(line), name="visit")

    async def answer(self, *answers: str, remember: bool = False) -> None:
        """Answer the question that waits, or the first to come."""
        prompt = await self.rig.recorder.prompt()
        self.rig.manager.prompts.answer(prompt.id, Answer(answers, remember), ANN)


@pytest.fixture
async def practice(ssh_bed: SshBed, short_dir: Path) -> AsyncIterator[Practice]:
    rig = Rig(ssh_bed, short_dir, PATIENT)
    yield Practice(rig)
    assert rig.manager.tunnels == []
    assert rig.manager.pool.size == 0
    assert rig.manager.prompts.all == []
    await rig.manager.close_all()


def said(diagnosis: Diagnosis, name: str) -> Step:
    (step,) = [step for step in diagnosis.steps if step.name == name]
    return step


async def test_a_person_accepts_a_key(practice: Practice, ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", known=False, client=["StrictHostKeyChecking ask"])
    visiting = practice.visiting("gpu01")
    prompt = await practice.rig.recorder.prompt()
    assert [step.name for step in practice.told][-1] == "key_exchange", "told before it is asked"
    assert (prompt.hop, prompt.tunnels) == ("gpu01", ())
    await practice.answer(remember=True)
    found = await visiting
    assert found.ok
    step = said(found, "host_key")
    assert step.says == (
        f"It is the ED25519 key {sshd.fingerprint}, which was not known and which you accepted."
    )
    assert sshd.known_hosts_line in ssh_bed.known_hosts.read_text()
    assert tuple(practice.told) == found.steps


async def test_the_time_of_a_person_is_not_the_hosts(practice: Practice, ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", "password")
    whole = Timer()
    visiting = practice.visiting("gpu01")
    await practice.rig.recorder.prompt()
    thinking = Timer()
    for _ in range(3):
        await practice.visit("gpu01", None)
    thought = thinking.seconds
    await practice.answer(host.password)
    found = await visiting
    assert said(found, "login").says == "alice is let in by a password."
    assert sum(step.seconds for step in found.steps) < whole.seconds - thought + 0.01


async def test_what_was_answered_wrongly(practice: Practice, ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", "password")
    visiting = practice.visiting("gpu01")
    await practice.answer("wrong secret")
    await practice.answer(host.password)
    found = await visiting
    assert "A password: refused." in said(found, "login").details
    assert found.ok
    for secret in ("wrong secret", host.password):
        assert secret not in str(found)


async def test_who_gives_up_ends_the_walk(practice: Practice, ssh_bed: SshBed) -> None:
    pam_host(ssh_bed, "gpu01", "password")
    visiting = practice.visiting("gpu01")
    prompt = await practice.rig.recorder.prompt()
    practice.rig.manager.prompts.cancel(prompt.id, ANN)
    found = await visiting
    step = found.steps[-1]
    assert (step.name, step.verdict, step.code) == ("login", "failed", "needs_user")
    assert "cancelled" in step.says
    assert step.advice == "To be asked again, begin again.", "there is no tunnel to restart"


async def test_where_nobody_is_there_it_says_so(practice: Practice, ssh_bed: SshBed) -> None:
    pam_host(ssh_bed, "gpu01", "password")
    found = await practice.visit("gpu01", None)
    step = found.steps[-1]
    assert (step.name, step.code) == ("login", "needs_user")
    assert "Nobody could be asked" in step.advice


async def test_a_walk_that_nobody_wants_any_more_leaves_nothing(
    practice: Practice, ssh_bed: SshBed
) -> None:
    gateway = ssh_bed.host("gw")
    pam_host(ssh_bed, "gpu01", "password", client=["ProxyJump gw"])
    visiting = practice.visiting("gpu01")
    await practice.rig.recorder.prompt()
    visiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await visiting
    assert practice.told[-1].name == "host_key"
    await asyncio.to_thread(wait_until, lambda: not gateway.connections, "gw to be left")


async def test_the_connection_of_a_tunnel_is_not_touched(
    practice: Practice, ssh_bed: SshBed, sshd: Sshd
) -> None:
    tunnel = await practice.rig.open("-D 0 gpu01")
    (link,) = practice.rig.manager.pool._links.values()
    before = link.connection
    assert (await practice.visit("gpu01")).ok
    assert link.connection is before
    assert sshd.log.count("Accepted publickey") == 2
    await practice.rig.manager.close(tunnel.id)


async def test_what_the_settings_forbid(ssh_bed: SshBed, sshd: Sshd, short_dir: Path) -> None:
    rig = Rig(ssh_bed, short_dir, EngineSettings(allowed_hosts=("other",)))
    told: list[Step] = []
    with pytest.raises(Fatal, match="gpu01 are not allowed") as caught:
        await rig.manager.diagnose(rig.spec("-D 0 gpu01"), told.append, from_shell=True)
    assert (caught.value.code, told) == ("not_allowed", [])
    rig = Rig(ssh_bed, short_dir)
    with pytest.raises(Fatal, match="-F") as caught:
        await rig.manager.diagnose(rig.spec("-D 0 gpu01"), told.append, from_shell=False)
    assert (caught.value.code, told) == ("not_allowed", [])


async def test_destinations_that_are_not_allowed_do_not_keep_it_away(
    ssh_bed: SshBed, sshd: Sshd, short_dir: Path
) -> None:
    rig = Rig(ssh_bed, short_dir, EngineSettings(allowed_destinations=("localhost:5006",)))
    spec = rig.spec("-D 0 gpu01")
    assert (await rig.manager.diagnose(spec, lambda _: None, from_shell=True)).ok
    told: list[Step] = []
    with pytest.raises(Fatal, match="localhost:22 is not allowed") as caught:
        await rig.manager.diagnose(
            rig.spec("-L 0:localhost:22 gpu01"), told.append, from_shell=True
        )
    assert (caught.value.code, told) == ("not_allowed", [])


async def test_each_destination_of_a_tunnel_is_tried_once(practice: Practice, sshd: Sshd) -> None:
    with serve("echo") as echo:
        forwards = f"-L 0:localhost:{echo.port} -L 0:localhost:{echo.port} -R 0:localhost:1"
        found = await practice.visit(f"{forwards} gpu01")
    assert said(found, "destination").says == f"gpu01 connects to localhost:{echo.port} for you."


@pytest.mark.parametrize("bind", ["offer", "offer/tcp"])
async def test_what_is_offered_is_looked_up_as_a_tunnel_does(
    ssh_bed: SshBed, short_dir: Path, rig: Rig, bind: str
) -> None:
    ssh_bed.host("gw", env={"HOME": short_dir})
    with unused_port() as port, serve("echo") as echo:
        offering = await rig.open(f"-R {bind}/{port}:localhost:{echo.port} gw")
        spec = rig.spec(f"-L 0:localhost:{port} gw")
        found = await rig.manager.diagnose(spec, lambda _: None, from_shell=True)
        step = said(found, "destination")
        assert step.verdict == "ok", step
        there = offering.bound[0] if bind == "offer" else f"127.0.0.1:{port}"
        assert f" offers as {port} on gw, which leads to localhost:{echo.port}" in step.says
        assert step.says.endswith(f" there, by way of {there}. It answers.")


async def test_what_is_offered_and_does_not_answer_fails(
    ssh_bed: SshBed, short_dir: Path, rig: Rig
) -> None:
    ssh_bed.host("gw", env={"HOME": short_dir})
    with unused_port() as nobodys:
        await rig.open(f"-R offer/5006:localhost:{nobodys} gw")
        spec = rig.spec("-L 0:localhost:5006 gw")
        found = await rig.manager.diagnose(spec, lambda _: None, from_shell=True)
    step = said(found, "destination")
    assert step.verdict == "failed"
    assert f"is there, and localhost:{nobodys} does not answer it" in step.says
    assert " offers as 5006 on gw" in step.details[0]
