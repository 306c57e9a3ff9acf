"""JupyterLab in the browser of somebody outside, in each way in which it is published."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import expect

from jupyter_remote_tunnel.publish.sites import Site
from tests.publish.conftest import GIVEN, NAME, give
from tests.publish.pulled import FRIENDLY, PULL
from tests.publish.test_published import PASSWORD, PUBLISH, printed, to_publish, to_type
from tests.support.ann import Ann, workstation
from tests.support.certbot import issue
from tests.support.certificates import WebAuthority
from tests.support.chromium import chromium
from tests.support.jupyter import Jupyter, jupyter
from tests.support.lab_page import runs_a_cell, uploads, uses_a_terminal
from tests.support.netns import Namespace
from tests.support.ports import ReservedPort
from tests.support.sshd import SshBed
from tests.support.user import User
from tests.support.web_gateway import WebGateway

SITE = Site(NAME, "ann")
GIGABYTE = 1 << 30


@dataclass(frozen=True)
class Scene:
    """What it is published by."""

    bed: SshBed
    gateway: WebGateway
    authority: WebAuthority

    @property
    def here(self) -> str:
        """An address of the machine on which that JupyterLab runs."""
        assert self.gateway.namespace is not None
        return self.gateway.namespace.near_address

    @contextlib.contextmanager
    def person(self, address: str | None = None) -> Iterator[tuple[Jupyter, User]]:
        """A JupyterLab, and who publishes it at a terminal of its machine.

        :param address: where the name leads; None is the gateway.
        """
        own = to_publish(self.bed, self.gateway, self.authority, "lab", address=address)
        with own as lab, User() as user:
            user.environment.update(lab.environment)
            yield lab, user
            user.tunnel("publish", "--stop")


# Publishes a JupyterLab, and has it, what is said of that, and what the outside is behind: the
# gateway's network, or None for ours.
Published = tuple[Jupyter, str, Namespace | None]
Way = Callable[[Scene], AbstractContextManager[Published]]


@contextlib.contextmanager
def by_nginx(scene: Scene) -> Iterator[Published]:
    gateway = scene.gateway
    issue(gateway, scene.authority.issue(NAME), NAME)
    with gateway.nginx(), scene.person() as (lab, person):
        gateway.type(printed(person.tunnel(*PUBLISH, "--site", "nginx", "gw").stdout))
        yield lab, person.tunnel(*PUBLISH, "gw").stdout, gateway.namespace


@contextlib.contextmanager
def by_caddy(scene: Scene) -> Iterator[Published]:
    gateway, pair = scene.gateway, scene.authority.issue(NAME)
    give(gateway, pair)
    own = [*PUBLISH, "--certfile", GIVEN.chain, "--keyfile", GIVEN.key]
    with gateway.caddy(), scene.person() as (lab, person):
        gateway.type(to_type(person.tunnel(*own, "gw", status=1).stdout.splitlines()))
        yield lab, person.tunnel(*own, "gw").stdout, gateway.namespace


@contextlib.contextmanager
def by_a_public_port(scene: Scene) -> Iterator[Published]:
    gateway, pair = scene.gateway, scene.authority.issue(NAME)
    gateway.kill()
    gateway.configure(["AuthorizedKeysFile /etc/authorized_keys", "GatewayPorts clientspecified"])
    gateway.start()
    own = ["--certfile", str(pair.chain), "--keyfile", str(pair.key)]
    with scene.person() as (lab, person):
        yield lab, person.tunnel(*PUBLISH, *own, "--bind", "gw").stdout, gateway.namespace


@contextlib.contextmanager
def directly(scene: Scene) -> Iterator[Published]:
    """Without a gateway: the outside reaches the machine itself."""
    pair = scene.authority.issue(NAME)
    own = ["--certfile", str(pair.chain), "--keyfile", str(pair.key)]
    with ReservedPort() as port, scene.person(scene.here) as (lab, person):
        own += ["--port", str(port.number)]
        yield lab, person.tunnel(*PUBLISH, *own, "--direct").stdout, None


@contextlib.contextmanager
def by_a_gateway_that_pulls(scene: Scene) -> Iterator[Published]:
    """Somebody who is logged in there publishes it; its machine knows nothing of that."""
    gateway, bed, trusted = scene.gateway, scene.bed, scene.authority.root
    issue(gateway, scene.authority.issue(NAME), NAME)
    with (
        gateway.nginx(),
        jupyter("lab", password=PASSWORD, traits=FRIENDLY) as lab,
        workstation(gateway, bed) as machine,
        Ann(gateway, machine, bed, trusted, NAME) as ann,
    ):
        machine.has(lab)
        gateway.type(printed(ann.publish(*PULL, "--site", "nginx")))
        yield lab, ann.publish(*PULL), gateway.namespace


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "way", [by_nginx, by_caddy, by_a_public_port, directly, by_a_gateway_that_pulls]
)
def test_a_person_works_in_it(
    module_bed: SshBed, gateway: WebGateway, authority: WebAuthority, tmp_path: Path, way: Way
) -> None:
    """They log in, run a cell, type in a terminal and upload a gigabyte."""
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(GIGABYTE - 4)
        file.seek(0, 2)
        file.write(b"last")
    with (
        way(Scene(module_bed, gateway, authority)) as (lab, said, network),
        Namespace(behind=network) as beyond,
    ):
        assert "Published: " in said, said
        url = said.partition("Published: ")[2].split()[0]
        resolved = f"--host-resolver-rules=MAP {NAME} {beyond.near_address}"
        with chromium(resolved, namespace=beyond) as browser:
            page = browser.new_page(ignore_https_errors=True)
            page.goto(f"{url}login?next=%2Flab")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Log in").click()
            expect(page.locator(".jp-Launcher")).to_be_visible(timeout=60_000)
            uploads(page, large, lab.root_dir, 900)
            uses_a_terminal(page, page, lab.root_dir / "made in a terminal")
            page.get_by_role("tab", name="Launcher").click()
            runs_a_cell(page, page)
