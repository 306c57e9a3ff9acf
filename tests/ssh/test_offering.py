"""-R offer/PORT over a real sshd: what it makes there, how it is found, and what it does where that
is not allowed.
"""

import asyncio
import contextlib
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.address import TcpAddress, UnixAddress
from jupyter_remote_tunnel.model.errors import Fatal
from jupyter_remote_tunnel.model.offer import Offer, Word, offers_in
from jupyter_remote_tunnel.ssh.connection import Connection
from jupyter_remote_tunnel.ssh.offered import Leg, list_offers, try_leg
from jupyter_remote_tunnel.ssh.offering import AT_ONCE
from tests.support.echo import Server, serve
from tests.support.neighbour import neighbour
from tests.support.other_uid import OTHER_UID, python_as_other_user
from tests.support.ports import ReservedPort
from tests.support.process import child, wait_until
from tests.support.sshd import SshBed, Sshd

from .support import Forwarding, ask, connect, connection_of, forwarding_to

PORT = 5006


@pytest.fixture
def gateway(ssh_bed: SshBed, short_dir: Path) -> "Gateway":
    return Gateway(ssh_bed, short_dir)


class Gateway:
    """A host `gw` whose user has a home of its own."""

    def __init__(self, bed: SshBed, home: Path) -> None:
        self.bed, self.home = bed, home
        self.folder = home / ".jupyter-remote-tunnel"
        self.sshd: Sshd

    def start(self, *server: str, **env: str | Path) -> None:
        """Start its sshd with these lines, and these variables for its user."""
        self.sshd = self.bed.host("gw", server=server, env={"HOME": self.home, **env})

    @property
    def left(self) -> list[str]:
        """What stands in the folder."""
        return sorted(path.name for path in self.folder.iterdir())


async def offers_on(connection: Connection) -> dict[int, Offer]:
    """All that is found there."""
    return offers_in(await list_offers(connection))


async def found_on(forwarding: Forwarding, port: int = PORT) -> Offer:
    """What is found from the other side."""
    return (await offers_on(connection_of(forwarding)))[port]


async def leg_of(forwarding: Forwarding, port: int = PORT) -> Leg:
    """How it is, from the other side."""
    offer = await found_on(forwarding, port)
    return await try_leg(connection_of(forwarding), port, offer, 30)


@pytest.fixture
def echo() -> Iterator[Server]:
    """An application of this machine."""
    with serve("echo") as served:
        yield served


_OFFER = """
import os, socket, sys
os.mkdir(sys.argv[1])
path = os.path.join(sys.argv[1], "5006")
with open(path + ".json", "w") as file:
    file.write('{"offer": "x", "by": "ann@workstation", "destination": "localhost:5006"}')
listening = socket.socket(socket.AF_UNIX)
listening.bind(path + ".sock")
os.chmod(path + ".sock", 0o777)
listening.listen()
"""


@pytest.mark.parametrize("where", ["run", "home"])
async def test_what_another_user_offers_is_not_found(gateway: Gateway, where: str) -> None:
    shared = gateway.home / where
    shared.mkdir()
    for folder, mode in ((gateway.home, 0o755), (shared, 0o1777)):
        folder.chmod(mode)
    if where == "home":  # of an account that has none
        gateway.home = shared
    gateway.start(**({"XDG_RUNTIME_DIR": shared} if where == "run" else {}))
    os.chown(shared, OTHER_UID, OTHER_UID)
    theirs = shared / gateway.folder.name
    assert python_as_other_user(_OFFER, str(theirs)).stderr == ""
    async with connect(gateway.bed, "gw") as connection:
        listing = await list_offers(connection)
        assert str(theirs) not in listing
        assert offers_in(listing) == {}


async def test_it_is_a_socket_for_its_user_alone(gateway: Gateway, echo: Server) -> None:
    gateway.start()
    async with forwarding_to(gateway.bed, "gw") as forwarding:
        forward = await forwarding.open(f"-R offer/{PORT}:localhost:{echo.port}")
        assert forward.bound == str(gateway.folder / f"{PORT}.sock")
        assert forward.note is None
        assert await ask(forward.bound, b"hello") == b"hello"
        assert stat.S_IMODE(gateway.folder.stat().st_mode) == 0o700
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in gateway.folder.iterdir()}
        assert modes == {f"{PORT}.{kind}": 0o600 for kind in ("sock", "beacon", "json")}
        offer = await found_on(forwarding)
        assert offer.address == UnixAddress(forward.bound)
        assert offer.destination == f"localhost:{echo.port}"
        assert await leg_of(forwarding) == Leg("up")
        await forward.close()
        assert gateway.left == []


