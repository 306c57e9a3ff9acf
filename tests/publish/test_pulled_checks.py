"""What keeps the Jupyter of a workstation from being shown."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.publish.conftest import NAME
from tests.publish.pulled import CHECK, FRIENDLY, PLACES, PULL, SITE, on, server, site, sockets
from tests.support.ann import Ann, Workstation
from tests.support.jupyter import Jupyter, jupyter
from tests.support.process import child, wait_until
from tests.support.systemd import read_unit
from tests.support.web_gateway import WebGateway

__all__ = ["server", "site"]  # fixtures


@pytest.mark.parametrize(
    ("traits", "failed", "said"),
    [
        ({"local_hostnames": None}, "host name", f"local_hostnames = ['localhost', '{NAME}']"),
        (
            {"disable_check_xsrf": True, "allow_origin": "*"},
            "other sites",
            "allow_origin or allow_origin_pat, disable_check_xsrf.",
        ),
        *(
            pytest.param({name: value}, "other sites", name, marks=pytest.mark.long)
            for name, value in (
                ("allow_origin", "*"),
                ("allow_origin_pat", ".*"),
                ("disable_check_xsrf", True),
            )
        ),
    ],
)
def test_its_configuration(
    machine: Workstation, ann: Ann, traits: dict[str, Any], failed: str, said: str
) -> None:
    with on(machine, **traits) as server:
        shown = ann.publish(*CHECK, status=1)
        assert f"FAILED  {failed}" in shown, shown
        assert said in shown
        assert shown.count("FAILED") == 1, shown
        assert "jupyter_server_config.py on ws" in shown
        assert "start it again" in shown
        assert server.token not in shown
        assert "ok      site" in shown  # the rest is looked at, too


@pytest.mark.long
def test_what_it_should_have_is_a_note(machine: Workstation, ann: Ann) -> None:
    with on(machine, trust_xheaders=None, allow_origin="https://friend.example.org"):
        shown = ann.publish(*CHECK)
        assert "note    visitors" in shown, shown
        assert "c.ServerApp.trust_xheaders = True" in shown
        assert "note    other sites   Pages of https://friend.example.org may act" in shown, shown


@pytest.mark.parametrize("claimed", [pytest.param("", marks=pytest.mark.long), "f" * 48])
def test_an_open_one_is_refused_whatever_its_file_says(
    machine: Workstation, ann: Ann, claimed: str
) -> None:
    open_one = {**FRIENDLY, "IdentityProvider": {"token": ""}}
    with jupyter(base_url=SITE.prefix, traits=open_one) as server:
        machine.has(server)
        (file,) = server.runtime_dir.glob("jpserver-*.json")
        file.write_text(json.dumps({**json.loads(file.read_text()), "token": claimed}))
        shown = ann.publish(*PULL, status=1)
    assert "FAILED  password      The Jupyter on ws lets everybody in" in shown, shown
    assert "--set-password" in shown


def test_a_short_token_and_one_that_is_another(machine: Workstation, ann: Ann) -> None:
    with jupyter(
        base_url=SITE.prefix, traits={**FRIENDLY, "IdentityProvider": {"token": "s3cret"}}
    ) as server:
        machine.has(server)
        said = ann.publish(*CHECK, status=1)
        assert "FAILED  token         The token of the Jupyter on ws can be guessed" in said, said
        assert f"→ On ws: jupyter server stop {server.port}. Start it again" in said
        (file,) = server.runtime_dir.glob("jpserver-*.json")
        lie = {**json.loads(file.read_text()), "token": "0123456789abcdef" * 3}
        file.write_text(json.dumps(lie))
        assert "FAILED  token         It does not take" in ann.publish(*CHECK, status=1)


@pytest.mark.parametrize(
    ("password", "status", "line"),
    [
        ("letmein", 1, "FAILED  password      Its password (jupyter_server_config.json) is one of"),
        pytest.param(
            "iloveyou",
            1,
            "FAILED  password      Its password (jupyter_server_config.json) is one of",
            marks=pytest.mark.long,
        ),
        ("a good one, all in all", 0, "ok      password      Visitors without its password"),
    ],
)
def test_a_password_is_tried_by_its_hash(
    gateway: WebGateway, machine: Workstation, ann: Ann, password: str, status: int, line: str
) -> None:
    with jupyter(base_url=SITE.prefix, password=password, traits=FRIENDLY) as server:
        machine.has(server)
        shown = ann.publish(*CHECK, status=status)
        assert line in shown, shown
        assert ("jupyter tunnel jupyter ws --set-password" in shown) == (status == 1)
        config = server.folder / "config" / "jupyter_server_config.json"
        hashed = json.loads(config.read_text())["PasswordIdentityProvider"]["hashed_password"]
        assert hashed not in shown
        kept = gateway.run("grep", "-rF", hashed, "/home", "/var", "/run", "/etc")
        assert kept.stdout == ""
        config.unlink()
        costly = re.sub(r"m=\d+,t=\d+", "m=999999,t=99", hashed)
        lines = f"# c.ServerApp.password = '{hashed}'\nc.ServerApp.password = '{costly}'\n"
        config.with_suffix(".py").write_text(lines)  # which nobody takes hours for
        shown = ann.publish(*CHECK)
        assert "note    password" in shown, shown
        assert "Set a good one: jupyter tunnel jupyter ws --set-password. End that" in shown


@pytest.mark.long
def test_one_that_speaks_tls(machine: Workstation, ann: Ann) -> None:
    with jupyter(base_url=SITE.prefix, https=True, traits=FRIENDLY) as server:
        machine.has(server)
        assert "speaks https" in ann.publish(*CHECK, status=1)


@pytest.mark.long
def test_only_a_port_can_be_taken_by_others(
    machine: Workstation, ann: Ann, server: Jupyter, short_dir: Path
) -> None:
    machine.has(server)
    said = ann.publish(*CHECK)
    assert (
        f"note    port          When it ends, another user of ws can take its port {server.port}"
        in said
    )
    with jupyter(base_url=SITE.prefix, traits=FRIENDLY) as other:
        other.process.end()
        machine.has(other)
        config = other.folder / "config" / "jupyter_server_config.json"
        settings = json.loads(config.read_text())
        del settings["ServerApp"]["port"]
        sock = short_dir / "j$(x) y.sock"
        settings["ServerApp"]["sock"] = str(sock)
        settings["IdentityProvider"] = {"token": "s3cret"}
        config.write_text(json.dumps(settings))
        argv = [sys.executable, "-m", "jupyter_server"]
        with child(argv, env=other.environment, cwd=other.root_dir) as process:
            process.wait_for_line(r"is running at:")
            wait_until(sock.exists, "its socket")
            said = ann.publish(*CHECK, status=1)
    assert f"→ On ws: jupyter server stop '{sock}'. Start it again" in said, said
    assert "ok      address" in said, said
    assert "note    port" not in said, said


def test_none_or_several(machine: Workstation, ann: Ann, server: Jupyter) -> None:
    shown = ann.publish(*CHECK, status=1)
    assert "FAILED  jupyter       No Jupyter server of yours runs on ws" in shown
    assert "→ Start one there: jupyter tunnel jupyter ws --start --keep" in shown
    assert "note    site          Which site it needs is known when" in shown, shown
    assert shown.count("FAILED") == 1, shown
    machine.has(server)
    port = server.port
    assert "ok      jupyter" in ann.publish(*CHECK[:-2], f"ws:{port}", "--check")
    assert "ok      jupyter" in ann.publish(*CHECK, "--jupyter", str(port))
    shown = ann.publish(*CHECK, "--jupyter", "1", status=1)
    assert f"There are: 127.0.0.1:{port}" in shown


def test_what_listens_there_is_no_jupyter(machine: Workstation, ann: Ann, server: Jupyter) -> None:
    machine.has(server)
    (file,) = server.runtime_dir.glob("jpserver-*.json")
    true = file.read_text()
    try:
        file.write_text(json.dumps({**json.loads(true), "base_url": "/elsewhere/"}))
        shown = ann.publish(*CHECK, status=1)
        assert "does not answer as a Jupyter below /elsewhere/" in shown, shown
        file.write_text(json.dumps({**json.loads(true), "base_url": "/a b/"}))
        assert "has a value that no Jupyter writes" in ann.publish(*CHECK, status=1)
    finally:
        file.write_text(true)


def test_the_gateways_side(
    gateway: WebGateway, machine: Workstation, ann: Ann, server: Jupyter
) -> None:
    machine.has(server)
    shown = ann.publish(*CHECK, "--prefix", "/other", status=1)
    assert "FAILED  address" in shown
    assert "c.ServerApp.base_url = '/other/'" in shown
    ann.lead(NAME, "192.0.2.1")
    shown = ann.publish(*CHECK, status=1)
    assert "note    name          It is not known whether" in shown  # its own address is private
    assert "FAILED  certificate" in shown
    ann.lead(NAME, "127.0.1.1")
    assert "note    name          jupyter.example.org is 127.0.1.1 on this machine" in ann.publish(
        *CHECK
    )
    gateway.type([f"mv {PLACES.file(SITE)} /etc/kept"])
    try:
        assert "FAILED  site" in ann.publish(*CHECK, status=1)
    finally:
        gateway.type([f"mv /etc/kept {PLACES.file(SITE)}"])
    gateway.type([f"chmod 711 {SITE.folder}"])
    try:
        assert "FAILED  folder        Other users of" in ann.publish(*CHECK, status=1)
    finally:
        gateway.type([f"chmod 710 {SITE.folder}"])


def test_a_workstation_that_does_not_let_in(
    machine: Workstation, ann: Ann, server: Jupyter
) -> None:
    machine.has(server)
    (ann.home / ".ssh" / "known_hosts").write_text("")
    assert "The host key of ws is not known" in ann.publish(*PULL, status=1)
    machine.sshd.kill()
    said = ann.publish(*PULL, status=1)
    assert "ws refused the connection" in said
    assert "Traceback" not in said
    machine.sshd.start()


def test_nothing_stays_where_the_way_in_fails(
    gateway: WebGateway, machine: Workstation, ann: Ann, server: Jupyter
) -> None:
    """A site of one's own, which names another socket."""
    machine.has(server)
    own = f"{SITE.folder}/own.sock"
    said = ann.publish(*PULL, "--socket", own, status=1)
    assert "FAILED  way in" in said, said
    assert "Nothing is published: way in failed." in said
    assert sockets(gateway) == []
    assert ann.publications() == []
    said = ann.publish(*PULL, "--socket", "/tmp/own.sock", status=1)
    assert "FAILED  folder        Every user of" in said, said
    assert "can go into /tmp" in said


