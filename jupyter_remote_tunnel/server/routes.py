"""The routes of the REST interface, under `{base_url}remote-tunnel/api/`.

A tunnel is named by its id or its name. What only asks starts no engine: without one there are no
tunnels, and no questions; the aliases of the ssh configuration are read here then.

What a host wants to know is asked of the login whose request needs it, which goes on when that
login has answered.
"""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ..model.errors import BadInput, Fatal, RemoteTunnelError
from .handlers import Handler, operation
from .publish_routes import PUBLISH_ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..apps.jupyter_files import FoundJupyter
    from ..model.diagnosis import Diagnosis, Step
    from ..model.status import TunnelStatus
    from .bodies import (
        ApplicationRequest,
        DoctorRequest,
        JupyterHost,
        JupyterPassword,
        JupyterRequest,
        JupyterStart,
        JupyterStop,
        KernelRequest,
        PromptAnswer,
        TunnelRequest,
    )

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
        if request.keeper is not None:
            raise BadInput("The body: “keeper” cannot be chosen.", hint="Use POST jupyters.")
        if request.proxy_protocol:
            raise BadInput("The body: “proxy_protocol” cannot be chosen.", hint="Use POST publish.")
        if self.is_outside:
            await self._refuse_way_in(request)
        client = await self.engine.client()
        params = {"request": request.as_dict(), "person": self.who()}
        opened = await client.call("tunnels.open", params)
        self.set_created(opened["created"])
        return opened

    async def _refuse_way_in(self, request: "TunnelRequest") -> None:
        """:raises Fatal: `not_allowed`, it is another way from outside to this Jupyter."""
        from ..model.command_line import spec_of

        settings = await self.engine.settings()
        if any(map(settings.reaches_own_server, spec_of(request).forwards)):
            self.refuse_outside()


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
        return await self.ask_about("tunnels.restart", tunnel, person=self.who())


class Hosts(Handler):
    """`hosts`"""

    @operation("read", result="HostList")
    async def get(self) -> dict[str, Any]:
        """List the aliases of the ssh configuration, and the other hosts that have tunnels."""
        if self.engine.asleep:
            from ..engine.hosts import list_hosts

            settings = await self.engine.settings()
            return asdict(await list_hosts(settings.ssh_config, allowed=settings.allowed_hosts))
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
        offer = self.views.offer(self)
        return asdict(ApplicationList(tuple(found), OfferedViews(**offer)))

    @operation("execute", body="ApplicationRequest", result="Application", creates=True)
    async def post(self, wanted: "ApplicationRequest") -> dict[str, Any]:
        """Open an application over a private socket, or find the one that is open."""
        from ..apps.applications import applications, open_application
        from .bodies import Who

        client = await self.engine.client()
        tunnel, created = await open_application(client, wanted, person=Who(**self.who()))
        self.set_created(created)
        return asdict(applications(tunnel, self.base_url)[0])


class Jupyters(Handler):
    """`jupyters`"""

    @operation("execute", body="JupyterRequest", result="OpenedJupyter", creates=True)
    async def post(self, wanted: "JupyterRequest") -> dict[str, Any]:
        """Open a Jupyter server that runs on a host, over a private socket or at a port here, or
        find the one that is open. Its token stays on the servers: the view tells it."""
        from ..apps.jupyters import find, open_jupyter, port_here
        from .bodies import TunnelRequest, Who

        host, person = TunnelRequest(host=wanted.host, ssh=wanted.ssh), Who(**self.who())
        client = await self.engine.client()
        found = (await find(client, host, person=person)).choose(wanted.destination)
        port = wanted.local_port
        bind = None if port is None else port_here(host, found, port)
        tunnel, created = await open_jupyter(
            client, host, found, name=wanted.name, bind=bind, person=person
        )
        self.engine.let_in(tunnel.id, found)
        self.set_created(created)
        return _opened(tunnel, found, self.base_url)


