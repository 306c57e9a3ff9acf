"""Which algorithms are asked for: ours, or those of the user's configuration that are known here.

What a configuration names and asyncssh has not (or is too dangerous here) is left out, and
`left_out` says so; where nothing is left, that is an error.
"""

from collections.abc import Callable, Iterable, Sequence

import asyncssh
from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import get_certificate_algs, get_public_key_algs

from ..model.errors import Fatal
from ..model.text import plain
from .hop import Hop

# AES-GCM first: it costs the least here and in OpenSSH.
CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)

# OpenSSH's own, but no group exchange: who asks for one lets the host name the group, before it has
# shown who it is, and to check a large one takes minutes in which the loop stands still.
KEY_EXCHANGES = (
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group14-sha1",
)

_CERTIFICATE_SUFFIX = "-cert-v01@openssh.com"


def _names(*lists: Iterable[bytes]) -> frozenset[str]:
    return frozenset(name.decode() for names in lists for name in names)


def _exchanges() -> frozenset[str]:
    return frozenset(name for name in _names(get_kex_algs()) if "group-exchange" not in name)


def _keys() -> frozenset[str]:
    return _names(get_public_key_algs(), get_certificate_algs())


# Keyword → what is known here.
_KNOWN: dict[str, Callable[[], frozenset[str]]] = {
    "ciphers": lambda: _names(get_encryption_algs()),
    "macs": lambda: _names(get_mac_algs()),
    "kexalgorithms": _exchanges,
    "hostkeyalgorithms": _keys,
    "pubkeyacceptedalgorithms": _keys,
    "casignaturealgorithms": _keys,
}

KEYWORDS = frozenset(_KNOWN)
"""The keywords of ssh_config whose value is a list of algorithms."""


def kept(keyword: str, names: Iterable[str]) -> list[str]:
    """Those of the algorithms that are known here, in their order."""
    ours = _KNOWN.get(keyword, _keys)()
    return [name for name in names if name in ours]


def left_out(keyword: str, names: Iterable[str]) -> list[str]:
    """Those that are not."""
    names = list(names)
    found = kept(keyword, names)
    return [name for name in names if name not in found]


def supported(wanted: Sequence[str] | None, keyword: str, what: str, hop: Hop) -> list[str]:
    """The configured algorithms that are known here; none where nothing is configured.

    :raises Fatal: unsupported, none of them is.
    """
    if wanted is None:
        return []
    found = kept(keyword, wanted)
    if not found:
        ours = _KNOWN.get(keyword, _keys)()
        proposed = [name for name in (*CIPHERS, *KEY_EXCHANGES) if name in ours] or sorted(ours)
        raise Fatal(
            f"None of the {what} configured for {hop.place} is supported: "
            + plain(",".join(wanted)),
            code="unsupported",
            hint=f"Supported are: {', '.join(proposed)}.",
            hop=hop.place,
        )
    return found


def key_exchanges(hop: Hop) -> list[str]:
    """What to ask a hop for."""
    wanted = supported(hop.key_exchanges, "kexalgorithms", "key exchanges", hop)
    return wanted or kept("kexalgorithms", KEY_EXCHANGES)


def ciphers(hop: Hop) -> list[str]:
    """What to ask a hop for."""
    return supported(hop.ciphers, "ciphers", "ciphers", hop) or list(CIPHERS)


def macs(hop: Hop) -> list[str]:
    """What to ask a hop for; none is asyncssh's own."""
    return supported(hop.macs, "macs", "MACs", hop)


def signatures(hop: Hop) -> list[str]:
    """How our own keys may sign; none is asyncssh's own."""
    wanted = hop.key_algorithms
    found = supported(wanted, "pubkeyacceptedalgorithms", "algorithms of public keys", hop)
    return list(dict.fromkeys(map(of_key, found)))


def certificate(algorithm: str) -> str:
    """The algorithm of certificates for keys of one."""
    return algorithm.removesuffix("@openssh.com") + _CERTIFICATE_SUFFIX


def of_key(algorithm: str) -> str:
    """The algorithm of the keys that certificates of one are for; itself where it is of keys."""
    if not algorithm.endswith(_CERTIFICATE_SUFFIX):
        return algorithm
    kind = algorithm.removesuffix(_CERTIFICATE_SUFFIX)
    return f"{kind}@openssh.com" if kind.startswith("sk-") else kind


def may_be_offered(pair: asyncssh.SSHKeyPair, hop: Hop) -> bool:
    """Whether the configuration lets a hop see this key or certificate of ours."""
    accepted = hop.key_algorithms
    if accepted is None:
        return True
    names = [name.decode() for name in pair.sig_algorithms]
    if pair.algorithm.decode().endswith(_CERTIFICATE_SUFFIX):
        names = list(map(certificate, names))
    return any(name in accepted for name in names)


def may_certify(key: asyncssh.SSHKey, hop: Hop) -> bool:
    """Whether the configuration lets an authority sign with a key of this type."""
    accepted = hop.authority_algorithms
    return accepted is None or any(name.decode() in accepted for name in key.sig_algorithms)
