"""What a host tells of its other keys when somebody has logged in (hostkeys-00@openssh.com).

Those that it proves to hold are written to known_hosts beside the one by which it was recognised,
if the configuration says so (UpdateHostKeys): its owner can then change keys without anybody being
warned of an attack. Nothing is taken out of the file: ssh itself does that.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence

import asyncssh

from .files import Files
from .hop import Hop
from .host_keys import HostKeyJudge
from .known_hosts import KnownKeys, remember

_MOST = 20
"""Keys of a host in known_hosts. It has one of each type; one that told of more in each connection
would fill the file."""

log = logging.getLogger(__name__)

_Keys = Sequence[asyncssh.SSHKey]
Learner = Callable[[_Keys, _Keys, _Keys, _Keys], Awaitable[None]]
"""asyncssh's handler: those that are proved, and others that do not matter here."""


def learner(hop: Hop, judge: HostKeyJudge) -> Learner | None:
    """What learns the keys that a hop proves; None where the configuration wants none of it.

    :param judge: has seen the key by which the host was recognised.
    """
    file = hop.remember_in
    if file is None or not hop.learn_host_keys:
        return None

    async def learn(proved: _Keys, _removed: _Keys, _retained: _Keys, _revoked: _Keys) -> None:
        try:
            await _learn(hop, judge.trusted, file, proved)
        except OSError as error:
            shown = hop.shown(file)
            log.warning("More keys of %s were not written to %s: %s", hop, shown, error.strerror)

    return learn


async def _learn(hop: Hop, shown: asyncssh.SSHKey | None, file: str, proved: _Keys) -> None:
    files = Files()
    known = await KnownKeys.of(hop, files)
    trusted = [entry.key for entry in known.trusted]
    if shown not in trusted:
        return  # accepted for once, or by an authority's word: that says nothing of the others
    new = [key for key in proved if key not in trusted and not known.is_revoked(key)]
    if new and len(trusted) + len(new) <= _MOST:
        await files.look_at(
            file, lambda path: remember(path, hop.known_as, *new, hashed=hop.hash_known_hosts)
        )
        log.info("%s has %d more keys, now in %s", hop, len(new), hop.shown(file))
