"""All recipes at the same time, with four machines (`four_hosts`).

A Bokeh application and a notebook server of the workstation are used on the laptop in two ways: by
two legs, the far one held by the workstation, and by a login at the workstation itself, which has
the gateway for its jump host. The notebook server is published there as well.
"""

import contextlib
import json
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from bokeh.client import pull_session
from playwright.sync_api import Browser

from jupyter_remote_tunnel.publish.sites import Site
from tests.publish.conftest import NAME
from tests.publish.four_hosts import KEEPALIVE, FourHosts, Legs
from tests.publish.test_published import PASSWORD, printed
from tests.server.conftest import manager
from tests.support.bokeh_app import BokehApp, bokeh_app
from tests.support.certbot import issue
from tests.support.certificates import WebAuthority
from tests.support.chromium import chromium
from tests.support.jupyter import Jupyter, jupyter
from tests.support.lab_page import runs_a_cell
from tests.support.other_uid import other_users_python
from tests.support.outsider import Outsider
from tests.support.process import environment, wait_until
from tests.support.sshd import SshBed
from tests.ui.lab import works

SITE = Site(NAME, "ann")
BOKEH, NOTEBOOK, LOGIN = 5006, 8888, 2222  # as they are called on the gateway
JUMP = ("-J", "gw", "-p", str(LOGIN), "-o", "HostKeyAlias=workstation", "localhost")
PUBLISH = ("publish", "--name", NAME)

IN_TIME = KEEPALIVE + 3.0
"""Within so many seconds the state of each leg is right; the second number is for what a busy
machine takes itself."""

PAUSE = 0.1
"""Seconds between two looks: what is waited for takes some, and all machines are one."""

CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"

# As somebody does who has no key for it.
LOG_IN = (
    *("ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"),
    *("-o", "UserKnownHostsFile=/dev/null", "-o", "IdentityFile=none", "-p"),
)


def legs(two_legged: tuple[str, str], through: str) -> Legs:
    """The tunnels on the laptop, where those by two legs are like this, and like that those that go
    to the workstation itself.
    """
    found = {"plot": two_legged, "notebook": two_legged}
    return found | {"jump-plot": (through, ""), "jump-notebook": (through, "")}


WELL = legs(("open", "up"), "open")
WORKSTATION_LOST = legs(("open", "down"), "reconnecting")
GATEWAY_LOST = legs(("reconnecting", "unknown"), "reconnecting")


@pytest.fixture
def hosts(ssh_bed: SshBed) -> Iterator[FourHosts]:
    with contextlib.ExitStack() as stack:
        yield FourHosts(ssh_bed, stack)


@pytest.fixture
def notebook(hosts: FourHosts, ssh_bed: SshBed, authority: WebAuthority) -> Iterator[Jupyter]:
    """The notebook server of the workstation."""
    with on_workstation(hosts, ssh_bed, authority, "server") as server:
        yield server


@pytest.fixture
def lab(hosts: FourHosts, ssh_bed: SshBed, authority: WebAuthority) -> Iterator[Jupyter]:
    """The same, with a front end."""
    with on_workstation(hosts, ssh_bed, authority, "lab") as server:
        yield server


@contextlib.contextmanager
def on_workstation(
    hosts: FourHosts, bed: SshBed, authority: WebAuthority, kind: str
) -> Iterator[Jupyter]:
    with jupyter(
        kind,
        password=PASSWORD,
        traits={"TunnelManager": manager(bed)},
        env={"SSL_CERT_FILE": str(authority.root)},
        hosts={NAME: hosts.workstation.near_address},
        namespace=hosts.workstation,
    ) as server:
        hosts.there.environment.update(server.environment)
        hosts.let_log_in(server)
        yield server


@pytest.fixture
def plot(hosts: FourHosts) -> Iterator[BokehApp]:
    """The Bokeh application of the workstation."""
    with bokeh_app(namespace=hosts.workstation) as app:
        yield app


@pytest.fixture
def outsiders(hosts: FourHosts, authority: WebAuthority) -> list[Outsider]:
    """Who is beyond the gateway, by IPv4 and by IPv6."""
    return [Outsider(hosts.beyond, authority.root, NAME, ipv6=ipv6) for ipv6 in (False, True)]


