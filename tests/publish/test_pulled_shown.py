"""What becomes of a Jupyter of a workstation while it is shown."""

import contextlib
import json
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.publish.conftest import NAME
from tests.publish.pulled import (
    CHECK,
    CONNECT,
    FRIENDLY,
    LOGIN,
    PULL,
    SITE,
    on,
    server,
    site,
    sockets,
    state,
)
from tests.publish.test_published import to_publish
from tests.support.ann import Ann, Workstation
from tests.support.certificates import WebAuthority
from tests.support.jupyter import Jupyter, jupyter, started_again
from tests.support.other_uid import other_users_python
from tests.support.outsider import Outsider
from tests.support.process import BY_COMMAND, wait_until
from tests.support.sshd import SshBed
from tests.support.user import User
from tests.support.web_gateway import WebGateway

__all__ = ["server", "site"]  # fixtures


def test_while_it_is_shown(
    gateway: WebGateway, machine: Workstation, ann: Ann, outsider: Outsider, server: Jupyter
) -> None:
    machine.has(server)
    ann.publish(*PULL, "--for", "never")
    (one,) = ann.publications()
    assert (one["state"], one["host"], one["until"]) == ("shown", "ws", "")
    for more in ((), ("--foreground",)):
        second = ann.publish(*more, "--pull", "--name", NAME.upper(), "ws", status=1)
        assert f"{NAME} is published already, without an end (id {one['id']})." in second, second
        assert f"To end it: jupyter tunnel publish --stop {one['id']}." in second
        assert "FAILED" not in second
        assert "Nothing is published" not in second
    assert "nothing was opened" in ann.publish(*CHECK)
    assert outsider.status(LOGIN) == 200  # which the second one left as it was
    said = ann.publish("--extend", "--for", "2h")
    assert ", which is earlier than before (without an end)." in said
    assert ann.publications()[0]["until"] > one["since"]

    (pid,) = ann.holders
    gateway.type([f"kill -9 {pid}"])
    wait_until(lambda: outsider.status(LOGIN) == 502, "the end of its forward")
    assert (
        "ConnectionRefusedError"
        in gateway.run(*other_users_python(CONNECT, SITE.socket), user="www-data").stderr
    )
    said = ann.publish(*PULL)  # a dead socket is in nobody's way
    assert "Published" in said
    assert outsider.status(LOGIN) == 200


def test_a_jupyter_that_is_started_again_is_checked_again(
    machine: Workstation, ann: Ann, outsider: Outsider
) -> None:
    with on(machine) as server:
        config = server.folder / "config" / "jupyter_server_config.json"
        settings = json.loads(config.read_text())
        ann.publish(*PULL)
        settings["IdentityProvider"]["token"] = ""
        config.write_text(json.dumps(settings))
        with contextlib.ExitStack() as stack:
            with machine.sshd.paused():  # whoever looks then finds the next one
                server.process.kill()
                stack.enter_context(started_again(server, "server"))
            wait_until(
                lambda: "lets everybody in" in ann.publications()[0]["problem"],
                "a look at it",
                pause=BY_COMMAND,
            )
            assert outsider.status(LOGIN) == 502
        assert state(ann) == "held_back"
        settings["IdentityProvider"]["token"] = server.token
        config.write_text(json.dumps(settings))
        with started_again(server, "server"):
            wait_until(lambda: state(ann) == "shown", "it to be shown again", pause=BY_COMMAND)
            assert outsider.status(LOGIN) == 200


