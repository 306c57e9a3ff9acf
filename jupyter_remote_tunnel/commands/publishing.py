"""`publish`: this Jupyter, shown to the outside. The Jupyter server does it, and is asked by way of
its engine; what a gateway wants to know is asked here, before. For --pull see `pulling`.
"""

from dataclasses import replace
from typing import NamedTuple

from ..engine.asking import ask_server
from ..engine.client import EngineClient
from ..engine.discovery import list_engines
from ..model.errors import BadInput, Fatal, RemoteTunnelError
from ..model.publication import Change, Check, Publication, PublishRequest
from ..model.spec import TunnelRequest
from ..model.text import plain
from .answers import Answer, Table
from .engines import Engines
from .grammar import Parsed, usage
from .publish_answers import (
    MARGIN,
    change_lines,
    check_lines,
    follow,
    gone,
    hours_of,
    mends,
    moved,
    site_answer,
    time_of,
    web_server,
)
from .pulling import pull
from .questions import NOT_KNOWN, Face, GaveUp, new_password, told_by_ctrl_c
from .typed import absolute, host_request

_OF_PULL = ("foreground", "systemd", "jupyter")


async def publish(engines: Engines, parsed: Parsed) -> Answer:
    """`publish`: data is the report, as `POST …/api/publish` gives it; with --list
    {"publications": […]}, with --stop and --extend {"publication": …}, with --set-password
    {"file": …}, with --fix {"changed": [the changes that were made], "checks": [what still fails]},
    with --site what `server.looking.Looking.installation` gives.
    """
    options = parsed.options
    chosen = [name for name in _OTHERS if options[name] not in (None, False)]
    if len(chosen) > 1:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in _OTHERS)
        raise BadInput(f"Give one of {names}, or what is to be published.")
    if chosen:
        _check_alone(chosen[0], parsed)
        return await _OTHERS[chosen[0]](engines, parsed)
    if options["pull"]:
        return await pull(engines, parsed)
    wanted = _wanted(parsed)
    or_else = f"; or, on the gateway: {parsed.prog} publish --pull HOST"
    client = await _client(engines, "" if wanted.way == "direct" else or_else)
    if wanted.gateway:
        # The server shares this connection, and has nobody to ask.
        host = TunnelRequest(host=wanted.gateway, ssh=wanted.ssh)
        await client.exec(host, ["true"], person=engines.person)
    if options["site"] is not None:
        return site_answer(await ask_server(client, "publish.site", wanted.as_dict()))
    question = "publish.check" if options["check"] else "publish"
    return await follow(client, question, wanted.as_dict(), engines.say, parsed.prog)


def _check_alone(chosen: str, parsed: Parsed) -> None:
    """:raises BadInput: what has no place beside that one was typed, too."""
    beside = {"fix": "prefix", "extend": "period", "set_password": "name"}.get(chosen, "")
    taken = {chosen, beside, "json", "server"}
    others = {name for name, value in parsed.options.items() if value not in (None, False)} - taken
    if not parsed.words and not others:
        return
    flag = f"--{chosen.replace('_', '-')}"
    at_most = {"prefix": "--prefix", "period": "--for", "name": "--name"}.get(beside)
    hint = ""
    if chosen in ("stop", "extend"):
        more = " --for 2h" if chosen == "extend" else ""
        hint = f"The name of what is meant comes next: {parsed.prog} publish {flag} NAME{more}"
    elif chosen == "fix":
        hint = "It is for the Jupyter that runs here. What another host's lacks, --check prints."
    with_it = f", at most with {at_most}" if at_most else ""
    raise BadInput(f"{flag} stands alone{with_it}.", hint=hint)


async def _client(engines: Engines, or_else: str = "") -> EngineClient:
    """A client of the engine that the Jupyter server holds.

    :param or_else: what else can be done where none runs.
    :raises RemoteTunnelError: none does, or it does not answer.
    """
    if not _has_jupyter(engines):
        raise Fatal(
            "No Jupyter runs here.",
            code="engine_unavailable",
            hint=f"Start JupyterLab with this extension{or_else or '.'}",
        )
    return await engines.one()


