"""`jupyter tunnel jupyter HOST --set-password`: typed here, hashed there."""

import json
import os
import stat
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from jupyter_server.auth.security import passwd, passwd_check

from tests.server.test_changes import ended
from tests.server.test_passwords import enters
from tests.support.jupyter import jupyter, started_again
from tests.support.process import program
from tests.support.sshd import SshBed
from tests.support.terminal import AtTerminal, at_terminal
from tests.support.user import User

PASSWORD = "a näw 'word' for $HOME"


@pytest.fixture
def config(ssh_bed: SshBed, tmp_path: Path) -> Path:
    """The folder of Jupyter's configuration on `gpu01`, which has this environment's Jupyter."""
    folder = tmp_path / "config"
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    ssh_bed.host("gpu01", env={"JUPYTER_CONFIG_DIR": folder, "PATH": path})
    return folder


def asking(user: User, bed: SshBed) -> AbstractContextManager[AtTerminal]:
    """The command, at a terminal."""
    words = ["-F", str(bed.config_file), "gpu01", "--set-password"]
    argv = [sys.executable, "-m", "jupyter_remote_tunnel.cli", "jupyter", *words]
    return at_terminal(argv, env=user.environment, cwd=user.folder)


def asked(user: User, bed: SshBed, *answers: str) -> AtTerminal:
    """The command, when it has ended."""
    with asking(user, bed) as terminal:
        for label, answer in zip(("New password", "The same again"), answers, strict=False):
            terminal.read(label)
            assert not terminal.echoes
            terminal.type(answer)
        terminal.wait()
    return terminal


def test_it_is_hashed_there(user: User, ssh_bed: SshBed, config: Path) -> None:
    terminal = asked(user, ssh_bed, PASSWORD, PASSWORD)
    assert "set on gpu01, by `jupyter server password` there" in terminal.screen
    assert PASSWORD not in terminal.screen
    [file] = config.glob("*.json")
    assert file.name == "jupyter_server_config.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    hashed = json.loads(file.read_text())["IdentityProvider"]["hashed_password"]
    assert hashed.startswith("argon2:")
    assert passwd_check(hashed, PASSWORD)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("setting", "kind"),
    [
        pytest.param("ServerApp.password", "json", marks=pytest.mark.long),
        ("PasswordIdentityProvider.hashed_password", "py"),
        pytest.param("ServerApp.password", "py", marks=pytest.mark.long),
        pytest.param("PasswordIdentityProvider.hashed_password", "json", marks=pytest.mark.long),
    ],
)
def test_one_that_would_count_in_its_place(
    user: User, ssh_bed: SshBed, kind: str, setting: str
) -> None:
    """By an older name, or that of the class: mended where the tool writes, else it is named."""
    old = "the old password"
    hashed: str = passwd(old)  # type: ignore[no-untyped-call]
    name, _, trait = setting.partition(".")
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    with jupyter() as server:
        with ended(server) as file:
            if kind == "json":
                config = json.loads(file.read_text())
                config.setdefault(name, {})[trait] = hashed
                file.write_text(json.dumps(config))
            else:
                file.with_suffix(".py").write_text(f"c.{setting} = {hashed!r}\n")
        ssh_bed.host("gpu01", env={"JUPYTER_CONFIG_DIR": file.parent, "PATH": path})
        said = asked(user, ssh_bed, PASSWORD, PASSWORD).screen
        assert hashed not in said
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [one.name for one in file.parent.glob("*.json*")] == [file.name]
        is_named = "But jupyter_server_config.py there sets another one" in said
        assert is_named == (kind == "py"), said
        with started_again(server, "server") as again:
            entered = (enters(again, old), enters(again, PASSWORD))
        assert entered == ((False, True) if kind == "json" else (True, False))


