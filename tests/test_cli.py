"""`jupyter tunnel` as a person runs it, through a real sshd to a real Bokeh server."""

import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import psutil
import pytest

from jupyter_remote_tunnel.cli import main
from jupyter_remote_tunnel.engine.discovery import list_engines
from jupyter_remote_tunnel.model.settings import EngineSettings
from tests.support.bokeh_app import BokehApp
from tests.support.leaks import assert_gone, no_new_processes
from tests.support.ports import unused_port
from tests.support.process import child, wait_until
from tests.support.sshd import SshBed, Sshd
from tests.support.user import User


@pytest.fixture
def config(ssh_bed: SshBed, sshd: Sshd) -> list[str]:
    """The options of ssh by which `gpu01` is reached."""
    return ["-F", str(ssh_bed.config_file)]


def status_of(text: str) -> dict[str, Any]:
    """The one line of JSON that a command printed."""
    (line,) = text.splitlines()
    status: dict[str, Any] = json.loads(line)
    return status


def page(bound: str) -> str:
    with urllib.request.urlopen(f"http://{bound}/app", timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def test_open_list_restart_close(user: User, config: list[str], shared_app: BokehApp) -> None:
    opened = user.tunnel("open", *config, "-L", f"0:{shared_app.destination}", "gpu01").stdout
    assert f"-L 0:{shared_app.destination}" in opened, "it repeats what was understood"
    listed = json.loads(user.tunnel("list", "--json").stdout)
    (tunnel,) = listed["tunnels"]
    assert (tunnel["host"], tunnel["state"]) == ("gpu01", "open")
    bound = tunnel["forwards"][0]["bound"]
    assert bound in opened
    assert "remote plot" in page(bound)
    name = tunnel["name"]
    shown = user.tunnel("list").stdout
    assert name in shown
    assert bound in shown
    assert user.tunnel("url", name).stdout == f"http://{bound}\n"
    restarted = status_of(user.tunnel("restart", "--json", name).stdout)
    assert restarted["id"] == tunnel["id"]
    assert restarted["forwards"][0]["bound"] == bound, "it keeps its port"
    assert "gpu01" in user.tunnel("hosts").stdout
    assert user.tunnel("close", name).stdout == f"{name} is closed.\n"
    assert json.loads(user.tunnel("list", "--json").stdout) == {"tunnels": []}


def test_what_was_typed_to_open_it_is_enough_later(
    user: User, config: list[str], sshd: Sshd
) -> None:
    with unused_port() as port:
        login, place = f"{sshd.user}@gpu01:{port}", f"gpu01:{port}"
        first = status_of(user.tunnel("open", *config, login, "--json").stdout)
        assert first["name"] == login
        assert user.tunnel("url", place).stdout == f"http://127.0.0.1:{port}\n"
        line = ["-L", f"0:localhost:{port}", "gpu01", "--name", "plot", "--json"]
        second = status_of(user.tunnel("open", *config, *line).stdout)
        complaint = user.tunnel("close", place, status=2).stderr
        for tunnel in (first, second):
            assert f"{tunnel['id']} on {tunnel['host']} (open)" in complaint
        assert user.tunnel("close", login).stdout == f"{login} is closed.\n"
        assert user.tunnel("restart", login).stdout.startswith("plot is open.")
        assert user.tunnel("close", place).stdout == "plot is closed.\n"


def test_open_again_finds_the_tunnel(user: User, config: list[str], shared_app: BokehApp) -> None:
    words = ["open", *config, "-L", f"0:{shared_app.destination}", "gpu01"]
    first = status_of(user.tunnel(*words, "--json").stdout)
    second = status_of(user.tunnel(*words, "--json").stdout)
    assert first["id"] == second["id"]
    assert "was open already" in user.tunnel(*words).stdout


def test_the_background_process_ends_with_its_last_tunnel(
    user: User, config: list[str], shared_app: BokehApp
) -> None:
    with no_new_processes():
        user.tunnel("open", *config, "-L", f"0:{shared_app.destination}", "gpu01", "--name", "one")
        (announcement,) = user.runtime_dir.glob("remote-tunnel-*.json")
        holder = psutil.Process(json.loads(announcement.read_text())["holder_pid"])
        family = [holder, *holder.children(recursive=True)]
        user.tunnel("close", "--all")
        assert_gone(family)
    assert not announcement.exists()
    assert list((user.folder / "run").iterdir()) == []


@pytest.mark.parametrize(
    "line",
    [
        "ssh {config} -NfL {port}:{destination} gpu01",
        "autossh -M 0 {config} -N -L {port}:{destination} gpu01",
        "ssh {config} gpu01 -fN -L localhost:{port}:{destination}",
        "nohup ssh -q -T -n {config} -L{port}:{destination} gpu01",
        "--name mine ssh {config} -NfL {port}:{destination} gpu01",
    ],
)
def test_a_pasted_line_works(
    user: User, config: list[str], shared_app: BokehApp, line: str
) -> None:
    with unused_port() as port:
        typed = line.format(config=" ".join(config), port=port, destination=shared_app.destination)
        status = status_of(user.tunnel("open", "--json", *typed.split()).stdout)
        assert status["forwards"][0]["bound"] == f"127.0.0.1:{port}"
        assert "remote plot" in page(f"127.0.0.1:{port}")
        user.tunnel("close", status["id"])


@pytest.mark.parametrize(
    "line",
    [
        "me@laptop:~$ nohup ssh {config} -NfL {port}:{destination} gpu01 > /dev/null 2>&1 &",
        "(base) me@laptop ~ % ssh {config} –N –L “{port}:{destination}” gpu01  # the plots",
        "In [3]: %tunnel open -L\u00a0{port}:{destination} {config} gpu01",
    ],
)
def test_a_line_in_quotes_works_with_what_stood_around_it(
    user: User, config: list[str], shared_app: BokehApp, line: str
) -> None:
    with unused_port() as port:
        typed = line.format(config=" ".join(config), port=port, destination=shared_app.destination)
        status = status_of(user.tunnel("open", "--json", typed).stdout)
        assert status["forwards"][0]["bound"] == f"127.0.0.1:{port}"
        assert "remote plot" in page(f"127.0.0.1:{port}")
        user.tunnel("close", status["id"])


def test_relative_paths_are_the_callers(
    user: User, ssh_bed: SshBed, sshd: Sshd, shared_app: BokehApp
) -> None:
    (user.folder / "config").rmdir()
    (user.folder / "config").symlink_to(ssh_bed.config_file)
    words = ["-F", "config", "-L", f"./app.sock:{shared_app.destination}", "gpu01"]
    status = status_of(user.tunnel("open", "--json", *words).stdout)
    assert status["forwards"][0]["bound"] == str(user.folder / "app.sock")
    user.tunnel("close", "--all")
    assert not (user.folder / "app.sock").exists()


class TestForeground:
    """`open --foreground` holds its own engine, and all of it ends with the process."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_one_line_of_json_until_a_signal(
        self, user: User, config: list[str], shared_app: BokehApp, number: int
    ) -> None:
        words = [*config, "-L", f"0:{shared_app.destination}", "gpu01"]
        with user.start("open", "--foreground", "--json", *words) as process:
            process.wait_for_line(r"^\{")
            status = status_of(process.output)
            assert "remote plot" in page(status["forwards"][0]["bound"])
            family = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(number)
            assert process.wait() == 0
            assert_gone(family)
            assert process.output.count("\n") == 1, "nothing but the status was printed"
        assert list(user.runtime_dir.glob("*.json")) == []
        assert list((user.folder / "run").iterdir()) == []

    def test_others_see_and_close_it(
        self, user: User, config: list[str], shared_app: BokehApp
    ) -> None:
        words = [*config, "-L", f"0:{shared_app.destination}", "--name", "mine", "gpu01"]
        with user.start("open", "--foreground", *words) as process:
            process.wait_for_line("Understood: jupyter tunnel open --name mine")
            assert "mine" in user.tunnel("list").stdout
            user.tunnel("close", "mine")
            assert process.wait() == 0

    def test_a_loss_is_told_and_its_end(
        self, user: User, config: list[str], ssh_bed: SshBed
    ) -> None:
        words = [*config, "-L", "0:localhost:1", "--name", "mine", "gpu01"]
        with user.start("open", "--foreground", *words) as process:
            process.wait_for_line("Understood")
            ssh_bed.hosts["gpu01"].drop_connections()
            process.wait_for_line("mine is reconnecting: .* gpu01 .* It is tried again by itself.")
            process.wait_for_line("mine is open again.")
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 0

    def test_what_does_not_open_is_an_error(self, user: User, config: list[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as busy:
            port = busy.getsockname()[1]
            words = [*config, "-L", f"{port}:localhost:1", "gpu01"]
            done = user.tunnel("open", "--foreground", "--json", *words, status=1)
        assert status_of(done.stdout)["error"]["code"] == "port_in_use"
        assert str(port) in done.stderr
        assert list(user.runtime_dir.glob("remote-tunnel-*.json")) == []

    def test_it_outlives_its_engine(
        self, user: User, config: list[str], shared_app: BokehApp
    ) -> None:
        words = [*config, "-L", f"0:{shared_app.destination}", "gpu01"]
        with user.start("open", "--foreground", "--json", *words) as process:
            process.wait_for_line(r"^\{")
            bound = json.loads(process.output.splitlines()[0])["forwards"][0]["bound"]
            (engine,) = psutil.Process(process.pid).children()
            engine.kill()
            wait_until(lambda: _serves(bound), "the port to serve again")
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 0


def _serves(bound: str) -> bool:
    try:
        return "remote plot" in page(bound)
    except OSError:
        return False


class TestErrors:
    """Text on stderr with what to do next, never a traceback."""

    def test_a_busy_port(self, user: User, config: list[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as busy:
            port = busy.getsockname()[1]
            words: list[str] = ["open", *config, "-L", f"{port}:localhost:5006", "gpu01"]
            complaint = user.tunnel(*words, status=1).stderr
            assert f"{port}" in complaint
            assert str(os.getpid()) in complaint, "it says who holds the port"
            picked = status_of(user.tunnel(*words, "--on-conflict", "pick", "--json").stdout)
            assert picked["forwards"][0]["bound"] not in (None, f"127.0.0.1:{port}")
            said = user.tunnel(*words, "--on-conflict", "pick").stdout
            assert f"Port {port} was taken: {picked['forwards'][0]['bound']} instead." in said
        _is_prose(complaint)

    def test_a_refused_destination_reaches_the_list(self, user: User, config: list[str]) -> None:
        with unused_port() as nobody:
            words = ["open", *config, "-L", f"0:127.0.0.1:{nobody}", "gpu01", "--json"]
            bound = status_of(user.tunnel(*words).stdout)["forwards"][0]["bound"]
            host, _, port = bound.rpartition(":")
            with (
                socket.create_connection((host, int(port))) as stream,
                pytest.raises(ConnectionResetError),
            ):
                stream.recv(1)
            shown = user.tunnel("list").stdout
            assert f"127.0.0.1:{nobody}" in shown
            assert "refused" in shown.lower()

    def test_a_wrong_part_is_pointed_at(self, user: User) -> None:
        complaint = user.tunnel("open", "-L", "5006:localhost:70000", "gpu01", status=2).stderr
        text, carets = complaint.splitlines()[1:3]
        assert text[carets.index("^") : carets.rindex("^") + 1] == "70000"

    @pytest.mark.parametrize(
        "words",
        [
            ["apps", "frobnicate"],
            ["frobnicate"],
            ["list", "gpu01"],
            ["close"],
            ["open"],
            ["kernels", "connect", "h"],
            ["gpu01:5006"],
            ["open", "http://localhost:5006/app"],
            ["open", "sudo ssh -NL 80:localhost:80 gpu01"],
        ],
    )
    def test_bad_input(self, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert main(words) == 2
        _is_prose(capsys.readouterr().err)

    def test_a_restart_that_does_not_open_it(
        self, user: User, config: list[str], sshd: Sshd
    ) -> None:
        tunnel = status_of(user.tunnel("open", *config, "-D", "0", "gpu01", "--json").stdout)
        sshd.kill()
        wait_until(lambda: user.tunnels()[0].state == "reconnecting", "the loss to be seen")
        assert "reconnecting" in user.tunnel("list").stdout
        done = user.tunnel("restart", tunnel["name"], "--json", status=1)
        assert status_of(done.stdout)["error"]["code"] == "connect_failed"
        assert f"{tunnel['name']} is reconnecting: gpu01 refused the connection" in done.stderr
        _is_prose(done.stderr)
        sshd.start()

    def test_no_such_tunnel(self, user: User) -> None:
        assert "nope" in user.tunnel("close", "nope", status=1).stderr

    def test_programs_read_it_as_json(self, user: User) -> None:
        done = user.tunnel("open", "-L", "5006:localhost:70000", "gpu01", "--json", status=2)
        error = status_of(done.stdout)["error"]
        assert error["code"] == "bad_input"
        assert error["message"] in done.stderr
        where = error["where"]
        assert where["text"][where["start"] : where["end"]] == "70000"

    def test_an_unknown_host_key(self, user: User, ssh_bed: SshBed) -> None:
        stranger = ssh_bed.host("stranger", known=False)
        words = ["open", "-F", str(ssh_bed.config_file), "-L", "0:localhost:1", "stranger"]
        complaint = user.tunnel(*words, status=1).stderr
        assert stranger.fingerprint in complaint

    def test_several_engines_and_none_is_picked(self, user: User, config: list[str]) -> None:
        with jupyter_server(user) as first, jupyter_server(user):
            words = ["open", *config, "-L", "0:localhost:1", "gpu01"]
            complaint = user.tunnel(*words, status=2).stderr
            assert f"pid {first}" in complaint
            user.tunnel(*words, "--server", str(first))
            assert json.loads(user.tunnel("list", "--json").stdout)["tunnels"]
            user.tunnel("close", "--all")

    def test_the_engine_of_the_only_jupyter_is_meant_beside_one_in_the_background(
        self, user: User, config: list[str]
    ) -> None:
        words = ["open", *config, "gpu01", "-L"]
        user.tunnel(*words, "0:localhost:1")
        with jupyter_server(user) as server:
            user.tunnel(*words, "0:localhost:2")
            listed = json.loads(user.tunnel("list", "--server", str(server), "--json").stdout)
            assert [tunnel["name"] for tunnel in listed["tunnels"]] == ["gpu01:2"]
            shown = user.tunnel("list").stdout.splitlines()
            assert shown[0].split()[3] == "Server"
            servers = {line.split()[0]: line.split()[3] for line in shown[2:]}
            assert servers["gpu01:2"] == "http://localhost:1/"
            assert servers["gpu01:1"].isdecimal()
            user.tunnel("close", "gpu01:1")
            user.tunnel("close", "gpu01:2")

    def test_a_port_that_another_engine_holds(self, user: User, config: list[str]) -> None:
        with unused_port() as port:
            words = ["open", *config, "-D", str(port), "gpu01"]
            user.tunnel(*words)
            holder = str(list_engines()[0].holder_pid)
            with jupyter_server(user):
                complaint = user.tunnel(*words, status=1).stderr
                assert "gpu01" in user.tunnel("list", "--server", holder).stdout
        another = f"another engine for tunnels (that of process {holder})"
        assert f"Port {port} of this machine is in use by {another}." in complaint
        assert '"on_conflict": "pick"' in complaint
        assert "dialog" not in complaint


_HOLDER = """
import asyncio
from jupyter_remote_tunnel.engine.holder import Holder
from jupyter_remote_tunnel.model.settings import EngineSettings

async def run():
    async with Holder(EngineSettings(), kind="server", url="http://localhost:1/"):
        print("held", flush=True)
        await asyncio.Event().wait()

asyncio.run(run())
"""


@contextlib.contextmanager
def jupyter_server(user: User) -> Iterator[int]:
    """The pid of a process that holds an engine as a Jupyter server does."""
    with child([sys.executable, "-c", _HOLDER], env=user.environment) as process:
        process.wait_for_line("held")
        yield process.pid


def _is_prose(text: str) -> None:
    assert text.strip()
    assert "Traceback" not in text


def test_looking_starts_no_engine(user: User, ssh_bed: SshBed) -> None:
    ssh_bed.write_config("Host other\n")
    with user.engine(EngineSettings(ssh_config=str(ssh_bed.config_file))) as holder:
        assert json.loads(user.tunnel("list", "--json").stdout) == {"tunnels": []}
        assert "other" in user.tunnel("hosts").stdout
        assert holder.phase == "listening"


def test_names_are_shown_as_they_are(user: User, config: list[str]) -> None:
    user.tunnel("open", *config, "-L", "0:localhost:1", "gpu01", "--name", "[red]x[/red]")
    assert "[red]x[/red]" in user.tunnel("list").stdout


class Terminal:
    """A terminal of so many columns in which `jupyter tunnel` runs."""

    def __init__(self, user: User, columns: int) -> None:
        self._user, self._columns = user, columns

    @contextlib.contextmanager
    def running(self, *words: str) -> Iterator[tuple["subprocess.Popen[bytes]", BinaryIO]]:
        """The command, and what it writes to the terminal."""
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, self._columns))
        with (
            os.fdopen(ours, "rb", buffering=0) as screen,
            subprocess.Popen(
                ["jupyter", "tunnel", *words],
                env={**self._user.environment, "COLUMNS": ""},  # it would count more than the size
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
            ) as process,
        ):
            os.close(theirs)
            yield process, screen

    def lines(self, *words: str) -> list[str]:
        """What a command prints until it ends."""
        printed = b""
        with self.running(*words) as (process, screen), contextlib.suppress(OSError):
            while part := screen.read(65536):  # EIO at its end, on Linux
                printed += part
        assert process.returncode == 0
        return re.sub(r"\x1b\[[0-9;]*m", "", printed.decode()).splitlines()


def test_no_word_is_folded_in_a_narrow_terminal(user: User, config: list[str]) -> None:
    here = [str(user.folder / "run" / "s") + letter * 20 for letter in "ab"]
    forwards = [word for path in here for word in ("-L", f"{path}:localhost:5006")]
    user.tunnel("open", *config, *forwards, "gpu01")
    wide = Terminal(user, 200).lines("list")
    assert wide[0].split() == ["Name", "Host", "State", "Here", "There", "Streams", "In", "Out"]
    assert wide == user.tunnel("list").stdout.splitlines(), "a pipe has no width"
    narrower = Terminal(user, max(map(len, wide)) - 1).lines("list")
    assert narrower[0].split() == ["Name", "Host", "State", "Here", "There"]
    assert [path for path, line in zip(here, narrower[2:], strict=True) if path in line] == here
    assert Terminal(user, 40).lines("list") == [
        "gpu01:5006  gpu01  open",
        *(f"  {path} → localhost:5006" for path in here),
    ]


@pytest.mark.parametrize("words", [["open"], ["open", "--foreground"]])
def test_who_waits_for_a_silent_host_is_told(user: User, words: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        words = [*words, "-p", port, "-D", "0", "ann@127.0.0.1"]
        with Terminal(user, 80).running(*words) as (process, screen):
            assert screen.readline().decode() == "Connecting to ann@127.0.0.1 …\r\n"
            silent.close()  # which refuses who waits
            assert process.wait(60) == 1


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["--help"], ["hosts"]])
def test_a_reader_that_has_gone_is_no_error(
    user: User, config: list[str], words: list[str]
) -> None:
    user.tunnel("open", *config, "-L", "0:localhost:1", "gpu01")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone:
        done = subprocess.run(
            ["jupyter", "tunnel", *words], env=user.environment, stdout=gone, stderr=subprocess.PIPE
        )
    assert done.stderr == b""
    assert done.returncode == (0 if words == ["--help"] else 141)


@pytest.mark.parametrize("imports", [1, 2, 5, 10, 20, 40, 60, 80, 100, 120, 150])
def test_ctrl_c_is_no_mistake_of_ours_from_the_beginning(user: User, imports: int) -> None:
    """After so many imports. (What Python itself does before is not ours.)"""
    script = Path(sys.executable).with_name("jupyter-tunnel")
    argv = [sys.executable, "-X", "importtime", str(script), "list"]
    with subprocess.Popen(
        argv, env=user.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.endswith(" jupyter_remote_tunnel.cli\n"):
                break
        for _ in range(imports):
            process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said = [line for line in process.stderr if not line.startswith("import time:")]
    assert said == []
    assert process.returncode in (-signal.SIGINT, 1)


def test_starting_loads_nothing_heavy(user: User) -> None:
    code = "import sys, jupyter_remote_tunnel.cli as c; c.main(['list']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=user.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"asyncssh", "aiohttp", "tornado", "jupyter_server", "msgspec", "psutil"}
