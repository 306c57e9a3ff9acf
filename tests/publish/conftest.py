"""A gateway with a web server for all tests of a module."""

import contextlib
from collections.abc import Iterator

import pytest

from jupyter_remote_tunnel.engine.sync import SyncEngine
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.publish.sites import CertificateFiles
from tests.support.ann import Ann, Workstation, workstation
from tests.support.certificates import Pair, WebAuthority
from tests.support.netns import Namespace
from tests.support.outsider import Outsider
from tests.support.sshd import SshBed
from tests.support.user import User
from tests.support.web_gateway import WebGateway

NAME = "jupyter.example.org"
GIVEN = CertificateFiles("/etc/ssl/jupyter.pem", "/etc/ssl/jupyter.key")


def give(gateway: WebGateway, pair: Pair) -> None:
    """Put a certificate there, with a key that Caddy reads, as its own user, and nobody else."""
    for path, file in ((GIVEN.chain, pair.chain), (GIVEN.key, pair.key)):
        gateway.path(path).write_bytes(file.read_bytes())
    gateway.type([f"chmod 644 {GIVEN.chain}", f"chown caddy {GIVEN.key}", f"chmod 600 {GIVEN.key}"])


@pytest.fixture(scope="module")
def module_bed() -> Iterator[SshBed]:
    with SshBed() as bed:
        yield bed


@pytest.fixture(scope="module")
def engine(module_bed: SshBed) -> Iterator[SyncEngine]:
    """One that knows the bed's hosts."""
    settings = EngineSettings(ssh_config=str(module_bed.config_file))
    with User() as user, user.engine(settings) as holder:
        engine = SyncEngine(holder.socket_path, "shell")
        yield engine
        engine.close()


@pytest.fixture(scope="module")
def gateway(module_bed: SshBed) -> Iterator[WebGateway]:
    """It runs, and neither of its web servers does."""
    with Namespace() as network:
        made = WebGateway(module_bed, "gw", network)
        module_bed.add(made)
        made.start()
        yield made
        made.kill()


@contextlib.contextmanager
def lying(bed: SshBed, gateway: WebGateway, said: str) -> Iterator[SyncEngine]:
    """An engine that the gateway gives that answer, whatever it is asked."""
    key = gateway.authorized_keys.read_text()
    gateway.authorized_keys.write_text(f'command="printf %s {said}" {key}')
    settings = EngineSettings(ssh_config=str(bed.config_file))
    try:
        with User() as user, user.engine(settings) as holder:
            engine = SyncEngine(holder.socket_path, "shell")
            yield engine
            engine.close()
    finally:
        gateway.authorized_keys.write_text(key)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> WebAuthority:
    return WebAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def outsider(gateway: WebGateway, authority: WebAuthority) -> Iterator[Outsider]:
    with Namespace(behind=gateway.namespace) as network:
        yield Outsider(network, authority.root, NAME)


@pytest.fixture
def another(gateway: WebGateway, authority: WebAuthority) -> Iterator[Outsider]:
    """Somebody else out there."""
    with Namespace(behind=gateway.namespace) as network:
        yield Outsider(network, authority.root, NAME)


@pytest.fixture
def machine(gateway: WebGateway, module_bed: SshBed) -> Iterator[Workstation]:
    """The workstation that the gateway reaches as `ws`."""
    with workstation(gateway, module_bed) as made:
        yield made


@pytest.fixture
def ann(
    gateway: WebGateway, machine: Workstation, module_bed: SshBed, authority: WebAuthority
) -> Iterator[Ann]:
    """Who sits at a terminal of the gateway."""
    with Ann(gateway, machine, module_bed, authority.root, NAME) as made:
        yield made