class Recipes:
    """What follows the recipes, on all machines. `urls` has where each tunnel leads from, on the
    laptop, by its name.
    """

    def __init__(self, hosts: FourHosts, notebook: Jupyter, outsiders: Sequence[Outsider]) -> None:
        self.hosts, self.notebook, self.outsiders = hosts, notebook, outsiders
        self.urls: dict[str, str] = {}

    def publish(self) -> None:
        """Publish the notebook server, and type on the gateway what that takes."""
        there = self.hosts.there
        self.hosts.gateway.type(printed(there.tunnel(*PUBLISH, "--site", "nginx", "inside").stdout))
        said = there.tunnel(*PUBLISH, "inside").stdout
        assert f"Published: {SITE.url}" in said, said

    def open(self, name: str, port: int | None, *host: str) -> None:
        """Open a tunnel to that port of a host."""
        words = ("open", "--json", "--name", name, *self.hosts.config)
        said = self.hosts.me.tunnel(*words, "-L", f"0:localhost:{port}", *host).stdout
        self.urls[name] = f"http://{json.loads(said)['forwards'][0]['bound']}/"

    def open_jupyter(self, name: str, *host: str) -> None:
        """Open the Jupyter that is found on a host."""
        words = ("jupyter", "--json", "--no-browser", "--name", name, *self.hosts.config)
        self.urls[name] = json.loads(self.hosts.me.tunnel(*words, *host).stdout)["url"]

    def are(self, wanted: Legs, published: str) -> None:
        """In time all legs are like that, and so is what is published."""

        def is_so() -> bool:
            return self.hosts.legs() == wanted and self.hosts.published(self.notebook) == published

        wait_until(is_so, f"{wanted}, {published}", IN_TIME, PAUSE)

    def were(self, wanted: Legs, published: str) -> None:
        """In time each leg has been like that, and what is published. It may be back already."""
        legs: set[tuple[str, tuple[str, str]]] = set()
        states: set[str] = set()

        def have_been() -> bool:
            legs.update(self.hosts.legs().items())
            states.add(self.hosts.published(self.notebook))
            return legs >= wanted.items() and published in states

        wait_until(have_been, f"{wanted}, {published}", IN_TIME, PAUSE)

    def are_well(self) -> None:
        """All legs of all tunnels come up and are used, and so is the public way."""
        wait_until(lambda: self.hosts.legs() == WELL, "all legs", pause=PAUSE)
        self.hosts.laptop.run(self._use_on_laptop)

        def is_shown() -> bool:
            return self.hosts.published(self.notebook) == "shown"

        wait_until(is_shown, "it to be shown", pause=PAUSE)
        for outsider in self.outsiders:
            assert outsider.status(SITE.prefix + "login") == 200
            assert outsider.status(SITE.prefix + "api/contents") == 403

    def _use_on_laptop(self) -> None:
        for name in ("plot", "jump-plot"):
            session = pull_session(url=f"{self.urls[name]}app")
            assert session.document.title == "remote plot"
            session.close()
        for name in ("notebook", "jump-notebook"):
            with urllib.request.urlopen(f"{self.urls[name]}login") as answer:
                assert b"Password" in answer.read()


@contextlib.contextmanager
def all_recipes(
    hosts: FourHosts,
    plot: BokehApp,
    notebook: Jupyter,
    authority: WebAuthority,
    outsiders: Sequence[Outsider],
) -> Iterator[Recipes]:
    """Follow them, as long as the block lasts."""
    issue(hosts.gateway, authority.issue(NAME), NAME)
    two = ("-R", f"{BOKEH}:localhost:{plot.port}", "-R", f"{NOTEBOOK}:localhost:{notebook.port}")
    login = ("--tcp", "-R", f"{LOGIN}:localhost:{hosts.login.port}")
    recipes = Recipes(hosts, notebook, outsiders)
    with hosts.gateway.nginx(), hosts.offering(*two), hosts.offering(*login):
        recipes.publish()
        recipes.open("plot", BOKEH, "gw")
        recipes.open("notebook", NOTEBOOK, "gw")
        recipes.open("jump-plot", plot.port, *JUMP)
        recipes.open_jupyter("jump-notebook", *JUMP)
        recipes.are_well()
        yield recipes