async def test_a_folder_that_others_could_enter_is_closed(gateway: Gateway, echo: Server) -> None:
    gateway.start()
    gateway.folder.mkdir(mode=0o755)
    async with forwarding_to(gateway.bed, "gw") as forwarding:
        await forwarding.open(f"-R offer/{PORT}:localhost:{echo.port}")
        assert stat.S_IMODE(gateway.folder.stat().st_mode) == 0o700


async def test_the_folder_of_a_session_is_better(gateway: Gateway, echo: Server) -> None:
    runtime = gateway.home / "run"
    runtime.mkdir(mode=0o700)
    gateway.start(XDG_RUNTIME_DIR=runtime)
    async with forwarding_to(gateway.bed, "gw") as forwarding:
        forward = await forwarding.open(f"-R offer/{PORT}:localhost:{echo.port}")
        assert forward.bound == f"{runtime}/.jupyter-remote-tunnel/{PORT}.sock"
        assert (await found_on(forwarding)).address == UnixAddress(forward.bound)


async def test_what_does_not_answer_here_is_told_there(gateway: Gateway) -> None:
    gateway.start()
    with ReservedPort() as nobody:
        async with forwarding_to(gateway.bed, "gw") as forwarding:
            await forwarding.open(f"-R offer/{PORT}:localhost:{nobody.number}")
            leg = await leg_of(forwarding)
    assert leg.state == "no_application"
    assert leg.error is not None
    assert f"localhost:{nobody.number} does not answer it: Connection refused." in str(leg.error)


async def test_what_a_killed_sshd_left_is_taken_over(gateway: Gateway, echo: Server) -> None:
    gateway.start()
    async with forwarding_to(gateway.bed, "gw") as forwarding:
        forward = await forwarding.open(f"-R offer/{PORT}:localhost:{echo.port}")
        gateway.sshd.kill()
        forward.detach(await connection_of(forwarding).lost)
        assert len(gateway.left) == 3
        gateway.sshd.start()
        async with connect(gateway.bed, "gw") as connection:
            offer = (await offers_on(connection))[PORT]
            leg = await try_leg(connection, PORT, offer, 30)
            assert leg.state == "down"
            await forward.attach(connection)
            assert await try_leg(connection, PORT, offer, 30) == Leg("up")
            assert await ask(forward.bound, b"hello") == b"hello"
            await forward.close()
            assert gateway.left == []


async def test_what_another_one_offers_is_left_alone(gateway: Gateway, echo: Server) -> None:
    gateway.start()
    async with (
        forwarding_to(gateway.bed, "gw") as first,
        forwarding_to(gateway.bed, "gw") as second,
    ):
        forward = await first.open(f"-R offer/{PORT}:localhost:{echo.port}")
        with pytest.raises(Fatal, match=f"{PORT} is offered on gw already") as caught:
            await second.open(f"-R offer/{PORT}:localhost:1")
        assert "as another port" in caught.value.hint
        assert await ask(forward.bound, b"hello") == b"hello"
        assert await leg_of(first) == Leg("up")


async def test_it_goes_with_its_own_files_only(gateway: Gateway, echo: Server) -> None:
    gateway.start()
    async with forwarding_to(gateway.bed, "gw") as forwarding:
        forward = await forwarding.open(f"-R offer/{PORT}:localhost:{echo.port}")
        descriptor = gateway.folder / f"{PORT}.json"
        described = json.loads(descriptor.read_text())
        descriptor.write_text(json.dumps({**described, "offer": "somebody else's"}))
        await forward.close()
        assert len(gateway.left) == 3


@pytest.fixture
async def by_hand(gateway: Gateway) -> AsyncIterator[Forwarding]:
    """A connection to a gateway, beside which ssh alone may offer something."""
    gateway.start()
    gateway.folder.mkdir(mode=0o700)
    async with forwarding_to(gateway.bed, "gw") as forwarding:
        yield forwarding


