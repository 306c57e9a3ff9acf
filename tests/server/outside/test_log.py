"""What Jupyter's log holds of what strangers send."""

import asyncio
import logging
from collections.abc import Callable

import aiohttp
import pytest
from jupyter_server.auth.identity import IdentityProvider
from jupyter_server.log import log_request
from tornado.web import Application, RequestHandler

from jupyter_remote_tunnel.publish import certificates
from jupyter_remote_tunnel.server.strangers_log import StrangersLog
from tests.server.outside.support import NAME, Open, an_app, first_line, outside

LINES = 3


@pytest.fixture
def app(provider: IdentityProvider) -> Application:
    """One that logs as Jupyter does."""
    made = an_app("/", provider)
    made.settings["log_function"] = log_request
    return made


async def refused(it: Open, path: str, times: int = 1) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(times):
            async with session.delete(it.url(path), ssl=False) as answer:
                assert answer.status == 405


def written(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if "tornado" in record.name]
    caplog.clear()
    return found


async def test_so_many_lines_a_minute_are_of_strangers(
    app: Application, files: certificates.Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    now = 0.0
    async with outside(app, files, base_url="/") as it:
        it.gate.log = StrangersLog(LINES, lambda: now)
        it.gate.is_open = True
        await refused(it, "x", LINES + 4)
        lines = written(caplog)
        assert [line.split()[:3] for line in lines] == LINES * [["405", "DELETE", "/x"]]
        await refused(it, "known", LINES + 1)
        assert len(written(caplog)) == LINES + 1, "who has logged in is logged as ever"
        logging.getLogger("tornado.application").warning("inside")
        assert written(caplog) == ["inside"]
        now += 61.0
        await refused(it, "x")
        told, line = written(caplog)
        assert (told.startswith("4 more lines"), "DELETE /x" in line) == (True, True)


async def test_what_was_left_out_is_told_though_nobody_comes(
    app: Application, files: certificates.Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, at the end of the minute."""
    caplog.set_level(logging.INFO)
    lines: asyncio.Queue[str] = asyncio.Queue()

    def heard(record: logging.LogRecord) -> bool:
        lines.put_nowait(record.getMessage())
        return True

    caplog.handler.addFilter(heard)
    async with outside(app, files, base_url="/") as it, asyncio.timeout(30):
        it.gate.log = StrangersLog(LINES, minute=2.0)
        it.gate.is_open = True
        for left_out in (4, 1):
            await refused(it, "x", LINES + left_out)
            for _ in range(LINES):
                assert "405 DELETE" in await lines.get()
            told = f"{left_out} more lines about requests from outside without a login"
            assert (await lines.get()).startswith(told)
        assert lines.empty()


async def test_no_flood_hides_a_login(
    app: Application, files: certificates.Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "tornado.access")
    async with outside(app, files, base_url="/") as it, aiohttp.ClientSession() as session:
        it.gate.log = StrangersLog(LINES)
        it.gate.is_open = True
        await refused(it, "x", LINES + 1)
        assert len(written(caplog)) == LINES
        await session.get(it.url("login"), ssl=False)
        assert written(caplog) == []
        await session.post(it.url("login"), data=b"", ssl=False)
        (line,) = written(caplog)
        assert "POST /login" in line


async def test_what_is_no_http_has_as_many_lines(
    app: Application, files: certificates.Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with outside(app, files, base_url="/") as it:
        it.gate.log = StrangersLog(LINES)
        it.gate.is_open = True
        for _ in range(LINES + 2):
            assert b" 400 " in await first_line(it.port, b"A\x9b B\r\n\r\n")
    assert len(written(caplog)) == LINES


async def test_what_is_logged_of_a_stranger_is_plain(
    app: Application, files: certificates.Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    async with outside(app, files, base_url="/") as it:
        it.gate.is_open = True
        head = f"DELETE /x HTTP/1.1\r\nHost: {NAME}:{it.port}\r\n".encode()
        asked = head + b"Referer: \x9b31mred \xc2\x9b2J" + 5000 * b"r" + b"\r\n\r\n"
        assert b" 405 " in await first_line(it.port, asked)
    (line,) = written(caplog)
    assert (line.isprintable(), len(line) <= 500, "31mred" in line) == (True, True, True)


@pytest.mark.parametrize(
    "asked",
    [
        b"GET //[ HTTP/1.1\r\n",
        b"GET /\x9b2J HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nReferer: //[\r\n",
        b"GET / HTTP/1.1\r\nOrigin: http://[\r\n",
        b"GET / HTTP/1.1\r\nSec-WebSocket-Origin: http://[\r\n",
    ],
)
async def test_what_is_no_url_is_refused(
    app: Application, files: certificates.Certificate, asked: bytes
) -> None:
    async with outside(app, files, base_url="/") as it:
        it.gate.is_open = True
        host = f"Host: {NAME}:{it.port}\r\n\r\n".encode()
        assert b" 400 " in await first_line(it.port, asked + host)
        name = 'Content-Disposition: attachment; filename="ü"\r\n'.encode()
        assert b" 200 " in await first_line(it.port, b"GET / HTTP/1.1\r\n" + name + host)


async def test_a_log_that_fails_is_one_line(
    app: Application, files: certificates.Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: RequestHandler) -> None:
        raise ValueError("what\x1b[31m it said")

    app.settings["log_function"] = fails
    async with outside(app, files, base_url="/") as it:
        it.gate.is_open = True
        for path in ("x", "known"):
            await refused(it, path)
    for line in written(caplog):
        assert (line.startswith("405 DELETE could not be logged"), line.isprintable()) == (
            True,
            True,
        )
    assert "Traceback" not in caplog.text


def in_a_strangers_request(act: Callable[[], None]) -> None:
    StrangersLog(LINES).begun().run(act)


def test_a_line_that_cannot_be_worded_is_one_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("tornado.application")
    in_a_strangers_request(lambda: logger.warning("%d streams", "x"))
    assert written(caplog) == ["%d streams (TypeError: it could not be worded)"]


def test_what_an_exception_says_begins_no_line(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError("x\n[I 2026-11-22 ServerApp] User ann logged in.")

    def fail() -> None:
        logging.getLogger("tornado.application").error("Uncaught", exc_info=error)

    in_a_strangers_request(fail)
    first, *others = logging.Formatter().format(caplog.records[-1]).splitlines()
    assert first == "Uncaught"
    assert len(others) > 1
    assert all(line.startswith("  ") for line in others)
