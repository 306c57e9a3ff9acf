"""Listening sockets on this machine: who may have them, and what is never replaced."""

import os
import socket
import stat
from pathlib import Path

import pytest

from jupyter_remote_tunnel.model.address import TcpAddress, UnixAddress
from jupyter_remote_tunnel.model.errors import BadInput, Fatal
from jupyter_remote_tunnel.model.forward import TcpBind
from jupyter_remote_tunnel.ssh import listeners
from jupyter_remote_tunnel.ssh.listeners import Listeners, bind_private, bind_tcp, bind_unix
from tests.support.echo import serve
from tests.support.other_uid import as_other_user, other_users_python, squatter
from tests.support.process import child

# Listens under a name of its own choice.
_NAMED = r"""
import signal, socket
with open("/proc/self/comm", "wb") as file:
    file.write(b"\xff\x1b[2J\n[C Run")
opened = socket.create_server(("127.0.0.1", 0))
print("listens on", opened.getsockname()[1], flush=True)
signal.pause()
"""


async def tcp(host: str | None, port: int = 0, *, pick: bool = False) -> Listeners:
    return await bind_tcp(TcpBind(host, port), pick=pick, allow_public=False)


def names(found: Listeners) -> set[tuple[str, int]]:
    return {opened.getsockname()[:2] for opened in found.sockets}


@pytest.mark.parametrize("host", [None, "localhost"])
async def test_loopback_is_both_addresses_on_one_port(host: str | None) -> None:
    found = await tcp(host)
    assert isinstance(found.address, TcpAddress)
    port = found.address.port
    assert names(found) == {("127.0.0.1", port), ("::1", port)}
    assert not found.public
    await found.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "127.0.0.2"])
async def test_one_address(host: str) -> None:
    found = await tcp(host)
    assert {name for name, _ in names(found)} == {host}
    await found.close()


async def test_a_free_port_is_free_on_both_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A neighbour on [::1] must not be given what is meant for us."""
    with squatter("::1") as (_, theirs):
        real_bind = listeners._bind
        wanted = [theirs]

        def bind(address: str, port: int, *, optional: bool) -> socket.socket | None:
            return real_bind(address, port or (wanted.pop() if wanted else 0), optional=optional)

        monkeypatch.setattr(listeners, "_bind", bind)
        found = await tcp(None)
        assert not wanted
        assert len(found.sockets) == 2
        assert theirs not in {port for _, port in names(found)}
        await found.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_busy_port_is_refused_and_its_holder_named(host: str) -> None:
    with serve("echo", host=host) as neighbour:
        with pytest.raises(Fatal, match=f"Port {neighbour.port}.*process {os.getpid()}") as caught:
            await tcp(None, neighbour.port)
        assert caught.value.code == "port_in_use"
        found = await tcp(None, neighbour.port, pick=True)
        assert neighbour.port not in {port for _, port in names(found)}
        await found.close()


@pytest.mark.parametrize("host", ["", "*", "0.0.0.0", "::"])
async def test_all_interfaces_only_if_allowed(host: str) -> None:
    with pytest.raises(Fatal, match="other machines") as caught:
        await tcp(host)
    assert caught.value.code == "not_allowed"
    found = await bind_tcp(TcpBind(host, 0), pick=False, allow_public=True)
    assert found.public
    await found.close()


async def test_addresses_that_are_not_ours() -> None:
    with pytest.raises(BadInput, match="not an address of this machine"):
        await bind_tcp(TcpBind("203.0.113.7", 0), pick=False, allow_public=True)
    with pytest.raises(BadInput, match="not known"):
        await tcp("no-such-host.invalid")


async def test_a_unix_socket_is_ours_from_the_first_moment(short_dir: Path) -> None:
    before = os.umask(0)
    try:
        found = bind_unix(str(short_dir / "s"))
    finally:
        assert os.umask(before) == 0
    assert stat.S_IMODE((short_dir / "s").stat().st_mode) == 0o600
    await found.close()
    assert not (short_dir / "s").exists()


async def test_who_has_a_port_is_named_in_plain_text() -> None:
    """And is not taken for an engine of ours because it says so."""
    argv = as_other_user(other_users_python(_NAMED, "jupyter_remote_tunnel.engine"))
    with child(argv) as running:
        port = int(running.wait_for_line(r"listens on (\d+)")[1])
        with pytest.raises(Fatal) as caught:
            await tcp("127.0.0.1", port)
    message = caught.value.message
    assert message.isprintable(), message
    assert message.endswith(f"[C Run (process {running.pid})."), message
    message.encode()


async def test_a_live_unix_socket_is_not_replaced(short_dir: Path) -> None:
    found = bind_unix(str(short_dir / "s"))
    with pytest.raises(Fatal, match="Another process listens") as caught:
        bind_unix(str(short_dir / "s"))
    assert caught.value.code == "port_in_use"
    assert (short_dir / "s").exists()
    await found.close()


async def test_a_dead_unix_socket_is_replaced(short_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(short_dir / "s"))
    await bind_unix(str(short_dir / "s")).close()


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_other_files_are_not_replaced(short_dir: Path, kind: str) -> None:
    path = short_dir / "s"
    if kind == "file":
        path.write_text("precious")
    elif kind == "link":
        path.symlink_to("/nowhere")
    else:
        path.mkdir()
    with pytest.raises(Fatal, match="not a socket of yours") as caught:
        bind_unix(str(path))
    assert caught.value.code == "conflict"
    assert path.is_symlink() or path.exists()


async def test_a_socket_that_took_our_place_is_left_alone(short_dir: Path) -> None:
    found = bind_unix(str(short_dir / "s"))
    (short_dir / "s").unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(short_dir / "s"))
        await found.close()
        assert (short_dir / "s").exists()


def test_a_directory_that_is_not_there(short_dir: Path) -> None:
    with pytest.raises(Fatal, match="cannot be made") as caught:
        bind_unix(str(short_dir / "missing" / "s"))
    assert caught.value.code == "not_allowed"


async def test_private_sockets_have_names_of_their_own(short_dir: Path) -> None:
    first, second = bind_private(short_dir, None), bind_private(short_dir, None)
    named = bind_private(short_dir, "app-1")
    assert named.address == UnixAddress(str(short_dir / "app-1"))
    assert len({found.address for found in (first, second, named)}) == 3
    for found in (first, second, named):
        await found.close()
    assert list(short_dir.iterdir()) == []
