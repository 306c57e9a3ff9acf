"""Connections and forwards of the code under test to the sshds of `ssh_bed`."""

import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.ssh.connection import Connection
from tests.ssh.support import Forwarding, connect
from tests.support.sshd import SshBed, Sshd


@pytest.fixture
async def connection(ssh_bed: SshBed, sshd: Sshd) -> AsyncIterator[Connection]:
    """An open connection to the host ``gpu01``."""
    async with connect(ssh_bed, "gpu01") as opened:
        yield opened


@pytest.fixture
async def forwarding(connection: Connection) -> AsyncIterator[Forwarding]:
    """Opens forwards over `connection`, and closes them."""
    async with Forwarding(connection, EngineSettings()) as opened:
        yield opened


@pytest.fixture
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What would stand in the engine's log: nothing that a host can bring about."""
    with caplog.at_level(logging.WARNING):
        yield
    assert [record.getMessage() for record in caplog.records] == []
