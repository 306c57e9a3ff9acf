"""Four machines: a laptop (that is us), a gateway, a workstation behind a firewall that nobody
reaches, and an outsider beyond the gateway. All recipes stand at the same time: a Bokeh application
and a notebook server of the workstation are used on the laptop, by two legs through the gateway,
and the notebook server is published there.
"""

import contextlib
import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from bokeh.client import pull_session

from jupyter_remote_tunnel.publish.sites import Site
from tests.publish.conftest import NAME
from tests.publish.test_published import PASSWORD, printed, state
from tests.server.conftest import manager
from tests.support.bokeh_app import BokehApp, bokeh_app
from tests.support.certbot import issue
from tests.support.certificates import WebAuthority
from tests.support.chromium import chromium
from tests.support.gateway import INSIDE
from tests.support.jupyter import Jupyter, jupyter
from tests.support.netns import Namespace
from tests.support.other_uid import other_users_python
from tests.support.outsider import Outsider
from tests.support.process import Child, child, environment, wait_until
from tests.support.sshd import SshBed
from tests.support.user import User
from tests.support.web_gateway import WebGateway

SITE = Site(NAME, "ann")
BOKEH, NOTEBOOK = 5006, 8888  # as they are called on the gateway
PUBLISH = ("publish", "--name", NAME)

CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"

# Listens on all addresses: what keeps others out is the firewall.
LISTENER = """
import signal, socket
opened = socket.create_server(("", 0))
print("at", opened.getsockname()[1], flush=True)
signal.pause()
"""
# Starts a kernel and listens to it, as a page does.
KERNEL = """
async () => {
  const xsrf = document.cookie.match(/_xsrf=([^;]*)/)[1];
  const headers = {'X-XSRFToken': xsrf};
  const made = await fetch('/api/kernels', {method: 'POST', headers});
  const {id} = await made.json();
  const socket = new WebSocket(`wss://${location.host}/api/kernels/${id}/channels`);
  return await new Promise(tell => {
    socket.onmessage = () => tell('heard');
    socket.onclose = () => tell('closed');
  });
}
"""

KNOCK = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1)
except OSError as error:
    print(error)
