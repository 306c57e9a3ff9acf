"""Real peers for the tests, each a context manager with knobs.

==================  ==============================================================================
``process``         a child process: started, ready when it says so, ended with all its descendants
``ports``           a TCP port held for one peer, also while that peer is down
``sshd``            OpenSSH's sshd, a bed of several of them, ssh-agent, the client's ssh_config
``netns``           hosts with addresses of their own: network namespaces joined by veth pairs
``relay``           a wire with faults between a client and a TCP server: delay, freeze, cut
``echo``            small TCP and Unix servers: echo, sink, source, half-close, one that never reads
``bokeh_app``       ``bokeh serve`` with a plot, a periodic callback, a button and a cookie
``kernel``          an ipykernel of its own, over tcp or ipc
``jupyter``         Jupyter Server, JupyterLab or Notebook 7 with folders of its own
``http``            a client of Jupyter's REST API, by token or by cookie and XSRF
``hostile_app``     a web application that tries to get at the Jupyter that shows it
``user``           a person at a shell: `jupyter tunnel`, folders and an engine of their own
``bare_env``       a virtual environment that has hardly anything
``other_uid``       a command or a Python snippet as another user of this machine
``leaks``           what is left: processes, listening sockets, files
==================  ==============================================================================

Nothing here touches ``~/.ssh`` or ``~/.jupyter``; whatever is written stands in a private folder
that goes with the peer. A peer that is missing on the machine raises: no test is skipped.
"""
