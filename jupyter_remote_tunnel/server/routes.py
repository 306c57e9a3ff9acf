"""The routes of the REST interface, under `{base_url}remote-tunnel/api/`.

A tunnel is named by its id or its name. What only asks starts no engine: without one there are no
tunnels.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..model.errors import BadInput
from .handlers import Handler, operation

if TYPE_CHECKING:
    from .bodies import ApplicationRequest, KernelRequest, TunnelRequest

PREFIX = "remote-tunnel/api/"
MAX_DRAIN = 600.0


class Tunnels(Handler):
    """`tunnels`"""

    @operation("read", result="TunnelList")
    async def get(self) -> dict[str, Any]:
        """List the tunnels."""
        return {"tunnels": await self.all_tunnels()}

    @operation("execute", body="TunnelRequest", result="OpenedTunnel", creates=True)
    async def post(self, request: "TunnelRequest") -> dict[str, Any]:
        """Open a tunnel, or find the one that does the same."""
        if request.connection_file is not None:
            raise BadInput(
                "The body: “connection_file” cannot be chosen.", hint="Use POST kernels."
            )
        client = await self.engine.client()
        opened = await client.call("tunnels.open", {"request": request.as_dict()})
        self.set_created(opened["created"])
        return opened


class Tunnel(Handler):
    """`tunnels/{tunnel}`"""

    @operation("read", result="OneTunnel")
    async def get(self, tunnel: str) -> dict[str, Any]:
        """Show one tunnel."""
        return await self.ask_about("tunnels.get", tunnel)

    @operation("write", result="OneTunnel")
    async def delete(self, tunnel: str) -> dict[str, Any]:
        """Close a tunnel, or dismiss a failed one; `drain` gives its streams that many seconds."""
        return await self.ask_about("tunnels.close", tunnel, drain=self._drain())

    def _drain(self) -> float:
        text = self.get_query_argument("drain", "0")
        try:
            drain = float(text)
        except ValueError:
            drain = -1.0
        if not 0.0 <= drain <= MAX_DRAIN:
            raise BadInput(f"“drain” is a number of seconds from 0 to {MAX_DRAIN:g}.")
        return drain


class Restart(Handler):
    """`tunnels/{tunnel}/restart`"""

    @operation("write", result="OneTunnel")
    async def post(self, tunnel: str) -> dict[str, Any]:
        """Open the forwards of a tunnel again, and its connection if that is not open."""
        return await self.ask_about("tunnels.restart", tunnel)


class Hosts(Handler):
    """`hosts`"""

    @operation("read", result="HostList")
    async def get(self) -> dict[str, Any]:
        """List the hosts that have tunnels."""
        if self.engine.asleep:
            return {"hosts": []}
        return await (await self.engine.client()).call("hosts.list")


class Apps(Handler):
    """`apps`"""

    @operation("read", result="ApplicationList")
    async def get(self) -> dict[str, Any]:
        """List the applications of all tunnels."""
        from ..apps.applications import applications
        from .bodies import ApplicationList, OfferedViews, TunnelStatus

        tunnels = map(TunnelStatus.from_dict, await self.all_tunnels())
        found = [app for tunnel in tunnels for app in applications(tunnel, self.base_url)]
        offer = self.views.offer(self.request)
        return asdict(ApplicationList(tuple(found), OfferedViews(**offer)))

    @operation("execute", body="ApplicationRequest", result="Application", creates=True)
    async def post(self, wanted: "ApplicationRequest") -> dict[str, Any]:
        """Open an application over a private socket, or find the one that is open."""
        from ..apps.applications import applications, open_application

        tunnel, created = await open_application(await self.engine.client(), wanted)
        self.set_created(created)
        return asdict(applications(tunnel, self.base_url)[0])


class Kernels(Handler):
    """`kernels`"""

    @operation("read", result="KernelList")
    async def get(self) -> dict[str, Any]:
        """List the tunnels to remote kernels."""
        tunnels = await self.all_tunnels()
        return {"kernels": [tunnel for tunnel in tunnels if tunnel["kind"] == "kernel"]}

    @operation("execute", body="KernelRequest", result="ConnectedKernel", creates=True)
    async def post(self, wanted: "KernelRequest") -> dict[str, Any]:
        """Make a remote kernel reachable by a connection file on this machine."""
        from ..kernels.connect import connect
        from .bodies import TunnelRequest

        host = TunnelRequest(host=wanted.host, ssh=wanted.ssh)
        kernel = await connect(await self.engine.client(), host, wanted.file)
        self.set_created(kernel.created)
        return kernel.as_dict()


ROUTES: dict[str, type[Handler]] = {
    "tunnels": Tunnels,
    "tunnels/{tunnel}": Tunnel,
    "tunnels/{tunnel}/restart": Restart,
    "hosts": Hosts,
    "apps": Apps,
    "kernels": Kernels,
}
