"""JupyterLab in the browser of somebody outside, in each way in which it is published."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import expect

from jupyter_remote_tunnel.publish.sites import Site
from tests.publish.conftest import GIVEN, NAME
from tests.publish.test_published import PASSWORD, PUBLISH, printed, to_publish, to_type
from tests.support.certbot import issue
from tests.support.certificates import WebAuthority
from tests.support.chromium import chromium
from tests.support.jupyter import Jupyter
from tests.support.lab_page import runs_a_cell, uploads, uses_a_terminal
from tests.support.netns import Namespace
from tests.support.sshd import SshBed
from tests.support.user import User
from tests.support.web_gateway import WebGateway

SITE = Site(NAME, "ann")
GIGABYTE = 1 << 30

# Publishes it, and has what is said of that.
Way = Callable[[WebGateway, WebAuthority, User], AbstractContextManager[str]]


@pytest.fixture
def lab(module_bed: SshBed, gateway: WebGateway, authority: WebAuthority) -> Iterator[Jupyter]:
    """The JupyterLab that is published."""
    with to_publish(module_bed, gateway, authority, "lab") as server:
        yield server


@contextlib.contextmanager
def by_nginx(gateway: WebGateway, authority: WebAuthority, person: User) -> Iterator[str]:
    issue(gateway, authority.issue(NAME), NAME)
    with gateway.nginx():
        gateway.type(printed(person.tunnel(*PUBLISH, "--site", "nginx", "gw").stdout))
        yield person.tunnel(*PUBLISH, "gw").stdout


@contextlib.contextmanager
def by_caddy(gateway: WebGateway, authority: WebAuthority, person: User) -> Iterator[str]:
    pair = authority.issue(NAME)
    for path, file in ((GIVEN.chain, pair.chain), (GIVEN.key, pair.key)):
        gateway.path(path).write_bytes(file.read_bytes())
        gateway.path(path).chmod(0o644)  # Caddy reads it as its own user
    own = [*PUBLISH, "--certfile", GIVEN.chain, "--keyfile", GIVEN.key]
    with gateway.caddy():
        gateway.type(to_type(person.tunnel(*own, "gw", status=1).stdout.splitlines()))
        yield person.tunnel(*own, "gw").stdout


@contextlib.contextmanager
def by_a_public_port(gateway: WebGateway, authority: WebAuthority, person: User) -> Iterator[str]:
    gateway.kill()
    gateway.configure(["AuthorizedKeysFile /etc/authorized_keys", "GatewayPorts clientspecified"])
    gateway.start()
    pair = authority.issue(NAME)
    own = ["--certfile", str(pair.chain), "--keyfile", str(pair.key)]
    yield person.tunnel(*PUBLISH, *own, "--bind", "gw").stdout


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", [by_nginx, by_caddy, by_a_public_port])
def test_a_person_works_in_it(
    gateway: WebGateway,
    authority: WebAuthority,
    lab: Jupyter,
    tmp_path: Path,
    way: Way,
) -> None:
    """They log in, run a cell, type in a terminal and upload a gigabyte."""
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(GIGABYTE - 4)
        file.seek(0, 2)
        file.write(b"last")
    with User() as person, Namespace(behind=gateway.namespace) as beyond:
        person.environment.update(lab.environment)
        with way(gateway, authority, person) as said:
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
            person.tunnel("publish", "--stop")
