"""`publish`: this Jupyter, shown to the outside. The Jupyter server does it, and is asked by way of
its engine; what a gateway wants to know is asked here, before.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from ..engine.asking import ask_server
from ..engine.client import EngineClient
from ..model.diagnosis import Verdict
from ..model.errors import BadInput, Fatal, NeedsUser
from ..model.publication import Change, Check, Proxy, Publication, PublishRequest
from ..model.spec import TunnelRequest
from ..model.text import plain
from .answers import Answer, Table
from .engines import Engines
from .grammar import Parsed, usage
from .questions import Face, GaveUp
from .typed import absolute, host_request

_VERDICTS: dict[Verdict, str] = {"ok": "ok", "note": "note", "failed": "FAILED"}
_MARGIN = " " * len("FAILED  ")
_LONGEST = 1000
_UNITS = {"m": 1 / 60, "h": 1.0, "d": 24.0}


async def publish(engines: Engines, parsed: Parsed) -> Answer:
    """`publish`: data is the report, as `POST …/api/publish` gives it; with --list
    {"publications": […]}, with --stop and --extend {"publication": …}, with --set-password
    {"file": …}, with --fix {"changed": [the changes that were made], "checks": [what still fails]},
    with --site what `server.looking.Looking.installation` gives.
    """
    options = parsed.options
    chosen = [name for name in _OTHERS if options[name] not in (None, False)]
    if len(chosen) > 1 or (chosen and (parsed.words or options["check"])):
        names = ", ".join(f"--{name.replace('_', '-')}" for name in _OTHERS)
        raise BadInput(f"Give one of {names}, or what is to be published.")
    if chosen:
        return await _OTHERS[chosen[0]](engines, parsed)
    wanted = _wanted(parsed)
    client = await _client(engines)
    if wanted.gateway:
        # The server shares this connection, and has nobody to ask.
        host = TunnelRequest(host=wanted.gateway, ssh=wanted.ssh)
        await client.exec(host, ["true"], person=engines.person)
    if options["site"] is not None:
        return _site(await ask_server(client, "publish.site", wanted.as_dict()))
    question = "publish.check" if options["check"] else "publish"
    return await _follow(client, question, wanted, engines.say, parsed.prog)


async def _client(engines: Engines) -> EngineClient:
    """A client of the engine that the Jupyter server holds.

    :raises RemoteTunnelError: none does, or it does not answer.
    """
    if engines.find().kind != "server":
        raise Fatal(
            "It is a Jupyter server that is published, and none is running.",
            code="engine_unavailable",
            hint="Start JupyterLab with this extension, and ask again.",
        )
    return await engines.one()


def _wanted(parsed: Parsed) -> PublishRequest:
    """What is to be published.

    :raises BadInput: it cannot be.
    """
    options = parsed.options
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
        proxy=_web_server(options["site"] or options["proxy"] or None),
        loopback_port=options["tcp"],
        socket=options["socket"],
        certificate=files[0],
        key=files[1],
        self_signed=options["self_signed"],
        hours=hours_of(options["period"]),
    )
    request.check()
    return request


def _web_server(word: str | None) -> Proxy | None:
    """:raises BadInput: it is none of those that there are sites for."""
    known: dict[str | None, Proxy | None] = {None: None, "nginx": "nginx", "caddy": "caddy"}
    if word not in known:
        raise BadInput(f"“{plain(str(word), 40)}” is no web server of a gateway: nginx or caddy.")
    return known[word]


def hours_of(text: str | None) -> float | None:
    """ "90m", "8h", "2d", or a number of hours.

    :raises BadInput: it is none of these.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([mhd]?)", text.strip().lower(), re.ASCII)
    if found is None:
        raise BadInput(f"“{plain(text, 40)}” is no time.", hint="For example: --for 8h, 90m, 2d")
    return float(found[1]) * _UNITS[found[2] or "h"]


async def _follow(
    client: EngineClient,
    question: str,
    wanted: PublishRequest,
    say: Callable[[str], None] | None,
    prog: str,
) -> Answer:
    """Each check as soon as it is over, and what comes of them.

    :param say: given the lines of each check; None where they have to wait.
    """
    told: list[str] = []

    def hear(line: Mapping[str, Any]) -> None:
        lines = check_lines(Check.from_dict(line["check"]))
        told.extend(lines)
        if say is not None:
            say("\n".join(lines))

    report = await ask_server(client, question, wanted.as_dict(), hear)
    last = _conclusion(report, prog)
    return Answer(report, tuple(last if say is not None else [*told, *last]), ok=report["ok"])


def check_lines(check: Check) -> list[str]:
    """A check in lines for a person."""
    says = plain(check.says, _LONGEST)
    lines = [f"{_VERDICTS[check.verdict]:<6}  {plain(check.name, 30):<12}  {says}"]
    # The end of a here-document stands at the beginning of its line.
    margin = "" if any("<<'" in detail for detail in check.details) else _MARGIN
    lines += [f"{margin}{_as_it_stands(detail)}" for detail in check.details]
    if check.advice:
        lines.append(f"{_MARGIN}→ {plain(check.advice, _LONGEST)}")
    return lines


def change_lines(change: Change) -> list[str]:
    """A change in lines for a person: the file, and what stands there before and after."""
    told = (change.file, *change.lines)
    return [f"{_MARGIN}{plain(line, _LONGEST)}" for line in told]


def _as_it_stands(line: str) -> str:
    """A line that is to be typed, or stands in a file, indented as it is."""
    text = line.lstrip(" \t")
    return line[: len(line) - len(text)] + plain(text, _LONGEST)


