"""What is looked at where this machine is the gateway: the same as over SSH, asked by a shell here.

Of the addresses it has only those of its interfaces, and the one by which somebody logged in to it:
whether a name leads here is known for certain when the way through it is tried.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from typing_extensions import override

from ..model.errors import BadInput, RemoteTunnelError
from ..model.publication import Check, PublishRequest
from ..model.text import plain
from ..publish.gateway import Shell
from ..publish.here import ThisMachine
from ..publish.names import check_name
from .looking import Engine, Looking, failed

_ANYBODY = 0o001  # may go through a folder


class LookingHere(Looking):
    """See `Looking`. `request` is of the way "proxy"."""

    here = True

    def __init__(self, request: PublishRequest, base_url: str, engine: Engine) -> None:
        super().__init__(
            replace(request, gateway=plain(socket.gethostname())), base_url, engine, None
        )

    @override
    async def checks(self) -> AsyncIterator[Check]:
        try:
            ours = await self._reach()
            request = self.request
            name = await check_name(request.name, request.gateway, ours, here=self.here)
            yield name
            if request.socket is not None:
                yield await asyncio.to_thread(_own_folder, Path(request.socket))
            async for check in self._web_server(named=name.verdict):
                yield check
        except RemoteTunnelError as error:
            yield failed("site" if isinstance(error, BadInput) else "web server", error)

    @override
    async def _shell(self) -> Shell:
        return ThisMachine()

    @override
    async def _reached(self) -> set[Any]:
        return set()


def _own_folder(path: Path) -> Check:
    """Who can reach the socket of a site that is not ours: who enters its folder."""
    folder = plain(str(path.parent), 300)
    try:
        mode = path.parent.stat().st_mode
    except OSError as error:
        return Check("folder", "failed", f"{folder} cannot be used: {error.strerror}.")
    if mode & _ANYBODY:
        return Check(
            "folder",
            "failed",
            f"Every user of this machine can go into {folder}, and would reach the socket.",
            (f"chmod o-rwx {folder}",),
            "Only you and the web server's group may.",
        )
    return Check("folder", "ok", f"Who is neither you nor of its group does not reach {folder}.")
