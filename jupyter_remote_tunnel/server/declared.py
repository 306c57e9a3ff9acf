"""The tunnels that `c.TunnelManager.tunnels` declares, read into entries of the wanted set."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from ..engine.checking import read
from ..engine.messages import WantedTunnel
from ..model.command_line import spec_of
from ..model.errors import BadInput
from ..model.spec import TunnelRequest


def read_declared(entries: Sequence[str | dict[str, Any]]) -> Iterator[WantedTunnel | BadInput]:
    """Each entry as a wanted tunnel, or the error in it, which names the entry.

    An entry has the same id at every start, so that what was bookmarked stays.
    """
    for number, entry in enumerate(entries):
        try:
            yield _wanted(entry)
        except BadInput as error:
            where = f"c.TunnelManager.tunnels[{number}]: {error.message}"
            pointer = error.pointer()
            text = f"{where}\n{pointer}" if pointer else where
            yield BadInput(text, code=error.code, hint=error.hint)


def _wanted(entry: str | dict[str, Any]) -> WantedTunnel:
    if isinstance(entry, str):
        asked = TunnelRequest(command=entry)
    else:
        asked = read(TunnelRequest, dict(entry), "a tunnel")
    request = spec_of(asked).request()
    seed = json.dumps(request.as_dict(), sort_keys=True)
    return WantedTunnel(hashlib.sha256(seed.encode()).hexdigest()[:12], request, "config")
