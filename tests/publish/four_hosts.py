"""Four machines: a laptop, a gateway, a workstation behind a firewall that nobody reaches, and an
outsider. Each of the others knows the gateway by the address that it has in their network; this
machine has a cable to it, too, by which nothing goes.
"""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from jupyter_remote_tunnel.engine.announce import Announcement
from jupyter_remote_tunnel.engine.asking import ask_server
from jupyter_remote_tunnel.engine.discovery import list_engines
from jupyter_remote_tunnel.engine.sync import SyncEngine
from tests.support.jupyter import Jupyter
from tests.support.netns import Namespace
from tests.support.process import Child
from tests.support.sshd import SshBed
from tests.support.user import User
from tests.support.web_gateway import WebGateway

KEEPALIVE = 1 * 2
"""How long a host that has gone counts as there, in seconds: as `_CONFIG` has it."""

_CONFIG = """\
Host gw
    HostName {for_laptop}
    Port {port}
    User ann
Host inside
    HostName {for_workstation}
    Port {port}
    User ann
Host *
    ServerAliveInterval 1
    ServerAliveCountMax 2
"""
# Who comes back from another address finds a port that it had taken by what was lost, until the
# gateway asks whether that is still there.
_ALIVE = ("ClientAliveInterval 1", "ClientAliveCountMax 2")
_LOOPBACK = ("ListenAddress 127.0.0.1", "ListenAddress ::1")

# By name of a tunnel: how its near leg is, and its far one ("" where it has none).
Legs = dict[str, tuple[str, str]]


class FourHosts:
    """See the module. `me` is at the laptop, and `there` is the same person at the workstation.

    The laptop calls the gateway `gw`, the workstation `inside`. The sshd of the workstation is
    `login`, whose host key both know as that of `workstation`.
    """

    def __init__(self, bed: SshBed, stack: contextlib.ExitStack) -> None:
        self._bed, self._stack = bed, stack
        self._engines: dict[str, SyncEngine] = {}
        center = stack.enter_context(Namespace())
        self.laptop, self.workstation, self.beyond = networks = [
            stack.enter_context(Namespace(behind=center, ipv6=True)) for _ in range(3)
        ]
        center.forward()
        for network in networks:
            network.route_by_near()
        self.workstation.drop_inbound()

        self.gateway = WebGateway(bed, "console", center)
        near = [(network.near_address, network.near_address6) for network in networks]
        everywhere = [f"ListenAddress {address}" for pair in near for address in pair]
        keys = "AuthorizedKeysFile /etc/authorized_keys"
        self.gateway.configure([keys, *_ALIVE, *everywhere])
        bed.add(self.gateway)
        self.login = bed.host("ws", server=_LOOPBACK, namespace=self.workstation, start=False)
        self._write_client()
        stack.callback(self.gateway.kill)  # while their networks are there
        stack.callback(self.login.kill)
        self.gateway.start()

        self.me = stack.enter_context(User(namespace=self.laptop))
        self.there = User(namespace=self.workstation)
        stack.callback(shutil.rmtree, self.there.folder)

    def _write_client(self) -> None:
        """What `ssh` of the laptop and of the workstation knows of the others."""
        gateway, login = self.gateway, self.login
        there = {"laptop": self.laptop.near_address, "workstation": self.workstation.near_address}
        about = {f"for_{name}": address for name, address in there.items()}
        self._bed.write_config(_CONFIG.format(port=gateway.port, **about))
        lines = [
            gateway.known_hosts_line.replace(gateway.address, address) for address in there.values()
        ]
        key = login.known_hosts_line.partition(" ")[2]
        self._bed.known_hosts.write_text("".join([*lines, f"workstation {key}"]))

    def let_log_in(self, notebook: Jupyter) -> None:
        """The workstation's sshd is started; its user has that notebook server."""
        env: dict[str, str | Path] = {
            "JUPYTER_RUNTIME_DIR": notebook.runtime_dir,
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        }
        self.login.configure(_LOOPBACK, env=env)
        self.login.start()

    @property
    def config(self) -> tuple[str, str]:
        """What a command line has, so that the hosts are known."""
        return ("-F", str(self._bed.config_file))

    @contextlib.contextmanager
    def offering(self, *words: str) -> Iterator[Child]:
        """The workstation offers this."""
        argv = ("offer", "--foreground", *self.config, *words, "inside")
        with self.there.start(*argv) as process:
            process.wait_for_line("is offered")
            yield process

    def legs(self) -> Legs:
        """The tunnels of the laptop."""
        (engine,) = list_engines()
        return {
            tunnel.name: (
                tunnel.state,
                tunnel.forwards[0].far.state if tunnel.forwards[0].far else "",
            )
            for tunnel in self._client(engine).list_tunnels()
        }

    def published(self, notebook: Jupyter) -> str:
        """The state of what the notebook server publishes."""
        for path in notebook.runtime_dir.glob("remote-tunnel-*.json"):
            engine = Announcement.read(path)
            if engine.kind == "server":
                answer = self._client(engine).run(lambda one: ask_server(one, "publish.list"))
                (found,) = answer["publications"]
                return str(found["state"])
        raise AssertionError("its Jupyter has ended")

    def _client(self, engine: Announcement) -> SyncEngine:
        if engine.socket not in self._engines:
            client = SyncEngine(engine.socket, "shell")
            self._stack.callback(client.close)
            self._engines[engine.socket] = client
        return self._engines[engine.socket]
