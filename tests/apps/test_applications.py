"""Which applications a tunnel has, and how one is opened."""

from dataclasses import replace

import pytest

from jupyter_remote_tunnel.apps.applications import (
    ApplicationRequest,
    applications,
    open_application,
)
from jupyter_remote_tunnel.engine.client import EngineClient
from jupyter_remote_tunnel.model.errors import BadInput
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.model.spec import SshOptions
from jupyter_remote_tunnel.model.status import TunnelStatus
from tests.apps.samples import TUNNEL
from tests.support.sshd import SshBed, Sshd
from tests.support.user import User


def test_every_local_forward_is_one() -> None:
    first, second = applications(TUNNEL, "http://localhost:8888/base/")
    assert (first.id, second.id) == (TUNNEL.id, f"{TUNNEL.id}-2")
    assert (first.name, second.name) == ("gpu01:5006 → localhost:5006", "gpu01:5006 → [::1]:80")
    assert first.url == f"http://localhost:8888/base/remote-tunnel/open/{TUNNEL.id}"
    assert (first.tunnel, first.host, first.state) == (TUNNEL.id, "ann@gpu01", "open")


def test_the_only_one_has_the_tunnels_name() -> None:
    (app,) = applications(replace(TUNNEL, forwards=TUNNEL.forwards[:2]), "/")
    assert app.name == TUNNEL.name
    assert app.url == f"/remote-tunnel/open/{TUNNEL.id}"


def test_a_kernel_is_none() -> None:
    assert applications(replace(TUNNEL, kind="kernel"), "/") == []


async def _opened(
    bed: SshBed, user: User, *requests: ApplicationRequest
) -> list[tuple[TunnelStatus, bool]]:
    with user.engine(EngineSettings(ssh_config=str(bed.config_file))) as holder:
        client = await EngineClient.connect(holder.socket_path, "shell")
        try:
            return [await open_application(client, request) for request in requests]
        finally:
            await client.close()


async def test_one_is_opened_once(ssh_bed: SshBed, sshd: Sshd, user: User) -> None:
    (opened, new), (again, new_again), (named, _), (other, _) = await _opened(
        ssh_bed,
        user,
        ApplicationRequest("gpu01", "localhost:5006"),
        ApplicationRequest("gpu01", "5006"),
        ApplicationRequest("gpu01", "5007", name="plots"),
        ApplicationRequest("gpu01", "5006", ssh=SshOptions(compression=True)),
    )
    assert (new, new_again) == (True, False)
    assert again.id == opened.id
    assert (opened.kind, opened.forwards[0].destination) == ("application", "localhost:5006")
    assert (opened.forwards[0].bound or "").startswith(str(user.folder))
    assert named.name == "plots"
    assert other.id != opened.id, "another connection is another tunnel"


async def test_a_destination_that_is_none(ssh_bed: SshBed, user: User) -> None:
    with pytest.raises(BadInput, match="port"):
        await _opened(ssh_bed, user, ApplicationRequest("gpu01", "localhost"))
