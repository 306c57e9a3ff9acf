"""What the doctor says of each restriction that a real sshd can have; it leaves nothing there."""

import sys
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.address import TcpAddress, UnixAddress
from jupyter_remote_tunnel.model.diagnosis import Step
from jupyter_remote_tunnel.model.settings import EngineSettings
from tests.ssh.visits import FORWARDS, step_of, visit
from tests.support.echo import serve
from tests.support.netns import Namespace
from tests.support.ports import unused_port
from tests.support.process import child
from tests.support.sshd import SshBed, Sshd

OK, NOTE, FAILED = "ok", "note", "failed"

# Lines of sshd_config, and what becomes of TCP, sockets and remote forwards.
RESTRICTIONS = {
    "AllowTcpForwarding no": (FAILED, FAILED, FAILED),
    "AllowTcpForwarding local": (OK, FAILED, FAILED),
    "AllowTcpForwarding remote": (FAILED, FAILED, OK),
    "AllowStreamLocalForwarding no": (OK, FAILED, OK),
    "AllowStreamLocalForwarding local": (OK, FAILED, OK),
    "AllowStreamLocalForwarding remote": (OK, FAILED, OK),
    "PermitOpen localhost:5006": (FAILED, FAILED, OK),
    "PermitOpen none": (FAILED, FAILED, OK),
    "PermitListen 8888": (OK, OK, FAILED),
    "PermitListen none": (OK, OK, FAILED),
    "DisableForwarding yes": (FAILED, FAILED, FAILED),
    "GatewayPorts yes": (OK, OK, NOTE),
    "GatewayPorts clientspecified": (OK, OK, OK),
}


async def forwards(bed: SshBed) -> list[Step]:
    """What the doctor says of the forwards to gpu01."""
    found = await visit(bed)
    steps = [step_of(found, name) for name in FORWARDS]
    assert [step.code for step in steps] == [
        "forward_refused" if step.verdict == FAILED else "" for step in steps
    ]
    return steps


@pytest.mark.parametrize(("line", "verdicts"), RESTRICTIONS.items(), ids=RESTRICTIONS)
async def test_each_restriction_of_sshd(
    ssh_bed: SshBed, tmp_path: Path, line: str, verdicts: tuple[str, str, str]
) -> None:
    ssh_bed.host("gpu01", server=[line], env={"TMPDIR": tmp_path})
    steps = await forwards(ssh_bed)
    assert tuple(step.verdict for step in steps) == verdicts
    keyword = line.split()[0]
    for step in steps:
        if step.verdict != OK:
            assert keyword in step.advice, step
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("restriction", ["restrict", "no-port-forwarding"])
async def test_a_key_that_is_restricted(ssh_bed: SshBed, sshd: Sshd, restriction: str) -> None:
    key = sshd.authorized_keys.read_text()
    sshd.authorized_keys.write_text(f"{restriction} {key}")
    for step in await forwards(ssh_bed):
        assert step.verdict == FAILED
        assert "your key in authorized_keys" in step.advice


