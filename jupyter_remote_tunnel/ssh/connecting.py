"""Making a connection to one hop: one attempt, with all that a person is asked in it.

`open_connection` connects and logs in (with `client`, `auth` and `host_keys`). A host whose key
nobody knows is met twice: once to see the key, and again when it is accepted. So is one whose
certificate does not count.
"""

import asyncio
import contextlib
import logging

import asyncssh

from ..model.errors import RemoteTunnelError
from .announced_keys import learner
from .auth import Login
from .client import Client, options
from .connection import Connection
from .deadline import Deadline
from .errors import again, connect_error, is_too_many_tries, lost_error, timeout_error
from .files import Files, file_error
from .flow import Flow
from .hop import Hop
from .host_keys import HostKeyJudge, RefusedCertificate, UnknownHostKey
from .identity_files import Keyring
from .interview import MAX_PROMPTS, Asker, Interview
from .known_hosts import KnownKeys, can_remember, remember
from .watching import Watcher
from .window import ByteBudget
from .wire import Command, Dialler, Direct, Through

log = logging.getLogger(__name__)


class Memory:
    """What a person has said about a hop that holds for its next connections too.

    `accepted` are host keys that they took for this once, `keyring` what they have unlocked.
    """

    def __init__(self, keyring: Keyring | None = None) -> None:
        self.accepted: list[asyncssh.SSHKey] = []
        self.keyring = keyring or Keyring()


async def open_connection(
    hop: Hop,
    *,
    via: Connection | None,
    budget: ByteBudget | None = None,
    asker: Asker | None = None,
    memory: Memory | None = None,
    max_prompts: int = MAX_PROMPTS,
    watcher: Watcher | None = None,
) -> Connection:
    """Connect and log in, the host key verified, within `hop.connect_timeout` seconds: not counting
    those in which a person is asked. The connection to the hop before is not closed with this one.

    :param budget: what its streams share with those of other connections; None is one of its own.
    :param asker: who answers what keys and agent do not; None is nobody.
    :param memory: what was answered before, and is added to; None is nothing.
    :param max_prompts: how many questions the person is asked at most.
    :param watcher: who is told what happens; None is nobody.
    :raises Transient: connect_failed, connect_timeout, host_unresolved, network_unreachable.
    :raises Fatal: host_key_unknown, host_key_changed, host_key_revoked, auth_failed, unsupported.
    :raises NeedsUser: a person is needed and was not there, did not answer, or gave up.
    """
    deadline = Deadline(hop.connect_timeout)
    interview = Interview(hop, asker, deadline, max_prompts)
    attempt = _Attempt(
        hop, via, budget or ByteBudget(), interview, memory or Memory(), watcher or Watcher()
    )
    try:
        async with deadline:
            return await attempt.connection()
    except TimeoutError:
        waiting_for = attempt.files.waiting_for
        if waiting_for is not None:
            raise file_error(hop.shown(waiting_for), hop.connect_timeout, hop.place) from None
        raise timeout_error(hop, "connect and log in to") from None


