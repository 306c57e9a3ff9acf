"""Questions that no sshd asks: several at once, without end, one in the place of another."""

import asyncio
from typing import Any

import pytest
from typing_extensions import override

from jupyter_remote_tunnel.model.errors import NeedsUser, RemoteTunnelError
from jupyter_remote_tunnel.model.prompt import Field
from jupyter_remote_tunnel.model.spec import SshOptions
from tests.ssh.person import CANCELLED, Person, Thinker, begin, connected
from tests.ssh.support import route_to
from tests.support.asking_host import Curious, Renewing
from tests.support.lying_host import Liar, lying, never
from tests.support.sk_agent import sk_agent
from tests.support.sshd import SshBed


async def refused(bed: SshBed, person: Person, max_prompts: int = 10) -> RemoteTunnelError:
    """The error with which connecting to a host in this very process fails."""
    with pytest.raises(RemoteTunnelError) as caught:
        async with connected(bed, "gpu01", person, max_prompts=max_prompts):
            pass
    return caught.value


async def test_several_fields_at_once_some_of_them_seen(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", start=False)
    curious = Curious(
        ("Login", "Of the \033[1mcluster\033[0m:\nboth.", [("User: ", True), ("Code: ", False)]),
        ("", "", []),
        ("", "", [("Dozen: ", True)] * 12),
    )
    person = Person(["me", "123"], [str(n) for n in range(12)])
    async with lying(sshd, curious), connected(ssh_bed, "gpu01", person):
        pass
    first, second = person.asked
    assert first.fields == (Field("User:", echo=True), Field("Code:", echo=False))
    assert first.says == "Login\nOf the [1mcluster [0m:\nboth."
    assert second.says == ""
    assert curious.answers == [["me", "123"], [], [str(n) for n in range(12)]]
    assert person.notices == []


async def test_text_without_a_question_is_shown_and_waits_for_nobody(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", start=False)
    curious = Curious(("", "Tap on your phone.", []), ("", "Thank you.", []))
    person = Person()
    async with lying(sshd, curious), connected(ssh_bed, "gpu01", person):
        pass
    assert (person.asked, person.notices) == ([], ["Tap on your phone.", "Thank you."])


@pytest.mark.parametrize("prompts", [[("More?", False)], []], ids=["asks", "says"])
async def test_a_host_that_asks_without_end(
    ssh_bed: SshBed, prompts: list[tuple[str, bool]]
) -> None:
    sshd = ssh_bed.host("gpu01", start=False, client=["ConnectTimeout 10"])
    curious = Curious(*[("", "More.", prompts)] * 1000)
    person = Person(*["yes"] * 1000)
    async with lying(sshd, curious):
        error = await refused(ssh_bed, person, max_prompts=5)
    assert isinstance(error, NeedsUser)
    assert "more than 5 questions" in error.message
    assert len(person.asked) + len(person.notices) == 5


async def test_a_host_that_wants_everything_at_once(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", start=False)
    person = Person()
    async with lying(sshd, Curious(("", "", [("More?", False)] * 1000))):
        error = await refused(ssh_bed, person)
    assert isinstance(error, NeedsUser)
    assert "1000 answers at once" in error.message
    assert person.asked == []


async def test_a_password_is_changed_on_demand(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", start=False)
    person = Person("old", ["old", "new", "nev"], ["old", "new", "new"], ["old", "newer", "newer"])
    async with lying(sshd, Renewing()) as host, connected(ssh_bed, "gpu01", person):
        assert host.changed == "old → newer"
    assert person.kinds == ["password", *["new_password"] * 3]
    assert [question.says for question in person.asked] == [
        "",
        *["It is [1mold.\nTake another."] * 2,
        "Too short.",
    ]
    assert [question.tries for question in person.asked] == [1, 1, 2, 1]
    assert [field.label for field in person.asked[1].fields] == [
        "Old password",
        "New password",
        "New password again",
    ]


async def test_who_does_not_want_a_new_password(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", start=False)
    async with lying(sshd, Renewing()) as host:
        error = await refused(ssh_bed, Person("old", CANCELLED))
        assert error.message == CANCELLED.message
        assert host.changed == ""


class Impatient(Liar):
    """Waits for no answer."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()

    async def ask_again(self) -> None:
        auth: Any = self.connection._auth
        await auth._send_challenge(("", "", "", [("Really:", False)]))

    @override
    def begin_auth(self, username: str) -> bool:
        return True

    @override
    def kbdint_auth_supported(self) -> bool:
        return True

    @override
    def public_key_auth_supported(self) -> bool:
        return False

    @override
    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "", "", [("Code:", False)]

    @override
    def validate_kbdint_response(self, username: str, responses: Any) -> Any:
        self.answered.set()
        return never()


async def test_no_question_takes_the_place_of_another(ssh_bed: SshBed) -> None:
    """What is being typed to one would become the answer to the other."""
    sshd = ssh_bed.host("gpu01", start=False)
    (hop,) = await route_to(ssh_bed, "gpu01")
    async with lying(sshd, Impatient()) as host:
        person = Thinker("secret")
        attempt = begin(hop, person)
        await person.begun.wait()
        await host.ask_again()
        await person.withdrawn.wait()
        person.decided.set()
        with pytest.raises(NeedsUser, match="took a question back"):
            await attempt
        assert person.labels == []
        assert not host.answered.is_set()


async def test_a_host_that_lets_in_before_it_is_answered(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", start=False)
    (hop,) = await route_to(ssh_bed, "gpu01")
    async with lying(sshd, Impatient()) as host:
        person = Thinker()
        attempt = begin(hop, person)
        await person.begun.wait()
        await host.connection.send_userauth_success()
        connection = await attempt
        assert person.withdrawn.is_set()
        await connection.close()


async def test_a_security_key_has_to_be_touched(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", client=["IdentitiesOnly no"])
    async with sk_agent(ssh_bed.folder / "agent.sock") as agent:
        sshd.authorized_keys.write_text(agent.public_key)
        options = SshOptions(
            config_file=str(ssh_bed.config_file), agent_socket=str(ssh_bed.folder / "agent.sock")
        )
        (hop,) = await route_to(ssh_bed, "gpu01", options)
        person = Person()
        attempt = begin(hop, person)
        await agent.waits.wait()
        assert person.notices == [""]
        assert not attempt.done()
        agent.touched.set()
        connection = await attempt
        assert (await connection.exec(["echo", "in"])).stdout == b"in\n"
        await connection.close()
    assert person.asked == []
