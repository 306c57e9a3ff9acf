"""The way into one hop as the doctor tells it: what an attempt to connect says, made into steps.

The attempt is at one step at a time. What it tells ends that step and begins the next one; where it
fails, that step has failed.
"""

import base64
import contextlib
import hashlib
import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import asyncssh
from typing_extensions import override

from ..model.diagnosis import Step, StepName
from ..model.errors import RemoteTunnelError, Transient
from ..model.text import plain
from .hop import Hop
from .host_keys import type_name
from .known_hosts import KnownKey
from .steps import Tell, Timer, done, failed
from .watching import Watcher

_METHODS = {
    "password": "a password",
    "keyboard-interactive": "answers to its own questions (keyboard-interactive)",
    "gssapi": "a Kerberos ticket (GSSAPI)",
}

_COMPLAINT = 1000
"""Bytes of what a ProxyCommand complains of."""


class Chart(Watcher):
    """Makes steps of one attempt, as a context manager around it; `tell` is given each."""

    def __init__(self, hop: Hop, via: Hop | None, tell: Tell) -> None:
        self._hop = hop
        self._via = via
        self._tell = tell
        direct = via is None and hop.proxy_command is None
        self._at: StepName = "resolve" if direct else "connect"
        self._timer = Timer()
        self._details: list[str] = []
        self._connection: asyncssh.SSHClientConnection | None = None
        self._asked = False
        self._unknown = False
        self._signed = ""
        self._trying = ""
        self._takes = ""
        self._complaints = -1

    def __enter__(self) -> Self:
        if self._hop.proxy_command is not None:
            self._complaints, self.errors = os.pipe()
            # Who has much to say must not wait for us, who read at the end.
            os.set_blocking(self._complaints, False)
            os.set_blocking(self.errors, False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, RemoteTunnelError):
            self._tell(self._failure(error))
        if self._complaints >= 0:
            os.close(self._complaints)
            os.close(self.errors)

    def _end(self, says: str, following: StepName) -> None:
        """The step is over, and the next one begins."""
        self._tell(done(self._at, self._hop.place, says, self._timer, self._details))
        self._at, self._timer, self._details = following, Timer(), []

    def _failure(self, error: RemoteTunnelError) -> Step:
        if not error.code.startswith("host_key"):
            self._counts()
        name = self._at
        if error.code.startswith("host_key"):
            name = "host_key"  # a certificate can be wrong before its key is judged
        elif error.code == "unsupported" and self._connection is None:
            name = "configuration"  # it names what is not known here, or not there
        if name == "login":
            self._end_try("not accepted")
        elif name == "key_exchange" and (greeting := self._greeting()):
            self._details.append(greeting)
        elif name == "connect" and self._hop.proxy_command is not None:
            error = self._of_command(error)
        return failed(name, self._hop.place, error, self._timer, self._details)

    def _of_command(self, error: RemoteTunnelError) -> RemoteTunnelError:
        """Why no SSH server answered through the ProxyCommand, with what that complained of."""
        with contextlib.suppress(BlockingIOError):
            heard = plain(os.read(self._complaints, _COMPLAINT).decode(errors="replace"))
            self._details.append(f"It says “{heard}”.")
        hop, what = self._hop, error.message
        if error.code == "connect_failed":
            what = (
                f"The ProxyCommand of {hop.place} ended before an SSH server answered through it."
            )
        return Transient(
            what,
            code=error.code,
            hint=f"Look at ProxyCommand in your ssh configuration: does “ssh {hop.alias}” work in a"
            " terminal?",
        )

    def asking(self, waits: bool) -> None:
        """A person is asked from now on, or was until now."""
        self._asked = self._asked or waits
        self._timer.asking(waits)

    # What the attempt tells.

    @override
    def resolved(self, addresses: Sequence[str]) -> None:
        if self._at != "resolve":
            return
        host, found = self._hop.host, list(dict.fromkeys(addresses))
        if found == [host]:
            says = f"{host} is an address."
        else:
            says = f"{plain(host)} is {', '.join(found)}."
        self._end(says, "connect")

    @override
    def not_reached(self, address: str, error: OSError) -> None:
        if self._at == "connect":
            why = os.strerror(error.errno) if error.errno else "no answer"
            self._details.append(f"{address}: {why}.")

    @override
    def connected(self, connection: asyncssh.SSHClientConnection) -> None:
        self._connection = connection
        hop = self._hop
        if self._at != "connect" or hop.proxy_command is not None:
            return
        if self._via is not None:
            self._end(f"{self._via.alias} connects to {hop.address}.", "key_exchange")
            return
        # It may have gone already.
        address, port = (connection.get_extra_info("peername") or (hop.host, hop.port))[:2]
        self._end(f"{address} takes a connection to port {port}.", "key_exchange")

    @override
    def greeted(self) -> None:
        if self._at == "connect":
            self._end("An SSH server answers through the ProxyCommand.", "key_exchange")

    @override
    def key_shown(self, key: asyncssh.SSHKey, known: KnownKey | None, *, signed: bool) -> None:
        if self._at == "key_exchange":
            self._details += _algorithms(self._connection)
            self._end(self._greeting(), "host_key")
        if self._at != "host_key":
            return
        shown = f"{type_name(key)} key {key.get_fingerprint()}"
        if known is None:
            self._unknown = True
            return
        if signed:
            self._signed = f"It is the certificate signed with the {shown}, known by {known.place}."
            return
        if not self._unknown:
            says = f"It is the {shown}, known by {known.place}."
        elif self._asked:
            says = f"It is the {shown}, which was not known and which you accepted."
        else:
            says = f"It is the {shown}, taken unasked: StrictHostKeyChecking is “accept-new”."
        self._end(says, "login")

    @override
    def certificate_refused(self, why: str) -> None:
        if self._at == "key_exchange":  # it was wrong before who signed it was looked at
            self._end(self._greeting(), "host_key")
        self._details.append(why)
        self._unknown, self._signed = False, ""

    def _counts(self) -> None:
        """What comes after a certificate was told: all of it is right, not only who signed it."""
        if self._signed:
            self._end(self._signed, "login")
        self._signed = ""

    def _greeting(self) -> str:
        """What the host says it is, in a sentence; "" where it has not said it."""
        assert self._connection is not None
        version = self._connection.get_extra_info("server_version", "")
        return f"{self._hop.alias} says it is “{plain(version, 100)}”." if version else ""

    @override
    def passed_over(self, what: str, why: str) -> None:
        self._counts()
        self._details.append(f"{plain(what)}: not tried, {why}.")

    @override
    def offered(self, key: asyncssh.SSHKeyPair, path: str | None) -> None:
        comment = plain(key.get_comment(errors="replace") or "", 60)
        of_agent = f"the agent ({comment})" if comment else "the agent"
        kind = "certificate" if key.has_cert else "key"
        place = of_agent if path is None else plain(path)
        self._begin_try(f"the {type_name(key)} {kind} {_fingerprint(key)} of {place}")

    @override
    def tried(self, method: str) -> None:
        self._begin_try(_METHODS[method])

    def _begin_try(self, what: str) -> None:
        self._counts()
        self._end_try("not used")
        self._trying = what

    def _end_try(self, outcome: str) -> None:
        if self._trying:
            self._details.append(f"{self._trying[0].upper()}{self._trying[1:]}: {outcome}.")
        self._trying = ""

    @override
    def refused(self, methods: Sequence[str], *, partly: bool) -> None:
        self._counts()
        self._end_try("accepted, and not enough alone" if partly else "refused")
        takes = plain(", ".join(methods))
        if takes != self._takes:
            self._takes = takes
            self._details.append(f"{self._hop.alias} says it takes “{takes}”.")

    @override
    def let_in(self) -> None:
        self._counts()
        by = f"by {self._trying}" if self._trying else "without being asked for anything"
        self._trying = ""
        self._end(f"{self._hop.user} is let in {by}.", "tcp_forward")


def _algorithms(connection: Any) -> list[str]:
    """What was agreed on: of names that both sides know, so none of them is the host's own."""
    exchange = connection._kex.algorithm  # noqa: SLF001 (asyncssh tells it nobody)
    there, back = connection._enc_alg_cs, connection._enc_alg_sc  # noqa: SLF001
    ciphers = [there] if there == back else [there, back]
    macs = [connection._mac_alg_cs, connection._mac_alg_sc]  # noqa: SLF001
    parts = [exchange, *ciphers, *(mac for mac in dict.fromkeys(macs) if mac not in ciphers)]
    if connection._cmp_alg_cs != b"none":  # noqa: SLF001
        parts.append(connection._cmp_alg_cs)  # noqa: SLF001
    return [f"Agreed on {', '.join(part.decode() for part in parts)}."]


def _fingerprint(key: asyncssh.SSHKeyPair) -> str:
    digest = hashlib.sha256(key.key_public_data).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
