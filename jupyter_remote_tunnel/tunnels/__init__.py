"""Behaviour: when to connect, when to try again, what is wanted and what runs.

`link` is one supervised connection that tunnels share, `tunnel` one live thing in the list,
`manager` the set of them; `policy` decides what is allowed. SSH itself is in `ssh/`, values are in
`model/`.
"""
