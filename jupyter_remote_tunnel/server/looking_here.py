"""What is looked at where this machine is the gateway: the same as over SSH, asked by a shell here.

Of the addresses it has only those of its interfaces, and the one by which somebody logged in to it:
whether a name leads here is known for certain when the way through it is tried.
"""

import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from typing_extensions import override

from ..model.errors import BadInput, RemoteTunnelError
from ..model.publication import Check, PublishRequest
from ..model.text import plain
from ..publish.gateway import Shell
from ..publish.here import ThisMachine
from ..publish.names import check_name
from .looking import Engine, Looking, failed


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
