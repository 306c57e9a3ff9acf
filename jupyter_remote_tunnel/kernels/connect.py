"""Attach to a kernel that already runs on a remote host.

`connect` reads the remote connection file over SSH, opens one tunnel with the kernel's five
channels (tcp or ipc there, private Unix sockets here), waits until a kernel answers on each, and
writes a local connection file for `jupyter console --existing` or a `BlockingKernelClient`. The
engine removes that file when the tunnel is closed, and writes it again at a restart if it is gone.
"""

import asyncio
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ..engine import connection_files
from ..engine.client import EngineClient
from ..engine.folders import runtime_dir
from ..engine.messages import Who
from ..model.errors import Fatal
from ..model.forward import ForwardKind, ForwardSpec, PrivateSocket
from ..model.remote_shell import FENCE, RUNTIME_DIR, between_fences, is_folder
from ..model.spec import TunnelRequest
from ..model.status import TunnelStatus
from ..model.text import plain
from .connection_file import CHANNELS, RemoteKernel

# Every ZeroMQ socket greets with a signature of 10 bytes, of which the first is always this one.
_GREETING = b"\xff"
_PATIENCE = 15.0

_SHOWN = 5

# Prints the runtime directory and the newest connection files in it.
_FIND = f"""{RUNTIME_DIR}
printf '{FENCE}%s{FENCE}' "$dir"
cd "$dir" 2>/dev/null && ls -t | grep '^kernel-.*[.]json$' | head -n {_SHOWN}
printf '{FENCE}'
"""


@dataclass(frozen=True)
class ConnectedKernel:
    """A remote kernel that is within reach.

    `connection_file` is the path of the local file, `remote_file` that on the host; `created` is
    False where the tunnel was there already.
    """

    tunnel: TunnelStatus
    connection_file: str
    remote_file: str
    kernel_name: str
    created: bool

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "tunnel": self.tunnel.as_dict(),
            "connection_file": self.connection_file,
            "remote_file": self.remote_file,
            "kernel_name": self.kernel_name,
            "created": self.created,
        }


async def connect(
    client: EngineClient, host: TunnelRequest, file: str, *, person: Who | None = None
) -> ConnectedKernel:
    """Make the kernel of a remote connection file reachable from this machine.

    :param host: the remote host and how to log in to it; no forwards.
    :param file: the file's path there ("~/" is the home directory), or its bare name
        ("kernel-123.json"), which is looked for in the remote Jupyter's runtime directory.
    :param person: who can be asked for what the host wants to know.
    :raises RemoteTunnelError: the host or the file is out of reach, the file is not that of a
        kernel or has no key, or no kernel answers. A tunnel that was opened for it is closed.
    """
    folder = None if "/" in file else await _RuntimeFolder.of(client, host, file, person)
    remote_file = file if folder is None else str(PurePosixPath(folder.path, file))
    where = f"{plain(file)} on {host.host}"
    kernel = RemoteKernel.parse(await _read(client, host, remote_file, folder, person), where)
    request = _request(host, kernel, file)
    tunnel, created = await client.open_tunnel(request, person=person)
    try:
        await _greeted(client, tunnel, where)
        local_file = _write(request, _prefix(tunnel), kernel)
    except BaseException:
        if created:
            await client.close_tunnel(tunnel.id)
        raise
    return ConnectedKernel(tunnel, local_file, remote_file, kernel.kernel_name, created)


def _write(request: TunnelRequest, prefix: str, kernel: RemoteKernel) -> str:
    """The local connection file, for this user alone."""
    assert request.connection_file is not None
    data = json.dumps(kernel.local_fields(prefix), indent=2).encode()
    connection_files.write(Path(request.connection_file), data, Path(prefix).parent)
    return request.connection_file