class _Attempt:
    """One attempt to connect to a hop: twice where the first time shows a key to be accepted."""

    def __init__(
        self,
        hop: Hop,
        via: Connection | None,
        budget: ByteBudget,
        interview: Interview,
        memory: Memory,
        watcher: Watcher,
    ) -> None:
        self.files = Files()
        self._hop = hop
        self._via = via
        self._budget = budget
        self._interview = interview
        self._memory = memory
        self._watcher = watcher

    async def connection(self) -> Connection:
        known = await KnownKeys.of(self._hop, self.files)
        for key in self._memory.accepted:
            known.accept(key)
        try:
            return await self._meet(known)
        except UnknownHostKey as error:
            unknown = error
        await self._accept(unknown)
        # From now on this key, and no other, is the host's.
        known.accept(unknown.key)
        return await self._log_in(known)

    async def _meet(self, known: KnownKeys) -> Connection:
        """Log in. A host whose certificate does not count is met again, and judged by its key."""
        try:
            return await self._log_in(known)
        except RefusedCertificate as error:
            log.info("%s: %s", self._hop, error)
            self._watcher.certificate_refused(str(error))
            known.refuse_certificate(str(error))
        return await self._log_in(known)

    async def _accept(self, unknown: UnknownHostKey) -> None:
        """Have a key accepted, by a person or by the configuration.

        :raises UnknownHostKey: nobody could be asked, or is to be.
        :raises NeedsUser: the person does not accept it, or did not answer.
        """
        hop, file = self._hop, self._hop.remember_in
        if file is not None and not await self.files.look_at(file, can_remember):
            file = None
        # Never unasked where nothing would hold it: so would be the next key, and the one after.
        if hop.strict_host_keys == "accept-new" and file is not None:
            if await self._remembered(file, unknown.key):
                return
            file = None
        if hop.strict_host_keys == "yes" or not self._interview.possible:
            raise unknown
        for_good = await self._interview.accepts(unknown.shown(hop, file))
        # Where it cannot be written: what the person wants most is to get there.
        if not (for_good and file is not None and await self._remembered(file, unknown.key)):
            self._memory.accepted.append(unknown.key)

    async def _remembered(self, file: str, key: asyncssh.SSHKey) -> bool:
        """Whether the key now stands in a known_hosts file."""
        hop = self._hop
        try:
            await self.files.look_at(
                file, lambda path: remember(path, hop.known_as, key, hashed=hop.hash_known_hosts)
            )
        except OSError as error:
            shown = hop.shown(file)
            log.warning("The key of %s could not be written to %s: %s", hop, shown, error.strerror)
            return False
        return True

    async def _log_in(self, known: KnownKeys) -> Connection:
        hop, via, watcher = self._hop, self._via, self._watcher
        judge = HostKeyJudge(hop, known)
        login = Login(hop, self.files, self._interview, self._memory.keyring, watcher)
        flow = Flow(below=via.flow if via else None)
        self._interview.connected(flow)
        dialler = _dialler(hop, flow, via, watcher)
        lost: asyncio.Future[RemoteTunnelError] = asyncio.get_running_loop().create_future()

        def on_lost(error: Exception | None) -> None:
            if not lost.done():
                lost.set_result(lost_error(error, hop))

        async with contextlib.AsyncExitStack() as undo:
            undo.push_async_callback(dialler.close)
            try:
                ssh = await asyncssh.connect(
                    hop.host,
                    hop.port,
                    tunnel=dialler,
                    client_factory=lambda: Client(judge, login, self._interview, on_lost, watcher),
                    server_host_key_algs=known.algorithms(hop),
                    known_hosts=([], [], [entry.key for entry in known.revoked]),
                    server_host_keys_handler=learner(hop, judge),
                    **options(hop),
                )
            except Exception as error:
                raise self._explained(error, judge, login) from error
            finally:
                await login.close()
            undo.pop_all()
        flow.logged_in = True
        return Connection(hop, ssh, lost, dialler, flow, self._budget)

    def _explained(self, error: Exception, judge: HostKeyJudge, login: Login) -> RemoteTunnelError:
        via = self._via
        if isinstance(error, asyncssh.HostKeyNotVerifiable):
            return judge.error(error.reason)
        judged = self._interview.judged  # what was tried were not only keys
        if isinstance(error, asyncssh.PermissionDenied) or (judged and is_too_many_tries(error)):
            return login.error()
        if via is not None and via.lost.done():
            return again(via.lost.result())
        if self._interview.refusal is not None:
            return self._interview.refusal
        return connect_error(error, self._hop, via.hop if via else None)


def _dialler(hop: Hop, flow: Flow, via: Connection | None, watcher: Watcher) -> Dialler:
    if via is not None:
        return Through(hop, flow, watcher, via)
    if hop.proxy_command is not None:
        return Command(hop, flow, watcher)
    return Direct(hop, flow, watcher)
