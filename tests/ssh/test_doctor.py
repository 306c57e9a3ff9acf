"""The doctor on the way to a host: how far it comes, and what it says of each step."""

import asyncio
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from typing_extensions import override

from jupyter_remote_tunnel.model.text import plain
from jupyter_remote_tunnel.ssh.steps import Timer
from tests.ssh.test_lying_host import HOSTILE
from tests.ssh.visits import FORWARDS, WAY_IN, end_of, step_of, visit
from tests.support.authority import Authority
from tests.support.lying_host import Liar, lying, never
from tests.support.netns import Namespace
from tests.support.pam_sshd import pam_host
from tests.support.ports import unused_port
from tests.support.sshd import SshBed, Sshd, fingerprint, make_key

ESCAPES = b"\x1b]0;owned\x07\x1b[2J"


async def test_a_host_that_is_well(ssh_bed: SshBed, tmp_path: Path) -> None:
    sshd = ssh_bed.host("gpu01", known=False, env={"TMPDIR": tmp_path})
    ssh_bed.known_hosts.write_text(f"# mine\n{sshd.known_hosts_line}")
    found = await visit(ssh_bed)
    assert [step.name for step in found.steps] == ["configuration", *WAY_IN, *FORWARDS]
    assert {step.verdict for step in found.steps} == {"ok"}
    assert {step.hop for step in found.steps} == {"gpu01"}
    assert all(step.code == step.advice == "" for step in found.steps)
    login = f"{sshd.user}@127.0.0.1:{sshd.port}"
    assert (found.host, found.route, found.ok) == ("gpu01", (login,), True)
    assert step_of(found, "configuration").says == f"gpu01 is {login}."
    assert step_of(found, "connect").says == f"127.0.0.1 takes a connection to port {sshd.port}."
    exchange = step_of(found, "key_exchange")
    assert exchange.says.startswith("gpu01 says it is “SSH-2.0-OpenSSH_")
    assert exchange.details == ("Agreed on curve25519-sha256, aes128-gcm@openssh.com.",)
    known = f"It is the ED25519 key {sshd.fingerprint}, known by {ssh_bed.known_hosts} line 2."
    assert step_of(found, "host_key").says == known
    key = f"the ED25519 key {fingerprint(ssh_bed.user_key)} of {ssh_bed.user_key}"
    login_step = step_of(found, "login")
    assert login_step.says == f"{sshd.user} is let in by {key}."
    assert "gpu01 says it takes “publickey”." in login_step.details
    assert list(tmp_path.iterdir()) == [], "what it was asked to make there is gone"


