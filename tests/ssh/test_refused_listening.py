"""Why a remote host does not listen for us, and where it does: found out there, not believed."""

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.address import bracketed
from jupyter_remote_tunnel.model.errors import Fatal
from jupyter_remote_tunnel.model.forward import TcpBind
from jupyter_remote_tunnel.model.settings import EngineSettings
from jupyter_remote_tunnel.ssh.public_bind import holders_of, remark
from tests.support.echo import serve
from tests.support.neighbour import neighbour
from tests.support.other_uid import OTHER_UID
from tests.support.pam_sshd import pam_host
from tests.support.ports import ReservedPort
from tests.support.process import wait_until
from tests.support.sshd import SshBed, Sshd

from .support import Forwarding, ask, connect, connection_of, forwarding_to


async def refusal(bed: SshBed, *server: str, port: int) -> str:
    """What is told where a host with these lines does not listen on a port."""
    bed.host("gpu01", server=server)
    async with forwarding_to(bed, "gpu01") as forwarding:
        with pytest.raises(Fatal, match=f"gpu01 does not listen on port {port} for us") as caught:
            await forwarding.open(f"-R {port}:localhost:1")
    assert (caught.value.code, caught.value.hop) == ("forward_refused", "gpu01")
    return f"{caught.value.message} {caught.value.hint}"


async def test_a_host_that_forwards_nothing(ssh_bed: SshBed) -> None:
    with ReservedPort() as port:
        said = await refusal(ssh_bed, "AllowTcpForwarding no", port=port.number)
    assert "AllowTcpForwarding or DisableForwarding" in said
    assert "in use" not in said


async def test_a_host_that_allows_other_ports(ssh_bed: SshBed) -> None:
    with ReservedPort() as port:
        said = await refusal(ssh_bed, "PermitListen 1", port=port.number)
    assert "Nothing has that port: PermitListen" in said


async def test_a_port_that_something_has(ssh_bed: SshBed) -> None:
    with serve("echo") as echo, serve("echo", host="::1", port=echo.port):
        said = await refusal(ssh_bed, port=echo.port)
    assert "something there has it already" in said
    assert "ClientAliveInterval 15 and ClientAliveCountMax 3" in said
    assert "Try again then" in said
    assert "tried again" not in said, "nothing stays that would be"


@pytest.mark.parametrize("taken", [False, True])
async def test_a_port_for_root(ssh_bed: SshBed, taken: bool) -> None:
    """Whoever has it, it is none for us."""
    host = pam_host(ssh_bed, "gpu01", "publickey")
    port = next(port for port in range(600, 1024) if is_free(port))
    with contextlib.ExitStack() as stack:
        for address in ("127.0.0.1", "::1") if taken else ():
            stack.enter_context(serve("echo", host=address, port=port))
        async with forwarding_to(ssh_bed, "gpu01") as forwarding:
            with pytest.raises(Fatal, match=f"not listen on port {port} for us") as caught:
                await forwarding.open(f"-R {port}:localhost:1")
    assert ("something there has it" in caught.value.message) == taken
    assert (
        f"orts below 1024 are for root there, and you log in as {host.user}: choose one from 1024"
    ) in caught.value.hint
    assert "ClientAlive" not in caught.value.hint


async def test_a_port_that_our_lost_connection_has(ssh_bed: SshBed, sshd: Sshd) -> None:
    """sshd stands still while we hang up, and has heard of it only afterwards."""
    with ReservedPort() as port:
        async with forwarding_to(ssh_bed, "gpu01") as forwarding:
            forward = await forwarding.open(f"-R {port.number}:localhost:1")
            stale = connection_of(forwarding)
            serving = sshd.connections
            for process in serving:
                process.suspend()
            try:
                async with connect(ssh_bed, "gpu01") as second:
                    stale._ssh.abort()
                    forward.detach(await stale.lost)
                    # Who connects to it now waits in its queue.
                    with pytest.raises(Fatal, match="our lost connection has it") as caught:
                        await forward.attach(second)
                    assert "ClientAliveInterval" in caught.value.hint
                    assert "tried again" in caught.value.hint
                    for process in serving:
                        process.resume()
                    await asyncio.to_thread(wait_until, lambda: is_free(port.number), "the port")
                    await forward.attach(second)
                    assert forward.bound == f"localhost:{port.number}"
                    await forward.close()
            finally:
                for process in serving:
                    if process.is_running():
                        process.resume()


def is_free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


async def test_another_port_where_that_is_asked_for(forwarding: Forwarding) -> None:
    with serve("echo") as echo, serve("echo", host="::1", port=echo.port):
        forward = await forwarding.open(f"-R {echo.port}:localhost:{echo.port}", on_conflict="pick")
        assert forward.bound not in (None, f"localhost:{echo.port}")
        assert await ask(forward.bound, b"hello") == b"hello"


async def test_a_socket_that_is_there(ssh_bed: SshBed, sshd: Sshd, short_dir: Path) -> None:
    (short_dir / "s").touch()
    async with forwarding_to(ssh_bed, "gpu01") as forwarding:
        with pytest.raises(Fatal, match=f"does not listen on {short_dir}/s") as caught:
            await forwarding.open(f"-R {short_dir}/s:localhost:1")
    for option in ("StreamLocalBindUnlink", "AllowStreamLocalForwarding", "AllowTcpForwarding"):
        assert option in caught.value.hint


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("AllowStreamLocalForwarding no", "AllowStreamLocalForwarding"),
        ("AllowStreamLocalForwarding local", "AllowStreamLocalForwarding"),
        ("AllowTcpForwarding no", "AllowTcpForwarding"),
        ("DisableForwarding yes", "DisableForwarding"),
    ],
)
async def test_a_host_that_makes_no_sockets(
    ssh_bed: SshBed, short_dir: Path, option: str, named: str
) -> None:
    ssh_bed.host("gpu01", server=[option])
    async with forwarding_to(ssh_bed, "gpu01") as forwarding:
        with pytest.raises(Fatal, match=f"does not listen on {short_dir}/s") as caught:
            await forwarding.open(f"-R {short_dir}/s:localhost:1")
    assert named in caught.value.hint


