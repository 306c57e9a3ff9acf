"""A Jupyter of a workstation that `publish --pull` shows: what the tests of it have in common."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from jupyter_remote_tunnel.publish.installing import (
    Places,
    certbot_commands,
    folder_commands,
    site_commands,
)
from jupyter_remote_tunnel.publish.sites import Site
from tests.publish.conftest import NAME
from tests.support.ann import Ann, Workstation
from tests.support.certbot import issue
from tests.support.certificates import WebAuthority
from tests.support.jupyter import Jupyter, jupyter
from tests.support.web_gateway import WebGateway

SITE = Site(NAME, "ann", "/lab/of/ann/")
HERE = replace(SITE, ipv6=False)  # which that gateway has not
LOGIN = SITE.prefix + "login"
PLACES = Places(
    "nginx", "www-data", "/etc/nginx/sites-available", enabled="/etc/nginx/sites-enabled"
)
PULL = ("--pull", "--name", NAME, "ws")
CHECK = (*PULL, "--check")
FRIENDLY: dict[str, dict[str, Any]] = {
    "ServerApp": {"local_hostnames": ["localhost", NAME], "trust_xheaders": True}
}
"""What the lines that are printed say."""

CONNECT = "import socket,sys;socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


def sockets(gateway: WebGateway) -> list[str]:
    """What stands in the folder of the socket."""
    return gateway.run("ls", SITE.folder).stdout.split()


def state(ann: Ann) -> str:
    """Of what is published."""
    return str(ann.publications()[0]["state"])


@pytest.fixture(scope="module", autouse=True)
def site(gateway: WebGateway, authority: WebAuthority) -> Iterator[None]:
    """nginx runs with the site, and its certificate is there."""
    issue(gateway, authority.issue(NAME), NAME)
    with gateway.nginx():
        gateway.type(
            [
                *folder_commands(HERE, PLACES),
                *certbot_commands(HERE, "webroot", PLACES),
                *site_commands(HERE, PLACES),
            ]
        )
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[Jupyter]:
    """A Jupyter that may be shown."""
    with jupyter(base_url=SITE.prefix, traits=FRIENDLY) as made:
        yield made


@contextlib.contextmanager
def on(machine: Workstation, **traits: Any) -> Iterator[Jupyter]:
    """A Jupyter of the workstation, with these traits of its ServerApp beside those that it has to
    have; what is None is left out."""
    own = {**FRIENDLY["ServerApp"], **traits}
    kept = {name: value for name, value in own.items() if value is not None}
    with jupyter(base_url=SITE.prefix, traits={"ServerApp": kept}) as made:
        machine.has(made)
        yield made