@pytest.mark.long
def test_a_jupyter_that_is_started_again_may_listen_elsewhere(
    machine: Workstation, ann: Ann, outsider: Outsider, tmp_path: Path
) -> None:
    with on(machine, root_dir=str(tmp_path)) as before:
        ann.publish(*PULL)
        before.process.kill()
    with on(machine, root_dir=str(tmp_path)) as other:
        assert other.port != before.port
        wait_until(lambda: state(ann) == "shown", "the other one to be shown", pause=BY_COMMAND)
        assert outsider.status(LOGIN) == 200
        other.process.kill()
        wait_until(lambda: state(ann) == "held_back", "its end to be seen", pause=BY_COMMAND)
    with on(machine, root_dir=str(tmp_path)) as third:  # and from there on
        wait_until(lambda: state(ann) == "shown", "the third to be shown", pause=BY_COMMAND)
        assert f"ws (127.0.0.1:{third.port}), at" in ann.publications()[0]["exposed"][0]


def test_a_jupyter_that_nobody_chose_is_not_shown(
    machine: Workstation, ann: Ann, outsider: Outsider, tmp_path: Path
) -> None:
    """It lies in another folder."""
    with on(machine) as own, on(machine, root_dir=str(tmp_path)) as shown:
        ann.publish(*PULL)
        shown.process.kill()
        machine.has(own)
        said = f"that was shown, at 127.0.0.1:{shown.port}, has ended. What is started there now"
        wait_until(lambda: said in ann.publish("--list"), "its end to be seen", pause=BY_COMMAND)
        assert state(ann) == "held_back"
        assert outsider.status(LOGIN) == 502


@pytest.mark.long
def test_one_that_was_named_is_waited_for(machine: Workstation, ann: Ann) -> None:
    with on(machine) as before:
        ann.publish(*PULL[:-1], f"{PULL[-1]}:{before.port}")
        before.process.kill()
    with on(machine):
        wait_until(
            lambda: f":{before.port}" in ann.publications()[0]["problem"],
            "a look at the other",
            pause=BY_COMMAND,
        )
        assert state(ann) == "held_back"


@pytest.mark.long
def test_a_jupyter_of_another_folder_at_the_same_port_is_not_shown(
    machine: Workstation, ann: Ann, outsider: Outsider
) -> None:
    """8888 is everybody's default."""
    with on(machine) as before:
        ann.publish(*PULL)
        before.process.kill()
    traits = {"ServerApp": {**FRIENDLY["ServerApp"], "port": before.port}}
    with jupyter(base_url=SITE.prefix, port=before.port, traits=traits) as other:
        machine.has(other)
        said = f"that was shown, at 127.0.0.1:{before.port}, has ended. What is started there now"
        wait_until(lambda: said in ann.publish("--list"), "a look at it", pause=BY_COMMAND)
        assert outsider.status(LOGIN) == 502


def test_no_other_machine_takes_its_name(
    module_bed: SshBed,
    gateway: WebGateway,
    authority: WebAuthority,
    machine: Workstation,
    ann: Ann,
    outsider: Outsider,
    server: Jupyter,
) -> None:
    machine.has(server)
    ann.publish(*PULL)
    with (
        to_publish(module_bed, gateway, authority, base_url=SITE.prefix) as other,
        User() as person,
    ):
        person.environment.update(other.environment)
        said = person.tunnel("publish", "--name", NAME, "gw", status=1).stdout
    assert f"FAILED  name          Another Jupyter is published under this name: {NAME}" in said
    assert said.count("FAILED") == 1, said
    assert outsider.status(LOGIN) == 200


def test_nothing_of_it_stays_on_the_workstation(
    machine: Workstation, ann: Ann, server: Jupyter
) -> None:
    """What there waits for the end of that Jupyter ends, though sshd has it go on."""
    machine.has(server)

    end = ["sh", str(server.process.pid)]

    def is_watched() -> bool:
        running = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
        return any(words[:2] == ["sh", "-c"] and words[-2:] == end for words in running)

    ann.publish(*PULL)
    wait_until(is_watched, "it to be watched")
    ann.publish("--stop")
    wait_until(lambda: not is_watched(), "the end of the watch", pause=0.1)