async def test_a_socket_on_which_somebody_listens(
    ssh_bed: SshBed, sshd: Sshd, short_dir: Path
) -> None:
    with serve("echo", unix=True) as echo:
        async with forwarding_to(ssh_bed, "gpu01") as forwarding:
            with pytest.raises(Fatal, match="something there has it already"):
                await forwarding.open(f"-R {echo.path}:localhost:1")


async def test_a_port_that_another_user_has(ssh_bed: SshBed) -> None:
    with ReservedPort() as port, neighbour("127.0.0.1", port.number):
        ssh_bed.host("gpu01")
        async with forwarding_to(ssh_bed, "gpu01") as forwarding:
            with pytest.raises(Fatal, match=f"another user .uid {OTHER_UID} at 127.0.0.1. has it"):
                await forwarding.open(f"-R 127.0.0.1:{port.number}:localhost:1")


async def test_a_name_that_is_not_allowed_is_not_in_use(ssh_bed: SshBed) -> None:
    """sshd takes the name and the address for different ones, and somebody has the other half."""
    with serve("echo", host="::1") as echo:
        ssh_bed.host("gpu01", server=[f"PermitListen localhost:{echo.port}"])
        async with forwarding_to(ssh_bed, "gpu01") as forwarding:
            with pytest.raises(Fatal, match="does not listen on port") as caught:
                await forwarding.open(f"-R 127.0.0.1:{echo.port}:localhost:1")
    assert "PermitListen" in caught.value.hint
    assert "“localhost” is not “127.0.0.1” to it" in caught.value.hint


@pytest.mark.parametrize(
    ("asked", "theirs", "ours"),
    [
        ("", "127.0.0.1", "[::1]"),
        ("", "::1", "127.0.0.1"),
        ("localhost:", "127.0.0.1", "[::1]"),
        ("127.0.0.1:", "::1", "127.0.0.1"),
        ("*:", "127.0.0.1", "*"),
    ],
)
async def test_half_a_port_that_another_user_has_is_told(
    ssh_bed: SshBed, asked: str, theirs: str, ours: str
) -> None:
    ssh_bed.host("gpu01", server=["GatewayPorts clientspecified"])
    with ReservedPort() as port, neighbour(theirs, port.number):
        async with forwarding_to(ssh_bed, "gpu01") as forwarding:
            forward = await forwarding.open(f"-R {asked}{port.number}:localhost:1")
            assert forward.bound == f"{ours}:{port.number}"
            assert f"uid {OTHER_UID} at {bracketed(theirs)}" in (forward.note or "")


@pytest.mark.parametrize(
    ("gateway_ports", "asked", "bound", "said"),
    [
        ("no", "", "localhost", None),
        ("no", "*:", "localhost", "on its loopback only, though all interfaces were asked for"),
        ("clientspecified", "", "localhost", None),
        ("clientspecified", ":", "*", "it listens on all of its interfaces, as asked"),
        ("clientspecified", "127.0.0.3:", "127.0.0.3", None),
        ("yes", "", "*", "on all of its interfaces, though that was not asked for"),
        ("yes", "*:", "*", "as asked"),
    ],
)
async def test_what_was_really_bound_is_told(
    ssh_bed: SshBed, gateway_ports: str, asked: str, bound: str, said: str | None
) -> None:
    ssh_bed.host("gpu01", server=[f"GatewayPorts {gateway_ports}"])
    with ReservedPort() as port:
        async with forwarding_to(ssh_bed, "gpu01") as forwarding:
            forward = await forwarding.open(f"-R {asked}{port.number}:localhost:1")
            assert forward.bound == f"{bound}:{port.number}"
            assert (forward.note is None) == (said is None)
            assert (said or "") in (forward.note or "")


@pytest.mark.parametrize(("gateway_ports", "bound"), [("no", "localhost"), ("yes", "*")])
async def test_without_a_command_it_is_connected_to(
    ssh_bed: SshBed, gateway_ports: str, bound: str
) -> None:
    ssh_bed.host("gpu01", server=[f"GatewayPorts {gateway_ports}"])
    with ReservedPort() as port:
        async with (
            connect(ssh_bed, "gpu01") as connection,
            Forwarding(connection, EngineSettings(session_exec="never")) as forwarding,
        ):
            forward = await forwarding.open(f"-R *:{port.number}:localhost:1")
            assert forward.bound == f"{bound}:{port.number}"
            assert forward.note is not None


async def test_a_host_without_a_table_of_its_sockets(ssh_bed: SshBed) -> None:
    ssh_bed.host("gpu01", server=["ForceCommand echo no shell here"])
    with serve("echo") as echo:
        async with connect(ssh_bed, "gpu01") as connection:
            assert await holders_of(connection, echo.port) is None


def test_what_could_not_be_found_out_is_said() -> None:
    said = remark(TcpBind("*", 80), None, "gw")
    assert said == "Whether gw listens on all of its interfaces could not be found out."


def test_an_address_that_was_not_granted_is_said() -> None:
    said = remark(TcpBind("10.0.0.5", 80), "localhost", "gw")
    assert said is not None
    assert "and not on 10.0.0.5. GatewayPorts is “no”" in said
