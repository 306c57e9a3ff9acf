"""Who is asked what a host wants to know, and what becomes of the tunnels that wait for it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from typing_extensions import override

from jupyter_remote_tunnel.model.errors import BadInput, Fatal, NeedsUser, RemoteTunnelError
from jupyter_remote_tunnel.model.prompt import Answer, Prompt
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.state import State
from jupyter_remote_tunnel.tunnels.manager import Wanted
from jupyter_remote_tunnel.tunnels.prompts import Person
from jupyter_remote_tunnel.tunnels.tunnel import Tunnel
from tests.support.lying_host import Liar, lying
from tests.support.pam_sshd import PamSshd, pam_host
from tests.support.process import wait_until
from tests.support.sk_agent import sk_agent
from tests.support.sshd import SshBed, Sshd, make_key

from .conftest import QUICK, Rig

ANN, BOB = Person(1, "ann", "Ann"), Person(1, "bob", "Bob")
SHELL = Person(2)
ASK = ["StrictHostKeyChecking ask"]
T = TypeVar("T")
# What is retried, or given up too soon, shows in the states; what is slow does not.
PATIENT = replace(QUICK, connect_timeout=60, backoff_first=0.05, prompt_timeout=60)


@pytest.fixture
async def people(rig: Rig) -> Rig:
    """A manager whom two logins of one server, and a shell, have connected to."""
    for session in (ANN.session, SHELL.session):
        rig.manager.prompts.enter(session)
    return rig


@pytest.fixture
async def rig(ssh_bed: SshBed, short_dir: Path) -> AsyncIterator[Rig]:
    async with _rig(ssh_bed, short_dir, PATIENT) as made:
        yield made


@asynccontextmanager
async def _rig(bed: SshBed, folder: Path, settings: EngineSettings) -> AsyncIterator[Rig]:
    made = Rig(bed, folder, settings)
    yield made
    await made.manager.close_all()
    assert made.manager.pool.size == 0
    assert made.manager.prompts.all == []


@pytest.fixture
def host(ssh_bed: SshBed) -> PamSshd:
    """It takes a password and nothing else."""
    return pam_host(ssh_bed, "gpu01", "password")


def spawn(work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    return asyncio.get_running_loop().create_task(work, name="somebody")


def opening(rig: Rig, line: str, person: Person | None) -> "asyncio.Task[Any]":
    """Begin to open a tunnel."""
    return spawn(rig.manager.open(rig.spec(line), person=person, from_shell=True))


async def soon(ask: Callable[[], T | None], what: str) -> T:
    """What `ask` gives when it gives something."""
    found = await asyncio.to_thread(wait_until, ask, what)
    assert found is not None
    return found


async def tried(host: PamSshd, *attempts: str) -> None:
    """What was tried on a host; its log comes a moment later."""
    await soon(lambda: host.attempts == list(attempts), f"{attempts}, not {host.attempts}")


async def failed(task: "asyncio.Task[Any]") -> RemoteTunnelError:
    with pytest.raises(RemoteTunnelError) as caught:
        async with asyncio.timeout(60):
            await task
    return caught.value


async def open_with_password(rig: Rig, host: PamSshd, *lines: str) -> list[Tunnel]:
    """Open tunnels whose host asks for a password, once."""
    tasks = [opening(rig, line, ANN) for line in lines]
    prompt = await rig.recorder.prompt()
    await rig.recorder.until(lambda: len(_asked(rig)[0].tunnels) == len(lines))
    rig.manager.prompts.answer(prompt.id, Answer((host.password,)), ANN)
    return [(await task)[0] for task in tasks]


def _asked(rig: Rig) -> list[Prompt]:
    return [asked.prompt for asked in rig.manager.prompts.all]


async def test_a_question_is_asked_once_for_all_tunnels_that_wait(
    people: Rig, host: PamSshd
) -> None:
    lines = ["-L 0:localhost:1 gpu01", "-L 0:localhost:2 gpu01", "-D 0 gpu01"]
    tasks = [opening(people, line, ANN) for line in lines]
    prompt = await people.recorder.prompt()
    await people.recorder.until(lambda: len(people.recorder.prompts[prompt.id].tunnels) == 3)
    tunnels = people.manager.tunnels
    await people.recorder.until(lambda: {t.state for t in tunnels} == {State.WAITING_FOR_USER})
    (shown,) = people.recorder.prompts.values()
    assert (shown.hop, shown.login) == ("gpu01", f"alice@127.0.0.1:{host.port}")
    assert set(shown.tunnels) == {tunnel.id for tunnel in tunnels}
    assert shown.question.kind == "password"
    assert shown.expires.endswith("Z")
    people.manager.prompts.answer(prompt.id, Answer((host.password,)), ANN)
    await asyncio.gather(*tasks)
    assert {tunnel.state for tunnel in tunnels} == {State.OPEN}
    assert people.recorder.states(tunnels[0]) == [
        State.CONNECTING,
        State.WAITING_FOR_USER,
        State.CONNECTING,
        State.OPEN,
    ]
    assert people.recorder.prompts == {}
    await tried(host, "Accepted password")


async def test_only_who_opened_it_answers(people: Rig, host: PamSshd) -> None:
    task = opening(people, "-D 0 gpu01", ANN)
    prompt = await people.recorder.prompt()
    prompts, answer = people.manager.prompts, Answer((host.password,))
    for stranger in (BOB, SHELL, Person(3, "ann")):
        for attempt in (partial(prompts.answer, answer=answer), prompts.cancel):
            with pytest.raises(Fatal) as caught:
                attempt(prompt.id, by=stranger)
            assert caught.value.code == "not_allowed"
    assert {person for _, person in people.recorder.asked} == {ANN}
    for answers in ((), ("a", "b")):
        with pytest.raises(BadInput):
            prompts.answer(prompt.id, Answer(answers), ANN)
    prompts.answer(prompt.id, answer, ANN)
    await task
    for late in (ANN, BOB):
        with pytest.raises(Fatal) as caught:
            prompts.answer(prompt.id, answer, late)
        assert caught.value.code == "not_found"


async def test_who_joins_is_asked_too_and_the_first_answer_wins(people: Rig, host: PamSshd) -> None:
    first = opening(people, "-D 0 gpu01", ANN)
    prompt = await people.recorder.prompt()
    second = opening(people, "-L 0:localhost:1 gpu01", SHELL)
    await people.recorder.until(lambda: (prompt.id, SHELL) in people.recorder.asked)
    same = opening(people, "-D 0 gpu01", BOB)  # the very tunnel
    await people.recorder.until(lambda: (prompt.id, BOB) in people.recorder.asked)
    people.manager.prompts.answer(prompt.id, Answer((host.password,)), BOB)
    await asyncio.gather(first, second, same)
    assert len({prompt_id for prompt_id, _ in people.recorder.asked}) == 1


async def test_giving_up_ends_the_attempt_and_nothing_is_tried_again(
    people: Rig, host: PamSshd
) -> None:
    task = opening(people, "-D 0 gpu01", ANN)
    prompt = await people.recorder.prompt()
    people.manager.prompts.cancel(prompt.id, ANN)
    error = await failed(task)
    assert (error.code, error.hop) == ("needs_user", "gpu01")
    assert "cancelled" in error.message
    (tunnel,) = people.manager.tunnels
    assert tunnel.state is State.FAILED
    assert people.manager.pool.size == 0
    assert host.failures == 0


async def test_nobody_answers(ssh_bed: SshBed, short_dir: Path, host: PamSshd) -> None:
    settings = replace(PATIENT, prompt_timeout=0.2)
    async with _rig(ssh_bed, short_dir, settings) as rig:
        rig.manager.prompts.enter(ANN.session)
        error = await failed(opening(rig, "-D 0 gpu01", ANN))
        assert error.message == "Nobody answered gpu01 within 0.2 s."
        assert error.code == "needs_user"


async def test_where_the_last_who_could_answer_leaves_it_ends_at_once(
    people: Rig, host: PamSshd
) -> None:
    tasks = [opening(people, "-D 0 gpu01", ANN), opening(people, "-L 0:a:1 gpu01", SHELL)]
    await people.recorder.until(lambda: len(people.recorder.asked) >= 2)
    people.manager.prompts.leave(SHELL.session)
    assert len(people.manager.prompts.all) == 1
    people.manager.prompts.leave(ANN.session)
    for task in tasks:
        error = await failed(task)
        assert error.code == "needs_user"
        assert "nobody is there" in error.message


async def test_nobody_is_asked_where_nobody_is_there(people: Rig, host: PamSshd) -> None:
    for person in (None, Person(99)):
        error = await failed(opening(people, "-D 0 gpu01", person))
        assert error.code == "needs_user"
        assert "in the sidebar or in a terminal" in error.hint
    assert people.recorder.asked == []


async def test_a_lost_connection_that_needs_a_person_waits_for_one(
    people: Rig, host: PamSshd
) -> None:
    lines = ("-L 0:localhost:1 gpu01", "-D 0 gpu01")
    tunnels = await open_with_password(people, host, *lines)
    host.drop_connections()
    await people.recorder.until(
        lambda: {tunnel.state for tunnel in tunnels} == {State.WAITING_FOR_USER}
    )
    assert _asked(people) == []
    error = tunnels[0].error
    assert isinstance(error, NeedsUser)
    assert "would ask alice for a password" in error.message
    listening = tunnels[1].bound[0]
    assert listening is not None
    host_, _, port = listening.rpartition(":")
    _, writer = await asyncio.open_connection(host_, int(port))
    writer.close()
    assert host.failures == 0, "nothing is sent unasked"

    task = spawn(people.manager.restart(tunnels[0].id, ANN))
    prompt = await people.recorder.prompt()
    people.manager.prompts.answer(prompt.id, Answer((host.password,)), ANN)
    await task
    await people.recorder.until(lambda: tunnels[1].state is State.OPEN)
    assert tunnels[1].bound[0] == listening, "the other one is back, too"
    assert len({prompt_id for prompt_id, _ in people.recorder.asked}) == 2


async def test_a_security_key_is_not_asked_to_sign_while_nobody_is_there(
    people: Rig, ssh_bed: SshBed
) -> None:
    """It would blink at each try, for somebody who does not know what for."""
    socket = ssh_bed.folder / "key.sock"
    lines = ["IdentitiesOnly no", "IdentityFile none", f"IdentityAgent {socket}"]
    sshd = ssh_bed.host("gpu01", client=lines)
    async with sk_agent(socket) as agent:
        sshd.authorized_keys.write_text(agent.public_key)
        agent.touched.set()
        tunnel, _ = await opening(people, "-D 0 gpu01", ANN)
        agent.waits.clear()
        sshd.drop_connections()
        await people.recorder.until(lambda: tunnel.state is State.WAITING_FOR_USER)
        assert not agent.waits.is_set()
        assert isinstance(tunnel.error, NeedsUser)
        assert "a security key has to be touched" in tunnel.error.message

        await people.manager.restart(tunnel.id, ANN)
        assert tunnel.state is State.OPEN
        assert agent.waits.is_set()


async def test_a_restart_that_is_given_up_goes_on_waiting(people: Rig, host: PamSshd) -> None:
    (tunnel,) = await open_with_password(people, host, "-D 0 gpu01")
    host.drop_connections()
    await people.recorder.until(lambda: tunnel.state is State.WAITING_FOR_USER)
    for _ in range(2):
        task = spawn(people.manager.restart(tunnel.id, ANN))
        prompt = await people.recorder.prompt()
        people.manager.prompts.cancel(prompt.id, ANN)
        assert (await failed(task)).code == "needs_user"
        assert tunnel.state is State.WAITING_FOR_USER
    task = spawn(people.manager.restart(tunnel.id))
    assert "Nobody could be asked" in (await failed(task)).hint
    assert tunnel.state is State.WAITING_FOR_USER


def wanted(rig: Rig, line: str) -> Wanted:
    return Wanted("0123456789ab", rig.spec(line), "saved", (None,))


@pytest.mark.parametrize("known", [True, False])
async def test_what_is_restored_asks_nobody(people: Rig, ssh_bed: SshBed, known: bool) -> None:
    host = pam_host(ssh_bed, "gpu01", "password", known=known, client=ASK)
    people.manager.restore([wanted(people, "-D 0 gpu01")])
    (tunnel,) = people.manager.tunnels
    await people.recorder.until(lambda: tunnel.state is State.WAITING_FOR_USER)
    assert people.recorder.asked == []
    assert tunnel.bound[0] is not None, "its port is kept"
    task = spawn(people.manager.restart(tunnel.id, ANN))
    if not known:
        prompt = await people.recorder.prompt()
        assert prompt.question.kind == "host_key"
        people.manager.prompts.answer(prompt.id, Answer(), ANN)
        await people.recorder.until(lambda: prompt.id not in people.recorder.prompts)
    prompt = await people.recorder.prompt()
    people.manager.prompts.answer(prompt.id, Answer((host.password,)), ANN)
    await task
    assert tunnel.state is State.OPEN


async def test_who_joins_what_nobody_began_is_asked(people: Rig, host: PamSshd) -> None:
    with host.paused():
        people.manager.restore([wanted(people, "-D 0 gpu01")])
        (link,) = await soon(lambda: list(people.manager.pool._links.values()), "the link")
        attempt = await soon(lambda: link._attempt, "the attempt")
        await soon(lambda: attempt.asked_nobody, "an attempt in which nobody is asked")
        lines = ("-D 0 gpu01", "-L 0:localhost:1 gpu01")  # the first is the same one
        tasks = [opening(people, line, ANN) for line in lines]
        await soon(lambda: list(attempt.audience).count(ANN) == 2, "those who join it")
    prompt = await people.recorder.prompt()
    people.manager.prompts.answer(prompt.id, Answer((host.password,)), ANN)
    await asyncio.gather(*tasks)
    await people.recorder.until(lambda: {t.state for t in people.manager.tunnels} == {State.OPEN})
    await tried(host, "Accepted password")


async def test_the_question_of_a_jump_host_is_that_of_all_behind_it(
    people: Rig, ssh_bed: SshBed
) -> None:
    gw = pam_host(ssh_bed, "gw", "keyboard-interactive", asks=("password", "code"))
    for alias in ("a", "b"):
        ssh_bed.host(alias, client=["ProxyJump gw"])
    tasks = [opening(people, f"-D 0 {alias}", who) for alias, who in (("a", ANN), ("b", SHELL))]
    first = await people.recorder.prompt()
    await people.recorder.until(lambda: {ANN, SHELL} <= {who for _, who in people.recorder.asked})
    assert first.hop == "gw (hop 1 of 2)"
    tunnels = people.manager.tunnels
    await people.recorder.until(lambda: {t.state for t in tunnels} == {State.WAITING_FOR_USER})
    assert set(_asked(people)[0].tunnels) == {tunnel.id for tunnel in tunnels}
    people.manager.prompts.answer(first.id, Answer((gw.password,)), ANN)
    await people.recorder.until(lambda: first.id not in people.recorder.prompts)
    second = await people.recorder.prompt()
    assert second.id != first.id
    people.manager.prompts.answer(second.id, Answer((gw.code,)), SHELL)
    await asyncio.gather(*tasks)
    assert {tunnel.state for tunnel in tunnels} == {State.OPEN}


class Phone(Liar):
    """Says that a push was sent, and waits for the tap."""

    def __init__(self) -> None:
        self.tapped = asyncio.Event()

    @override
    def begin_auth(self, username: str) -> bool:
        return True

    @override
    def kbdint_auth_supported(self) -> bool:
        return True

    @override
    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "Tap on your phone.", "", []

    @override
    async def validate_kbdint_response(self, username: str, responses: Any) -> Any:
        await self.tapped.wait()
        return True


async def test_what_only_waits_is_shown_until_its_end(people: Rig, ssh_bed: SshBed) -> None:
    phone = Phone()
    async with lying(ssh_bed.host("gpu01", start=False), phone):
        task = opening(people, "-D 0 gpu01", ANN)
        notice = await people.recorder.prompt()
        assert (notice.question.kind, notice.expires) == ("notice", "")
        assert notice.question.says == "Tap on your phone."
        assert people.manager.tunnels[0].state is State.WAITING_FOR_USER
        with pytest.raises(BadInput):
            people.manager.prompts.answer(notice.id, Answer(), ANN)
        phone.tapped.set()
        tunnel, _ = await task
        assert tunnel.state is State.OPEN
        assert people.recorder.prompts == {}
        await people.manager.close(tunnel.id)


@pytest.mark.parametrize("how", ["cancel", "leave"])
async def test_what_only_waits_can_be_given_up(people: Rig, ssh_bed: SshBed, how: str) -> None:
    async with lying(ssh_bed.host("gpu01", start=False), Phone()):
        task = opening(people, "-D 0 gpu01", ANN)
        notice = await people.recorder.prompt()
        if how == "cancel":
            people.manager.prompts.cancel(notice.id, ANN)
        else:
            people.manager.prompts.leave(ANN.session)
        assert (await failed(task)).code == "needs_user"
        assert people.recorder.prompts == {}


async def test_a_restart_by_a_person_forgets_what_was_accepted_for_once(
    people: Rig, ssh_bed: SshBed
) -> None:
    sshd: Sshd = ssh_bed.host("gpu01", known=False, client=ASK)
    task = opening(people, "-D 0 gpu01", ANN)
    prompt = await people.recorder.prompt()
    people.manager.prompts.answer(prompt.id, Answer(), ANN)
    tunnel, _ = await task
    sshd.drop_connections()
    states = people.recorder.states(tunnel)
    await people.recorder.until(
        lambda: people.recorder.states(tunnel)[len(states) :][-1:] == [State.OPEN]
    )
    assert len(people.recorder.asked) == 1, "it holds while the tunnel is there"
    sshd.kill()
    sshd.host_key.unlink()
    make_key(sshd.host_key)
    sshd.start()
    await people.recorder.until(lambda: tunnel.state is State.FAILED)
    assert tunnel.error is not None
    assert tunnel.error.code == "host_key_changed"
    task = spawn(people.manager.restart(tunnel.id, ANN))
    prompt = await people.recorder.prompt()
    key = prompt.question.host_key
    assert key is not None
    assert key.fingerprint == sshd.fingerprint
    people.manager.prompts.answer(prompt.id, Answer(remember=True), ANN)
    await task
    await asyncio.to_thread(
        wait_until, lambda: sshd.known_hosts_line in ssh_bed.known_hosts.read_text(), "the key"
    )


async def test_a_passphrase_is_kept_if_the_person_says_so(people: Rig, ssh_bed: SshBed) -> None:
    key = make_key(ssh_bed.folder / "locked", passphrase="open sesame")
    mine = [f"IdentityFile {key}", "BatchMode no"]
    for alias in ("a", "b", "c"):
        sshd = ssh_bed.host(alias, client=mine)
        sshd.authorized_keys.write_text(key.with_suffix(".pub").read_text())
    for alias, remember in (("a", False), ("b", True)):
        task = opening(people, f"-D 0 {alias}", ANN)
        prompt = await people.recorder.prompt()
        assert (prompt.question.kind, prompt.question.path) == ("passphrase", str(key))
        people.manager.prompts.answer(prompt.id, Answer(("open sesame",), remember), ANN)
        await task
    await opening(people, "-D 0 c", ANN)
    assert len(people.recorder.asked) == 2