async def test_what_ssh_alone_offers_is_found_and_left_alone(
    gateway: Gateway, by_hand: Forwarding
) -> None:
    path = gateway.folder / f"{PORT}.sock"
    with serve("echo") as echo:
        line = [
            "ssh",
            "-F",
            str(gateway.bed.config_file),
            "-NT",
            "-R",
            f"{path}:localhost:{echo.port}",
        ]
        with child([*line, "gw"]):
            await asyncio.to_thread(wait_until, path.exists, "ssh's socket")
            assert await found_on(by_hand) == Offer(UnixAddress(str(path)))
            assert await leg_of(by_hand) == Leg("up")
            with pytest.raises(Fatal, match="is offered on gw already"):
                await by_hand.open(f"-R offer/{PORT}:localhost:1")
            echo.close()
            leg = await leg_of(by_hand)
            assert leg.state == "no_application"
    leg = await leg_of(by_hand)
    assert leg.state == "down"
    assert leg.error is not None
    assert "the machine that offers it is away" in leg.error.message


async def test_without_sockets_it_is_a_port_and_says_so(gateway: Gateway, echo: Server) -> None:
    gateway.start("AllowStreamLocalForwarding no")
    with ReservedPort() as port:
        async with forwarding_to(gateway.bed, "gw") as forwarding:
            forward = await forwarding.open(f"-R offer/{port.number}:localhost:{echo.port}")
            assert forward.bound == f"127.0.0.1:{port.number}"
            assert forward.note is not None
            assert "AllowStreamLocalForwarding" in forward.note
            assert "other users of gw can connect" in forward.note
            offer = await found_on(forwarding, port.number)
            assert offer.address == TcpAddress("127.0.0.1", port.number)
            assert offer.beacon is not None
            assert str(offer.beacon).startswith("127.0.0.1:")
            assert await leg_of(forwarding, port.number) == Leg("up")
            for host in ("127.0.0.1", "[::1]"):
                assert await ask(f"{host}:{port.number}", b"hello") == b"hello"
            await forward.close()
            assert listeners_on(port.number) == []


def listeners_on(port: int) -> list[str]:
    """At which loopback addresses anybody listens."""
    found = []
    for host in ("127.0.0.1", "::1"):
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection((host, port)):
            found.append(host)
    return found


