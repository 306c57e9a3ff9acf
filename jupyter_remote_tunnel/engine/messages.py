"""The control protocol: every method, what it takes and what it gives. There is no other
definition.

REST bodies, the OpenAPI file and the TypeScript types are made from these dataclasses. They need
the standard library only, so that a kernel of another environment can speak to the engine.

On the wire each message is one line of JSON (UTF-8, at most `MAX_LINE` bytes):

    {"id": 1, "method": "tunnels.close", "params": {"tunnel": "gpu01:5006"}}
    {"id": 1, "result": {…}}   or   {"id": 1, "error": {"code", "message", "hint", "hop", "where"}}
    {"event": "tunnel", "data": {…}}

The first request is `hello`. Requests of one client run side by side; answers come as they are
ready.

What a host wants to know is asked of the `Who` of the request that needs it, in an event `prompt`
to the connection on which it came; without one, nobody is asked. The answer goes back as
`prompts.answer`, and the request goes on.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ..model.diagnosis import Diagnosis, Step
from ..model.prompt import Prompt
from ..model.spec import TunnelRequest
from ..model.status import ErrorStatus, Source, TunnelStatus

MAX_LINE = 4 << 20  # holds two payloads in base64
MAX_PAYLOAD = 1 << 20

Client = Literal["server", "shell", "cell", "holder"]


class Caller(NamedTuple):
    """Who asks the engine: what they said of themselves in `Hello`, and the number of their
    connection; 0 is none.
    """

    client: Client
    session: int = 0


@dataclass(frozen=True)
class Empty:
    """Takes, or gives, nothing."""


@dataclass(frozen=True)
class Hello:
    """Who speaks. `client` decides what is allowed: a shell may use options that start programs."""

    version: str
    client: Client
    pid: int


@dataclass(frozen=True)
class Welcome:
    """The engine's answer to `Hello`. `private_dir` is where private sockets are bound."""

    version: str
    pid: int
    private_dir: str


@dataclass(frozen=True)
class Who:
    """A person who can be asked on this connection: the only one, or, where it is a Jupyter
    server's, the one with that login. `name` is how others are told of them.
    """

    login: str = ""
    name: str = ""


@dataclass(frozen=True)
class ListTunnels:
    """List those whose host is logged in to just as `request` (which has no forwards) says; without
    it, all.
    """

    request: TunnelRequest | None = None


@dataclass(frozen=True)
class TunnelList:
    """Every tunnel, in the order in which they were opened."""

    tunnels: tuple[TunnelStatus, ...]


@dataclass(frozen=True)
class OpenTunnel:
    """Open what `request` asks for; answered when it is open, or with the reason why not. For who
    wants to see the far legs of its forwards, too, it waits for them so many seconds more.
    """

    request: TunnelRequest
    source: Source = "user"
    person: Who | None = None
    far_within: float = 0.0


@dataclass(frozen=True)
class OpenedTunnel:
    """`created` is False where an equal one was there already; `understood` is the line of ssh."""

    tunnel: TunnelStatus
    created: bool
    understood: str


@dataclass(frozen=True)
class CloseTunnel:
    """Close the tunnel of that id or name; `drain` gives its streams so many seconds to end."""

    tunnel: str
    drain: float = 0.0


@dataclass(frozen=True)
class NamedTunnel:
    """One tunnel, by id or name."""

    tunnel: str


@dataclass(frozen=True)
class RestartTunnel:
    """Open the tunnel of that id or name again; `far_within` as in `OpenTunnel`."""

    tunnel: str
    person: Who | None = None
    far_within: float = 0.0


@dataclass(frozen=True)
class OneTunnel:
    """The status of one tunnel."""

    tunnel: TunnelStatus


@dataclass(frozen=True)
class Host:
    """A host as it is typed: an alias of the ssh configuration, or one that has tunnels.

    `tunnels` are their ids, and `route` is how the first of them gets there. `host_name`, `user`
    and `port` are what the configuration says of an alias, null where it does not, or where only
    ssh can tell. `offers` are the forwards that it names: "-L 5006:localhost:5006".
    """

    host: str
    tunnels: tuple[str, ...]
    route: tuple[str, ...] = ()
    alias: bool = False
    host_name: str | None = None
    user: str | None = None
    port: int | None = None
    offers: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostList:
    """The aliases of the ssh configuration, in its order, and the other hosts that have tunnels.
    `problem` is why the configuration could not be read.
    """

    hosts: tuple[Host, ...]
    problem: ErrorStatus | None = None


