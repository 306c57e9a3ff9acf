"""A real ipykernel that nobody here manages: what a remote host offers by its connection file.

::

    with ipykernel() as kernel:                    # TCP ports of the kernel's own choice
        kernel.connection_file                     # 0600, as the kernel wrote it
    with ipykernel(transport="ipc") as kernel:     # sockets <folder>/k-1 … k-5 in a 0700 folder
        ...
"""

import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient

from tests.support.process import PATIENCE, Child, child, environment


@dataclass(frozen=True)
class Kernel:
    """A running kernel, its folder (0700) and its connection file."""

    process: Child
    folder: Path
    connection_file: Path

    @property
    def connection(self) -> dict[str, Any]:
        """What the connection file says."""
        loaded: dict[str, Any] = json.loads(self.connection_file.read_text())
        return loaded


@contextlib.contextmanager
def ipykernel(transport: str = "tcp", *, env: Mapping[str, str] | None = None) -> Iterator[Kernel]:
    """Start a kernel on ``tcp`` (loopback) or ``ipc``; ready when it answered a kernel_info.

    `env` is added to its environment.
    """
    folder = Path(tempfile.mkdtemp(prefix="jrt-kernel-"))
    file = folder / "kernel.json"
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", str(file)]
    if transport == "ipc":
        argv += ["--transport", "ipc", "--ip", str(folder / "k")]
    own = {"IPYTHONDIR": str(folder / "ipython"), "HOME": str(folder)}
    whole = environment({**own, **(env or {})})
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        process = stack.enter_context(child(argv, env=whole, cwd=folder))
        process.wait_for_line(r"--existing kernel\.json|--existing .*kernel\.json")
        with client(file):
            yield Kernel(process, folder, file)


@contextlib.contextmanager
def client(connection_file: Path) -> Iterator[BlockingKernelClient]:
    """A blocking client of the kernel that `connection_file` describes, ready for use."""
    found = BlockingKernelClient(connection_file=str(connection_file))
    found.load_connection_file()
    found.start_channels()
    try:
        found.wait_for_ready(timeout=PATIENCE)
        yield found
    finally:
        found.stop_channels()
