"""Publishing as the server extension holds it: made when somebody asks for it, as every start of a
Jupyter server pays for what is imported there. Hears what the engine tells.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..model.status import TunnelStatus

if TYPE_CHECKING:
    import logging

    from jupyter_events import EventLogger
    from jupyter_server.serverapp import ServerApp

    from ..engine.client import EngineClient, Event
    from .asked import Asked
    from .config import TunnelManager
    from .engine import HeldEngine
    from .publishing import Publishing

EVENT_SCHEMA = Path(__file__).with_name("publication_event.yaml")
_SCHEMA = "https://schema.jupyter.org/jupyter_remote_tunnel/publication/v1"


class HeldPublishing:
    """The controller, and what the engine's clients ask of it. Implements `follower.Listener`."""

    def __init__(
        self,
        server: "ServerApp",
        settings: "Callable[[], TunnelManager]",
        events: "EventLogger",
        log: "logging.Logger",
    ) -> None:
        """:param settings: gives the traits, which are there when the server has started."""
        self._server = server
        self._settings = settings
        self._events = events
        self._log = log
        self._engine: HeldEngine | None = None
        self._made: Publishing | None = None
        self._asked: Asked | None = None

    def use(self, engine: "HeldEngine") -> None:
        """Publish by this engine."""
        self._engine = engine

    def get(self) -> "Publishing":
        """The controller."""
        if self._made is None:
            from .publishing import Publishing

            assert self._engine is not None
            self._made = Publishing(self._server, self._engine, self._settings(), self._tell)
        return self._made

    async def close(self) -> None:
        """End all that is published."""
        if self._asked is not None:
            await self._asked.close()
        if self._made is not None:
            await self._made.close()

    def _tell(self, publication: str, state: str) -> None:
        self._events.emit(schema_id=_SCHEMA, data={"publication_id": publication, "state": state})

    # What the follower tells.

    def asked(self, client: "EngineClient", event: "Event") -> None:
        """Somebody asks this server, or waits no more."""
        if self._asked is None:
            from .asked import Asked

            self._asked = Asked(self.get, self._log)
        self._asked.hear(client, event)

    def tunnel(self, status: TunnelStatus) -> None:
        """A tunnel has this status."""
        if self._made is not None:
            self._made.hear(status)

    def removed(self, tunnel_id: str) -> None:
        """A tunnel left the list."""
        if self._made is not None:
            self._made.forget(tunnel_id)

    def lost(self) -> None:
        """The engine has ended."""
        if self._made is not None:
            self._made.lose()