@dataclass(frozen=True)
class ResolveHost:
    """Say what ssh would use for the host of `request` (which has no forwards)."""

    request: TunnelRequest


@dataclass(frozen=True)
class ResolvedHost:
    """All that ssh would use for a host.

    `options` has the names and values that `ssh -G` prints, in lists those that can be several.
    `not_honoured` is what somebody has configured and has no effect here ("addkeystoagent true").
    `offers` are the forwards in it, as in `Host`.
    """

    host: str
    options: dict[str, str | tuple[str, ...]]
    not_honoured: tuple[str, ...]
    offers: tuple[str, ...]


@dataclass(frozen=True)
class Exec:
    """Run `argv` on the remote host of `request` (which has no forwards), or on that of the tunnel
    of that id or name. `stdin` is base64.
    """

    argv: tuple[str, ...]
    request: TunnelRequest | None = None
    tunnel: str | None = None
    stdin: str = ""
    timeout: float = 30.0
    person: Who | None = None


@dataclass(frozen=True)
class ExecResult:
    """`stdout` and `stderr` are base64, at most `MAX_PAYLOAD` bytes each before it."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class HowToStart:
    """Ask how a Jupyter server is to be started on the host of `request` (which has no forwards).

    :param prelude: what is wished to be run before, in place of what is configured.
    """

    request: TunnelRequest
    prelude: str | None = None


@dataclass(frozen=True)
class Starting:
    """What a shell is told before ("" is nothing); for how many seconds the server lives without a
    tunnel; how many it may take until it answers.
    """

    prelude: str
    grace: float
    patience: float


@dataclass(frozen=True)
class ReadFile:
    """Read a file of at most 1 MiB on the remote host of `request` (which has no forwards)."""

    request: TunnelRequest
    path: str
    person: Who | None = None


@dataclass(frozen=True)
class FileContent:
    """`data` is base64."""

    data: str


@dataclass(frozen=True)
class Diagnose:
    """Walk to the host of `request`, or as the tunnel of that id or name does, on new connections,
    to see what fails. Where local forwards lead is connected to for a moment; `request` may have
    none.

    :param gateway_ports: whether the host is asked to listen on all its interfaces, for a moment.
    :param walk: a name that no other walk of this client has, by which it can be ended; "" is none.
    :param steps: whether each step is also told in an event `step`, as soon as it is over.
    """

    request: TunnelRequest | None = None
    tunnel: str | None = None
    gateway_ports: bool = False
    walk: str = ""
    steps: bool = False
    person: Who | None = None


@dataclass(frozen=True)
class EndWalk:
    """End a walk of this client. It is answered with an error then."""

    walk: str


@dataclass(frozen=True)
class ToldStep:
    """A step of a walk that its client follows."""

    walk: str
    step: Step


@dataclass(frozen=True)
class OthersPrompt:
    """A question that others are asked: where it comes from, the ids of the tunnels that wait for
    the answer, and the names of those who may give it.
    """

    id: str
    hop: str
    tunnels: tuple[str, ...]
    waits_for: tuple[str, ...]


@dataclass(frozen=True)
class ListPrompts:
    """What waits for an answer, as `person` may see it."""

    person: Who = field(default_factory=Who)


@dataclass(frozen=True)
class PromptList:
    """The questions that who asks for this list may answer, and those that wait for others. The
    oldest is first.
    """

    prompts: tuple[Prompt, ...]
    others: tuple[OthersPrompt, ...]


@dataclass(frozen=True)
class AnswerPrompt:
    """Answer a question: as many answers as it has fields.

    `remember`: a host key is written to known_hosts; a passphrase opens its key until the engine
    ends.
    """

    prompt: str
    person: Who = field(default_factory=Who)
    answers: tuple[str, ...] = field(default=(), repr=False)
    remember: bool = False


@dataclass(frozen=True)
class CancelPrompt:
    """Give up what a question is asked for."""

    prompt: str
    person: Who = field(default_factory=Who)


@dataclass(frozen=True)
class ShownPrompt:
    """A question for the person with that login, or what has changed in it."""

    login: str
    prompt: Prompt


@dataclass(frozen=True)
class ClosedPrompt:
    """The id of a question that waits no more."""

    prompt: str


@dataclass(frozen=True)
class AskServer:
    """Ask the Jupyter server that holds this engine for something that it alone knows or does.

    :param ask: a name that nothing else has that this client asks.
    :param question: what it is about, with `params` of its own (`server.asked` has them all).
    """

    ask: str
    question: str
    params: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class ServerAnswer:
    """What the Jupyter server answers."""

    result: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Asked:
    """To the Jupyter server: what a client asks. `ask` is a name of its own for it here."""

    ask: str
    question: str
    client: Client
    params: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class AskEnded:
    """To the Jupyter server: nobody waits for that answer any more."""

    ask: str


@dataclass(frozen=True)
class TellAsker:
    """The Jupyter server tells a part of its answer, which goes on as an event `told`."""

    ask: str
    line: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class AnswerAsker:
    """The Jupyter server answers: `result`, or an `error`."""

    ask: str
    result: dict[str, Any] | None = field(default=None, repr=False)
    error: ErrorStatus | None = None


@dataclass(frozen=True)
class WantedTunnel:
    """One entry of the wanted set: what the holder keeps, sends to a new engine, and saves."""

    id: str
    request: TunnelRequest
    source: Source = "user"
    # What was bound when the request left it open (port 0, a picked port): asked for again by
    # number.
    bound: tuple[str | None, ...] = ()
    # Whether it was open, ever: what was not is shown, and not tried again unasked.
    opened: bool = True


@dataclass(frozen=True)
class Restore:
    """The wanted set of an engine that died, or of an earlier server."""

    tunnels: tuple[WantedTunnel, ...] = field(default=())


@dataclass(frozen=True)
class WantedChange:
    """What has become of one entry of the wanted set; None: it is not wanted any more."""

    tunnel: str
    entry: WantedTunnel | None = None


@dataclass(frozen=True)
class ClientCount:
    """How many clients the engine has beside its holder."""

    count: int


class Method(NamedTuple):
    """The dataclasses of a method's params and result."""

    params: type[Any]
    result: type[Any]


