"""A holder in a process of its own, for tests that kill it: `python -m tests.engine.holding JSON`.

`JSON` holds keyword arguments of `Holder`. It prints "holding PATH" (its announcement) when it
listens, and "engine PID" when the engine runs. With `"fork": true` it forks a child, which keeps
all its descriptors, and prints "forked PID".
"""

import asyncio
import json
import os
import signal
import sys
from typing import Any

from jupyter_remote_tunnel.engine.holder import Holder, News, Phase
from jupyter_remote_tunnel.model.settings import EngineSettings


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def hold(fork: bool = False, **options: Any) -> None:
    """Hold an engine until SIGTERM."""

    def tell(news: News) -> None:
        if news.phase is Phase.RUNNING:
            say(f"engine {holder.announcement.engine_pid}")

    holder = Holder(EngineSettings(), **{"kind": "server", "on_news": tell, **options})
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with holder:
        say(f"holding {holder.announcement.path}")
        if fork:
            await holder.start()
            fork_child()
        await ended.wait()


def fork_child() -> None:
    """A process that keeps what we have open."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    say(f"forked {pid}")


if __name__ == "__main__":
    asyncio.run(hold(**json.loads(sys.argv[1])))
