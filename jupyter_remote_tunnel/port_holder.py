"""Which process of this machine listens on a port."""

import contextlib
import os

import psutil

from .model.text import plain

_ENGINE = "jupyter_remote_tunnel.engine"  # as in the command line of its process
_NAME = 60  # characters of the name of another process that are shown


def port_holder(port: int) -> str | None:
    """Who listens on a TCP port here: "python3 (process 123)", or that it is an engine, and
    whose; None where it cannot be known."""
    try:
        found = psutil.net_connections("tcp")
    except (psutil.Error, OSError):
        return None
    for entry in found:
        if entry.status == psutil.CONN_LISTEN and entry.laddr[1:] == (port,) and entry.pid:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(entry.pid)
                # Both can be whatever another user wants to have read here.
                ours = process.uids().real == os.getuid() and _ENGINE in process.cmdline()
                if ours:  # which people know by its holder
                    return f"another engine for tunnels (that of process {process.ppid()})"
                return f"{plain(process.name(), _NAME)} (process {entry.pid})"
    return None
