"""What Jupyter's log holds of visitors who have not logged in: so many lines a minute, each plain.

A stranger can ask as often as they like, and what they send stands in lines of Jupyter's and of
tornado's. So a filter on their loggers looks whose request each record is about: that is known
by the context in which the record was written, which a connection begins and each request on it
goes on with. What no stranger caused passes as it is.
"""

import asyncio
import contextlib
import logging
import time
import traceback
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from datetime import UTC, datetime
from typing import Any

from jupyter_server.base.handlers import log as jupyters_log
from tornado.log import access_log, app_log, gen_log
from tornado.web import RequestHandler

from ..model.text import plain
from .strangers import Visit

LINES = 60
"""Lines a minute about strangers, beside those of logins; a refused request takes up to three."""

_MINUTE = 60.0
_LONGEST = 500  # characters of a line, and of one of a traceback

_about: ContextVar["tuple[StrangersLog, Visit] | None"] = ContextVar("about", default=None)


class StrangersLog:
    """The lines about strangers at one outside server: `lines` a minute."""

    def __init__(
        self,
        lines: int = LINES,
        now: Callable[[], float] = time.monotonic,
        minute: float = _MINUTE,
    ) -> None:
        self._lines = lines
        self._now = now
        self._minute = minute
        self._since = now()
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        for logger in (jupyters_log(), access_log, app_log, gen_log):
            _watch(logger)

    def finished(self, handler: RequestHandler, write: Callable[[RequestHandler], None]) -> None:
        """Have the line of a request written, which is no traceback whatever becomes of it."""
        _watch(getattr(handler, "log", access_log))  # extensions have their own
        try:
            write(handler)
        except Exception as error:  # noqa: BLE001 (a log function is anybody's)
            line = f"{handler.get_status()} {handler.request.method} could not be logged: {error!r}"
            access_log.warning("%s", plain(line, _LONGEST))

    def begin(self, visit: Visit) -> None:
        """What is logged in this context from now on is about that visit."""
        _about.set((self, visit))

    def begun(self) -> Context:
        """A context in which it is about somebody who has not asked for anything yet."""
        context = copy_context()
        context.run(self.begin, Visit("", datetime.now(UTC)))
        return context

    def admits(self) -> bool:
        """Whether one more line is written, which counts then."""
        if self._now() - self._since >= self._minute:
            self._begin_minute()
        self._count += 1
        if self._count > self._lines:
            self._tell_later()
        return self._count <= self._lines

    def _begin_minute(self) -> None:
        """Tell what was left out in the one before."""
        now = self._now()
        left_out, seconds = self._count - self._lines, now - self._since
        self._since, self._count = now, 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if left_out > 0:
            Context().run(_tell, left_out, seconds)

    def _tell_later(self) -> None:
        """At the end of the minute, though no line may come then."""
        if self._timer is not None:
            return
        # A line of a thread is told of by the next one of the loop.
        with contextlib.suppress(RuntimeError):
            loop, left = asyncio.get_running_loop(), self._minute - (self._now() - self._since)
            self._timer = loop.call_later(left, self._begin_minute, context=Context())


def _tell(left_out: int, seconds: float) -> None:
    jupyters_log().warning(
        "%d more lines about requests from outside without a login were left out"
        " in the last %d seconds.",
        left_out,
        seconds,
    )


def _watch(logger: Any) -> None:
    """Have our filter look at what is written there; once, however often this is called."""
    getattr(logger, "logger", logger).addFilter(_filter)


def _filter(record: logging.LogRecord) -> bool:
    about = _about.get()
    if about is None or about[1].is_known:
        return True
    log, visit = about
    # Logins are few by themselves, and no flood hides them.
    if not (visit.tries_login or log.admits()):
        return False
    _make_plain(record)
    return True


def _make_plain(record: logging.LogRecord) -> None:
    try:
        said = record.getMessage()
    except Exception as error:  # noqa: BLE001 (logging never raises into who logs, nor does this)
        said = f"{record.msg} ({type(error).__name__}: it could not be worded)"
    record.msg, record.args = plain(said, _LONGEST), ()
    if record.exc_info:
        found: Any = record.exc_info
        # Each line of its own is further in: what is said in an exception begins no line of a log.
        told = "".join(traceback.format_exception(*found)).splitlines()
        record.exc_text = "\n".join(f"  {_indented(line)}" for line in told)


def _indented(line: str) -> str:
    indent = len(line) - len(line.lstrip(" "))
    return " " * indent + plain(line, _LONGEST)
