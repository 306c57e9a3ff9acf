"""`jupyter tunnel demo`: everything to try, on this machine alone and gone at the end.

==========  ==========================================================================
``scene``   starts all of it on one exit stack, in one private temporary folder
``host``    the SSH host, on loopback, with keys made for the run
``plot``    the Bokeh application that runs on it
``lab``     the JupyterLab: its configuration, its folders, a notebook
``child``   a child process: ready when it says so, ended with all that it started
``check``   `--check`: fetches the application through the tunnel, as a browser would
==========  ==========================================================================
"""

from .scene import demo

__all__ = ["demo"]
