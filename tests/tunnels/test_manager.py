"""Tunnels through a real sshd: opened, found again, lost, restarted, restored, closed."""

import asyncio
import socket
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jupyter_remote_tunnel.model.errors import Fatal, RemoteTunnelError, Transient
from jupyter_remote_tunnel.model.state import State
from jupyter_remote_tunnel.ssh.connection import Connection
from jupyter_remote_tunnel.tunnels import backoff
from jupyter_remote_tunnel.tunnels.manager import Wanted
from jupyter_remote_tunnel.tunnels.tunnel import Tunnel
from tests.support.echo import Server, serve
from tests.support.ports import unused_port
from tests.support.sshd import SshBed, Sshd

from .conftest import QUICK, Rig, port_of


async def says(port: int, text: bytes = b"hello") -> bytes:
    """What comes back when `text` is sent to a loopback port and ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.fixture
def echo() -> Iterator[Server]:
    with serve("echo") as server:
        yield server


async def test_open_serve_count_close(rig: Rig, sshd: Sshd, echo: Server) -> None:
    tunnel = await rig.open(f"-L 0:127.0.0.1:{echo.port} gpu01")
    assert tunnel.state is State.OPEN
    assert await says(port_of(tunnel)) == b"hello"
    status = tunnel.status()
    assert status.route == (f"{sshd.user}@127.0.0.1:{sshd.port}",)
    assert status.host_key == sshd.fingerprint
    forward = status.forwards[0]
    assert (forward.streams.total, forward.bytes) == (1, {"in": 5, "out": 5})
    assert forward.asked == "0"
    assert forward.bound == f"127.0.0.1:{port_of(tunnel)}"
    port = port_of(tunnel)
    closed = await rig.manager.close(tunnel.spec.name)
    assert closed.state is State.CLOSED
    assert rig.recorder.removed == [tunnel.id]
    with pytest.raises(ConnectionRefusedError):
        await says(port)


async def test_an_equal_spec_gives_the_tunnel_that_is_there(rig: Rig, sshd: Sshd) -> None:
    spec = rig.spec("-L 0:localhost:1 gpu01")
    first, created = await rig.manager.open(spec, from_shell=True)
    again, created_again = await rig.manager.open(spec, from_shell=True)
    assert (created, created_again) == (True, False)
    assert again is first


async def test_names_that_nobody_chose_make_room_and_chosen_ones_conflict(
    rig: Rig, sshd: Sshd
) -> None:
    first = await rig.open("-L 0:localhost:1 gpu01")
    other = await rig.open("-L 0:127.0.0.1:1 gpu01")
    assert (first.spec.name, other.spec.name) == ("gpu01:1", "gpu01:1-2")
    with pytest.raises(Fatal) as caught:
        await rig.open("-L 0:localhost:2 --name gpu01:1 gpu01")
    assert caught.value.code == "conflict"
    assert "gpu01:1" in caught.value.message


async def test_tunnels_to_one_host_share_a_connection_and_the_last_closes_it(
    rig: Rig, sshd: Sshd
) -> None:
    first = await rig.open("-L 0:localhost:1 gpu01")
    second = await rig.open("-D 0 gpu01")
    assert rig.manager.pool.size == 1
    await rig.manager.close(first.id)
    assert rig.manager.pool.size == 1
    await rig.manager.close(second.id)
    assert rig.manager.pool.size == 0
    assert sshd.log.count("Accepted publickey") == 1


async def test_two_routes_share_their_jump_host(rig: Rig, ssh_bed: SshBed, echo: Server) -> None:
    ssh_bed.host("gw")
    for alias in ("a", "b"):
        ssh_bed.host(alias, client=["ProxyJump gw"])
    tunnels = [await rig.open(f"-L 0:127.0.0.1:{echo.port} {alias}") for alias in ("a", "b")]
    assert rig.manager.pool.size == 3
    for tunnel in tunnels:
        assert await says(port_of(tunnel)) == b"hello"
        assert len(tunnel.status().route) == 2
    await rig.manager.close(tunnels[0].id)
    assert rig.manager.pool.size == 2
    assert await says(port_of(tunnels[1])) == b"hello"


async def test_a_hop_that_fails_closes_those_before_and_is_named(rig: Rig, ssh_bed: SshBed) -> None:
    ssh_bed.host("gw")
    ssh_bed.host("far", client=["ProxyJump gw"], known=False)
    with pytest.raises(Fatal) as caught:
        await rig.open("-L 0:localhost:1 far")
    assert caught.value.code == "host_key_unknown"
    assert caught.value.hop == "far (hop 2 of 2)"
    assert rig.manager.pool.size == 0
    tunnel = rig.manager.get("far:1")
    assert tunnel.state is State.FAILED
    assert tunnel.status().error is not None
    await rig.manager.close("far:1")
    assert rig.manager.tunnels == []


async def test_a_lost_connection_comes_back_on_the_same_port(
    rig: Rig, sshd: Sshd, echo: Server
) -> None:
    tunnel = await rig.open(f"-L 0:127.0.0.1:{echo.port} gpu01")
    port = port_of(tunnel)
    for _ in range(3):
        sshd.kill()
        await rig.recorder.until(lambda: tunnel.state is State.RECONNECTING)
        assert tunnel.status().error is not None
        async with asyncio.TaskGroup() as clients:
            waiting = clients.create_task(says(port))
            sshd.start()
            await rig.recorder.until(lambda: tunnel.state is State.OPEN)
        assert waiting.result() == b"hello"
        assert port_of(tunnel) == port
        assert tunnel.status().error is None
    assert await says(port) == b"hello"


async def test_a_reconnect_says_when_it_tries_next(
    ssh_bed: SshBed, sshd: Sshd, short_dir: Path
) -> None:
    patient = Rig(ssh_bed, short_dir, replace(QUICK, backoff_first=600, backoff_max=600))
    tunnel = await patient.open("-L 0:localhost:1 gpu01")
    assert tunnel.status().next_try is None
    before = datetime.now(UTC)
    sshd.kill()
    await patient.recorder.until(lambda: tunnel.state is State.RECONNECTING)
    first = tunnel.status().next_try
    assert first is not None
    # The jitter takes up to half away.
    assert before + timedelta(seconds=300) <= datetime.fromisoformat(first)
    assert datetime.fromisoformat(first) <= datetime.now(UTC) + timedelta(seconds=600)
    # A restart does not wait for it; where it fails, the next try has its time too.
    await patient.manager.restart(tunnel.id)
    await patient.recorder.until(lambda: tunnel.status().next_try not in (None, first))
    assert tunnel.state is State.RECONNECTING
    sshd.start()
    await patient.manager.restart(tunnel.id)
    assert tunnel.status().state == "open"
    assert tunnel.status().next_try is None
    await patient.manager.close_all()


async def test_close_ends_a_reconnect(rig: Rig, sshd: Sshd) -> None:
    tunnel = await rig.open("-L 0:localhost:1 gpu01")
    sshd.kill()
    await rig.recorder.until(lambda: tunnel.state is State.RECONNECTING)
    await rig.manager.close(tunnel.id)
    assert tunnel.state is State.CLOSED
    assert rig.manager.pool.size == 0


async def refusal(opening: Coroutine[Any, Any, Tunnel]) -> RemoteTunnelError:
    """The error that an opening ends with."""
    with pytest.raises(RemoteTunnelError) as caught:
        await opening
    return caught.value


async def test_close_during_connect(rig: Rig, sshd: Sshd) -> None:
    with sshd.paused():
        async with asyncio.TaskGroup() as group:
            opening = group.create_task(refusal(rig.open("-L 0:localhost:1 gpu01")))
            await rig.recorder.until(lambda: bool(rig.manager.tunnels))
            await rig.manager.close("gpu01:1")
    assert opening.result().code == "closed"
    assert rig.manager.tunnels == []
    assert rig.manager.pool.size == 0


async def test_who_chose_the_id_can_close_what_is_not_open_yet(rig: Rig, sshd: Sshd) -> None:
    chosen = "0123456789ab"

    async def open_(line: str, tunnel_id: str = chosen) -> Tunnel:
        tunnel, _ = await rig.manager.open(rig.spec(line), from_shell=True, tunnel_id=tunnel_id)
        return tunnel

    with sshd.paused():
        async with asyncio.TaskGroup() as group:
            opening = group.create_task(refusal(open_("-L 0:localhost:1 gpu01")))
            await rig.recorder.until(lambda: bool(rig.manager.tunnels))
            await rig.manager.close(chosen)
    assert opening.result().code == "closed"
    other = "ba9876543210"
    assert (await refusal(open_("-L 0:localhost:1 gpu01"))).code == "conflict", "it had its tunnel"
    tunnel = await open_("-L 0:localhost:1 gpu01", other)
    assert tunnel.id == other
    assert (await refusal(open_("-L 0:localhost:2 gpu01", other))).code == "conflict"
    assert await open_("-L 0:localhost:1 gpu01", "012345678901") is tunnel
    assert rig.manager.tunnels == [tunnel]


async def test_who_stops_waiting_does_not_end_the_opening(rig: Rig, sshd: Sshd) -> None:
    with sshd.paused():
        async with asyncio.TaskGroup() as group:
            opening = group.create_task(rig.open("-L 0:localhost:1 gpu01"))
            await rig.recorder.until(lambda: bool(rig.manager.tunnels))
            opening.cancel()
    assert opening.cancelled()
    tunnel = rig.manager.get("gpu01:1")
    await rig.recorder.until(lambda: tunnel.state is State.OPEN)


async def test_a_busy_port_fails_or_is_picked_anew(rig: Rig, sshd: Sshd, echo: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Fatal) as caught:
            await rig.open(f"-L {port}:localhost:1 gpu01")
        assert caught.value.code == "port_in_use"
        assert str(port) in caught.value.message
        assert rig.manager.tunnels == [], "what never reached out leaves no row"
        picked = await rig.open(f"-L {port}:127.0.0.1:{echo.port} --on-conflict pick gpu01")
        assert port_of(picked) != port
        assert await says(port_of(picked)) == b"hello"
        assert picked.status().forwards[0].asked == str(port)
        again = await rig.open(f"-L {port}:127.0.0.1:{echo.port} --on-conflict pick gpu01")
        assert again is picked
        with pytest.raises(Fatal, match=str(port)):
            await rig.open(f"-L {port}:127.0.0.1:{echo.port} gpu01")


async def test_a_port_of_another_tunnel_is_told_as_that(rig: Rig, sshd: Sshd) -> None:
    first = await rig.open("-L 0:localhost:1 gpu01")
    error = await refusal(rig.open(f"-L {port_of(first)}:localhost:2 gpu01"))
    assert error.code == "port_in_use"
    assert "the tunnel gpu01:1" in error.message
    assert rig.manager.tunnels == [first]


async def test_a_number_that_another_tunnel_offers_is_told_as_that(
    rig: Rig, ssh_bed: SshBed, short_dir: Path
) -> None:
    """With what closes that one, before anything is opened. On another host it is no matter."""
    for name in ("gw", "gw2"):
        (short_dir / name).mkdir()
        ssh_bed.host(name, env={"HOME": short_dir / name})
    mistyped = await rig.open("-R offer/5006:localhost:5007 gw")
    elsewhere = await rig.open("-R offer/5006:localhost:5006 gw2")
    for forward in ("offer/5006:localhost:5006", "offer/tcp/5006:localhost:5006"):
        error = await refusal(rig.open(f"-R {forward} gw"))
        assert error.message == "5006 is offered on gw already, by the tunnel gw:5006."
        assert "jupyter tunnel close gw:5006" in error.hint
        assert rig.manager.tunnels == [mistyped, elsewhere]
    await rig.manager.close(mistyped.id)
    assert (await rig.open("-R offer/5006:localhost:5006 gw")).state is State.OPEN


async def test_the_first_open_is_all_or_nothing(rig: Rig, sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Fatal):
            await rig.open(f"-D 0 -R 0:localhost:1 -L {port}:localhost:1 gpu01")
    assert rig.manager.tunnels == []
    assert rig.manager.pool.size == 0


async def test_restart_keeps_ports_and_a_link_that_is_up(
    rig: Rig, sshd: Sshd, echo: Server
) -> None:
    tunnel = await rig.open(f"-L 0:127.0.0.1:{echo.port} gpu01")
    port = port_of(tunnel)
    await rig.manager.restart("gpu01:" + str(echo.port))
    assert tunnel.state is State.OPEN
    assert port_of(tunnel) == port
    assert sshd.log.count("Accepted publickey") == 1
    assert await says(port) == b"hello"


async def test_a_failed_tunnel_is_opened_again_by_restart_or_by_the_same_request(
    rig: Rig, sshd: Sshd
) -> None:
    sshd.kill()
    with pytest.raises(Transient) as caught:
        await rig.open("-L 0:localhost:1 gpu01")
    assert "gpu01" in str(caught.value)
    failed = rig.manager.get("gpu01:1")
    assert failed.status().state == "failed"
    sshd.start()
    await rig.manager.restart("gpu01:1")
    assert failed.status().state == "open"
    await rig.manager.close("gpu01:1")
    sshd.kill()
    with pytest.raises(Transient):
        await rig.open("-L 0:localhost:1 gpu01")
    failed = rig.manager.get("gpu01:1")
    sshd.start()
    same, created = await rig.manager.open(rig.spec("-L 0:localhost:1 gpu01"), from_shell=True)
    assert (same, created, same.status().state) == (failed, False, "open")


async def test_restart_during_an_outage_goes_on_trying(rig: Rig, sshd: Sshd) -> None:
    tunnel = await rig.open("-L 0:localhost:1 gpu01")
    port = port_of(tunnel)
    sshd.kill()
    await rig.recorder.until(lambda: tunnel.state is State.RECONNECTING)
    await rig.manager.restart(tunnel.id)
    assert tunnel.state is State.RECONNECTING
    sshd.start()
    await rig.recorder.until(lambda: tunnel.state is State.OPEN)
    assert port_of(tunnel) == port


async def test_a_failed_tunnel_gives_its_name_to_the_next(rig: Rig, sshd: Sshd) -> None:
    sshd.kill()
    with pytest.raises(Transient):
        await rig.open("-L 0:localhost:1 --name work gpu01")
    sshd.start()
    tunnel = await rig.open("-L 0:localhost:2 --name work gpu01")
    assert rig.manager.tunnels == [tunnel]


async def test_restore_keeps_ids_and_ports_and_tries_until_the_host_is_there(
    rig: Rig, sshd: Sshd, echo: Server
) -> None:
    tunnel = await rig.open(f"-L 0:127.0.0.1:{echo.port} gpu01")
    wanted = rig.wanted()
    port = port_of(tunnel)
    await rig.manager.close(tunnel.id)
    sshd.kill()
    rig.manager.restore(wanted)
    again = rig.manager.get(tunnel.id)
    await rig.recorder.until(lambda: again.state is State.RECONNECTING)
    sshd.start()
    await rig.recorder.until(lambda: again.state is State.OPEN)
    assert port_of(again) == port
    assert await says(port) == b"hello"


async def declared(rig: Rig, line: str) -> Tunnel:
    """A tunnel that is opened with nobody there who could open it again."""
    rig.manager.restore([Wanted("0" * 12, rig.spec(line), "config", ())])
    return rig.manager.get("0" * 12)


async def test_what_is_restored_waits_for_its_port(rig: Rig, sshd: Sshd, echo: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, unused_port() as other:
        port = taken.getsockname()[1]
        to = f"127.0.0.1:{echo.port}"
        tunnel = await declared(rig, f"-L {other}:{to} -L {port}:{to} gpu01")
        await rig.recorder.until(lambda: tunnel.state is State.RECONNECTING)
        assert tunnel.error is not None
        assert tunnel.error.code == "port_in_use"
        assert rig.manager.pool.size == 0, "no host is troubled meanwhile"
        error = await refusal(rig.manager.restart(tunnel.id))
        assert error.code == "port_in_use", "who restarts it is told"
        assert tunnel.state is State.RECONNECTING
    await rig.recorder.until(lambda: tunnel.state is State.OPEN)
    assert tunnel.bound == (f"127.0.0.1:{other}", f"127.0.0.1:{port}")
    assert await says(port) == b"hello"


async def test_who_opens_what_waits_for_its_port_is_told_or_has_another_one(
    rig: Rig, sshd: Sshd, echo: Server
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = f"-L {port}:127.0.0.1:{echo.port} gpu01"
        tunnel = await declared(rig, line)
        await rig.recorder.until(lambda: tunnel.state is State.RECONNECTING)
        error = await refusal(rig.open(line))
        assert error.code == "port_in_use"
        assert tunnel.state is State.RECONNECTING
        assert tunnel.status().forwards[0].bound is None
        assert await rig.open(f"--on-conflict pick {line}") is tunnel
        assert tunnel.status().state == "open"
        assert port_of(tunnel) != port
        assert await says(port_of(tunnel)) == b"hello"
        assert (await refusal(rig.open(line))).code == "port_in_use", "it leads there no more"


async def test_what_waits_for_its_port_is_opened_when_it_is_asked_for(
    ssh_bed: SshBed, short_dir: Path, sshd: Sshd
) -> None:
    rig = Rig(ssh_bed, short_dir, replace(QUICK, backoff_first=1000, backoff_max=1000))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        tunnel = await declared(rig, f"-L {port}:localhost:1 gpu01")
        await rig.recorder.until(lambda: tunnel.state is State.RECONNECTING)
    assert await rig.open(f"-L {port}:localhost:1 gpu01") is tunnel
    assert (tunnel.state, port_of(tunnel)) == (State.OPEN, port)
    await rig.manager.close_all()


async def test_what_waits_for_its_port_can_be_restarted_and_closed(
    ssh_bed: SshBed, short_dir: Path, sshd: Sshd, echo: Server
) -> None:
    rig = Rig(ssh_bed, short_dir, replace(QUICK, backoff_first=1000, backoff_max=1000))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        tunnel = await declared(rig, f"-L {port}:127.0.0.1:{echo.port} gpu01")
        await rig.recorder.until(lambda: tunnel.state is State.RECONNECTING)
    await rig.manager.restart(tunnel.id)
    assert await says(port) == b"hello"
    await rig.manager.close(tunnel.id)
    with socket.create_server(("127.0.0.1", port)):
        rig.manager.restore([Wanted("1" * 12, tunnel.spec, "config", ())])
        waiting = rig.manager.get("1" * 12)
        await rig.recorder.until(lambda: waiting.state is State.RECONNECTING)
        await rig.manager.close(waiting.id)
    assert rig.manager.tunnels == []
    await rig.manager.close_all()


async def test_who_closes_what_is_about_to_be_restored_has_it_closed(rig: Rig, sshd: Sshd) -> None:
    tunnel = await rig.open("-L 0:localhost:1 gpu01")
    wanted, port = rig.wanted(), port_of(tunnel)
    await rig.manager.close(tunnel.id)
    rig.manager.restore(wanted)
    await rig.manager.close(tunnel.id)
    await asyncio.wait(list(rig.manager._tasks._running))
    socket.create_server(("127.0.0.1", port)).close()  # its port is free
    assert rig.manager.tunnels == []


async def test_restored_hosts_are_connected_one_after_the_other(
    rig: Rig, sshd: Sshd, ssh_bed: SshBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ports are there at once, the connections in turn: here the second one's never comes."""
    other = ssh_bed.host("gpu02")
    for line in ("-L 0:localhost:1 gpu01", "-L 0:localhost:2 gpu02", "-L 0:localhost:3 gpu01"):
        await rig.open(line)
    wanted = rig.wanted()
    ports = [port_of(tunnel) for tunnel in rig.manager.tunnels]
    for tunnel in rig.manager.tunnels:
        await rig.manager.close(tunnel.id)
    monkeypatch.setattr(backoff, "STEP", 1000.0)
    monkeypatch.setattr(backoff, "SPREAD", 2000.0)
    logins = other.log.count("Connection from")
    rig.manager.restore(wanted)
    first, second, third = rig.manager.tunnels
    await rig.recorder.until(lambda: first.state is third.state is State.OPEN)
    await rig.recorder.until(lambda: second.status().forwards[0].bound is not None)
    assert [port_of(tunnel) for tunnel in (first, second, third)] == ports
    assert second.state is State.CONNECTING
    assert other.log.count("Connection from") == logins


