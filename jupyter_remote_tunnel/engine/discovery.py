"""Which engine is meant: `--server`, else the one of this Jupyter, else that of the only Jupyter
server there is, else the only one."""

import os
from pathlib import Path
from socket import gethostname
from urllib.parse import urlsplit

from ..model.errors import BadInput, Fatal
from ..model.text import plain
from .announce import Announcement, announcements
from .folders import runtime_dir as runtime_dir

# Holders whose engine others may use: the other kinds end when their one job is done.
_SHARED = ("server", "background")

_HERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104 (compared, not bound)


def list_engines() -> list[Announcement]:
    """All live engines of this user on this machine, those without a running process included."""
    return list(announcements())


def find_engine(server: str | None = None) -> Announcement:
    """The engine that is meant.

    In this order: the one that `server` names; the one of `JUPYTER_REMOTE_TUNNEL` (which a Jupyter
    server sets for its kernels and terminals), if it lives; the one held by `JPY_PARENT_PID` (the
    server that started this kernel); the one of the only Jupyter server that runs; where none runs,
    the only one in the background.

    :param server: URL of a Jupyter server, in any of the forms in which Jupyter prints it; pid of a
        holder; or path of an announcement.
    :raises BadInput: `ambiguous`, several are live: the message lists them; `bad_input`, `server`
        names none of them.
    :raises Fatal: `engine_unavailable`, there is none.
    """
    engines = list_engines()
    if server is not None:
        return _only(
            [engine for engine in engines if _is_named(engine, server)],
            BadInput(f"No engine is held by {_without_token(server)}.", hint=_there_are(engines)),
        )
    if (own := _of_this_jupyter(engines)) is not None:
        return own
    shared = [engine for engine in engines if engine.kind in _SHARED]
    servers = [engine for engine in shared if engine.kind == "server"]
    return _only(
        servers if len(servers) == 1 else shared,
        Fatal(
            "No engine for tunnels is running.",
            code="engine_unavailable",
            hint="Start a Jupyter server, or open a tunnel with `jupyter tunnel open`.",
        ),
    )


def _of_this_jupyter(engines: list[Announcement]) -> Announcement | None:
    path = os.environ.get("JUPYTER_REMOTE_TUNNEL")
    parent = os.environ.get("JPY_PARENT_PID")
    for engine in engines:
        if path and engine.path == Path(path):
            return engine
    for engine in engines:
        if parent and str(engine.holder_pid) == parent:
            return engine
    return None


def _is_named(engine: Announcement, server: str) -> bool:
    if server.isdecimal():
        return engine.holder_pid == int(server)
    return engine.path == Path(server).absolute() or _is_served_at(engine.url, server)


def _is_served_at(base: str, url: str) -> bool:
    """Whether the Jupyter server with the URL `base` serves `url`, which may lack its scheme and
    need not name a page."""
    there, asked = _address(base), _address(url)
    if not base or there is None or asked is None or there[:2] != asked[:2]:
        return False
    return asked[2] in ("", "/") or f"{asked[2]}/".startswith(there[2])


def _address(url: str) -> tuple[str, int, str] | None:
    """Host, port and path; every name of this machine is one. None if this is no URL."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    host = parts.hostname or ""
    is_here = host in (*_HERE, gethostname().lower())
    return "localhost" if is_here else host, port, parts.path


def _without_token(server: str) -> str:
    return plain(server.partition("?")[0])


def _only(found: list[Announcement], none: Exception) -> Announcement:
    if not found:
        raise none
    if len(found) > 1:
        raise BadInput(
            f"Several engines are running: {_list(found)}.",
            code="ambiguous",
            hint="Choose one with --server and its URL or pid.",
        )
    return found[0]


def _there_are(engines: list[Announcement]) -> str:
    return f"There are: {_list(engines)}." if engines else "No engine is running."


def _list(engines: list[Announcement]) -> str:
    return "; ".join(engine.label for engine in engines)