# Listens at a socket.
LISTENING = """
import signal, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("listens", flush=True)
signal.pause()
"""


def test_a_socket_at_which_something_else_listens(
    gateway: WebGateway, machine: Workstation, ann: Ann, server: Jupyter
) -> None:
    machine.has(server)
    argv = ["/usr/bin/python3", "-I", "-c", LISTENING, SITE.socket]
    with child(gateway.inside(argv, "ann")) as other:
        other.wait_for_line("listens")
        said = ann.publish(*PULL, status=1)
        assert f"FAILED  socket        Something else listens at {SITE.socket}" in said, said
    gateway.type([f"rm {SITE.socket}"])


def test_a_unit(ann: Ann, gateway: WebGateway, machine: Workstation, server: Jupyter) -> None:
    machine.has(server)
    said = ann.publish(*PULL, "--systemd", "--prefix", SITE.prefix)
    assert f"journalctl --user -u jupyter-remote-tunnel-pull-{NAME}.service" in said
    (file,) = (ann.home / ".config" / "systemd" / "user").iterdir()
    assert file.name == f"jupyter-remote-tunnel-pull-{NAME}.service"
    text = file.read_text()
    assert f"Description=Shows the Jupyter of ws as {NAME}" in text
    assert "Restart=on-failure" in text
    words = read_unit(file)
    typed = words[words.index("publish") + 1 :]
    assert typed[:4] == ["--foreground", "--pull", "--for", "never"]
    with ann.publishing(*typed[1:]) as shell:
        shell.wait_for_line(f"Published: {SITE.url} without an end")
    ann.publish(*PULL, "--systemd", "--for", "9h", status=1)  # that would be another one


