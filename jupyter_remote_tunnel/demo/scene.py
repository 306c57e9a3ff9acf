"""The demo's start and end: each part on one exit stack, so that whatever was started is ended."""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
import webbrowser
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urlencode

from ..engine.client import EngineClient
from ..model.errors import Fatal
from ..model.state import State
from ..model.status import TunnelStatus
from . import lab
from .child import Child
from .host import ALIAS, DemoHost, commands_environ

_NEEDS = ("bokeh", "ipykernel", "jupyterlab")
_ANNOUNCED_SECONDS = 10.0
_OPEN_SECONDS = 30.0
_ENDED = "Ended. No process, socket or file is left."


@dataclass(frozen=True)
class Scene:
    """The running demo. `url` opens its JupyterLab; `command` lists its tunnels in another shell;
    `socket` is its engine's control socket; `words` lead to its host."""

    url: str
    command: str
    socket: str
    words: tuple[str, ...]
    tunnels: dict[str, TunnelStatus]


class Report:
    """Prints what was done, with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, what: str) -> None:
        print(f"{time.monotonic() - self._start:5.1f} s  {what}", flush=True)


async def demo(*, check: bool, browser: bool) -> None:
    """Run the demo until it is cancelled; with `check`, until it was tried.

    :raises RemoteTunnelError: a part did not start, or does not do what it should. Nothing is left.
    """
    missing = [name for name in _NEEDS if find_spec(name) is None]
    if missing:
        raise Fatal(
            f"The demo needs {', '.join(missing)}.",
            code="unsupported",
            hint="In the folder of the clone, `make demo` brings them; or: pip install '.[demo]'",
        )
    report = Report()
    try:
        async with _scene(report) as scene:
            await (_try_out(scene, report) if check else _show(scene, browser=browser))
    except asyncio.CancelledError:
        report(_ENDED)
        raise
    report(_ENDED)


async def _try_out(scene: Scene, report: Report) -> None:
    from .check import check_scene

    await check_scene(scene, report)


async def _show(scene: Scene, *, browser: bool) -> None:
    """Tell where it is, and return when this is cancelled."""
    print(
        f"\nOpen this in a browser:\n\n    {scene.url}\n\nIts terminals know `jupyter tunnel`. In"
        f" another shell:\n\n    {scene.command}\n\nCtrl-C ends it.",
        flush=True,
    )
    if browser:
        await asyncio.to_thread(webbrowser.open, scene.url)
    with contextlib.suppress(asyncio.CancelledError):  # told to end: all is well
        await asyncio.get_running_loop().create_future()


@contextlib.asynccontextmanager
async def _scene(report: Report) -> AsyncIterator[Scene]:
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(_private_folder())
        remote_runtime = folder / "remote" / "runtime"
        remote_runtime.mkdir(parents=True)
        commands = commands_environ(os.environ, remote_runtime)
        host = await stack.enter_async_context(DemoHost(folder / "ssh", commands))
        report(f"SSH host {ALIAS} listens on 127.0.0.1:{host.port}, for one key made for this run")
        # Bokeh and the kernel take a second each to start: side by side.
        bokeh, kernel = _bokeh(folder, host), _kernel(folder, host, remote_runtime)
        await _enter_all(stack, bokeh, kernel)
        port = int(bokeh.match[1])
        report(f"On it run a Bokeh application on port {port}, and a kernel")
        token = secrets.token_hex(24)
        lab_folder = folder / "lab"
        lab.write(lab_folder, token, lab.Target(host.words, host.ssh_config, port))
        jupyter = await stack.enter_async_context(_jupyterlab(folder, lab_folder))
        base_url = jupyter.match[1]
        report(f"JupyterLab runs at {base_url}")
        socket = await _engine_socket(lab_folder)
        tunnels = await _open_tunnels(socket)
        for tunnel in tunnels.values():
            report(f"Tunnel “{tunnel.name}” is open: {tunnel.forwards[0].destination}")
        path = f"{base_url}lab/tree/{quote(lab.NOTEBOOK)}?{urlencode({'token': token})}"
        yield Scene(path, lab.command_elsewhere(lab_folder), socket, host.words, tunnels)


@contextlib.contextmanager
def _private_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tunnel-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


async def _enter_all(stack: contextlib.AsyncExitStack, *children: Child) -> None:
    """Start them side by side. Those that started are ended with the stack, also if one fails."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(child.__aenter__(), name=child.name) for child in children]
    try:
        await asyncio.wait(tasks)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        raise
    finally:
        for child, task in zip(children, tasks, strict=True):
            if task.done() and not task.cancelled() and task.exception() is None:
                stack.push_async_exit(child)
    for task in tasks:
        task.result()


def _bokeh(folder: Path, host: DemoHost) -> Child:
    plot = Path(__file__).with_name("plot.py")
    return Child(
        "Bokeh",
        [sys.executable, "-m", "bokeh", "serve", str(plot), "--address", "127.0.0.1", "--port=0"],
        ready=r"app running at: http://[\d.]+:(\d+)/",
        environ=host.environ,
        folder=host.home,
        log=folder / "bokeh.log",
    )


def _kernel(folder: Path, host: DemoHost, runtime: Path) -> Child:
    sockets = runtime / "kernel-demo-ipc"
    connection = [f"-f={runtime / lab.KERNEL_FILE}", "--transport=ipc", f"--ip={sockets}"]
    return Child(
        "The kernel",
        [sys.executable, "-m", "ipykernel_launcher", *connection],
        ready=r"--existing",
        environ=host.environ,
        folder=host.home,
        log=folder / "kernel.log",
    )


def _jupyterlab(folder: Path, lab_folder: Path) -> Child:
    return Child(
        "JupyterLab",
        [sys.executable, "-m", "jupyterlab"],
        ready=r"ServerApp\] (http://[^/\s]+/)",
        environ=lab.environment(lab_folder, os.environ),
        folder=lab_folder,
        log=folder / "lab.log",
    )


async def _engine_socket(lab_folder: Path) -> str:
    """The control socket that JupyterLab's server announces, once it serves."""
    try:
        async with asyncio.timeout(_ANNOUNCED_SECONDS):
            while True:
                for path in (lab_folder / "runtime").glob("remote-tunnel-*.json"):
                    return str(json.loads(path.read_text())["socket"])
                await asyncio.sleep(0.02)  # a file tells nobody that it is there
    except TimeoutError:
        raise Fatal(
            "JupyterLab runs without the extension jupyter_remote_tunnel.",
            hint="`jupyter server extension list` says whether it is installed.",
        ) from None


async def _open_tunnels(socket: str) -> dict[str, TunnelStatus]:
    """The declared tunnels, once they are open."""
    client = await EngineClient.connect(socket, "shell")
    try:
        async with asyncio.timeout(_OPEN_SECONDS):
            events = client.events()
            while True:
                tunnels = {tunnel.name: tunnel for tunnel in await client.list_tunnels()}
                if _are_open(tunnels):
                    return tunnels
                await anext(events)
    except TimeoutError:
        raise Fatal(f"The tunnels were not open after {_OPEN_SECONDS:.0f} s.") from None
    finally:
        await client.close()


def _are_open(tunnels: dict[str, TunnelStatus]) -> bool:
    for tunnel in tunnels.values():
        if tunnel.state == State.FAILED and tunnel.error is not None:
            raise tunnel.error.as_exception()
    wanted = {lab.APPLICATION, lab.PORT}
    return wanted <= {name for name, tunnel in tunnels.items() if tunnel.state == State.OPEN}
