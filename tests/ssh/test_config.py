"""From a typed host to its route: with OpenSSH's own resolution, and without OpenSSH."""

import os
import re
import socket
import stat
from pathlib import Path

import psutil
import pytest

from jupyter_remote_tunnel.model.errors import BadInput, Fatal
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.ssh import openssh
from jupyter_remote_tunnel.ssh.config import resolve
from jupyter_remote_tunnel.ssh.expand import Tokens, expand, home_directory
from jupyter_remote_tunnel.ssh.hop import Hop
from jupyter_remote_tunnel.ssh.making_hops import make_hop
from jupyter_remote_tunnel.ssh.openssh import parse_ssh_g
from jupyter_remote_tunnel.ssh.without_openssh import usual_configuration
from tests.support.process import wait_until

HOME = home_directory()
SETTINGS = EngineSettings(keepalive_interval=15, keepalive_count=3, connect_timeout=30)


class Configuration:
    """An ssh_config file, and what hosts resolve to by it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "ssh_config"

    def write(self, text: str) -> None:
        self.file.write_text(text)

    async def route(self, host: str, **options: object) -> tuple[Hop, ...]:
        typed = SshOptions(config_file=str(self.file), **options)  # type: ignore[arg-type]
        return await resolve(host, typed, SETTINGS)

    async def hop(self, host: str, **options: object) -> Hop:
        return (await self.route(host, **options))[-1]


@pytest.fixture
def ssh_config(tmp_path: Path) -> Configuration:
    return Configuration(tmp_path)


async def test_what_ssh_config_says(ssh_config: Configuration, tmp_path: Path) -> None:
    first, second = tmp_path / "known hosts", tmp_path / "other"
    first.touch()
    ssh_config.write(f"""
        Host gpu01
            HostName gpu01.example.org
            Port 2222
            User "bob smith"
            HostKeyAlias Cluster
            IdentityFile "~/my keys/id"
            IdentityFile ~/.ssh/%h_%r
            IdentityFile none
            CertificateFile ~/id-cert.pub
            IdentitiesOnly yes
            IdentityAgent "~/agent socket"
            UserKnownHostsFile "{first}" {second}
            GlobalKnownHostsFile none
            RevokedHostKeys ~/revoked
            ServerAliveInterval 1m
            ServerAliveCountMax 5
            ConnectTimeout 7
            AddressFamily inet
            BindInterface lo
            Compression yes
            Ciphers aes256-ctr,aes128-ctr
            MACs hmac-sha2-512
    """)
    hop = await ssh_config.hop("gpu01")
    assert hop == Hop(
        alias="gpu01",
        host="gpu01.example.org",
        port=2222,
        user="bob smith",
        host_key_alias="cluster",
        known_hosts=(str(first), str(second)),
        revoked_host_keys=f"{HOME}/revoked",
        identities=(f"{HOME}/my keys/id", f"{HOME}/.ssh/gpu01.example.org_bob smith"),
        certificates=(f"{HOME}/id-cert.pub",),
        identities_only=True,
        agent=f"{HOME}/agent socket",
        address_family="inet",
        bind_interface="lo",
        compression=True,
        ciphers=("aes256-ctr", "aes128-ctr"),
        macs=("hmac-sha2-512",),
    )
    assert (hop.keepalive_interval, hop.keepalive_count, hop.connect_timeout) == (60, 5, 7)


async def test_what_nobody_says(ssh_config: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    ssh_config.write("Host *\n    BatchMode yes\n")
    hop = await ssh_config.hop("gpu01")
    assert (hop.host, hop.port, hop.host_key_alias) == ("gpu01", 22, None)
    assert f"{HOME}/.ssh/id_ed25519" in hop.identities
    assert f"{HOME}/.ssh/known_hosts" in hop.known_hosts
    assert "/etc/ssh/ssh_known_hosts" in hop.known_hosts
    assert (hop.ciphers, hop.macs, hop.agent, hop.proxy_command) == (None, None, None, None)
    assert (hop.keepalive_interval, hop.keepalive_count, hop.connect_timeout) == (15, 3, 30)


async def test_what_is_typed_wins(ssh_config: Configuration, tmp_path: Path) -> None:
    key = tmp_path / "a key"
    key.touch()
    ssh_config.write("Host gpu01\n User config\n Port 2222\n Ciphers aes256-ctr\n")
    hop = await ssh_config.hop(
        "gpu01",
        user="typed",
        port=2200,
        identities=(str(key),),
        address_family="inet6",
        compression=True,
        bind_address="::1",
        ciphers="aes128-ctr",
        macs="hmac-sha2-256",
        options=("HostName=10.0.0.1", "HostKeyAlias=name"),
    )
    assert str(hop) == "typed@10.0.0.1:2200"
    assert hop.identities == (str(key),)
    assert (hop.address_family, hop.compression, hop.bind_address) == ("inet6", True, "::1")
    assert (hop.ciphers, hop.macs) == (("aes128-ctr",), ("hmac-sha2-256",))
    assert hop.known_as == "name"


async def test_the_settings_configuration_is_read_where_none_is_typed(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("Host gpu01\n User theirs\n")
    hops = await resolve("gpu01", SshOptions(), EngineSettings(ssh_config=str(file)))
    assert hops[-1].user == "theirs"


async def test_timeouts_and_places_do_not_tell_hops_apart() -> None:
    one = Hop("gpu01", "10.0.0.1", 22, "me")
    other = Hop("gpu01", "10.0.0.1", 22, "me", keepalive_interval=1, connect_timeout=2)
    assert one == other.at(2, 3)
    assert hash(one) == hash(other.at(2, 3))
    assert one != Hop("gpu01", "10.0.0.1", 22, "me", agent="/run/agent")


async def test_every_jump_host_has_its_own_configuration(
    ssh_config: Configuration, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.touch()
    ssh_config.write("""
        Host gpu01
            ProxyJump me@middle:2222
            User inner
        Host middle
            HostName middle.example.org
            ProxyJump gw
            IdentityFile /keys/middle
        Host gw
            HostName gw.example.org
            Port 2200
            User outer
        Host *
            ServerAliveInterval 9
    """)
    route = await ssh_config.route("gpu01", identities=(str(key),))
    assert [str(hop) for hop in route] == [
        "outer@gw.example.org:2200",
        "me@middle.example.org:2222",
        "inner@gpu01:22",
    ]
    assert [hop.place for hop in route] == [
        "gw (hop 1 of 3)",
        "middle (hop 2 of 3)",
        "gpu01 (hop 3 of 3)",
    ]
    # What is typed counts for the host that it is typed for, as in ssh.
    assert [hop.identities[0] for hop in route[1:]] == ["/keys/middle", str(key)]


@pytest.mark.parametrize(
    ("jump", "route"),
    [
        ("gw1,gw2", ["gw1:22", "gw2:22", "gpu01:22"]),
        ("u@[::1]:2222", ["u@[::1]:2222", "gpu01:22"]),
        ("ssh://u@gw1:2222", ["u@gw1:2222", "gpu01:22"]),
        ("none", ["gpu01:22"]),
    ],
)
async def test_jump_hosts_as_they_are_typed(
    ssh_config: Configuration, jump: str, route: list[str]
) -> None:
    ssh_config.write("Host gpu01\n ProxyJump elsewhere\nHost gw2\n ProxyJump ignored\n")
    found = [str(hop) for hop in await ssh_config.route("gpu01", jump=jump)]
    assert [name.removeprefix(f"{Path(HOME).name}@") for name in found] == route


async def test_the_hosts_of_a_known_route_are_asked_for_at_once(
    ssh_config: Configuration, tmp_path: Path
) -> None:
    """Each ssh then waits for the other: the one reads what the other writes."""
    waits, meeting = tmp_path / "waits", tmp_path / "meeting"
    os.mkfifo(meeting)
    ssh_config.write(f"""
        Match host gpu01 exec "test ! -e {waits} || read met < {meeting}"
            ProxyJump gate
        Match host gate exec "test ! -e {waits} || echo met > {meeting}"
            Port 2222
    """)
    first = await ssh_config.route("gpu01")
    waits.touch()
    assert await ssh_config.route("gpu01") == first
    assert [hop.port for hop in first] == [2222, 22]


async def test_a_route_is_what_the_configuration_says_now(ssh_config: Configuration) -> None:
    ssh_config.write("Host gpu01\n    ProxyJump gate\n")
    assert [hop.alias for hop in await ssh_config.route("gpu01")] == ["gate", "gpu01"]
    ssh_config.write("Host gpu01\n    ProxyJump door\nHost door\n    ProxyJump fence\n")
    assert [hop.alias for hop in await ssh_config.route("gpu01")] == ["fence", "door", "gpu01"]
    ssh_config.write("Host fence\n    Nonsense yes\n")
    with pytest.raises(BadInput, match="cannot resolve gpu01"):
        await ssh_config.route("gpu01")
    ssh_config.write("")
    assert [hop.alias for hop in await ssh_config.route("gpu01")] == ["gpu01"]


@pytest.mark.parametrize(
    "text",
    [
        "Host *\n ProxyJump gpu01\n",
        "Host gpu01\n ProxyJump gw\nHost gw\n ProxyJump gpu01\n",
        "Host gpu01\n HostName 10.0.0.1\n ProxyJump gpu01\n",
        "Host gpu01\n ProxyJump a\nHost a\n ProxyJump ann@b\nHost b\n ProxyJump a\n",
    ],
)
async def test_a_route_in_a_circle(ssh_config: Configuration, text: str) -> None:
    ssh_config.write(text)
    with pytest.raises((Fatal, BadInput), match=r"circle|jumphost loop"):
        await ssh_config.route("gpu01")


@pytest.mark.parametrize("jump", ["gpu01", "gw", "gpu01,gw", "gw,gpu01"])
async def test_two_hosts_of_one_address_are_no_circle(ssh_config: Configuration, jump: str) -> None:
    ssh_config.write("Host gpu01 gw\n HostName 127.0.0.1\n Port 2222\n User ann\n")
    route = await ssh_config.route("gpu01", jump=jump)
    assert [hop.alias for hop in route] == [*jump.split(","), "gpu01"]
    assert {str(hop) for hop in route} == {"ann@127.0.0.1:2222"}


async def test_a_route_without_end(ssh_config: Configuration) -> None:
    lines = [f"Host h{number}\n ProxyJump h{number + 1}\n" for number in range(40)]
    ssh_config.write("".join(lines))
    with pytest.raises(Fatal, match="more than 16 hops"):
        await ssh_config.route("h0")


@pytest.mark.parametrize(
    "host", ["-oProxyCommand=touch /tmp/x", "a b", "a;b", "a$(b)", "a`b`", "a'b", "", "a\nb"]
)
async def test_names_that_could_be_more_are_refused_before_anything_runs(
    ssh_config: Configuration, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh_config.write("")
    monkeypatch.setattr(
        "jupyter_remote_tunnel.ssh.config.shutil.which", lambda name: pytest.fail("it came so far")
    )
    with pytest.raises(BadInput):
        await ssh_config.route(host)
    with pytest.raises(BadInput):
        await ssh_config.route("gpu01", user=host)


async def test_a_configuration_that_ssh_cannot_read(ssh_config: Configuration) -> None:
    ssh_config.write("Host gpu01\n NoSuchKeyword yes\n")
    with pytest.raises(BadInput, match="line 2") as caught:
        await ssh_config.route("gpu01")
    assert re.fullmatch(r"Try: ssh -G -F \S+ gpu01", caught.value.hint)


async def test_no_ssh_is_left_where_one_of_two_has_failed(
    ssh_config: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that tells the defaults is slow here."""
    slow = tmp_path / "ssh"
    slow.write_text(
        "#!/bin/sh\n"
        'case "$*" in *"-F none"*) ;; *) exit 255 ;; esac\n'
        f"sleep 0.5\ntouch {tmp_path}/over\n"
    )
    slow.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(BadInput, match="cannot resolve"):
        await ssh_config.route("gpu01")
    assert (tmp_path / "over").exists()