def test_of_notebook_6_too(user: User, ssh_bed: SshBed, config: Path, tmp_path: Path) -> None:
    """Which cannot be installed beside Notebook 7: a tool that reads and fails as it would."""
    tools = tmp_path / "tools"
    tools.mkdir()
    script = tools / "jupyter"
    script.write_text(
        f"""#!/bin/sh
        case "$1 $2" in
          "notebook --version") echo 6.5.7 ;;
          "notebook password") {program("cat")} >{tmp_path}/typed ;;
          *) exit 1 ;;
        esac
        """
    )
    script.chmod(0o755)
    host = ssh_bed.hosts["gpu01"]
    host.kill()
    host.configure(env={"PATH": f"{tools}:/usr/bin:/bin"})
    host.start()
    assert "by `jupyter notebook password`" in asked(user, ssh_bed, PASSWORD, PASSWORD).screen
    assert (tmp_path / "typed").read_text() == f"{PASSWORD}\n{PASSWORD}\n"
    # Whatever it makes of the password, none of it is shown.
    script.write_text("#!/bin/sh\n[ $2 = --version ] && echo 6.5.7 && exit\ntr a A; exit 3\n")
    said = asked(user, ssh_bed, PASSWORD, PASSWORD).screen
    assert "`jupyter notebook password` failed on gpu01 (exit status 3)." in said
    assert "$HOME" not in said
    script.unlink()
    assert "has no Jupyter" in asked(user, ssh_bed, PASSWORD, PASSWORD).screen


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (("one thing and", "another"), "differ"),
        (("",), "at least 10 characters"),
        (("a",), "at least 10 characters"),
        (("jupyterhub1",), "tried first"),
        (("gpu01gpu01", "gpu01gpu01"), "tried first"),
        (("\x04",), "No password"),
    ],
)
def test_what_is_no_password(
    user: User, ssh_bed: SshBed, config: Path, answers: tuple[str, ...], why: str
) -> None:
    assert why in asked(user, ssh_bed, *answers).screen
    assert not config.exists() or not list(config.iterdir())


@pytest.mark.parametrize("label", ["New password", "The same again"])
def test_ctrl_c_is_told_that_nothing_was_changed(
    user: User, ssh_bed: SshBed, config: Path, label: str
) -> None:
    with asking(user, ssh_bed) as terminal:
        if label == "The same again":
            terminal.read("New password")
            terminal.type(PASSWORD)
        terminal.read(label)
        terminal.interrupt()
        assert terminal.wait() == 1
        terminal.read("No password was typed: it is as it was.")
    assert "Traceback" not in terminal.screen
    assert not config.exists() or not list(config.iterdir())


def test_ctrl_c_while_it_is_set(user: User, ssh_bed: SshBed, tmp_path: Path) -> None:
    """It may be by then."""
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "jupyter").write_text(
        f"""#!/bin/sh
        case "$2" in
          --version) echo 6.5.7 ;;
          *) echo >{begun}; exec sleep 60 ;;
        esac
        """
    )
    (tools / "jupyter").chmod(0o755)
    ssh_bed.host("gpu01", env={"PATH": f"{tools}:/usr/bin:/bin"})
    with asking(user, ssh_bed) as terminal:
        for label in ("New password", "The same again"):
            terminal.read(label)
            terminal.type(PASSWORD)
        begun.read_text()
        terminal.interrupt()
        assert terminal.wait() == 1
        terminal.read("It is not known whether the password was set on gpu01. Set it again.")


def test_nobody_types(user: User, ssh_bed: SshBed, config: Path) -> None:
    words = ["-F", str(ssh_bed.config_file), "gpu01", "--set-password"]
    assert "nowhere to type it" in user.tunnel("jupyter", *words, status=1).stderr


@pytest.mark.parametrize(
    "words",
    [
        ("gpu01", "--set-password", PASSWORD),
        ("gpu01", f"--set-password={PASSWORD}"),
        ("--set-password", "gpu01", f"-L{PASSWORD}"),
    ],
)
def test_one_that_stands_in_the_command_is_not_shown(user: User, words: tuple[str, ...]) -> None:
    said = user.tunnel("jupyter", *words, status=2)
    assert "--set-password" in said.stderr
    shown = said.stdout + said.stderr
    assert PASSWORD not in shown
    assert "$HOME" not in shown
