"""The tunnel from a gateway to the outside server here.

On a gateway with a web server sshd is asked for a socket of a new name each time, which a command
then puts in the place of the one that the site names: so it does not matter what an earlier
connection has left there, and the web server's user may connect to it. The folder keeps others out.
"""

import asyncio
import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..model.address import UnixAddress
from ..model.diagnosis import Verdict
from ..model.errors import RemoteTunnelError
from ..model.forward import ForwardKind, ForwardSpec, TcpBind
from ..model.listeners import Holders, Listener, listing_of, named
from ..model.publication import Check, PublishRequest
from ..model.spec import TunnelRequest
from ..model.status import TunnelStatus, not_open
from ..model.text import plain
from .lifetime import listens
from .looking import failed

if TYPE_CHECKING:
    from ..engine.client import Output
    from ..engine.messages import Who
    from .engine import HeldEngine

# $1 is the socket that sshd has made, if that is not in its place yet, $2 that of the site, and $3
# is which one we had put there. The time is that at which it was made: inodes are used again.
_WHICH = "stat -c %d:%i:%Y"
_SAID = re.compile(rb"^\d{1,20}:\d{1,20}:\d{1,20}$", re.MULTILINE)
_SETTLE = f'if test -S "$1"; then {_WHICH} "$1"; chmod 666 "$1" && mv -f "$1" "$2"; fi'
_IS_OURS = f'test "$({_WHICH} "$2")" = "$3"'
# It may run when nobody waits for it any more, and another publication has the place.
_TIDY = f'rm -f "$1"; if {_IS_OURS}; then rm -f "$2"; fi'
_NO = 9
_IS_PLACED = f"{_IS_OURS} || exit {_NO}"
_IS_THERE = f'{_IS_OURS} || test -S "$1" || exit {_NO}'
_TIDY_SECONDS = 1.0
_ROUNDS = 5
_FARTHEST = 2.0  # seconds: how far away it is, the gateway decides itself
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class GatewayLeg:
    """The tunnel of one publication, which has its id.

    :param socket: on the gateway, as its web server's site names it; "" where there is none.
    """

    def __init__(
        self, tunnel_id: str, request: PublishRequest, engine: "HeldEngine", socket: str
    ) -> None:
        self._id = tunnel_id
        self._request = request
        self._engine = engine
        self._site_socket = socket
        self._put = ""  # which socket we have put in its place; "" is not known

    async def open(self, local: Path, person: "Who | None") -> TunnelStatus:
        """Have the gateway listen.

        :param local: the socket here to which that leads.
        :raises RemoteTunnelError: the gateway is not reached, or does not listen for us.
        """
        client = await self._engine.client()
        forward = ForwardSpec(ForwardKind.REMOTE, self._bind, UnixAddress(str(local)))
        wanted = TunnelRequest(
            host=self._request.gateway,
            forwards=(str(forward),),
            name=plain(f"published as {self._request.authority}", 100),
            kind="publish",
            ssh=self._request.ssh,
            id=self._id,
            proxy_protocol=True,
        )
        return (await client.open_tunnel(wanted, person=person))[0]

    @property
    def _bind(self) -> TcpBind | UnixAddress:
        """Where the gateway is asked to listen."""
        return self._request.port_there or UnixAddress(self._new_socket)

    @property
    def _new_socket(self) -> str:
        """What sshd makes, beside the socket that the site names."""
        return f"{self._site_socket}-{self._id[:6]}"

    async def where_bound(self, opened: TunnelStatus) -> Check:
        """Whether the gateway listens where it was asked to, only there, and nobody else does."""
        bind = self._bind
        if opened.forwards[0].bound is None:  # it was lost in this moment
            return failed("tunnel", not_open(opened))
        if isinstance(bind, UnixAddress):
            socket = plain(self._site_socket, 200)
            return Check("tunnel", "ok", f"The gateway lets us listen at {socket}.")
        note, bound = opened.forwards[0].note or "", opened.forwards[0].bound
        is_public = bound.rpartition(":")[0] not in _LOOPBACK
        if is_public != bind.public:
            advice = "Or have its web server in front." if bind.public else ""
            return Check("tunnel", "failed", note, advice=advice)
        holders = await self._holders(bind.port)
        if holders is not None and (others := holders.beside(bind)):
            return self._not_alone(bind.port, others)
        if bind.public:
            verdict: Verdict = "ok" if bound.startswith("*") else "note"
            return Check("tunnel", verdict, note or f"The gateway listens on {plain(bound, 200)}.")
        says = f"The gateway listens on port {bind.port} of its loopback."
        if holders is None:
            asks = "Whether somebody else does, too, could not be found out."
            return Check("tunnel", "note", f"{says} {asks}")
        return Check("tunnel", "ok", says)

    async def _holders(self, port: int) -> Holders | None:
        """Who listens on that port there now; None where that is not to be found out."""
        client = await self._engine.client()
        try:
            done = await client.exec(None, ["sh", "-c", listing_of(port)], tunnel=self._id)
        except RemoteTunnelError:
            return None
        return Holders.parse(done.stdout.decode(errors="replace"))

    def _not_alone(self, port: int, others: Sequence[Listener]) -> Check:
        return Check(
            "tunnel",
            "failed",
            f"Another user of {plain(self._request.gateway)} listens on port {port} as well"
            f" ({named(others)}): visitors who come by the name could be theirs, with passwords and"
            " all.",
            advice="Choose another port; or a socket, which nobody can take.",
        )

    async def settle(self) -> Check | None:
        """Put the new socket in the place of the one that the site names; why it is not there."""
        if not self._site_socket:
            return None
        try:
            done = await self._run(_SETTLE)
        except RemoteTunnelError as error:
            return failed("socket", error)
        if done.status == 0:
            if said := _SAID.findall(done.stdout):
                self._put = said[-1].decode()
            return None
        why = plain(done.stderr.decode(errors="replace").strip(), 300) or f"status {done.status}"
        return Check(
            "socket",
            "failed",
            f"The socket for the web server could not be put in its place: {why}.",
            advice="Commands have to run there; or have a port of its loopback with --tcp PORT.",
        )

    async def is_displaced(self) -> bool:
        """Whether the site does not lead to what we have put there; False where that is unknown."""
        return await self._is_not(_IS_PLACED)

    async def is_gone(self) -> bool:
        """As `is_displaced`, and there is no other socket of ours that could be put there."""
        return await self._is_not(_IS_THERE)

    async def _is_not(self, script: str) -> bool:
        if not self._put:
            return False
        try:
            done = await self._run(script)
        except RemoteTunnelError:
            return False
        return done.status == _NO

    async def anew(self) -> None:
        """Have the gateway listen anew: our socket is gone.

        :raises RemoteTunnelError: it does not.
        """
        client = await self._engine.client()
        await client.restart_tunnel(self._id)

    async def _run(self, script: str) -> "Output":
        """Run a command about our sockets there.

        :raises RemoteTunnelError: it could not be run.
        """
        client = await self._engine.client()
        argv = ["sh", "-c", script, "sh", self._new_socket, self._site_socket, self._put]
        return await client.exec(None, argv, tunnel=self._id)

    async def close(self, tunnel: TunnelStatus) -> None:
        """Have the gateway listen no more, and take away what it made for us.

        :raises RemoteTunnelError: the tunnel was closed already, or nobody knows of it.
        """
        client = await self._engine.client()
        if self._site_socket and listens(tunnel):
            with contextlib.suppress(RemoteTunnelError, TimeoutError):
                async with asyncio.timeout(patience(tunnel.rtt_ms)):
                    await self._run(_TIDY)
        await client.close_tunnel(self._id)


def patience(rtt_ms: float | None) -> float:
    """Seconds for which the end waits: one that hangs is not waited for, one that is far away is.

    :param rtt_ms: the last round trip to the gateway, in milliseconds; None is not known.
    """
    return _TIDY_SECONDS + min(_ROUNDS * (rtt_ms or 0.0) / 1000, _FARTHEST)