@dataclass(frozen=True)
class _RuntimeFolder:
    """Where the remote Jupyter keeps connection files, and the names of the `newest`."""

    path: str
    newest: tuple[str, ...]

    @classmethod
    async def of(
        cls, client: EngineClient, host: TunnelRequest, file: str, person: Who | None
    ) -> "_RuntimeFolder":
        """Ask the host; `file` is what was looked for."""
        answer = await client.exec(host, ["sh", "-c", _FIND], person=person)
        parts = between_fences(answer.stdout)
        if len(parts) < 3 or not is_folder(parts[0]):
            raise Fatal(
                f"{host.host} does not tell where its Jupyter keeps connection files.",
                code="not_found",
                hint=f"Give the whole path of {plain(file)};"
                " `jupyter --runtime-dir` there prints it.",
            )
        return cls(parts[0], tuple(map(plain, parts[1].splitlines()[:_SHOWN])))

    @property
    def hint(self) -> str:
        """What to try in place of a file that is not there."""
        if not self.newest:
            return f"There is none in {plain(self.path)} either: does a kernel run on that host?"
        return f"The newest in {plain(self.path)} there: {', '.join(self.newest)}."


async def _read(
    client: EngineClient,
    host: TunnelRequest,
    file: str,
    folder: _RuntimeFolder | None,
    person: Who | None,
) -> bytes:
    """The remote connection file, whose `folder` is known where it was looked for there."""
    try:
        return await client.read_file(host, file, person=person)
    except Fatal as error:
        if error.code != "not_found":
            raise
        if folder is None:
            folder = await _RuntimeFolder.of(client, host, file, person)
        raise Fatal(error.message, code=error.code, hint=folder.hint, hop=error.hop) from None


def _request(host: TunnelRequest, kernel: RemoteKernel, file: str) -> TunnelRequest:
    """One tunnel with a forward for each channel.

    Its sockets and its local file are named after what it leads to, so that connecting again finds
    the same tunnel.
    """
    seed = json.dumps([host.as_dict(), [str(address) for address in kernel.addresses]])
    ident = hashlib.sha256(seed.encode()).hexdigest()[:12]
    forwards = tuple(
        str(ForwardSpec(ForwardKind.LOCAL, PrivateSocket(f"kernel-{ident}-{number}"), address))
        for number, address in enumerate(kernel.addresses, 1)
    )
    stem = PurePosixPath(file).name.removesuffix(".json")
    login = host.host if host.ssh.user is None else f"{host.ssh.user}@{host.host}"
    return replace(
        host,
        forwards=forwards,
        name=plain(f"{login}:{stem}", 100),
        kind="kernel",
        connection_file=str(runtime_dir() / f"kernel-jrt-{ident}.json"),
    )


def _prefix(tunnel: TunnelStatus) -> str:
    """What the paths of the five sockets have in common; behind it stand -1 to -5."""
    bound = [forward.bound or "" for forward in tunnel.forwards]
    prefix = bound[0].removesuffix("-1")
    if bound != [f"{prefix}-{number}" for number in range(1, len(CHANNELS) + 1)]:
        raise Fatal(f"The sockets of {tunnel.name} have unexpected names.", code="internal")
    return prefix


async def _greeted(client: EngineClient, tunnel: TunnelStatus, where: str) -> None:
    """Return when a kernel answers on every channel.

    :raises Fatal: it does not: a kernel that has ended leaves its connection file behind.
    """
    async with asyncio.TaskGroup() as group:
        greetings = [
            group.create_task(_greets(forward.bound or ""), name=f"greeting of {channel}")
            for channel, forward in zip(CHANNELS, tunnel.forwards, strict=True)
        ]
    if not all(task.result() for task in greetings):
        raise Fatal(
            f"No kernel answers for {where}{await _reason(client, tunnel)}",
            code="not_found",
            hint="Does it still run? A kernel that was killed leaves its connection file behind.",
        )


async def _greets(path: str) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                return await reader.read(1) == _GREETING
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def _reason(client: EngineClient, tunnel: TunnelStatus) -> str:
    """How the engine explains it, as the end of a sentence."""
    status = await client.get_tunnel(tunnel.id)
    errors = [forward.error for forward in status.forwards]
    for error in (*errors, status.error):
        if error is not None:
            return f": {plain(error.message, 300)}"
    return "."
