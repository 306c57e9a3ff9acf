"""Values only, no I/O: addresses, forwards, specs, the state table, the status snapshot, errors.

Everything here imports with the standard library alone, so that a kernel of another environment
can use it.
"""