async def test_a_match_exec_that_hangs_is_ended(
    ssh_config: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openssh, "RESOLVE_TIMEOUT", 0.5)
    script = tmp_path / "hang"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 1000\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    ssh_config.write(f"Match exec {script}\n User other\n")
    with pytest.raises(BadInput, match=r"took more than 0\.5 s") as caught:
        await ssh_config.route("gpu01")
    assert "Match exec" in caught.value.hint
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not psutil.pid_exists(pid), "the end of what Match exec started")


async def test_the_agent(ssh_config: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/engine")
    monkeypatch.setenv("OTHER_AGENT", "/run/other")
    ssh_config.write("""
        Host none
            IdentityAgent none
        Host variable
            IdentityAgent $OTHER_AGENT
        Host braces
            IdentityAgent ${OTHER_AGENT}
        Host named
            IdentityAgent SSH_AUTH_SOCK
    """)
    assert (await ssh_config.hop("plain")).agent == "/run/engine"
    assert (await ssh_config.hop("plain", agent_socket="/run/caller")).agent == "/run/caller"
    assert (await ssh_config.hop("named", agent_socket="/run/caller")).agent == "/run/caller"
    assert (await ssh_config.hop("none", agent_socket="/run/caller")).agent is None
    assert (await ssh_config.hop("variable")).agent == "/run/other"
    assert (await ssh_config.hop("braces")).agent == "/run/other"


async def test_a_proxy_command_has_its_tokens_replaced(ssh_config: Configuration) -> None:
    ssh_config.write('Host gpu01\n HostName h\n ProxyCommand nc -X 5 "%h" %p %% %r\n User me\n')
    assert (await ssh_config.hop("gpu01")).proxy_command == 'nc -X 5 "h" 22 % me'


async def test_names_that_a_shell_would_read_are_refused_in_a_proxy_command(
    ssh_config: Configuration,
) -> None:
    ssh_config.write('Host gpu01\n User "me;true"\n ProxyCommand nc %h %p\n')
    with pytest.raises(BadInput):
        await ssh_config.route("gpu01")


async def test_what_is_not_supported_is_named(ssh_config: Configuration) -> None:
    ssh_config.write("Host gpu01\n ProxyCommand nc %h %p\n ProxyUseFdpass yes\n")
    with pytest.raises(Fatal, match="ProxyUseFdpass"):
        await ssh_config.route("gpu01")


async def test_an_environment_variable_that_is_not_set(ssh_config: Configuration) -> None:
    ssh_config.write("Host gpu01\n IdentityFile ${NO_SUCH_VARIABLE}/key\n")
    with pytest.raises(BadInput, match="NO_SUCH_VARIABLE"):
        await ssh_config.route("gpu01")


async def test_an_identity_that_is_not_there(ssh_config: Configuration) -> None:
    ssh_config.write("")
    with pytest.raises(BadInput, match="/keys/missing does not exist"):
        await ssh_config.route("gpu01", identities=("/keys/missing",))


async def test_without_openssh_what_is_typed_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.touch()
    monkeypatch.setenv("PATH", "/nonexistent")
    options = SshOptions(
        user="me", port=2222, identities=(str(key),), jump="u@gw:2200", compression=True,
        config_file="none",
        options=("ServerAliveInterval=7", 'HostName "10.0.0.1"'),
    )  # fmt: skip
    route = await resolve("gpu01", options, SETTINGS)
    assert [str(hop) for hop in route] == ["u@gw:2200", "me@10.0.0.1:2222"]
    assert route[1].identities == (str(key),)
    assert (route[1].compression, route[1].keepalive_interval) == (True, 7)
    assert f"{HOME}/.ssh/id_ed25519" in route[0].identities
    assert f"{HOME}/.ssh/known_hosts" in route[0].known_hosts


def test_the_names_of_ssh_g_are_in_lower_case_and_repeat() -> None:
    found = parse_ssh_g("identityfile a\nidentityfile b c\ncanonicalizePermittedcnames none\nx\n")
    assert found == {
        "identityfile": ["a", "b c"],
        "canonicalizepermittedcnames": ["none"],
        "x": [""],
    }


async def test_a_number_that_is_none() -> None:
    found = {**usual_configuration("gpu01"), "port": ["many"]}
    with pytest.raises(BadInput, match="port many"):
        await make_hop("gpu01", found, SshOptions(), SETTINGS)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("~/a", f"{HOME}/a"),
        ("~", HOME),
        ("%d/%h-%n-%p-%r-%k", f"{HOME}/host-alias-22-user-key"),
        ("100%%", "100%"),
        ("%L %l", f"{socket.gethostname().partition('.')[0]} {socket.gethostname()}"),
        ("%i", str(os.getuid())),
        ("%j|", "|"),
        ("%z", "%z"),
        ("a%", "a%"),
    ],
)
def test_tokens(text: str, expanded: str) -> None:
    assert expand(text, Tokens("alias", "host", 22, "user", "key")) == expanded
