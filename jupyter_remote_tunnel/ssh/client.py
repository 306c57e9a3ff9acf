"""What asyncssh is told before it connects, and what it asks and tells while it does."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import asyncssh
from asyncssh.constants import (
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_IGNORE,
    MSG_KEXINIT,
    MSG_USERAUTH_FAILURE,
)
from asyncssh.logging import SSHLogger
from asyncssh.packet import SSHPacket
from typing_extensions import override

from .algorithms import CIPHERS, ciphers, key_exchanges, macs, signatures
from .auth import Login
from .compression import ALGORITHM
from .errors import NO_HOST_KEY
from .flow import Flow
from .hop import Hop
from .host_keys import HostKeyJudge
from .interview import Interview
from .packets import PacketConnection
from .watching import Watcher

_ANNOUNCED = 16 << 10
"""Bytes of the keys that a host may tell of: some dozens."""

_COOKIE = 16
"""Bytes at random, before what a side proposes."""

_OF_STREAMS = (MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA)


class Client(asyncssh.SSHClient):
    """What asyncssh asks and tells while it connects, and that the connection is gone."""

    def __init__(
        self,
        judge: HostKeyJudge,
        login: Login,
        interview: Interview,
        on_lost: Callable[[Exception | None], None],
        watcher: Watcher,
    ) -> None:
        self.watcher = watcher
        self._judge = judge
        self._login = login
        self._interview = interview
        self._on_lost = on_lost

    @override
    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self.watcher.connected(conn)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._interview.connection_lost()
        self._on_lost(exc)

    @override
    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        trusted = self._judge.is_trusted(key)
        self._tell_key(key, trusted, signed=False)
        return trusted

    @override
    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        trusted = self._judge.is_authority(key)
        self._tell_key(key, trusted, signed=True)
        return trusted

    def refuse_revoked(self, shown: bytes) -> None:
        """The host shows a key or certificate.

        :raises ValueError: a revocation list holds it.
        """
        self._judge.refuse_revoked(shown)

    def _tell_key(self, key: asyncssh.SSHKey, trusted: bool, *, signed: bool) -> None:
        known = self._judge.entry(key) if trusted else None
        self.watcher.key_shown(key, known, signed=signed)

    @override
    async def public_key_auth_requested(self) -> list[asyncssh.SSHKeyPair] | None:
        return await self._login.next_keys()

    def signs_with(self, algorithm: bytes) -> None:
        """A key is about to sign.

        :raises ValueError: it is not to. asyncssh goes on to the next key.
        """
        if algorithm.startswith(b"sk-"):
            self._login.touch()

    @override
    def auth_completed(self) -> None:
        self.watcher.let_in()

    @override
    def auth_banner_received(self, msg: str, lang: str) -> None:
        self._interview.heard(msg)

    @override
    async def password_auth_requested(self) -> str | None:
        return await self._login.password()

    @override
    async def password_change_requested(self, prompt: str, lang: str) -> Any:
        answer = await self._interview.new_password(prompt)
        return NotImplemented if answer is None else answer

    @override
    def kbdint_auth_requested(self) -> str | None:
        return "" if self._login.begin_round() else None

    @override
    async def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        return await self._interview.challenge(name, instructions, prompts)


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
    told_of_keys = False

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
    async def send_userauth_request(
        self, method: bytes, *args: bytes, key: Any = None, trivial: bool = True
    ) -> None:
        if key is not None:
            cast(Client, self._owner).signs_with(key.algorithm)
        elif method.startswith(b"gssapi"):
            cast(Client, self._owner).watcher.tried("gssapi")
        await super().send_userauth_request(method, *args, key=key, trivial=trivial)

    def _process_hostkeys_00_at_openssh_dot_com_global_request(self, packet: SSHPacket) -> None:
        """The host tells of its keys. Each that is new is verified, in the loop: so it is heard
        once, and no more than a host has."""
        if self.told_of_keys or len(packet.get_remaining_payload()) > _ANNOUNCED:
            self._report_global_response(False)
            return
        self.told_of_keys = True
        super()._process_hostkeys_00_at_openssh_dot_com_global_request(packet)

    @override
    def _send_kexinit(self) -> None:
        """The host has said its version, or keys are exchanged again."""
        cast(Client, self._owner).watcher.greeted()
        super()._send_kexinit()

    @override
    def _validate_host_key(
        self, host: str, addr: str, port: int, key_data: bytes
    ) -> asyncssh.SSHKey:
        cast(Client, self._owner).refuse_revoked(key_data)
        return super()._validate_host_key(host, addr, port, key_data)

    def _hear_proposal(self, kind: int, number: int, packet: SSHPacket) -> Any:
        """A message SSH_MSG_KEXINIT: asyncssh goes on where no type of host key is common to both,
        and such a host hangs up without a word."""
        copy = SSHPacket(packet.get_remaining_payload())
        copy.get_bytes(_COOKIE)
        copy.get_namelist()  # key exchanges
        theirs = copy.get_namelist()
        if not set(theirs) & set(self._server_host_key_algs or []):
            offer = b",".join(theirs).decode("ascii", "replace")
            raise asyncssh.KeyExchangeFailed(f"{NO_HOST_KEY}, it offers {offer}")
        return super()._process_kexinit(kind, number, packet)

    def _hear_refusal(self, kind: int, number: int, packet: SSHPacket) -> None:
        """A message SSH_MSG_USERAUTH_FAILURE: asyncssh tells nobody of it."""
        copy = SSHPacket(packet.get_remaining_payload())
        methods = [name.decode(errors="replace") for name in copy.get_namelist()]
        cast(Client, self._owner).watcher.refused(methods, partly=copy.get_boolean())
        super()._process_userauth_failure(kind, number, packet)

    _packet_handlers = {  # noqa: RUF012 (asyncssh has it so)
        **PacketConnection._packet_handlers,  # noqa: SLF001
        MSG_KEXINIT: _hear_proposal,
        MSG_USERAUTH_FAILURE: _hear_refusal,
    }

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
    given.

    :raises Fatal: unsupported, the configuration leaves nothing that is known here.
    """
    rekeying = {"rekey_bytes": hop.rekey_bytes, "rekey_seconds": hop.rekey_seconds}
    with_gssapi = "gssapi-with-mic" in hop.methods
    ask_after, may_stay_away = hop.signs_of_life
    return {
        "username": hop.user,
        "config": None,
        "client_keys": None,  # `Login` offers them
        "agent_path": None,
        "agent_forwarding": hop.forward_agent or False,
        "x509_trusted_certs": None,
        "x509_trusted_cert_paths": [],
        "host_key_alias": hop.host_key_alias,
        "preferred_auth": list(hop.methods),
        "gss_host": hop.host if with_gssapi else None,
        "gss_kex": False,
        "gss_auth": with_gssapi,
        "gss_delegate_creds": hop.gssapi_delegates,
        "host_based_auth": False,
        "kex_algs": key_exchanges(hop),
        "encryption_algs": ciphers(hop),
        "mac_algs": macs(hop) or (),
        "signature_algs": signatures(hop) or (),
        "compression_algs": [ALGORITHM, "none"] if hop.compression else ["none"],
        **{name: limit for name, limit in rekeying.items() if limit is not None},
        "tcp_keepalive": hop.tcp_keepalive,
        "env": dict(hop.environment),
        "send_env": None,  # `env` holds it
        "connect_timeout": None,  # ours covers every step
        "login_timeout": 0,
        "keepalive_interval": ask_after,
        "keepalive_count_max": may_stay_away,
    }
