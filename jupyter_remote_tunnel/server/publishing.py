"""Publishing this Jupyter: what is published now, and all that can be asked about it.

REST (`publish_routes`) and, by way of the engine, the shell and cells (`asked`) ask the same. What
is published ends with this server, and nothing is published again by itself.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..model.errors import BadInput, Fatal
from ..model.host_name import published_name
from ..model.publication import (
    Change,
    Check,
    Publication,
    PublishReport,
    PublishRequest,
    check_hours,
    check_prefix,
)
from ..model.status import TunnelStatus
from ..model.text import plain
from .lifetime import Tell, to_the_end
from .looking import Looking, understood
from .protection import protection_checks
from .published import Published

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server.serverapp import ServerApp

    from ..engine.messages import Who
    from .config import TunnelManager
    from .engine import HeldEngine

_CLOSE_SECONDS = 5.0


class Publishing:
    """The controller of one Jupyter server."""

    def __init__(
        self,
        server: "ServerApp",
        engine: "HeldEngine",
        settings: "TunnelManager",
        tell: "Callable[[str, str], None]",
    ) -> None:
        """:param tell: called with the id and the state of a publication when that changed."""
        self._server = server
        self._engine = engine
        self._settings = settings
        self._tell = tell
        self._all: dict[str, Published] = {}
        self._looked_for = ""

    # What is asked.

    def list(self) -> list[Publication]:
        """All that there is now."""
        return [one.status for one in self._all.values()]

    @property
    def hours(self) -> float:
        """How long something is published, where nobody says."""
        return float(self._settings.publish_hours)

    @property
    def allows_public(self) -> bool:
        """Whether the ways without a web server in front may be gone."""
        return bool(self._settings.allow_public_publish)

    @property
    def password_file(self) -> Path:
        """Where `set_password` writes."""
        from .config_files import config_file

        return config_file(self._server)

    async def check(
        self, request: PublishRequest, person: "Who | None", tell: Tell
    ) -> PublishReport:
        """Look at everything that can be seen before something is opened.

        :param tell: called with each check when it is over.
        :raises BadInput: it is asked for what cannot be.
        """
        if refused := self._refuse_at_once(request, tell):
            return refused
        return await self._look(self._looking(request, person), tell)

    async def publish(
        self, request: PublishRequest, person: "Who | None", tell: Tell
    ) -> PublishReport:
        """Publish it, if no check fails. If the one who asks goes away, it is as if nobody had
        asked.

        :raises BadInput: it is asked for what cannot be.
        """
        if refused := self._refuse_at_once(request, tell):
            return refused
        looking = self._looking(request, person)
        request = looking.request
        self._refuse_second(request)
        before = await self._look(looking, tell)
        if not before.ok:
            return before
        until = self._until(request.hours)
        look = partial(self._checks, looking)
        one = Published(request, looking, self._server, self._engine, until, self._changed, look)
        one.checks = list(before.checks)
        self._refuse_second(request)
        self._all[one.id] = one
        self._changed(one)
        try:
            is_open = await one.open(person, tell)
        finally:
            if one.state == "ended":
                self._all.pop(one.id, None)
        checks = tuple(one.checks)
        return PublishReport(is_open, checks, one.status if is_open else None)

    async def installation(self, request: PublishRequest, person: "Who | None") -> dict[str, Any]:
        """The site of the gateway's web server, and what installs it: as `Looking.installation`.

        :raises RemoteTunnelError: the gateway is out of reach, or has no web server.
        """
        return await self._looking(request, person).installation()

    async def stop(self, name: str) -> Publication:
        """End the publication of that id or name.

        :raises Fatal: `not_found`.
        """
        one = self._get(name)
        await one.end()
        return one.status

    def extend(self, name: str, hours: float | None) -> Publication:
        """Have it end so many hours from now; None is as the server is set, and never sooner than
        it would.

        :raises Fatal: `not_found`.
        :raises BadInput: that is too long.
        """
        one = self._get(name)
        one.extend(self._until(hours), sooner=hours is not None)
        return one.status

    async def set_password(self, password: str, name: str = "") -> Path:
        """Set this server's password; the file that it was written to.

        :param name: under which it is to be published, beside those that are known.
        :raises BadInput: it is no password for the outside.
        :raises Fatal: it cannot be set.
        """
        from .passwords import set_password

        names = {one.request.name for one in self._all.values()} | {self._looked_for, name}
        names.update(self._server.local_hostnames)
        return await asyncio.to_thread(set_password, self._server, password, *names)

    async def wrong_settings(self, prefix: str) -> tuple[Check, ...]:
        """The checks that fail by what this server is set to, of which some have a change.

        :param prefix: the path below which it is to be found; "" is as it is.
        :raises BadInput: it is no path.
        """
        check_prefix(prefix)
        request = PublishRequest(prefix=prefix)
        found = [check async for check in protection_checks(self._server, request)]
        return tuple(check for check in found if check.verdict == "failed")

    async def change_setting(self, setting: str, seen: str, prefix: str) -> Change:
        """Write a change that a check has shown; it counts at once where it can.

        :param seen: that of the change.
        :param prefix: as the check was asked for.
        :raises BadInput: no such setting is changed from here.
        :raises Fatal: `conflict`, it is not as it was shown; `not_allowed`, it cannot be written.
        """
        from . import changes

        change = await asyncio.to_thread(changes.write, self._server, setting, seen, prefix)
        changes.apply(self._server, change)
        self._server.log.info("%s was changed in %s, to be published.", setting, change.file)
        return change

    async def close(self) -> None:
        """End all that is published, in a few seconds."""
        ending = [one.end() for one in self._all.values()]
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await asyncio.gather(*ending)
        except TimeoutError:
            pass  # nothing listens here any more, and the tunnels end with the engine

    # What the engine tells.

    def hear(self, tunnel: TunnelStatus) -> None:
        """A tunnel has this status."""
        if (one := self._all.get(tunnel.id)) is not None:
            one.hear(tunnel)

    def forget(self, tunnel_id: str) -> None:
        """A tunnel was closed."""
        if (one := self._all.get(tunnel_id)) is not None:
            one.forget()

    def lose(self) -> None:
        """The engine has ended, and with it the connections."""
        for one in self._all.values():
            one.lose()

    # Inside.

    def _looking(self, request: PublishRequest, person: "Who | None") -> Looking:
        """:raises BadInput: it is asked for what cannot be."""
        request, apps = understood(request), self._settings.names_of_apps
        # Which a person is about to publish it by: no password for it.
        self._looked_for = request.name
        looking = Looking(request, self._server.base_url, self._engine, person, apps)
        looking.listens = any(
            _place(one.request) == _place(request) and one.state != "ended"
            for one in self._all.values()
        )
        return looking

    async def _look(self, looking: Looking, tell: Tell) -> PublishReport:
        found = []
        async for check in to_the_end(self._checks(looking)):
            found.append(check)
            tell(check)
        return PublishReport(all(check.verdict != "failed" for check in found), tuple(found))

    async def _checks(self, looking: Looking) -> AsyncIterator[Check]:
        if looking.request.way != "proxy":
            yield self._is_allowed()
        async for check in protection_checks(self._server, looking.request):
            yield check
        async for check in looking.checks():
            yield check

    def _refuse_at_once(self, request: PublishRequest, tell: Tell) -> PublishReport | None:
        """Why nobody has to make a certificate; None if it would be allowed.

        :raises BadInput: it is asked for what cannot be.
        """
        if self.allows_public or not request.lacks_files:
            return None
        request.check(files=False)
        check = self._is_allowed()
        tell(check)
        return PublishReport(False, (check,))

    def _is_allowed(self) -> Check:
        if self.allows_public:
            says = "A public port without a web server in front is allowed here."
            return Check("permission", "ok", says)
        return Check(
            "permission",
            "failed",
            "A public port without a web server in front is not allowed here.",
            ("c.TunnelManager.allow_public_publish = True",),
            # What limits what is asked for here is not lifted by asking.
            advice="Put that line into jupyter_server_config.py by hand, or have the gateway’s web"
            " server in front.",
        )

    def _refuse_second(self, request: PublishRequest) -> None:
        """:raises Fatal: `conflict`, it is published by that name already."""
        for one in self._all.values():
            if one.request.authority == request.authority and one.state != "ended":
                raise Fatal(
                    f"This Jupyter is published as {plain(request.authority)} already.",
                    code="conflict",
                    hint=f"End that first: jupyter tunnel publish --stop {one.id}",
                )

    def _until(self, hours: float | None) -> datetime:
        check_hours(hours)
        return datetime.now(UTC) + timedelta(hours=self.hours if hours is None else hours)

    def _get(self, name: str) -> Published:
        names = {name}
        with contextlib.suppress(BadInput):
            names.add(published_name(name))
        wanted = [one for one in self._all.values() if {one.id, one.request.name} & names]
        if len(wanted) > 1:
            ids = ", ".join(one.id for one in wanted)
            raise BadInput(
                f"{plain(name)} is published more than once.",
                code="ambiguous",
                hint=f"Give the id of one: {ids}.",
            )
        if not wanted:
            raise Fatal(f"Nothing is published as {plain(name, 100)}.", code="not_found")
        return wanted[0]

    def _changed(self, one: Published) -> None:
        if one.state == "ended":
            self._all.pop(one.id, None)
        self._tell(one.id, one.state)


def _place(request: PublishRequest) -> tuple[object, ...]:
    """Where browsers find it, and what listens for it there."""
    return request.authority, request.way, request.gateway, request.loopback_port
