"""Whatever a remote application answers, a view gives a well-formed answer or hangs up, and soon;
nothing passes that would reach beyond the application's pages; the log holds no traceback."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from yarl import URL

from tests.support.fuzzing import share
from tests.views.answers import accepted, answers
from tests.views.backend import raw
from tests.views.judge import Judge
from tests.views.lab import Browser, Lab

# Seconds in which an answer that the application ended has to be ended, too.
BOUND = 30


class Backend:
    """An application that answers each request with `answer`, and hangs up."""

    def __init__(self) -> None:
        self.answer = b""
        self.cut = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self.answer[: self.cut])
        await asyncio.sleep(0)
        writer.write(self.answer[self.cut :])
        with contextlib.suppress(ConnectionError):  # the view has seen enough
            await writer.drain()


@pytest.fixture
async def backend(socket_path: Path) -> AsyncIterator[Backend]:
    made = Backend()
    async with raw(socket_path, made.talk):
        yield made


@pytest.fixture
def quiet(lab: Lab) -> Iterator[None]:
    """Nothing went wrong inside of the server."""
    before = len(lab.server.process.output)
    yield
    said = lab.server.process.output[before:]
    for sign in ("Traceback", "Uncaught", "mistake of ours", "never retrieved", "never awaited"):
        assert sign not in said, said[-5000:]


@dataclass
class View:
    """A view that is open, as one who speaks HTTP by hand sees it."""

    url: str
    framed: bool
    cookie: str
    port: int

    async def ask(self, method: str, *headers: str) -> bytes:
        """All that comes back."""
        there = URL(self.url)
        lines = [
            *(f"{method} {there.raw_path} HTTP/1.1", f"Host: {there.authority}"),
            *(f"Cookie: {self.cookie}", *headers, "", ""),
        ]
        async with asyncio.timeout(BOUND):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
            try:
                writer.write("\r\n".join(lines).encode())
                try:
                    head = await reader.readuntil(b"\r\n\r\n")
                except asyncio.IncompleteReadError as error:
                    return error.partial
                if b" 101 " not in head.partition(b"\r")[0]:
                    writer.write_eof()  # no further request: it may hang up after this answer
                return head + await reader.read()
            finally:
                writer.transport.abort()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()


@pytest.fixture(params=[pytest.param("origin", marks=pytest.mark.long), "framed", "path"])
async def view(
    request: pytest.FixtureRequest, lab: Lab, browser: Browser, socket_path: Path
) -> View:
    framed = request.param == "framed"
    kind = "path" if request.param == "path" else "origin"
    url = await browser.open(lab.add(socket_path), kind, framed=framed)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies(url).items())
    return View(url, framed, cookie, lab.server.port)


PAGE = ("Sec-Fetch-Dest: document", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: same-origin")
FRAME = ("Sec-Fetch-Dest: iframe", *PAGE[1:])


@share(2)
@given(answer=answers(), method=st.sampled_from(["GET", "GET", "HEAD"]))
@pytest.mark.usefixtures("quiet")
async def test_whatever_the_application_answers(
    view: View, backend: Backend, answer: tuple[bytes, int], method: str
) -> None:
    note(f"the application said {answer}")
    backend.answer, backend.cut = answer
    kind = FRAME if view.framed else PAGE
    got = await view.ask(method, "Connection: close", *kind)
    note(f"the view gave {got!r}")
    Judge(view.url, view.framed, head_only=method == "HEAD").judge(got)


HANDSHAKE = (
    *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@share(2)
@given(answer=accepted() | answers())
@pytest.mark.usefixtures("quiet")
async def test_whatever_the_application_answers_to_a_handshake(
    view: View, backend: Backend, answer: tuple[bytes, int]
) -> None:
    note(f"the application said {answer}")
    backend.answer, backend.cut = answer
    judge = Judge(view.url, view.framed, websocket=True)
    origin = "null" if judge.sandboxed else view.url.rstrip("/")
    got = await view.ask("GET", f"Origin: {origin}", *HANDSHAKE)
    note(f"the view gave {got!r}")
    judge.judge(got)
