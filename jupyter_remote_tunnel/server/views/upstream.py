"""What the views need to know of an application, and whom they ask for it.

`Upstream` is a snapshot; the server side implements `Upstreams` from the engine's statuses.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ...model.address import Address, TcpAddress, bracketed
from ...model.state import State

if TYPE_CHECKING:
    from ...apps.jupyter_files import FoundJupyter
    from ...engine.messages import Who
    from ...model.status import ErrorStatus


@dataclass(frozen=True)
class Upstream:
    """One application as it is now.

    :param app_id: its id, as in the `open/<id>` URL.
    :param name: the tunnel's name; text of a user or a remote.
    :param host: what the user typed, e.g. "user@gpu01".
    :param destination: where it listens, as seen from the remote host.
    :param bound: where its forward listens on this machine, or None while it does not.
    :param state: the tunnel's `State`.
    :param error: what went wrong last with the forward or else with its tunnel, if anything did.
    :param host_key: the fingerprint of the remote host's key, or None before the first connection.
    :param is_jupyter: whether it is a Jupyter server, into which the view lets who may see it.
    :param jupyter: what leads into that, once it is known; see `Upstreams.enter`.
    :param doubted: whether that was known, and has to be asked again.
    """

    app_id: str
    name: str
    host: str
    destination: Address
    bound: Address | None
    state: str
    error: "ErrorStatus | None" = None
    host_key: str | None = None
    is_jupyter: bool = False
    jupyter: "FoundJupyter | None" = None
    doubted: bool = False

    @property
    def gone(self) -> bool:
        """Whether its tunnel was closed: whoever was let in before is out."""
        return self.state == State.CLOSED

    @property
    def scheme(self) -> str:
        """Which the application speaks."""
        return "https" if self.jupyter is not None and self.jupyter.secure else "http"

    @property
    def token(self) -> str:
        """What the application is told with each request, instead of what its pages say; "" is
        nothing."""
        return "" if self.jupyter is None else self.jupyter.token

    @property
    def entry(self) -> str:
        """The path of its first page."""
        return "/" if self.jupyter is None else self.jupyter.base_url

    @property
    def authority(self) -> str:
        """`Host` as the application expects it: how a browser on the remote host would ask."""
        if not isinstance(self.destination, TcpAddress):
            return "localhost"
        if self.destination.port == (443 if self.scheme == "https" else 80):
            return bracketed(self.destination.host)
        return str(self.destination)

    @property
    def origin(self) -> str:
        """`Origin` as the application expects it."""
        return f"{self.scheme}://{self.authority}"


class Upstreams(Protocol):
    """Where the views look applications up."""

    def get(self, app_id: str) -> Upstream | None:
        """The application as last heard of, at once; None if there is none of that id."""

    async def refresh(self, app_id: str) -> Upstream | None:
        """The same, asked of the engine now.

        Used after a stream failed: the reason is known there a moment before its event is here.
        Does not raise: what cannot be asked is answered as `get` does.
        """

    async def enter(self, app_id: str, person: "Who") -> Upstream | None:
        """The same with what leads into a Jupyter server, asked of its host now (or a moment ago),
        and known to `get` from then on.

        :param person: who can be asked for what the host wants to know.
        :raises RemoteTunnelError: it does not run any more, or its host cannot be asked.
        """

    def doubt(self, app_id: str) -> None:
        """The application does not answer, or has hung up: another one may take its place."""
