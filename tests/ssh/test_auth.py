"""Logging in where a person has to answer: sshd with PAM."""

import asyncio
import logging

import asyncssh
import pytest

from jupyter_remote_tunnel.model.errors import Fatal, NeedsUser, Transient
from jupyter_remote_tunnel.model.prompt import Answer, Field
from jupyter_remote_tunnel.ssh.connecting import Memory, open_connection
from tests.ssh.person import CANCELLED, ONCE, Person, Thinker, begin, connected, failing
from tests.ssh.support import descriptors, looks, no_channels, route_to, task_names
from tests.support.netns import Namespace
from tests.support.pam_sshd import MESSAGE, PUSH, PamSshd, pam_host
from tests.support.process import wait_until
from tests.support.sshd import SshBed

KEYBOARD = "keyboard-interactive"
ACCEPTED = "Accepted keyboard-interactive/pam"
FAILED = "Failed keyboard-interactive/pam"
NEW = "Zeitgeist-42"


async def tried(host: PamSshd, *attempts: str) -> None:
    """Wait until the host's log says that much, and see that it is exactly that."""
    await asyncio.to_thread(
        wait_until, lambda: len(host.attempts) >= len(attempts), f"{attempts} in sshd's log"
    )
    assert host.attempts == list(attempts)


# Passwords


