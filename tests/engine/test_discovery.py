import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from socket import gethostname
from typing import Any

import pytest

from jupyter_remote_tunnel.engine.announce import Announcement
from jupyter_remote_tunnel.engine.discovery import find_engine, list_engines
from jupyter_remote_tunnel.engine.holder import Holder
from jupyter_remote_tunnel.engine.private import PrivateDirectory
from jupyter_remote_tunnel.model.errors import BadInput, Fatal
from jupyter_remote_tunnel.model.settings import EngineSettings
from tests.engine.conftest import Folders, Held, StartHolder
from tests.support.other_uid import OTHER_UID
from tests.support.process import descendants


def test_where_none_runs(folders: Folders) -> None:
    assert list_engines() == []
    with pytest.raises(Fatal) as caught:
        find_engine()
    assert caught.value.code == "engine_unavailable"
    with pytest.raises(BadInput, match="No engine is held by 4711"):
        find_engine("4711")


async def test_what_is_announced(folders: Folders) -> None:
    async with Holder(
        EngineSettings(), kind="server", root_dir="/home/ann", url="http://localhost:8888/"
    ) as holder:
        path = folders.runtime / f"remote-tunnel-{os.getpid()}.json"
        announced = json.loads(path.read_text())
        del announced["started"], announced["host_name"], announced["version"]
        assert announced == {
            "socket": str(holder.socket_path),
            "holder_pid": os.getpid(),
            "engine_pid": None,
            "restored": False,
            "root_dir": "/home/ann",
            "url": "http://localhost:8888/",
            "ssh_config": None,
            "kind": "server",
        }
        await holder.start()
        assert Announcement.read(path).engine_pid == holder.announcement.engine_pid
        assert find_engine() == holder.announcement
        assert find_engine().label == f"http://localhost:8888/ (pid {os.getpid()}, /home/ann)"
    assert not path.exists()