async def test_what_was_never_open_is_shown_and_not_tried_again(rig: Rig, sshd: Sshd) -> None:
    with sshd.paused():
        async with asyncio.TaskGroup() as group:
            opening = group.create_task(refusal(rig.open("-L 0:localhost:1 gpu01")))
            await rig.recorder.until(lambda: bool(rig.manager.tunnels))
            wanted = rig.wanted()
            await rig.manager.close("gpu01:1")
    assert opening.done()
    assert not wanted[0].opened
    rig.manager.restore(wanted)
    again = rig.manager.get(wanted[0].id)
    await rig.recorder.until(lambda: again.state is State.FAILED)
    assert sshd.log.count("Accepted publickey") == 0
    await rig.manager.restart(again.id)
    assert rig.wanted()[0].opened


async def test_restored_tunnels_are_checked_too(ssh_bed: SshBed, short_dir: Path) -> None:
    strict = Rig(ssh_bed, short_dir, settings=type(QUICK)(allowed_hosts=("other",)))
    spec = strict.spec("-L 0:localhost:1 gpu01")
    strict.manager.restore([Wanted("0" * 12, spec, "saved", ())])
    tunnel = strict.manager.get("0" * 12)
    await strict.recorder.until(lambda: tunnel.state is State.FAILED)
    error = tunnel.status().error
    assert error is not None
    assert error.code == "not_allowed"
    await strict.manager.close_all()