@pytest.mark.long
def test_an_engine_that_ends_is_followed_by_another(
    gateway: WebGateway, machine: Workstation, ann: Ann, outsider: Outsider, server: Jupyter
) -> None:
    machine.has(server)
    ann.publish(*PULL)
    (engine,) = [
        process
        for process in gateway.processes("python", "ann")
        if "jupyter_remote_tunnel.engine" in process.cmdline()
    ]
    engine.kill()
    psutil.wait_procs([engine], 10)
    wait_until(lambda: state(ann) == "shown", "it to be shown again", pause=BY_COMMAND)
    assert outsider.status(LOGIN) == 200


def test_in_the_foreground(
    gateway: WebGateway, machine: Workstation, ann: Ann, outsider: Outsider, server: Jupyter
) -> None:
    machine.has(server)
    with ann.publishing(*PULL) as shell:
        shell.wait_for_line("Published: ")
        assert outsider.status(LOGIN) == 200
        (one,) = ann.publications()
        assert one["state"] == "shown"
        ann.shell().send_signal(signal.SIGINT)
        assert shell.wait() == 0
        assert shell.output.endswith(f"{SITE.url} is not published any more.\n"), shell.output
        assert ": shown\n" in shell.output, "without a full stop"
    assert outsider.status(LOGIN) == 502
    assert sockets(gateway) == []
    with ann.publishing(*PULL) as shell:
        shell.wait_for_line("Published: ")
        ann.publish("--stop")
        assert shell.wait() == 0
    with ann.publishing(*PULL) as shell:
        shell.wait_for_line("Published: ")
        gateway.type([f"kill -9 {pid}" for pid in ann.holders])
        assert shell.wait() == 1
        assert "has ended" in shell.output
    with ann.publishing(*PULL) as shell:
        shell.wait_for_line("Published: ")
        ann.shell().kill()
        wait_until(lambda: ann.holders == [], "the end of what it has started")
        assert outsider.status(LOGIN) == 502
    with ann.publishing(*PULL, "--prefix", "/other") as shell:
        assert shell.wait() == 1
        assert "Nothing is published: address failed." in shell.output, shell.output


def test_in_the_foreground_while_it_is_held_back(
    machine: Workstation, ann: Ann, outsider: Outsider
) -> None:
    with on(machine) as server, ann.publishing(*PULL) as shell:
        shell.wait_for_line("Published: ")
        server.process.kill()
        place = f"127.0.0.1:{server.port}"
        shell.wait_for_line(rf"{SITE.url}: held back. The Jupyter on ws .* at {place}, has ended.")
        ann.shell().send_signal(signal.SIGINT)
        assert shell.wait() == 0
        assert shell.output.endswith(f"{SITE.url} is not published any more.\n"), shell.output
    assert outsider.status(LOGIN) == 502
    assert ann.holders == []


@pytest.mark.long
def test_from_a_cell(machine: Workstation, ann: Ann, outsider: Outsider, server: Jupyter) -> None:
    machine.has(server)
    said = ann.cell(f"publish {' '.join(PULL)}")
    assert f"Published: {SITE.url}" in said, said
    assert outsider.status(LOGIN) == 200  # though that kernel has ended
    assert "is not published any more" in ann.cell("publish --stop")
    assert "There: jupyter tunnel publish" in ann.cell(f"publish {' '.join(PULL)} --systemd")


def test_the_token_stays_where_it_is(
    gateway: WebGateway, machine: Workstation, ann: Ann, server: Jupyter
) -> None:
    machine.has(server)
    token = server.token
    with ann.publishing(*PULL) as shell:
        shell.wait_for_line("Published: ")
        assert "ok      token" in shell.output
        assert token not in shell.output
        for process in gateway.processes("python", "ann"):
            assert token not in " ".join([*process.cmdline(), *process.environ().values()])
        folders = [ann.home, gateway.path("/var/log/nginx")]
        found = subprocess.run(
            ["grep", "-r", token, *map(str, folders)], capture_output=True, text=True, check=False
        )
        assert found.stdout == ""
