"""The names of hosts that browsers ask for, as DNS and certificates have them."""

import contextlib
import re
from ipaddress import ip_address

from .address import check_host, is_ipv6
from .errors import BadInput
from .text import plain

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


def published_name(typed: str) -> str:
    """A host name as DNS and certificates have it: ASCII, lower case, no dot at its end.

    :raises BadInput: it is none. (IPv4 addresses are taken; IPv6 ones are not.)
    """
    bare = typed[1:-1] if typed.startswith("[") and typed.endswith("]") else typed
    if is_ipv6(bare):
        raise BadInput(
            "A published Jupyter has a name, or an IPv4 address.",
            hint="Give its address a name in DNS.",
        )
    check_host(typed, typed, 0)
    try:
        name = typed.encode("idna").decode().lower().removesuffix(".")
    except UnicodeError:
        raise _no_name(typed) from None
    labels = name.split(".")
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise _no_name(typed)
    if labels[-1].isdigit():  # what looks like an address is one
        with contextlib.suppress(ValueError):
            return str(ip_address(name))
        raise _no_name(typed)
    return name


def _no_name(typed: str) -> BadInput:
    return BadInput(
        f"“{plain(typed, 100)}” is no name of a host.", hint="For example: jupyter.example.org"
    )
