"""What the settings allow, decided before anything is opened."""

from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.command_line import parse_command
from jupyter_remote_tunnel.model.errors import BadInput, Fatal
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.ssh.hop import Hop
from jupyter_remote_tunnel.tunnels.policy import check, check_route, prelude_for

OWN = EngineSettings(own_ports=(8888,), own_protected=True, own_tls=False)


@pytest.mark.parametrize(
    ("line", "settings", "named"),
    [
        ("-L 1:a:2 evil", EngineSettings(allowed_hosts=("gpu*",)), "allowed_hosts"),
        ("-L 1:a:2 -J evil gpu", EngineSettings(allowed_hosts=("gpu*",)), "allowed_hosts"),
        ("-L 1:a:2 -J gpu,u@evil:22 gpu", EngineSettings(allowed_hosts=("gpu*",)), "allowed_hosts"),
        ("-L 1:a:2 -o HostName=evil gpu", EngineSettings(allowed_hosts=("gpu*",)), "allowed_host"),
        ("-L 1:a:2 -o ProxyJump=evil gpu", EngineSettings(allowed_hosts=("gpu*",)), "allowed_host"),
        ("-L 1:a:2 h", EngineSettings(allowed_destinations=("localhost:*",)), "allowed_dest"),
        ("-L 1:1:2 h", EngineSettings(allowed_destinations=("[::1]:2",)), "allowed_dest"),
        ("-L 1:/run/docker.sock h", EngineSettings(allowed_destinations=("*:*",)), "allowed_dest"),
        ("-D 1 h", EngineSettings(allowed_destinations=("*:*",)), "allowed_dest"),
        ("-L 1:/run/../home/x h", EngineSettings(allowed_destinations=("/run/*",)), "allowed_dest"),
        ("-L :1:a:2 h", EngineSettings(), "allow_public_bind"),
        ("-L *:1:a:2 h", EngineSettings(), "allow_public_bind"),
        ("-L 0.0.0.0:1:a:2 h", EngineSettings(), "allow_public_bind"),
        ("-D [::]:1 h", EngineSettings(), "allow_public_bind"),
        ("-g -L 1:a:2 h", EngineSettings(), "allow_public_bind"),
        ("-o UserKnownHostsFile=/tmp/x -L 1:a:2 h", EngineSettings(), "allow_exec_options"),
        ("-o globalknownhostsfile=/tmp/x -L 1:a:2 h", EngineSettings(), "allow_exec_options"),
        ("-o 'HostKeyAlias other' -L 1:a:2 h", EngineSettings(), "allow_exec_options"),
        ("-o RevokedHostKeys=none -L 1:a:2 h", EngineSettings(), "allow_exec_options"),
        ("-o StrictHostKeyChecking=Accept-new -L 1:a:2 h", EngineSettings(), "allow_exec_options"),
        ("-o ForwardAgent=yes -L 1:a:2 h", EngineSettings(), "allow_exec_options"),
        ("-o 'SendEnv *' -L 1:a:2 h", EngineSettings(), "allow_exec_options"),
        ("-R 1:a:2 h", EngineSettings(allow_remote_forward=False), "allow_remote_forward"),
        ("-o ProxyCommand=x -L 1:a:2 h", EngineSettings(), "allow_exec_options"),
        ("-F /etc/x -L 1:a:2 h", EngineSettings(), "allow_exec_options"),
        ("-F /etc/x -L 1:a:2 h", EngineSettings(), "ssh_config"),
        ("-R 9:localhost:8888 h", EngineSettings(own_ports=(8888,), own_protected=False), "passw"),
        ("-R 9:some-name:8888 h", EngineSettings(own_ports=(8888,), own_protected=False), "passw"),
        ("-R 9 h", EngineSettings(own_ports=(8888,), own_protected=False), "password"),
        ("-R :9:localhost:8888 h", OWN, "certificate"),
        ("-R *:9 h", OWN, "certificate"),
        ("-R 10.0.0.1:9:localhost:8888 h", OWN, "certificate"),
    ],
)
def test_refused_with_the_setting_in_the_hint(
    line: str, settings: EngineSettings, named: str
) -> None:
    with pytest.raises(Fatal) as caught:
        check(parse_command(line), settings, from_shell=False)
    assert caught.value.code == "not_allowed"
    assert named in caught.value.hint


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        ("-L 1:a:2 GPU01", EngineSettings(allowed_hosts=("gpu*",))),
        ("-L 1:[::1]:2 h", EngineSettings(allowed_destinations=("[::1]:*",))),
        ("-J gpu2 -L 1:a:2 gpu1", EngineSettings(allowed_hosts=("gpu*",))),
        ("-L 1:localhost:2 h", EngineSettings(allowed_destinations=("localhost:*",))),
        ("-D 1 h", EngineSettings(allowed_destinations=("socks",))),
        ("-L *:1:a:2 h", EngineSettings(allow_public_bind=True)),
        ("-o ProxyCommand=x -L 1:a:2 h", EngineSettings(allow_exec_options=True)),
        ("-o HostKeyAlias=x -L 1:a:2 h", EngineSettings(allow_exec_options=True)),
        ("-o SendEnv=LANG -L 1:a:2 h", EngineSettings(allow_exec_options=True)),
        ("-o SetEnv=A=b -L 1:a:2 h", EngineSettings()),
        ("-o StrictHostKeyChecking=yes -o ConnectTimeout=3 -L 1:a:2 h", EngineSettings()),
        (
            "-o StrictHostKeyChecking=accept-new -L 1:a:2 h",
            EngineSettings(allow_exec_options=True),
        ),
        ("-R 9:localhost:8888 h", OWN),
        ("-R *:9:localhost:8888 h", EngineSettings(own_ports=(8888,), own_tls=True)),
        ("-R *:9:localhost:80 h", OWN),
    ],
)
def test_allowed(line: str, settings: EngineSettings) -> None:
    check(parse_command(line), settings, from_shell=False)


