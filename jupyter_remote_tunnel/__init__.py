"""Your remote machines inside your local Jupyter: SSH tunnels for kernels, applications and ports.

    with jupyter_remote_tunnel.tunnel("gpu01:5006") as bokeh:
        session = pull_session(url=f"{bokeh.url}/plot")

Importing the package imports nothing heavy: what JupyterLab, Jupyter Server, IPython and the
context manager need is imported when they ask for it.
"""

from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .context import TunnelContext

__all__ = ["__version__", "load_ipython_extension", "tunnel"]


def tunnel(command: str, *, name: str | None = None, server: str | None = None) -> "TunnelContext":
    """A tunnel for the length of a `with` (or `async with`) block, with `.url` and `.address`.

    :param command: what `jupyter tunnel open` takes: "gpu01:5006", "-L 0:db:5432 ann@gpu01". A
        local port that is busy is replaced by a free one.
    :param name: the tunnel's name; "host:port" if None.
    :param server: the engine to use, as `jupyter tunnel --server`; None finds or starts one.
    """
    from .context import TunnelContext

    return TunnelContext(command, name=name, server=server)


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext jupyter_remote_tunnel`: the magic `%tunnel`."""
    from .magic import load

    load(shell)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from .server.app import RemoteTunnelApp

    return [{"module": "jupyter_remote_tunnel", "app": RemoteTunnelApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "jupyter-remote-tunnel"}]