@pytest.mark.timeout(300)
def test_all_is_back_after_each_loss(
    hosts: FourHosts,
    plot: BokehApp,
    notebook: Jupyter,
    authority: WebAuthority,
    outsiders: list[Outsider],
) -> None:
    with all_recipes(hosts, plot, notebook, authority, outsiders) as recipes:
        others_get_nothing(hosts, outsiders, {plot.port, notebook.port, hosts.login.port})

        hosts.workstation.link_down()
        recipes.are(WORKSTATION_LOST, "reconnecting")
        hosts.workstation.link_up()
        recipes.are_well()

        hosts.laptop.link_down()
        recipes.are(GATEWAY_LOST, "shown")
        hosts.laptop.link_up()
        recipes.are_well()

        hosts.gateway.kill()  # with all that runs there
        recipes.are(GATEWAY_LOST, "reconnecting")
        hosts.gateway.start()
        hosts.gateway.type(["nginx"])
        recipes.are_well()

        hosts.workstation.move()
        recipes.were(WORKSTATION_LOST, "reconnecting")
        recipes.are_well()

        hosts.there.tunnel("publish", "--stop")
        assert [one.status(SITE.prefix + "login") for one in outsiders] == [502, 502]
    wait_until(lambda: hosts.legs() == WORKSTATION_LOST, "the end of what was offered", IN_TIME)
    left = hosts.gateway.run("find", "/home/ann/.jupyter-remote-tunnel", "-type", "s")
    assert left.stdout == ""


def others_get_nothing(
    hosts: FourHosts, outsiders: Sequence[Outsider], ports: set[int | None]
) -> None:
    """Of the gateway the outsider finds the site and a login without a key, of the workstation
    nothing; neither do another user of the gateway, and the laptop but by the tunnels."""
    gateway, workstation, center = hosts.gateway, hosts.workstation, hosts.gateway.namespace
    assert center is not None
    for outsider in outsiders:
        assert outsider.open_ports() == sorted([80, 443, gateway.port])
        assert outsider.status(SITE.prefix, port=80) == 301
        refused(hosts.beyond.wrap([*LOG_IN, str(gateway.port), f"ann@{outsider.asks}", "true"]))
    refused(gateway.inside([*LOG_IN, str(LOGIN), f"{hosts.login.user}@127.0.0.1", "true"], "bob"))
    assert center.listening() == {80, 443, gateway.port, LOGIN}

    assert ports <= workstation.listening()
    # It listens on all addresses: what keeps others out is the firewall.
    with workstation.listen() as listener:
        port = listener.getsockname()[1]
        networks = (hosts.beyond, hosts.laptop, center)
        addresses = (workstation.address, workstation.address6)
        with ThreadPoolExecutor() as pool:
            knocks = [pool.submit(one.knock, at, port) for one in networks for at in addresses]
        assert {knock.result() for knock in knocks} == {"timed out"}

    sockets = gateway.run("find", "/home/ann", "/var/lib/jupyter-remote-tunnel", "-type", "s")
    found = sockets.stdout.split()
    assert len(found) == 6, "two that are offered, three beacons, and one that is published"
    for path in found:
        argv = other_users_python(CONNECT, path)
        assert "PermissionError" in gateway.run(*argv, user="bob").stderr


def refused(argv: Sequence[str]) -> None:
    """sshd lets nobody in by that command."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment())
    assert "Permission denied (publickey)" in done.stderr


@pytest.mark.long
@pytest.mark.timeout(600)
def test_people_work_by_them(
    hosts: FourHosts,
    plot: BokehApp,
    lab: Jupyter,
    authority: WebAuthority,
    outsiders: list[Outsider],
) -> None:
    """In browsers on the laptop and beyond the gateway, and again when the gateway was away."""
    with all_recipes(hosts, plot, lab, authority, outsiders) as recipes:
        with chromium(namespace=hosts.laptop) as browser:
            works_on_laptop(browser, recipes)
            hosts.gateway.kill()
            recipes.are(GATEWAY_LOST, "reconnecting")
            hosts.gateway.start()
            hosts.gateway.type(["nginx"])
            recipes.are_well()
            works_on_laptop(browser, recipes)
        works_beyond(hosts)


def works_on_laptop(browser: Browser, recipes: Recipes) -> None:
    for name in ("plot", "jump-plot"):
        page = browser.new_page()
        page.goto(f"{recipes.urls[name]}app")
        works(page)
        page.close()
    for name in ("notebook", "jump-notebook"):
        works_in_lab(browser, recipes.urls[name])


def works_beyond(hosts: FourHosts) -> None:
    resolved = f"--host-resolver-rules=MAP {NAME} {hosts.beyond.near_address}"
    with chromium(resolved, namespace=hosts.beyond) as browser:
        works_in_lab(browser, SITE.url)


def works_in_lab(browser: Browser, url: str) -> None:
    """Who logs in there by the password has a JupyterLab with a kernel that answers."""
    # Who issued a certificate is looked at by curl, which has no list of its own.
    page = browser.new_page(ignore_https_errors=True)
    page.goto(f"{url}login?next=%2Flab%3Freset")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    runs_a_cell(page, page)
    page.close()