"""


class Hosts:
    """The four machines, with what runs on each. `laptop` and `there` sit at theirs."""

    def __init__(self, gateway: WebGateway, bed: SshBed, stack: contextlib.ExitStack) -> None:
        self.gateway, self._bed = gateway, bed
        assert gateway.namespace is not None
        self.workstation = stack.enter_context(Namespace(behind=gateway.namespace))
        self.beyond = stack.enter_context(Namespace(behind=gateway.namespace))
        for network in (self.workstation, self.beyond):
            network.route_by_near()
        gateway.namespace.forward()
        self.workstation.drop_inbound()
        inside = self.workstation.near_address
        gateway.kill()
        gateway.configure(["AuthorizedKeysFile /etc/authorized_keys", f"ListenAddress {inside}"])
        gateway.start()
        alive = "    ServerAliveInterval 1\n    ServerAliveCountMax 2\n"
        login = {"port": gateway.port, "user": gateway.user}
        bed.write_config(INSIDE.format(address=inside, **login) + f"Host gw\n{alive}")
        with bed.known_hosts.open("a") as known:
            known.write(gateway.known_hosts_line.replace(gateway.address, inside))
        self.laptop = stack.enter_context(User())
        self.there = User()
        stack.callback(shutil.rmtree, self.there.folder)

    @contextlib.contextmanager
    def offering(self, destinations: dict[int, int | None]) -> Iterator[Child]:
        """The workstation offers these ports of its loopback under those numbers."""
        argv = [sys.executable, "-m", "jupyter_remote_tunnel.cli", "offer", "--foreground"]
        argv += ["-F", str(self._bed.config_file)]
        for number, port in destinations.items():
            argv += ["-R", f"{number}:localhost:{port}"]
        argv = self.workstation.wrap([*argv, "inside"])
        with child(argv, env=self.there.environment) as process:
            process.wait_for_line("is offered")
            yield process

    def open(self, number: int) -> int:
        """Open what is offered under that number on the laptop; the port there."""
        words = ["-F", str(self._bed.config_file), "-L", f"0:localhost:{number}", "gw"]
        opened = json.loads(self.laptop.tunnel("open", "--json", *words).stdout)
        return int(opened["forwards"][0]["bound"].rpartition(":")[2])

    def legs(self) -> set[tuple[str, str]]:
        """In which states the near and the far leg of the tunnels on the laptop are."""
        return {
            (tunnel.state, forward.far.state if forward.far else "")
            for tunnel in self.laptop.tunnels()
            for forward in tunnel.forwards
        }


@pytest.fixture
def hosts(gateway: WebGateway, module_bed: SshBed) -> Iterator[Hosts]:
    with contextlib.ExitStack() as stack:
        yield Hosts(gateway, module_bed, stack)


@pytest.fixture
def authority(tmp_path: Path) -> WebAuthority:
    return WebAuthority(tmp_path / "authority")


@pytest.fixture
def notebook(hosts: Hosts, module_bed: SshBed, authority: WebAuthority) -> Iterator[Jupyter]:
    """The notebook server of the workstation."""
    with jupyter(
        password=PASSWORD,
        traits={"TunnelManager": manager(module_bed)},
        env={"SSL_CERT_FILE": str(authority.root)},
        hosts={NAME: hosts.workstation.near_address},
        namespace=hosts.workstation,
    ) as server:
        hosts.there.environment.update(server.environment)
        yield server


@pytest.fixture
def plot(hosts: Hosts) -> Iterator[BokehApp]:
    """The Bokeh application of the workstation."""
    with bokeh_app(namespace=hosts.workstation) as app:
        yield app


def test_every_recipe_at_once_and_back_after_each_loss(
    hosts: Hosts, plot: BokehApp, notebook: Jupyter, authority: WebAuthority
) -> None:
    gateway, outsider = hosts.gateway, Outsider(hosts.beyond, authority.root, NAME)
    issue(gateway, authority.issue(NAME), NAME)
    with gateway.nginx(), hosts.offering({BOKEH: plot.port, NOTEBOOK: notebook.port}):
        gateway.type(printed(hosts.there.tunnel(*PUBLISH, "--site", "nginx", "inside").stdout))
        said = hosts.there.tunnel(*PUBLISH, "inside").stdout
        assert f"Published: {SITE.url}" in said, said
        near = {number: hosts.open(number) for number in (BOKEH, NOTEBOOK)}
        all_is_well(hosts, near, outsider)
        others_get_nothing(hosts, outsider, {plot.port, notebook.port})
        a_browser_beyond_logs_in(hosts, authority)

        hosts.workstation.link_down()
        wait_until(lambda: hosts.legs() == {("open", "down")}, "the far legs to be missed")
        wait_until(lambda: state(hosts.there) == "reconnecting", "its loss")
        hosts.workstation.link_up()
        all_is_well(hosts, near, outsider)

        gateway.kill()  # with all that runs there
        wait_until(lambda: hosts.legs() == {("reconnecting", "unknown")}, "the near legs' end")
        wait_until(lambda: state(hosts.there) == "reconnecting", "its loss")
        gateway.start()
        gateway.type(["nginx"])
        all_is_well(hosts, near, outsider)

        hosts.workstation.move()
        wait_until(lambda: hosts.legs() == {("open", "down")}, "the far legs to be missed")
        all_is_well(hosts, near, outsider)

        hosts.there.tunnel("publish", "--stop")
        assert outsider.status(SITE.prefix + "login") == 502
    wait_until(lambda: hosts.legs() == {("open", "down")}, "the end of what was offered")
    assert gateway.run("find", "/home/ann/.jupyter-remote-tunnel", "-type", "s").stdout == ""


def all_is_well(hosts: Hosts, near: dict[int, int], outsider: Outsider) -> None:
    """Both legs of both tunnels are up and are used, and so is the public way."""
    wait_until(lambda: hosts.legs() == {("open", "up")}, "both legs")
    session = pull_session(url=f"http://127.0.0.1:{near[BOKEH]}/app")
    assert session.document.title == "remote plot"
    session.close()
    with urllib.request.urlopen(f"http://127.0.0.1:{near[NOTEBOOK]}/login") as answer:
        assert b"Password" in answer.read()
    wait_until(lambda: state(hosts.there) == "shown", "it to be shown")
    assert outsider.status(SITE.prefix + "login") == 200
    assert outsider.status(SITE.prefix + "api/contents") == 403


def others_get_nothing(hosts: Hosts, outsider: Outsider, ports: set[int | None]) -> None:
    """Of the gateway the outsider finds the site alone, of the workstation nothing; neither does
    another user of the gateway."""
    gateway, workstation = hosts.gateway, hosts.workstation
    assert outsider.open_ports() == [80, 443]
    assert ports <= workstation.listening()
    with child(workstation.wrap([sys.executable, "-c", LISTENER])) as listener:
        port = int(listener.wait_for_line(r"at (\d+)")[1])
        for network in (hosts.beyond, gateway.namespace):
            assert network is not None
            knock = [sys.executable, "-c", KNOCK, workstation.address, str(port)]
            done = subprocess.run(
                network.wrap(knock), env=environment(), capture_output=True, text=True, check=True
            )
            assert done.stdout == "timed out\n"
    sockets = gateway.run("find", "/home/ann", "/var/lib/jupyter-remote-tunnel", "-type", "s")
    found = sockets.stdout.split()
    assert len(found) == 5, "two that are offered, with their beacons, and one that is published"
    for path in found:
        argv = other_users_python(CONNECT, path)
        assert "PermissionError" in gateway.run(*argv, user="bob").stderr
    assert gateway.namespace is not None
    assert gateway.namespace.listening() == {80, 443, gateway.port}


def a_browser_beyond_logs_in(hosts: Hosts, authority: WebAuthority) -> None:
    """And a kernel answers there."""
    resolved = f"--host-resolver-rules=MAP {NAME} {hosts.beyond.near_address}"
    with chromium(resolved, namespace=hosts.beyond) as browser:
        # Who issued the certificate is looked at by curl, which has no list of its own.
        page = browser.new_page(ignore_https_errors=True)
        page.goto(SITE.url + "login?next=/")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(SITE.url)
        assert page.evaluate(KERNEL) == "heard"
