"""What asyncssh is told before it connects, and what it asks and tells while it does."""

from collections.abc import Callable
from typing import Any

import asyncssh
from asyncssh.constants import MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA, MSG_IGNORE
from asyncssh.kex import get_kex_algs
from asyncssh.logging import SSHLogger
from typing_extensions import override

from ..model.errors import Fatal
from ..model.text import plain
from .auth import Login
from .compression import ALGORITHM
from .flow import Flow
from .hop import Hop
from .host_keys import HostKeyJudge
from .packets import PacketConnection

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

_OF_STREAMS = (MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA)


class Client(asyncssh.SSHClient):
    """What asyncssh asks and tells while it connects, and that the connection is gone."""

    def __init__(
        self, judge: HostKeyJudge, login: Login, on_lost: Callable[[Exception | None], None]
    ) -> None:
        self._judge = judge
        self._login = login
        self._on_lost = on_lost

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost(exc)

    @override
    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        return self._judge.is_trusted(key)

    @override
    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        return self._judge.is_authority(key)

    @override
    async def public_key_auth_requested(self) -> list[asyncssh.SSHKeyPair] | None:
        return await self._login.next_keys()

    @override
    def password_auth_requested(self) -> None:
        self._login.would_ask("password")

    @override
    def kbdint_auth_requested(self) -> None:
        self._login.would_ask("keyboard-interactive")


class QuickLogger(SSHLogger):
    """asyncssh's logger, which words a line before it finds out that nobody wants it."""

    @override
    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        if self.isEnabledFor(level):
            super().log(level, msg, *args, **kwargs)


class OwnConnection(PacketConnection):
    """asyncssh's connection, with what it leaves out: it knows how much is waiting to be sent.

    It also sends an empty packet before every other one. That hides the chained IV of CBC ciphers,
    costs a third of the upload, and does nothing for the ciphers that are used here: so it is left
    out where CBC cannot be chosen.
    """

    flow: Flow
    quiet: bool
    heard = 0.0

    @classmethod
    def adopt(cls, connection: asyncssh.SSHClientConnection, hop: Hop, flow: Flow) -> None:
        """Make a connection that is not used yet one of these."""
        connection.__class__ = cls
        assert isinstance(connection, cls)
        connection.flow = flow
        connection._logger.__class__ = QuickLogger  # noqa: SLF001
        connection.quiet = not any("cbc" in cipher for cipher in hop.ciphers or CIPHERS)

    @override
    def send_packet(self, pkttype: int, *args: bytes, **more: Any) -> None:
        if self.quiet and pkttype == MSG_IGNORE:
            return
        super().send_packet(pkttype, *args, **more)
        if self._deferred_packets:
            self.flow.exchange_keys(ended=False)
        if pkttype not in _OF_STREAMS:
            self.flow.answered(sum(map(len, args)))

    @override
    def _reset_keepalive_timer(self) -> None:
        """Something came. asyncssh starts the timer anew each time; here it looks at its end how
        long ago that was."""
        self.heard = self._loop.time()
        if self._keepalive_timer is None:
            super()._reset_keepalive_timer()

    @override
    def _keepalive_timer_callback(self) -> None:
        left = self.heard + self._keepalive_interval - self._loop.time()
        if left <= 0:
            super()._keepalive_timer_callback()
        else:
            self._keepalive_timer = self._loop.call_later(left, self._keepalive_timer_callback)

    @override
    def _send_deferred_packets(self) -> None:
        """Keys were exchanged: what had to wait is sent."""
        super()._send_deferred_packets()
        if not self._deferred_packets:
            self.flow.exchange_keys(ended=True)


def options(hop: Hop) -> dict[str, Any]:
    """asyncssh's options for a hop. Each that has a default from the environment or from ~/.ssh is
    given."""
    return {
        "username": hop.user,
        "config": None,
        "client_keys": None,  # `Login` offers them
        "agent_path": None,
        "agent_forwarding": False,
        "x509_trusted_certs": None,
        "x509_trusted_cert_paths": [],
        "host_key_alias": hop.host_key_alias,
        "preferred_auth": ["publickey", "keyboard-interactive", "password"],
        "gss_host": None,
        "gss_kex": False,
        "gss_auth": False,
        "host_based_auth": False,
        "kex_algs": [name for name in KEY_EXCHANGES if name.encode() in get_kex_algs()],
        "encryption_algs": _supported(
            hop.ciphers, asyncssh.encryption.get_encryption_algs(), "ciphers", hop
        )
        or list(CIPHERS),
        "mac_algs": _supported(hop.macs, asyncssh.mac.get_mac_algs(), "MACs", hop) or (),
        "compression_algs": [ALGORITHM, "none"] if hop.compression else ["none"],
        "connect_timeout": None,  # ours covers every step
        "login_timeout": 0,
        "keepalive_interval": hop.keepalive_interval,
        # asyncssh declares the loss one interval later than ssh.
        "keepalive_count_max": max(1, hop.keepalive_count - 1),
    }


def _supported(wanted: tuple[str, ...] | None, ours: list[bytes], what: str, hop: Hop) -> list[str]:
    """Those of the configured algorithms that are known here, in their order."""
    if wanted is None:
        return []
    known = {name.decode() for name in ours}
    found = [name for name in wanted if name in known]
    if not found:
        raise Fatal(
            f"None of the {what} configured for {hop.place} is supported: "
            + plain(",".join(wanted)),
            code="unsupported",
            hint=f"Supported are: {', '.join(sorted(known & set(CIPHERS)) or sorted(known))}.",
            hop=hop.place,
        )
    return found
