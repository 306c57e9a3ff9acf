"""The demo's JupyterLab: folders and configuration of its own, a notebook, declared tunnels."""

import json
import os
import platform
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOTEBOOK = "Remote tunnels.ipynb"
APPLICATION = "remote plot"
PORT = "port to the plot"
KERNEL_FILE = "kernel-demo.json"

_NEWS = {"fetchNews": "false", "checkForUpdates": False}
# The sidebar of tunnels is in front. The file's name is JupyterLab's for the workspace "default".
_DEFAULT_WORKSPACE = "default-37a8.jupyterlab-workspace"
_SIDEBAR = "jp-remote-tunnel-sidebar"
_LEFT = {"collapsed": False, "visible": True, "current": _SIDEBAR, "widgets": [_SIDEBAR]}
_WORKSPACE = {
    "data": {"layout-restorer:data": {"left": _LEFT}},
    "metadata": {"id": "default"},
}

# What ipykernel says of itself: JupyterLab would write anything else anew, and the notebook would
# have changes to be saved before anybody had made one.
_METADATA = {
    "kernelspec": {
        "name": "python3",
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    },
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": platform.python_version(),
    },
}


@dataclass(frozen=True)
class Target:
    """What the demo's host offers. `words` lead to it, as typed behind ssh; on it stands a
    kernel's connection file `KERNEL_FILE`."""

    words: tuple[str, ...]
    ssh_config: Path
    bokeh_port: int


def environment(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a Jupyter that lives in `folder` alone; the user's own is not touched."""
    unwanted = ("JUPYTER", "JPY_", "IPYTHON", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK")
    kept = {name: value for name, value in environ.items() if not name.startswith(unwanted)}
    return {
        **kept,
        # A terminal or kernel in it finds `jupyter tunnel` where this one was started.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "TMPDIR": str(folder / "tmp"),
    }


def command_elsewhere(folder: Path) -> str:
    """What to type in a shell outside of the JupyterLab in `folder` to see its tunnels."""
    program = shutil.which("jupyter", path=str(Path(sys.executable).parent)) or "jupyter"
    runtime_dir = shlex.quote(str(folder / "runtime"))
    return f"JUPYTER_RUNTIME_DIR={runtime_dir} {shlex.quote(program)} tunnel list"


def write(folder: Path, token: str, target: Target) -> None:
    """Make the folders, the configuration and the notebook of the JupyterLab in `folder`."""
    for name in ("config", "data", "runtime", "run", "tmp", "notebooks", "settings", "workspaces"):
        (folder / name).mkdir(mode=0o700, parents=True)
    config = folder / "config" / "jupyter_server_config.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps(_config(folder, token, target), indent=2))
    news = folder / "settings" / "@jupyterlab" / "apputils-extension"
    news.mkdir(parents=True)
    (news / "notification.jupyterlab-settings").write_text(json.dumps(_NEWS))
    (folder / "notebooks" / NOTEBOOK).write_text(json.dumps(notebook(target), indent=1))
    (folder / "workspaces" / _DEFAULT_WORKSPACE).write_text(json.dumps(_WORKSPACE))


def _config(folder: Path, token: str, target: Target) -> dict[str, Any]:
    destination = f"localhost:{target.bokeh_port}"
    return {
        "ServerApp": {
            "root_dir": str(folder / "notebooks"),
            "port": 0,
            "open_browser": False,
            "allow_root": os.geteuid() == 0,
            # No login shell: /etc/profile would take away the PATH that leads to `jupyter tunnel`.
            "terminado_settings": {"shell_command": [os.environ.get("SHELL", "/bin/sh")]},
            "jpserver_extensions": {"jupyter_remote_tunnel": True, "jupyterlab": True},
            # Its page would ask whether it should be built anew: a second's work for Node, if any.
            "tornado_settings": {"page_config_data": {"buildAvailable": False}},
        },
        "IdentityProvider": {"token": token},
        # Nothing looks around on this machine or in the network: it starts faster, and npm, which
        # is asked for language servers, would leave files in the home directory.
        "LabApp": {"news_url": None, "extension_manager": "readonly"},
        "LanguageServerManager": {"autodetect": False},
        "TunnelManager": {
            "ssh_config": str(target.ssh_config),
            # Without an ssh on this machine nobody reads that: options have to say it all.
            "allow_exec_options": len(target.words) > 1,
            "tunnels": [
                {
                    "command": shlex.join(["-L", f"private:{destination}", *target.words]),
                    "name": APPLICATION,
                    "kind": "application",
                },
                {
                    "command": shlex.join(["-L", f"0:{destination}", *target.words]),
                    "name": PORT,
                },
            ],
        },
    }


def notebook(target: Target) -> dict[str, Any]:
    """A notebook that shows `%tunnel`, as nbformat's JSON."""
    host = shlex.join(target.words)
    cells = [
        (
            "markdown",
            f"""\
# Remote machines in this Jupyter

The sidebar shows the host `{target.words[-1]}`: an SSH server that runs for this demo alone. On it
run a Bokeh application and a kernel. Open the application from the sidebar, or go on here. (If it
ever says “Client connection was lost”, reload its tab: Bokeh does not always come back.)""",
        ),
        ("code", "%load_ext jupyter_remote_tunnel\n%tunnel list"),
        ("markdown", "A tunnel of your own; port 0 is any free port on this side:"),
        ("code", f"%tunnel open -L 0:localhost:{target.bokeh_port} --name mine {host}"),
        ("markdown", "What code in this kernel can connect to:"),
        (
            "code",
            """\
import asyncio
from bokeh.client import pull_session

url = %tunnel url mine
# Bokeh's client runs an event loop of its own, as a cell already does: so on a thread.
session = await asyncio.to_thread(pull_session, url=f"{url}/plot")
session.document.title""",
        ),
        ("markdown", "A kernel that runs on the host, for `jupyter console --existing`:"),
        ("code", f"%tunnel kernels connect {host} {KERNEL_FILE}"),
        ("code", "%tunnel close mine"),
    ]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": _METADATA,
        "cells": [_cell(kind, text, number) for number, (kind, text) in enumerate(cells)],
    }


def _cell(kind: str, text: str, number: int) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": f"cell-{number}",
        "metadata": {},
        "source": text,
    }
    return cell | {"outputs": [], "execution_count": None} if kind == "code" else cell
