"""`jupyter tunnel offer` as a person runs it, with the gateway on this machine."""

import getpass
import json
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from jupyter_remote_tunnel.commands.actions import wanted
from jupyter_remote_tunnel.commands.grammar import parse
from jupyter_remote_tunnel.model.settings import EngineSettings
from tests.support.bokeh_app import BokehApp
from tests.support.echo import serve
from tests.support.ports import ReservedPort
from tests.support.process import child, wait_until
from tests.support.sshd import SshBed, Sshd
from tests.support.systemd import read_unit, user_manager
from tests.support.user import User


@pytest.fixture
def gateway(ssh_bed: SshBed, short_dir: Path) -> Sshd:
    """A host `gw` whose user has the home `short_dir`."""
    return ssh_bed.host("gw", env={"HOME": short_dir})


@pytest.fixture
def words(ssh_bed: SshBed, gateway: Sshd, shared_app: BokehApp) -> list[str]:
    """What stands behind `offer` to offer the application."""
    forward = f"5006:localhost:{shared_app.port}"
    return ["-F", str(ssh_bed.config_file), "-R", forward, "gw"]


def shows_plot(user: User, ssh_bed: SshBed) -> str:
    """How `open gw:5006` answers, after the page was seen by it."""
    line = ["-F", str(ssh_bed.config_file), "-L", "0:localhost:5006", "gw", "--name", "near"]
    answer = user.tunnel("open", *line).stdout
    url = user.tunnel("url", "near").stdout.strip()
    with urllib.request.urlopen(f"{url}/app", timeout=30) as page:
        assert b"remote plot" in page.read()
    user.tunnel("close", "near")
    return answer


def test_it_stays_when_its_shell_and_jupyter_end(
    user: User, words: list[str], ssh_bed: SshBed, short_dir: Path
) -> None:
    answer = user.tunnel("offer", *words).stdout
    assert "gw:5006 is offered. Understood: jupyter tunnel offer -R 5006:localhost:" in answer
    assert f"jupyter tunnel open {getpass.getuser()}@gw:5006" in answer
    (announcement,) = user.runtime_dir.glob("remote-tunnel-*.json")
    holder = psutil.Process(json.loads(announcement.read_text())["holder_pid"])
    assert os.getsid(holder.pid) != os.getsid(0)
    assert holder.terminal() is None
    assert "gw:5006 was offered already" in user.tunnel("offer", *words).stdout
    near = shows_plot(user, ssh_bed)
    assert "That leg is up." in near
    assert "localhost:5006" in near
    assert f"{short_dir}/.jupyter-remote-tunnel/5006.sock" in user.tunnel("list").stdout
    user.tunnel("close", "gw:5006")
    assert not list((short_dir / ".jupyter-remote-tunnel").iterdir())


def test_the_engine_of_a_jupyter_server_is_not_used(
    user: User, words: list[str], ssh_bed: SshBed
) -> None:
    with user.engine(EngineSettings(), kind="server") as server:
        user.tunnel("offer", *words)
        assert server.wanted == []
        user.tunnel("close", "gw:5006")


def test_a_far_leg_that_is_down_is_said(user: User, words: list[str], ssh_bed: SshBed) -> None:
    user.tunnel("offer", *words)
    line = ["-F", str(ssh_bed.config_file), "-L", "0:localhost:5006", "gw", "--name", "near"]
    user.tunnel("open", *line)
    assert "is up)" in user.tunnel("list").stdout
    user.tunnel("close", "gw:5006")
    wait_until(lambda: _far_state(user) == "down", "the news", 120)
    shown = user.tunnel("list").stdout
    assert "near: Nothing is offered as 5006 on gw any more" in shown
    assert "is down)" in shown
    assert "remove what stands" not in shown


def _far_state(user: User) -> str:
    (tunnel,) = user.tunnels()
    (forward,) = tunnel.forwards
    return forward.far.state if forward.far else ""


