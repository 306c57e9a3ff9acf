"""Everything that speaks SSH, and the only import of asyncssh.

`config` resolves a host to its route of hops: it asks `openssh`, or reads ssh_config itself
(`without_openssh`), and `making_hops` makes hops of that. `keywords` says what of it is honoured,
`aliases` which hosts there are to choose from. `connection` opens one hop (over the one before),
`forward` makes the listener → destination mappings that use a connection, `pump` relays one stream.
The user's files (known_hosts, keys) are looked at by way of `files` only: a drive may be dead.
Errors leave here as the classes of `model.errors` only."""