def test_of_several_none_is_picked(
    start_holder: StartHolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start_holder(url="http://localhost:8888/", root_dir="/a").announcement
    second = start_holder(url="http://localhost:8889/lab/", root_dir="/b").announcement
    with pytest.raises(BadInput) as caught:
        find_engine()
    assert caught.value.code == "ambiguous"
    for label in (f"http://localhost:8888/ (pid {first.holder_pid}, /a)", "/b)"):
        assert label in caught.value.message

    assert find_engine(str(first.holder_pid)) == first
    assert find_engine("http://localhost:8889/lab") == second
    assert find_engine("http://localhost:8889/lab/?token=abc") == second
    assert find_engine(str(second.path)) == second
    with pytest.raises(BadInput, match="held by http://localhost:1/") as unknown:
        find_engine("http://localhost:1/")
    assert first.label in unknown.value.hint

    monkeypatch.setenv("JPY_PARENT_PID", str(second.holder_pid))
    assert find_engine() == second
    monkeypatch.setenv("JUPYTER_REMOTE_TUNNEL", str(first.path))
    assert find_engine() == first
    monkeypatch.setenv("JUPYTER_REMOTE_TUNNEL", str(first.path.with_name("gone.json")))
    assert find_engine() == second


@pytest.mark.parametrize(
    ("url", "typed"),
    [
        ("http://localhost:8888/", "http://127.0.0.1:8888/lab?token=abc"),
        ("http://localhost:8888/", "http://localhost:8888/lab/tree/a.ipynb?token=abc"),
        ("http://localhost:8888/", "http://[::1]:8888"),
        ("http://localhost:8888/", "localhost:8888"),
        ("http://localhost:8888/", "127.0.0.1:8888/tree?token=abc"),
        ("http://127.0.0.1:8888/user/ada/", "http://localhost:8888/user/ada/lab"),
        ("http://127.0.0.1:8888/user/ada/", "http://localhost:8888/"),
        (f"https://{gethostname()}:8888/", "https://127.0.0.1:8888/lab"),
        ("https://hub.example.org/user/ada/", "https://hub.example.org/user/ada/"),
    ],
)
def test_a_server_is_found_by_what_jupyter_prints(
    start_holder: StartHolder, url: str, typed: str
) -> None:
    engine = start_holder(url=url).announcement
    start_holder(url="http://localhost:8889/")
    start_holder(kind="background")
    assert find_engine(typed) == engine


@pytest.mark.parametrize(
    "typed",
    [
        "http://localhost:8889/lab?token=secret",
        "http://other:8888/?token=secret",
        "http://localhost:8888/user/adam/?token=secret",
        "http://localhost:99999/?token=secret",
        "ada?token=secret",
    ],
)
def test_another_url_names_none_and_its_token_is_not_shown(
    start_holder: StartHolder, typed: str
) -> None:
    start_holder(url="http://localhost:8888/user/ada/")
    with pytest.raises(BadInput) as caught:
        find_engine(typed)
    assert typed.partition("?")[0] in caught.value.message
    assert "secret" not in caught.value.complaint()


def test_a_holder_for_one_job_is_found_only_by_name(start_holder: StartHolder) -> None:
    foreground = start_holder(kind="foreground").announcement
    with pytest.raises(Fatal):
        find_engine()
    assert list_engines() == [foreground]
    assert find_engine(str(foreground.holder_pid)) == foreground
    server = start_holder(kind="server").announcement
    assert find_engine() == server


def test_where_a_jupyter_server_runs_the_background_is_not_meant(start_holder: StartHolder) -> None:
    background = start_holder(kind="background").announcement
    assert find_engine() == background
    server = start_holder(kind="server").announcement
    assert find_engine() == server
    assert {engine.kind for engine in list_engines()} == {"background", "server"}
    second = start_holder(kind="server").announcement
    with pytest.raises(BadInput) as caught:
        find_engine()
    for engine in (background, server, second):
        assert engine.label in caught.value.message


def test_looking_starts_no_engine(start_holder: StartHolder) -> None:
    other = start_holder()
    for _ in range(3):
        assert find_engine().engine_pid is None
    assert descendants(other.process.pid) == []


def test_what_a_killed_holder_announced_is_ignored_and_removed(
    start_holder: StartHolder, folders: Folders
) -> None:
    other = start_holder()
    other.process.send_signal(signal.SIGKILL)  # no engine ran that could clear up
    other.process.wait()
    assert other.announcement.path.exists()
    assert list_engines() == []
    assert not other.announcement.path.exists()
    PrivateDirectory.make().remove()  # clears what the dead one left
    assert folders.left() == []


def plant(folders: Folders, **fields: Any) -> Path:
    planted = Announcement("/nonexistent/jrt-abcdef/control.sock", os.getpid(), "server")
    folders.runtime.mkdir(exist_ok=True)
    path = folders.runtime / "remote-tunnel-999999.json"
    path.write_text(json.dumps({**vars(planted), **fields}))
    path.chmod(0o600)
    return path


def test_a_pid_that_was_given_again_is_not_believed(folders: Folders) -> None:
    planted = plant(folders)  # it names this process, which lives
    assert list_engines() == []
    assert not planted.exists()


def test_what_another_machine_announced_in_a_shared_home_is_left_alone(folders: Folders) -> None:
    planted = plant(folders, host_name="login2.cluster")
    assert list_engines() == []
    assert planted.exists()
    planted.unlink()


async def test_what_others_could_have_written_is_not_read(held: Held, folders: Folders) -> None:
    server = held.holder.announcement
    path = plant(folders, socket=server.socket)
    assert len(list_engines()) == 2
    path.chmod(0o622)
    assert list_engines() == [server]
    path.chmod(0o600)
    os.chown(path, OTHER_UID, OTHER_UID)
    assert list_engines() == [server]
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")
    os.chown(path.with_name("moved"), 0, 0)
    assert list_engines() == [server]
    path.unlink()
    path.with_name("moved").unlink()


@pytest.mark.parametrize(
    "content",
    ["", "no json", "[]", "{}", '{"socket": 1}', "\xff", "[" * 100_000],
)
def test_what_is_no_announcement_is_ignored(folders: Folders, content: str) -> None:
    path = plant(folders)
    path.write_text(content, encoding="latin-1")
    assert list_engines() == []
    path.unlink()


@pytest.mark.parametrize("pid", [-1, 0, 2**70, "1", None, True])
def test_a_pid_that_is_none_is_ignored(folders: Folders, pid: Any) -> None:
    path = plant(folders, holder_pid=pid)
    assert list_engines() == []
    path.unlink(missing_ok=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": []},
        {"root_dir": 1},
        {"engine_pid": "1"},
        {"restored": None},
        {"socket": "/\ud800/s"},
        {"socket": "/\0/s"},
        {"url": "\ud800"},
    ],
    ids=str,
)
def test_a_wrong_field_hides_no_other_engine(
    start_holder: StartHolder, folders: Folders, wrong: dict[str, Any]
) -> None:
    found = start_holder().announcement
    content = json.loads(found.path.read_text())
    path = folders.runtime / "remote-tunnel-1.json"
    path.write_text(json.dumps({**content, **wrong}))
    assert list_engines() == [found]
    with pytest.raises(BadInput, match="No engine is held"):
        find_engine("http://localhost:8888/")
    path.unlink()


def test_fields_of_a_later_version_are_passed_over(
    start_holder: StartHolder, folders: Folders
) -> None:
    found = start_holder().announcement
    content = json.loads(found.path.read_text())
    found.path.write_text(json.dumps({**content, "new": 1}))
    assert list_engines() == [found]


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"JUPYTER_RUNTIME_DIR": "/somewhere/runtime"},
        {"JUPYTER_DATA_DIR": "/somewhere/data"},
        {"XDG_DATA_HOME": "/somewhere/xdg"},
        {"JUPYTER_PLATFORM_DIRS": "1", "XDG_DATA_HOME": "/somewhere/xdg"},
        {"JUPYTER_PLATFORM_DIRS": "1"},
    ],
)
def test_the_folders_are_jupyters_also_without_jupyter_core(chosen: dict[str, str]) -> None:
    script = """
import sys
{}
from jupyter_remote_tunnel.engine.folders import data_dir, runtime_dir
print(data_dir(), runtime_dir(), "jupyter_core" in sys.modules)
"""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "XDG"))}

    def folders(hide: str) -> list[str]:
        argv = [sys.executable, "-c", script.format(hide)]
        run = subprocess.run(
            argv, env={**kept, **chosen}, capture_output=True, text=True, check=True
        )
        return run.stdout.split()

    assert folders("sys.modules['jupyter_core'] = None")[:2] == folders("")[:2]


def test_a_folder_that_cannot_be_read_holds_nothing(folders: Folders) -> None:
    folders.runtime.write_text("no folder")
    assert list_engines() == []
    folders.runtime.unlink()
    shutil.rmtree(folders.data, ignore_errors=True)