def test_on_a_port_if_that_is_asked_for(user: User, words: list[str], ssh_bed: SshBed) -> None:
    """Both sides say whose it can be, and that it has ended."""
    with ReservedPort() as port, serve("echo") as echo:
        line = ["-F", str(ssh_bed.config_file), "-R", f"{port.number}:localhost:{echo.port}", "gw"]
        answer = user.tunnel("offer", "--tcp", *line).stdout
        assert f"jupyter tunnel offer --tcp -R {port.number}:localhost:{echo.port}" in answer
        others = "a port of gw’s loopback, to which other users of gw can connect"
        assert others in answer
        assert f"jupyter tunnel open {getpass.getuser()}@gw:{port.number}" in answer
        near = ["-F", str(ssh_bed.config_file), "-L", f"0:localhost:{port.number}", "gw"]
        answer = user.tunnel("open", *near, "--name", "near").stdout
        assert others in answer
        assert f"where it is localhost:{echo.port}. That leg is up." in answer
        user.tunnel("close", f"gw:{port.number}")
        wait_until(lambda: _far_state(user) == "down", "the news", 120)


@pytest.mark.parametrize("how", [[], ["--foreground"]])
def test_a_number_that_nobody_answers_is_told_where_it_is_typed(
    user: User, ssh_bed: SshBed, gateway: Sshd, how: list[str]
) -> None:
    with ReservedPort() as port:
        to = f"localhost:{port.number}"
        line = [*how, "-F", str(ssh_bed.config_file), "-R", f"5009:{to}", "gw"]
        told = f"Nothing answers at {to} on this machine now: Connection refused. It is offered"
        if how:
            argv = [sys.executable, "-m", "jupyter_remote_tunnel.cli", "offer", *line]
            with child(argv, env=user.environment) as process:
                process.wait_for_line(told)
            return
        said = user.tunnel("offer", *line).stdout
        assert "gw:5009 is offered." in said
        assert told in said
        with serve("echo", port=port.number):
            assert "Nothing answers" not in user.tunnel("offer", *line).stdout


def test_restart_tells_of_another_offer(
    user: User, ssh_bed: SshBed, gateway: Sshd, shared_app: BokehApp
) -> None:
    with ReservedPort() as port:
        forward = f"{port.number}:localhost:{shared_app.port}"
        line = ["-F", str(ssh_bed.config_file), "-R", forward, "gw"]
        user.tunnel("offer", "--tcp", *line)
        near = ["-F", str(ssh_bed.config_file), "-L", f"0:localhost:{port.number}", "gw"]
        answer = user.tunnel("open", *near, "--name", "near").stdout
        assert "It is a port of gw’s loopback" in answer
        user.tunnel("close", f"gw:{port.number}")
        user.tunnel("offer", *line)
        answer = user.tunnel("restart", "near").stdout
        assert "That leg is up." in answer, answer
        assert "loopback" not in answer


def test_another_port_if_that_is_asked_for(user: User, words: list[str], ssh_bed: SshBed) -> None:
    with serve("echo") as echo, serve("echo", host="::1", port=echo.port):
        line = ["-F", str(ssh_bed.config_file), "-R", f"{echo.port}:localhost:{echo.port}", "gw"]
        complaint = user.tunnel("offer", "--tcp", *line, status=1).stderr
        assert "something there has it already" in complaint
        assert "With --pick, any free one is taken there" in complaint
        answer = user.tunnel("offer", "--tcp", "--pick", *line).stdout
        assert f"Understood: jupyter tunnel offer --pick --tcp -R {echo.port}:" in answer
        assert f"Port {echo.port} was taken: 127.0.0.1:" in answer
        assert "other users of gw can connect" in answer
        tunnel = json.loads(user.tunnel("list", "--json").stdout)["tunnels"][0]
        (forward,) = tunnel["forwards"]
        assert (tunnel["kind"], forward["far"]) == ("offer", None)
        assert forward["bound"] != f"127.0.0.1:{echo.port}"
        near = ["-F", str(ssh_bed.config_file), "-L", f"0:localhost:{echo.port}", "gw"]
        assert "That leg is up." in user.tunnel("open", *near, "--name", "near").stdout


@pytest.mark.parametrize(
    "line",
    ["", "gw", "-L 1:a:2 gw", "gw:5006", "-D 1080 gw", "-R 5006 gw", "-R 5006:localhost:5006"],
)
def test_what_is_no_offer_is_refused(user: User, line: str) -> None:
    complaint = user.tunnel("offer", *line.split(), status=2).stderr
    assert "Traceback" not in complaint
    assert "For example: jupyter tunnel offer -R 5006:localhost:5006 ann@gw" in complaint


