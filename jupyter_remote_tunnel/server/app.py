"""The server extension: what happens when Jupyter loads it, starts and stops."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server.extension.application import ExtensionApp
from traitlets import TraitError

from ..model.errors import BadInput, Fatal, RemoteTunnelError
from .config import TunnelManager
from .held_publishing import EVENT_SCHEMA, HeldPublishing

if TYPE_CHECKING:
    from jupyter_events import EventLogger
    from jupyter_server.serverapp import ServerApp

    from ..engine.holder import Holder, News
    from .engine import HeldEngine
    from .views import Views

# By which kernels and terminals of this server find its engine.
_VARIABLE = "JUPYTER_REMOTE_TUNNEL"
_EVENT_SCHEMA = Path(__file__).with_name("tunnel_event.yaml")


class RemoteTunnelApp(ExtensionApp):
    """Remote machines inside this Jupyter, over SSH. The settings are those of `TunnelManager`."""

    name = "jupyter_remote_tunnel"
    classes = [TunnelManager]  # noqa: RUF012 (as traitlets declares it)

    # Jupyter also stops what it could not load, or did not.
    _engine: "HeldEngine | None" = None
    _views: "Views | None" = None
    _publishing: HeldPublishing | None = None

    def initialize_settings(self) -> None:
        """Register the events' schemas: before anybody listens, or they would not hear of them."""
        for schema in (_EVENT_SCHEMA, EVENT_SCHEMA):
            self._event_logger.register_event_schema(schema)

    def initialize_handlers(self) -> None:
        """Register REST and the views of applications."""
        from .engine import HeldEngine
        from .routes import PREFIX, ROUTES
        from .views import setup

        self._publishing = HeldPublishing(
            self._server, lambda: self.tunnel_manager, self._event_logger, self.log
        )
        self._engine = HeldEngine(self._make_holder, self._event_logger, self.log, self._publishing)
        self._publishing.use(self._engine)
        self._views = setup(self._server.web_app, self._engine)
        made = {"engine": self._engine, "views": self._views, "publishing": self._publishing}
        for path, handler in ROUTES.items():
            pattern = re.sub(r"{\w+}", "([^/]+)", path)
            self.handlers.append((f"/{PREFIX}{pattern}", handler, made))

    async def _start_jupyter_server_extension(self, _: "ServerApp") -> None:
        """Announce the engine, and open what the configuration declares."""
        assert self._engine is not None
        try:
            await self._engine.open()
            os.environ[_VARIABLE] = self._engine.announcement_file
            await self._open_declared(self._engine)
        except RemoteTunnelError as error:
            self.log.error("%s %s", error.message, error.hint)  # noqa: TRY400 (it is for the user)

    async def stop_extension(self) -> None:
        """Close every tunnel, end the engine, and leave no socket and no file."""
        os.environ.pop(_VARIABLE, None)
        if self._publishing is not None:
            await self._publishing.close()
        if self._views is not None:
            await self._views.close()
        if self._engine is not None:
            await self._engine.close()

    @property
    def _server(self) -> "ServerApp":
        assert self.serverapp is not None
        return self.serverapp

    @property
    def _event_logger(self) -> "EventLogger":
        assert self._server.event_logger is not None
        return self._server.event_logger

    def _make_holder(self, on_news: "Callable[[News], None]") -> "Holder":
        """The holder of this server's engine. The server's own port is known only when it listens,
        so this is for the start.

        :raises Fatal: `engine_unavailable`, a setting is wrong: better no tunnels than tunnels
            without the limit that was meant.
        """
        from ..engine.holder import Holder
        from ..engine.saved import SavedSet

        try:
            self.tunnel_manager = TunnelManager(parent=self)
        except TraitError as error:
            raise Fatal(
                f"Tunnels are off, as a setting is wrong: {error}",
                code="engine_unavailable",
                hint="Correct it in Jupyter's configuration, and start Jupyter again.",
            ) from None
        assert self._views is not None
        self._views.names.domain = self.tunnel_manager.names_of_apps
        return Holder(
            self.tunnel_manager.settings(self._server),
            kind="server",
            root_dir=self._server.root_dir,
            url=self._server.connection_url,
            saved=SavedSet(),
            restore=self.tunnel_manager.restore,
            on_news=on_news,
        )

    async def _open_declared(self, engine: "HeldEngine") -> None:
        """Have the engine open the declared tunnels, which it goes on trying.

        One that is wrong is reported, and the others are opened.

        :raises RemoteTunnelError: the engine does not start, or takes them not.
        """
        if not self.tunnel_manager.tunnels:
            return
        from .declared import read_declared

        wanted = []
        for entry in read_declared(self.tunnel_manager.tunnels):
            if isinstance(entry, BadInput):
                self.log.error("A tunnel was not opened. %s\n%s", entry.message, entry.hint)
            else:
                wanted.append(entry)
        if wanted:
            await engine.restore(wanted)
