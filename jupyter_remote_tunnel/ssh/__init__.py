"""Everything that speaks SSH, and the only import of asyncssh.

`config` resolves a host to its route of hops, `connection` opens one hop (over the one before),
`forward` makes the listener → destination mappings that use a connection, `pump` relays one stream.
The user's files (known_hosts, keys) are looked at by way of `files` only: a drive may be dead.
Errors leave here as the classes of `model.errors` only."""