class JupytersOf(Handler):
    """`jupyters/list`"""

    @operation("execute", body="JupyterHost", result="JupyterList")
    async def post(self, wanted: "JupyterHost") -> dict[str, Any]:
        """Ask a host which Jupyter servers of the user run there."""
        from ..apps.jupyters import find
        from .bodies import ErrorStatus, JupyterList, TunnelRequest, Who

        host = TunnelRequest(host=wanted.host, ssh=wanted.ssh)
        client = await self.engine.client()
        found = await find(client, host, person=Who(**self.who()))
        problems = tuple(map(ErrorStatus.of, found.problems))
        return asdict(JupyterList(found.servers, problems))


class JupyterStarts(Handler):
    """`jupyters/start`"""

    @operation("execute", body="JupyterStart", result="OpenedJupyter", creates=True)
    async def post(self, wanted: "JupyterStart") -> dict[str, Any]:
        """Start a Jupyter server on a host and open it, or open the one that runs there."""
        from ..apps.jupyter_start import Start, start_jupyter
        from ..apps.jupyters import port_here
        from .bodies import TunnelRequest, Who

        host, person = TunnelRequest(host=wanted.host, ssh=wanted.ssh), Who(**self.who())
        start = Start(wanted.keep, wanted.folder, wanted.tcp, wanted.prelude)
        port = wanted.local_port
        bind = None if port is None else lambda found: port_here(host, found, port)
        client = await self.engine.client()
        tunnel, _, found, started = await start_jupyter(
            client, host, start, name=wanted.name, bind=bind, person=person
        )
        self.engine.let_in(tunnel.id, found)
        self.set_created(started)
        return _opened(tunnel, found, self.base_url)


def _opened(tunnel: "TunnelStatus", found: "FoundJupyter", base_url: str) -> dict[str, Any]:
    """An `OpenedJupyter`, as plain JSON."""
    from ..apps.applications import applications
    from ..apps.jupyters import url_here
    from .bodies import OpenedJupyter

    forward = tunnel.forwards[0]
    has_none = forward.bound is None or forward.asked == "private"
    address = None if has_none else url_here(tunnel, found)
    app = asdict(applications(tunnel, base_url)[0])
    return asdict(OpenedJupyter(**app, protection=found.server.protection, address=address))


class JupyterStops(Handler):
    """`jupyters/stop`"""

    @operation("execute", body="JupyterStop", result="JupyterStopped")
    async def post(self, wanted: "JupyterStop") -> dict[str, Any]:
        """End a Jupyter server that runs on a host, and close the tunnels that lead to it."""
        from ..apps.jupyter_start import stop_jupyter
        from .bodies import JupyterStopped, TunnelRequest, Who

        host, person = TunnelRequest(host=wanted.host, ssh=wanted.ssh), Who(**self.who())
        client = await self.engine.client()
        found, closed = await stop_jupyter(client, host, wanted.destination, person=person)
        return asdict(JupyterStopped(found.server, tuple(closed)))


class JupyterPasswords(Handler):
    """`jupyters/password`"""

    @operation("execute", body="JupyterPassword", result="JupyterPasswordSet")
    async def post(self, wanted: "JupyterPassword") -> dict[str, Any]:
        """Set the password of the Jupyter servers that are started on a host from now on, by
        Jupyter's own tool there."""
        from ..apps.jupyter_password import set_password
        from .bodies import JupyterPasswordSet, TunnelRequest, Who

        self.refuse_outside()  # the host may be this machine by another name
        host, person = TunnelRequest(host=wanted.host, ssh=wanted.ssh), Who(**self.who())
        client = await self.engine.client()
        done = await set_password(client, host, wanted.password, person=person)
        return asdict(JupyterPasswordSet(tuple(done.tools), tuple(done.others)))


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
        from .bodies import TunnelRequest, Who

        host = TunnelRequest(host=wanted.host, ssh=wanted.ssh)
        client = await self.engine.client()
        kernel = await connect(client, host, wanted.file, person=Who(**self.who()))
        self.set_created(kernel.created)
        return kernel.as_dict()