async def test_the_host_that_a_typed_option_leads_to_is_judged(
    ssh_bed: SshBed, sshd: Sshd, short_dir: Path
) -> None:
    strict = Rig(ssh_bed, short_dir, settings=replace(QUICK, allowed_hosts=("gpu01",)))
    await strict.open("-L 0:localhost:1 gpu01")  # at 127.0.0.1, by the user's own configuration
    line = "-L 0:localhost:2 -o CanonicalizeHostname=yes gpu01"
    said = "Tunnels to 127.0.0.1, which gpu01 becomes by -o CanonicalizeHostname"
    with pytest.raises(Fatal, match=said) as caught:
        await strict.open(line)
    assert caught.value.code == "not_allowed"
    assert "allowed_hosts" in caught.value.hint
    assert len(strict.manager.tunnels) == 1

    async def nothing(_connection: Connection) -> None:
        pytest.fail("it was connected")

    with pytest.raises(Fatal, match=said):
        await strict.manager.on_host(strict.spec(line), nothing, from_shell=True)
    await strict.manager.close_all()


async def test_a_failure_that_was_shown_leaves_no_row(rig: Rig, sshd: Sshd) -> None:
    sshd.kill()
    with pytest.raises(Transient):
        await rig.manager.open(
            rig.spec("-L 0:localhost:1 gpu01"), from_shell=True, keep_failed=False
        )
    assert rig.manager.tunnels == []
    assert rig.manager.pool.size == 0


