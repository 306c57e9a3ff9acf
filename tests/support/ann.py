"""Ann, who is logged in on a gateway on which nothing of Jupyter runs, and has a workstation that
SSH reaches from there.

::

    with workstation(gateway, bed) as machine, Ann(gateway, machine, trusted, name) as ann:
        machine.has(server)                             # a `Jupyter` of ours is hers, there
        ann.publish("--pull", "--name", name, "ws")     # what it prints

Needs root.
"""

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from tests.support.jupyter import Jupyter
from tests.support.process import Child, PeerError, child, environment
from tests.support.sshd import SshBed, Sshd
from tests.support.web_gateway import WebGateway

_UID = 64900
_CLI = ("-m", "jupyter_remote_tunnel.cli", "publish")
_CONFIG = """\
Host ws
    HostName {address}
    Port {port}
    User {user}
    IdentityFile ~/.ssh/key
    IdentitiesOnly yes
    StrictHostKeyChecking yes
"""


class Workstation:
    """This machine, as the gateway reaches it by SSH."""

    def __init__(self, sshd: Sshd, address: str) -> None:
        self.sshd = sshd
        self.address = address

    def has(self, server: Jupyter) -> None:
        """Let that be a Jupyter of its user, and the only one."""
        self.sshd.kill()
        self.sshd.configure(
            [f"ListenAddress {self.address}"], env={"JUPYTER_RUNTIME_DIR": server.runtime_dir}
        )
        self.sshd.start()


@contextlib.contextmanager
def workstation(gateway: WebGateway, bed: SshBed) -> Iterator[Workstation]:
    """One, as long as the block lasts."""
    assert gateway.namespace is not None
    address = gateway.namespace.near_address
    with bed.guests():
        sshd = bed.host("ws", server=[f"ListenAddress {address}"])
        yield Workstation(sshd, address)


class Ann:
    """See the module.

    :param trusted: the authority whose certificates she trusts.
    :param name: what leads to the gateway, as its own /etc/hosts says.
    """

    def __init__(
        self, gateway: WebGateway, machine: Workstation, bed: SshBed, trusted: Path, name: str
    ) -> None:
        self._gateway = gateway
        self._trusted = trusted
        self.home = gateway.root / "home" / "ann"
        self._hosts = gateway.root / "etc" / "hosts"
        self._hosts_before = self._hosts.read_text()
        self.lead(name, gateway.address)
        folder = self.home / ".ssh"
        folder.mkdir(mode=0o700)
        shutil.copy(bed.user_key, folder / "key")
        sshd = machine.sshd
        line = sshd.known_hosts_line.replace(sshd.address, machine.address)
        (folder / "known_hosts").write_text(line)
        about = {"address": machine.address, "port": sshd.port, "user": sshd.user}
        (folder / "config").write_text(_CONFIG.format(**about))
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, _UID, _UID)

    def lead(self, name: str, address: str) -> None:
        """Have the gateway find `name` there."""
        self._hosts.write_text(f"{address} {name}\n{self._hosts_before}")

    def publish(self, *words: str, status: int = 0) -> str:
        """What `jupyter tunnel publish` prints; another exit status than `status` is an error."""
        done = self._run(*words)
        if done.returncode != status:
            raise PeerError(f"{words} gave {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def cell(self, line: str) -> str:
        """What `%tunnel` prints, in an IPython that ends then."""
        script = (
            "ip = get_ipython(); ip.run_line_magic('load_ext', 'jupyter_remote_tunnel');"
            f" print(ip.run_line_magic('tunnel', {line!r}))"
        )
        done = self._finished("-m", "IPython", "--no-banner", "-c", script)
        return done.stdout + done.stderr

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self._finished(*_CLI, *words)

    def _finished(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._argv(*words),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=environment(),
            stdin=subprocess.DEVNULL,
            timeout=120,
        )

    @contextlib.contextmanager
    def publishing(self, *words: str) -> Iterator[Child]:
        """`publish --foreground`, as long as the block lasts."""
        argv = self._argv(*_CLI, "--foreground", *words)
        with child(argv, env=environment()) as process:
            yield process

    def _argv(self, *words: str) -> list[str]:
        own = ["env", f"SSL_CERT_FILE={self._trusted}", sys.executable, *words]
        return self._gateway.inside(own, "ann")

    def shell(self) -> psutil.Process:
        """The process that `publishing` has started, for signals to it alone."""
        (found,) = [
            process
            for process in self._gateway.processes("python", "ann")
            if "jupyter_remote_tunnel.cli" in process.cmdline()
        ]
        return found

    @property
    def holders(self) -> list[int]:
        """The processes that show something, by their numbers on the gateway."""
        runtime = self.home / ".local" / "share" / "jupyter" / "runtime"
        files = runtime.glob("remote-tunnel-*.json")
        return [int(path.stem.rpartition("-")[2]) for path in files]

    def publications(self) -> list[dict[str, Any]]:
        """What is published."""
        if not self.holders:
            return []
        answer = json.loads(self._run("--list", "--json").stdout)
        found: list[dict[str, Any]] = answer.get("publications", [])  # or there is nobody to ask
        return found

    def close(self) -> None:
        """End what is published, and leave the gateway as it was."""
        for one in self.publications():
            self.publish("--stop", one["id"])
        self._hosts.write_text(self._hosts_before)
        for path in self.home.iterdir():
            shutil.rmtree(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
