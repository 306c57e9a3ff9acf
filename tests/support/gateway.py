"""Three networks: we are the laptop, `gateway` is reached from here, and `workstation` reaches the
gateway but is reached by nobody: it has no route from here, and nothing listens on its address.

The gateway's user has a home of its own (`home`), so that nothing is left in this machine's.
"""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.bokeh_app import BokehApp, bokeh_app
from tests.support.netns import Namespace, namespaces
from tests.support.process import Child, child
from tests.support.sshd import SshBed, Sshd
from tests.support.user import User

# What the workstation calls the gateway, in whose network it has another address.
INSIDE = """\
Host inside
    HostName {address}
    Port {port}
    User {user}
    ServerAliveInterval 1
    ServerAliveCountMax 2
"""


class Scene:
    """The three networks, with a Bokeh application on the workstation."""

    def __init__(
        self, bed: SshBed, networks: Sequence[Namespace], home: Path, server: Sequence[str] = ()
    ) -> None:
        self.bed, self.home = bed, home
        self.gateway, self.workstation = networks
        lines = [f"ListenAddress {self.workstation.near_address}", *server]
        self.sshd: Sshd = bed.host("gw", namespace=self.gateway, server=lines, env={"HOME": home})
        inside = {"address": self.workstation.near_address, "port": self.sshd.port}
        bed.write_config(INSIDE.format(**inside, user=self.sshd.user))
        with bed.known_hosts.open("a") as file:
            file.write(
                self.sshd.known_hosts_line.replace(self.gateway.address, str(inside["address"]))
            )

    @property
    def folder(self) -> Path:
        """Where what is offered stands on the gateway."""
        return self.home / ".jupyter-remote-tunnel"

    def listening(self) -> set[int]:
        """The TCP ports on which anything listens on the gateway."""
        return self.gateway.listening()

    @contextlib.contextmanager
    def offering(self, user: User, *words: str) -> Iterator[Child]:
        """`jupyter tunnel offer --foreground` on the workstation, when it is offered."""
        argv = [sys.executable, "-m", "jupyter_remote_tunnel.cli", "offer", "--foreground"]
        argv += ["-F", str(self.bed.config_file), *words, "inside"]
        with child(self.workstation.wrap(argv), env=user.environment) as process:
            process.wait_for_line("is offered")
            yield process


@pytest.fixture
def home(short_dir: Path) -> Path:
    """The home of the gateway's user."""
    made = short_dir / "home"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def scene(ssh_bed: SshBed, home: Path) -> Iterator[Scene]:
    """A `Scene` whose gateway allows everything."""
    with namespaces(2) as networks:
        yield Scene(ssh_bed, networks, home)


@pytest.fixture
def remote_app(scene: Scene) -> Iterator[BokehApp]:
    """The Bokeh application on the workstation's loopback."""
    with bokeh_app(namespace=scene.workstation) as app:
        yield app
