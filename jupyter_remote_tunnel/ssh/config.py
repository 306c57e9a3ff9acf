"""From a host as it is typed to its route of hops, as ssh itself would go.

`resolve` asks `ssh -G` (see `openssh`) for every host of the route, or knows what it would say (see
`answers`); each jump host has a configuration of its own. On a machine without OpenSSH the same
files are read by `without_openssh`. `making_hops` makes a hop of what either says.
"""

import asyncio
import os
import shutil
from dataclasses import replace
from typing import ClassVar, Self

from ..model.address import check_host
from ..model.errors import Fatal
from ..model.settings import EngineSettings
from ..model.spec import HostArgument, SshOptions, check_user
from . import answers, openssh, without_openssh
from .algorithms import KEYWORDS as ALGORITHMS
from .answers import Resolved
from .files import Files
from .hop import Hop
from .keywords import Configuration, names_of, not_honoured
from .making_hops import make_hop

MAX_HOPS = 16

_Question = tuple[str, SshOptions]
"""A host and the options with which ssh is asked how to reach it."""

_MOST_ROUTES = 256

# Where they are ssh's own defaults, ours are taken.
_OURS = (*ALGORITHMS, "ipqos")


class _Asking:
    """ssh's answers for the hosts of one route.

    The next question of a route stands in the answer to the one before, so they come one after the
    other. But mostly they are those of the last time: these are asked all at once, and each answer
    is used only if its question comes.
    """

    _last: ClassVar[dict[_Question, tuple[_Question, ...]]] = {}

    def __init__(self, first: _Question, settings: EngineSettings) -> None:
        self._first = first
        self._settings = settings
        self._expected: dict[_Question, asyncio.Task[Resolved]] = {}

    async def __aenter__(self) -> Self:
        for question in self._last.pop(self._first, ()):
            task = asyncio.get_running_loop().create_task(
                self._ask(question), name=f"ask ssh for {question[0]}"
            )
            self._expected[question] = task
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._expected.values():
            task.cancel()
        await asyncio.gather(*self._expected.values(), return_exceptions=True)

    async def answer(self, question: _Question) -> Resolved:
        """What ssh says to it, now."""
        expected = self._expected.get(question)
        return await (self._ask(question) if expected is None else expected)

    def remember(self, questions: tuple[_Question, ...]) -> None:
        """These were all, and are expected the next time."""
        if len(questions) == 1:
            return
        while len(self._last) >= _MOST_ROUTES:
            del self._last[next(iter(self._last))]
        self._last[self._first] = questions

    async def _ask(self, question: _Question) -> Resolved:
        return await _asked(*question, self._settings, asks=True)


async def resolve(host: str, options: SshOptions, settings: EngineSettings) -> tuple[Hop, ...]:
    """The route to a host: its jump hosts in the order in which they are connected, then the host.

    :param host: a host alias, a host name or an address, without user and port.
    :raises BadInput: the name cannot be a host's, or ssh cannot read its configuration.
    :raises Fatal: the route leads in a circle, or needs what is not supported.
    :raises Transient: a file that the configuration names is on a drive that does not answer.
    """
    async with _Asking((host, options), settings) as asking:
        route = await _resolve(asking, (), (host, options), settings)
    return tuple(hop.at(number, len(route)) for number, hop in enumerate(route, start=1))


async def _resolve(
    asking: _Asking, behind: tuple[_Question, ...], question: _Question, settings: EngineSettings
) -> tuple[Hop, ...]:
    """The route to a host, by which those are reached that were asked for before, in `behind`."""
    host, options = question
    check_host(host, host, 0)
    if options.user is not None:
        check_user(options.user, options.user, 0)
    _refuse_circle(question, behind)
    asked = await asking.answer(question)
    behind = (*behind, question)
    configuration = _without_defaults(asked)
    hop = replace(
        await make_hop(host, configuration, options, settings),
        known_keys_first=_has_usual_order("hostkeyalgorithms", *asked),
        not_honoured=not_honoured(*asked, allow_unasked=settings.allow_unasked_host_keys),
    )
    jump = next(iter(configuration.get("proxyjump", ())), "none")
    if jump == "none":
        asking.remember(behind)
        return (hop,)
    earlier, _, last = jump.rpartition(",")
    gate = HostArgument.parse(last if "://" in last else f"ssh://{last}")
    # ssh gives its jump hosts nothing of what was typed but -F: the rest is their own
    # configuration.
    gate_options = SshOptions(
        user=gate.user,
        port=gate.ssh_port,
        jump=earlier or None,
        config_file=options.config_file,
        agent_socket=options.agent_socket,
    )
    return *await _resolve(asking, behind, (gate.host, gate_options), settings), hop


def _refuse_circle(question: _Question, behind: tuple[_Question, ...]) -> None:
    """Refuse a question that was asked before: its answer would be asked for without end.

    Two hosts of one address are no circle: ssh, too, goes by the one to the other.
    """
    host, _ = question
    if len(behind) >= MAX_HOPS:
        raise Fatal(
            f"The route to {behind[0][0]} has more than {MAX_HOPS} hops.", code="unsupported"
        )
    if question in behind:
        raise Fatal(
            f"The route to {behind[0][0]} leads in a circle: {host} is its own jump host.",
            code="unsupported",
            hint=f"Give {host} “ProxyJump none” in ~/.ssh/config.",
        )


async def configuration_of(host: str, options: SshOptions, settings: EngineSettings) -> Resolved:
    """All that ssh would use for a host, as `ssh -G` prints it.

    :raises BadInput: the name cannot be a host's, or ssh cannot read its configuration.
    :raises Transient: a file that the configuration includes is on a drive that does not answer.
    """
    check_host(host, host, 0)
    if options.user is not None:
        check_user(options.user, options.user, 0)
    return await _asked(host, options, settings, asks=False)


async def _asked(
    host: str, options: SshOptions, settings: EngineSettings, *, asks: bool
) -> Resolved:
    """:param asks: have BatchMode change nothing else."""
    if options.config_file is None and settings.ssh_config is not None:
        options = replace(options, config_file=settings.ssh_config)
    ssh = await Files().look_at("ssh", shutil.which)
    if ssh is None:
        return Resolved(*await without_openssh.configurations(host, options))
    environment = dict(os.environ)
    if options.agent_socket is not None:
        environment["SSH_AUTH_SOCK"] = options.agent_socket

    async def ask() -> Resolved:
        found = await openssh.configurations(ssh, options, host, environment, asks=asks)
        return Resolved(*found)

    program = await Files().look_at(ssh, openssh.identity)
    return await answers.answer((program, asks, host, options), options.config_file, ask)


def _without_defaults(asked: Resolved) -> Configuration:
    """A configuration in which algorithms stand only where they are not ssh's own defaults."""
    configuration, defaults = asked
    same = {key for key in _OURS if configuration.get(key) == defaults.get(key)}
    return {key: values for key, values in configuration.items() if key not in same}


def _has_usual_order(keyword: str, asked: Configuration, defaults: Configuration) -> bool:
    """Whether the algorithms are ssh's own in its order, less some, with others behind: what
    “-a,b” and “+a,b” make of them."""
    names, usual = names_of(asked, keyword), names_of(defaults, keyword)
    return names == [name for name in usual if name in names] + [
        name for name in names if name not in usual
    ]
