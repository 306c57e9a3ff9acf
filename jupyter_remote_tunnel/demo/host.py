"""The demo's remote host: an SSH server on loopback that accepts one key, made for the run.

It does what a tunnel needs of an sshd: commands, forwards of TCP ports and Unix sockets in both
directions. `DemoHost` is an async context manager; it writes its keys, a known_hosts file and an
ssh_config with the alias `demo-host` into the folder that it is given.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any, Self

import asyncssh

ALIAS = "demo-host"
_CHUNK = 64 * 1024
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class DemoHost:
    """The SSH server. `ssh_config` is the file that knows it as `demo-host`, and `words` are what
    one types to reach it: that alias, or options where no OpenSSH is there to read the file.

    :param folder: a private directory; keys and configuration are written there.
    :param environ: what commands on the host are given besides HOME.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.environ = {**environ, "HOME": str(self.home)}
        self.ssh_config = folder / "config"
        self._identity = folder / "id_ed25519"
        self._known_hosts = folder / "known_hosts"
        self.port = 0
        self._commands: set[asyncio.subprocess.Process] = set()
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._acceptor: asyncssh.SSHAcceptor | None = None

    async def __aenter__(self) -> Self:
        self.home.mkdir(parents=True)
        host_key = asyncssh.generate_private_key("ssh-ed25519")
        user_key = asyncssh.generate_private_key("ssh-ed25519")
        self._acceptor = await asyncssh.create_server(
            lambda: _Policy(self._connections),
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            authorized_client_keys=asyncssh.import_authorized_keys(
                user_key.export_public_key().decode()
            ),
            password_auth=False,
            kbdint_auth=False,
            gss_host=None,
            process_factory=self._run,
            encoding=None,
            allow_pty=False,
            agent_forwarding=False,
            x11_forwarding=False,
        )
        self.port = self._acceptor.get_port()
        self._write_files(host_key, user_key)
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._acceptor is not None
        self._acceptor.close()
        await self._acceptor.wait_closed()
        for command in tuple(self._commands):
            _kill(command)
            await command.wait()
        for connection in tuple(self._connections):
            connection.close()
            await connection.wait_closed()

    @property
    def words(self) -> tuple[str, ...]:
        """The words of ssh that lead to this host, its name last."""
        if shutil.which("ssh") is not None:
            return (ALIAS,)
        options = (
            "HostName=127.0.0.1",
            f"HostKeyAlias={ALIAS}",
            f"UserKnownHostsFile={self._known_hosts}",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
        )
        login = ("-p", str(self.port), "-l", "demo", "-i", str(self._identity))
        return (*login, *(word for option in options for word in ("-o", option)), ALIAS)

    def _write_files(self, host_key: asyncssh.SSHKey, user_key: asyncssh.SSHKey) -> None:
        _write(self._identity, user_key.export_private_key().decode())
        _write(self._known_hosts, f"{ALIAS} {host_key.export_public_key().decode()}")
        _write(
            self.ssh_config,
            f"""\
Host {ALIAS}
    HostName 127.0.0.1
    Port {self.port}
    User demo
    HostKeyAlias {ALIAS}
    IdentityFile "{self._identity}"
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile "{self._known_hosts}"
    GlobalKnownHostsFile none
    StrictHostKeyChecking yes
""",
        )

    async def _run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Run one command as sshd would: by a shell, in the home directory."""
        if process.command is None:
            process.stderr.write(b"This host of the demo runs commands, and has no terminal.\n")
            process.exit(1)
            return
        command = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            process.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.home,
            env=self.environ,
            start_new_session=True,
        )
        self._commands.add(command)
        try:
            process.exit(_status(await _relay(process, command)))
        finally:
            _kill(command)
            self._commands.discard(command)


async def _relay(
    process: asyncssh.SSHServerProcess[bytes], command: asyncio.subprocess.Process
) -> int:
    """Pass all three streams until the command has ended, and return how."""
    assert command.stdin is not None
    assert command.stdout is not None
    assert command.stderr is not None
    loop = asyncio.get_running_loop()
    to_command = loop.create_task(_feed(process.stdin, command.stdin), name="stdin of a command")
    try:
        async with asyncio.TaskGroup() as group:
            for name, source, sink in (
                ("stdout", command.stdout, process.stdout),
                ("stderr", command.stderr, process.stderr),
            ):
                group.create_task(_drain(source, sink), name=f"{name} of a command")
        return await command.wait()
    finally:
        to_command.cancel()
        await asyncio.wait([to_command])


async def _feed(source: asyncssh.SSHReader[bytes], sink: asyncio.StreamWriter) -> None:
    # A command that does not read its input is none of our business.
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
    sink.close()


async def _drain(source: asyncio.StreamReader, sink: asyncssh.SSHWriter[bytes]) -> None:
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()


def _status(returncode: int) -> int:
    """An exit status as a shell tells it: 128 + n for a signal n."""
    return returncode if returncode >= 0 else 128 - returncode


class _Policy(asyncssh.SSHServer):
    """What a client that has the key may ask for. Listeners stay on loopback."""

    def __init__(self, connections: set[asyncssh.SSHServerConnection]) -> None:
        self._connections = connections

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncssh's name)
        self._connections.discard(self._connection)

    def connection_requested(
        self, dest_host: str, dest_port: int, _orig_host: str, _orig_port: int
    ) -> Awaitable[asyncssh.SSHTCPSession[bytes]]:
        return _connected(self._connection.forward_connection(dest_host, dest_port))

    def unix_connection_requested(
        self, dest_path: str
    ) -> Awaitable[asyncssh.SSHUNIXSession[bytes]]:
        return _connected(self._connection.forward_unix_connection(dest_path))

    def server_requested(self, listen_host: str, _listen_port: int) -> bool:
        return listen_host in _LOOPBACK

    def unix_server_requested(self, _listen_path: str) -> bool:
        return True


async def _connected(connecting: Awaitable[Any]) -> Any:
    """The forwarder, or a refusal in the words of the system, as sshd sends them."""
    try:
        return await connecting
    except asyncssh.ChannelOpenError as error:
        numbers = re.findall(r"\[Errno (\d+)\]", error.reason)
        # A name that is not found has a number of its own kind.
        reason = os.strerror(int(numbers[-1])) if numbers else error.reason.rpartition("] ")[2]
        raise asyncssh.ChannelOpenError(error.code, reason) from None


def _kill(command: asyncio.subprocess.Process) -> None:
    """End the command and what it started, if it still runs."""
    if command.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(command.pid, signal.SIGKILL)


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def commands_environ(environ: Mapping[str, str], runtime_dir: Path) -> dict[str, str]:
    """The environment of the host's commands: this Python's programs, and a Jupyter of its own."""
    scripts = str(Path(sys.executable).parent)
    return {
        "PATH": os.pathsep.join([scripts, environ.get("PATH", os.defpath)]),
        "LANG": environ.get("LANG", "C.UTF-8"),
        "JUPYTER_RUNTIME_DIR": str(runtime_dir),
    }