METHODS: dict[str, Method] = {
    "hello": Method(Hello, Welcome),
    "ping": Method(Empty, Empty),
    "tunnels.list": Method(ListTunnels, TunnelList),
    "tunnels.open": Method(OpenTunnel, OpenedTunnel),
    "tunnels.get": Method(NamedTunnel, OneTunnel),
    "tunnels.close": Method(CloseTunnel, OneTunnel),
    "tunnels.restart": Method(RestartTunnel, OneTunnel),
    "hosts.list": Method(Empty, HostList),
    "hosts.resolve": Method(ResolveHost, ResolvedHost),
    "exec": Method(Exec, ExecResult),
    "read_file": Method(ReadFile, FileContent),
    "jupyters.how_to_start": Method(HowToStart, Starting),
    "doctor": Method(Diagnose, Diagnosis),
    "doctor.end": Method(EndWalk, Empty),
    "prompts.list": Method(ListPrompts, PromptList),
    "prompts.answer": Method(AnswerPrompt, Empty),
    "prompts.cancel": Method(CancelPrompt, Empty),
    "server.ask": Method(AskServer, ServerAnswer),
    "server.tell": Method(TellAsker, Empty),
    "server.answer": Method(AnswerAsker, Empty),
    "holder.restore": Method(Restore, TunnelList),
}

# What the engine says unasked. `wanted` (first of all), `wanted_change` (both hold whole requests)
# and `clients` are for the holder alone, `prompt` and `prompt_closed` for those who may answer,
# `step` and `told` for the one who asked for it, `asked` and `ask_ended` for the Jupyter server.
EVENTS: dict[str, type[Any]] = {
    "tunnel": TunnelStatus,
    "removed": NamedTunnel,
    "prompt": ShownPrompt,
    "prompt_closed": ClosedPrompt,
    "step": ToldStep,
    "asked": Asked,
    "ask_ended": AskEnded,
    "told": TellAsker,
    "wanted": Restore,
    "wanted_change": WantedChange,
    "clients": ClientCount,
}