def test_a_unit_has_paths_as_they_are(ann: Ann) -> None:
    files = ["--certfile", "/etc/Ann's 100%h/$name.pem", "--keyfile", '/etc/a "b"\\']
    ann.publish(*PULL, "--systemd", *files)
    (file,) = (ann.home / ".config" / "systemd" / "user").iterdir()
    words = read_unit(file)
    place = words.index("--certfile")
    assert words[place : place + 4] == files


@pytest.mark.parametrize("flag", ["--jupyter", "--certfile"])
def test_a_line_break_begins_no_setting_of_a_unit(ann: Ann, flag: str) -> None:
    typed = "/a\nExecStartPre=/bin/false"
    own = ["--keyfile", "/k"] if flag == "--certfile" else []
    said = ann.publish(*PULL, "--systemd", flag, typed, *own, status=2)
    assert "control character" in said, said
    assert not (ann.home / ".config" / "systemd").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--pull", "--name", NAME), "Give the host"),
        (("--pull", "ws"), "--name"),
        (("--pull", "--name", "a b", "ws"), "host"),
        (("--pull", "--name", NAME, "--bind", "ws"), "without --bind"),
        (("--pull", "--name", NAME, "--tcp", "8888", "ws"), "without --bind"),
        (("--pull", "--name", NAME, "ws:1", "--jupyter", "2"), "once"),
        (("--pull", "--name", NAME, "ws", "-D", "1"), "one Jupyter server"),
        (("--pull", "--name", NAME, "ws", "--for", "soon"), "no time"),
        (("--pull", "--name", NAME, "ws", "--systemd", "--check"), "leave --check"),
        (("--pull", "--name", NAME, "ws", "--server", "1"), "--server"),
        (("--foreground", "--name", NAME, "ws"), "--pull"),
        (("--systemd", "--name", NAME, "ws"), "--pull"),
        (("--foreground", "--pull", "--name", NAME, "ws", "--check"), "--foreground"),
        (("--name", NAME, "ws", "--for", "never"), "no time"),
    ],
)
def test_bad_input(ann: Ann, words: tuple[str, ...], said: str) -> None:
    assert said in ann.publish(*words, status=2)


def test_no_site_without_a_jupyter(ann: Ann) -> None:
    assert "No Jupyter server of yours runs on ws" in ann.publish(*PULL, "--site", status=1)
    shown = ann.publish(*PULL, "--site", "--prefix", SITE.prefix)
    assert Path(PLACES.file(SITE)).name in shown