class Doctor(Handler):
    """`doctor`"""

    _walk: "asyncio.Task[Diagnosis] | None" = None

    @operation("execute", body="DoctorRequest", result="Diagnosis", lines="DoctorLine")
    async def post(self, wanted: "DoctorRequest") -> dict[str, Any]:
        """Find out, step by step, why a host is not reached or what it does not allow. It ends when
        who asked for it hangs up."""
        if not self.wants_lines:
            return (await self._visit(wanted, None)).as_dict()
        try:
            found = await self._visit(wanted, lambda step: self.say(_line(step=step.as_dict())))
            return _line(diagnosis=found.as_dict())
        except RemoteTunnelError as error:
            if not self._headers_written:
                raise
            return _line(error=error.as_dict())

    async def _visit(
        self, wanted: "DoctorRequest", tell: "Callable[[Step], None] | None"
    ) -> "Diagnosis":
        """:param tell: given each step when it is over."""
        from .bodies import TunnelRequest, Who

        host = TunnelRequest(host=wanted.host, ssh=wanted.ssh)
        is_given = wanted.tunnel is None or host != TunnelRequest(host="")
        client = await self.engine.client()
        walk = client.diagnose(
            host if is_given else None,
            tunnel=wanted.tunnel,
            gateway_ports=wanted.gateway_ports,
            person=Who(**self.who()),
            on_step=tell,
        )
        self._walk = asyncio.get_running_loop().create_task(walk, name="doctor")
        try:
            return await self._walk
        except asyncio.CancelledError:
            raise Fatal("Nobody waits for the diagnosis any more.", code="closed") from None

    @override
    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self._walk is not None:
            self._walk.cancel()


def _line(**known: dict[str, Any]) -> dict[str, Any]:
    """A `DoctorLine`, as plain JSON."""
    return {"step": None, "diagnosis": None, "error": None, **known}


class Prompts(Handler):
    """`prompts`"""

    @operation("read", result="PromptList")
    async def get(self) -> dict[str, Any]:
        """List the questions that wait for an answer: this login's, and that others have some."""
        if self.engine.asleep:
            return {"prompts": [], "others": []}
        client = await self.engine.client()
        return await client.call("prompts.list", {"person": self.who()})


class Prompt(Handler):
    """`prompts/{prompt}`"""

    @operation("execute", body="PromptAnswer", result="Empty")
    async def post(self, prompt: str, answer: "PromptAnswer") -> dict[str, Any]:
        """Answer a question of this login."""
        from ..model.prompt import Answer

        given = Answer(answer.answers, answer.remember)
        params = {"answers": given.answers, "remember": given.remember}
        return await self._about("prompts.answer", prompt, **params)

    @operation("execute", result="Empty")
    async def delete(self, prompt: str) -> dict[str, Any]:
        """Give up what a question of this login is asked for."""
        return await self._about("prompts.cancel", prompt)

    async def _about(self, method: str, prompt: str, **params: Any) -> dict[str, Any]:
        if self.engine.asleep:
            raise Fatal("No question waits for an answer.", code="not_found")
        client = await self.engine.client()
        return await client.call(method, {"prompt": prompt, "person": self.who(), **params})


ROUTES: dict[str, type[Handler]] = {
    "tunnels": Tunnels,
    "tunnels/{tunnel}": Tunnel,
    "tunnels/{tunnel}/restart": Restart,
    "hosts": Hosts,
    "apps": Apps,
    "jupyters": Jupyters,
    "jupyters/list": JupytersOf,
    "jupyters/password": JupyterPasswords,
    "jupyters/start": JupyterStarts,
    "jupyters/stop": JupyterStops,
    "kernels": Kernels,
    "doctor": Doctor,
    "prompts": Prompts,
    "prompts/{prompt}": Prompt,
    **PUBLISH_ROUTES,
}
