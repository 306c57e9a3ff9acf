"""What the outside server keeps of what visitors send."""

import io

import aiohttp
import pytest
from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider, User
from tornado.web import Application, RequestHandler

from jupyter_remote_tunnel.publish import certificates
from jupyter_remote_tunnel.server.strangers import BODY_SECONDS, SMALL_BODY, Standing
from tests.server.outside.support import (
    LOGGED_IN,
    NAME,
    TOKEN,
    an_app,
    first_line,
    introduction,
    long_request,
    outside,
    said_to,
    sending,
    until,
)


async def test_a_long_body_is_not_read_while_it_is_shut(
    app: Application, files: certificates.Certificate
) -> None:
    async with outside(app, files) as it, aiohttp.ClientSession() as session:
        head = f"POST /base/ HTTP/1.1\r\nHost: {NAME}:{it.port}\r\nContent-Length: 90000000\r\n\r\n"
        assert b" 503 " in await first_line(it.port, head.encode())
        it.gate.is_open = True
        long = io.BytesIO(bytes(3 << 20))
        async with session.post(it.url(), data=long, headers=LOGGED_IN, ssl=False) as answer:
            assert await answer.text() == str(3 << 20)


class Renamed(PasswordIdentityProvider):
    """One that knows people as Jupyter's own does."""


class Elsewhere(PasswordIdentityProvider):
    """One that knows people in another way."""

    async def get_user(self, handler: RequestHandler) -> User | None:
        return User("ann") if handler.request.headers.get("X-User") else None


@pytest.mark.parametrize("kind", [PasswordIdentityProvider, Renamed])
async def test_no_more_is_kept_of_a_stranger_than_a_login_takes(
    kind: type[PasswordIdentityProvider], files: certificates.Certificate
) -> None:
    size = SMALL_BODY + 1
    app = an_app("/base/", kind(token=TOKEN))
    async with outside(app, files, introduced=True) as it:
        it.gate.is_open = True
        who = introduction("203.0.113.7")
        said = await said_to(it, who, long_request(it, size) + bytes(size))
        assert (b" 403 " in said, b"Only users who are logged in" in said) == (True, True)
        token = f"Authorization: token {TOKEN}\r\n"
        said = await said_to(it, who, long_request(it, size, token) + bytes(size))
        assert said.endswith(str(size).encode())
        said = await said_to(it, who, long_request(it, size - 1) + bytes(size - 1))
        assert said.endswith(str(size - 1).encode())


@pytest.mark.parametrize("provider", [Elsewhere(token=TOKEN), None])
async def test_bodies_of_whom_it_is_not_told_have_a_bound_in_common(
    provider: IdentityProvider, files: certificates.Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_remote_tunnel.server.strangers.ALL_UNTOLD", 1 << 20)
    part = SMALL_BODY + (1 << 19)
    async with outside(an_app("/base/", provider), files, introduced=True) as it:
        it.gate.is_open = True
        bodies, who = it.gate._bodies, introduction("203.0.113.7")

        async def told(length: int) -> bytes:
            return await said_to(it, who, long_request(it, length) + bytes(length))

        assert (await told(part)).endswith(str(part).encode())
        unfinished = long_request(it, part) + bytes(part - 1)
        waits = [(await sending(it, unfinished))[1] for _ in range(2)]
        await until(lambda: bodies.room == 2)
        assert b" 503 " in await told(part)
        assert (await told(SMALL_BODY)).endswith(str(SMALL_BODY).encode())
        for writer in waits:
            writer.transport.abort()
        await until(lambda: bodies.room == 1 << 20)


async def test_there_is_no_more_room_than_that_for_those_who_began_when_there_was(
    files: certificates.Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_remote_tunnel.server.strangers.ALL_UNTOLD", 2)
    app = an_app("/base/", Elsewhere(token=TOKEN))
    async with outside(app, files, introduced=True) as it:
        it.gate.is_open = True
        bodies, head = it.gate._bodies, long_request(it, SMALL_BODY + 2)
        (reader, first), (other, second) = [
            await sending(it, head + bytes(SMALL_BODY)) for _ in range(2)
        ]
        await until(lambda: [visitor.streams for visitor in it.gate.visitors] == [2])
        for writer, room in ((first, 1), (second, 0)):
            writer.write(b"x")
            await until(lambda room=room: bodies.room == room)  # type: ignore[misc]
        second.write(b"x")
        assert (await other.read()).startswith(b"HTTP/1.1 400 ")
        await until(lambda: bodies.room == 1)
        first.write(b"x")
        assert (await reader.read()).endswith(str(SMALL_BODY + 2).encode())
        for writer in (first, second):
            writer.transport.abort()
        assert bodies.room == 2


@pytest.mark.parametrize(
    "head",
    [
        "POST /base/ HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: {digits}",
        "POST /base/own HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 2, {digits}",
        "GET /base/ HTTP/1.1\r\nHost: localhost:{digits}",
        "POST /base/?token=%ff HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 0{digits}",
        "POST /base/?token=%ff HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 2",
    ],
)
@pytest.mark.parametrize("tls", [True, False])
async def test_what_cannot_be_read_is_no_error_of_ours(
    app: Application,
    files: certificates.Certificate,
    head: str,
    tls: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with outside(app, files, introduced=True) as it:
        it.gate.is_open = True
        asked = head.format(port=it.port, digits=5000 * "9") + "\r\nConnection: close\r\n\r\nab"
        said = await said_to(it, introduction("203.0.113.7"), asked.encode(), tls=tls)
        taken = b"200" if tls else b"301"
        assert said.split()[1] == (b"400" if "{digits}" in head else taken)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("length", [2, SMALL_BODY + 1])
async def test_what_a_stranger_sends_has_to_be_there_in_a_minute(
    app: Application, files: certificates.Certificate, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BODY_SECONDS, Standing.STRANGER, 0.2)
    token = f"Authorization: token {TOKEN}\r\n"
    async with outside(app, files, introduced=True) as it:
        it.gate.is_open = True
        user, slow = await sending(it, long_request(it, 2, token) + b"1")
        await until(lambda: bool(it.gate.visitors))
        stranger, other = await sending(it, long_request(it, length) + b"1")
        assert await stranger.read() == b""
        slow.write(b"2")
        assert (await user.read()).endswith(b"\r\n2")
        for writer in (slow, other):
            writer.transport.abort()