def test_the_servers_own_socket_is_known_by_any_name(tmp_path: Path) -> None:
    (tmp_path / "own.sock").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    settings = EngineSettings(own_socket=str(tmp_path / "own.sock"), own_protected=False)
    for name in ("own.sock", "./own.sock", "link/own.sock"):
        line = f"-R 9:{tmp_path}/{name} h"
        with pytest.raises(Fatal, match="no password"):
            check(parse_command(line), settings, from_shell=False)
    check(parse_command(f"-R 9:{tmp_path}/other.sock h"), settings, from_shell=False)


def test_the_users_own_shell_may_start_programs_and_say_whom_to_trust() -> None:
    line = "-F x -o ProxyCommand=x -o UserKnownHostsFile=x -o HostKeyAlias=y -L 1:a:2 h"
    check(parse_command(line), EngineSettings(), from_shell=True)


ONLY_GPU = EngineSettings(allowed_hosts=("gpu*",))


@pytest.mark.parametrize(
    ("line", "host", "settings", "allowed"),
    [
        ("gpu01", "10.0.0.1", ONLY_GPU, True),  # by the user's own configuration
        ("-J gpu02 gpu01", "10.0.0.1", ONLY_GPU, True),
        ("-o HostName=gpu02 gpu01", "gpu02", ONLY_GPU, True),
        ("-o HostName=gpu%h gpu01", "gpugpu01", ONLY_GPU, True),
        ("-o HostName=gpu%h gpu01", "evil", ONLY_GPU, False),
        ("-o CanonicalizeHostname=yes gpu01", "gpu01.example.org", ONLY_GPU, True),
        ("-o CanonicalizeHostname=yes gpu01", "evil.example.org", ONLY_GPU, False),
        ("-o CanonicalDomains=evil.org gpu01", "evil.org", ONLY_GPU, False),
        ("-o CanonicalizePermittedCNAMEs=*:* gpu01", "evil.org", ONLY_GPU, False),
        ("-o CanonicalizePermittedCNAMEs=*:* gpu01", "evil.org", EngineSettings(), True),
    ],
)
def test_a_host_that_what_was_typed_leads_to(
    line: str, host: str, settings: EngineSettings, allowed: bool
) -> None:
    spec = parse_command(f"-L 1:a:2 {line}")
    check(spec, settings, from_shell=False)
    route = (Hop("gw", "elsewhere", 22, "me"), Hop(spec.host, host, 22, "me"))
    if allowed:
        check_route(spec, route, settings)
        return
    with pytest.raises(Fatal, match=f"Tunnels to {host}, which gpu01 becomes") as caught:
        check_route(spec, route, settings)
    assert caught.value.code == "not_allowed"


PRELUDES = EngineSettings(jupyter_preludes={"login*": "module load python", "*": "true"})


@pytest.mark.parametrize(
    ("host", "settings", "prelude"),
    [
        ("LOGIN1", PRELUDES, "module load python"),
        ("ann@login1", PRELUDES, "module load python"),
        ("gpu01", PRELUDES, "true"),
        ("gpu01", EngineSettings(), ""),
    ],
)
def test_the_prelude_of_a_host(host: str, settings: EngineSettings, prelude: str) -> None:
    spec = parse_command(["-D", "1", host])
    for from_shell in (True, False):
        assert prelude_for(spec, None, settings, from_shell=from_shell) == prelude


def test_who_may_wish_for_a_prelude() -> None:
    spec = parse_command(["-D", "1", "login1"])
    assert prelude_for(spec, "", PRELUDES, from_shell=True) == ""
    assert prelude_for(spec, "conda activate x", PRELUDES, from_shell=True) == "conda activate x"
    allowed = EngineSettings(allow_exec_options=True)
    assert prelude_for(spec, "conda activate x", allowed, from_shell=False) == "conda activate x"
    with pytest.raises(Fatal, match="taken from a shell only") as caught:
        prelude_for(spec, "conda activate x", PRELUDES, from_shell=False)
    assert caught.value.code == "not_allowed"
    for line in ("a\nb", "x" * 4001):
        with pytest.raises(BadInput, match="one line"):
            prelude_for(spec, line, PRELUDES, from_shell=True)