@pytest.mark.parametrize("theirs", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("command", ["", "ForceCommand echo no shell here"])
async def test_a_port_of_which_another_user_has_half_is_not_taken(
    gateway: Gateway, echo: Server, theirs: str, command: str
) -> None:
    """Who asks for it by name would reach them, whichever half it is."""
    gateway.start(*filter(None, ["AllowStreamLocalForwarding no", command]))
    with ReservedPort() as port:
        async with forwarding_to(gateway.bed, "gw") as forwarding:
            with neighbour(theirs, port.number):
                with pytest.raises(Fatal, match=f"not listen on port {port.number} for us"):
                    await forwarding.open(f"-R offer/{port.number}:localhost:{echo.port}")
                assert listeners_on(port.number) == [theirs]


async def test_a_gateway_that_runs_no_command_gives_a_port(gateway: Gateway, echo: Server) -> None:
    gateway.start("ForceCommand echo no shell here")
    with ReservedPort() as port:
        async with forwarding_to(gateway.bed, "gw") as forwarding:
            forward = await forwarding.open(f"-R offer/{port.number}:localhost:{echo.port}")
            assert forward.bound == f"127.0.0.1:{port.number}"
            assert forward.note is not None
            assert "gw makes no folder for it" in forward.note
    assert not gateway.folder.exists()


async def test_a_port_that_would_be_public_is_not_taken(gateway: Gateway, echo: Server) -> None:
    gateway.start("AllowStreamLocalForwarding no", "GatewayPorts yes")
    with ReservedPort() as port:
        async with forwarding_to(gateway.bed, "gw") as forwarding:
            with pytest.raises(Fatal, match="listen on all of its interfaces") as caught:
                await forwarding.open(f"-R offer/{port.number}:localhost:{echo.port}")
            assert "GatewayPorts" in caught.value.message
            with pytest.raises(ConnectionRefusedError):
                await ask(f"127.0.0.1:{port.number}", b"")


async def test_a_port_that_was_asked_for_is_an_offer(gateway: Gateway, echo: Server) -> None:
    """Its beacon is a socket all the same."""
    gateway.start()
    with ReservedPort() as port:
        async with forwarding_to(gateway.bed, "gw") as forwarding:
            forward = await forwarding.open(f"-R offer/tcp/{port.number}:localhost:{echo.port}")
            assert forward.bound == f"127.0.0.1:{port.number}"
            assert forward.note == (
                "It is a port of gw’s loopback, to which other users of gw can connect, too, and on"
                " which they can listen when this does not."
            )
            assert gateway.left == [f"{port.number}.beacon", f"{port.number}.json"]
            offer = await found_on(forwarding, port.number)
            assert offer.address == TcpAddress("127.0.0.1", port.number)
            assert offer.beacon == UnixAddress(str(gateway.folder / f"{port.number}.beacon"))
            assert await leg_of(forwarding, port.number) == Leg("up")
            for host in ("127.0.0.1", "[::1]"):
                assert await ask(f"{host}:{port.number}", b"hello") == b"hello"
            await forward.close()
            assert gateway.left == []
            assert listeners_on(port.number) == []
            leg = await try_leg(connection_of(forwarding), port.number, offer, 30)
            assert leg.state == "down"


@pytest.mark.parametrize("kind", ["", "tcp/"])
async def test_a_port_takes_over_what_a_killed_sshd_left(
    gateway: Gateway, echo: Server, kind: str
) -> None:
    gateway.start()
    with ReservedPort() as port:
        async with forwarding_to(gateway.bed, "gw") as forwarding:
            dead = await forwarding.open(f"-R offer/{kind}{port.number}:localhost:1")
            gateway.sshd.kill()
            dead.detach(await connection_of(forwarding).lost)
            assert len(gateway.left) > 1
            gateway.sshd.start()
        async with forwarding_to(gateway.bed, "gw") as forwarding:
            await forwarding.open(f"-R offer/tcp/{port.number}:localhost:{echo.port}")
            assert gateway.left == [f"{port.number}.beacon", f"{port.number}.json"]
            assert await leg_of(forwarding, port.number) == Leg("up")


@pytest.mark.parametrize(("first", "second"), [("", "tcp/"), ("tcp/", "")])
async def test_a_port_and_a_socket_of_one_number_are_one_offer(
    gateway: Gateway, echo: Server, first: str, second: str
) -> None:
    gateway.start()
    with ReservedPort() as port:
        async with (
            forwarding_to(gateway.bed, "gw") as one,
            forwarding_to(gateway.bed, "gw") as other,
        ):
            await one.open(f"-R offer/{first}{port.number}:localhost:{echo.port}")
            with pytest.raises(Fatal, match=f"{port.number} is offered on gw already"):
                await other.open(f"-R offer/{second}{port.number}:localhost:1")
            assert await leg_of(one, port.number) == Leg("up")


async def test_a_port_that_was_asked_for_is_had_where_a_user_has_its_other_half(
    gateway: Gateway, echo: Server
) -> None:
    gateway.start()
    with ReservedPort() as port, neighbour("::1", port.number):
        async with forwarding_to(gateway.bed, "gw") as forwarding:
            forward = await forwarding.open(f"-R offer/tcp/{port.number}:localhost:{echo.port}")
            assert f"(uid {OTHER_UID} at [::1])" in (forward.note or "")
            assert await ask(f"127.0.0.1:{port.number}", b"hello") == b"hello"
            assert await leg_of(forwarding, port.number) == Leg("up")


async def test_a_port_that_was_asked_for_leads_to_no_neighbour(
    gateway: Gateway, echo: Server
) -> None:
    """Who finds it goes to 127.0.0.1."""
    gateway.start()
    with ReservedPort() as port, neighbour("127.0.0.1", port.number):
        async with forwarding_to(gateway.bed, "gw") as forwarding:
            with pytest.raises(Fatal, match="another user") as caught:
                await forwarding.open(f"-R offer/tcp/{port.number}:localhost:{echo.port}")
            assert "It would be a socket there" not in caught.value.hint
            assert gateway.left == []


@pytest.mark.parametrize("sockets", ["yes", "no"])
async def test_a_public_port_that_was_asked_for_says_so(
    gateway: Gateway, echo: Server, sockets: str
) -> None:
    """And it has no public beacon."""
    gateway.start(f"AllowStreamLocalForwarding {sockets}", "GatewayPorts yes")
    with ReservedPort() as port:
        async with forwarding_to(gateway.bed, "gw") as forwarding:
            forward = await forwarding.open(f"-R offer/tcp/{port.number}:localhost:{echo.port}")
            assert forward.bound == f"*:{port.number}"
            assert (forward.note or "").startswith("gw was looked at: it listens on all of its")
            offer = await found_on(forwarding, port.number)
            assert (offer.beacon is not None) == (sockets == "yes")
            assert await leg_of(forwarding, port.number) == Leg("up")


async def test_a_port_without_sockets_has_a_port_for_its_beacon(
    gateway: Gateway, echo: Server
) -> None:
    gateway.start("AllowStreamLocalForwarding no")
    with ReservedPort() as port:
        async with forwarding_to(gateway.bed, "gw") as forwarding:
            await forwarding.open(f"-R offer/tcp/{port.number}:localhost:{echo.port}")
            offer = await found_on(forwarding, port.number)
            assert isinstance(offer.beacon, TcpAddress)
            assert await leg_of(forwarding, port.number) == Leg("up")


async def test_a_port_on_a_gateway_that_runs_no_command_is_not_seen(
    gateway: Gateway, echo: Server
) -> None:
    gateway.start("ForceCommand echo no shell here")
    with ReservedPort() as port:
        async with forwarding_to(gateway.bed, "gw") as forwarding:
            forward = await forwarding.open(f"-R offer/tcp/{port.number}:localhost:{echo.port}")
            assert (forward.note or "").endswith(
                "Those who open it do not see how this side is: gw makes no folder for it."
            )


async def test_a_gateway_that_forwards_nothing_is_named(gateway: Gateway, echo: Server) -> None:
    gateway.start("AllowTcpForwarding no", "AllowStreamLocalForwarding no")
    async with forwarding_to(gateway.bed, "gw") as forwarding:
        with pytest.raises(Fatal) as caught:
            await forwarding.open(f"-R offer/{PORT}:localhost:{echo.port}")
        said = f"{caught.value.message} {caught.value.hint}"
        assert "AllowTcpForwarding" in said
        assert "AllowStreamLocalForwarding" in said


def knocks(port: int, count: int) -> list[bytes]:
    """What so many hear who come to a beacon at once, and stay."""
    with contextlib.ExitStack() as stack:
        come = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(count)
        ]
        for stream in come:
            stream.settimeout(30)
        said = []
        for stream in come:
            with stream.makefile("rb") as reader:
                said.append(reader.read())
        return said


