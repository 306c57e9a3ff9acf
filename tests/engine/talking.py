"""Both ends of a control socket, made for tests: a client that may say anything, and a service that
answers when it is told to."""

import asyncio
import json
from pathlib import Path
from typing import Any

from jupyter_remote_tunnel._version import __version__
from jupyter_remote_tunnel.engine.control import Subscriber
from jupyter_remote_tunnel.engine.messages import Caller

HELLO = {
    "id": 0,
    "method": "hello",
    "params": {"version": __version__, "client": "shell", "pid": 1},
}
OPEN = {"request": {"host": "gpu01", "forwards": ["-D 0"]}}


class Wire:
    """A client that may say anything."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, path: Path, *, hello: bool = True) -> "Wire":
        wire = cls(*await asyncio.open_unix_connection(path))
        if hello:
            assert "result" in await wire.ask(HELLO)
        return wire

    async def say(self, line: bytes) -> Any:
        """The next line after `line` was said; None at the end."""
        self.writer.write(line)
        return await self.hear()

    async def ask(self, message: Any) -> Any:
        return await self.say(json.dumps(message).encode() + b"\n")

    async def hear(self) -> Any:
        async with asyncio.timeout(30):
            try:
                line = await self.reader.readline()
            except ConnectionResetError:
                return None
        return json.loads(line) if line else None

    def close(self) -> None:
        self.writer.close()


class Answers:
    """A service: each call waits until `go` is set, and says in `ended` how it ended."""

    def __init__(self) -> None:
        self.subscribers: list[Subscriber] = []
        self.go = asyncio.Event()
        self.begun: asyncio.Queue[str] = asyncio.Queue()
        self.ended: asyncio.Queue[str] = asyncio.Queue()
        self.result: dict[str, Any] = {}

    def subscribe(self, subscriber: Subscriber) -> None:
        self.subscribers.append(subscriber)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        if subscriber in self.subscribers:
            self.subscribers.remove(subscriber)

    async def call(self, method: str, params: Any, caller: Caller) -> dict[str, Any]:
        if method == "hello":
            return {"version": __version__, "pid": 1, "private_dir": ""}
        self.begun.put_nowait(method)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.ended.put_nowait("cancelled")
            raise
        if method == "hosts.list":
            raise ZeroDivisionError("secret")
        self.ended.put_nowait("done")
        return self.result
