"""How we log in: with the keys of the agent and the identity files, in ssh's order, and never by
asking anybody.

`Login` offers one key after another, notes what became of each and what else the host would have
taken, so that a refusal can say what to do."""

import base64
import stat
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from pathlib import Path

import asyncssh

from ..model.errors import Fatal, NeedsUser, RemoteTunnelError
from .files import Files, exists, is_file
from .hop import Hop

_OPENSSH_MAGIC = b"openssh-key-v1\0"
_LARGEST_KEY_FILE = 1 << 20


class Login:
    """One attempt to log in to a hop. `close` when the attempt is over, whatever became of it."""

    def __init__(self, hop: Hop, files: Files) -> None:
        self._hop = hop
        self._files = files
        self._agent: asyncssh.SSHAgentClient | None = None
        self._agent_fault = ""
        self._offered: list[bytes] = []
        self._locked: list[str] = []
        self._unreadable: list[str] = []
        self._would_ask: set[str] = set()
        self._takes_keys = False
        self._keys = self._all_keys()

    async def next_keys(self) -> list[asyncssh.SSHKeyPair] | None:
        """What to offer next, None when there is nothing left. Asked for by a host that takes
        keys."""
        self._takes_keys = True
        async for key in self._keys:
            if key.public_data not in self._offered:
                self._offered.append(key.public_data)
                return [key]
        return None

    def would_ask(self, method: str) -> None:
        """The host also takes `method`, for which a person is needed."""
        self._would_ask.add(method)

    async def close(self) -> None:
        """Let go of the agent."""
        await self._keys.aclose()
        if self._agent is not None:
            self._agent.close()
            await self._agent.wait_closed()

    async def _all_keys(self) -> AsyncGenerator[asyncssh.SSHKeyPair, None]:
        """Agent keys that the configuration names, other agent keys, then the identity files."""
        named = {await self._files.look_at(path, _public_data) for path in self._hop.identities}
        from_agent = await self._agent_keys()
        for key in from_agent:
            if key.public_data in named:
                yield key
        if not self._hop.identities_only:
            for key in from_agent:
                yield key
        for path in self._hop.identities:
            for key in await self._load(path):
                yield key

    async def _agent_keys(self) -> list[asyncssh.SSHKeyPair]:
        if self._hop.agent is None:
            return []
        # To connect to a socket on a drive that is gone would hold up the loop.
        await self._files.look_at(self._hop.agent, exists)
        try:
            self._agent = await asyncssh.connect_agent(self._hop.agent)
            return list(await self._agent.get_keys())
        except (OSError, ValueError) as error:
            self._agent_fault = str(error)
            return []

    async def _load(self, path: str) -> list[asyncssh.SSHKeyPair]:
        """The key of a file, with its certificates. One that is not there, or cannot be read, is
        passed over."""
        certificates = [
            name for name in self._hop.certificates if await self._files.look_at(name, is_file)
        ]
        try:
            return await self._files.look_at(path, partial(_key_pairs, certificates=certificates))
        except asyncssh.KeyImportError as error:
            locked = str(error).startswith("Passphrase")
            (self._locked if locked else self._unreadable).append(self._hop.shown(path))
        except (OSError, ValueError):
            self._unreadable.append(self._hop.shown(path))
        return []

    def error(self) -> RemoteTunnelError:
        """Why the host did not let us in."""
        hop = self._hop
        if self._would_ask:
            what = "a password" if self._would_ask == {"password"} else "a password or code"
            if not self._takes_keys:
                return NeedsUser(
                    f"{hop.place} accepts no keys, and would ask {hop.user} for {what}.",
                    hint="Asking is not possible here yet. Have keys allowed there: "
                    f"PubkeyAuthentication in the sshd of {hop.alias} decides that.",
                    hop=hop.place,
                )
            return NeedsUser(
                f"{hop.place} let none of your keys in ({self._tried()}) and would ask "
                f"{hop.user} for {what}.",
                hint=f"Asking is not possible here yet. {self._unlock_hint()}Have your public key "
                f"added there: ssh-copy-id {hop.user}@{hop.alias}",
                hop=hop.place,
            )
        if self._locked:
            return NeedsUser(
                f"{hop.place} let none of your keys in ({self._tried()}).",
                hint=self._unlock_hint().strip(),
                hop=hop.place,
            )
        return Fatal(
            f"{hop.place} let none of your keys in as {hop.user} ({self._tried()}).",
            code="auth_failed",
            hint=f"Is the user name right? Does “ssh {hop.alias}” work in a terminal?",
            hop=hop.place,
        )

    def _tried(self) -> str:
        offered = len(self._offered)
        parts = [f"{offered} tried" if offered else "none to try"]
        parts += [f"{path} has a passphrase" for path in self._locked]
        parts += [f"{path} cannot be read" for path in self._unreadable]
        if self._hop.agent is None:
            parts.append("no agent")
        elif self._agent_fault:
            parts.append(f"the agent at {self._hop.shown(self._hop.agent)} does not answer")
        return ", ".join(parts)

    def _unlock_hint(self) -> str:
        return f"Give the key to your agent: ssh-add {self._locked[0]} . " if self._locked else ""


def _key_pairs(path: str, certificates: Sequence[str]) -> list[asyncssh.SSHKeyPair]:
    """The key of a file with its certificates; none if there is no such file.

    :raises asyncssh.KeyImportError: it holds no key, or one under a passphrase.
    :raises OSError: it cannot be read.
    """
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        return []
    if not stat.S_ISREG(mode):  # a FIFO or a device would be read without end
        raise OSError("no regular file")
    return list(asyncssh.load_keypairs(path, None, certificates))


def _public_data(path: str) -> bytes | None:
    """The public half of an identity file: from the .pub beside it, or out of the file, which needs
    no passphrase."""
    if not is_file(path):
        return None
    for candidate in (f"{path}.pub", path):
        if not is_file(candidate):
            continue
        try:
            return asyncssh.read_public_key(candidate).public_data
        except (OSError, ValueError, asyncssh.KeyImportError):
            continue
    try:
        with Path(path).open("rb") as opened:
            return _openssh_public_data(opened.read(_LARGEST_KEY_FILE))
    except (OSError, ValueError, IndexError):
        return None


def _openssh_public_data(content: bytes) -> bytes | None:
    """The public key in an OpenSSH private key (PROTOCOL.key): magic, cipher, kdf, kdf options,
    count, public key."""
    lines = [line for line in content.splitlines() if line and not line.startswith(b"-----")]
    blob = base64.b64decode(b"".join(lines), validate=True)
    if not blob.startswith(_OPENSSH_MAGIC):
        return None
    position = len(_OPENSSH_MAGIC)
    for _ in range(3):
        position += 4 + int.from_bytes(blob[position : position + 4])
    position += 4
    length = int.from_bytes(blob[position : position + 4])
    return blob[position + 4 : position + 4 + length] or None
