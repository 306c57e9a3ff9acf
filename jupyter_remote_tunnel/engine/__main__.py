"""The engine's process: `python -m jupyter_remote_tunnel.engine FD`, started by its holder.

`FD` is the listening control socket, inherited. Standard input is the life line: a `StartLine`,
then nothing; at its end the holder has died or is done, and the engine closes everything and ends
at once. It also looks whether its parent is still the holder, as a fork of a dead one may hold the
other end of the life line. SIGTERM ends it too; SIGINT is for the holder. It dumps no core, and may
open as many files and sockets as the system lets it.
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import resource
import shutil
import signal
import socket
import stat
import sys
from pathlib import Path
from typing import Any, NoReturn

from ..model.errors import RemoteTunnelError
from ..ssh.descriptors import ask_for_more
from ..tunnels.tasks import Tasks
from .checking import read
from .control import ControlServer
from .logs import log_to_stderr
from .messages import Caller, Restore
from .service import Service
from .start import CONTROL_SOCKET, StartLine
from .wire import encode

log = logging.getLogger("jupyter_remote_tunnel.engine")

# Seconds: to close everything; between looks at the parent, where the kernel does not tell its end.
_CLOSE_LIMIT = 3.0
_PARENT_EVERY = 1.0

_STDIN = 0
_PR_SET_DUMPABLE = 4


def main() -> NoReturn:
    """Run until the holder ends."""
    try:
        start = StartLine.decode(sys.stdin.buffer.readline())
        listener = socket.socket(fileno=int(sys.argv[1]))
    except (ValueError, IndexError, OSError):
        sys.exit("The engine of the tunnels is started by its holder, not by hand.")
    _dump_no_core()
    ask_for_more()
    log_to_stderr(start.settings.log_level)
    asyncio.run(_run(start, listener))
    raise AssertionError("it ends the process")


def _dump_no_core() -> None:
    """Keys and answers are in this memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # Not even to a handler of cores that takes them past that limit; nor to a debugger.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


async def _run(start: StartLine, listener: socket.socket) -> NoReturn:
    asyncio.get_running_loop().set_exception_handler(_log_exception)
    tasks = Tasks()
    end = _watch(start.holder_pid, tasks)
    private_dir = Path(start.private_dir)
    _remove_sockets(private_dir)
    service = Service(start.settings, private_dir, os.getpid())
    for tunnel in start.restore:
        await _restore(service, tunnel)
    listener.setblocking(False)
    server = ControlServer(service, listener)
    tasks.start(_serve(server, end), "control socket")
    log.info("Engine %d runs in %s", os.getpid(), private_dir)

    holder_gone = await end.told
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_LIMIT):
            await tasks.close()
            await server.close()
            await service.close()
    if holder_gone:
        _clear_up(start)
    # Not by returning: the end of a loop waits for threads, and one may look up a name.
    os._exit(0)


def _log_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A connection that could not be accepted is no mistake of ours, and may come many times; the
    loop tries again in a second.
    """
    error = context.get("exception")
    if isinstance(error, OSError) and "socket" in context:
        log.warning("A connection was not accepted: %s", error)
    else:
        loop.default_exception_handler(context)


async def _serve(server: ControlServer, end: "_End") -> None:
    """An engine that nobody can reach is none: the holder starts another."""
    try:
        await server.serve()
    finally:
        end.tell(holder_gone=False)


def _clear_up(start: StartLine) -> None:
    """What the holder would have taken away."""
    Path(start.announcement).unlink(missing_ok=True)
    shutil.rmtree(start.private_dir, ignore_errors=True)


class _End:
    """When to end; `told` gives whether the holder is gone, so that we clear up behind it."""

    def __init__(self) -> None:
        self.told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def tell(self, *, holder_gone: bool) -> None:
        if not self.told.done():
            self.told.set_result(holder_gone)


def _watch(holder_pid: int, tasks: Tasks) -> _End:
    end = _End()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: end.tell(holder_gone=False))
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)

    def life_line() -> None:
        if not os.read(_STDIN, 4096):
            loop.remove_reader(_STDIN)
            end.tell(holder_gone=True)

    loop.add_reader(_STDIN, life_line)
    tasks.start(_parent_gone(holder_pid, end), "look at the parent")
    return end


async def _parent_gone(holder_pid: int, end: _End) -> None:
    """Tell the end of the holder. Where the kernel tells it, nobody has to look."""
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    descriptor = _process_descriptor(holder_pid)
    if descriptor is not None:
        loop.add_reader(descriptor, gone.set)
    while os.getppid() == holder_pid and not gone.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PARENT_EVERY if descriptor is None else None):
                await gone.wait()
    end.tell(holder_gone=True)


def _process_descriptor(pid: int) -> int | None:
    """A descriptor that can be read when the process ends; None where there is no such thing."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:  # no such process any more, or a kernel or a sandbox that forbids it
        return None


def _remove_sockets(private_dir: Path) -> None:
    """Those of an engine that died in this directory; its clients are told by their end."""
    for path in private_dir.iterdir():
        if path.name != CONTROL_SOCKET and stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink(missing_ok=True)


async def _restore(service: Service, tunnel: dict[str, Any]) -> None:
    """Alone, so that one that is no tunnel any more (of another version, say) spoils no other."""
    try:
        encode(tunnel)  # what cannot be told to a client would keep all others from it
        params = read(Restore, {"tunnels": [tunnel]}, "restore")
        await service.call("holder.restore", params, Caller("holder"))
    except RemoteTunnelError as error:
        log.error("Tunnel %s is not restored: %s", tunnel.get("id"), error)  # noqa: TRY400


if __name__ == "__main__":
    main()
