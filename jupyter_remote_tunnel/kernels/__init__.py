"""Kernels that run on remote hosts.

`connection_file` checks what a remote kernel says of itself, `connect` makes a tunnel for it and
the local connection file by which Jupyter's clients find it.
"""

from .connect import ConnectedKernel, connect

__all__ = ["ConnectedKernel", "connect"]
