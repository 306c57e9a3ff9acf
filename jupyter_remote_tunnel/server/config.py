"""The settings of a Jupyter server about its tunnels: traits, and the plain value made of them.

`TunnelManager` has a trait of the same name for every field of `EngineSettings` that is not about
the Jupyter server itself, with that field's default.
"""

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from traitlets import Bool, Dict, Enum, Float, Int, List, TraitError, Unicode, Union, validate
from traitlets.config import LoggingConfigurable

from ..model.app_domain import AppDomain
from ..model.errors import BadInput
from ..model.publication import LONGEST_HOURS
from ..model.settings import EngineSettings

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

_DEFAULTS = EngineSettings()
_ANY_DOMAIN = "{id}.example.org"
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def _limit(number: int, text: str) -> Int[int, int]:
    return Int(number, min=1, help=text).tag(config=True)


def _seconds(number: float, text: str, *, least: float = 0.1) -> Float[float, float]:
    return Float(number, min=least, max=86400, help=f"{text} (seconds)").tag(config=True)


def _flag(text: str) -> Bool[bool, bool | int]:
    return Bool(False, help=text).tag(config=True)


def _patterns(text: str) -> List[Any]:
    text += " Patterns as in a shell: * and ?. None allows all, an empty list nothing."
    return List(Unicode(), default_value=None, allow_none=True, help=text).tag(config=True)


