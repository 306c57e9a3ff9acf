"""`publish --pull`: a Jupyter of another host, shown by the web server of this machine.

A process of its own does it (`server.pulling`), which is started for each: so nothing is shown that
nobody watches over. What that host wants to know is asked here, before.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from ..engine.announce import Announcement
from ..engine.asking import ask_server
from ..engine.client import EngineClient
from ..engine.discovery import list_engines
from ..engine.peer import require_unix
from ..model.address import bracketed
from ..model.errors import BadInput, Fatal, RemoteTunnelError, from_dict
from ..model.forward import ForwardKind, ForwardSpec
from ..model.host_name import published_name
from ..model.publication import Publication, PublishRequest, PullRequest
from ..model.spec import TunnelRequest
from ..model.text import plain
from .answers import Answer
from .engines import Engines
from .grammar import Parsed, usage
from .publish_answers import NEVER, follow, gone, hours_of, site_answer, until, web_server
from .questions import Face
from .typed import absolute, visit_request
from .units import command_of, unit_name, unit_of, write_unit

_PROCESS = "jupyter_remote_tunnel.server.pulling"
_NOT_IN_FOREGROUND = ("check", "site", "systemd", "list", "stop", "extend", "set_password", "fix")
_OF_OTHERS = ("bind", "direct", "tcp")


async def pull(engines: Engines, parsed: Parsed) -> Answer:
    """`publish --pull`: data is the report, as of `publish`; with --site the site; with --systemd
    {"unit": path, "text": …}.
    """
    wanted = pull_request(parsed)
    if parsed.options["systemd"]:
        return _unit(parsed, wanted, engines.say)
    if not parsed.options["check"] and parsed.options["site"] is None:
        await _refuse_second(engines, wanted, parsed.prog)
    async with _process(foreground=False) as (announcement, _):
        return await _ask(await engines.of(announcement), engines, parsed, wanted)


async def hold(
    parsed: Parsed, show: Callable[[Answer], None], say: Callable[[str], None], face: Face | None
) -> None:
    """`--foreground`: show it until this is cancelled, or it ends by itself.

    :param show: called with the answer when it is shown.
    :param say: called with the lines of each check.
    :raises RemoteTunnelError: it was not shown.
    """
    options = parsed.options
    others = [name for name in _NOT_IN_FOREGROUND if options[name] not in (None, False)]
    if others or not options["pull"]:
        raise BadInput(
            "--foreground goes with --pull, and shows something.",
            hint=f"usage: {usage(parsed.command, parsed.prog)}",
        )
    wanted = pull_request(parsed)
    listens = None if parsed.options["json"] else say
    async with Engines("shell", None, face, listens) as engines:
        await _refuse_second(engines, wanted, parsed.prog)
        async with _process(foreground=True) as (announcement, process):
            answer = await _ask(await engines.of(announcement), engines, parsed, wanted)
            if not answer.ok:
                raise Fatal(answer.lines[-1], code="check_failed")
            show(answer)
            one = Publication.from_dict(answer.data["publication"])
            with contextlib.suppress(asyncio.CancelledError):
                if await process.wait() != 0:
                    says = "The process that shows it has ended."
                    raise Fatal(says, hint="Its own words stand above.")
    if listens is not None:
        listens(gone(one))


async def _refuse_second(engines: Engines, wanted: PullRequest, prog: str) -> None:
    """:raises Fatal: `conflict`, another process of ours shows something by that name."""
    publish = replace(wanted.publish, name=published_name(wanted.publish.name))
    for one in await _published(engines):
        if urlsplit(one.url).netloc == publish.authority:
            problem = f" It is not shown now: {plain(one.problem, 500)}" if one.problem else ""
            raise Fatal(
                f"{plain(one.name)} is published already, {until(one)} (id {one.id}).{problem}",
                code="conflict",
                hint=f"To end it: {prog} publish --stop {one.id}. To have it end at another time:"
                f" {prog} publish --extend {one.id} --for 2h",
            )


async def _published(engines: Engines) -> list[Publication]:
    """What other processes show that were started from here."""
    found: list[Publication] = []
    for holder in list_engines():
        if holder.kind == "publication":
            with contextlib.suppress(RemoteTunnelError):  # one that has just ended
                listed = await ask_server(await engines.of(holder), "publish.list")
                found += map(Publication.from_dict, listed["publications"])
    return found


async def _ask(
    client: EngineClient, engines: Engines, parsed: Parsed, wanted: PullRequest
) -> Answer:
    # That process shares this connection, and has nobody to ask.
    host = TunnelRequest(host=wanted.publish.gateway, ssh=wanted.publish.ssh)
    await client.exec(host, ["true"], person=engines.person)
    if parsed.options["site"] is not None:
        return site_answer(await ask_server(client, "publish.site", wanted.as_dict()))
    question = "publish.check" if parsed.options["check"] else "publish"
    return await follow(client, question, wanted.as_dict(), engines.say, parsed.prog)


@contextlib.asynccontextmanager
async def _process(
    *, foreground: bool
) -> AsyncIterator[tuple[Announcement, asyncio.subprocess.Process]]:
    """Start the process. When the block ends, it goes on if it shows something, and is not of the
    foreground.

    :raises RemoteTunnelError: it does not start.
    """
    require_unix()
    # asyncio would close its own pipe as soon as the process has left us.
    its_end, our_end = os.pipe()
    try:
        os.write(our_end, json.dumps({"foreground": foreground}).encode() + b"\n")
        process = await _start(its_end)
    except BaseException:
        os.close(our_end)
        raise
    finally:
        os.close(its_end)
    try:
        yield await _announced(process), process
    finally:
        os.close(our_end)
        await process.wait()  # of the background, that which has left it behind


async def _start(stdin: int) -> asyncio.subprocess.Process:
    words = [sys.executable, "-P", "-m", _PROCESS]
    try:
        return await asyncio.create_subprocess_exec(
            *words, stdin=stdin, stdout=asyncio.subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise _not_started(str(error)) from None


async def _announced(process: asyncio.subprocess.Process) -> Announcement:
    """The engine of a process that has just been started."""
    assert process.stdout is not None
    try:
        said = json.loads(await process.stdout.readline())
        if "announcement" in said:
            return Announcement.read(Path(said["announcement"]))
    except (OSError, ValueError):
        raise _not_started("it said nothing") from None
    raise from_dict(said["error"])


def _not_started(reason: str) -> Fatal:
    return Fatal(
        f"The process that shows it did not start: {reason}.",
        code="engine_unavailable",
        hint="Its own words stand above.",
    )


# What was typed.


def pull_request(parsed: Parsed) -> PullRequest:
    """What is to be shown.

    :raises BadInput: it cannot be.
    """
    options = parsed.options
    if options["server"] is not None:
        raise BadInput("With --pull, a process of its own shows it: leave --server out.")
    if any(options[name] for name in _OF_OTHERS):
        names = ", ".join(f"--{name}" for name in _OF_OTHERS)
        raise BadInput(f"With --pull, the web server of this machine shows it: without {names}.")
    if not parsed.words:
        how = usage(parsed.command, parsed.prog)
        raise BadInput("Give the host on which that Jupyter runs.", hint=f"usage: {how}")
    host = visit_request(parsed.words)
    socket = options["socket"]
    publish = PublishRequest(
        gateway=host.host or "",
        ssh=host.ssh,
        name=options["name"] or "",
        prefix=options["prefix"] or "",
        port=options["port"],
        proxy=web_server(options["site"] or options["proxy"] or None),
        socket=None if socket is None else absolute(socket),
        certificate=options["certfile"],
        key=options["keyfile"],
        self_signed=options["self_signed"],
        hours=None if options["period"] == NEVER else hours_of(options["period"]),
    )
    destination = _destination(host, options["jupyter"])
    request = PullRequest(publish, destination, endless=options["period"] == NEVER)
    request.check()
    return request


def _destination(host: TunnelRequest, typed: str | None) -> str | None:
    """Which Jupyter server of that host is meant.

    :raises BadInput: several are, or none can be.
    """
    places = [ForwardSpec.parse(forward) for forward in host.forwards]
    if len(places) > 1 or any(place.kind is not ForwardKind.LOCAL for place in places):
        raise BadInput("Give one Jupyter server: HOST, or HOST:PORT.")
    if places and typed is not None:
        raise BadInput("Give the port once: HOST:PORT, or --jupyter.")
    return str(places[0].destination) if places else typed


def _unit(parsed: Parsed, wanted: PullRequest, say: Callable[[str], None] | None) -> Answer:
    """Write the unit; it has no end, unless one was given.

    :raises BadInput: it is to open nothing.
    """
    if parsed.options["check"] or parsed.options["site"] is not None:
        raise BadInput("A unit shows it: leave --check and --site out.")
    publish = wanted.publish
    command = command_of("publish", list(_words(parsed, wanted)))
    description = f"Shows the Jupyter of {publish.gateway} as {publish.name}"
    # What was ended, or is over, stays so.
    text = unit_of(description, command, "on-failure")
    return write_unit(unit_name(f"pull-{publish.name}"), text, plain(publish.gateway), say)


def _words(parsed: Parsed, wanted: PullRequest) -> Iterator[str]:
    """What to type behind `jupyter tunnel publish --foreground` for the same."""
    publish, options = wanted.publish, parsed.options
    yield from ("--pull", "--for", options["period"] or NEVER)
    for flag, value in (
        ("--name", publish.name),
        ("--prefix", publish.prefix),
        ("--port", publish.port),
        ("--proxy", publish.proxy),
        ("--socket", publish.socket),
        ("--certfile", publish.certificate),
        ("--keyfile", publish.key),
        ("--jupyter", wanted.destination),
    ):
        if value:
            yield from (flag, str(value))
    if publish.self_signed:
        yield "--self-signed"
    yield from replace(publish.ssh, agent_socket=None).words()
    yield bracketed(publish.gateway)