class TestUnit:
    """--systemd."""

    @pytest.fixture
    def config(self, user: User, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Where the user's units are."""
        user.environment["XDG_CONFIG_HOME"] = str(user.folder / "xdg")
        return user.folder / "xdg" / "systemd" / "user"

    def test_it_is_shown_and_written(self, user: User, words: list[str], config: Path) -> None:
        answer = user.tunnel("offer", "--systemd", *words).stdout
        path = config / "jupyter-remote-tunnel-gw-5006.service"
        assert answer.index("[Unit]") < answer.index("That is written.")
        assert path.read_text() in answer
        assert str(path) in answer
        assert f"systemctl --user enable --now {path.name}" in answer
        assert "loginctl enable-linger" in answer
        assert "Restart=always" in path.read_text().splitlines()
        assert list(user.runtime_dir.glob("remote-tunnel-*.json")) == [], "nothing is started"

    def test_it_runs_what_was_typed(
        self, user: User, words: list[str], config: Path, ssh_bed: SshBed
    ) -> None:
        user.tunnel("offer", "--systemd", *words)
        argv = read_unit(config / "jupyter-remote-tunnel-gw-5006.service")
        assert Path(argv[0]).samefile(sys.executable)
        with child(argv, env=user.environment) as process:
            process.wait_for_line("is offered")
            assert "That leg is up." in shows_plot(user, ssh_bed)

    @pytest.mark.long
    def test_systemd_runs_it_and_starts_it_again(
        self, user: User, words: list[str], config: Path, ssh_bed: SshBed, short_dir: Path
    ) -> None:
        said = user.tunnel("offer", "--systemd", *words).stdout
        (start,) = [line.strip() for line in said.splitlines() if "systemctl" in line]
        unit = start.split()[-1]

        def is_offered() -> bool:
            return any(listens(path) for path in short_dir.rglob("*") if path.is_socket())

        with user_manager(user.environment) as manager:
            manager.type(start)
            wait_until(is_offered, "the offer")
            assert "That leg is up." in shows_plot(user, ssh_bed)
            manager.type(f"systemctl --user kill --signal=KILL {unit}")
            wait_until(lambda: not is_offered(), "its end")
            wait_until(is_offered, "the next one")
            assert "That leg is up." in shows_plot(user, ssh_bed)
            manager.type(f"systemctl --user disable --now {unit}")
            wait_until(lambda: not is_offered(), "the end of the offer")
            assert manager.run(f"systemctl --user is-active {unit}").stdout == "inactive\n"

    def test_what_systemd_would_read_otherwise_is_quoted(self, user: User, config: Path) -> None:
        name, key = 'a "b" 100% $HOME \\', "/tmp/Ann's 100%h/$key"
        typed = ["--name", name, "-R", "5006:/tmp/a b", "-i", key, "gw"]
        user.tunnel("offer", "--systemd", *typed)
        (path,) = config.iterdir()
        spec = wanted(parse(read_unit(path)[4:], ""))
        assert (spec.name, spec.ssh.identities) == (name, (key,))

    def test_what_no_unit_can_hold_is_refused(self, user: User, config: Path) -> None:
        forward = os.fsdecode(b"5006:/tmp/\xff")
        complaint = user.tunnel("offer", "--systemd", "-R", forward, "gw", status=2).stderr
        assert "cannot stand in a unit" in complaint
        assert not config.exists()

    def test_another_unit_is_left_alone(self, user: User, words: list[str], config: Path) -> None:
        config.mkdir(parents=True)
        path = config / "jupyter-remote-tunnel-gw-5006.service"
        path.write_text("mine")
        complaint = user.tunnel("offer", "--systemd", *words, status=1).stderr
        assert "another unit" in complaint
        assert path.read_text() == "mine"
        path.unlink()
        user.tunnel("offer", "--systemd", *words)
        user.tunnel("offer", "--systemd", *words)

    def test_a_number_that_the_background_offers_is_told(
        self, user: User, words: list[str], config: Path
    ) -> None:
        told = "close that first: jupyter tunnel close gw:5006"
        user.tunnel("offer", *words)
        assert told in user.tunnel("offer", "--systemd", *words).stdout
        other = [*words[:2], "-R", "5007:localhost:1", "gw"]
        assert "close that first" not in user.tunnel("offer", "--systemd", *other).stdout
        user.tunnel("close", "gw:5006")
        assert told not in user.tunnel("offer", "--systemd", *words).stdout

    def test_as_data(self, user: User, words: list[str], config: Path) -> None:
        data = json.loads(user.tunnel("offer", "--systemd", "--json", *words).stdout)
        assert Path(data["unit"]).read_text() == data["text"]


def unit_in(said: str, folder: Path) -> Path:
    """The unit that is shown, in a file."""
    _, begin, rest = said.partition("[Unit]")
    text, end, _ = rest.partition("WantedBy=default.target\n")
    path = folder / "offer.service"
    path.write_text(begin + text + end)
    return path


@pytest.fixture
def ssh_lines(user: User, words: list[str]) -> str:
    """What --print prints."""
    return user.tunnel("offer", "--print", *words).stdout


def listens(path: Path) -> bool:
    """Whether somebody does: the file may be left from before."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def test_by_ssh_alone_on_a_socket(
    user: User, ssh_lines: str, ssh_bed: SshBed, short_dir: Path
) -> None:
    argv = read_unit(unit_in(ssh_lines, user.folder))
    assert argv[:2] == ["/bin/sh", "-c"]
    path = short_dir / ".jupyter-remote-tunnel" / "5006.sock"
    for _ in range(2):  # the second time there is what the first left
        with child(argv, env=user.environment):
            wait_until(lambda: listens(path), "ssh's socket")
            answer = shows_plot(user, ssh_bed)
            assert f"It is offered there at {path}. That leg is up." in answer


@pytest.mark.parametrize("tcp", [[], ["--tcp"]])
def test_by_ssh_alone_for_ever(user: User, words: list[str], tcp: list[str]) -> None:
    """What is to be typed is there to be copied, and what others can do is said."""
    lines = user.tunnel("offer", "--print", *tcp, *words).stdout.splitlines()
    start = "systemctl --user daemon-reload && systemctl --user enable --now"
    assert f"{start} jupyter-remote-tunnel-gw-5006.service" in lines
    path = "~/.config/systemd/user/jupyter-remote-tunnel-gw-5006.service"
    assert f"# The same for ever: {path}" in lines
    assert "loginctl enable-linger" in lines
    assert "[Unit]" in lines
    assert sum("its other users can connect" in line for line in lines) == 1


def test_by_ssh_alone_on_a_port(
    user: User, ssh_bed: SshBed, gateway: Sshd, shared_app: BokehApp
) -> None:
    with ReservedPort() as port:
        line = f"{port.number}:localhost:{shared_app.port}"
        words = ["-F", str(ssh_bed.config_file), "-R", line, "gw"]
        said = user.tunnel("offer", "--print", "--tcp", *words).stdout
        argv = read_unit(unit_in(said, user.folder))
        with child(argv, env=user.environment):
            wait_until(lambda: answers(port.number), "ssh's port")


def test_by_ssh_alone_with_any_names(user: User) -> None:
    """They pass through a shell, and systemd."""
    key = "/tmp/Ann's 100%h/$key \"\\"
    typed = ["-R", "5006:/tmp/a b", "-i", key, "gw"]
    said = user.tunnel("offer", "--print", *typed).stdout
    shell, option, script = read_unit(unit_in(said, user.folder))
    assert (shell, option) == ("/bin/sh", "-c")
    ssh = user.folder / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    ssh.chmod(0o755)
    path = f"{ssh.parent}:{user.environment['PATH']}"
    done = subprocess.run([shell, option, script], env={"PATH": path}, capture_output=True)
    words = done.stdout.decode().splitlines()
    assert key in words
    assert any(word.endswith(":/tmp/a b") for word in words)


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_by_ssh_alone_in_the_background(ssh_lines: str) -> None:
    once = [line for line in ssh_lines.splitlines() if "ssh -NfT" in line]
    assert len(once) == 2
    for line in (*once, *(line for line in ssh_lines.splitlines() if "autossh" in line)):
        for option in ("ServerAliveInterval=15", "ServerAliveCountMax=3"):
            assert option in line
        assert "ExitOnForwardFailure=yes" in line
    assert "StreamLocalBindUnlink" in ssh_lines