def _has_jupyter(engines: Engines) -> bool:
    """Whether a Jupyter server is meant, and not another holder of an engine, or none.

    :raises BadInput: several could be, or `--server` names none.
    """
    try:
        return engines.find().kind == "server"
    except Fatal as error:
        if error.code != "engine_unavailable":
            raise
        return False


def _wanted(parsed: Parsed) -> PublishRequest:
    """What is to be published.

    :raises BadInput: it cannot be.
    """
    options = parsed.options
    if alone := [name for name in _OF_PULL if options[name]]:
        raise BadInput(f"--{alone[0]} goes with --pull.")
    if options["bind"] and options["direct"]:
        raise BadInput("Give --bind or --direct: a gateway, or none.")
    if not options["direct"] and not parsed.words:
        how = usage(parsed.command, parsed.prog)
        raise BadInput("Give a gateway, or --direct.", hint=f"usage: {how}")
    host = host_request(parsed.words) if parsed.words else TunnelRequest(host="")
    files = [options[name] for name in ("certfile", "keyfile")]
    if options["bind"] or options["direct"]:
        files = [None if file is None else absolute(file) for file in files]
    request = PublishRequest(
        way="direct" if options["direct"] else "bind" if options["bind"] else "proxy",
        gateway=host.host or "",
        ssh=host.ssh,
        name=options["name"] or "",
        prefix=options["prefix"] or "",
        port=options["port"],
        proxy=web_server(options["site"] or options["proxy"] or None),
        loopback_port=options["tcp"],
        socket=options["socket"],
        certificate=files[0],
        key=files[1],
        self_signed=options["self_signed"],
        hours=hours_of(options["period"]),
    )
    request.check(files=False)  # those are asked for where that way is allowed
    return request


# What else there is to ask.


class _One(NamedTuple):
    """A publication, and whom to ask about it."""

    status: Publication
    client: EngineClient


async def _publishers(engines: Engines) -> list[EngineClient]:
    """Clients of the engines of all that publish something: of the Jupyter server, and of each
    process that shows a Jupyter of another host.

    :raises RemoteTunnelError: it is not known who is meant, or nobody answers.
    """
    found = list_engines() if engines.server is None else [engines.find()]
    clients = [await engines.of(one) for one in found if one.kind == "publication"]
    try:
        return [await engines.one(), *clients] if _has_jupyter(engines) else clients
    except RemoteTunnelError:
        if not clients:
            raise
        return clients


async def _all(engines: Engines) -> list[_One]:
    """All that is published."""
    return [
        _One(Publication.from_dict(one), client)
        for client in await _publishers(engines)
        for one in (await ask_server(client, "publish.list"))["publications"]
    ]


async def _list(engines: Engines, _: Parsed) -> Answer:
    found = [one.status for one in await _all(engines)]
    rows = tuple(
        (
            plain(one.url, 300),
            one.state.replace("_", " "),
            plain(one.host) or "directly",
            time_of(one.until) if one.until else "no end",
            _connected(one),
            one.id,
        )
        for one in found
    )
    problems = [f"{plain(one.url, 300)}: {plain(one.problem, 500)}" for one in found if one.problem]
    none = [] if found else ["Nothing is published."]
    headings = ("URL", "State", "Host", "Until", "Connected", "Id")
    data = {"publications": [one.as_dict() for one in found]}
    return Answer(data, (*none, *problems), Table(headings, rows))


def _connected(one: Publication) -> str:
    """Who is, as "192.0.2.7 (2), address not known"."""
    shown = [
        (plain(visitor.address, 50) or "address not known")
        + (f" ({visitor.streams})" if visitor.streams > 1 else "")
        for visitor in one.visitors
    ]
    return ", ".join(shown) or "nobody"