def _site(found: Mapping[str, Any]) -> Answer:
    """What there is to be installed, and how."""
    host, url = plain(found["host"]), plain(found["url"], 300)
    lines = [f"{plain(found['file'], 300)}, for {url}:", ""]
    lines += map(_as_it_stands, found["text"].splitlines())
    if found["left_at"]:
        lines += ["", f"It lies on {host}, as {plain(found['left_at'], 300)}."]
    lines += ["", f"To be typed on {host}, by who may use sudo:", ""]
    lines += map(_as_it_stands, found["commands"])
    return Answer(dict(found), tuple(lines))


def _conclusion(report: Mapping[str, Any], prog: str) -> list[str]:
    if not report["ok"]:
        failed = [check["name"] for check in report["checks"] if check["verdict"] == "failed"]
        names = ", ".join(plain(name, 30) for name in dict.fromkeys(failed))
        return [f"Nothing is published: {names} failed."]
    if report["publication"] is None:
        return ["Nothing failed, and nothing was opened."]
    one = Publication.from_dict(report["publication"])
    return [
        f"Published: {plain(one.url, _LONGEST)} until {_time(one.until)}.",
        *(f"  {plain(sentence, _LONGEST)}" for sentence in one.exposed),
        f"  To end it: {prog} publish --stop {plain(one.name)}",
    ]


def _time(stamp: str) -> str:
    """A time of the server, as it is here."""
    return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M")


# What else there is to ask.


async def _list(engines: Engines, _: Parsed) -> Answer:
    answer = await ask_server(await _client(engines), "publish.list")
    found = [Publication.from_dict(one) for one in answer["publications"]]
    rows = tuple(
        (
            plain(one.url, 300),
            one.state.replace("_", " "),
            plain(one.host) or "directly",
            _time(one.until),
            _connected(one),
            one.id,
        )
        for one in found
    )
    problems = [f"{plain(one.url, 300)}: {plain(one.problem, 500)}" for one in found if one.problem]
    none = [] if found else ["Nothing is published."]
    headings = ("URL", "State", "Gateway", "Until", "Connected", "Id")
    return Answer(answer, (*none, *problems), Table(headings, rows))


def _connected(one: Publication) -> str:
    """Who is, as "192.0.2.7 (2), not known"."""
    shown = [
        (plain(visitor.address, 50) or "not known")
        + (f" ({visitor.streams})" if visitor.streams > 1 else "")
        for visitor in one.visitors
    ]
    return ", ".join(shown) or "nobody"


async def _chosen(client: EngineClient, name: str) -> str:
    """The publication of that id or name; the only one, for ""."""
    if name:
        return name
    found: Sequence[Any] = (await ask_server(client, "publish.list"))["publications"]
    if len(found) != 1:
        names = ", ".join(plain(one["name"]) for one in found)
        hint = f"There are: {names}." if found else ""
        raise BadInput("Say which one." if found else "Nothing is published.", hint=hint)
    return str(found[0]["id"])


async def _stop(engines: Engines, parsed: Parsed) -> Answer:
    client = await _client(engines)
    named = {"publication": await _chosen(client, parsed.options["stop"])}
    answer = await ask_server(client, "publish.stop", named)
    url = plain(answer["publication"]["url"], 300)
    return Answer(answer, (f"{url} is not published any more.",))


async def _extend(engines: Engines, parsed: Parsed) -> Answer:
    client = await _client(engines)
    named = {
        "publication": await _chosen(client, parsed.options["extend"]),
        "hours": hours_of(parsed.options["period"]),
    }
    answer = await ask_server(client, "publish.extend", named)
    one = answer["publication"]
    return Answer(answer, (f"{plain(one['url'], 300)} is published until {_time(one['until'])}.",))


async def _set_password(engines: Engines, _: Parsed) -> Answer:
    """:raises NeedsUser: it cannot be asked for, or is not given."""
    client, face = await _client(engines), engines.face
    if face is None:
        raise NeedsUser(
            "A password is typed, and there is nowhere to type it.",
            hint="Run this in a terminal, or in a notebook's cell.",
        )
    file = plain((await ask_server(client, "publish.password_file"))["file"], 500)
    await face.show([f"The new password of this Jupyter will be written, hashed, to {file}."])
    try:
        password = await face.ask("New password for this Jupyter: ", echo=False)
        again = await face.ask("The same again: ", echo=False)
    except GaveUp:
        raise NeedsUser("No password was typed: it is as it was.") from None
    if password != again:
        raise BadInput("The two passwords differ: it is as it was.")
    answer = await ask_server(client, "publish.set_password", {"password": password})
    lines = (
        f"The password is set, in {plain(answer['file'], 500)}. It counts from now on.",
        "Who is logged in stays so. A token that this Jupyter was started with still lets in.",
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
        await face.show(
            [*check_lines(replace(new[0], details=(), advice="")), *change_lines(change)]
        )
        if await _agrees(face):
            wanted = {"setting": change.setting, "seen": change.seen, **asked}
            await ask_server(client, "publish.change", wanted)
            made.append(change)
            await face.show([f"{_MARGIN}{_written(change)}"])
    lines = [line for check in checks for line in _left_lines(check, is_shown=face is None)]
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


def _left_lines(check: Check, *, is_shown: bool) -> list[str]:
    """What still fails. Where nobody can be asked, with what would be."""
    shown = change_lines(check.change) if is_shown and check.change is not None else []
    return [*check_lines(check), *shown]


_OTHERS = {
    "list": _list,
    "stop": _stop,
    "extend": _extend,
    "set_password": _set_password,
    "fix": _fix,
}