async def test_commands_and_the_tunnel_after_them_log_in_once(rig: Rig, sshd: Sshd) -> None:
    async def echo(connection: Connection) -> bytes:
        return (await connection.exec(["echo", "hi"])).stdout

    spec = rig.spec("-L 0:localhost:1 gpu01")
    assert await rig.manager.on_host(spec, echo, from_shell=True) == b"hi\n"
    assert await rig.manager.on_host(spec, echo, from_shell=True) == b"hi\n"
    await rig.manager.open(spec, from_shell=True)
    assert sshd.log.count("Accepted publickey") == 1


async def test_another_shells_agent_makes_no_other_tunnel(rig: Rig, sshd: Sshd) -> None:
    tunnel = await rig.open("-L 0:localhost:1 gpu01")
    spec = rig.spec("-L 0:localhost:1 gpu01")
    other = replace(spec, ssh=replace(spec.ssh, agent_socket="/tmp/agent"))
    assert await rig.manager.open(other, from_shell=True) == (tunnel, False)


async def test_more_than_may_be_restored_are_shown_and_not_opened(
    ssh_bed: SshBed, sshd: Sshd, short_dir: Path
) -> None:
    few = Rig(ssh_bed, short_dir, settings=type(QUICK)(max_tunnels=1))
    wanted = [
        Wanted(f"{n:012}", few.spec(f"-L 0:localhost:{n} gpu01"), "saved", ()) for n in (1, 2)
    ]
    few.manager.restore(wanted)
    first, second = few.manager.tunnels
    await few.recorder.until(lambda: first.state is State.OPEN and second.state is State.FAILED)
    assert second.error is not None
    assert second.error.code == "too_many"
    await few.manager.close_all()


async def test_there_is_a_highest_number(ssh_bed: SshBed, sshd: Sshd, short_dir: Path) -> None:
    few = Rig(ssh_bed, short_dir, settings=type(QUICK)(max_tunnels=1))
    await few.open("-L 0:localhost:1 gpu01")
    with pytest.raises(Fatal) as caught:
        await few.open("-L 0:localhost:2 gpu01")
    assert caught.value.code == "too_many"
    await few.manager.close_all()


async def test_a_name_that_is_not_there(rig: Rig) -> None:
    with pytest.raises(Fatal) as caught:
        rig.manager.get("nope")
    assert caught.value.code == "not_found"


async def test_private_sockets_are_named_by_the_tunnel(
    rig: Rig, sshd: Sshd, echo: Server, short_dir: Path
) -> None:
    tunnel = await rig.open(f"-L private:127.0.0.1:{echo.port} gpu01")
    path = tunnel.bound[0]
    assert path == str(short_dir / f"{tunnel.id}-1")
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"x")
    writer.write_eof()
    assert await reader.read() == b"x"
    writer.close()
    await writer.wait_closed()
    await rig.manager.close(tunnel.id)
    assert list(short_dir.iterdir()) == []
