"""What the engine does when it is asked: each method of `messages.METHODS`, on the manager.

`Service.call` takes checked params and gives back the result's JSON. Changes of tunnels go out as
events to every subscriber; the wanted set goes to holders, a question to those who may answer it.
"""

import asyncio
import base64
import itertools
from collections.abc import Callable, Collection, Coroutine, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .. import __version__
from ..model.address import parse_port
from ..model.command_line import check_lengths, command_line, spec_of
from ..model.diagnosis import Diagnosis, Step
from ..model.errors import BadInput, Fatal, Transient
from ..model.forward import ForwardKind, ForwardSpec, TcpBind
from ..model.prompt import Answer, Prompt
from ..model.settings import EngineSettings
from ..model.spec import SshOptions, TunnelRequest, TunnelSpec, check_id
from ..model.text import plain
from ..ssh.connection import Connection
from ..ssh.keywords import as_options, not_honoured
from ..ssh.offers import offered
from ..tunnels.manager import Manager, Wanted
from ..tunnels.policy import check_host, prelude_for
from ..tunnels.prompts import Person
from ..tunnels.tunnel import Tunnel
from . import connection_files, messages
from .hosts import TunnelOf, list_hosts
from .messages import Caller, Client
from .relay import Relay, Subscriber

# How who is asked is called towards others, where they have no name of their own.
_NAMES: dict[Client, str] = {"shell": "a terminal", "cell": "a notebook"}


