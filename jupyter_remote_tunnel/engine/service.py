"""What the engine does when it is asked: each method of `messages.METHODS`, on the manager.
 `Service.call` takes checked params and gives back the result's JSON. Changes of tunnels go out as
events to every subscriber; the wanted set goes to holders.
"""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar

from .. import __version__
from ..model.address import parse_port
from ..model.command_line import command_line, spec_of
from ..model.errors import BadInput, Transient
from ..model.forward import ForwardKind, ForwardSpec, TcpBind
from ..model.settings import EngineSettings
from ..model.spec import TunnelRequest, TunnelSpec, check_id
from ..model.text import plain
from ..ssh.connection import Connection
from ..tunnels.manager import Manager, Wanted
from ..tunnels.tunnel import Tunnel
from . import connection_files, messages
from .messages import Client

T = TypeVar("T")


class Subscriber(Protocol):
    """A client that hears events. `client` is what it said of itself in `hello`."""

    client: Client

    def event(self, name: str, data: dict[str, Any], key: str) -> None:
        """Send an event. A newer one of the same `name` and `key` replaces one not yet sent."""


class Service:
    """The engine's methods."""

    def __init__(self, settings: EngineSettings, private_dir: Path, pid: int) -> None:
        self._private_dir = private_dir
        self._pid = pid
        self._subscribers: set[Subscriber] = set()
        self._manager = Manager(settings, private_dir, self)
        self._wanted_told: list[dict[str, Any]] = []
        self._methods: dict[str, Callable[..., Any]] = {
            "hello": self._hello,
            "ping": self._ping,
            "tunnels.list": self._list,
            "tunnels.open": self._open,
            "tunnels.get": self._get,
            "tunnels.close": self._close,
            "tunnels.restart": self._restart,
            "hosts.list": self._hosts,
            "exec": self._exec,
            "read_file": self._read_file,
            "holder.restore": self._restore,
        }

    def subscribe(self, subscriber: Subscriber) -> None:
        """Send it every event from now on."""
        self._subscribers.add(subscriber)
        if subscriber.client == "holder":
            subscriber.event("wanted", {"tunnels": self._wanted()}, "")
        self._tell_clients()

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Send it nothing more."""
        self._subscribers.discard(subscriber)
        self._tell_clients()

    async def call(self, method: str, params: Any, client: Client) -> dict[str, Any]:
        """Do what is asked.

        :param params: an instance of the method's params class.
        :param client: who asks, as in `hello`.
        :returns: the JSON of the method's result class.
        :raises RemoteTunnelError: why not.
        """
        result = await self._methods[method](params, client)
        return asdict(result)

    async def close(self) -> None:
        """Close every tunnel."""
        await self._manager.close_all()

    # The methods.

    async def _hello(self, params: messages.Hello, _client: Client) -> messages.Welcome:
        if params.version != __version__:
            raise BadInput(
                f"The engine is version {__version__}, this client {plain(params.version, 40)}.",
                hint="Restart the Jupyter server, or the kernel, so that both are of one version.",
            )
        return messages.Welcome(__version__, self._pid, str(self._private_dir))

    async def _ping(self, _params: messages.Empty, _client: Client) -> messages.Empty:
        return messages.Empty()

    async def _list(self, _params: messages.Empty, _client: Client) -> messages.TunnelList:
        return messages.TunnelList(tuple(t.status() for t in self._manager.tunnels))

    async def _open(self, params: messages.OpenTunnel, client: Client) -> messages.OpenedTunnel:
        spec = spec_of(params.request)
        tunnel, created = await self._manager.open(
            spec,
            params.source,
            from_shell=client == "shell",
            # A shell and a cell have shown why; in the sidebar the row tells.
            keep_failed=client == "server",
            tunnel_id=None if params.request.id is None else check_id(params.request.id),
        )
        return messages.OpenedTunnel(tunnel.status(), created, command_line(tunnel.spec))

    async def _get(self, params: messages.NamedTunnel, _client: Client) -> messages.OneTunnel:
        return messages.OneTunnel(self._manager.get(params.tunnel).status())

    async def _close(self, params: messages.CloseTunnel, _client: Client) -> messages.OneTunnel:
        tunnel = await self._manager.close(params.tunnel, params.drain)
        return messages.OneTunnel(tunnel.status())

    async def _restart(self, params: messages.NamedTunnel, _client: Client) -> messages.OneTunnel:
        tunnel = await self._manager.restart(params.tunnel)
        if tunnel.spec.connection_file is not None:
            connection_files.renew(Path(tunnel.spec.connection_file), self._private_dir)
        return messages.OneTunnel(tunnel.status())

    async def _hosts(self, _params: messages.Empty, _client: Client) -> messages.HostList:
        hosts: dict[str, list[str]] = {}
        for tunnel in self._manager.tunnels:
            hosts.setdefault(tunnel.spec.login, []).append(tunnel.id)
        return messages.HostList(tuple(messages.Host(h, tuple(ids)) for h, ids in hosts.items()))

    async def _exec(self, params: messages.Exec, client: Client) -> messages.ExecResult:
        try:
            stdin = base64.b64decode(params.stdin, validate=True)
        except binascii.Error:
            raise BadInput("exec: stdin is not base64.") from None
        if not params.argv or not 0 < params.timeout <= 600:
            raise BadInput("exec: argv is empty, or timeout is not between 0 and 600 seconds.")

        async def run(connection: Connection) -> messages.ExecResult:
            try:
                async with asyncio.timeout(params.timeout):
                    done = await connection.exec(params.argv, stdin)
            except TimeoutError:
                raise Transient(
                    f"The command on {params.request.host} took over {params.timeout:g} s.",
                    code="connect_timeout",
                ) from None
            return messages.ExecResult(done.status, _base64(done.stdout), _base64(done.stderr))

        return await self._on_host(params.request, client, run)

    async def _read_file(self, params: messages.ReadFile, client: Client) -> messages.FileContent:
        async def read(connection: Connection) -> messages.FileContent:
            return messages.FileContent(_base64(await connection.read_file(params.path)))

        return await self._on_host(params.request, client, read)

    async def _on_host(
        self, request: TunnelRequest, client: Client, job: Callable[[Connection], Awaitable[T]]
    ) -> T:
        return await self._manager.on_host(_host_spec(request), job, from_shell=client == "shell")

    async def _restore(self, params: messages.Restore, client: Client) -> messages.TunnelList:
        self._manager.restore([_wanted(entry) for entry in params.tunnels])
        return await self._list(messages.Empty(), client)

    # What the manager tells (tunnels.manager.Listener).

    def tunnel_changed(self, tunnel: Tunnel) -> None:
        self._tell("tunnel", tunnel.status().as_dict(), tunnel.id)
        self._tell_wanted()

    def tunnel_removed(self, tunnel: Tunnel) -> None:
        if tunnel.spec.connection_file is not None:
            connection_files.forget(Path(tunnel.spec.connection_file), self._private_dir)
        self._tell("removed", {"tunnel": tunnel.id}, tunnel.id)
        self._tell_wanted()

    def _tell(self, name: str, data: dict[str, Any], key: str) -> None:
        for subscriber in self._subscribers:
            subscriber.event(name, data, key)

    def _tell_wanted(self) -> None:
        wanted = self._wanted()
        if wanted == self._wanted_told:
            return
        self._wanted_told = wanted
        self._tell_holder("wanted", {"tunnels": wanted})

    def _tell_clients(self) -> None:
        count = sum(subscriber.client != "holder" for subscriber in self._subscribers)
        self._tell_holder("clients", {"count": count})

    def _tell_holder(self, name: str, data: dict[str, Any]) -> None:
        for subscriber in self._subscribers:
            if subscriber.client == "holder":
                subscriber.event(name, data, "")

    def _wanted(self) -> list[dict[str, Any]]:
        return [
            {
                "id": entry.id,
                "request": entry.spec.request_dict,
                "source": entry.source,
                "bound": entry.bound,
                "opened": entry.opened,
            }
            for entry in self._manager.wanted()
        ]


def _host_spec(request: TunnelRequest) -> TunnelSpec:
    """The spec of a host alone: a forward that nobody opens stands in for the missing ones."""
    if request.command is not None or request.forwards:
        raise BadInput("Only a host and options of ssh belong here, no forwards.")
    unused = ForwardSpec(ForwardKind.DYNAMIC, TcpBind(None, 0), None)
    return TunnelSpec.make(request.host or "", (unused,), ssh=request.ssh)


def _wanted(entry: messages.WantedTunnel) -> Wanted:
    """The same, checked: it may come from a file that somebody edited."""
    spec = spec_of(entry.request)
    for forward, bound in zip(spec.forwards, entry.bound, strict=False):
        if bound is not None and isinstance(forward.bind, TcpBind):
            host, _, port = bound.rpartition(":")
            parse_port(port, bound, len(host) + 1, zero=True)
    return Wanted(check_id(entry.id), spec, entry.source, entry.bound, entry.opened)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
