"""What is known of the tunnels without asking: the last status of each, as the engine told.

Each way to learn something returns what is new by it, [(tunnel's id, state)], for the event bus.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..apps.applications import forwards_by_id
from ..engine.client import Event
from ..model.address import TcpAddress, parse_address
from ..model.errors import RemoteTunnelError
from ..model.state import State
from ..model.status import ErrorStatus, ForwardStatus, TunnelStatus
from .views.upstream import Upstream

if TYPE_CHECKING:
    from ..apps.jupyter_files import FoundJupyter

Change = tuple[str, str]

REMOVED = "removed"


@dataclass
class _Entry:
    """What leads into a Jupyter server, and when (monotonic seconds) that was asked of its host."""

    jupyter: "FoundJupyter"
    asked: float
    doubted: bool = False


class Statuses:
    """The last status of each tunnel."""

    def __init__(self) -> None:
        self._tunnels: dict[str, TunnelStatus] = {}
        self._jupyters: dict[str, _Entry] = {}

    def hear(self, event: Event) -> list[Change]:
        """An event of the engine."""
        if event.name == "tunnel":
            return self._put(TunnelStatus.from_dict(event.data))
        if event.name == "removed":
            return self._drop(event.data["tunnel"])
        return []

    def replace(self, tunnels: Iterable[TunnelStatus]) -> list[Change]:
        """The whole list, as the engine has it now."""
        now = {tunnel.id: tunnel for tunnel in tunnels}
        changes = [change for gone in self._tunnels.keys() - now for change in self._drop(gone)]
        for tunnel in now.values():
            changes += self._put(tunnel)
        return changes

    def interrupt(self, state: State, error: RemoteTunnelError) -> list[Change]:
        """The engine ended: its tunnels are in `state` until the next one tells otherwise.

        Their TCP ports are anybody's now; only this user can listen at a path of theirs.
        """
        reason = ErrorStatus.of(error)
        return [
            change
            for tunnel in list(self._tunnels.values())
            if tunnel.state != State.FAILED
            for change in self._put(_interrupted(tunnel, state, reason))
        ]

    def tunnel_of(self, app_id: str) -> TunnelStatus | None:
        """The tunnel of the application of that id."""
        return self._tunnels.get(app_id.partition("-")[0])

    def let_in(self, tunnel_id: str, jupyter: "FoundJupyter") -> None:
        """Know what leads into the Jupyter server of a tunnel, for as long as that is there."""
        self._jupyters[tunnel_id] = _Entry(jupyter, time.monotonic())

    def lets_in_since(self, tunnel_id: str) -> float:
        """When what leads into the Jupyter server of a tunnel was asked last, in monotonic seconds;
        infinitely long ago where that is not known, or doubted."""
        entry = self._jupyters.get(tunnel_id)
        return float("-inf") if entry is None or entry.doubted else entry.asked

    def doubt(self, tunnel_id: str) -> None:
        """The Jupyter server of a tunnel may have ended: its port is anybody's then, who must not
        be told its token."""
        entry = self._jupyters.get(tunnel_id)
        if entry is not None and isinstance(entry.jupyter.address, TcpAddress):
            entry.doubted = True

    def upstream(self, app_id: str) -> Upstream | None:
        """The application of that id."""
        tunnel = self.tunnel_of(app_id)
        if tunnel is None:
            return None
        for found, forward, destination in forwards_by_id(tunnel):
            if found == app_id:
                upstream = _upstream(tunnel, app_id, forward, destination)
                entry = self._jupyters.get(app_id)
                if entry is None:
                    return upstream
                if entry.doubted:
                    return replace(upstream, doubted=True)
                return replace(upstream, jupyter=entry.jupyter)
        return None

    def _put(self, tunnel: TunnelStatus) -> list[Change]:
        if self._tunnels.get(tunnel.id) == tunnel:
            return []
        self._tunnels[tunnel.id] = tunnel
        if tunnel.state != State.OPEN:
            self.doubt(tunnel.id)  # it can end, while nobody sees it
        return [(tunnel.id, tunnel.state)]

    def _drop(self, tunnel_id: str) -> list[Change]:
        self._jupyters.pop(tunnel_id, None)
        return [(tunnel_id, REMOVED)] if self._tunnels.pop(tunnel_id, None) else []


def _interrupted(tunnel: TunnelStatus, state: State, reason: ErrorStatus) -> TunnelStatus:
    forwards = (
        forward if (forward.bound or "").startswith("/") else replace(forward, bound=None)
        for forward in tunnel.forwards
    )
    return replace(tunnel, state=state, error=reason, forwards=tuple(forwards))


def _upstream(
    tunnel: TunnelStatus, app_id: str, forward: ForwardStatus, destination: str
) -> Upstream:
    return Upstream(
        app_id=app_id,
        name=tunnel.name,
        host=tunnel.host,
        destination=parse_address(destination),
        bound=None if forward.bound is None else parse_address(forward.bound),
        state=tunnel.state,
        error=forward.error or tunnel.error,
        host_key=tunnel.host_key,
        is_jupyter=tunnel.kind == "jupyter",
    )
