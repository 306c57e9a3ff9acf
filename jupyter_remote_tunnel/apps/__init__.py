"""Remote web applications: what a tunnel offers to show, and how one is opened.

There is no list of applications beside that of the tunnels: every local forward is one.
"""
