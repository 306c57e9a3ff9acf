"""What is configured reaches the wire: a real sshd, and a ProxyCommand, see of us what they see of
OpenSSH's client with the same configuration."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.errors import Fatal, NeedsUser
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.ssh.algorithms import CIPHERS, KEY_EXCHANGES, kept
from jupyter_remote_tunnel.ssh.config import configuration_of, resolve
from jupyter_remote_tunnel.ssh.connecting import open_connection
from tests.ssh.configurations import CASES, Case
from tests.ssh.watching_sshd import Seen, Watch
from tests.support.process import program
from tests.support.sshd import SshBed, make_key

# What we propose of our own accord stands for what nobody has configured.
PROPOSED = {
    "kexalgorithms": ("KEX algorithms", KEY_EXCHANGES),
    "hostkeyalgorithms": ("host key algorithms", None),
    "ciphers": ("ciphers ctos", CIPHERS),
    "macs": ("MACs ctos", None),
}

# What both are told besides, so that they come to the sshd that watches, and ask nobody.
ALIKE = (
    *("ClearAllForwardings=yes", "Tunnel=no", "SessionType=default", "ControlMaster=no"),
    "AddKeysToAgent=no",
)

REACHED = [case for case in CASES if case.refused is None and not case.newer]


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Watch:
    return Watch(tmp_path_factory.mktemp("watch"))


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """It holds a key that lets nobody in."""
    with SshBed() as bed, bed.agent(make_key(bed.folder / "other_key")) as path:
        yield path


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, agent: Path) -> Path:
    """What the configurations name: a folder with a key, an agent, some variables."""
    for name, value in {
        "JRT_FOLDER": str(tmp_path),
        "JRT_AGENT": str(agent),
        "SSH_AUTH_SOCK": str(agent),
        "LANG": "C",
        "LC_PAPER": "de_DE",
        "ONE": "1",
        "FOO": "2",
    }.items():
        monkeypatch.setenv(name, value)
    make_key(tmp_path / "id")
    return tmp_path


@pytest.mark.parametrize("case", REACHED, ids=lambda case: case.name)
async def test_a_host_sees_the_same_as_of_ssh(case: Case, watch: Watch, surroundings: Path) -> None:
    options = typed(case.write(surroundings), watch)
    found, usual = await configuration_of(case.host, options, EngineSettings())
    theirs = seen_of_ssh(case.host, options, watch)
    ours = await seen_of_us(case.host, options, watch)

    assert (ours.named, ours.user) == (theirs.named, theirs.user)
    assert ours.offered == theirs.offered
    assert ours.environment == theirs.environment
    assert ours.agent == theirs.agent
    for keyword, (name, own) in PROPOSED.items():
        if found[keyword] != usual[keyword]:
            wanted = kept(keyword, theirs.proposed[name])
            # No authority is known.
            plain = [name for name in wanted if "-cert-" not in name]
            assert configured(ours.proposed[name]) == plain
        elif own is not None:
            assert configured(ours.proposed[name]) == kept(keyword, own)
    assert ours.proposed["compression ctos"][0] == theirs.proposed["compression ctos"][0]


def configured(names: list[str]) -> list[str]:
    """Without what is said among the key exchanges, and is none."""
    return [name for name in names if name not in ("ext-info-c", "kex-strict-c-v00@openssh.com")]


def typed(file: Path, watch: Watch) -> SshOptions:
    return SshOptions(
        config_file=str(file),
        identities=(str(watch.user_key),),
        options=(
            f"ProxyCommand={watch.proxy_command}",
            f"UserKnownHostsFile={watch.known_hosts}",
            *ALIKE,
        ),
    )


def seen_of_ssh(host: str, options: SshOptions, watch: Watch) -> Seen:
    watch.forget()
    more = ["-o", "BatchMode=yes", "-o", "RequestTTY=no"]
    subprocess.run(
        [program("ssh"), *options.words(), *more, host, "true"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,  # some of the users are none
        timeout=60,
    )
    return watch.seen()


async def seen_of_us(host: str, options: SshOptions, watch: Watch) -> Seen:
    watch.forget()
    route = await resolve(host, options, EngineSettings())
    with contextlib.suppress(Fatal, NeedsUser):  # some of the users are none
        connection = await open_connection(route[-1], via=None)
        await connection.exec(["true"])
        await connection.close()
    return watch.seen()