async def test_a_password(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", "password")
    person = Person(host.password)
    async with connected(ssh_bed, "gpu01", person) as connection:
        assert (await connection.exec(["id", "-un"])).stdout == b"alice\n"
    (question,) = person.asked
    assert (question.kind, question.says, question.tries) == ("password", "", 1)
    assert question.fields == (Field("Password", echo=False),)
    await tried(host, "Accepted password")


async def test_a_wrong_password_is_asked_for_again(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", "password")
    person = Person("no", "", host.password)
    async with connected(ssh_bed, "gpu01", person):
        assert [question.tries for question in person.asked] == [1, 2, 3]
    await tried(host, "Failed password", "Failed password", "Accepted password")


async def test_as_often_as_the_configuration_says(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", "password", client=["NumberOfPasswordPrompts 2"])
    person = Person("no", "no", host.password)
    error = await failing(ssh_bed, "gpu01", person)
    assert (type(error), error.code, error.hop) == (Fatal, "auth_failed", "gpu01")
    assert error.message == "gpu01 did not let alice in with what was answered."
    assert len(person.asked) == 2
    await tried(host, "Failed password", "Failed password")


async def test_as_often_as_the_host_allows(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", "password", server=["MaxAuthTries 2"])
    person = Person("no", "no", host.password)
    error = await failing(ssh_bed, "gpu01", person)
    assert (type(error), error.code) == (Fatal, "auth_failed")
    assert error.message == "gpu01 did not let alice in with what was answered."
    assert len(person.asked) == 2


@pytest.mark.parametrize("methods", ["password", KEYBOARD, f"{KEYBOARD} password"])
async def test_who_gives_up_is_asked_nothing_more(ssh_bed: SshBed, methods: str) -> None:
    host = pam_host(ssh_bed, "gpu01", methods)
    person = Person("no", CANCELLED)
    error = await failing(ssh_bed, "gpu01", person)
    assert isinstance(error, NeedsUser)
    assert error.message == CANCELLED.message
    assert len(person.asked) == 2
    await asyncio.to_thread(wait_until, lambda: not host.connections, "the end of the login")
    assert host.failures == 1


async def test_nobody_there(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", f"publickey {KEYBOARD} password")
    host.authorized_keys.write_text("")
    error = await failing(ssh_bed, "gpu01", None)
    assert isinstance(error, NeedsUser)
    assert "would ask alice for a password or code" in error.message
    await asyncio.to_thread(wait_until, lambda: not host.connections, "the end of the login")
    assert host.attempts == ["Failed publickey"]


async def test_a_key_is_tried_before_anybody_is_asked(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", f"publickey {KEYBOARD} password")
    async with connected(ssh_bed, "gpu01", Person()):
        pass
    await tried(host, "Accepted publickey")


async def test_a_key_and_a_password(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", f"publickey,{KEYBOARD}")
    person = Person("no", host.password)
    async with connected(ssh_bed, "gpu01", person):
        pass
    await tried(host, "Partial publickey", FAILED, ACCEPTED)


async def test_a_banner_is_shown_with_the_first_question(ssh_bed: SshBed) -> None:
    banner = ssh_bed.folder / "banner"
    banner.write_text("Authorised \033[31museŕs\nonly.\n")
    host = pam_host(ssh_bed, "gpu01", "password", server=[f"Banner {banner}"])
    person = Person("no", host.password)
    async with connected(ssh_bed, "gpu01", person):
        pass
    assert [question.says for question in person.asked] == ["Authorised [31museŕs\nonly.", ""]


async def test_an_expired_password_forwards_nothing_and_the_hint_says_so(ssh_bed: SshBed) -> None:
    """sshd lets it in by the method `password`, and forbids all but to change it at a terminal."""
    host = pam_host(ssh_bed, "gpu01", "password", expired=True)
    async with connected(ssh_bed, "gpu01", Person(host.password)) as connection:
        destination = connection.hop.address
        opening = connection.open_channel(destination, asyncssh.SSHTCPSession)
        with pytest.raises(asyncssh.ChannelOpenError) as caught:
            await opening
        assert "has expired" in connection.explain(caught.value, destination).hint


# What PAM asks


async def test_a_password_and_a_code(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", KEYBOARD, asks=("password", "code"))
    person = Person(host.password, host.code)
    async with connected(ssh_bed, "gpu01", person):
        pass
    assert person.kinds == ["keyboard_interactive"] * 2
    assert person.labels == ["Password:", "Password required for alice."]
    assert [question.tries for question in person.asked] == [1, 1]
    assert person.notices == []
    await tried(host, ACCEPTED)


async def test_a_wrong_code_begins_anew(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", KEYBOARD, asks=("password", "code"))
    person = Person(host.password, "no", host.password, host.code)
    async with connected(ssh_bed, "gpu01", person):
        pass
    assert [question.tries for question in person.asked] == [1, 1, 2, 1], "the password was right"
    await tried(host, FAILED, ACCEPTED)


async def test_a_message_stands_before_the_question(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", KEYBOARD, asks=("message", "password"))
    person = Person(host.password)
    async with connected(ssh_bed, "gpu01", person):
        pass
    assert person.labels == [f"{MESSAGE}\nPassword:"]


async def test_a_push_is_waited_for_and_asks_nothing(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", KEYBOARD, asks=("push",))
    person = Person()
    (hop,) = await route_to(ssh_bed, "gpu01")
    attempt = begin(hop, person)
    await asyncio.to_thread(host.answer_push, approve=True)
    connection = await attempt
    await connection.close()
    assert person.asked == []
    assert person.notices in ([], [PUSH])
    await tried(host, ACCEPTED)


async def test_a_push_that_is_denied(ssh_bed: SshBed) -> None:
    host = pam_host(
        ssh_bed, "gpu01", KEYBOARD, asks=("push",), client=["NumberOfPasswordPrompts 1"]
    )
    person = Person()
    (hop,) = await route_to(ssh_bed, "gpu01")
    attempt = begin(hop, person)
    await asyncio.to_thread(host.answer_push, approve=False)
    with pytest.raises(Fatal, match="did not let alice in") as caught:
        await attempt
    assert caught.value.code == "auth_failed"
    await tried(host, FAILED)


async def test_no_push_without_anybody_to_see_it(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", KEYBOARD, asks=("push",))
    assert isinstance(await failing(ssh_bed, "gpu01", None), NeedsUser)
    await asyncio.to_thread(wait_until, lambda: not host.connections, "the end of the login")
    assert host.attempts == []


async def test_an_expired_password_is_changed(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", KEYBOARD, expired=True)
    old = host.password
    person = Person(old, old, "short", "short", NEW, NEW)
    async with connected(ssh_bed, "gpu01", person):
        pass
    assert person.labels[0] == "Password:"
    assert person.labels[1].startswith("You are required to change your password")
    assert person.labels[1].endswith("\nCurrent password:")
    assert person.labels[-1] == "Retype new password:"
    assert host.accepts(NEW)


# Hops, time, and what is left


async def test_each_hop_asks_by_its_name(ssh_bed: SshBed) -> None:
    gateway = pam_host(ssh_bed, "gw", "password")
    with Namespace() as far:
        host = pam_host(ssh_bed, "gpu01", KEYBOARD, client=["ProxyJump gw"], namespace=far)
        person = Person("no", gateway.password, host.password)
        async with connected(ssh_bed, "gpu01", person) as connection:
            assert (await connection.exec(["id", "-un"])).stdout == b"alice\n"
        assert person.places == ["gw (hop 1 of 2)"] * 2 + ["gpu01 (hop 2 of 2)"]
        assert person.kinds == ["password", "password", "keyboard_interactive"]
        host.kill()


async def test_the_time_limit_stands_still_while_a_person_thinks(ssh_bed: SshBed) -> None:
    host = pam_host(ssh_bed, "gpu01", "password", client=["ConnectTimeout 4"])
    person = Thinker(host.password)
    (hop,) = await route_to(ssh_bed, "gpu01")
    attempt = begin(hop, person)
    await person.begun.wait()
    await asyncio.sleep(4.2)  # the limit passes: time itself is what is tried
    person.decided.set()
    connection = await attempt
    await connection.close()


@pytest.mark.parametrize("jump", [False, True])
async def test_a_question_is_withdrawn_when_the_host_waits_no_longer(
    ssh_bed: SshBed, jump: bool
) -> None:
    ssh_bed.host("gw")
    pam_host(
        ssh_bed,
        "gpu01",
        "password",
        server=["LoginGraceTime 4"],
        client=["ProxyJump gw"] * jump,
    )
    *before, hop = await route_to(ssh_bed, "gpu01")
    gate = await open_connection(before[0], via=None) if before else None
    left = descriptors(), task_names()
    person = Thinker()
    with pytest.raises(NeedsUser, match="ended the login before it was answered"):
        await begin(hop, person, gate)
    assert person.begun.is_set()
    assert person.withdrawn.is_set()
    if gate is not None:
        await no_channels(gate)
    assert (descriptors(), task_names()) == left
    if gate is not None:
        await gate.close()


async def test_a_question_is_withdrawn_when_the_jump_host_is_gone(ssh_bed: SshBed) -> None:
    gateway = ssh_bed.host("gw")
    pam_host(ssh_bed, "gpu01", "password", client=["ProxyJump gw"])
    first, hop = await route_to(ssh_bed, "gpu01")
    gate = await open_connection(first, via=None)
    person = Thinker()
    attempt = begin(hop, person, gate)
    await person.begun.wait()
    gateway.kill()
    with pytest.raises(Transient, match=r"connection to gw \(hop 1 of 2\) was lost"):
        await attempt
    assert person.withdrawn.is_set()


@pytest.mark.parametrize("methods", ["password", KEYBOARD])
@pytest.mark.parametrize("jump", [False, True])
async def test_cancelled_while_a_person_is_asked(ssh_bed: SshBed, methods: str, jump: bool) -> None:
    ssh_bed.host("gw")
    host = pam_host(ssh_bed, "gpu01", methods, client=["ProxyJump gw"] * jump)
    *before, hop = await route_to(ssh_bed, "gpu01")
    gate = await open_connection(before[0], via=None) if before else None
    left = descriptors(), task_names()
    person = Thinker()
    attempt = begin(hop, person, gate)
    await person.begun.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert person.withdrawn.is_set()
    if gate is not None:
        await no_channels(gate)
    await asyncio.to_thread(wait_until, lambda: not looks(), "the end of the look at a file")
    assert (descriptors(), task_names()) == left
    await asyncio.to_thread(wait_until, lambda: not host.connections, "the end of the login")
    if gate is not None:
        await gate.close()


async def test_what_is_answered_stands_nowhere(
    ssh_bed: SshBed, caplog: pytest.LogCaptureFixture
) -> None:
    host = pam_host(
        ssh_bed, "gpu01", KEYBOARD, asks=("password", "code"), known=False,
        client=["StrictHostKeyChecking ask"],
    )  # fmt: skip
    asyncio.get_running_loop().set_debug(True)
    memory = Memory()
    wrong = "wrong but dear"
    person = Person(ONCE, wrong, host.password, host.code)
    with caplog.at_level(logging.DEBUG):
        async with connected(ssh_bed, "gpu01", person, memory=memory) as connection:
            shown = repr([connection, vars(connection), person.asked, memory, vars(memory)])
        error = await failing(ssh_bed, "gpu01", Person(wrong, wrong, wrong), memory=memory)
    assert caplog.records
    formatter = logging.Formatter()
    shown += "".join(map(formatter.format, caplog.records)) + repr(error) + str(error.as_dict())
    shown += repr(Answer((wrong, host.password)))
    for secret in (wrong, host.password, host.code):
        assert secret not in shown
