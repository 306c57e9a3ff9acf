"""Asking the Jupyter server that holds an engine, through that engine. Standard library only."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from .client import EngineClient, Event

_numbers = itertools.count(1)


async def ask_server(
    client: EngineClient,
    question: str,
    params: Mapping[str, Any] | None = None,
    on_line: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """What the server answers. It gives up what it is asked for when the caller goes away.

    :param question: one of `server.asked`.
    :param on_line: called on the loop with each part of the answer that is told before the rest.
    :raises RemoteTunnelError: no server holds this engine, or its own error.
    """
    ask = str(next(_numbers))

    def hear(event: Event) -> None:
        if on_line is not None and event.name == "told" and event.data["ask"] == ask:
            on_line(event.data["line"])

    end = client.subscribe(hear)
    try:
        asked = {"ask": ask, "question": question, "params": dict(params or {})}
        answer: dict[str, Any] = (await client.call("server.ask", asked))["result"]
        return answer
    finally:
        end()