class Service:
    """The engine's methods."""

    def __init__(self, settings: EngineSettings, private_dir: Path, pid: int) -> None:
        self._private_dir = private_dir
        self._pid = pid
        self._subscribers: set[Subscriber] = set()
        self._manager = Manager(settings, private_dir, self)
        self._wanted: dict[str, dict[str, Any]] = {}
        self._walks: dict[tuple[int, str], asyncio.Task[Diagnosis]] = {}
        self._methods: dict[str, Callable[..., Any]] = {
            "hello": self._hello,
            "ping": self._ping,
            "tunnels.list": self._list,
            "tunnels.open": self._open,
            "tunnels.get": self._get,
            "tunnels.close": self._close,
            "tunnels.restart": self._restart,
            "hosts.list": self._hosts,
            "hosts.resolve": self._resolve,
            "exec": self._exec,
            "read_file": self._read_file,
            "jupyters.how_to_start": self._how_to_start,
            "doctor": self._doctor,
            "doctor.end": self._end_walk,
            "prompts.list": self._prompts,
            "prompts.answer": self._answer,
            "prompts.cancel": self._cancel,
            "holder.restore": self._restore,
        }
        self._relay = Relay(self._subscribers)
        self._methods |= self._relay.methods

    def subscribe(self, subscriber: Subscriber) -> None:
        """Send it every event from now on."""
        self._subscribers.add(subscriber)
        self._relay.enter()
        self._manager.prompts.enter(subscriber.caller.session)
        if subscriber.caller.client == "holder":
            self._wanted = {tunnel.id: _entry(tunnel) for tunnel in self._manager.tunnels}
            subscriber.event("wanted", {"tunnels": list(self._wanted.values())}, "")
        self._tell_clients()

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Send it nothing more."""
        if subscriber not in self._subscribers:
            return  # it never said who it is
        self._subscribers.remove(subscriber)
        self._relay.leave(subscriber)
        self._manager.prompts.leave(subscriber.caller.session)
        self._tell_clients()

    async def call(self, method: str, params: Any, caller: Caller) -> dict[str, Any]:
        """Do what is asked.

        :param params: an instance of the method's params class.
        :returns: the JSON of the method's result class.
        :raises RemoteTunnelError: why not.
        """
        result = await self._methods[method](params, caller)
        return asdict(result)

    async def close(self) -> None:
        """Close every tunnel."""
        await self._manager.close_all()

    # The methods.

    async def _hello(self, params: messages.Hello, _caller: Caller) -> messages.Welcome:
        if params.version != __version__:
            raise BadInput(
                f"The engine is version {__version__}, this client {plain(params.version, 40)}.",
                hint="Restart the Jupyter server, or the kernel, so that both are of one version.",
            )
        return messages.Welcome(__version__, self._pid, str(self._private_dir))

    async def _ping(self, _params: messages.Empty, _caller: Caller) -> messages.Empty:
        return messages.Empty()

    async def _list(self, params: messages.ListTunnels, _caller: Caller) -> messages.TunnelList:
        tunnels = self._manager.tunnels
        if params.request is not None:
            typed = _typed_for_host(_host_spec(params.request))
            tunnels = [tunnel for tunnel in tunnels if _typed_for_host(tunnel.spec) == typed]
        return messages.TunnelList(tuple(tunnel.status() for tunnel in tunnels))

    async def _open(self, params: messages.OpenTunnel, caller: Caller) -> messages.OpenedTunnel:
        spec = spec_of(params.request)
        tunnel, created = await self._manager.open(
            spec,
            params.source,
            person=_anybody(params.person, caller),
            from_shell=caller.client == "shell",
            # A shell and a cell have shown why; in the sidebar the row tells.
            keep_failed=caller.client == "server",
            tunnel_id=None if params.request.id is None else check_id(params.request.id),
        )
        await tunnel.far_known(params.far_within)
        return messages.OpenedTunnel(tunnel.status(), created, command_line(tunnel.spec))

    async def _get(self, params: messages.NamedTunnel, _caller: Caller) -> messages.OneTunnel:
        return messages.OneTunnel(self._manager.get(params.tunnel).status())

    async def _close(self, params: messages.CloseTunnel, _caller: Caller) -> messages.OneTunnel:
        tunnel = await self._manager.close(params.tunnel, params.drain)
        return messages.OneTunnel(tunnel.status())

    async def _restart(self, params: messages.RestartTunnel, caller: Caller) -> messages.OneTunnel:
        tunnel = await self._manager.restart(params.tunnel, _anybody(params.person, caller))
        if tunnel.spec.connection_file is not None:
            connection_files.renew(Path(tunnel.spec.connection_file), self._private_dir)
        await tunnel.far_known(params.far_within)
        return messages.OneTunnel(tunnel.status())

    async def _hosts(self, _params: messages.Empty, _caller: Caller) -> messages.HostList:
        tunnels = [
            TunnelOf(tunnel.spec.login, tunnel.id, tuple(tunnel.status().route))
            for tunnel in self._manager.tunnels
        ]
        settings = self._manager.settings
        return await list_hosts(settings.ssh_config, tunnels, allowed=settings.allowed_hosts)

    async def _resolve(self, params: messages.ResolveHost, caller: Caller) -> messages.ResolvedHost:
        spec = _host_spec(params.request)
        found, usual = await self._manager.configuration_of(
            spec, from_shell=caller.client == "shell"
        )
        unasked = self._manager.settings.allow_unasked_host_keys
        return messages.ResolvedHost(
            spec.host,
            as_options(found),
            not_honoured(found, usual, allow_unasked=unasked),
            tuple(map(str, offered(found))),
        )

    async def _exec(self, params: messages.Exec, caller: Caller) -> messages.ExecResult:
        try:
            stdin = base64.b64decode(params.stdin, validate=True)
        except ValueError:
            raise BadInput("exec: stdin is not base64.") from None
        if not params.argv or not 0 < params.timeout <= 600:
            raise BadInput("exec: argv is empty, or timeout is not between 0 and 600 seconds.")

        async def run(connection: Connection) -> messages.ExecResult:
            try:
                async with asyncio.timeout(params.timeout):
                    done = await connection.exec(params.argv, stdin)
            except TimeoutError:
                raise Transient(
                    f"The command on {spec.host} took over {params.timeout:g} s.",
                    code="connect_timeout",
                ) from None
            return messages.ExecResult(done.status, _base64(done.stdout), _base64(done.stderr))

        spec, is_trusted = self._whose_host(params, caller, "exec", _host_spec)
        return await self._manager.on_host(
            spec, run, person=_anybody(params.person, caller), from_shell=is_trusted
        )

    async def _read_file(self, params: messages.ReadFile, caller: Caller) -> messages.FileContent:
        async def read(connection: Connection) -> messages.FileContent:
            return messages.FileContent(_base64(await connection.read_file(params.path)))

        return await self._manager.on_host(
            _host_spec(params.request),
            read,
            person=_anybody(params.person, caller),
            from_shell=caller.client == "shell",
        )

    async def _how_to_start(self, params: messages.HowToStart, caller: Caller) -> messages.Starting:
        settings = self._manager.settings
        spec, is_shell = _host_spec(params.request), caller.client == "shell"
        check_host(spec, settings, from_shell=is_shell)
        prelude = prelude_for(spec, params.prelude, settings, from_shell=is_shell)
        return messages.Starting(prelude, settings.jupyter_grace, settings.jupyter_start_timeout)

    def _whose_host(
        self,
        params: messages.Exec | messages.Diagnose,
        caller: Caller,
        method: str,
        understand: Callable[[TunnelRequest], TunnelSpec],
    ) -> tuple[TunnelSpec, bool]:
        """The spec that leads to the host that is meant, and whether all of its options are
        allowed.
        """
        if params.tunnel is not None and params.request is None:
            # What leads to a tunnel's host was judged when that was opened.
            return self._manager.get(params.tunnel).spec, True
        if params.request is None or params.tunnel is not None:
            raise BadInput(f"{method}: give a host, or a tunnel.")
        return understand(params.request), caller.client == "shell"

    async def _doctor(self, params: messages.Diagnose, caller: Caller) -> Diagnosis:
        number = itertools.count()

        def tell(step: Step) -> None:
            data = {"walk": params.walk, "step": step.as_dict()}
            key = f"step {next(number)} of {params.walk}"
            for subscriber in self._subscribers:
                if params.steps and subscriber.caller.session == caller.session:
                    subscriber.event("step", data, key)

        spec, is_trusted = self._whose_host(params, caller, "doctor", _visited)
        diagnosis = self._manager.diagnose(
            spec,
            tell,
            person=_anybody(params.person, caller),
            from_shell=is_trusted,
            gateway_ports=params.gateway_ports,
        )
        return await self._walked(diagnosis, (caller.session, params.walk))

    async def _walked(
        self, diagnosis: Coroutine[Any, Any, Diagnosis], walk: tuple[int, str]
    ) -> Diagnosis:
        """What comes of a walk, which `doctor.end` can end."""
        walking = asyncio.get_running_loop().create_task(diagnosis, name="doctor")
        if walk[1]:  # it has a name
            self._walks[walk] = walking
        try:
            await asyncio.wait([walking])
        finally:
            walking.cancel()  # whoever asked has gone
            await asyncio.wait([walking])
            if self._walks.get(walk) is walking:
                del self._walks[walk]
        if walking.cancelled():
            raise Fatal("The diagnosis was ended before it was over.", code="closed")
        return walking.result()

    async def _end_walk(self, params: messages.EndWalk, caller: Caller) -> messages.Empty:
        walking = self._walks.get((caller.session, params.walk))
        if walking is not None:
            walking.cancel()
        return messages.Empty()

    async def _prompts(self, params: messages.ListPrompts, caller: Caller) -> messages.PromptList:
        person, waiting = _person(params.person, caller), self._manager.prompts.all
        return messages.PromptList(
            tuple(asked.prompt for asked in waiting if person in asked.people),
            tuple(
                _others(asked.prompt, asked.people)
                for asked in waiting
                if person not in asked.people
            ),
        )

    async def _answer(self, params: messages.AnswerPrompt, caller: Caller) -> messages.Empty:
        answer = Answer(params.answers, params.remember)
        self._manager.prompts.answer(params.prompt, answer, _person(params.person, caller))
        return messages.Empty()

    async def _cancel(self, params: messages.CancelPrompt, caller: Caller) -> messages.Empty:
        self._manager.prompts.cancel(params.prompt, _person(params.person, caller))
        return messages.Empty()

    async def _restore(self, params: messages.Restore, caller: Caller) -> messages.TunnelList:
        self._manager.restore([_wanted(entry) for entry in params.tunnels])
        return await self._list(messages.ListTunnels(), caller)

    # What the manager tells (tunnels.manager.Listener).

    def tunnel_changed(self, tunnel: Tunnel) -> None:
        self._tell("tunnel", tunnel.status().as_dict(), tunnel.id)
        entry = _entry(tunnel)
        if entry != self._wanted.get(tunnel.id):
            self._wanted[tunnel.id] = entry
            self._tell_wanted(tunnel.id)

    def tunnel_removed(self, tunnel: Tunnel) -> None:
        if tunnel.spec.connection_file is not None:
            connection_files.forget(Path(tunnel.spec.connection_file), self._private_dir)
        self._tell("removed", {"tunnel": tunnel.id}, tunnel.id)
        if self._wanted.pop(tunnel.id, None) is not None:
            self._tell_wanted(tunnel.id)

    def prompt_shown(self, prompt: Prompt, people: Collection[Person]) -> None:
        for subscriber, person in self._reached(people):
            data = {"login": person.login, "prompt": prompt.as_dict()}
            subscriber.event("prompt", data, f"{prompt.id} {person.login}")

    def prompt_closed(self, prompt_id: str, people: Collection[Person]) -> None:
        for subscriber in {subscriber for subscriber, _ in self._reached(people)}:
            subscriber.event("prompt_closed", {"prompt": prompt_id}, prompt_id)

    def _reached(self, people: Collection[Person]) -> Iterable[tuple[Subscriber, Person]]:
        """Each of these people, with the subscriber by which they are reached."""
        for subscriber in self._subscribers:
            for person in people:
                if person.session == subscriber.caller.session:
                    yield subscriber, person

    def _tell(self, name: str, data: dict[str, Any], key: str) -> None:
        for subscriber in self._subscribers:
            subscriber.event(name, data, key)

    def _tell_wanted(self, tunnel_id: str) -> None:
        change = {"tunnel": tunnel_id, "entry": self._wanted.get(tunnel_id)}
        self._tell_holder("wanted_change", change, f"wanted {tunnel_id}")

    def _tell_clients(self) -> None:
        count = sum(subscriber.caller.client != "holder" for subscriber in self._subscribers)
        self._tell_holder("clients", {"count": count}, "")

    def _tell_holder(self, name: str, data: dict[str, Any], key: str) -> None:
        for subscriber in self._subscribers:
            if subscriber.caller.client == "holder":
                subscriber.event(name, data, key)


def _entry(tunnel: Tunnel) -> dict[str, Any]:
    """Its entry of the wanted set: plain JSON of `messages.WantedTunnel`."""
    wanted = Wanted.of(tunnel)
    return {
        "id": wanted.id,
        "request": wanted.spec.request_dict,
        "source": wanted.source,
        "bound": wanted.bound,
        "opened": wanted.opened,
    }


def _anybody(who: messages.Who | None, caller: Caller) -> Person | None:
    return None if who is None else _person(who, caller)


def _person(who: messages.Who, caller: Caller) -> Person:
    name = plain(who.name, 100) or _NAMES.get(caller.client, "")
    return Person(caller.session, who.login, name)


def _others(prompt: Prompt, people: Iterable[Person]) -> messages.OthersPrompt:
    names = sorted(person.name for person in people)
    return messages.OthersPrompt(prompt.id, prompt.hop, prompt.tunnels, tuple(names))


def _host_spec(request: TunnelRequest) -> TunnelSpec:
    """The spec of a host alone: a forward that nobody opens stands in for the missing ones."""
    check_lengths(request)
    if request.command is not None or request.forwards:
        raise BadInput("Only a host and options of ssh belong here, no forwards.")
    unused = ForwardSpec(ForwardKind.DYNAMIC, TcpBind(None, 0), None)
    return TunnelSpec.make(request.host or "", (unused,), ssh=request.ssh)


def _typed_for_host(spec: TunnelSpec) -> tuple[str, SshOptions]:
    """What was typed to log in to its host, whichever shell's agent would be asked."""
    return spec.host, replace(spec.ssh, agent_socket=None)


def _visited(request: TunnelRequest) -> TunnelSpec:
    """The spec of what the doctor looks at: a host, perhaps with forwards."""
    if request.command is not None or request.forwards:
        return spec_of(request)
    return _host_spec(request)


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