async def test_who_knocks_at_a_beacon_often_costs_little(gateway: Gateway, echo: Server) -> None:
    """Each was a channel until they left, and a connection to the application."""
    gateway.start("AllowStreamLocalForwarding no")
    with ReservedPort() as port:
        async with forwarding_to(gateway.bed, "gw") as forwarding:
            await forwarding.open(f"-R offer/{port.number}:localhost:{echo.port}")
            offer = await found_on(forwarding, port.number)
            assert isinstance(offer.beacon, TcpAddress)
            begun = asyncio.get_running_loop().time()
            said = await asyncio.to_thread(knocks, offer.beacon.port, 200)
            seconds = asyncio.get_running_loop().time() - begun
            assert said.count(Word(offer.name).encode()) >= AT_ONCE
            assert set(said) <= {Word(offer.name).encode(), b""}
            assert echo.accepted <= 2 + seconds
            assert await leg_of(forwarding, port.number) == Leg("up"), "and it goes on to answer"


async def test_a_beacon_lets_go_of_who_stays(gateway: Gateway, echo: Server) -> None:
    gateway.start("AllowStreamLocalForwarding no")
    with ReservedPort() as port:
        async with forwarding_to(gateway.bed, "gw") as forwarding:
            await forwarding.open(f"-R offer/{port.number}:localhost:{echo.port}")
            offer = await found_on(forwarding, port.number)
            assert isinstance(offer.beacon, TcpAddress)
            with contextlib.ExitStack() as stack:
                for _ in range(2 * AT_ONCE):
                    come = stack.enter_context(
                        socket.create_connection(("127.0.0.1", offer.beacon.port))
                    )
                    come.settimeout(30)
                    heard = await asyncio.to_thread(come.recv, 1000)
                    assert heard == Word(offer.name).encode()
