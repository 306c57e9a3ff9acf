"""`jupyter_remote_tunnel.tunnel(…)`: a tunnel for the length of a `with` block."""

import contextlib
from types import TracebackType
from typing import Self

from .commands.actions import url_of, wanted
from .commands.cell import OnThread, directly, face_here
from .commands.engines import Engines
from .commands.grammar import Parsed
from .engine.client import EngineClient
from .engine.sync import CallingThread, LoopThread
from .model.errors import Fatal
from .model.pasted import split
from .model.status import TunnelStatus, not_open


class TunnelContext:
    """A tunnel that is open inside a `with` or `async with` block.

    Where an equal tunnel is open already, that one is used, and stays open at the end. What its
    host asks is asked in the cell, or in the terminal of this process.
    """

    def __init__(self, command: str, *, name: str | None, server: str | None) -> None:
        options = {"name": name, "on_conflict": "pick"}
        self._spec = wanted(Parsed("open", options, tuple(split(command))))
        self._server = server
        self._on_thread: OnThread = directly
        self._undo = contextlib.AsyncExitStack()
        self._client: EngineClient | None = None
        self._status: TunnelStatus | None = None
        self._created = False
        self._thread: LoopThread | None = None

    @property
    def status(self) -> TunnelStatus:
        """The tunnel as it was when it opened.

        :raises RuntimeError: outside of the block.
        """
        if self._status is None:
            raise RuntimeError("The tunnel is open inside its `with` block only.")
        return self._status

    @property
    def url(self) -> str:
        """`http://host:port` of its first local forward, for a client on this machine.

        :raises RemoteTunnelError: it has no port here, or listens nowhere.
        """
        return url_of(self.status)

    @property
    def address(self) -> tuple[str, int] | str:
        """What `socket.connect` takes: (host, port), or the path of a Unix socket.

        :raises RemoteTunnelError: it listens nowhere.
        """
        bound = self.status.forwards[0].bound
        if bound is None:
            raise not_open(self.status)
        if "/" in bound:
            return bound
        host, _, port = bound.rpartition(":")
        return host.strip("[]"), int(port)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as undo:
            face = undo.enter_context(face_here(self._on_thread))
            engines = await undo.enter_async_context(Engines("cell", self._server, face))
            self._client = await engines.one(start=True)
            self._status, self._created = await self._client.open_tunnel(
                self._spec.request(), person=engines.person
            )
            self._undo = undo.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._created and self._client is not None:
                with contextlib.suppress(Fatal):  # somebody closed it already
                    await self._client.close_tunnel(self.status.id)
        finally:
            self._status = None
            await self._undo.aclose()

    def __enter__(self) -> Self:
        self._thread = LoopThread("tunnel")
        self._on_thread = here = CallingThread()
        try:
            return self._thread.run(self.__aenter__(), here)
        except BaseException:
            self._thread.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._thread is not None
        try:
            self._thread.run(self.__aexit__(kind, error, trace))
        finally:
            self._thread.close()