async def test_a_name_is_told_with_its_addresses(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01")
    ssh_bed.write_config("Host gpu01\n    HostName localhost\n    AddressFamily inet\n")
    assert step_of(await visit(ssh_bed), "resolve").says == "localhost is 127.0.0.1."


async def test_what_the_configuration_asks_in_vain(ssh_bed: SshBed) -> None:
    ssh_bed.host("gw", client=["AddKeysToAgent yes", "BatchMode no"])
    ssh_bed.host("gpu01", client=["ProxyJump gw", "Tunnel yes", "UpdateHostKeys ask"])
    details = (await visit(ssh_bed)).steps[0].details
    assert sorted(details) == [
        "gpu01: “batchmode yes” has no effect here.",
        "gpu01: “tunnel point-to-point” has no effect here.",
        "gpu01: “updatehostkeys ask” has no effect here.",
        "gw: “addkeystoagent true” has no effect here.",
    ]


async def test_a_configuration_that_ssh_cannot_read(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", start=False, client=["Frobnicate yes"])
    step = end_of(await visit(ssh_bed))
    assert (step.name, step.code) == ("configuration", "bad_input")
    assert "frobnicate" in step.says.lower()


async def test_a_configuration_that_cannot_be_followed(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", client=["RevokedHostKeys /nonexistent/keys"])
    *_, step = (await visit(ssh_bed)).steps
    assert (step.name, step.verdict, step.code) == ("configuration", "failed", "unsupported")
    assert "/nonexistent/keys" in step.says


async def test_no_algorithm_in_common(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", client=["Ciphers 3des-cbc"])
    step = end_of(await visit(ssh_bed))
    assert (step.name, step.code) == ("key_exchange", "unsupported")
    assert step.details[0].startswith("gpu01 says it is “SSH-2.0-OpenSSH_")


async def test_a_slow_step_is_a_note(ssh_bed: SshBed, sshd: Sshd) -> None:
    ssh_bed.write_config(f'Match exec "sleep 1.1"\n    Port {sshd.port}\n')
    found = await visit(ssh_bed, slow=True)
    step = step_of(found, "configuration")
    assert (step.verdict, step.code) == ("note", "")
    assert step.seconds > 1.1
    assert "Match exec" in step.advice
    assert found.ok


async def test_a_name_that_does_not_resolve(ssh_bed: SshBed) -> None:
    ssh_bed.write_config("Host nowhere\n    HostName nowhere.invalid\n")
    step = end_of(await visit(ssh_bed, "nowhere"))
    assert (step.name, step.code) == ("resolve", "host_unresolved")
    assert "nowhere.invalid" in step.says


async def test_a_port_where_nobody_listens(ssh_bed: SshBed) -> None:
    with unused_port() as port:
        ssh_bed.write_config(f"Host gpu01\n    HostName 127.0.0.1\n    Port {port}\n")
        step = end_of(await visit(ssh_bed))
    assert (step.name, step.code) == ("connect", "connect_failed")
    assert step.details == ("127.0.0.1: Connection refused.",)
    assert "is the port right" in step.advice


async def test_a_host_that_does_not_answer(ssh_bed: SshBed) -> None:
    with Namespace() as space:
        ssh_bed.host("gpu01", namespace=space, client=["ConnectTimeout 1"])
        space.link_down()
        step = end_of(await visit(ssh_bed))
    assert (step.name, step.code) == ("connect", "connect_timeout")
    assert step.seconds > 0.9
    assert "firewall" in step.advice


async def test_a_host_that_answers_and_says_nothing(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", client=["ConnectTimeout 1"])
    with sshd.paused():
        found = await visit(ssh_bed)
    assert end_of(found).name == "key_exchange"
    assert step_of(found, "connect").verdict == "ok"


async def test_what_answers_is_no_ssh_server(ssh_bed: SshBed) -> None:
    sshd, over = ssh_bed.host("gpu01", start=False), asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-1.5-" + ESCAPES + b"\r\n")
        await reader.read()
        writer.close()
        over.set()

    async with await asyncio.start_server(greet, sshd.address, sshd.port):
        step = end_of(await visit(ssh_bed, host_here=True))
        await over.wait()
    assert (step.name, step.code) == ("key_exchange", "unsupported")


async def test_a_key_that_nobody_knows(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", known=False, client=["StrictHostKeyChecking ask"])
    found = await visit(ssh_bed)
    step = end_of(found)
    assert (step.name, step.code) == ("host_key", "host_key_unknown")
    assert sshd.fingerprint in step.says
    assert step_of(found, "key_exchange").verdict == "ok"
    assert ssh_bed.known_hosts.read_text() == ""


async def test_a_key_that_is_taken_unasked(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", known=False, client=["StrictHostKeyChecking accept-new"])
    found = await visit(ssh_bed)
    assert [step.name for step in found.steps] == ["configuration", *WAY_IN, *FORWARDS]
    step = step_of(found, "host_key")
    assert step.says.endswith("taken unasked: StrictHostKeyChecking is “accept-new”.")
    assert sshd.known_hosts_line in ssh_bed.known_hosts.read_text()


async def test_a_key_that_has_changed(ssh_bed: SshBed, sshd: Sshd) -> None:
    before = sshd.fingerprint
    sshd.kill()
    sshd.host_key.unlink()
    make_key(sshd.host_key)
    sshd.start()
    step = end_of(await visit(ssh_bed))
    assert (step.name, step.code) == ("host_key", "host_key_changed")
    assert sshd.fingerprint in step.says
    assert before in step.says
    assert f"{ssh_bed.known_hosts} line 1" in step.says


async def test_a_key_that_is_revoked(ssh_bed: SshBed, sshd: Sshd) -> None:
    with ssh_bed.known_hosts.open("a") as file:
        file.write(f"@revoked {sshd.known_hosts_line}")
    step = end_of(await visit(ssh_bed))
    assert (step.name, step.code) == ("host_key", "host_key_revoked")
    assert f"{ssh_bed.known_hosts} line 2" in step.says


async def test_a_certificate_and_who_signed_it(ssh_bed: SshBed) -> None:
    authority = Authority(ssh_bed.folder)
    sshd = ssh_bed.host("gpu01", known=False, start=False)
    sshd.configure([authority.sign_host(sshd, [sshd.address])])
    sshd.start()
    ssh_bed.known_hosts.write_text(authority.trusted_by_client)
    says = step_of(await visit(ssh_bed), "host_key").says
    signed = f"certificate signed with the ED25519 key {fingerprint(authority.key)}"
    assert says == f"It is the {signed}, known by {ssh_bed.known_hosts} line 1."


async def test_a_certificate_that_does_not_count(ssh_bed: SshBed) -> None:
    authority = Authority(ssh_bed.folder)
    sshd = ssh_bed.host("gpu01", start=False)
    sshd.configure([authority.sign_host(sshd, ["another.example.org"])])
    sshd.start()
    ssh_bed.known_hosts.write_text(authority.trusted_by_client + sshd.known_hosts_line)
    step = step_of(await visit(ssh_bed), "host_key")
    assert step.says == (
        f"It is the ED25519 key {sshd.fingerprint}, known by {ssh_bed.known_hosts} line 2."
    )
    assert any(detail.startswith("Its certificate is not valid: ") for detail in step.details)


async def test_every_key_that_was_tried(ssh_bed: SshBed, sshd: Sshd, tmp_path: Path) -> None:
    second = make_key(tmp_path / "second", kind="ecdsa")
    locked = make_key(tmp_path / "locked", passphrase="secret word")
    locked.with_suffix(".pub").unlink()
    garbage = tmp_path / "garbage"
    garbage.write_text("no key")
    sshd.authorized_keys.write_text("")
    files = (second, locked, garbage, tmp_path / "missing")
    sshd.client += [f"IdentityFile {file}" for file in files]
    ssh_bed.write_config()
    in_agent = make_key(tmp_path / "in_agent")
    with ssh_bed.agent(in_agent, ssh_bed.user_key) as agent:
        step = end_of(await visit(ssh_bed, agent=str(agent)))
    assert (step.name, step.code) == ("login", "needs_user")
    assert sorted(step.details) == sorted(
        [
            "gpu01 says it takes “publickey”.",
            "Another key of the agent: not tried, IdentitiesOnly is “yes”.",
            f"The ED25519 key {fingerprint(ssh_bed.user_key)} of the agent (test): refused.",
            f"The ECDSA key {fingerprint(second)} of {second}: refused.",
            f"{locked}: not tried, it has a passphrase, which was not given.",
            f"{garbage}: not tried, it cannot be read.",
            f"{tmp_path / 'missing'}: not tried, it is not there.",
        ]
    )
    assert "secret word" not in str(step)


@pytest.mark.parametrize("comment", [HOSTILE, "x" * 100_000], ids=["hostile", "huge"])
async def test_the_comment_of_a_key_is_shown_plainly(
    ssh_bed: SshBed, sshd: Sshd, tmp_path: Path, comment: str
) -> None:
    key = asyncssh.read_private_key(ssh_bed.user_key)
    key.set_comment(comment)
    in_agent = tmp_path / "in_agent"
    in_agent.touch(mode=0o600)
    in_agent.write_bytes(key.export_private_key())
    with ssh_bed.agent(in_agent) as agent:
        let_in = step_of(await visit(ssh_bed, agent=str(agent)), "login")
        sshd.authorized_keys.write_text("")
        refused = end_of(await visit(ssh_bed, agent=str(agent)))
    assert (let_in.verdict, refused.verdict) == ("ok", "failed")
    told = [let_in.says, *(line for line in refused.details if "of the agent (" in line)]
    for line in told:
        assert line == plain(line, 250)
        assert f"the agent ({plain(comment, 60)})" in line
    assert len(told) == 2


async def test_an_agent_that_does_not_answer(ssh_bed: SshBed, sshd: Sshd) -> None:
    found = await visit(ssh_bed, agent="/nonexistent/agent")
    gone = "The agent at /nonexistent/agent: not tried, it does not answer."
    assert gone in step_of(found, "login").details


async def test_a_key_that_is_not_enough(ssh_bed: SshBed) -> None:
    pam_host(ssh_bed, "gpu01", "publickey,password")
    step = end_of(await visit(ssh_bed))
    assert step.name == "login"
    key = f"The ED25519 key {fingerprint(ssh_bed.user_key)} of {ssh_bed.user_key}"
    assert f"{key}: accepted, and not enough alone." in step.details
    assert "gpu01 says it takes “password”." in step.details
    assert "A password: not accepted." in step.details


async def test_who_is_let_in_without_a_word(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", start=False)
    async with lying(sshd, Liar()):
        found = await visit(ssh_bed, host_here=True)
    assert step_of(found, "login").says.endswith("is let in without being asked for anything.")


async def test_a_jump_host_whose_next_hop_is_down(ssh_bed: SshBed) -> None:
    gateway = ssh_bed.host("gw")
    sshd = ssh_bed.host("gpu01", start=False, client=["ProxyJump gw"])
    found = await visit(ssh_bed)
    before = [(step.name, step.hop) for step in found.steps[:-1]]
    first = "gw (hop 1 of 2)"
    assert before == [("configuration", "gpu01"), *((name, first) for name in WAY_IN)]
    step = end_of(found)
    assert (step.name, step.hop) == ("connect", "gpu01 (hop 2 of 2)")
    assert step.says.startswith("gw (hop 1 of 2) could not connect to gpu01 (hop 2 of 2) at ")
    by = f"by gw ({gateway.user}@127.0.0.1:{gateway.port})"
    assert step_of(found, "configuration").says == f"gpu01 is {found.route[1]}, {by}."
    assert found.route[1] == f"{sshd.user}@127.0.0.1:{sshd.port}"


async def test_what_is_behind_a_jump_host_that_is_down_is_not_tried(ssh_bed: SshBed) -> None:
    ssh_bed.host("gw", start=False)
    ssh_bed.host("gpu01", client=["ProxyJump gw"])
    step = end_of(await visit(ssh_bed))
    assert (step.name, step.hop) == ("connect", "gw (hop 1 of 2)")


async def test_a_jump_host_that_lets_nobody_on(ssh_bed: SshBed) -> None:
    ssh_bed.host("gw", server=["AllowTcpForwarding no"])
    ssh_bed.host("gpu01", client=["ProxyJump gw"])
    step = end_of(await visit(ssh_bed))
    assert (step.name, step.code) == ("connect", "forward_refused")
    assert "AllowTcpForwarding" in step.advice


async def test_a_jump_host_and_what_is_behind_it(ssh_bed: SshBed) -> None:
    ssh_bed.host("gw")
    ssh_bed.host("gpu01", client=["ProxyJump gw"])
    found = await visit(ssh_bed)
    assert found.ok
    second = [step.name for step in found.steps if step.hop == "gpu01 (hop 2 of 2)"]
    assert second == [*WAY_IN[1:], *FORWARDS], "a name behind a hop is resolved there"
    connect = step_of(found, "connect", "gpu01 (hop 2 of 2)")
    assert connect.says.startswith("gw connects to 127.0.0.1:")


async def test_a_proxy_command_that_fails(ssh_bed: SshBed) -> None:
    ssh_bed.host(
        "gpu01", client=[r"ProxyCommand printf 'no \033[2J way\n' >&2; exit 3 # --password x42"]
    )
    step = end_of(await visit(ssh_bed))
    assert (step.name, step.code) == ("connect", "connect_failed")
    assert step.says == "The ProxyCommand of gpu01 ended before an SSH server answered through it."
    assert step.details == ("It says “no [2J way”.",)
    assert "x42" not in str(step), "its line may hold a password"


async def test_a_proxy_command_that_says_nothing(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", client=["ProxyCommand cat", "ConnectTimeout 1"])
    step = end_of(await visit(ssh_bed))
    assert step.name in ("connect", "key_exchange"), "it echoes what we say"
    ssh_bed.host("mute", client=["ProxyCommand sleep 100", "ConnectTimeout 1"])
    step = end_of(await visit(ssh_bed, "mute"))
    assert (step.name, step.code, step.details) == ("connect", "connect_timeout", ())
    assert "sleep" not in str(step)


async def test_a_proxy_command_with_much_to_say(ssh_bed: SshBed) -> None:
    """It does not wait for somebody to read it."""
    ssh_bed.host("gw")
    loud = "head -c 1000000 /dev/zero | tr '\\\\0' x >&2 2>/dev/null"
    line = f'ProxyCommand sh -c "{loud}; exec ssh -F {ssh_bed.config_file} -W %h:%p gw"'
    ssh_bed.host("gpu01", client=[line])
    found = await visit(ssh_bed)
    assert found.ok
    says = "An SSH server answers through the ProxyCommand."
    assert step_of(found, "connect").says == says


async def test_a_version_with_escapes_is_plain_and_quoted(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", start=False)
    async with lying(sshd, Rude()):
        found = await visit(ssh_bed, host_here=True)
    says = step_of(found, "key_exchange").says
    assert says.startswith("gpu01 says it is “SSH-2.0-x ]0;owned [2Jxx")
    assert says.endswith("x…”.")
    assert len(says) < 150


class Rude(Liar):
    """Has a version that would do something to a terminal."""

    @override
    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        super().connection_made(conn)
        conn._version = b"x" + ESCAPES + b"x" * 200


class Deaf(Liar):
    """Lets everybody in, and never answers who wants to connect on."""

    @override
    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Any:
        return never()


class Leaving(Liar):
    """Hangs up on who wants to connect on."""

    @override
    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Any:
        self.connection.abort()
        return False


async def test_a_host_that_answers_no_probe(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", start=False, client=["ConnectTimeout 2"])
    async with lying(sshd, Deaf()):
        found = await visit(ssh_bed, host_here=True)
    step = step_of(found, "tcp_forward")
    assert (step.verdict, step.code) == ("failed", "connect_timeout")


async def test_a_host_that_hangs_up_ends_the_walk(ssh_bed: SshBed) -> None:
    sshd = ssh_bed.host("gpu01", start=False)
    async with lying(sshd, Leaving()):
        step = end_of(await visit(ssh_bed, host_here=True))
    assert (step.name, step.code) == ("tcp_forward", "connection_lost")


def test_no_time_passes_while_a_person_is_asked() -> None:
    timer = Timer()
    timer.asking(True)
    before = timer.seconds
    _spend_time()
    assert timer.seconds == before
    timer.asking(False)
    _spend_time()
    assert timer.seconds > before


def _spend_time() -> None:
    other = Timer()
    while other.seconds < 0.01:
        pass