async def _chosen(engines: Engines, name: str) -> _One:
    """The publication of that id or name; the only one, for "".

    :raises BadInput: several are meant.
    :raises Fatal: `not_found`.
    """
    found = await _all(engines)
    if not found:
        raise Fatal("Nothing is published.", code="not_found")
    meant = [one for one in found if name.lower() in (one.status.id, one.status.name, "")]
    if len(meant) == 1:
        return meant[0]
    if not meant:
        raise Fatal(f"Nothing is published as {plain(name, 100)}.", code="not_found")
    names = ", ".join(f"{plain(one.status.name)} ({one.status.id})" for one in meant)
    raise BadInput("Say which one.", hint=f"There are: {names}.")


async def _stop(engines: Engines, parsed: Parsed) -> Answer:
    one = await _chosen(engines, parsed.options["stop"])
    answer = await ask_server(one.client, "publish.stop", {"publication": one.status.id})
    return Answer(answer, (gone(Publication.from_dict(answer["publication"])),))


async def _extend(engines: Engines, parsed: Parsed) -> Answer:
    one = await _chosen(engines, parsed.options["extend"])
    named = {"publication": one.status.id, "hours": hours_of(parsed.options["period"])}
    answer = await ask_server(one.client, "publish.extend", named)
    status = Publication.from_dict(answer["publication"])
    return Answer(answer, (moved(status, one.status),))


async def _set_password(engines: Engines, parsed: Parsed) -> Answer:
    """:raises NeedsUser: it cannot be asked for, or is not given."""
    client, face = await _client(engines), engines.face
    if face is not None:
        file = plain((await ask_server(client, "publish.password_file"))["file"], 500)
        await face.show([f"The new password of this Jupyter will be written, hashed, to {file}."])
    password = await new_password(face, "New password for this Jupyter: ")
    asked = {"password": password, "name": parsed.options["name"] or ""}
    with told_by_ctrl_c(f"{NOT_KNOWN}. Set it again."):
        answer = await ask_server(client, "publish.set_password", asked)
    lines = (
        f"The password is set, in {plain(answer['file'], 500)}. It counts from now on.",
        "Those who are logged in stay so. A token that it was started with still lets in.",
    )
    return Answer(answer, lines)


async def _fix(engines: Engines, parsed: Parsed) -> Answer:
    """Each change that mends a check: shown, and made after a yes."""
    client, face = await _client(engines), engines.face
    asked = {"prefix": parsed.options["prefix"] or ""}
    made: list[Change] = []
    offered: set[str] = set()
    while True:
        answer = await ask_server(client, "publish.settings", asked)
        checks = list(map(Check.from_dict, answer["checks"]))
        # One that was made may uncover another.
        new = [one for one in checks if one.change and one.change.setting not in offered]
        if not new or new[0].change is None or face is None:
            break
        change = new[0].change
        offered.add(change.setting)
        await face.show([*check_lines(replace(new[0], typed=(), advice="")), *change_lines(change)])
        if await _agrees(face):
            wanted = {"setting": change.setting, "seen": change.seen, **asked}
            await ask_server(client, "publish.change", wanted)
            made.append(change)
            await face.show([f"{MARGIN}{_written(change)}"])
        else:
            await face.show([f"{MARGIN}Nothing was written."])
    lines: list[str] = []
    for check in checks:
        lines += check_lines(check, mends(check, parsed.prog, asked["prefix"]))
        if face is None and check.change is not None:
            lines += change_lines(check.change)
    data = {"changed": [change.as_dict() for change in made], "checks": answer["checks"]}
    return Answer(data, tuple(lines or ["No setting of this Jupyter is wrong."]), ok=not checks)


async def _agrees(face: Face) -> bool:
    try:
        word = await face.choose("Write that? [y/N] ")
    except GaveUp:
        return False
    return word.strip().lower() in ("y", "yes")


def _written(change: Change) -> str:
    when = "from now on" if change.at_once else "when Jupyter is started again"
    return f"Written. It counts {when}."


_OTHERS = {
    "list": _list,
    "stop": _stop,
    "extend": _extend,
    "set_password": _set_password,
    "fix": _fix,
}