async def test_some_destinations_is_not_called_none(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", server=["PermitOpen localhost:5006"])
    tcp, *_ = await forwards(ssh_bed)
    assert "may not work" in tcp.says
    assert tcp.advice.startswith("It may connect to some ports only (PermitOpen of its sshd)")


async def test_sockets_that_are_only_listened_on_are_told_from_none(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", server=["AllowStreamLocalForwarding remote"])
    _, sockets, _ = await forwards(ssh_bed)
    assert sockets.says == (
        "gpu01 listens on Unix sockets for you (-R), and does not connect to them (-L)."
    )
    sshd = ssh_bed.hosts["gpu01"]
    sshd.kill()
    sshd.configure(["AllowStreamLocalForwarding local"])
    sshd.start()
    _, sockets, _ = await forwards(ssh_bed)
    assert "cannot be told" in sockets.says


@pytest.mark.parametrize(
    ("line", "verdict", "says"),
    [
        ("GatewayPorts no", FAILED, "gpu01 listens on its loopback only"),
        ("GatewayPorts yes", OK, "gpu01 listens on all interfaces"),
        ("GatewayPorts clientspecified", OK, "gpu01 listens on all interfaces"),
        ("PermitOpen none", NOTE, "does not let us find out on which interfaces"),
        ("PermitListen 8888", FAILED, "does not listen on a free port"),
    ],
)
async def test_what_a_public_bind_becomes(
    ssh_bed: SshBed, line: str, verdict: str, says: str
) -> None:
    ssh_bed.host("gpu01", server=[line])
    step = step_of(await visit(ssh_bed, gateway_ports=True), "gateway_ports")
    assert step.verdict == verdict
    assert says in step.says


async def test_nobody_is_asked_to_listen_publicly_by_itself(ssh_bed: SshBed, sshd: Sshd) -> None:
    assert [step.name for step in (await visit(ssh_bed)).steps][-3:] == FORWARDS


async def test_where_no_command_runs_sockets_are_not_tried(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", server=["ForceCommand echo no"])
    step = step_of(await visit(ssh_bed), "socket_forward")
    assert (step.verdict, step.code) == (NOTE, "")
    assert "mktemp" in step.details[0]


async def test_what_the_settings_forbid_is_not_tried(ssh_bed: SshBed, sshd: Sshd) -> None:
    found = await visit(ssh_bed, settings=EngineSettings(session_exec="never"))
    says = step_of(found, "socket_forward").says
    assert says == "Not tried: c.TunnelManager.session_exec forbids it."
    assert "Starting session" not in sshd.log
    settings = EngineSettings(allow_remote_forward=False)
    found = await visit(ssh_bed, settings=settings, gateway_ports=True)
    names = ("socket_forward", "remote_forward", "gateway_ports")
    for step in (step_of(found, name) for name in names):
        assert (step.verdict, step.says) == (
            NOTE,
            "Not tried: c.TunnelManager.allow_remote_forward forbids it.",
        )
    assert found.ok
    await visit(ssh_bed)
    assert "Starting session" in sshd.log


async def test_where_a_tunnel_leads(ssh_bed: SshBed, sshd: Sshd, tmp_path: Path) -> None:
    path = UnixAddress(str(tmp_path / "nothing.sock"))
    with serve("echo") as echo, unused_port() as nowhere:
        to = (local(echo.port), local(nowhere), path)
        found = await visit(ssh_bed, to=to)
    well, refused, missing = [step for step in found.steps if step.name == "destination"]
    assert (well.verdict, well.says) == (OK, f"gpu01 connects to localhost:{echo.port} for you.")
    assert (refused.verdict, refused.code) == (FAILED, "forward_refused")
    assert refused.says == f"gpu01 could not connect to localhost:{nowhere}: Connection refused."
    assert refused.advice.startswith("Is something listening")
    assert (missing.verdict, missing.code) == (FAILED, "forward_refused")
    assert f"could not connect to {path}" in missing.says
    assert [step.verdict for step in found.steps[-3:]] == [OK, OK, OK], "of the host itself"


async def test_who_reaches_one_destination_and_no_other(ssh_bed: SshBed) -> None:
    with serve("echo") as echo:
        ssh_bed.host("gpu01", server=[f"PermitOpen localhost:{echo.port}"])
        found = await visit(ssh_bed, to=(local(echo.port),))
        tcp = step_of(found, "tcp_forward")
        assert (tcp.verdict, tcp.says) == (NOTE, "gpu01 connects to some TCP ports only.")
        assert "PermitOpen" in tcp.advice
        found = await visit(ssh_bed, to=(local(1),))
    assert "PermitOpen" in step_of(found, "destination").advice
    assert step_of(found, "tcp_forward").verdict == FAILED


def local(port: int) -> TcpAddress:
    return TcpAddress("localhost", port)


async def test_something_that_listens_where_nothing_should(ssh_bed: SshBed) -> None:
    with Namespace() as space:
        ssh_bed.host("gpu01", namespace=space)
        server = [sys.executable, "-um", "http.server", "--bind", "127.0.0.1", "1"]
        with child(space.wrap(server)) as running:
            running.wait_for_line("Serving")
            tcp, *_ = await forwards(ssh_bed)
    assert (tcp.verdict, tcp.details) == (OK, ())