class TunnelManager(LoggingConfigurable):
    """What is opened at start, what may be opened, and for how long things are waited for."""

    tunnels = List(
        Union([Unicode(), Dict()]),
        help="""Tunnels that are opened when the server starts.

        Each is a line of ssh ("-L 5006:localhost:5006 gpu01") or a dict of the fields of a REST
        request ({"host": "gpu01", "forwards": ["-L 5006:localhost:5006"], "name": "bokeh"}).
        "on_conflict": "pick" among them takes another local port where that one is busy.""",
    ).tag(config=True)
    restore = _flag("Open again the tunnels that were open when a server last ended.")

    allowed_hosts = _patterns(
        "Remote hosts that tunnels may go to, as the user types them, and as options that the user"
        " types make of them (-o HostName=…, -J). What the user's own ssh configuration puts behind"
        " an allowed name is not judged."
    )
    allowed_destinations = _patterns(
        'Where forwards may lead: "localhost:5006", "*:80", "/run/*", "socks".'
    )
    allow_remote_forward = Bool(
        _DEFAULTS.allow_remote_forward,
        help="Allow remote forwards (-R), which let the remote host connect to this machine.",
    ).tag(config=True)
    allow_public_bind = _flag("Allow forwards that listen on all interfaces of this machine.")
    allow_other_users = _flag("Let other users of this machine connect to forwarded ports.")
    allow_exec_options = _flag(
        "Take options of ssh from a browser or a cell that start programs (-F, -o ProxyCommand=…),"
        " say which host keys to trust (-o UserKnownHostsFile=…, HostKeyAlias, RevokedHostKeys), or"
        " give the host your agent or environment (-o ForwardAgent=…, SendEnv)."
    )
    allow_unasked_host_keys = _flag(
        "Where your own ssh configuration says StrictHostKeyChecking no, take the key of a host"
        " that is not known and write it to known_hosts, as accept-new does. Else you are asked."
        " A key that has changed stops the connection in either case."
    )
    allow_public_publish = _flag(
        "Allow `jupyter tunnel publish --bind` and `--direct`, which open a public port for this"
        " Jupyter without a web server in front."
    )
    publish_hours = Float(
        8.0,
        min=0.01,
        max=LONGEST_HOURS,
        help="After how many hours a publication ends by itself, where nobody says another time.",
    ).tag(config=True)
    app_domain = Unicode(
        None,
        allow_none=True,
        help="""Where applications have host names of their own for browsers that come by https, on
        another machine: "{id}.apps.example.net", where all names below apps.example.net lead to
        this Jupyter, and {id} may be a part of the first label.

        Everything below that domain is taken for an application. It is used only where their pages
        cannot give Jupyter's name cookies: a domain of another owner, as browsers see it.""",
    ).tag(config=True)
    public_suffixes = List(
        Unicode(),
        help='Suffixes of several labels below which names have different owners ("co.uk", or yours'
        " if it is on the Public Suffix List that browsers have), so far as app_domain and"
        " Jupyter's own name lie below one.",
    ).tag(config=True)
    max_tunnels = _limit(_DEFAULTS.max_tunnels, "The most tunnels at a time.")
    max_streams = _limit(_DEFAULTS.max_streams, "The most open streams of a forward.")
    byte_budget = Int(
        _DEFAULTS.byte_budget,
        min=1 << 20,
        help="The most bytes that remote hosts may send before their readers here take them, all"
        " streams together. More lets a stream be faster on a long link.",
    ).tag(config=True)
    session_exec = Enum(
        ("auto", "never"),
        _DEFAULTS.session_exec,
        help='Run a command ("echo") once on each connection, as OpenSSH answers small messages'
        " up to 40 ms late on a connection that has never run one; it also lists what is offered"
        " there, as does one more for each later tunnel to a `localhost:PORT` of the host. It shows"
        " in the remote host's logs. To find whose an offered port is, one is run every keepalive"
        " interval where no socket tells. A remote forward runs one, to see where sshd listens; an"
        " offer runs some, to make its folder and files. `jupyter tunnel doctor` runs"
        " two, to make a folder and to remove it, and one that lists what is offered, to try a"
        " `localhost:PORT`.",
    ).tag(config=True)
    stream_wait = _seconds(
        _DEFAULTS.stream_wait, "How long a new stream waits for a lost connection", least=0.0
    )
    connect_timeout = _seconds(
        _DEFAULTS.connect_timeout, "The limit of each step of connecting, and of opening a stream"
    )
    keepalive_interval = _seconds(
        _DEFAULTS.keepalive_interval, "The time between two signs of life asked of a remote host"
    )
    keepalive_count = _limit(
        _DEFAULTS.keepalive_count,
        "After a silence of how many times keepalive_interval the connection is lost. Where it is"
        " 1, a sign of life is asked for after half the interval.",
    )
    backoff_first = _seconds(_DEFAULTS.backoff_first, "The pause before the first reconnection")
    backoff_max = _seconds(_DEFAULTS.backoff_max, "The longest pause between two attempts")
    refused_attempts = _limit(
        _DEFAULTS.refused_attempts, "How often to try a host that answers and refuses."
    )
    max_prompts = _limit(
        _DEFAULTS.max_prompts, "The most questions that a host may ask in one attempt to log in."
    )
    prompt_timeout = _seconds(
        _DEFAULTS.prompt_timeout, "How long a host's question waits for an answer", least=1.0
    )
    ssh_config = Unicode(
        _DEFAULTS.ssh_config,
        allow_none=True,
        help="The ssh configuration to read instead of the user's own, as `ssh -F` would.",
    ).tag(config=True)
    jupyter_preludes = Dict(
        value_trait=Unicode(),
        key_trait=Unicode(),
        help="""What your login shell on a host is told before it starts Jupyter there, by the
        host's name; patterns as in a shell, the first that fits counts:
        {"login*": "module load python; conda activate lab"}.

        Joined by && where one may fail: what the last one says decides. Who starts Jupyter from a
        browser or a cell can choose another one only with allow_exec_options.""",
    ).tag(config=True)
    jupyter_grace = _seconds(
        _DEFAULTS.jupyter_grace,
        "How long a Jupyter that was started on a host for a tunnel lives on without it: while the"
        " connection is lost, or this machine sleeps",
        least=1.0,
    )
    jupyter_start_timeout = _seconds(
        _DEFAULTS.jupyter_start_timeout, "How long a Jupyter that is started on a host may take"
    )
    log_level = Enum(
        _LEVELS, _DEFAULTS.log_level, help="What the engine writes to this server's log."
    ).tag(config=True)

    @validate("backoff_max")
    def _not_less_than_first(self, proposal: dict[str, Any]) -> float:
        value: float = proposal["value"]
        if value < self.backoff_first:
            raise TraitError(
                f"TunnelManager.backoff_max ({value:g} s) is less than"
                f" backoff_first ({self.backoff_first:g} s)."
            )
        return value

    @validate("app_domain", "public_suffixes")
    def _are_names(self, proposal: dict[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        try:
            if name == "public_suffixes":
                AppDomain.parse(_ANY_DOMAIN, value)
            elif value is not None:
                AppDomain.parse(value)
        except BadInput as error:
            text = f"TunnelManager.{name}: {error.message} {error.hint}"
            raise TraitError(text.rstrip()) from None
        return value

    @property
    def names_of_apps(self) -> AppDomain | None:
        """`app_domain`, read; None where there is none."""
        if self.app_domain is None:
            return None
        return AppDomain.parse(self.app_domain, self.public_suffixes)

    def settings(self, server: "ServerApp") -> EngineSettings:
        """The traits as the engine gets them, with what it has to know about the Jupyter server:
        the port or socket that must not be published by accident, and how that is protected.
        """
        names = (field.name for field in fields(EngineSettings))
        values = {name: getattr(self, name) for name in names if self.has_trait(name)}
        return EngineSettings.from_dict(
            {
                **values,
                "own_ports": () if server.sock else (server.port,),
                "own_socket": server.sock or None,
                "own_protected": bool(server.identity_provider.auth_enabled),
                "own_tls": bool(server.certfile or server.ssl_options),
            }
        )
