"""The aliases of ssh_config, for a list to choose from."""

import time
from pathlib import Path

import pytest

from jupyter_remote_tunnel.ssh import config_lines
from jupyter_remote_tunnel.ssh.aliases import Alias, AliasList, list_aliases


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config"


async def aliases(file: Path, text: str) -> dict[str, Alias]:
    file.write_text(text)
    found = await list_aliases(str(file))
    assert found.problem is None
    return {alias.name: alias for alias in found.aliases}


async def test_names_are_listed_but_no_patterns(file: Path) -> None:
    found = await aliases(
        file,
        "Host gpu01 gpu02 !gpu03 login-?\n  User ann\nHost *\n  User bob\nMatch host x\n"
        'Host "quoted" web[1]\nHOST=last # comment\nHost gpu01\nHost a;b -x\n',
    )
    assert list(found) == ["gpu01", "gpu02", "quoted", "last"]


async def test_what_the_configuration_says_of_them(file: Path) -> None:
    found = await aliases(
        file,
        "Host gpu01\n  HostName %h.example.org\n  Port 2222\nHost gpu*\n  User ann\n  Port 1\n"
        "Host plain\nMatch originalhost plain user root\n  User carl\nHost *\n  Compression yes\n",
    )
    assert found == {
        "gpu01": Alias("gpu01", "gpu01.example.org", "ann", 2222),
        "plain": Alias("plain", user="carl"),
    }


async def test_included_files_count(file: Path) -> None:
    (file.parent / "more.conf").write_text("Host inner\n  User ann\n")
    found = await aliases(
        file, f"Include {file.parent}/*.conf\nHost outer\n  Include {file.parent}/none\n"
    )
    assert found == {"inner": Alias("inner", user="ann"), "outer": Alias("outer")}


async def test_forwards_are_offered(file: Path) -> None:
    found = await aliases(
        file,
        "Host gpu01\n  LocalForward 5006 localhost:5006\n  LocalForward [::1]:99 [fe80::1]:80\n"
        '  LocalForward 98 "/run/a b.sock"\n  LocalForward 5006 localhost:5006\n'
        "  RemoteForward 1080\n  RemoteForward 8888 localhost:8888\n  DynamicForward 1081\n"
        "  LocalForward nonsense\nHost cleared\n  ClearAllForwardings yes\n"
        "Host *\n  DynamicForward 1082\n",
    )
    assert list(map(str, found["gpu01"].forwards)) == [
        "-L 5006:localhost:5006",
        "-L [::1]:99:[fe80::1]:80",
        "-L 98:/run/a b.sock",
        "-R 1080",
        "-R 8888:localhost:8888",
        "-D 1081",
        "-D 1082",
    ]
    assert found["cleared"].forwards == ()


async def test_nothing_is_started_and_no_name_is_lost(file: Path) -> None:
    touched = file.parent / "touched"
    found = await aliases(
        file,
        f'Host gpu01\n  User ann\nMatch originalhost gpu01 exec "touch {touched}"\n  Port 2\n'
        "Host other\n  User bob\nMatch weather rainy\n",
    )
    assert found == {"gpu01": Alias("gpu01"), "other": Alias("other")}
    assert not touched.exists()


async def test_an_error_elsewhere_does_not_matter(file: Path) -> None:
    found = await aliases(file, "NoSuchKeyword 1\nHost gpu01\n  Ciphers none\n  User ann\n")
    assert found == {"gpu01": Alias("gpu01", user="ann")}


async def test_a_file_that_cannot_be_read(file: Path) -> None:
    file.write_text('Host gpu01\n  User "ann\n')
    found = await list_aliases(str(file))
    assert found.aliases == ()
    assert found.problem is not None
    assert found.problem.message == f"{file} line 2: a quote is not closed."


async def test_the_systems_file_comes_after_the_users(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_lines, "user_file", lambda: str(file))
    monkeypatch.setattr(config_lines, "SYSTEM_FILE", str(file.parent / "system"))
    assert await list_aliases(None) == AliasList()
    file.write_text("Host mine\n")
    (file.parent / "system").write_text("Host theirs\nHost *\n  User ann\n")
    found = await list_aliases(None)
    assert found == AliasList((Alias("mine", user="ann"), Alias("theirs", user="ann")))


async def test_thousands_of_hosts_are_listed_soon(file: Path) -> None:
    began = time.process_time()
    found = await aliases(
        file, "".join(f"Host gpu{number}\n  HostName 10.0.0.1\n" for number in range(20_000))
    )
    assert len(found) == 20_000
    assert time.process_time() - began < 10
