"""What `publish` says, however a Jupyter is published: its checks, the site, the end."""

import re
import shlex
from collections.abc import Callable, Mapping
from datetime import datetime
from shutil import get_terminal_size
from typing import Any

from ..engine.asking import ask_server
from ..engine.client import EngineClient
from ..model.diagnosis import Verdict
from ..model.errors import BadInput
from ..model.publication import Change, Check, Proxy, Publication
from ..model.text import framed, plain
from .answers import Answer

NEVER = "never"
"""What is typed in the place of a time, where something has no end."""

_VERDICTS: dict[Verdict, str] = {"ok": "ok", "note": "note", "failed": "FAILED"}
MARGIN = " " * len("FAILED  ")
"""Before the lines that belong to a check."""

_COLUMNS = 80
_LONGEST = 1000
_DEEPEST = 40  # characters of white space before a line
_LONGEST_TYPED = 4000  # a command is of no use without its end
_UNITS = {"m": 1 / 60, "h": 1.0, "d": 24.0}


def web_server(word: str | None) -> Proxy | None:
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


async def follow(
    client: EngineClient,
    question: str,
    wanted: Mapping[str, Any],
    say: Callable[[str], None] | None,
    prog: str,
) -> Answer:
    """Each check as soon as it is over, and what comes of them.

    :param say: given the lines of each check; None where they have to wait.
    """
    told: list[str] = []

    def hear(line: Mapping[str, Any]) -> None:
        check = Check.from_dict(line["check"])
        lines = check_lines(check, mends(check, prog, wanted.get("prefix", "")))
        told.extend(lines)
        if say is not None:
            say("\n".join(lines))

    report = await ask_server(client, question, wanted, hear)
    last = _conclusion(report, prog)
    return Answer(report, tuple(last if say is not None else [*told, *last]), ok=report["ok"])


def mends(check: Check, prog: str, prefix: str = "") -> str:
    """What to type to mend a check that elsewhere has a button for that; "" where it has none.

    :param prefix: as the check was asked for.
    """
    if check.remedy == "password":
        return f"Set a password: {prog} publish --set-password"
    if check.remedy == "setting":
        below = f" --prefix {shlex.quote(prefix)}" if prefix else ""
        return f"{prog} publish --fix{below} shows what mends it, and writes it after a yes."
    return ""


def check_lines(check: Check, mending: str = "") -> list[str]:
    """A check in lines for a person.

    :param mending: what `mends` it.
    """
    says = plain(check.says, _LONGEST)
    lines = [f"{_VERDICTS[check.verdict]:<6}  {plain(check.name, 30):<12}  {says}"]
    columns = min(get_terminal_size().columns, _COLUMNS) - len(MARGIN)
    lines += [f"{MARGIN}{row}" for row in framed(check.details, columns)]
    # The end of a here-document stands at the beginning of its line.
    margin = "" if any("<<'" in line for line in check.typed) else MARGIN
    lines += [f"{margin}{_as_it_stands(line)}" for line in check.typed]
    if advice := f"{mending} {check.advice}".strip():
        lines.append(f"{MARGIN}→ {plain(advice, _LONGEST)}")
    return lines


def change_lines(change: Change) -> list[str]:
    """A change in lines for a person: the file, and what stands there before and after."""
    told = (change.file, *change.lines)
    return [f"{MARGIN}{plain(line, _LONGEST)}" for line in told]


def _as_it_stands(line: str) -> str:
    """A line that is to be typed, or stands in a file, indented as it is."""
    text = line.lstrip(" \t")
    return line[: len(line) - len(text)][:_DEEPEST] + plain(text, _LONGEST_TYPED)


def site_answer(found: Mapping[str, Any]) -> Answer:
    """What there is to be installed, and how."""
    host, url = plain(found["host"]), plain(found["url"], 300)
    lines = [f"{plain(found['file'], 300)}, for {url}:", ""]
    lines += map(_as_it_stands, found["text"].splitlines())
    if found["left_at"]:
        lines += ["", f"It lies on {host}, as {plain(found['left_at'], 300)}."]
    if found["notes"]:
        lines += ["", *(f"Note: {plain(note, _LONGEST)}" for note in found["notes"])]
    if not found["commands"]:
        lines += ["", f"It is installed on {host}: nothing has to be typed there."]
        return Answer(dict(found), tuple(lines))
    lines += ["", f"To be typed on {host}, by someone who may use sudo:", ""]
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
        f"Published: {plain(one.url, _LONGEST)} {until(one)}.",
        *(f"  {plain(sentence, _LONGEST)}" for sentence in one.exposed),
        f"  To end it: {prog} publish --stop {plain(one.name)}",
    ]


def until(one: Publication) -> str:
    """For how long it is published: "until 2026-11-22 18:00"."""
    return f"until {time_of(one.until)}" if one.until else "without an end"


def moved(one: Publication, before: Publication) -> str:
    """When it ends, now that somebody has said another time."""
    said = f"{plain(one.url, 300)} is published {until(one)}"
    if not one.until or (before.until and _time(one.until) >= _time(before.until)):
        return f"{said}."
    return f"{said}, which is earlier than before ({until(before)})."


def gone(one: Publication) -> str:
    """That it has ended."""
    return f"{plain(one.url, 300)} is not published any more."


def time_of(stamp: str) -> str:
    """A time of the server, as it is here."""
    return _time(stamp).strftime("%Y-%m-%d %H:%M")


def _time(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp).astimezone()
